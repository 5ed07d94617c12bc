"""Weights opened on a device: what runs them, and what is said where that is not installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model import zoo
from model.engines.base import EngineError
from model.engines.openvino_engine import OpenVINOEngine
from model.engines.torch_engine import TorchEngine
from model.opened import open_model
from model.publish import add_graphs
from tests.model.test_engines import assert_same_bits, make_input


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where torch is not installed: it is not found, and importing it fails."""
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.usefixtures("without_torch")
def test_a_cpu_serves_without_torch() -> None:
    """The package's weights, out of their graphs."""
    engine, card = open_model("kimnet-lite", device="cpu")
    assert isinstance(engine, OpenVINOEngine)
    assert (card.name, engine.config.name) == ("kimnet-lite", "kimnet-lite")


@pytest.mark.usefixtures("without_torch")
def test_without_graphs_and_torch_it_says_how_to_make_them(lite_weights: Path) -> None:
    """Weights that somebody brought as safetensors alone."""
    with pytest.raises(zoo.NoGraphs, match="kinepose-train graphs --model kimnet-lite"):
        open_model("kimnet-lite", lite_weights, device="cpu")


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("wish", [{"device": "cuda"}, {"device": "cpu", "runtime": "torch"}])
def test_what_only_torch_does_names_the_extra(wish: dict[str, str]) -> None:
    """CUDA and the torch engine."""
    with pytest.raises(EngineError, match=r"kinepose\[cuda\]"):
        open_model("kimnet-lite", **wish)  # type: ignore[arg-type]


def test_weights_without_graphs_go_through_torch(lite_weights: Path) -> None:
    """Where it is installed, onto the same runtime."""
    engine, _ = open_model("kimnet-lite", lite_weights, device="cpu")
    assert isinstance(engine, OpenVINOEngine)
    assert not zoo.graph_facts(zoo.path_of("kimnet-lite", lite_weights))


def test_torch_is_there_for_the_asking() -> None:
    """And reads the same weights."""
    engine, _ = open_model("kimnet-lite", device="cpu", runtime="torch")
    assert isinstance(engine, TorchEngine)


def test_both_ways_of_opening_give_the_same_bits(lite_weights: Path, tmp_path: Path) -> None:
    """Graphs beside weights change nothing but the start."""
    folder = Path(shutil.copytree(lite_weights, tmp_path / "weights"))
    before, _ = open_model("kimnet-lite", folder, device="cpu")
    add_graphs(folder / "kimnet-lite.safetensors")
    after, _ = open_model("kimnet-lite", folder, device="cpu")
    item = make_input(before.config, 3, fresh=False)
    assert_same_bits(after.infer([item])[0], before.infer([item])[0])


def test_machines_with_any_number_of_cores_give_the_same_bits() -> None:
    """Frames side by side change no number; cores that share a frame do, and the state's digest says so."""
    alone, side_by_side, shared = (
        open_model("kimnet-lite", device="cpu", parallel=parallel, threads=threads)[0]
        for parallel, threads in ((1, 1), (3, 1), (1, 2))
    )
    item = make_input(alone.config, 3, fresh=False)
    assert_same_bits(side_by_side.infer([item])[0], alone.infer([item])[0])
    assert alone.signature == side_by_side.signature != shared.signature


def test_openvino_is_not_asked_for_on_cuda() -> None:
    """A wish that cannot be met is refused, not reinterpreted."""
    with pytest.raises(ValueError, match="openvino runs on device cpu"):
        open_model("kimnet-lite", device="cuda", runtime="openvino")


SERVED = """
import asyncio, sys
import httpx
from service.config import Settings
from service.processes.frontend import RunningServer
from tests.support.server import jpegs, opened, sent

async def main():
    async with RunningServer(Settings(http_port=0, grpc_port=0, device="auto")) as server:
        async with httpx.AsyncClient(base_url=server.http_url, timeout=60) as http:
            answer = await sent(http, await opened(http), jpegs(1)[0], seq=0)
            assert answer.status_code == 200, answer.text
    print("torch" in sys.modules)

asyncio.run(main())
"""


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="device auto is CUDA here")
def test_a_served_frame_imports_no_torch() -> None:
    """A server on the CPU, with torch at hand, answers a frame and has not looked at it."""
    done = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
