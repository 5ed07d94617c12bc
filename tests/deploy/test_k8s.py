"""The manifests of deploy/k8s: valid, hardened, and of one mind with the settings and with one another."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from service.config import Settings
from service.observability.metrics import Metrics
from tests.deploy.custom_resources import FALLBACK_BEHAVIORS, PROMETHEUS_TRIGGER, SPECS, misfits
from tests.deploy.kustomize import Manifest
from tests.deploy.manifests import (
    EVERYTHING,
    K8S,
    OURS,
    VARIANTS,
    containers,
    environment,
    kubectl_renders,
    labels_of,
    manifests,
    of_kind,
    pod_of,
    rendered_by_kubectl,
    selected,
    selects,
    series_of,
    workloads,
    write_everything,
)

OLDEST, RECENT = "1.30", "1.34"
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def key(one: Manifest) -> tuple[str, str]:
    """What an object is known by."""
    return one["kind"], one["metadata"]["name"]


# -- rendered and valid -------------------------------------------------------------------------------------


@pytest.mark.skipif(not kubectl_renders(), reason="no kubectl with kustomize 4.1 or newer")
@every_variant
def test_kubectl_renders_what_the_tests_look_at(variant: str, tmp_path: Path) -> None:
    """The tests' own rendering is that of kubectl, object by object."""
    write_everything(tmp_path)
    folder = tmp_path if variant == EVERYTHING else K8S / variant
    by_kubectl = {key(one): one for one in rendered_by_kubectl(folder)}
    assert {key(one): one for one in manifests(variant)} == by_kubectl


@pytest.mark.parametrize("version", [OLDEST, RECENT])
def test_every_object_is_valid(version: str) -> None:
    """Kubernetes' schemas take all that is of Kubernetes, and know every field."""
    distinct = {repr(one): one for variant in VARIANTS for one in manifests(variant) if one["kind"] not in SPECS}
    for one in distinct.values():
        assert kubernetes_validate.validate(one, version, strict=True) == version


def test_every_custom_resource_has_the_fields_of_its_definition() -> None:
    """KEDA's, the gateway's and the Prometheus operator's objects name no field that does not exist."""
    seen = [one for variant in VARIANTS for one in of_kind(variant, *SPECS)]
    assert {one["kind"] for one in seen} == set(SPECS)
    for one in seen:
        assert misfits(one["spec"], SPECS[one["kind"]]) == [], key(one)


@every_variant
def test_nothing_names_a_namespace(variant: str) -> None:
    """Whoever applies it chooses."""
    assert [key(one) for one in manifests(variant) if "namespace" in one["metadata"]] == []


# -- the settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
@every_variant
def test_every_variable_is_a_setting(variant: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a container have names and values that Settings takes."""
    variables = environment(variant, name)
    known = {f"KINEPOSE_{field.upper()}" for field in Settings.model_fields}
    assert {variable for variable in variables if variable.startswith("KINEPOSE_")} <= known
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    Settings()


def settings_of(variant: str, name: str) -> Settings:
    """As the container's process reads them."""
    ours = {key: value for key, value in environment(variant, name).items() if key.startswith("KINEPOSE_")}
    return Settings.model_validate({key.removeprefix("KINEPOSE_").lower(): value for key, value in ours.items()})


@pytest.mark.parametrize("name", OURS)
@every_variant
def test_a_pod_has_time_to_drain(variant: str, name: str) -> None:
    """The grace period is longer than the hook and the drain together."""
    pod = pod_of(workloads(variant)[name])
    hook = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] >= hook + settings_of(variant, name).drain_grace_s + 10


@pytest.mark.parametrize("name", OURS)
@every_variant
def test_ports_are_those_of_the_settings(variant: str, name: str) -> None:
    """A container declares what its process listens on."""
    settings = settings_of(variant, name)
    declared = {
        port["name"]: port["containerPort"] for port in pod_of(workloads(variant)[name])["containers"][0]["ports"]
    }
    expected = {"http": settings.http_port} | ({"grpc": settings.grpc_port} if name == "frontend" else {})
    assert declared == expected
    assert settings.host == "0.0.0.0"


@every_variant
def test_clips_fit_on_a_frontend(variant: str) -> None:
    """The spool holds as many clips of the largest size as there may be jobs, and all that may be kept, and more."""
    settings = settings_of(variant, "frontend")
    [volume] = [one for one in pod_of(workloads(variant)["frontend"])["volumes"] if one["name"] == "spool"]
    assert int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi")) * 1024**3 > (
        max(settings.max_clip_jobs * settings.max_body_bytes, settings.max_clip_bytes)
    )


@pytest.mark.parametrize("variant", ["overlays/cpu", "overlays/gpu"])
def test_shards_are_enough_for_the_most_workers(variant: str) -> None:
    """At least four shards for each worker that the autoscaler may start."""
    [scaled] = of_kind(variant, "ScaledObject")
    assert 4 * scaled["spec"]["maxReplicaCount"] <= settings_of(variant, "worker").redis_shards


# -- who finds whom -----------------------------------------------------------------------------------------


@every_variant
def test_selectors_match_labels(variant: str) -> None:
    """A workload selects its own pods, and no two select the same."""
    for name, workload in workloads(variant).items():
        assert selected(variant, workload["spec"]["selector"]) == {name}
        for constraint in pod_of(workload).get("topologySpreadConstraints", []):
            assert selects(constraint["labelSelector"], labels_of(workload))


