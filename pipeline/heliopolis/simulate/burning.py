"""Burning of polygons, roof planes and tree crowns into arrays at cell centres.

Exact point sampling: a cell takes a value when its centre lies in the polygon (even-odd rule),
so a product does not depend on the extent of the grid it is drawn on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit
from odc.geo.geobox import GeoBox

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def cell_centres(grid: GeoBox) -> tuple[F64, F64]:
    """Coordinates of the columns (x) and rows (y) of a north-up grid [m]."""
    affine = grid.affine
    rows, cols = grid.shape
    x = affine.c + affine.a * (np.arange(cols, dtype="float64") + 0.5)
    y = affine.f + affine.e * (np.arange(rows, dtype="float64") + 0.5)
    return np.asarray(x, "float64"), np.asarray(y, "float64")


def edges_of(polygons: npt.NDArray[np.object_]) -> tuple[F64, I64]:
    """Edges of polygons as segments (n, 4: x0 y0 x1 y1) and the offsets of each polygon's own."""
    parts, whole = shapely.get_parts(np.asarray(polygons, dtype=object), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    owner = whole[part]
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    if len(xy) == 0:
        return np.zeros((0, 4)), np.zeros(len(polygons) + 1, dtype="int64")
    inside = ring[1:] == ring[:-1]
    segments = np.hstack([xy[:-1], xy[1:]])[inside]
    of_polygon = owner[ring[:-1][inside]]
    offsets = np.searchsorted(of_polygon, np.arange(len(polygons) + 1))
    return segments, offsets.astype("int64")


def burn(
    out: npt.NDArray, grid: GeoBox, polygons: npt.NDArray[np.object_], values: npt.ArrayLike
) -> None:
    """Write ``values`` (one for each polygon, later ones on top) into ``out`` in place."""
    segments, offsets = edges_of(polygons)
    values = np.broadcast_to(np.asarray(values, dtype=out.dtype), len(offsets) - 1).copy()
    a = grid.affine
    _burn(out, a.c, a.f, a.a, a.e, segments, offsets, values)


def burn_planes(
    out: npt.NDArray, grid: GeoBox, polygons: npt.NDArray[np.object_], coefficients: F64
) -> None:
    """Raise ``out`` in place to ``a x + b y + c`` inside each polygon (rows of a, b, c)."""
    segments, offsets = edges_of(polygons)
    a = grid.affine
    _burn_planes(out, a.c, a.f, a.a, a.e, segments, offsets, np.ascontiguousarray(coefficients))


def burn_crowns(
    out: npt.NDArray, grid: GeoBox, x: F64, y: F64, radius: F64, base: F64, top: F64
) -> None:
    """Raise ``out`` in place to half ellipsoids: ``top`` in the middle, ``base`` at the rim [m]."""
    a = grid.affine
    _burn_crowns(out, a.c, a.f, a.a, a.e, x, y, radius, base, top)


def burn_discs(
    out: npt.NDArray, grid: GeoBox, x: F64, y: F64, radius: F64, values: npt.ArrayLike
) -> None:
    """Write ``values`` (one for each disc) into ``out`` in place."""
    values = np.broadcast_to(np.asarray(values, dtype=out.dtype), len(x)).copy()
    a = grid.affine
    _burn_discs(out, a.c, a.f, a.a, a.e, x, y, radius, values)


@njit(cache=True)
def _spans(y, first, last, segments, crossings):  # type: ignore[no-untyped-def]
    """Sorted x where the horizontal line at ``y`` crosses the edges; returns their number."""
    n = 0
    for k in range(first, last):
        y0 = segments[k, 1]
        y1 = segments[k, 3]
        if (y0 <= y) != (y1 <= y):
            x0 = segments[k, 0]
            crossings[n] = x0 + (y - y0) / (y1 - y0) * (segments[k, 2] - x0)
            n += 1
    crossings[:n].sort()
    return n


@njit(cache=True)
def _rows(first, last, segments, top, dy, height):  # type: ignore[no-untyped-def]
    """Range of rows that the edges may touch."""
    low = np.inf
    high = -np.inf
    for k in range(first, last):
        low = min(low, segments[k, 1], segments[k, 3])
        high = max(high, segments[k, 1], segments[k, 3])
    if not low <= high:
        return 0, 0
    begin = max(0, int(np.floor((high - top) / dy - 0.5)))
    end = min(height, int(np.ceil((low - top) / dy - 0.5)) + 1)
    return begin, end


@njit(cache=True)
def _burn(out, left, top, dx, dy, segments, offsets, values):  # type: ignore[no-untyped-def]
    height, width = out.shape
    crossings = np.empty(max(1, len(segments)))
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        begin, end = _rows(first, last, segments, top, dy, height)
        for row in range(begin, end):
            n = _spans(top + (row + 0.5) * dy, first, last, segments, crossings)
            for k in range(0, n - 1, 2):
                c0 = max(0, int(np.ceil((crossings[k] - left) / dx - 0.5)))
                c1 = min(width, int(np.ceil((crossings[k + 1] - left) / dx - 0.5)))
                for col in range(c0, c1):
                    out[row, col] = values[i]


@njit(cache=True)
def _burn_planes(out, left, top, dx, dy, segments, offsets, abc):  # type: ignore[no-untyped-def]
    height, width = out.shape
    crossings = np.empty(max(1, len(segments)))
    for i in range(len(offsets) - 1):
        first, last = offsets[i], offsets[i + 1]
        begin, end = _rows(first, last, segments, top, dy, height)
        for row in range(begin, end):
            y = top + (row + 0.5) * dy
            n = _spans(y, first, last, segments, crossings)
            for k in range(0, n - 1, 2):
                c0 = max(0, int(np.ceil((crossings[k] - left) / dx - 0.5)))
                c1 = min(width, int(np.ceil((crossings[k + 1] - left) / dx - 0.5)))
                for col in range(c0, c1):
                    z = abc[i, 0] * (left + (col + 0.5) * dx) + abc[i, 1] * y + abc[i, 2]
                    if z > out[row, col]:
                        out[row, col] = z


@njit(cache=True)
def _burn_crowns(out, left, top, dx, dy, x, y, radius, base, peak):  # type: ignore[no-untyped-def]
    height, width = out.shape
    for i in range(len(x)):
        r = radius[i]
        r0 = max(0, int(np.ceil((y[i] + r - top) / dy - 0.5)))
        r1 = min(height, int(np.floor((y[i] - r - top) / dy - 0.5)) + 1)
        c0 = max(0, int(np.ceil((x[i] - r - left) / dx - 0.5)))
        c1 = min(width, int(np.floor((x[i] + r - left) / dx - 0.5)) + 1)
        for row in range(r0, r1):
            v = top + (row + 0.5) * dy - y[i]
            for col in range(c0, c1):
                u = left + (col + 0.5) * dx - x[i]
                q = 1.0 - (u * u + v * v) / (r * r)
                if q > 0:
                    z = base[i] + (peak[i] - base[i]) * np.sqrt(q)
                    if z > out[row, col]:
                        out[row, col] = z


@njit(cache=True)
def _burn_discs(out, left, top, dx, dy, x, y, radius, values):  # type: ignore[no-untyped-def]
    height, width = out.shape
    for i in range(len(x)):
        r = radius[i]
        r0 = max(0, int(np.ceil((y[i] + r - top) / dy - 0.5)))
        r1 = min(height, int(np.floor((y[i] - r - top) / dy - 0.5)) + 1)
        c0 = max(0, int(np.ceil((x[i] - r - left) / dx - 0.5)))
        c1 = min(width, int(np.floor((x[i] + r - left) / dx - 0.5)) + 1)
        for row in range(r0, r1):
            v = top + (row + 0.5) * dy - y[i]
            for col in range(c0, c1):
                u = left + (col + 0.5) * dx - x[i]
                if u * u + v * v <= r * r:
                    out[row, col] = values[i]
