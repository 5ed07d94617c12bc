"""One track in a frame of a session that follows several people."""

from dataclasses import dataclass, replace

import numpy as np

from model.region import box_from_joints
from model.state import TrackState
from model.track_reading import LOST_PATIENCE, TRACK_PATIENCE, Reading
from model.values import LostTrack, Region, RegionSource

_SPEED_SHARE = 0.3
"""Share of the last frame's movement in the smoothed velocity."""
_SPEED_KEPT = 0.98
"""Share of the velocity that is kept in each frame in which somebody is not seen: they do not go on for ever."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A track as a frame finds it.

    Attributes:
        track_id: the person's number.
        before: what the frame before left of them; None for whoever is new.
        reading: what was read in this frame; None where nobody looked.
        hidden: what was read is another track's body: this one is not seen, and keeps its memory as it was.
        shared: what was read is this track's body or that of somebody hidden there, or something between them: where
            they go from here, the course of each before tells.
    """

    track_id: int
    before: TrackState | None
    reading: Reading | None = None
    hidden: bool = False
    shared: bool = False

    @property
    def is_given(self) -> bool:
        """Whether a client says where the person is."""
        return self.reading is not None and self.reading.person.region_source is RegionSource.GIVEN

    @property
    def there(self) -> bool:
        """Whether the person is in the picture, with joints enough: a neighbour's arm in the crop is nobody."""
        found = self.reading is not None and self.reading.is_there and not self.reading.track.lost_frames
        return found and not self.hidden

    @property
    def seen(self) -> Region | None:
        """The box of the person's joints; None where they are not seen."""
        if self.reading is None or not self.there:
            return None
        pose = self.reading.person.pose
        return box_from_joints(pose.xy_px, pose.score)

    @property
    def newly_lost(self) -> bool:
        """Seen in the frame before, and not in this one."""
        return self.seen is None and self.before is not None and self.before.lost_frames == 0

    def after(self, image_size: tuple[int, int]) -> TrackState:
        """What the next frame needs of the track."""
        if self.reading is not None and not self.hidden:
            track = replace(self.reading.track, track_id=self.track_id, course=None)
            if self.shared and self.before is not None:
                return _kept_on_course(track, self.before)
            if self.before is None or not track.lost_frames:
                return replace(track, velocity=_velocity(self.before, track))
            kept = replace(track, lost_frames=self.before.lost_frames + 1)
        else:
            assert self.before is not None  # whoever is new was read
            kept = replace(self.before, lost_frames=self.before.lost_frames + 1)
        return _coasted(kept, self.before.velocity, image_size)

    def expected(self, image_size: tuple[int, int]) -> TrackState:
        """The track, in the box where the person would be had they gone on as before."""
        track = self.after(image_size)
        return track if track.course is None else replace(track, box=_moved_to(track.box, track.course))

    def lost(self, image_size: tuple[int, int]) -> LostTrack:
        """What is said of a person who is not seen."""
        return LostTrack(self.track_id, self.after(image_size).last_region)


def is_read(track: TrackState) -> bool:
    """Whether a track is read where it should be; later only the finder brings it back."""
    return track.lost_frames <= LOST_PATIENCE


def is_over(track: TrackState) -> bool:
    """Whether a track has been lost for longer than the patience."""
    return track.lost_frames > TRACK_PATIENCE


def predicted(track: TrackState) -> Region:
    """Where the person should be in the next frame."""
    box = track.box if track.course is None else _moved_to(track.box, track.course)
    return _moved(box, track.velocity)


def _velocity(before: TrackState | None, track: TrackState) -> tuple[float, float]:
    """As it was for whoever comes back: two boxes that lie frames apart tell nothing of one frame."""
    if before is None:
        return 0.0, 0.0
    if before.lost_frames or before.course is not None:
        return before.velocity
    x, y = (
        old + _SPEED_SHARE * (new_middle - old_middle - old)
        for old, new_middle, old_middle in zip(before.velocity, track.box.center, before.box.center, strict=True)
    )
    return x, y


def _coasted(track: TrackState, velocity: tuple[float, float], image_size: tuple[int, int]) -> TrackState:
    """A person who is not seen goes on as before, and no farther than the picture's edge."""
    middle = _moved(track.box, velocity).center
    x, y = (float(np.clip(value, 0, side - 1)) for value, side in zip(middle, image_size, strict=True))
    return replace(track, box=_moved_to(track.box, (x, y)), velocity=_slower(velocity))


def _kept_on_course(track: TrackState, before: TrackState) -> TrackState:
    """What is read of people who are mixed up does not tell where each of them goes."""
    return replace(track, velocity=_slower(before.velocity), course=predicted(before).center)


def _slower(velocity: tuple[float, float]) -> tuple[float, float]:
    return velocity[0] * _SPEED_KEPT, velocity[1] * _SPEED_KEPT


def _moved_to(box: Region, middle: tuple[float, float]) -> Region:
    return Region(middle[0] - box.w / 2, middle[1] - box.h / 2, box.w, box.h)


def _moved(box: Region, by: tuple[float, float]) -> Region:
    return Region(box.x + by[0], box.y + by[1], box.w, box.h)
