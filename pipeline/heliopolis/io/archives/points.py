"""Points of a survey: the part of LAS, LAZ and COPC files that lies over the area."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import laspy
import numpy as np
from laspy.errors import LaspyException
from pyproj import CRS

from heliopolis.io.archives.delivery import Order, keep, workshop
from heliopolis.io.archives.pages import Bounds, blocks
from heliopolis.io.atomic import replacing
from heliopolis.io.limits import LARGEST_RATIO, LARGEST_UNPACKED
from heliopolis.io.remote.cache import Key
from heliopolis.io.remote.client import CorruptError

#: Side of the squares in which points are fetched, kept and written [m].
SQUARE_M = 250.0
_CHUNK = 1_000_000
_STRUCTURE = ("copc", "laszip encoded")


@dataclass(frozen=True)
class PointTile:
    """A file of points in an archive.

    Attributes
    ----------
    archive, name, version
        Identity in the cache.
    crs
        CRS, for files whose header names none.
    bounds
        Where the file has points, in ``crs``.
    open
        Opens the file: a stream that can be positioned, of LAS, LAZ or COPC.
    copc
        Whether the file is a COPC, of which parts can be read.
    """

    archive: str
    name: str
    version: str | None
    crs: str
    bounds: Bounds
    open: Callable[[], AbstractContextManager[BinaryIO]]
    copc: bool

    def squares(self, wanted: Bounds) -> list[Bounds]:
        """Squares of the fixed grid that the file and ``wanted`` have in common."""
        west, south = max(self.bounds[0], wanted[0]), max(self.bounds[1], wanted[1])
        east, north = min(self.bounds[2], wanted[2]), min(self.bounds[3], wanted[3])
        if west >= east or south >= north:
            return []
        return list(blocks((west, south, east, north), SQUARE_M))


def deliver_points(order: Order, archive: str, tiles: list[PointTile]) -> int:
    """Write the points over the bounds of the area into a folder of LAZ files; return how many.

    One file for each square of 250 m of each tile, so that memory stays flat; squares that are
    in the cache are not fetched again.
    """
    count = 0
    with replacing(order.target) as folder:
        folder.mkdir(parents=True)
        for tile in sorted(tiles, key=lambda t: t.name):
            wanted = order.bounds(tile.crs)
            for square, part in _parts(order, tile, tile.squares(wanted)):
                if part is None:
                    continue
                west, south = (round(v) for v in square[:2])
                keep(part, folder / f"{tile.name}_{west}_{south}.laz")
                count += 1
        if not count:
            raise order.nothing(archive)
    return count


def _parts(
    order: Order, tile: PointTile, squares: list[Bounds]
) -> list[tuple[Bounds, Path | None]]:
    """Squares of a tile from the cache; the file is opened only if one is missing."""
    found = {square: _find(order, tile, square) for square in squares}
    missing = [square for square in squares if found[square] is None]
    if missing:
        try:
            with workshop(order.target) as folder, tile.open() as stream:
                _cut(order, tile, stream, missing, folder)
        except LaspyException as error:
            raise CorruptError(
                f"the points cannot be read: {error}", where=f"{tile.archive} {tile.name}"
            ) from error
    results = []
    for square in squares:
        path = found[square] or _find(order, tile, square)
        results.append((square, path if path is not None and path.suffix == ".laz" else None))
    return results


def _reference(tile: PointTile, square: Bounds) -> tuple[tuple[str, str], ...]:
    where = " ".join(f"{v:g}" for v in square)
    pairs = {"archive": tile.archive, "item": tile.name, "kind": "points", "window": where}
    return tuple(sorted(pairs.items()))


def _find(order: Order, tile: PointTile, square: Bounds) -> Path | None:
    return order.store.cache.find(_reference(tile, square), tile.version)


def _cut(
    order: Order, tile: PointTile, stream: BinaryIO, squares: list[Bounds], folder: Path
) -> None:
    """Put squares of a file into the cache; one without points leaves an empty mark."""
    if tile.copc:
        reader = laspy.CopcReader(stream, http_num_threads=1)
        split = _Split(reader.header, tile.crs, squares, folder)
        with split:
            for square in squares:
                box = laspy.copc.Bounds(mins=np.array(square[:2]), maxs=np.array(square[2:]))
                split.add(reader.query(bounds=box), [square])
    else:
        with laspy.open(stream, closefd=False) as whole:
            split = _Split(whole.header, tile.crs, squares, folder)
            with split:
                for chunk in whole.chunk_iterator(_CHUNK):
                    split.add(chunk, squares)
    for square in squares:
        part = split.parts.get(square)
        key = Key(_reference(tile, square), tile.version or "")
        with order.store.cache.publish(key, ".laz" if part else ".none") as path:
            if part:
                keep(part, path)
            else:
                path.write_bytes(b"no points\n")


class _Split:
    """Writes the points of each square into a file of its own, piece by piece."""

    def __init__(self, header: Any, crs: str, squares: list[Bounds], folder: Path) -> None:
        self._header, self._crs, self._folder = header, crs, folder
        self._order = {square: index for index, square in enumerate(squares)}
        self._open = ExitStack()
        self._writers: dict[Bounds, Any] = {}
        self.parts: dict[Bounds, Path] = {}

    def __enter__(self) -> _Split:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def add(self, points: Any, squares: list[Bounds]) -> None:
        """Append the points that lie in ``squares``."""
        for square in squares:
            inside = _inside(points, square, self._header)
            if inside.any():
                self._writer(square).write_points(getattr(points[inside], "points", points[inside]))

    def _writer(self, square: Bounds) -> Any:
        if square not in self._writers:
            path = self._folder / f"part_{self._order[square]}.laz"
            header = _plain_header(self._header, self._crs)
            self._writers[square] = self._open.enter_context(
                laspy.open(path, mode="w", header=header, do_compress=True)
            )
            self.parts[square] = path
        return self._writers[square]


def _inside(points: Any, square: Bounds, header: Any) -> Any:
    """Points of a square: its western and southern sides belong to it, the others to the next.

    The outer edge of a file has no next square: points on it are kept.
    """
    x, y = np.asarray(points.x), np.asarray(points.y)
    east = square[2] if square[2] < header.maxs[0] else np.inf
    north = square[3] if square[3] < header.maxs[1] else np.inf
    return (x >= square[0]) & (x < east) & (y >= square[1]) & (y < north)


def _plain_header(header: Any, crs: str) -> Any:
    """Header of a part of a file: its scales, dimensions and CRS, without its inner structure."""
    plain = laspy.LasHeader(point_format=header.point_format, version=header.version)
    plain.scales, plain.offsets = header.scales, header.offsets
    plain.system_identifier = header.system_identifier
    plain.generating_software = "heliopolis"
    plain.creation_date = header.creation_date
    plain.global_encoding = header.global_encoding
    for record in header.vlrs:
        if record.user_id.lower() not in _STRUCTURE and not _extra_bytes(record):
            plain.vlrs.append(record)
    if plain.parse_crs() is None:
        plain.add_crs(CRS.from_user_input(crs))
    return plain


def _extra_bytes(record: Any) -> bool:
    """The description of extra dimensions: the point format brings its own."""
    return bool(record.user_id == "LASF_Spec" and record.record_id == 4)


def unzip_las(archive: Path, folder: Path) -> Path:
    """Unpack the one LAS or LAZ file of a ZIP archive, whose own checksum is tested."""
    try:
        with zipfile.ZipFile(archive) as packed:
            names = [n for n in packed.namelist() if n.lower().endswith((".las", ".laz"))]
            if len(names) != 1:
                raise CorruptError(
                    f"the archive holds {len(names)} files of points, not one", where=archive.name
                )
            target = folder / Path(names[0]).name
            told = packed.getinfo(names[0])
            if told.file_size > min(LARGEST_UNPACKED, LARGEST_RATIO * (told.compress_size + 1)):
                raise CorruptError("the archive unpacks to far more than it is", where=archive.name)
            written = 0
            with packed.open(names[0]) as source, target.open("wb") as sink:
                while piece := source.read(1 << 22):
                    written += sink.write(piece)
                    if written > told.file_size:
                        raise CorruptError("the archive is larger than it says",
                                           where=archive.name)  # fmt: skip
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error,
            EOFError, ValueError) as error:  # fmt: skip
        # A name that the headers disagree about may be thousands of bytes long.
        text = f"the ZIP archive is damaged: {str(error)[:200]}"
        raise CorruptError(text, where=archive.name) from error
    return target
