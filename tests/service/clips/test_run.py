"""A clip through a pipeline, of which only what a clip needs is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.values import Frame, Pose, Region
from service.auth.api_keys import ANYONE, Caller
from service.clips.run import ClipOptions, ClipRun
from service.config import Settings
from service.contract.messages import FrameResult, ModelInfo, Outcome, SessionInfo, SessionOptions
from service.errors import BadClip, BadRegion, SessionExpired, UnsupportedMedia
from service.media.video import open_video
from service.pipeline.frames import Frames
from service.pipeline.pipeline import Pipeline
from service.pipeline.request import ClipFile
from service.pipeline.sessions import Sessions
from tests.support.clips import make_clip, make_cut_off, make_sound
from tests.support.people import person

MODEL = ModelInfo("none", "0", "0" * 64)


class RecordingPipeline(Pipeline):
    """Answers a frame with the mean of its red channel as the first joint's x; keeps what it was asked."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.sessions = RecordingSessions(self)
        self.frames = RecordingFrames(self)
        self.opened: list[SessionOptions] = []
        self.closed: list[str] = []
        self.regions: list[tuple[Region, ...]] = []
        self.refuse: Exception | None = None
        self.refuse_closing: Exception | None = None
        self.stuck_at: asyncio.Event | None = None


class RecordingSessions(Sessions):
    """The sessions of a RecordingPipeline."""

    def __init__(self, kept: RecordingPipeline) -> None:
        self._kept = kept

    async def create(
        self, options: SessionOptions, session_id: str | None = None, *, caller: Caller = ANYONE
    ) -> SessionInfo:
        self._kept.opened.append(options)
        return SessionInfo(f"clip-{len(self._kept.opened)}", 0, 1.0, MODEL)

    async def close(self, session_id: str, *, caller: Caller = ANYONE) -> SessionInfo:
        if self._kept.refuse_closing is not None:
            raise self._kept.refuse_closing
        self._kept.closed.append(session_id)
        return SessionInfo(session_id, 0, 0.0, MODEL)


class RecordingFrames(Frames):
    """The frames of a RecordingPipeline."""

    def __init__(self, kept: RecordingPipeline) -> None:
        self._kept = kept

    async def estimate_decoded(
        self,
        session_id: str,
        seq: int,
        frame: Frame,
        regions: tuple[Region, ...] = (),
        *,
        clip: ClipFile | None = None,
        caller: Caller = ANYONE,
    ) -> FrameResult:
        self._kept.regions.append(regions)
        if self._kept.stuck_at is not None:
            self._kept.stuck_at.set()
            await asyncio.Future[FrameResult]()
        if self._kept.refuse is not None:
            raise self._kept.refuse
        xy = np.zeros((13, 2), np.float32)
        xy[0, 0] = frame.rgb[..., 0].mean()
        return FrameResult(
            session_id=session_id,
            seq=seq,
            pts_us=frame.pts_us,
            outcome=Outcome.OK,
            model=MODEL,
            skeleton=KINEPOSE_13.name,
            joint_names=KINEPOSE_13.joints,
            image_size=frame.size,
            people=(person(Pose(xy, np.ones(13, np.float32))),),
        )


@asynccontextmanager
async def running(
    pipeline: RecordingPipeline, path: Path, options: ClipOptions | None = None
) -> AsyncIterator[ClipRun]:
    """A run that is closed at the end of the test."""
    run = ClipRun(pipeline, path, options or ClipOptions(), open_video)
    try:
        yield run
    finally:
        await run.aclose()


async def test_every_frame_of_a_clip_gets_its_result_in_order(tmp_path: Path) -> None:
    """Numbers, times and the pictures themselves are those of the clip."""
    async with running(RecordingPipeline(), make_clip(tmp_path / "clip.mp4")) as run:
        results = [result async for result in run]

    assert [result.seq for result in results] == list(range(10))
    assert [result.pts_us for result in results] == [index * 40_000 for index in range(10)]
    brightness = [float(result.people[0].pose.xy_px[0, 0]) for result in results]
    assert len(brightness) == 10
    assert brightness == sorted(brightness)


async def test_what_is_known_of_the_clip_is_kept_current(tmp_path: Path) -> None:
    """Counts grow with the results; the rest is there from the first result on."""
    async with running(RecordingPipeline(), make_clip(tmp_path / "clip.mp4")) as run:
        results = aiter(run)
        await anext(results)
        early = run.info
        async for _ in results:
            pass

    assert (early.codec, early.frames_declared, early.frames_emitted) == ("h264", 10, 1)
    assert (run.info.frames_decoded, run.info.frames_emitted, run.info.duration_us) == (10, 10, 400_000)


