"""A TIFF of a part of another, made of the same compressed blocks.

Only the directory is written anew: size, places of the blocks and georeference. Everything that
says how a block is decoded, and what its numbers mean, is copied as it is stored.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from affine import Affine

from heliopolis.errors import NoDataError
from heliopolis.io.remote.deflate import DEFLATE, is_sound
from heliopolis.io.remote.tiff import Image, Tag, Tiff, TiffError, UnsupportedTiffError
from heliopolis.io.remote.tiff_form import CLASSIC_LIMIT, Field, Form

#: Fields that say how to decode a block and what the samples are: from the image itself.
_OF_IMAGE = (
    Tag.BITS, Tag.COMPRESSION, Tag.PHOTOMETRIC, Tag.FILL_ORDER, Tag.SAMPLES, Tag.PLANAR,
    Tag.PREDICTOR, Tag.COLORMAP, Tag.EXTRA_SAMPLES, Tag.SAMPLE_FORMAT, Tag.JPEG_TABLES,
    Tag.YCBCR_COEFFICIENTS, Tag.YCBCR_SUBSAMPLING, Tag.YCBCR_POSITION,
    Tag.REFERENCE_BLACK_WHITE, Tag.LERC_PARAMETERS,
)  # fmt: skip
#: Fields of the full resolution that hold for its overviews too.
_OF_FILE = (
    Tag.GEO_KEYS, Tag.GEO_DOUBLES, Tag.GEO_ASCII, Tag.GDAL_METADATA, Tag.GDAL_NODATA,
    Tag.COLORMAP, Tag.EXTRA_SAMPLES, Tag.SAMPLE_FORMAT,
)  # fmt: skip
#: JPEG of the obsolete kind keeps tables elsewhere in the file.
_OLD_JPEG = 6
_STATISTICS = re.compile(rb'[ \t]*<Item name="STATISTICS_[^>]*>[^<]*</Item>\s*')


@dataclass(frozen=True)
class Box:
    """A part of an image [pixels]: column and row of its first pixel, and its size."""

    col: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class Block:
    """A block to copy.

    Attributes
    ----------
    source, count
        First byte and number of bytes in the source.
    target
        First byte in the copy.
    decoded
        Size once decoded [bytes].
    compression
        Code of the codec.
    """

    source: int
    count: int
    target: int
    decoded: int
    compression: int


@dataclass(frozen=True)
class Copy:
    """What a copy consists of: its first bytes, then the blocks.

    Attributes
    ----------
    head
        First bytes of the copy.
    blocks
        Blocks that the source holds, in the order of the copy.
    size
        Size of the copy [bytes].
    """

    head: bytes
    blocks: tuple[Block, ...]
    size: int

    def keep(self, file: int, block: Block, data: memoryview | bytes, more: bool = False) -> bool:
        """Write a block into the open file ``file``; False where it is damaged.

        ``more`` allows bytes behind the block's own that no checksum covers.
        """
        if block.compression in DEFLATE and not is_sound(data, block.decoded, more):
            return False
        view, at = memoryview(data), block.target
        while view:
            done = os.pwrite(file, view, at)
            view, at = view[done:], at + done
        return True


def clip(box: Box, width: int, height: int) -> Box:
    """Part of ``box`` inside an image; raises `NoDataError` where there is none."""
    left, top = max(box.col, 0), max(box.row, 0)
    right, bottom = min(box.col + box.width, width), min(box.row + box.height, height)
    if right <= left or bottom <= top:
        raise NoDataError("the area lies outside the image")
    return Box(left, top, right - left, bottom - top)


def snap(box: Box, images: Sequence[Image]) -> Box:
    """``box`` grown to whole blocks of ``images``, which have one size, and clipped to them."""
    step_x = math.lcm(*(image.block_width for image in images))
    step_y = math.lcm(*(image.block_height for image in images))
    left, top = box.col // step_x * step_x, box.row // step_y * step_y
    right = math.ceil((box.col + box.width) / step_x) * step_x
    bottom = math.ceil((box.row + box.height) / step_y) * step_y
    return clip(Box(left, top, right - left, bottom - top), images[0].width, images[0].height)


def level_transform(tiff: Tiff, level: Image) -> Affine:
    """From pixel corners of ``level`` to coordinates."""
    full = tiff.full
    return tiff.transform * Affine.scale(full.width / level.width, full.height / level.height)


def plan_copy(tiff: Tiff, level: Image, box: Box, *, file_size: int | None = None) -> Copy:
    """Plan a TIFF of the part ``box`` of ``level``, and of its mask if there is one.

    Parameters
    ----------
    tiff
        The source.
    level
        One of ``tiff.levels``.
    box
        Made by `snap` for the level and its mask.
    file_size
        Size of the source, where known; blocks beyond it are refused.

    Raises
    ------
    UnsupportedTiffError
        Where blocks cannot be moved.
    TiffError
        Where blocks lie outside the file or have impossible sizes.
    """
    mask = tiff.mask_of(level)
    images = [level] if mask is None else [level, mask]
    if any(image.compression == _OLD_JPEG for image in images):
        raise UnsupportedTiffError("JPEG of the obsolete kind")
    tables = [block_table(tiff, image, box, file_size) for image in images]
    fields = [fields_of(tiff, image, box) for image in images]
    form = Form(tiff.order, tiff.big)
    start = form.head_size
    for some, table in zip(fields, tables, strict=True):
        start += form.size(some, len(table))
    at, blocks, chunks = start, [], [form.head()]
    written = form.head_size
    for number, (image, some, table) in enumerate(zip(images, fields, tables, strict=True)):
        places = []
        for index, source, count in table:
            places.append(at if count else 0)
            if count:
                decoded = image.block_bytes(index)
                blocks.append(Block(source, count, at, decoded, image.compression))
                at += count
        some[image.offsets_tag] = form.offsets(places)
        some[image.bytes_tag] = form.offsets([count for _, _, count in table])
        chunks.append(form.directory(some, written, last=number == len(images) - 1))
        written += len(chunks[-1])
    if at > CLASSIC_LIMIT and not tiff.big:
        raise UnsupportedTiffError("the copy needs more than 4 GiB")
    return Copy(b"".join(chunks), tuple(blocks), at)


def block_table(
    tiff: Tiff, image: Image, box: Box, file_size: int | None
) -> list[tuple[int, int, int]]:
    """Index, first byte and bytes of the blocks that ``box`` touches; 0 bytes where none is."""
    first_col, first_row = box.col // image.block_width, box.row // image.block_height
    cols = math.ceil((box.col + box.width) / image.block_width) - first_col
    rows = math.ceil((box.row + box.height) / image.block_height) - first_row
    found = []
    for plane in range(image.planes):
        base = (plane * image.down + first_row) * image.across + first_col
        span = (rows - 1) * image.across + cols
        offsets = tiff.numbers(image.entries[image.offsets_tag], base, span)
        sizes = tiff.numbers(image.entries[image.bytes_tag], base, span)
        for row in range(rows):
            for number in range(row * image.across, row * image.across + cols):
                offset, count = int(offsets[number]), int(sizes[number])
                _check_block(image, base + number, offset, count, file_size)
                found.append((base + number, offset, count))
    return found


def _check_block(image: Image, index: int, offset: int, count: int, size: int | None) -> None:
    if count == 0:
        return
    beyond = size is not None and offset + count > size
    if offset < 8 or beyond or count > 2 * image.block_bytes(index) + 2**16:
        raise TiffError(f"block {index} of the TIFF claims {count} bytes from byte {offset} on")


def fields_of(tiff: Tiff, image: Image, box: Box) -> dict[int, Field]:
    """Fields of a copy of ``box`` of an image, but for the two tables of its blocks."""
    form = Form(tiff.order, tiff.big)
    fields: dict[int, Field] = {}
    if not image.is_mask:
        for tag in _OF_FILE:
            if (entry := tiff.full.entries.get(tag)) is not None:
                fields[tag] = (entry.kind, entry.count, tiff.raw(entry))
        fields.update(_georeference(tiff, image, box, form))
        if Tag.GDAL_METADATA in fields:
            fields.update(_without_statistics(fields.pop(Tag.GDAL_METADATA)))
    for tag in _OF_IMAGE:
        if (entry := image.entries.get(tag)) is not None:
            fields[tag] = (entry.kind, entry.count, tiff.raw(entry))
    fields[Tag.SUBFILE] = form.longs([4 if image.is_mask else 0])
    fields[Tag.WIDTH] = form.longs([box.width])
    fields[Tag.HEIGHT] = form.longs([box.height])
    if image.tiled:
        fields[Tag.TILE_WIDTH] = form.longs([image.block_width])
        fields[Tag.TILE_HEIGHT] = form.longs([image.block_height])
    else:
        fields[Tag.ROWS_PER_STRIP] = form.longs([image.block_height])
    return fields


def _without_statistics(field: Field) -> dict[int, Field]:
    """Metadata of GDAL; the statistics in it are those of the whole image and are left out."""
    text = _STATISTICS.sub(b"", field[2])
    return {Tag.GDAL_METADATA: (field[0], len(text), text)}


def _georeference(tiff: Tiff, image: Image, box: Box, form: Form) -> dict[int, Field]:
    made = level_transform(tiff, image) * Affine.translation(box.col, box.row)
    if tiff.pixel_is_point:
        made = made * Affine.translation(0.5, 0.5)
    if made.b == 0 and made.d == 0 and made.e < 0:
        scale = form.doubles([made.a, -made.e, 0.0])
        tie = form.doubles([0.0, 0.0, 0.0, made.c, made.f, 0.0])
        return {Tag.PIXEL_SCALE: scale, Tag.TIE_POINT: tie}
    rows = [made.a, made.b, 0, made.c, made.d, made.e, 0, made.f, 0, 0, 0, 0, 0, 0, 0, 1]
    return {Tag.TRANSFORMATION: form.doubles([float(value) for value in rows])}
