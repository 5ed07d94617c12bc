"""What the images are made of: base images by digest, packages by hash, and a list of them."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import EVERYTHING, VARIANTS, containers
from tools import lock

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
OURS = re.compile(r"kinepose(-cuda|-proxy)?(:.*)?")
"""Built here: a release is deployed by the digest that it got when it was pushed."""
LOCKS = (lock.REQUIREMENTS, lock.CUDA, lock.BUILD)


def of_dockerfile(path: Path) -> set[str]:
    """Images that it begins with, those of its own stages left out; a variable stands for its default."""
    text = path.read_text(encoding="utf-8")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    stages = set(re.findall(r"^FROM .+ AS (\S+)$", text, re.MULTILINE))
    named = re.findall(r"^FROM (\S+)", text, re.MULTILINE) + re.findall(r"(?:--|,)from=([^\s,]+)", text)
    named += re.findall(r"^# syntax=(\S+)", text, re.MULTILINE)
    return {re.sub(r"\$\{(\w+)\}", lambda one: defaults[one[1]], name) for name in named} - stages


def images() -> dict[str, set[str]]:
    """Every image that somebody else makes, by where it is named."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    found = {
        "docker-compose.yml": {service["image"] for service in compose["services"].values()},
        **{f"deploy/k8s/{variant}": {one["image"] for _, one in containers(variant)} for variant in VARIANTS},
        **{str(path.relative_to(ROOT)): of_dockerfile(path) for path in dockerfiles()},
    }
    return {place: {name for name in names if not OURS.fullmatch(name)} for place, names in found.items()}


def dockerfiles() -> list[Path]:
    """All of the repository."""
    return [ROOT / "Dockerfile", *sorted((ROOT / "deploy").rglob("Dockerfile*"))]


def test_every_image_is_pinned_by_its_digest() -> None:
    """A tag, for people and for Renovate, and the digest that decides."""
    found = images()
    assert all(
        found[place] for place in ("Dockerfile", "deploy/proxy/Dockerfile", "docker-compose.yml", "deploy/k8s/base")
    )
    for place, names in found.items():
        for name in names:
            assert PINNED.fullmatch(name), f"{place}: {name}"


def test_an_image_without_a_digest_is_seen(tmp_path: Path) -> None:
    """Behind a variable, where a file is copied from, and as the syntax; stages are no images."""
    path = tmp_path / "Dockerfile"
    path.write_text("# syntax=docker/dockerfile:1\nARG BASE=a:1\nFROM ${BASE} AS one\nFROM one\nCOPY --from=b:2 x y\n")
    assert of_dockerfile(path) == {"docker/dockerfile:1", "a:1", "b:2"}


def test_a_tag_has_one_digest_everywhere() -> None:
    """compose and Kubernetes run the same Redis."""
    names = {name for found in images().values() for name in found}
    assert len({name.partition("@")[0] for name in names}) == len(names)
    assert any(one["image"] in images()["docker-compose.yml"] for _, one in containers(EVERYTHING))


def test_renovate_looks_after_every_place_with_a_pin() -> None:
    """Its managers are those of the files that name images, and none of its patterns is about nothing."""
    config = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
    assert {"dockerfile", "docker-compose", "kubernetes"} <= set(config["enabledManagers"])
    files = [str(path.relative_to(ROOT)) for path in [ROOT / "constraints.txt", *(ROOT / "deploy").rglob("*.yaml")]]
    for manager in ("kubernetes", "pip_requirements"):
        for pattern in config[manager]["managerFilePatterns"]:
            assert any(re.search(pattern.strip("/"), file) for file in files), pattern
    pinned = {f for f in files if PINNED.search((ROOT / f).read_text(encoding="utf-8"))}
    assert pinned
    assert all(re.search(config["kubernetes"]["managerFilePatterns"][0].strip("/"), file) for file in pinned)


# -- packages -------------------------------------------------------------------------------------------------


def locked(path: Path) -> dict[str, str]:
    """Versions by canonical name. Every line but comments and options has to be a package with hashes."""
    text = re.sub(r"^(#|--).*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    blocks = re.findall(r"([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text)
    assert "".join(f"{name}=={version} \\\n{hashes}" for name, version, hashes in blocks) == text
    return {name: version for name, version, _ in blocks}


def canonical(name: str) -> str:
    """As packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_has_a_version_and_hashes(path: Path) -> None:
    """Nothing else is in a lock."""
    assert locked(path)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_the_versions_that_are_tested(path: Path) -> None:
    """Those of constraints.txt: who changes these runs `make lock`."""
    text = lock.headless((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    tested = {canonical(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)}
    found = {name: version.partition("+")[0] for name, version in locked(path).items()}
    assert found.items() & tested.items() == {name: found[name] for name in found.keys() & tested.keys()}.items()


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """Every dependency and the telemetry; torch for CUDA alone."""
    wanted = {canonical(re.split(r"[\[<>=! ]", one)[0]) for one in lock.asked_for(lock.EXTRAS)}
    assert wanted <= locked(lock.REQUIREMENTS).keys()
    assert "torch" in locked(lock.CUDA)
    assert not locked(lock.REQUIREMENTS).keys() & locked(lock.CUDA).keys()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert {re.split(r"[<>=]", one)[0] for one in build} <= locked(lock.BUILD).keys()


def test_the_images_install_by_hash_alone() -> None:
    """No package comes in beside the locks, and none is built."""
    commands = re.findall(r"\bpip (?:--python \S+ )?(?:install|wheel) .*", joined())
    assert len(commands) == 5
    for command in " && ".join(commands).split(" && "):
        if " install " in command or " wheel " in command:
            assert "--no-index" in command or {"--require-hashes", "--only-binary"} <= set(command.split()), command


def joined() -> str:
    """The Dockerfile with its continued lines made one."""
    return (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")


def test_the_list_of_packages_names_what_is_locked(tmp_path: Path) -> None:
    """`make sbom`: CycloneDX, with every package of the image for CPUs, its hashes, and what the page brings."""
    out = tmp_path / "sbom.cdx.json"
    subprocess.run([sys.executable, "-m", "tools.sbom", str(out)], cwd=ROOT, check=True)
    listed = json.loads(out.read_text(encoding="utf-8"))
    assert listed["bomFormat"] == "CycloneDX"
    of_python = [one for one in listed["components"] if one["purl"].startswith("pkg:pypi/")]
    of_the_page = [one for one in listed["components"] if one["purl"].startswith("pkg:npm/")]
    assert len(of_python) + len(of_the_page) == len(listed["components"])
    assert {one["name"]: one["version"] for one in of_python} == locked(lock.REQUIREMENTS)
    assert {one["name"] for one in of_the_page} == {"preact", "htm", "uplot", "swagger-ui-dist", "redoc"}
    assert all(one["licenses"] for one in of_the_page)
