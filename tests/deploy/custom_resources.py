"""Fields of the custom resources that deploy/k8s uses: Kubernetes' own schemas do not know them.

A shape is a type; a one-item list (a list of such); or a dict of fields, those with a `!` required. The fields are
those of the published definitions (KEDA 2.17, Gateway API 1.2, Prometheus Operator 0.80), as far as they are used here.
"""

from typing import Any

ANY = object

_POD_SELECTOR = {"matchLabels": dict, "matchExpressions": [dict]}
_PARENT = {"name!": str, "sectionName": str, "namespace": str, "port": int}
_BACKEND = {"name!": str, "port!": int, "weight": int, "namespace": str}
_RELABELING = {"sourceLabels": [str], "targetLabel": str, "replacement": str, "regex": str, "action": str}

SPECS: dict[str, dict[str, Any]] = {
    "ScaledObject": {
        "scaleTargetRef!": {"name!": str, "apiVersion": str, "kind": str, "envSourceContainerName": str},
        "pollingInterval": int,
        "initialCooldownPeriod": int,
        "cooldownPeriod": int,
        "idleReplicaCount": int,
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "fallback": {"failureThreshold!": int, "replicas!": int, "behavior": str},
        "advanced": {
            "restoreToOriginalReplicaCount": bool,
            "horizontalPodAutoscalerConfig": {"name": str, "behavior": ANY},
            "scalingModifiers": dict,
        },
        "triggers!": [
            {
                "type!": str,
                "name": str,
                "metricType": str,
                "useCachedMetrics": bool,
                "metadata!": dict,
                "authenticationRef": {"name!": str, "kind": str},
            }
        ],
    },
    "Gateway": {
        "gatewayClassName!": str,
        "listeners!": [
            {
                "name!": str,
                "hostname": str,
                "port!": int,
                "protocol!": str,
                "tls": {"mode": str, "certificateRefs": [{"name!": str, "namespace": str}]},
                "allowedRoutes": dict,
            }
        ],
    },
    "HTTPRoute": {
        "parentRefs": [_PARENT],
        "hostnames": [str],
        "rules": [
            {
                "name": str,
                "matches": [{"path": {"type": str, "value": str}, "method": str, "headers": [dict]}],
                "timeouts": {"request": str, "backendRequest": str},
                "filters": [dict],
                "backendRefs": [_BACKEND],
            }
        ],
    },
    "GRPCRoute": {
        "parentRefs": [_PARENT],
        "hostnames": [str],
        "rules": [
            {
                "name": str,
                "matches": [{"method": {"type": str, "service": str, "method": str}, "headers": [dict]}],
                "filters": [dict],
                "backendRefs": [_BACKEND],
            }
        ],
    },
    "PodMonitor": {
        "selector!": _POD_SELECTOR,
        "namespaceSelector": dict,
        "jobLabel": str,
        "podTargetLabels": [str],
        "podMetricsEndpoints!": [
            {
                "port": str,
                "path": str,
                "scheme": str,
                "interval": str,
                "authorization": {"type": str, "credentials": {"name!": str, "key!": str}},
                "relabelings": [_RELABELING],
                "metricRelabelings": [_RELABELING],
            }
        ],
    },
}

# Of a KEDA trigger's metadata, whose values are all strings: the fields that each type knows.
PROMETHEUS_TRIGGER = {
    "serverAddress!": str,
    "query!": str,
    "threshold!": str,
    "activationThreshold": str,
    "namespace": str,
    "customHeaders": str,
    "ignoreNullValues": str,
    "queryParameters": str,
    "unsafeSsl": str,
    "timeout": str,
    "authModes": str,
}

FALLBACK_BEHAVIORS = {"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"}


def misfits(value: Any, shape: Any, where: str = "spec") -> list[str]:
    """What in a value is not of the shape; empty where all is."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: not a list"]
        return [text for i, item in enumerate(value) for text in misfits(item, shape[0], f"{where}[{i}]")]
    if not isinstance(shape, dict):
        return [] if isinstance(value, shape) else [f"{where}: not {shape.__name__}"]
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    fields = {name.rstrip("!"): inner for name, inner in shape.items()}
    found = [f"{where}.{name}: missing" for name in (n[:-1] for n in shape if n.endswith("!")) if name not in value]
    for name, inner in value.items():
        found += misfits(inner, fields[name], f"{where}.{name}") if name in fields else [f"{where}.{name}: unknown"]
    return found
