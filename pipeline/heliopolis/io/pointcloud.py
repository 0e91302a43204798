"""Point clouds: LAS and LAZ, read in pieces, in metres, in the CRS of the study."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import numpy.typing as npt
from laspy.errors import LaspyException
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from heliopolis.errors import GridError, InputError
from heliopolis.io.limits import guarded

F64 = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]

#: Length of each unit [m]. The two feet differ by 2 parts per million: 1 m at 500 km.
UNITS_M = {"metre": 1.0, "foot": 0.3048, "us_survey_foot": 1200.0 / 3937.0}
#: ASPRS classes that are no surface: low noise, high noise (LAS 1.4 R15, table 17).
NOISE = (7, 18)
GROUND = 2
_CHUNK = 1_000_000
_PROBE = 200_000
_PROBED_FILES = 20
#: What is unpacked of points that are packed by parts (LAZ 1.4, point formats 6 and later).
_PARTS = (
    laspy.DecompressionSelection.base()
    | laspy.DecompressionSelection.Z
    | laspy.DecompressionSelection.CLASSIFICATION
)

#: Bytes before the content of a variable length record.
_RECORD_HEAD = 54
#: Points that are all the same may be packed a thousand times smaller, but hardly more.
_MOST_PACKED = 5000


@dataclass(frozen=True)
class Points:
    """Points of a survey.

    Attributes
    ----------
    x, y
        Coordinates in a metric CRS [m].
    z
        Height [m], in the vertical datum of the survey.
    classification
        ASPRS class of each point; 0 and 1 are unclassified.
    """

    x: F64
    y: F64
    z: F64
    classification: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class _Frame:
    """How the numbers of one file become metres in the CRS of the study."""

    horizontal: float
    vertical: float
    forward: Transformer
    backward: Transformer

    def to_study(self, x: F64, y: F64) -> tuple[F64, F64]:
        made = self.forward.transform(x * self.horizontal, y * self.horizontal)
        return np.asarray(made[0]), np.asarray(made[1])

    def to_file(self, bounds: Bounds) -> Bounds:
        west, south, east, north = self.backward.transform_bounds(*bounds, densify_pts=21)
        k = self.horizontal
        return west / k, south / k, east / k, north / k


@guarded("the point cloud")
def read_points(
    paths: Sequence[Path],
    *,
    crs: str,
    bounds: Bounds | None = None,
    source_crs: str | None = None,
    unit: str | None = None,
) -> Points:
    """Read the points of one or more files, without noise (classes 7 and 18).

    Parameters
    ----------
    paths
        LAS or LAZ files.
    crs
        Metric CRS wanted.
    bounds
        West, south, east, north in ``crs`` [m]; all points by default.
    source_crs
        CRS of the files; by default the one in each header.
    unit
        ``metre``, ``foot`` (0.3048 m) or ``us_survey_foot`` (1200/3937 m): the unit of x, y and
        z. By default x and y are in the unit of the CRS, and z in that of its vertical part or,
        where it has none, in the unit of x and y, as the LAS standard has it.

    Raises
    ------
    GridError
        When a file has no CRS and none is given.
    InputError
        When a file is missing or is not LAS or LAZ.
    """
    pieces = [
        piece
        for path in paths
        for piece in _read_file(Path(path), crs=crs, bounds=bounds, given=source_crs, unit=unit)
    ]
    if not pieces:
        none = np.empty(0)
        return Points(none, none, none, np.empty(0, dtype="uint8"))
    return Points(
        np.concatenate([p.x for p in pieces]),
        np.concatenate([p.y for p in pieces]),
        np.concatenate([p.z for p in pieces]),
        np.concatenate([p.classification for p in pieces]),
    )


@guarded("the point cloud")
def points_crs(path: Path, given: str | None = None) -> CRS:
    """CRS of a point cloud: the one given, else the one in its header."""
    if given is not None:
        return _parse(given, path)
    with _open(path) as reader:
        return _header_crs(reader, path)


@guarded("the point cloud")
def points_bounds(
    path: Path, *, crs: str, source_crs: str | None = None, unit: str | None = None
) -> Bounds:
    """West, south, east, north of a point cloud in ``crs`` [m], from its header alone."""
    with _open(path) as reader:
        low, high = reader.header.mins, reader.header.maxs
    frame = _frame(points_crs(path, source_crs), crs, unit, path)
    k = frame.horizontal
    west, south, east, north = frame.forward.transform_bounds(
        low[0] * k, low[1] * k, high[0] * k, high[1] * k, densify_pts=21
    )
    return west, south, east, north


@guarded("the point cloud")
def has_ground(paths: Sequence[Path]) -> bool:
    """Whether the survey has ground points (class 2).

    The beginnings of up to 20 files are looked at, always the same ones, so that every tile of
    a run gets the same answer.
    """
    step = max(1, -(-len(paths) // _PROBED_FILES))
    for path in list(paths)[::step]:
        with _open(path) as reader:
            wanted = min(_PROBE, int(reader.header.point_count))
            if wanted and (np.asarray(reader.read_points(wanted).classification) == GROUND).any():
                return True
    return False


def _check_header(path: Path) -> None:
    """Refuse a header that promises more than the file can hold (LAS 1.4 R15, tables 3 and 11)."""
    with path.open("rb") as file:
        head = file.read(375)
    if head[:4] != b"LASF" or len(head) < 227:
        return
    size, records = struct.unpack("<H", head[94:96])[0], struct.unpack("<I", head[100:104])[0]
    count, length = struct.unpack("<I", head[107:111])[0], struct.unpack("<H", head[105:107])[0]
    if head[25] >= 4 and len(head) >= 255:
        count = struct.unpack("<Q", head[247:255])[0] or count
    packed = bool(head[104] & 0x80)
    whole = path.stat().st_size
    least = count * length / _MOST_PACKED if packed else count * length
    if size + records * _RECORD_HEAD > whole or least > whole:
        raise InputError(
            "the header of the point cloud promises more than the file holds",
            where=str(path),
            remedy="Copy or download the file again",
        )


def _open(path: Path) -> Any:
    try:
        _check_header(path)
        return laspy.open(path, decompression_selection=_PARTS)
    except (OSError, LaspyException) as error:
        raise InputError(
            "the point cloud cannot be opened",
            where=str(path),
            remedy=f"Check that the file is there and is LAS or LAZ: {error}",
        ) from error


def _parse(text: str, path: Path) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise GridError(
            f"{text!r} is not a coordinate reference system",
            where=str(path),
            remedy="Give a code such as EPSG:28992",
        ) from error


def _header_crs(reader: Any, path: Path) -> CRS:
    try:
        found = reader.header.parse_crs()
    except CRSError:
        found = None
    if found is None:
        raise GridError(
            "the point cloud has no coordinate reference system in its header",
            where=str(path),
            remedy="Name it: elevation.crs in the configuration, --crs on the command line, "
            "such as EPSG:28992",
        )
    return CRS.from_user_input(found)


def _frame(source: CRS, study: str, unit: str | None, path: Path) -> _Frame:
    """Scale factors and transformers of one file."""
    if unit is not None and unit not in UNITS_M:
        raise GridError(
            f"the unit {unit!r} is not known", where=str(path), remedy="Use " + ", ".join(UNITS_M)
        )
    parts = source.sub_crs_list if source.is_compound else [source]
    flat = parts[0]
    own = 1.0 if flat.is_geographic else float(flat.axis_info[0].unit_conversion_factor)
    vertical = float(parts[1].axis_info[0].unit_conversion_factor) if len(parts) > 1 else own
    if len(source.axis_info) == 3 and len(parts) == 1:
        vertical = float(source.axis_info[2].unit_conversion_factor)
        flat = source.to_2d()
    scale = 1.0
    if unit is not None:
        vertical = UNITS_M[unit]
        scale = 1.0 if flat.is_geographic else vertical / own
    try:
        forward = Transformer.from_crs(flat, CRS.from_user_input(study).to_2d(), always_xy=True)
        backward = Transformer.from_crs(CRS.from_user_input(study).to_2d(), flat, always_xy=True)
    except ProjError as error:
        raise GridError(
            "the point cloud cannot be brought to the CRS of the study",
            where=str(path),
            remedy=f"Check elevation.crs: {error}",
        ) from error
    return _Frame(scale, vertical, forward, backward)


def _read_file(
    path: Path, *, crs: str, bounds: Bounds | None, given: str | None, unit: str | None
) -> Iterator[Points]:
    with _open(path) as reader:
        source = _parse(given, path) if given is not None else _header_crs(reader, path)
        frame = _frame(source, crs, unit, path)
        window = frame.to_file(bounds) if bounds is not None else None
        header = reader.header
        if window is not None and not _overlap(window, header.mins, header.maxs):
            return
        try:
            for chunk in reader.chunk_iterator(_CHUNK):
                piece = _piece(chunk, frame, window, bounds)
                if len(piece):
                    yield piece
        except (LaspyException, RuntimeError, ValueError) as error:
            raise InputError(
                "the point cloud is damaged",
                where=str(path),
                remedy=f"Copy or download the file again: {error}",
            ) from error


def _overlap(window: Bounds, low: Any, high: Any) -> bool:
    return bool(
        window[0] <= high[0]
        and window[2] >= low[0]
        and window[1] <= high[1]
        and window[3] >= low[1]
    )


def _piece(chunk: Any, frame: _Frame, window: Bounds | None, bounds: Bounds | None) -> Points:
    """Points of one chunk that are wanted, in the CRS of the study."""
    x, y = np.asarray(chunk.x, dtype="float64"), np.asarray(chunk.y, dtype="float64")
    kind = np.asarray(chunk.classification, dtype="uint8")
    keep = ~np.isin(kind, NOISE)
    if window is not None:
        keep &= (x >= window[0]) & (x <= window[2]) & (y >= window[1]) & (y <= window[3])
    keep_at = np.flatnonzero(keep)
    z = np.asarray(chunk.z, dtype="float64")[keep_at] * frame.vertical
    x, y = frame.to_study(x[keep_at], y[keep_at])
    kind = kind[keep_at]
    inside = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    if bounds is not None:
        inside &= (x >= bounds[0]) & (x <= bounds[2]) & (y >= bounds[1]) & (y <= bounds[3])
    return Points(x[inside], y[inside], z[inside], kind[inside])
