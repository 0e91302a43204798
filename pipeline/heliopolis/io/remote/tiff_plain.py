"""A TIFF of a part of another, with the pixels of deflated blocks laid out plainly.

The checksum of a deflated block can only be compared by inflating it. Where its pixels are then
at hand, those of the part wanted are written as they are: the file is smaller than whole
compressed blocks unless the part is large, and is read without inflating once more.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.io.remote.deflate import DEFLATE, inflated
from heliopolis.io.remote.tiff import Image, Tag, Tiff
from heliopolis.io.remote.tiff_copy import Block, Box, block_table, fields_of
from heliopolis.io.remote.tiff_form import CLASSIC_LIMIT, Form

_DIFFERENCES = 2
_YCBCR = 6
_LARGEST_BLOCK_BYTES = 16 * 2**20
#: A plain file is at most so much larger than the compressed blocks.
_MOST_GROWTH = 2.0
_STRIP_BYTES = 256 * 1024


@dataclass(frozen=True)
class PlainBlock(Block):
    """A block whose pixels are wanted, all or some.

    Attributes
    ----------
    index
        Number of the block in the source.
    """

    index: int


@dataclass(frozen=True)
class Plain:
    """What a plain TIFF consists of.

    Attributes
    ----------
    head, blocks, size
        As in `Copy`.
    image, box
        Source and part of it.
    dtype
        Samples as integers of their size, in the byte order of the file.
    differences
        Whether samples are stored as the difference from the one before.
    """

    head: bytes
    blocks: tuple[PlainBlock, ...]
    size: int
    image: Image
    box: Box
    dtype: np.dtype[Any]
    differences: bool

    @property
    def samples(self) -> int:
        """Samples that lie side by side."""
        return 1 if self.image.planes > 1 else len(self.image.bits)

    def keep(self, file: int, block: Block, data: memoryview | bytes, more: bool = False) -> bool:
        """Write the pixels of a block; False where it is damaged. As `Copy.keep`."""
        assert isinstance(block, PlainBlock)
        content = inflated(data, block.decoded, more)
        if content is None:
            return False
        image, box = self.image, self.box
        plane, place = divmod(block.index, image.across * image.down)
        top = place // image.across * image.block_height
        left = place % image.across * image.block_width
        rows = slice(max(box.row - top, 0), min(box.row + box.height - top, image.block_height))
        stop = min(box.col + box.width - left, image.block_width)
        cols = slice(max(box.col - left, 0), stop)
        size = (-1, image.block_width, self.samples)
        pixels = np.frombuffer(content, self.dtype, block.decoded // self.dtype.itemsize)
        part = pixels.reshape(size)[rows, :stop]
        if self.differences:
            part = np.cumsum(part, axis=1, dtype=self.dtype.newbyteorder("="))
        first = top + rows.start - box.row
        self._write(file, plane, first, left + cols.start - box.col, part[:, cols])
        return True

    def _write(self, file: int, plane: int, row: int, col: int, part: NDArray[Any]) -> None:
        """Write pixels to their place in the file, row by row."""
        cell = self.samples * self.dtype.itemsize
        row_bytes = self.box.width * cell
        start = len(self.head) + (plane * self.box.height + row) * row_bytes + col * cell
        for number, line in enumerate(np.ascontiguousarray(part, self.dtype)):
            os.pwrite(file, line, start + number * row_bytes)


def plan_plain(tiff: Tiff, level: Image, box: Box, *, file_size: int | None = None) -> Plain | None:
    """Plan a plain TIFF of exactly ``box``; None where its blocks are better copied.

    Parameters are those of `plan_copy`, but ``box`` need not be whole blocks.
    """
    predictor = _number(tiff, level, Tag.PREDICTOR)
    bits = set(level.bits)
    if (
        level.compression not in DEFLATE
        or predictor not in (1, _DIFFERENCES)
        or len(bits) != 1
        or not bits <= {8, 16, 32, 64}
        or _number(tiff, level, Tag.FILL_ORDER) != 1
        or _number(tiff, level, Tag.PHOTOMETRIC) == _YCBCR
        or tiff.mask_of(level) is not None
        or level.block_bytes(0) > _LARGEST_BLOCK_BYTES
    ):
        return None
    table = block_table(tiff, level, box, file_size)
    if not all(count for _, _, count in table):
        return None  # what is absent stays absent
    dtype = np.dtype(f"{tiff.order}u{bits.pop() // 8}")
    planned = _head(tiff, level, box, dtype.itemsize)
    if planned is None:
        return None
    head, size = planned
    if size > _MOST_GROWTH * sum(count for _, _, count in table):
        return None
    blocks = tuple(
        PlainBlock(source, count, place, level.block_bytes(index), level.compression, index)
        for place, (index, source, count) in enumerate(table)
    )
    return Plain(head, blocks, size, level, box, dtype, predictor == _DIFFERENCES)


def _head(tiff: Tiff, level: Image, box: Box, sample_bytes: int) -> tuple[bytes, int] | None:
    form = Form(tiff.order, tiff.big)
    samples = 1 if level.planes > 1 else len(level.bits)
    row_bytes = box.width * samples * sample_bytes
    rows = min(box.height, max(1, _STRIP_BYTES // row_bytes))
    heights = [min(rows, box.height - top) for top in range(0, box.height, rows)]
    counts = [height * row_bytes for height in heights] * level.planes
    fields = fields_of(tiff, level, box)
    for tag in (Tag.TILE_WIDTH, Tag.TILE_HEIGHT, Tag.PREDICTOR):
        fields.pop(tag, None)
    fields[Tag.COMPRESSION] = form.shorts([1])
    fields[Tag.ROWS_PER_STRIP] = form.longs([rows])
    start = form.head_size + form.size(fields, len(counts))
    start = math.ceil(start / 16) * 16
    size = start + sum(counts)
    if size > CLASSIC_LIMIT and not tiff.big:
        return None
    places = [start + int(n) for n in np.cumsum([0, *counts[:-1]], dtype=np.int64)]
    fields[Tag.STRIP_OFFSETS] = form.offsets(places)
    fields[Tag.STRIP_BYTES] = form.offsets(counts)
    head = form.head() + form.directory(fields, form.head_size, last=True)
    return head.ljust(start, b"\0"), size


def _number(tiff: Tiff, image: Image, tag: Tag, default: int = 1) -> int:
    entry = image.entries.get(tag)
    return default if entry is None else int(tiff.numbers(entry, 0, 1)[0])
