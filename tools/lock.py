"""Writes the hashed locks of the images: `make lock`, after a change of pyproject.toml or constraints.txt.

deploy/requirements.txt   what serving needs, telemetry included, for every image
deploy/torch-cuda.txt     torch as PyPI has it, which is the CUDA build, and what only that needs
deploy/build.txt          what the project's own wheel is built with

Versions are those of constraints.txt; hashes are those of all files that PyPI has of a version, for every platform.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "deploy" / "requirements.txt"
CUDA = ROOT / "deploy" / "torch-cuda.txt"
BUILD = ROOT / "deploy" / "build.txt"
CLIENT = ROOT / "clients" / "python" / "pyproject.toml"
OURS = "kinepose-client "
"""Built beside the project, and no package of an index."""
EXTRAS = ("telemetry",)
CUDA_EXTRAS = ("cuda",)
"""An extra that pyproject.toml does not have asks for nothing."""
CUDA_ONLY = re.compile(r"(torch|triton|nvidia-.+|cuda-.+)==")
"""What has no place in the image for CPUs, even where something there asks for it."""
HEADER = "# Made by `make lock` from pyproject.toml and constraints.txt; not to be edited.\n"


class LockError(RuntimeError):
    """No lock can be made."""


def headless(text: str) -> str:
    """OpenCV without its windows: a server opens none, and they would want 220 MB of libGL, Mesa and X11."""
    return re.sub(r"^opencv-python(?=[=<>])", "opencv-python-headless", text, flags=re.MULTILINE)


def plan(path: Path = ROOT / "pyproject.toml") -> dict[str, Any]:
    """What a pyproject.toml says."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def asked_for(extras: tuple[str, ...]) -> list[str]:
    """The requirements of the project and its client, with those of the extras that the project has."""
    project = plan()["project"]
    optional: dict[str, list[str]] = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in extras for one in optional.get(name, []))]
    wanted += plan(CLIENT)["project"]["dependencies"]
    return [headless(one) for one in wanted if not one.startswith(OURS)]


def resolved(wanted: list[str]) -> list[str]:
    """One block of text a package, with its hashes, sorted by name. Raises LockError."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise LockError("uv is not installed: make setup")
    with tempfile.TemporaryDirectory() as folder:
        constraints, source = Path(folder, "constraints.txt"), Path(folder, "requirements.in")
        constraints.write_text(headless((ROOT / "constraints.txt").read_text(encoding="utf-8")), encoding="utf-8")
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        options = ("--no-config", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")
        python = ("--python-version", "3.11.16", "--python-platform", "x86_64-manylinux_2_28")
        command = [uv, "pip", "compile", *options, *python, "--constraint", str(constraints), str(source)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise LockError(made.stderr)
    return re.findall(r"^\S.*\n(?: .*\n)*", made.stdout, re.MULTILINE)


def main() -> None:
    """Write all three files."""
    serving = [block for block in resolved(asked_for(EXTRAS)) if not CUDA_ONLY.match(block)]
    everything = resolved(asked_for(EXTRAS + CUDA_EXTRAS))
    REQUIREMENTS.write_text(HEADER + "".join(serving), encoding="utf-8")
    CUDA.write_text(HEADER + "".join(block for block in everything if block not in serving), encoding="utf-8")
    BUILD.write_text(HEADER + "".join(resolved(plan()["build-system"]["requires"])), encoding="utf-8")


if __name__ == "__main__":
    main()
