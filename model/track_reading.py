"""One track in one frame: its crop through the network, and what that leaves behind."""

from dataclasses import dataclass, replace

from model.coords import region_to_transform
from model.engines.base import ModelOutput
from model.passes import Passes, read_crops
from model.reading import CLEARLY, SURELY, best_turn, prepare, read_pose
from model.region import PRESENT, next_box
from model.requests import TrackRequest
from model.state import UNNAMED, TrackState, quantise
from model.values import FrameTransform, LostTrack, Person, Region, RegionSource

LOST_PATIENCE = 4
"""Frames in a row without the person after which the whole frame is searched again."""

TRACK_PATIENCE = 50
"""Frames in a row without the person after which their track ends: whoever comes then is somebody new."""

TURNS_EVERY = 16
"""A track tries other turns at its start, and then every so many frames while somebody is there: three inputs more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whom a track is, and where they are looked for.

    Attributes:
        last: where they were last seen; None if never.
        least_strength: strength from which on somebody counts as seen there.
    """

    track_id: int
    region: Region
    source: RegionSource
    last: Region | None
    least_strength: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One track after a frame: what was read, and what it leaves behind."""

    person: Person
    track: TrackState

    @property
    def is_there(self) -> bool:
        """Whether somebody is in the crop, with joints enough to tell where."""
        return self.person.person_score >= PRESENT and not self.track.lost_frames

    @property
    def is_lost(self) -> bool:
        """Whether it is somebody's, who is not in the crop."""
        return self.person.track_id != UNNAMED and not self.is_there

    @property
    def is_over(self) -> bool:
        """Whether they have been lost for longer than the patience."""
        return self.is_lost and self.track.lost_frames > TRACK_PATIENCE

    @property
    def needs_number(self) -> bool:
        """A given region is somebody's, whether or not they are seen in it."""
        given = self.person.region_source is RegionSource.GIVEN
        return self.person.track_id == UNNAMED and (self.is_there or given)

    @property
    def lost(self) -> LostTrack:
        """What is said of somebody who is not seen."""
        return LostTrack(self.person.track_id, self.track.last_region)

    def numbered(self, track_id: int) -> "Reading":
        """The same under this number."""
        return Reading(replace(self.person, track_id=track_id), replace(self.track, track_id=track_id))


def read_place(
    request: TrackRequest, place: Place, track: TrackState | None, turn: float, input_size: int
) -> Passes[Reading]:
    """One place of a frame. `track`: what is remembered there; `turn`: radians, how the crop is turned at first."""
    transform = region_to_transform(place.region, input_size, turn=turn)
    [output] = yield from read_crops([prepare(request.frame, transform, track)])
    if track is None or (request.seq % TURNS_EVERY == 0 and output.presence >= PRESENT):
        margin = CLEARLY if track is None else SURELY
        turned, output = yield from best_turn(request.frame, transform, output, margin)
        # Maps of another turn do not lie in this one.
        track, transform = (track if turned == transform else None), turned
    return _finish(request, place, transform, output, track)


def _finish(
    request: TrackRequest, place: Place, transform: FrameTransform, output: ModelOutput, track: TrackState | None
) -> Reading:
    pose = read_pose(output, transform)
    is_clear = output.presence * float(pose.score.mean()) >= place.least_strength
    following = next_box(place.region, pose, output.presence if is_clear else 0.0, request.frame.size)
    last = place.region if place.last is None or following.seen else place.last
    q, m = output.kept or (quantise(output.q), quantise(output.carry))
    new_track = TrackState(
        track_id=place.track_id,
        q=q,
        m=m,
        transform=transform,
        box=following.region,
        last_region=last,
        lost_frames=0 if following.seen else 1 + (track.lost_frames if track else 0),
    )
    return Reading(Person(place.track_id, output.presence, place.region, place.source, pose), new_track)
