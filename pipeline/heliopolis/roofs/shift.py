"""How far a footprint lies beside its roof, as a survey with classes sees it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely.geometry.base import BaseGeometry

from heliopolis.roofs.plane_fit import F64

#: Standard error of a footprint's position along an axis, by whether points told it [m]: 0.08 m
#: were left in a simulated city with 10 points per m2; the other is a judgement.
TOLD_SD_M, UNTOLD_SD_M = 0.1, 0.3
#: Standard error of the place of each side of an outline that the net drew [m].
DRAWN_SD_M = 0.5
#: Shifts are looked for up to this far, in steps of this [m].
REACH_M, STEP_M = 2.0, 0.25
#: Footprints nearer than this are surveyed together and move together [m].
TOGETHER_M = 0.6
#: A group that is longer than this is not moved [m].
LONGEST_M = 60.0
#: Points of roof or bare ground that a shift of 1 m has to bring for each metre of the outline,
#: as a share of those that lie under it: where both sides of a wall are alike, nothing moves.
_PENALTY = 0.1
#: Least gain, as a share of the points on the roof, and points on the roof.
_LEAST_GAIN, _LEAST_POINTS = 0.01, 30


def footprint_shifts(
    footprints: Mapping[str, BaseGeometry],
    wanted: Collection[str],
    roof: F64,
    bare: F64,
) -> dict[str, tuple[float, float]]:
    """Shift of each footprint that brings it under its roof [m].

    Footprints that touch move together, as they were surveyed together; so do not overlap after.

    Parameters
    ----------
    footprints
        Polygons by ``building_id``, those within `LONGEST_M` of the wanted ones too, so that the
        result does not depend on how an area is cut.
    wanted
        Whose shift is asked for.
    roof, bare
        Points of roofs and of ground around them, dims (point, 2) [m].

    Returns
    -------
    dict
        East and north [m] for each footprint of which the points tell, zeros where it lies well.
    """
    keys = sorted(footprints)
    shapes = np.array([footprints[key] for key in keys], dtype=object)
    group = _groups(shapes)
    asked = set(wanted)
    found: dict[str, tuple[float, float]] = {}
    roof, bare = (points[np.argsort(points[:, 0], kind="stable")] for points in (roof, bare))
    for one in np.unique(group[[key in asked for key in keys]]):
        members = np.flatnonzero(group == one)
        bounds = shapely.total_bounds(shapes[members])
        if max(bounds[2] - bounds[0], bounds[3] - bounds[1]) > LONGEST_M:
            continue
        near = (_near(points, bounds) for points in (roof, bare))
        shift = roof_shift(shapely.union_all(shapes[members]), *near)
        if shift is not None:
            found |= {keys[k]: shift for k in members if keys[k] in asked}
    return found


def position_sd(shift: tuple[float, float] | None) -> float:
    """Standard error of the position of a footprint along each axis [m]."""
    return UNTOLD_SD_M if shift is None else TOLD_SD_M


def _groups(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Number of the group of each footprint."""
    count = len(shapes)
    i, j = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=TOGETHER_M)
    links = coo_array((np.ones(len(i)), (i, j)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype="int64")


def _near(points: F64, bounds: F64) -> F64:
    """Points in reach of a group, of those sorted by x."""
    west, south, east, north = bounds
    first, last = np.searchsorted(points[:, 0], [west - REACH_M, east + REACH_M])
    part = points[first:last]
    return part[(part[:, 1] > south - REACH_M) & (part[:, 1] < north + REACH_M)]


def roof_shift(footprint: BaseGeometry, roof: F64, bare: F64) -> tuple[float, float] | None:
    """Shift that brings a footprint under its roof.

    Of all shifts up to 2 m the one under which most points of roofs, less points of bare ground,
    lie in the footprint. Along a row of houses both sides of a wall are roof: there nothing tells
    where a house ends, and the footprint stays.

    Parameters
    ----------
    footprint
        Polygon, metric.
    roof, bare
        Points of roofs and of ground in and around it, dims (point, 2) [m].

    Returns
    -------
    tuple of float
        East and north [m]; None where the points do not tell.
    """
    if len(roof) < _LEAST_POINTS or len(bare) < _LEAST_POINTS:
        return None
    west, south, east, north = footprint.bounds
    left, low = west - REACH_M, south - REACH_M
    shape = (
        math.ceil((north - south + 2 * REACH_M) / STEP_M),
        math.ceil((east - west + 2 * REACH_M) / STEP_M),
    )
    score = _counts(roof, left, low, shape) - _counts(bare, left, low, shape)
    x = left + (np.arange(shape[1]) + 0.5) * STEP_M
    y = low + (np.arange(shape[0]) + 0.5) * STEP_M
    shapely.prepare(footprint)
    inside = shapely.contains_xy(footprint, *(a.ravel() for a in np.meshgrid(x, y))).reshape(shape)
    if not inside.any():
        return None
    steps = round(REACH_M / STEP_M)
    rows, cols = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    kernel = inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    every = _correlated(score, kernel.astype("float64"))
    top, side = rows[0] - steps, cols[0] - steps
    gains = every[max(top, 0) : top + 2 * steps + 1, max(side, 0) : side + 2 * steps + 1]
    offsets = [
        STEP_M * (max(first, 0) + np.arange(size) - middle)
        for first, size, middle in ((top, gains.shape[0], rows[0]), (side, gains.shape[1], cols[0]))
    ]
    dy, dx = np.meshgrid(*offsets, indexing="ij")
    density = len(roof) / max(footprint.area, 1.0)
    worth = gains - _PENALTY * density * footprint.length * np.hypot(dx, dy)
    best = np.unravel_index(np.argmax(worth), worth.shape)
    still = np.unravel_index(np.argmin(np.hypot(dx, dy)), worth.shape)
    if gains[best] - gains[still] < max(_LEAST_GAIN * len(roof), 1.0):
        return 0.0, 0.0
    return float(dx[best]), float(dy[best])


def _correlated(score: F64, kernel: F64) -> F64:
    """Sum of the scores under the kernel, for each place of it that lies within them."""
    shape = score.shape
    product = np.fft.rfft2(score) * np.conj(np.fft.rfft2(kernel, shape))
    rows, cols = (n - k + 1 for n, k in zip(shape, kernel.shape, strict=True))
    return np.asarray(np.fft.irfft2(product, shape)[:rows, :cols])


def _counts(points: F64, left: float, low: float, shape: tuple[int, int]) -> F64:
    """Number of points in each cell, rows from the south."""
    column = np.floor((points[:, 0] - left) / STEP_M).astype("int64")
    row = np.floor((points[:, 1] - low) / STEP_M).astype("int64")
    ok = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    flat = np.bincount(row[ok] * shape[1] + column[ok], minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype("float64")
