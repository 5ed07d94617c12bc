"""Many small files as one ZIP, given out while it is made."""

import zipfile
from collections.abc import Iterable, Iterator

from service.formats.pieces import Pieces

Member = tuple[str, bytes]
"""Name and content of a file."""


def zip_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    """A deflated ZIP. The same members make the same bytes: no times of today are in it."""
    out = Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
            yield out.taken()
    yield out.taken()
