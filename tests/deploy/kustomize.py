"""Renders deploy/k8s as `kubectl kustomize` does, for machines without it; a test compares the two where it is there.

Only what deploy/k8s uses: resources, components, configMapGenerator (the names get no hash), JSON patches, images.
Anything else in a kustomization is an error, so that nothing goes unrendered in silence.
"""

import re
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

_KNOWN = {"apiVersion", "kind", "resources", "components", "configMapGenerator", "patches", "images"}


def render(folder: Path) -> list[Manifest]:
    """All objects of a kustomization, in no particular order. Raises ValueError for what it does not know."""
    return _build(folder, [])


def _build(folder: Path, objects: list[Manifest]) -> list[Manifest]:
    """What this kustomization makes of the objects that it is given (a component) and of its own."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := plan.keys() - _KNOWN:
        raise ValueError(f"{folder}: {', '.join(sorted(unknown))} not known here")
    for name in plan.get("resources", []):
        path = folder / name
        objects += _build(path, []) if path.is_dir() else _documents(path)
    objects += [_config_map(folder, entry) for entry in plan.get("configMapGenerator", [])]
    for name in plan.get("components", []):
        objects = _build(folder / name, objects)
    for entry in plan.get("patches", []):
        _patch(objects, entry["target"], yaml.safe_load((folder / entry["path"]).read_text()))
    for entry in plan.get("images", []):
        _set_image(objects, entry)
    return objects


def _documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _config_map(folder: Path, entry: dict[str, Any]) -> Manifest:
    data = {name: (folder / name).read_text() for name in entry.get("files", [])}
    for name in entry.get("envs", []):
        lines = (folder / name).read_text().splitlines()
        data |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": entry["name"]}, "data": data}


def _patch(objects: list[Manifest], target: dict[str, str], operations: list[dict[str, Any]]) -> None:
    hits = [
        one
        for one in objects
        if one["kind"] == target["kind"] and re.fullmatch(target["name"], one["metadata"]["name"])
    ]
    if not hits:
        raise ValueError(f"nothing to patch: {target}")
    for one in hits:
        for operation in operations:
            _apply(one, operation)


def _apply(whole: Any, operation: dict[str, Any]) -> None:
    """One operation of RFC 6902: add, replace or remove."""
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    for part in way:
        whole = whole[int(part)] if isinstance(whole, list) else whole[part]
    key = last if isinstance(whole, dict) else len(whole) if last == "-" else int(last)
    match operation["op"]:
        case "add" if isinstance(whole, list):
            whole.insert(key, operation["value"])
        case "add" | "replace":
            whole[key] = operation["value"]
        case "remove":
            del whole[key]
        case other:
            raise ValueError(f"operation {other} not known here")


def _set_image(objects: list[Manifest], entry: dict[str, str]) -> None:
    for one in objects:
        template = one.get("spec", {}).get("template", {})
        for container in template.get("spec", {}).get("containers", []):
            if container["image"] == entry["name"]:
                container["image"] = f"{entry['newName']}:{entry['newTag']}"
