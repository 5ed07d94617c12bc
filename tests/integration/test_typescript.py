"""The TypeScript client: its types are those of the OpenAPI document; under Node it speaks with a real server."""

import asyncio
import json
import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.keys import Keys
from tests.support.pictures import smooth_picture
from tests.support.server import SIZE, jpegs

FOLDER = Path(__file__).parents[2] / "clients" / "typescript"
NPM = shutil.which("npm")

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(NPM is None, reason="Node and npm are not installed"),
    pytest.mark.slow,
]


def npm(*arguments: str, env: Mapping[str, str] | None = None) -> None:
    """Run npm in the client's folder; its output is the failure's."""
    assert NPM is not None
    environment = {**os.environ, **(env or {})}
    ran = subprocess.run([NPM, *arguments], cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.fail(ran.stdout + ran.stderr)


@pytest.fixture(scope="session")
def compiler() -> None:
    """The packages of the lock, installed where they are not, or older."""
    installed = FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")


async def test_the_types_are_those_of_the_openapi_document(compiler: None, tmp_path: Path) -> None:
    """Who changes the document runs `make typescript`."""
    document, types = tmp_path / "openapi.json", tmp_path / "schema.ts"
    document.write_text(runpy.run_path(str(FOLDER / "openapi.py"))["document"](), encoding="utf-8")
    await asyncio.to_thread(npm, "run", "generate", "--", str(document), "-o", str(types))

    assert types.read_text(encoding="utf-8") == (FOLDER / "src" / "schema.ts").read_text(encoding="utf-8")


async def test_the_client_under_node(
    compiler: None, server: RunningServer, guarded: RunningServer, keys: Keys, tmp_path: Path
) -> None:
    """Streams, frames, clips, jobs, errors and keys: clients/typescript/test says what."""
    pictures = [tmp_path / f"{index}.jpg" for index in range(3)]
    for path, image in zip(pictures, jpegs(3), strict=True):
        path.write_bytes(image)
    clip = make_clip(tmp_path / "clip.mp4", pictures=[smooth_picture(*SIZE, seed=seed) for seed in range(4)])
    await asyncio.to_thread(npm, "run", "build")

    env = {
        "KINEPOSE_URL": server.http_url,
        "KINEPOSE_GUARDED_URL": guarded.http_url,
        "KINEPOSE_KEY": keys.by_name["robot"],
        "KINEPOSE_CLIP": str(clip),
        "KINEPOSE_PICTURES": json.dumps([str(path) for path in pictures]),
    }
    await asyncio.to_thread(npm, "test", env=env)
