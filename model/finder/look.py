"""The finder's look at a whole frame."""

from model.coords import crop_input, letterbox_transform
from model.finder.base import Found, to_frame
from model.passes import Passes, look_for_people
from model.values import Frame


def people_in(frame: Frame, size: int) -> Passes[list[Found]]:
    """Who is in a frame, the clearest first. `size`: side of the finder's pictures, pixels."""
    window = letterbox_transform(*frame.size, size)
    people = yield from look_for_people(crop_input(frame, window))
    return [to_frame(person, window) for person in people]
