"""Files of the official layouts: pictures and MATLAB tables, with errors that name the file."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from model.values import Array
from training.datasets.errors import DatasetError

_BROKEN_MAT = (OSError, ValueError, TypeError, NotImplementedError, MatReadError, zlib.error)


class ImageFiles:
    """Frames that are read from disk each time they are asked for: a whole data set of them fits no memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, t: int, /) -> Array:
        """Frame t uint8 [H, W, 3], RGB; DatasetError where it is missing or broken."""
        return read_image(self.paths[t])

    def __iter__(self) -> Iterator[Array]:
        return map(read_image, self.paths)


def read_image(path: Path) -> Array:
    """A picture uint8 [H, W, 3], RGB; DatasetError where it is missing or broken."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    # imdecode refuses an empty buffer by an exception of its own.
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise DatasetError(f"{path}: {len(data)} bytes that are not an image")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_mat(path: Path, *names: str) -> list[Array]:
    """The named variables of a MATLAB file, in that order; DatasetError where the file or one of them is missing."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such file")
    try:
        content = scipy.io.loadmat(path, variable_names=list(names))
    except _BROKEN_MAT as error:
        raise DatasetError(f"{path}: not a readable MATLAB file ({error})") from error
    missing = [name for name in names if name not in content]
    if missing:
        raise DatasetError(f"{path}: expected variables {', '.join(names)}; {', '.join(missing)} missing")
    return [content[name] for name in names]
