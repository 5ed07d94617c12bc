"""The sizes of a clip's pictures: stored, upright, with square pixels; results from one to the other."""

from dataclasses import dataclass, replace
from fractions import Fraction

from model.coords import rescale_points, rescale_region
from model.values import Person, Region
from service.contract.messages import FrameResult, Outcome
from service.media.orientation import UPRIGHT, Orientation

NEARLY_SQUARE = Fraction(1, 50)
"""Pixels that are so little longer than wide are left as they are: encoders round."""
STRANGEST = 8
"""A pixel of more than 8:1 is taken for a mistake of the file, and for a square."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a clip's pictures. The longer side of a pixel that is not square is stretched, so that nothing is lost.

    Attributes:
        stored: width and height of the first picture as it is stored.
        aspect: width over height of a stored pixel; see `plausible`.
        orientation: the turn that makes the picture upright.
    """

    stored: tuple[int, int]
    aspect: Fraction = Fraction(1)
    orientation: Orientation = UPRIGHT

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture in stored pixels: what joints are told in."""
        return self.orientation.size(*self.stored)

    @property
    def frame_size(self) -> tuple[int, int]:
        """The same in square pixels: what the person is read in."""
        return self.orientation.size(*self.squared(*self.stored))

    @property
    def pixel_aspect(self) -> Fraction:
        """Width over height of a pixel of `size`."""
        return 1 / self.aspect if self.orientation.turn in (90, 270) else self.aspect

    def squared(self, width: int, height: int) -> tuple[int, int]:
        """Size in square pixels, not yet turned, of a picture of this stored size."""
        if self.aspect > 1:
            return round(width * self.aspect), height
        return width, round(height / self.aspect)

    def regions_to_frame(self, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        """Boxes in stored pixels, in those of the frames."""
        if self.frame_size == self.size:
            return regions
        return tuple(rescale_region(region, self.size, self.frame_size) for region in regions)

    def result_to_stored(self, result: FrameResult) -> FrameResult:
        """The result of a frame, told in stored pixels."""
        return _rescaled(result, self.frame_size, self.size)

    def result_to_frame(self, result: FrameResult) -> FrameResult:
        """What `result_to_stored` made, back in the frame's pixels."""
        return _rescaled(result, self.size, self.frame_size)


def plausible(aspect: Fraction | None) -> Fraction:
    """Width over height of a pixel; 1 where nothing is said, where it is nearly 1, and where no pixel is like that."""
    if not aspect or not Fraction(1, STRANGEST) <= aspect <= STRANGEST or abs(aspect - 1) <= NEARLY_SQUARE:
        return Fraction(1)
    return aspect


def _rescaled(result: FrameResult, old: tuple[int, int], new: tuple[int, int]) -> FrameResult:
    if old == new or result.outcome is not Outcome.OK:
        return result
    people = tuple(_rescaled_person(person, old, new) for person in result.people)
    lost = tuple(replace(track, region=rescale_region(track.region, old, new)) for track in result.lost)
    return replace(result, people=people, lost=lost, image_size=new)


def _rescaled_person(person: Person, old: tuple[int, int], new: tuple[int, int]) -> Person:
    pose = replace(person.pose, xy_px=rescale_points(person.pose.xy_px, old, new))
    return replace(person, pose=pose, region=rescale_region(person.region, old, new))
