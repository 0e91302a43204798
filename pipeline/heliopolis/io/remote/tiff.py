"""TIFF as bytes: what images a file holds and where their blocks lie, without decoding one.

Classic and BigTIFF, both byte orders, tiles and strips, pixels contiguous or in planes. Written
from the TIFF 6.0 specification (Adobe, 1992), the BigTIFF design and OGC 19-008r4 (GeoTIFF 1.1).
The bytes come through a function, so that only those looked at need to be fetched; nothing in
them is trusted.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from heliopolis.errors import InputError

#: Bytes ``start`` to ``stop - 1`` of the file; fewer where the file ends before.
Read = Callable[[int, int], bytes]

#: Field type -> size of one value [bytes] and its format.
TYPES: Mapping[int, tuple[int, str]] = {
    1: (1, "u1"), 2: (1, "u1"), 3: (2, "u2"), 4: (4, "u4"), 5: (8, "u8"), 6: (1, "i1"),
    7: (1, "u1"), 8: (2, "i2"), 9: (4, "i4"), 10: (8, "u8"), 11: (4, "f4"), 12: (8, "f8"),
    13: (4, "u4"), 16: (8, "u8"), 17: (8, "i8"), 18: (8, "u8"),
}  # fmt: skip
_MOST_IMAGES = 100
_MOST_ENTRIES = 1000
_MOST_VALUE_BYTES = 64 * 2**20


class Tag(IntEnum):
    """Tags that heliopolis looks at."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    PREDICTOR = 317
    COLORMAP = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    YCBCR_POSITION = 531
    REFERENCE_BLACK_WHITE = 532
    PIXEL_SCALE = 33550
    TIE_POINT = 33922
    TRANSFORMATION = 34264
    GEO_KEYS = 34735
    GEO_DOUBLES = 34736
    GEO_ASCII = 34737
    GDAL_METADATA = 42112
    GDAL_NODATA = 42113
    LERC_PARAMETERS = 50674


class TiffError(InputError):
    """The bytes are not a TIFF that makes sense."""


class UnsupportedTiffError(TiffError):
    """A TIFF whose blocks cannot be copied as they are; it has to be decoded."""


@dataclass(frozen=True)
class Entry:
    """A field of an image: its values are ``count`` of type ``kind`` from byte ``where`` on."""

    kind: int
    count: int
    where: int

    @property
    def size(self) -> int:
        """Size of all values [bytes]."""
        return TYPES[self.kind][0] * self.count


