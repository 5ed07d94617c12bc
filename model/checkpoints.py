"""Official SimpleBaseline checkpoints (`pose_resnet_*_256x256.pth.tar`) into our encoder or initialiser.

Weights go by key name. Three forms are in use: a bare state dict (final_state), one whose keys begin with
`module.` (model_best), and a training checkpoint that nests it under `state_dict`. Nothing in a file is
executed: only weights and plain numbers are read.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from model.encoders.hrnet import HRNet
from model.encoders.simple_baseline import SimpleBaseline
from model.skeletons import KINEPOSE_13, Skeleton

Head = Literal["mpii", "same", "skip"]

MPII_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head",  # MPII's head top
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
"""Rows of the official final layer, in our joint names."""

_MPII_NAMES = {"neck": "upper_neck", "belly": "pelvis"}
"""Joints of JHMDB that MPII has under another name; its belly lies between MPII's pelvis and thorax."""

_FINAL = "final_layer."

# A training checkpoint keeps its score as a numpy number. These read such numbers and can do nothing else.
_NUMPY_SCALAR: Callable[..., Any] = np.float64(0).__reduce__()[0]  # type: ignore[assignment]
_NUMBER_TYPES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    _NUMPY_SCALAR,
    np.dtype,
    np.dtypes.Float64DType,
]


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


class UnreadableCheckpoint(CheckpointError):
    """The file is no torch checkpoint, is cut short, or holds something other than weights and numbers."""


class CheckpointMismatch(CheckpointError):
    """The checkpoint is of another network.

    Attributes:
        missing: keys that the network has and the checkpoint lacks.
        unexpected: keys that the checkpoint has and the network lacks.
        wrong_shape: key -> (shape in the network, shape in the checkpoint).
    """

    def __init__(
        self,
        missing: tuple[str, ...],
        unexpected: tuple[str, ...],
        wrong_shape: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
    ) -> None:
        self.missing, self.unexpected, self.wrong_shape = missing, unexpected, dict(wrong_shape)
        lines = [f"  missing: {key}" for key in missing]
        lines += [f"  unexpected: {key}" for key in unexpected]
        lines += [f"  wrong shape: {k}: expected {e}, got {g}" for k, (e, g) in self.wrong_shape.items()]
        super().__init__("the checkpoint does not fit:\n" + "\n".join(lines))


def load_simple_baseline(
    network: SimpleBaseline, path: Path, head: Head = "skip", skeleton: Skeleton = KINEPOSE_13
) -> None:
    """Fill a SimpleBaseline with the weights of an official checkpoint; on an error it stays as it was.

    Args:
        network: an encoder (no final layer) or an initialiser.
        path: the checkpoint.
        head: what becomes of the final layer of an initialiser. "mpii": of its 16 rows those that the
            skeleton names; "same": taken as it is, for a network of the same joints; "skip": left as it was
            initialised.
        skeleton: joints of the network, for "mpii".

    Raises:
        UnreadableCheckpoint, CheckpointMismatch: see there.
        OSError: the file cannot be opened.
        ValueError: "mpii" for a skeleton with a joint that MPII does not have.
    """
    given = read_state(path)
    if network.final_layer is None or head == "skip":
        given = {key: value for key, value in given.items() if not key.startswith(_FINAL)}
    elif head == "mpii":
        given = _with_rows(given, mpii_rows(skeleton))
    own = network.state_dict()
    wanted = {k: v for k, v in own.items() if head != "skip" or not k.startswith(_FINAL)}
    _check_fit(wanted, given)
    network.load_state_dict({**own, **given})


def load_hrnet(network: HRNet, path: Path) -> None:
    """Fill an encoder with an official HRNet-W32 pose checkpoint, without its final layer; else it stays as it was.

    Raises:
        UnreadableCheckpoint, CheckpointMismatch, OSError: as `load_simple_baseline`.
    """
    given = {key: value for key, value in read_state(path).items() if not key.startswith(_FINAL)}
    own = network.state_dict()
    _check_fit(own, given)
    network.load_state_dict({**own, **given})


def mpii_rows(skeleton: Skeleton) -> tuple[int, ...]:
    """For every joint of a skeleton its row in an MPII final layer.

    Raises:
        ValueError: a joint that MPII does not have.
    """
    names = [_MPII_NAMES.get(joint, joint) for joint in skeleton.joints]
    foreign = [joint for joint in names if joint not in MPII_JOINTS]
    if foreign:
        raise ValueError(f"skeleton {skeleton.name}: MPII has no joint {', '.join(foreign)}")
    return tuple(MPII_JOINTS.index(joint) for joint in names)


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint in any of its three forms, keys without `module.`.

    Raises:
        UnreadableCheckpoint: see there.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file, torch.serialization.safe_globals(_NUMBER_TYPES):
        try:
            content: object = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch answers broken bytes with a dozen unrelated types
            raise UnreadableCheckpoint(f"{path.name}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise UnreadableCheckpoint(f"{path.name}: expected a dict of tensors")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _with_rows(state: dict[str, Tensor], rows: tuple[int, ...]) -> dict[str, Tensor]:
    """The final layer cut to some rows, where it has those of MPII; another one is left for the fit check."""
    picked = dict(state)
    for key in (f"{_FINAL}weight", f"{_FINAL}bias"):
        if key in state and state[key].shape[:1] == (len(MPII_JOINTS),):
            picked[key] = state[key][list(rows)]
    return picked


def _check_fit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Raise CheckpointMismatch unless keys and shapes agree.

    Old files lack `num_batches_tracked`, a counter that inference does not read: it may be missing.
    """
    missing = [k for k in wanted if k not in given and not k.endswith(".num_batches_tracked")]
    unexpected = [k for k in given if k not in wanted]
    wrong_shape = {
        key: (tuple(wanted[key].shape), tuple(value.shape))
        for key, value in given.items()
        if key in wanted and wanted[key].shape != value.shape
    }
    if missing or unexpected or wrong_shape:
        raise CheckpointMismatch(tuple(missing), tuple(unexpected), wrong_shape)
