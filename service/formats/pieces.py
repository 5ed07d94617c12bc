"""A file that is given out while it is written."""

import io


class Pieces(io.RawIOBase):
    """A file that only takes, for libraries that want one to write to; `taken` is what came since it was last asked."""

    def __init__(self) -> None:
        self._new: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._written

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """Take all of it."""
        piece = bytes(data)
        self._new.append(piece)
        self._written += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since the last call."""
        new, self._new = b"".join(self._new), []
        return new
