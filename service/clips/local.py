"""A clip through a model in this process: no server, no session store. What `kinepose estimate` runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from model.state import SessionState
from model.tracker import RegionOutside, TooManyRegions, Tracked, TrackRequest
from model.values import Frame, Region
from service.clips.run import brought_up_to, known_of
from service.contract.messages import FrameResult, Outcome
from service.errors import BadRegion
from service.inference.loaded_model import LoadedModel
from service.media.limits import NO_LIMIT_ON_TIME, ClipLimits
from service.media.video import OpenedClip, open_video

LOCAL_SESSION = "local"
"""What stands as session_id in results that no session made."""


class LocalRun:
    """One pass over an opened clip: (frame, its result) by iterating, once. Memory stays the same.

    Attributes:
        info: what is known of the clip so far.
    """

    def __init__(
        self, loaded: LoadedModel, video: OpenedClip, regions: tuple[Region, ...] = (), max_people: int = 1
    ) -> None:
        self.info = known_of(video)
        self._loaded = loaded
        self._video = video
        self._regions = regions
        self._max_people = max_people

    def __iter__(self) -> Iterator[tuple[Frame, FrameResult]]:
        """Frames and results, in order.

        Raises:
            BadRegion: a region has no pixel of the first frame in it, or there are more of them than people.
            KineposeError: as iterating the video does.
            EngineError: the device failed.
        """
        state: SessionState | None = None
        for seq, frame in enumerate(self._video):
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
    with open_video(path, limits, strict=strict) as video:
        for _, result in LocalRun(loaded, video, regions):
            yield result
