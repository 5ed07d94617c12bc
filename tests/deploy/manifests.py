"""What deploy/k8s renders to, and what the tests look up in it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from prometheus_client import Metric

from tests.deploy.kustomize import Manifest, render

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
OURS = ("frontend", "worker")
EVERYTHING = "everything"
VARIANTS = ("base", "overlays/cpu", "overlays/gpu", EVERYTHING)
"""Folders of deploy/k8s; `everything` is the overlay cpu with all components."""


@cache
def manifests(variant: str) -> list[Manifest]:
    """All objects of a variant, generated names without their hash."""
    if variant != EVERYTHING:
        return render(K8S / variant)
    with TemporaryDirectory() as folder:
        write_everything(Path(folder))
        return render(Path(folder))


def write_everything(folder: Path) -> None:
    """A kustomization of the overlay cpu and the components that it leaves out."""

    def way(name: str) -> str:
        return os.path.relpath(K8S / name, folder.resolve())

    plan = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [way("overlays/cpu")],
        "components": [way(f"components/{name}") for name in ("gateway", "monitoring", "tls", "redis-tls")],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(plan))


def kubectl_renders() -> bool:
    """Whether a kubectl is here that knows components (kustomize 4.1, of 2021) and tells its version."""
    if shutil.which("kubectl") is None:
        return False
    reported = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"], capture_output=True, text=True, check=False
    )
    return reported.returncode == 0 and "kustomizeVersion" in json.loads(reported.stdout)


def rendered_by_kubectl(folder: Path) -> list[Manifest]:
    """As `manifests`, by kubectl itself."""
    text = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\b(kinepose-settings|redis-config)-[a-z0-9]{10}\b", r"\1", text)
    return list(yaml.safe_load_all(text))


def of_kind(variant: str, *kinds: str) -> list[Manifest]:
    """All objects of these kinds."""
    return [one for one in manifests(variant) if one["kind"] in kinds]


def workloads(variant: str) -> dict[str, Manifest]:
    """Deployments and StatefulSets by name."""
    return {one["metadata"]["name"]: one for one in of_kind(variant, "Deployment", "StatefulSet")}


def pod_of(workload: Manifest) -> dict[str, Any]:
    """The pod template's spec."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: Manifest) -> dict[str, str]:
    """The labels of its pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(variant: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container, with its workload's name."""
    for name, workload in workloads(variant).items():
        for container in pod_of(workload)["containers"]:
            yield name, container


def settings_map(variant: str) -> dict[str, str]:
    """The settings of all Kinepose processes."""
    [found] = [one for one in of_kind(variant, "ConfigMap") if one["metadata"]["name"] == "kinepose-settings"]
    data: dict[str, str] = found["data"]
    return data


def environment(variant: str, name: str) -> dict[str, str]:
    """The variables of a frontend or worker, its own over the common ones."""
    [container] = pod_of(workloads(variant)[name])["containers"]
    return settings_map(variant) | {entry["name"]: entry["value"] for entry in container["env"]}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector with matchLabels and `In` expressions takes these labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        entry["operator"] == "In" and labels.get(entry["key"]) in entry["values"]
        for entry in selector.get("matchExpressions", [])
    )


def selected(variant: str, selector: dict[str, Any]) -> set[str]:
    """Names of the workloads whose pods it takes."""
    return {name for name, workload in workloads(variant).items() if selects(selector, labels_of(workload))}


def series_of(metric: Metric) -> set[str]:
    """The names under which a metric is asked for."""
    ends = {"counter": ["_total"], "gauge": [""], "histogram": ["_sum", "_count", "_bucket"]}[metric.type]
    return {metric.name + end for end in ends}
