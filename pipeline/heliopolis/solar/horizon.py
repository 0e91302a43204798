"""Horizon of every cell of a surface model: what stands between it and the low sun.

A line of sight leaves the centre of a cell and is followed from one row (or column) of cells to
the next; between the two cells that it crosses there, the height is interpolated. Blocks of
cells whose highest cell cannot lift the horizon any more are skipped as a whole, which changes
the time that it takes and not the answer.

References: the walk over grid crossings is that of Franklin and Ray (1994), "Higher isn't
necessarily better: visibility algorithms and experiments"; the use of horizons for the shading
of terrain is that of Dozier and Frew (1990), doi:10.1109/36.58986.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Cells along the sides of the two sizes of blocks that can be skipped as a whole.
_SMALL, _LARGE = 8, 32
#: Stands for "no surface here"; lower than any place on Earth [m].
_VOID = -20000.0


def reach_m(max_relief_m: float, lowest_sun_deg: float) -> float:
    """Length of the longest shadow that counts [m].

    Parameters
    ----------
    max_relief_m
        Greatest difference in height between an obstacle and a roof [m].
    lowest_sun_deg
        Sun elevation below which shading is left out of account [deg].

    >>> round(reach_m(60.0, 5.0))
    686
    """
    if not 0 < lowest_sun_deg < 90:
        raise ValueError(f"lowest_sun_deg must lie between 0 and 90, not {lowest_sun_deg}")
    return max(0.0, max_relief_m) / math.tan(math.radians(lowest_sun_deg))


def horizon(
    dsm: FloatArray,
    resolution_m: float,
    directions: int = 36,
    max_distance_m: float | None = None,
    *,
    observers: FloatArray | None = None,
    where: FloatArray | None = None,
) -> FloatArray:
    """Elevation angle of the horizon [deg].

    Parameters
    ----------
    dsm
        Surface heights [m], dims (y, x), north up; NaN where there is no surface, which hides
        nothing.
    resolution_m
        Side of a cell [m].
    directions
        Number of directions N; band k looks towards azimuth ``k * 360 / N``, clockwise from
        north.
    max_distance_m
        How far a line of sight is followed [m]; to the border of the raster by default. The
        curvature of the Earth (8 cm at 1 km) is left out.
    observers
        Heights of the points that look [m], dims (y, x); ``dsm`` by default.
    where
        True where the horizon is wanted, dims (y, x); everywhere by default.

    Returns
    -------
    array
        float32, dims (direction, y, x); 0 where nothing rises above the observer (the sky ends
        at the horizontal), NaN where ``where`` is false or there is no observer.
    """
    wanted = np.isfinite(dsm if observers is None else observers)
    if where is not None:
        wanted &= where.astype(bool)
    out = np.full((directions, *dsm.shape), np.nan, dtype=np.float32)
    out[:, wanted] = horizon_of_cells(
        dsm, resolution_m, wanted, directions, max_distance_m, observers=observers
    )
    return out


def horizon_of_cells(
    dsm: FloatArray,
    resolution_m: float,
    where: FloatArray,
    directions: int = 36,
    max_distance_m: float | None = None,
    *,
    observers: FloatArray | None = None,
) -> FloatArray:
    """Like `horizon`, for the cells alone where ``where`` is true, dims (direction, cell)."""
    if dsm.ndim != 2 or not resolution_m > 0 or directions < 1:
        raise ValueError("dsm must be two-dimensional, resolution_m and directions positive")
    heights = np.where(np.isfinite(dsm), dsm, _VOID).astype(np.float32)
    eyes = heights if observers is None else observers.astype(np.float32)
    rows, cols = np.nonzero(where)
    limit = math.hypot(*dsm.shape) * resolution_m if max_distance_m is None else max_distance_m
    small, large = _block_maxima(heights, _SMALL), _block_maxima(heights, _LARGE)
    out = np.empty((directions, rows.size), dtype=np.float32)
    for k in range(directions):
        row_step, col_step, stride = _line(k * 360.0 / directions)
        steps = int(limit / (stride * resolution_m) + 1e-6)
        near = _forward(small, row_step, col_step)
        far = _forward(large, row_step, col_step)
        tangents = _march(
            heights, near, far, eyes, rows, cols, row_step, col_step, stride * resolution_m, steps
        )
        out[k] = np.degrees(np.arctan(tangents))
    return out


def _line(azimuth_deg: float) -> tuple[float, float, float]:
    """Row and column step, one of them +-1, and the length of the step [cells]."""
    north, east = math.cos(math.radians(azimuth_deg)), math.sin(math.radians(azimuth_deg))
    larger = max(abs(north), abs(east))
    row_step, col_step = -north / larger, east / larger
    snap = [round(v) if abs(v - round(v)) < 1e-9 else v for v in (row_step, col_step)]
    return float(snap[0]), float(snap[1]), math.hypot(*snap)


def _block_maxima(heights: FloatArray, size: int) -> FloatArray:
    """Highest cell of each block of ``size`` x ``size`` cells."""
    rows, cols = (-(-n // size) for n in heights.shape)
    pad = ((0, rows * size - heights.shape[0]), (0, cols * size - heights.shape[1]))
    padded = np.pad(heights, pad, constant_values=_VOID)
    return np.asarray(padded.reshape(rows, size, cols, size).max(axis=(1, 3)))


def _forward(blocks: FloatArray, row_step: float, col_step: float) -> FloatArray:
    """Maximum over a block and its three neighbours on the side that a line runs to."""
    out = blocks.copy()
    rows = slice(0, -1), slice(1, None)
    here, there = rows if row_step > 0 else rows[::-1]
    out[here] = np.maximum(out[here], blocks[there])
    wide = out.copy()
    here, there = rows if col_step > 0 else rows[::-1]
    wide[:, here] = np.maximum(wide[:, here], out[:, there])
    return wide


@njit(cache=True, parallel=True, nogil=True)
def _march(  # type: ignore[no-untyped-def]  # pragma: no cover
    heights, near, far, eyes, rows, cols, row_step, col_step, stride_m, steps
):
    """Tangent of the horizon of the cells at ``rows``, ``cols`` in one direction."""
    height, width = heights.shape
    out = np.zeros(rows.size, dtype=np.float32)
    by_row = abs(row_step) == 1.0
    for i in prange(rows.size):
        z = eyes[rows[i], cols[i]]
        best = 0.0
        j = 1
        while j <= steps:
            y = rows[i] + j * row_step
            x = cols[i] + j * col_step
            if y < 0 or x < 0 or y > height - 1 or x > width - 1:
                break
            y0 = math.floor(y + 1e-9)
            x0 = math.floor(x + 1e-9)
            # The cell from which a whole block of steps, neighbours included, runs forward.
            yb = y0 if row_step >= 0 else math.ceil(y - 1e-9)
            xb = x0 if col_step >= 0 else math.ceil(x - 1e-9)
            distance = j * stride_m
            if far[yb // _LARGE, xb // _LARGE] - z <= best * distance:
                j += _LARGE - 2
                continue
            if near[yb // _SMALL, xb // _SMALL] - z <= best * distance:
                j += _SMALL - 2
                continue
            if by_row:
                part = x - x0
                other = heights[y0, x0 + 1] if part > 1e-6 else heights[y0, x0]
            else:
                part = y - y0
                other = heights[y0 + 1, x0] if part > 1e-6 else heights[y0, x0]
            first = heights[y0, x0]
            if first <= _VOID or other <= _VOID:
                level = max(first, other)
            else:
                level = first + part * (other - first)
            if level - z > best * distance:
                best = (level - z) / distance
            j += 1
        out[i] = best
    return out