@dataclass(frozen=True)
class Image:
    """One image of a file: full resolution, overview or mask.

    Attributes
    ----------
    entries
        Its fields by tag.
    width, height, block_width, block_height
        Size of the image and of its blocks [pixels]; a strip is a block as wide as the image.
    tiled
        Whether the blocks are tiles.
    bits
        Bits of each sample of a pixel.
    planes
        Number of planes that are stored one after the other; 1 where samples are contiguous.
    compression
        Code of the codec.
    subfile
        Bits of NewSubfileType: 1 overview, 4 mask.
    """

    entries: Mapping[int, Entry]
    width: int
    height: int
    block_width: int
    block_height: int
    tiled: bool
    bits: tuple[int, ...]
    planes: int
    compression: int
    subfile: int

    @property
    def across(self) -> int:
        """Blocks side by side."""
        return math.ceil(self.width / self.block_width)

    @property
    def down(self) -> int:
        """Blocks one below the other."""
        return math.ceil(self.height / self.block_height)

    @property
    def is_mask(self) -> bool:
        """Whether the image is a transparency mask."""
        return bool(self.subfile & 4)

    @property
    def is_overview(self) -> bool:
        """Whether the image is a reduced version of another."""
        return bool(self.subfile & 1)

    def block_bytes(self, index: int) -> int:
        """Size of the decoded block ``index`` [bytes]."""
        per_plane = self.across * self.down
        samples = self.bits if self.planes == 1 else self.bits[index // per_plane :][:1]
        rows = self.block_height
        if not self.tiled:
            rows = min(rows, self.height - index % per_plane * rows)
        return math.ceil(self.block_width * sum(samples) / 8) * rows

    @property
    def offsets_tag(self) -> Tag:
        """Tag of the offsets of the blocks."""
        return Tag.TILE_OFFSETS if self.tiled else Tag.STRIP_OFFSETS

    @property
    def bytes_tag(self) -> Tag:
        """Tag of the sizes of the blocks."""
        return Tag.TILE_BYTES if self.tiled else Tag.STRIP_BYTES


@dataclass(frozen=True)
class Tiff:
    """What a file holds.

    Attributes
    ----------
    order
        Byte order as of `struct`: "<" or ">".
    big
        Whether it is a BigTIFF.
    images
        In the order of the file.
    read
        Where further bytes come from.
    """

    order: str
    big: bool
    images: tuple[Image, ...]
    read: Read

    def raw(self, entry: Entry) -> bytes:
        """Values of a field as they are stored."""
        if entry.size > _MOST_VALUE_BYTES:
            raise TiffError(f"a field of the TIFF claims {entry.size} bytes")
        return _exactly(self.read, entry.where, entry.size)

    def numbers(self, entry: Entry, first: int = 0, count: int | None = None) -> NDArray:
        """``count`` values of a numeric field from number ``first`` on."""
        size, code = TYPES[entry.kind]
        number = entry.count - first if count is None else count
        if not 0 <= first <= first + number <= entry.count:
            raise TiffError("a field of the TIFF is shorter than its image needs")
        part = Entry(entry.kind, number, entry.where + first * size)
        return np.frombuffer(self.raw(part), dtype=np.dtype(self.order + code))

    def doubles(self, image: Image, tag: Tag) -> tuple[float, ...]:
        """Values of a field of type DOUBLE; empty where it is absent."""
        entry = image.entries.get(tag)
        if entry is None or entry.kind != 12 or entry.count > 1000:
            return ()
        return tuple(float(value) for value in self.numbers(entry))

    @property
    def full(self) -> Image:
        """The image of full resolution."""
        return self.images[0]

    @cached_property
    def levels(self) -> tuple[Image, ...]:
        """Full resolution and overviews, fine to coarse."""
        coarse = (image for image in self.images[1:] if image.is_overview and not image.is_mask)
        return (self.full, *sorted(coarse, key=lambda image: -image.width))

    def mask_of(self, level: Image) -> Image | None:
        """Mask of the same size as ``level``, if the file has one."""
        return next(
            (
                image
                for image in self.images[1:]
                if image.is_mask and (image.width, image.height) == (level.width, level.height)
            ),
            None,
        )

    @cached_property
    def geo_keys(self) -> dict[int, int]:
        """GeoKeys that are plain numbers."""
        entry = self.full.entries.get(Tag.GEO_KEYS)
        if entry is None or entry.kind != 3 or entry.count < 4 or entry.count > 4000:
            return {}
        rows = self.numbers(entry)[: entry.count // 4 * 4].reshape(-1, 4)[1:]
        return {int(key): int(value) for key, place, _, value in rows if place == 0}

    @property
    def epsg(self) -> int | None:
        """EPSG code of the CRS where the file names one."""
        code = self.geo_keys.get(3072) or self.geo_keys.get(2048)
        return code if code is not None and 1024 <= code < 32767 else None

    @property
    def pixel_is_point(self) -> bool:
        """Whether the tie point is the centre of a pixel and not its corner."""
        return self.geo_keys.get(1025) == 2

    @cached_property
    def transform(self) -> Affine:
        """From pixel corners of full resolution to coordinates.

        Raises
        ------
        UnsupportedTiffError
            Without tie point and scale or matrix.
        """
        matrix = self.doubles(self.full, Tag.TRANSFORMATION)
        scale, tie = (
            self.doubles(self.full, Tag.PIXEL_SCALE),
            self.doubles(self.full, Tag.TIE_POINT),
        )
        if len(scale) >= 2 and len(tie) == 6 and scale[0] and scale[1]:
            made = Affine(scale[0], 0, tie[3] - tie[0] * scale[0],
                          0, -scale[1], tie[4] + tie[1] * scale[1])  # fmt: skip
        elif len(matrix) == 16:
            made = Affine(matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7])
        else:
            raise UnsupportedTiffError("the TIFF has no tie point and scale")
        if not all(math.isfinite(value) for value in made[:6]) or not made.determinant:
            raise TiffError("the georeference of the TIFF is not a map of the plane")
        return made * Affine.translation(-0.5, -0.5) if self.pixel_is_point else made


def read_tiff(read: Read) -> Tiff:
    """Read the directory of a TIFF.

    Raises
    ------
    TiffError
        Where the bytes are no TIFF or contradict themselves.
    """
    head = _exactly(read, 0, 8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack((order or "<") + "H", head[2:4])[0]
    if order is None or version not in (42, 43):
        raise TiffError("the file is not a TIFF")
    big = version == 43
    if big:
        if struct.unpack(order + "HH", head[4:8]) != (8, 0):
            raise TiffError("the BigTIFF has offsets of an unknown size")
        head = _exactly(read, 8, 8)
    where = struct.unpack(order + ("Q" if big else "I"), head if big else head[4:8])[0]
    images: list[Image] = []
    seen: set[int] = set()
    while where:
        if where in seen or len(images) >= _MOST_IMAGES:
            raise TiffError("the list of images of the TIFF has no end")
        seen.add(where)
        entries, where = _directory(read, where, order, big)
        images.append(_image(Tiff(order, big, (), read), entries))
    if not images:
        raise TiffError("the TIFF holds no image")
    return Tiff(order, big, tuple(images), read)


def _exactly(read: Read, start: int, size: int) -> bytes:
    found = read(start, start + size)
    if len(found) != size:
        raise TiffError(f"the TIFF ends before byte {start + size}")
    return found


def _directory(read: Read, where: int, order: str, big: bool) -> tuple[dict[int, Entry], int]:
    form, length, inline = ("HHQ", 20, 8) if big else ("HHI", 12, 4)
    head = 8 if big else 2
    count = struct.unpack(order + ("Q" if big else "H"), _exactly(read, where, head))[0]
    if not 0 < count <= _MOST_ENTRIES:
        raise TiffError(f"a directory of the TIFF claims {count} entries")
    size = head + count * length + inline
    table = _exactly(read, where, size)
    entries: dict[int, Entry] = {}
    for start in range(head, size - inline, length):
        tag, kind, number = struct.unpack_from(order + form, table, start)
        if kind not in TYPES:
            continue
        place = start + length - inline
        if TYPES[kind][0] * number <= inline:
            value = where + place
        else:
            value = struct.unpack_from(order + ("Q" if big else "I"), table, place)[0]
        entries.setdefault(tag, Entry(kind, number, value))
    return entries, struct.unpack_from(order + ("Q" if big else "I"), table, size - inline)[0]


def _image(file: Tiff, entries: dict[int, Entry]) -> Image:
    def number(tag: Tag, default: int | None = None) -> int:
        entry = entries.get(tag)
        if entry is None or entry.count < 1 or entry.kind not in (1, 3, 4, 13, 16, 18):
            if default is None:
                raise TiffError(f"an image of the TIFF lacks its field {tag.name}")
            return default
        return int(file.numbers(entry, 0, 1)[0])

    width, height = number(Tag.WIDTH), number(Tag.HEIGHT)
    tiled = Tag.TILE_OFFSETS in entries
    if tiled:
        block = number(Tag.TILE_WIDTH), number(Tag.TILE_HEIGHT)
    else:
        block = width, min(number(Tag.ROWS_PER_STRIP, height), height)
    if not (0 < min(width, height) <= max(width, height) < 2**31 and 0 < min(block) < 2**31):
        raise TiffError(f"an image of the TIFF claims {width} x {height} pixels")
    samples = number(Tag.SAMPLES, 1)
    if not 0 < samples <= 65535:
        raise TiffError(f"an image of the TIFF claims {samples} bands")
    image = Image(
        entries=entries,
        width=width,
        height=height,
        block_width=block[0],
        block_height=block[1],
        tiled=tiled,
        bits=_bits(file, entries, samples),
        planes=samples if number(Tag.PLANAR, 1) == 2 else 1,
        compression=number(Tag.COMPRESSION, 1),
        subfile=number(Tag.SUBFILE, 0),
    )
    for tag in (image.offsets_tag, image.bytes_tag):
        if tag not in entries or entries[tag].kind not in (3, 4, 16):
            raise UnsupportedTiffError(f"an image of the TIFF lacks its field {tag.name}")
        if entries[tag].count < image.across * image.down * image.planes:
            raise TiffError(f"the field {tag.name} of the TIFF is shorter than its image needs")
    return image


def _bits(file: Tiff, entries: dict[int, Entry], samples: int) -> tuple[int, ...]:
    entry = entries.get(Tag.BITS)
    if entry is None:
        return (1,) * samples
    if entry.kind != 3 or entry.count not in (1, samples):
        raise TiffError("the bits of the samples of the TIFF make no sense")
    found = tuple(int(value) for value in file.numbers(entry))
    if not all(0 < value <= 256 for value in found):
        raise TiffError("the bits of the samples of the TIFF make no sense")
    return found if len(found) == samples else found * samples