async def test_the_duration_of_a_clip_that_declares_none_is_that_of_its_pictures(tmp_path: Path) -> None:
    """A raw stream says nothing of itself."""
    async with running(RecordingPipeline(), make_clip(tmp_path / "raw.h264")) as run:
        async for _ in run:
            pass

    assert run.info.frames_declared is None
    assert run.info.duration_us == 400_000


async def test_the_region_goes_with_the_first_frame_only(tmp_path: Path) -> None:
    """After it the person is followed."""
    pipeline, region = RecordingPipeline(), Region(1, 2, 30, 40)
    clip = make_clip(tmp_path / "clip.mp4", count=3)
    async with running(pipeline, clip, ClipOptions(regions=(region,))) as run:
        async for _ in run:
            pass

    assert pipeline.regions == [(region,), (), ()]


async def test_a_clip_opens_one_session_with_its_model_and_closes_it(tmp_path: Path) -> None:
    """Nothing stays behind."""
    pipeline = RecordingPipeline()
    async with running(pipeline, make_clip(tmp_path / "clip.mp4"), ClipOptions(model="kimnet-r50")) as run:
        async for _ in run:
            pass

    assert [options.model for options in pipeline.opened] == ["kimnet-r50"]
    assert pipeline.closed == [run.session_id]


async def test_a_clip_that_cannot_be_opened_opens_no_session(tmp_path: Path) -> None:
    """The error comes before anything was reserved."""
    pipeline = RecordingPipeline()
    async with running(pipeline, make_sound(tmp_path / "a.mp4")) as run:
        with pytest.raises(UnsupportedMedia):
            await anext(aiter(run))

    assert pipeline.opened == []


async def test_a_strict_clip_that_breaks_off_gives_its_results_first(tmp_path: Path) -> None:
    """Then comes the error, and the session is closed."""
    pipeline = RecordingPipeline()
    results: list[FrameResult] = []

    async def collect(run: ClipRun) -> None:
        async for result in run:
            results.append(result)

    async with running(pipeline, make_cut_off(tmp_path), ClipOptions(strict=True)) as run:
        with pytest.raises(BadClip):
            await collect(run)

    assert 20 < len(results) == run.info.frames_emitted
    assert pipeline.closed == ["clip-1"]


async def test_an_error_of_the_pipeline_ends_the_clip(tmp_path: Path) -> None:
    """A region outside the first frame, for example."""
    pipeline = RecordingPipeline()
    pipeline.refuse = BadRegion("outside")
    async with running(pipeline, make_clip(tmp_path / "clip.mp4")) as run:
        with pytest.raises(BadRegion):
            await anext(aiter(run))

    assert pipeline.closed == ["clip-1"]
    assert run.info.frames_emitted == 0


async def test_a_session_that_is_gone_already_is_no_second_error(tmp_path: Path) -> None:
    """The first error is the one that is raised."""
    pipeline = RecordingPipeline()
    pipeline.refuse, pipeline.refuse_closing = BadRegion("outside"), SessionExpired("gone")
    async with running(pipeline, make_clip(tmp_path / "clip.mp4")) as run:
        with pytest.raises(BadRegion):
            await anext(aiter(run))


async def test_a_cancelled_clip_closes_its_session(tmp_path: Path) -> None:
    """In the middle of a frame, too."""
    pipeline = RecordingPipeline()
    pipeline.stuck_at = reached = asyncio.Event()
    run = ClipRun(pipeline, make_clip(tmp_path / "clip.mp4"), ClipOptions(), open_video)
    task = asyncio.ensure_future(anext(aiter(run)))
    await reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert pipeline.closed == ["clip-1"]


async def test_stopping_early_closes_the_session(tmp_path: Path) -> None:
    """A client that has seen enough."""
    pipeline = RecordingPipeline()
    async with running(pipeline, make_clip(tmp_path / "clip.mp4")) as run:
        await anext(aiter(run))

    assert pipeline.closed == ["clip-1"]


async def test_the_servers_limits_hold_for_a_clip(tmp_path: Path) -> None:
    """Duration and pixels come from the settings."""
    pipeline = RecordingPipeline(Settings(max_clip_s=0.1))
    async with running(pipeline, make_clip(tmp_path / "clip.mp4")) as run:
        with pytest.raises(Exception, match=r"0\.1 s are allowed"):
            await anext(aiter(run))
