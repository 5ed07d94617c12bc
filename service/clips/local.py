"""A clip through a model in this process: no server, no session store. What `kinepose estimate` runs."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from model.state import SessionState
from model.tracker import RegionOutside, TooManyRegions, Tracked, TrackRequest
from model.values import Frame, Region
from service.clips.ahead import ahead_of
from service.clips.run import READ_AHEAD, brought_up_to, known_of
from service.contract.messages import FrameResult, Outcome
from service.errors import BadRegion
from service.inference.loaded_model import LoadedModel
from service.media.limits import NO_LIMIT_ON_TIME, ClipLimits
from service.media.opened import OpenedClip
from service.media.video import open_video

LOCAL_SESSION = "local"
"""What stands as session_id in results that no session made."""


class LocalRun:
    """One pass over an opened clip: (frame, its result) by iterating, once. Memory stays the same.

    The clip is decoded in a thread of its own, some frames ahead.

    Attributes:
        info: what is known of the clip so far; gaps may be of the frames that are decoded ahead.
    """

    def __init__(
        self, loaded: LoadedModel, video: OpenedClip, regions: tuple[Region, ...] = (), max_people: int = 1
    ) -> None:
        self.info = known_of(video)
        self._loaded = loaded
        self._video = video
        self._regions = regions
        self._max_people = max_people

    def __iter__(self) -> Generator[tuple[Frame, FrameResult], None, None]:
        """Frames and results, in order.

        Raises:
            BadRegion: a region has no pixel of the first frame in it, or there are more of them than people.
            KineposeError: as iterating the video does.
            EngineError: the device failed.
        """
        state: SessionState | None = None
        with ahead_of(iter(self._video), READ_AHEAD) as frames:
            for seq, frame in enumerate(frames):
                self.info = brought_up_to(self.info, self._video, decoded=1)
                regions = self._video.shape.regions_to_frame(self._regions) if seq == 0 else ()
                tracked = self._step(TrackRequest(frame, seq, state, regions, self._max_people))
                state = tracked.state
                self.info = replace(self.info, frames_emitted=self.info.frames_emitted + 1)
                yield frame, self._video.shape.result_to_stored(self._result(frame, seq, tracked))
        self.info = brought_up_to(self.info, self._video)

    def _step(self, request: TrackRequest) -> Tracked:
        [answer] = self._loaded.stepper.step([request])
        if isinstance(answer, RegionOutside | TooManyRegions):
            raise BadRegion(str(answer)) from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _result(self, frame: Frame, seq: int, tracked: Tracked) -> FrameResult:
        return FrameResult(
            session_id=LOCAL_SESSION,
            seq=seq,
            pts_us=frame.pts_us,
            outcome=Outcome.OK,
            model=self._loaded.info,
            skeleton=self._loaded.skeleton.name,
            joint_names=self._loaded.skeleton.joints,
            image_size=frame.size,
            rotation_applied=frame.rotation_applied,
            people=tracked.people,
            lost=tracked.lost,
        )


def estimate_clip(
    loaded: LoadedModel,
    path: Path,
    regions: tuple[Region, ...] = (),
    limits: ClipLimits = NO_LIMIT_ON_TIME,
    strict: bool = False,
) -> Iterator[FrameResult]:
    """The results of a clip, one a frame. `regions`: people's own boxes in the first frame, or none to look.

    Raises, while iterating:
        KineposeError: as `open_video`, `Video` and `LocalRun` do.
    """
    # The run is closed before the clip: its thread reads it.
    with open_video(path, limits, strict=strict) as video, closing(iter(LocalRun(loaded, video, regions))) as run:
        for _, result in run:
            yield result
