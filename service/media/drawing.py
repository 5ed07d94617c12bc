"""The people of a frame drawn on its picture."""

from collections.abc import Iterable

import cv2
import numpy as np

from model.drawing import (
    Colour,
    bone_colour,
    draw_bone,
    draw_box,
    draw_joint,
    draw_label,
    joint_colour,
    line_width,
    person_colour,
)
from model.skeletons import Skeleton
from model.values import Array, Pose, Region
from service.contract.messages import FrameResult

LOW_SCORE = 0.3
"""A joint below it is drawn as a ring, and its bones faintly: it is more a guess than a sighting."""
FAINT = 0.35
LEAST_FOR_LEGEND = 160
"""Shorter side of a picture that has room for one, pixels."""


def draw_people(rgb: Array, result: FrameResult, skeleton: Skeleton) -> Array:
    """A copy of the picture uint8 [H, W, 3] with everybody on it that the result tells of, in the picture's pixels.

    Each person has a colour by their number: their bones, their box, and a label with number and score. Of somebody
    who is lost the corners of the last box are drawn.

    Raises:
        ValueError: a person has another number of joints than the skeleton.
    """
    picture = np.array(rgb, order="C")
    width = line_width(rgb)
    for track in result.lost:
        draw_box(picture, track.region, person_colour(track.track_id), width, whole=False)
        draw_label(picture, f"{track.track_id} lost", track.region, person_colour(track.track_id), width)
    for person in result.people:
        colour = person_colour(person.track_id)
        draw_box(picture, person.region, colour, width)
        picture = draw_pose(picture, person.pose, skeleton, colour)
        draw_label(picture, f"{person.track_id}  {person.person_score:.2f}", person.region, colour, width)
    return picture


def draw_legend(picture: Array) -> None:
    """What the joints' colours mean, in the upper left corner, drawn in place; nothing in a small picture."""
    if min(picture.shape[:2]) < LEAST_FOR_LEGEND:
        return
    width, x = line_width(picture), 4.0
    for side in ("left", "right"):
        box = Region(x, 0, 1, 1)
        x += draw_label(picture, side, box, joint_colour(f"{side}_"), width) + 4 * width + 4


def draw_pose(rgb: Array, pose: Pose, skeleton: Skeleton, colour: Colour | None = None) -> Array:
    """A copy of the picture uint8 [H, W, 3] with the joints and bones of one person on it.

    Colours tell the person's left (blue) from right (orange); line widths follow the picture's size.

    Args:
        colour: of the bones; None for that of their side.

    Raises:
        ValueError: the pose has another number of joints than the skeleton.
    """
    if len(pose.score) != len(skeleton):
        raise ValueError(f"{skeleton.name} has {len(skeleton)} joints, the pose {len(pose.score)}")
    seen = pose.score >= LOW_SCORE
    # Contiguous, and ours: OpenCV draws in place.
    guesses = np.array(rgb, order="C")
    _draw_bones(guesses, pose.xy_px, [bone for bone in skeleton.bones if not seen[list(bone)].all()], skeleton, colour)
    picture = cv2.addWeighted(guesses, FAINT, rgb, 1 - FAINT, 0)
    _draw_bones(picture, pose.xy_px, [bone for bone in skeleton.bones if seen[list(bone)].all()], skeleton, colour)
    for joint, name in enumerate(skeleton.joints):
        draw_joint(picture, pose.xy_px[joint], joint_colour(name), line_width(rgb), filled=bool(seen[joint]))
    return picture


def _draw_bones(
    picture: Array, points: Array, bones: Iterable[tuple[int, int]], skeleton: Skeleton, colour: Colour | None
) -> None:
    for start, end in bones:
        shade = colour or bone_colour(skeleton.joints[start], skeleton.joints[end])
        draw_bone(picture, points[start], points[end], shade, line_width(picture))
