"""What is measured is what is served: a clip over HTTP against the training side's run over the same frames."""

import json
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
import pytest_asyncio

from model import weights_file
from model.engines.choose import open_engine
from model.finder.finder import MultiPoseFinder
from model.tracker import Tracker
from model.values import Array, Region
from service.config import Settings
from service.demo.__main__ import BUNDLED_CLIP
from service.media.video import open_video
from service.processes.frontend import RunningServer
from training.box_mode import BoxMode
from training.datasets.person import SKELETON, Clip
from training.evaluation.run import run_clip

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

TOLERANCE_PX = 0.001
"""On the CPU frames are read one by one and float32 survives JSON: as a rule not a bit differs. A thousandth of a pixel
is left for a runtime that sums in another order when it has other threads at hand."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bundled() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with the weights that the package brings."""
    settings = Settings(http_port=0, grpc_port=0, weights_dir=None, device="cpu")
    async with (
        RunningServer(settings) as server,
        httpx.AsyncClient(base_url=server.http_url, timeout=300) as http,
    ):
        yield http


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    """As the commands of `kinepose-train` open the served weights."""
    network, card = weights_file.load("kimnet-lite")
    return Tracker(open_engine(network, device="cpu"), card.sha256[:16], MultiPoseFinder(threads=1))


@pytest.fixture(scope="module")
def demo() -> Clip:
    """The bundled clip with its rendered joints and boxes."""
    with open_video(BUNDLED_CLIP) as video:
        frames = np.stack([frame.rgb for frame in video])
    found = json.loads(BUNDLED_CLIP.with_suffix(".json").read_text(encoding="utf-8"))
    order = [found["joint_names"].index(joint) for joint in SKELETON.joints]
    joints = np.array([frame["joints"] for frame in found["frames"]], np.float32)[:, order]
    boxes = np.array([frame["box"] for frame in found["frames"]], np.float32)
    return Clip("demo", frames, joints, np.ones(joints.shape[:2], bool), boxes)


async def served_joints(http: httpx.AsyncClient, region: Region | None) -> tuple[Array, Array]:
    """Joints [T, K, 2] and scores [T, K] of the bundled clip, as the service answers."""
    params = {} if region is None else {"region": f"{region.x!r},{region.y!r},{region.w!r},{region.h!r}"}
    headers = {"Content-Type": "video/mp4"}
    answer = await http.post("/v1/clips", content=BUNDLED_CLIP.read_bytes(), headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    people = [person for frame in answer.json()["frames"] for person in frame["people"]]
    assert [person["track_id"] for person in people] == [1] * len(answer.json()["frames"])
    rows = [[[j["x"], j["y"], j["score"]] for j in person["joints"]] for person in people]
    table = np.array(rows, np.float32)
    return table[..., :2], table[..., 2]


@pytest.mark.parametrize("protocol", ["region", "none"])
async def test_the_service_gives_the_joints_that_training_measures(
    bundled: httpx.AsyncClient, tracker: Tracker, demo: Clip, protocol: BoxMode
) -> None:
    """The served weights on the whole demo clip, with the true box on frame 0 and without a region."""
    joints, scores = await served_joints(bundled, demo.region(0) if protocol == "region" else None)
    measured = run_clip(tracker, demo, protocol)
    np.testing.assert_allclose(joints, measured.joints, rtol=0, atol=TOLERANCE_PX)
    np.testing.assert_allclose(scores, measured.scores, rtol=0, atol=1e-4)
