"""Labelled poses drawn over pictures, for contact sheets."""

import numpy as np

from model.drawing import bone_colour, draw_bone, draw_joint, joint_colour
from model.skeletons import Skeleton
from model.values import Array
from training.datasets.person import SKELETON


def draw_pose(
    image: Array, joints: Array, labelled: Array | None = None, width: int = 2, skeleton: Skeleton = SKELETON
) -> Array:
    """A copy of the picture with one person's joints and bones on it, left and right told apart by colour.

    Args:
        image: uint8 [H, W, 3], RGB.
        joints: [K, 2], x and y in pixels of this picture, 0-based pixel centres.
        labelled: bool [K]; other joints and their bones are left out. None draws all that are finite.
        width: of the bones, pixels.
        skeleton: which K joints these are.

    Raises:
        ValueError: joints or labelled do not fit the skeleton.
    """
    shown = _shown(joints, labelled, skeleton)
    points = np.nan_to_num(joints)
    picture = np.array(image, order="C")  # OpenCV draws in place and wants rows one after the other
    for start, end in skeleton.bones:
        if shown[start] and shown[end]:
            colour = bone_colour(skeleton.joints[start], skeleton.joints[end])
            draw_bone(picture, points[start], points[end], colour, width)
    for k in np.flatnonzero(shown):
        draw_joint(picture, points[k], joint_colour(skeleton.joints[k]), width)
    return picture


def _shown(joints: Array, labelled: Array | None, skeleton: Skeleton) -> Array:
    shown = np.isfinite(joints).all(axis=-1)
    if labelled is not None:
        shown = shown & labelled
    if joints.shape != (len(skeleton), 2) or shown.shape != (len(skeleton),):
        raise ValueError(f"{skeleton.name} has {len(skeleton)} joints, got {joints.shape} and {shown.shape}")
    return shown
