"""Blocks in the zlib format, which carry a checksum of their content."""

from __future__ import annotations

from isal import igzip_lib, isal_zlib

#: Codes of the codec in a TIFF: Deflate as of Adobe, and as of libtiff.
DEFLATE = frozenset({8, 32946})
_STEP_BYTES = 64 * 1024
#: No block is allowed to grow beyond this, or beyond twice its size.
_MOST_BYTES = 32 * 2**20


def is_sound(data: memoryview | bytes, decoded: int, more: bool = False) -> bool:
    """Whether ``data`` is one zlib stream of at least ``decoded`` bytes with the right checksum.

    ``more`` allows further bytes behind the stream. The content is not held.
    """
    stream = isal_zlib.decompressobj()
    size = 0
    view = memoryview(data)
    try:
        for at in range(0, len(view), _STEP_BYTES):
            size += len(stream.decompress(view[at : at + _STEP_BYTES]))
            if stream.eof:
                ended = at + _STEP_BYTES >= len(view) and not stream.unused_data
                return size >= decoded and (ended or more)
    except igzip_lib.IsalError:  # type: ignore[misc]
        return False
    return False


def inflated(data: memoryview | bytes, decoded: int, more: bool = False) -> bytes | None:
    """The first ``decoded`` bytes of the content; None where `is_sound` would be false."""
    stream = isal_zlib.decompressobj()
    try:
        content = stream.decompress(data, max(2 * decoded, _MOST_BYTES))
    except igzip_lib.IsalError:  # type: ignore[misc]
        return None
    if not stream.eof or len(content) < decoded or (stream.unused_data and not more):
        return None
    return content
