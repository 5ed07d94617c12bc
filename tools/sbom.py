"""Writes the image's list of packages (SBOM, CycloneDX 1.6 in JSON): `make sbom`.

Python's are those of the lock, which is all that the image for CPUs installs: deploy/requirements.txt. The page's are
vendored: service/page/vendor/README.md. What Debian and Python's own
image bring is not in it: BuildKit lists that (deploy/runbook.md).
"""

import argparse
import re
import tomllib
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "deploy" / "requirements.txt"
VENDORED = ROOT / "service" / "page" / "vendor" / "README.md"
PYPI = "https://pypi.org/simple"


def packages(lock: Path) -> list[Component]:
    """Those of a lock, each with the hashes of the files that it may be installed from."""
    text = lock.read_text(encoding="utf-8")
    return [
        _component(name, version, re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for name, version, hashes in re.findall(r"^([\w.-]+)==(\S+) \\\n((?: .*\n)+)", text, re.MULTILINE)
    ]


def _component(name: str, version: str, hashes: list[str]) -> Component:
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"{PYPI}/{name}/"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
    )
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        external_references=[files],
    )


def vendored(table: Path) -> list[Component]:
    """What the page has of others, as the table beside it tells."""
    rows = re.findall(r"^\| ([\w.-]+) \| (\d\S*) \| ([\w.-]+) \|", table.read_text(encoding="utf-8"), re.MULTILINE)
    return [_npm_component(name, version, licence) for name, version, licence in rows]


def _npm_component(name: str, version: str, licence: str) -> Component:
    purl = PackageURL("npm", name=name, version=version)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[DisjunctiveLicense(id=licence)],
    )


def bill() -> Bom:
    """Of the image for CPUs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    root = Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        bom_ref=project["name"],
    )
    components = packages(LOCK) + vendored(VENDORED)
    made = Bom(components=components)
    made.metadata.component = root
    made.register_dependency(root, components)
    return made


def main() -> None:
    """Write it where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(JsonV1Dot6(bill()).output_as_string(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
