"""The network policies of deploy/k8s, played through: who reaches whom on which port."""

from typing import Any

import pytest

from tests.deploy.kustomize import Manifest
from tests.deploy.manifests import EVERYTHING, labels_of, of_kind, selected, selects, workloads

VARIANT = EVERYTHING
OUTSIDE = "outside"
"""A pod of another namespace: an ingress controller, a Prometheus."""
DNS = "dns"
"""The cluster's own, in kube-system."""
ELSEWHERE = {
    OUTSIDE: ("monitoring", {"app": "prometheus"}),
    "kube-system": ("kube-system", {"k8s-app": "kube-proxy"}),
    "false dns": ("monitoring", {"k8s-app": "kube-dns"}),
    DNS: ("kube-system", {"k8s-app": "kube-dns"}),
}
"""Namespaces and labels of pods that are not ours."""


def policies_for(name: str, direction: str) -> list[Manifest]:
    """Those that rule this workload's pods in a direction, Ingress or Egress."""
    labels = labels_of(workloads(VARIANT)[name])
    return [
        one
        for one in of_kind(VARIANT, "NetworkPolicy")
        if direction in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], labels)
    ]


def peer_fits(peer: dict[str, Any], name: str) -> bool:
    """Whether a peer of a rule is this workload."""
    if "namespaceSelector" not in peer:
        return name not in ELSEWHERE and selects(peer["podSelector"], labels_of(workloads(VARIANT)[name]))
    if name not in ELSEWHERE:
        return peer["namespaceSelector"] == {} and "podSelector" not in peer
    namespace, labels = ELSEWHERE[name]
    in_namespace = selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
    return in_namespace and selects(peer.get("podSelector", {}), labels)


def passes(name: str, direction: str, other: str, port: int) -> bool:
    """Whether the policies of one side let traffic with the other side pass, TCP."""
    if name in ELSEWHERE:
        return True
    rules = [rule for one in policies_for(name, direction) for rule in one["spec"].get(direction.lower(), [])]
    peers = "from" if direction == "Ingress" else "to"
    return any(
        port in {entry["port"] for entry in rule["ports"] if entry["protocol"] == "TCP"}
        and (peers not in rule or any(peer_fits(peer, other) for peer in rule[peers]))
        for rule in rules
    )


def reaches(source: str, target: str, port: int) -> bool:
    """Whether a connection comes through on both sides."""
    return passes(source, "Egress", target, port) and passes(target, "Ingress", source, port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("frontend", "redis", 6379),
        ("worker", "redis", 6379),
        ("frontend", "frontend", 8000),
        (OUTSIDE, "frontend", 8000),
        (OUTSIDE, "frontend", 50051),
        (OUTSIDE, "worker", 8000),
        ("frontend", DNS, 53),
        ("worker", DNS, 53),
    ],
)
def test_what_has_to_talk_can(source: str, target: str, port: int) -> None:
    """Each way that the service needs is open."""
    assert reaches(source, target, port)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (OUTSIDE, "redis", 6379),
        ("redis", OUTSIDE, 443),
        ("redis", OUTSIDE, 53),
        ("redis", "frontend", 8000),
        ("redis", DNS, 53),
        ("worker", OUTSIDE, 443),
        ("frontend", OUTSIDE, 443),
        ("frontend", OUTSIDE, 53),
        ("worker", OUTSIDE, 53),
        ("frontend", "kube-system", 53),
        ("worker", "false dns", 53),
        ("worker", DNS, 443),
        ("worker", "worker", 8000),
        ("frontend", "frontend", 50051),
    ],
)
def test_nothing_else_can(source: str, target: str, port: int) -> None:
    """A way that nobody needs is closed."""
    assert not reaches(source, target, port)


def test_every_pod_is_ruled_in_both_directions() -> None:
    """Without a policy a pod could talk to all."""
    for name in workloads(VARIANT):
        assert policies_for(name, "Ingress")
        assert policies_for(name, "Egress")


def test_every_policy_is_about_pods_that_exist() -> None:
    """Its own pods, and those on the other side."""
    for one in of_kind(VARIANT, "NetworkPolicy"):
        assert selected(VARIANT, one["spec"]["podSelector"])
        rules = one["spec"].get("ingress", []) + one["spec"].get("egress", [])
        for peer in (peer for rule in rules for peer in rule.get("from", []) + rule.get("to", [])):
            assert "namespaceSelector" in peer or selected(VARIANT, peer["podSelector"])