@every_variant
def test_services_reach_a_port_of_their_pods(variant: str) -> None:
    """A Service selects one workload, and its target ports are named there."""
    for service in of_kind(variant, "Service"):
        [name] = selected(variant, {"matchLabels": service["spec"]["selector"]})
        named = {port["name"] for port in pod_of(workloads(variant)[name])["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_routes_lead_to_services() -> None:
    """A route's backend is a port of a Service, its parent a listener of the gateway."""
    services = {
        one["metadata"]["name"]: {p["port"] for p in one["spec"]["ports"]} for one in of_kind(EVERYTHING, "Service")
    }
    [gateway] = of_kind(EVERYTHING, "Gateway")
    listeners = {one["name"]: one["hostname"] for one in gateway["spec"]["listeners"]}
    for route in of_kind(EVERYTHING, "HTTPRoute", "GRPCRoute"):
        [parent] = route["spec"]["parentRefs"]
        assert parent["name"] == gateway["metadata"]["name"]
        assert route["spec"]["hostnames"] == [listeners[parent["sectionName"]]]
        for backend in (one for rule in route["spec"]["rules"] for one in rule["backendRefs"]):
            assert backend["port"] in services[backend["name"]]


@every_variant
def test_budgets_and_monitors_select_pods(variant: str) -> None:
    """None of them is about nothing."""
    for one in of_kind(variant, "PodDisruptionBudget", "PodMonitor"):
        assert len(selected(variant, one["spec"]["selector"])) == 1, key(one)
    budgets = {one["metadata"]["name"] for one in of_kind(variant, "PodDisruptionBudget")}
    assert budgets == set(OURS)


def test_every_secret_named_is_explained() -> None:
    """No Secret is in the manifests; the README tells how to make each."""
    assert of_kind(EVERYTHING, "Secret") == []
    made = set(re.findall(r"kubectl create secret \w+ (\S+)", (K8S / "README.md").read_text()))
    assert made == {name for one in manifests(EVERYTHING) for name in secrets_in(one)}


def secrets_in(value: Any) -> Iterator[str]:
    """Names of the Secrets that an object refers to."""
    if isinstance(value, list):
        for item in value:
            yield from secrets_in(item)
    elif isinstance(value, dict):
        if "secretName" in value:
            yield value["secretName"]
        for reference in (value.get("credentials"), *value.get("certificateRefs", [])):
            if reference:
                yield reference["name"]
        for item in value.values():
            yield from secrets_in(item)


# -- hardened -----------------------------------------------------------------------------------------------


@every_variant
def test_every_container_is_confined(variant: str) -> None:
    """Not root, on a read-only disk, without capabilities, without a token."""
    for name, container in containers(variant):
        pod = pod_of(workloads(variant)[name])
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= _volumes(workloads(variant)[name])


def _volumes(workload: Manifest) -> set[str]:
    claims = workload["spec"].get("volumeClaimTemplates", [])
    return {one["name"] for one in pod_of(workload)["volumes"]} | {one["metadata"]["name"] for one in claims}


@every_variant
def test_every_container_is_bounded_and_probed(variant: str) -> None:
    """It says what it needs and at most takes, and has three probes; those of ours ask what they should."""
    for name, container in containers(variant):
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["requests"].keys()
        assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
        probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
        if name in OURS:
            paths = {kind: probe["httpGet"]["path"] for kind, probe in probes.items()}
            assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
            assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}
            assert probes["readiness"]["timeoutSeconds"] > settings_of(variant, name).ready_timeout_s


@pytest.mark.parametrize("variant", ["overlays/cpu", "overlays/gpu", EVERYTHING])
def test_images_are_of_one_version(variant: str) -> None:
    """Frontends and workers are of the same build, none of a tag that moves."""
    images = {name: container["image"] for name, container in containers(variant)}
    assert not any(image.endswith(":latest") or ":" not in image for image in images.values())
    assert images["worker"].removesuffix("-cuda") == images["frontend"]
    assert images["worker"].endswith("-cuda") == (variant == "overlays/gpu")


# -- KEDA ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["overlays/cpu", "overlays/gpu"])
def test_keda_scales_the_workers_by_metrics_that_exist(variant: str) -> None:
    """Its target is the Deployment, its queries name metrics of ours."""
    [scaled] = of_kind(variant, "ScaledObject")
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] in workloads(variant)
    assert "replicas" not in workloads(variant)["worker"]["spec"]
    assert 1 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    assert spec["fallback"]["behavior"] in FALLBACK_BEHAVIORS
    exported = {name for metric in Metrics().registry.collect() for name in series_of(metric)}
    for trigger in spec["triggers"]:
        assert trigger["type"] == "prometheus"
        assert misfits(trigger["metadata"], PROMETHEUS_TRIGGER) == []
        named = set(re.findall(r"kinepose_\w+", trigger["metadata"]["query"]))
        assert named
        assert named <= exported


def test_the_autoscaler_that_keda_makes_is_valid() -> None:
    """The behaviour is handed on to a HorizontalPodAutoscaler as it stands."""
    [scaled] = of_kind("overlays/cpu", "ScaledObject")
    behavior: dict[str, Any] = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "worker"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 8, "behavior": behavior},
    }
    assert kubernetes_validate.validate(autoscaler, RECENT, strict=True) == RECENT
