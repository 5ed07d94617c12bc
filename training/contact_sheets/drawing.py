"""Labelled poses drawn over pictures, for contact sheets."""

import numpy as np

from model.drawing import bone_colour, draw_bone, draw_joint, joint_colour
from model.values import Array
from training.datasets.person import SKELETON


def draw_pose(image: Array, joints: Array, labelled: Array | None = None, width: int = 2) -> Array:
    """A copy of the picture with one person's joints and bones on it, left and right told apart by colour.

    Args:
        image: uint8 [H, W, 3], RGB.
        joints: [K, 2], x and y in pixels of this picture, 0-based pixel centres.
        labelled: bool [K]; other joints and their bones are left out. None draws all that are finite.
        width: of the bones, pixels.

    Raises:
        ValueError: joints or labelled do not fit the skeleton.
    """
    shown = _shown(joints, labelled)
    points = np.nan_to_num(joints)
    picture = np.array(image, order="C")  # OpenCV draws in place and wants rows one after the other
    for start, end in SKELETON.bones:
        if shown[start] and shown[end]:
            colour = bone_colour(SKELETON.joints[start], SKELETON.joints[end])
            draw_bone(picture, points[start], points[end], colour, width)
    for k in np.flatnonzero(shown):
        draw_joint(picture, points[k], joint_colour(SKELETON.joints[k]), width)
    return picture


def _shown(joints: Array, labelled: Array | None) -> Array:
    shown = np.isfinite(joints).all(axis=-1)
    if labelled is not None:
        shown = shown & labelled
    if joints.shape != (len(SKELETON), 2) or shown.shape != (len(SKELETON),):
        raise ValueError(f"{SKELETON.name} has {len(SKELETON)} joints, got {joints.shape} and {shown.shape}")
    return shown
