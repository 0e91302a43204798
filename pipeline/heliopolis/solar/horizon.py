"""Horizon of every cell of a surface model: what stands between it and the low sun.

A line of sight leaves the centre of a cell and is followed from one row (or column) of cells to
the next; between the two cells that it crosses there, the height is interpolated. The first
`NEAR_CELLS` are looked at one by one. Beyond them, lines one cell apart are shared by the cells
within half a cell of them, and the horizon is the tangent to the convex hull of what lies ahead:
the time for a cell and direction depends neither on the distance nor on the size of the surface.

References: Franklin and Ray (1994), "Higher isn't necessarily better: visibility algorithms and
experiments", for the walk over grid crossings; Dozier, Bruno and Downey (1981),
doi:10.1016/0098-3004(81)90026-1, for the hulls; Dozier and Frew (1990), doi:10.1109/36.58986,
for the use of horizons in the shading of terrain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from heliopolis.solar.sight_lines import VOID, far_tangents, near_tangents, transposed

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Modules stand this much above the roof; lesser unevenness of the surface model throws no shade.
ABOVE_ROOF_M = 0.15
#: Columns of cells ahead that are looked at one by one on the line of each cell itself.
NEAR_CELLS = 64
#: Fall of the Earth under a line of sight over the square of the distance [1/m], with the share
#: of 0.13 that refraction takes back on average.
ROUND_EARTH = (1.0 - 0.13) / (2.0 * 6_371_000.0)


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
    origin: tuple[int, int] = (0, 0),
    upright: bool = False,
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
    origin
        Row and column of the first cell in a larger grid of which ``dsm`` is a part; with it
        the parts of a grid give what the whole gives, where their margins are at least
        ``max_distance_m`` wide.
    upright
        Whether the surface rises at the sides of its cells, which are columns, and not between
        their middles: walls are then met half a cell earlier.

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
        dsm,
        resolution_m,
        wanted,
        directions,
        max_distance_m,
        observers=observers,
        origin=origin,
        upright=upright,
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
    origin: tuple[int, int] = (0, 0),
    min_distance_m: float = 0.0,
    drop: float = 0.0,
    upright: bool = False,
) -> FloatArray:
    """Like `horizon`, for the cells alone where ``where`` is true, dims (direction, cell).

    What is nearer than ``min_distance_m`` is left out; ``drop`` is the fall of the Earth under
    the sight over the square of the distance [1/m], see `ROUND_EARTH`.
    """
    if dsm.ndim != 2 or not resolution_m > 0 or directions < 1:
        raise ValueError("dsm must be two-dimensional, resolution_m and directions positive")
    heights = np.where(np.isfinite(dsm), dsm, VOID).astype(np.float32)
    eyes = heights if observers is None else observers.astype(np.float32)
    eyes = np.where(where, eyes, np.float32(np.nan))
    limit = math.hypot(*dsm.shape) * resolution_m if max_distance_m is None else max_distance_m
    nearer = 0.5 if upright else 0.0
    wanted = np.flatnonzero(where)
    out = np.empty((directions, wanted.size), dtype=np.float32)
    for view, bands in _views(dsm.shape, directions, origin):
        turned, lookers = view.turn(heights), view.turn(eyes)
        place, cells = _place(lookers), view.places(wanted, heights.shape)
        tangents = np.empty(turned.shape, dtype=np.float32)
        for k, drift, shift in bands:
            stride = math.hypot(1.0, drift) * resolution_m
            steps = min(int(limit / stride + 1e-6), turned.shape[1] - 1)
            first = math.ceil(min_distance_m / stride) if min_distance_m > 0 else NEAR_CELLS + 1
            near = 0 if min_distance_m > 0 else min(steps, NEAR_CELLS)
            near_tangents(turned, lookers, drift, stride, near, drop, nearer, tangents)
            if steps >= first:
                far_tangents(
                    *(turned, lookers, place, drift, shift, stride, first, steps),
                    *(drop, nearer, tangents),
                )
            out[k] = np.degrees(np.arctan(tangents.ravel()[cells]))
    return out


def _place(lookers: FloatArray) -> tuple[int, int, int, int]:
    """First row, end, first column and end of the cells that look."""
    found: list[int] = []
    for axis in (1, 0):
        some = np.flatnonzero(np.isfinite(lookers).any(axis=axis))
        found += [int(some[0]), int(some[-1]) + 1] if some.size else [0, 0]
    return found[0], found[1], found[2], found[3]


@dataclass(frozen=True)
class _View:
    """A way to turn a raster so that the sight runs along its rows."""

    upright: bool
    reverse: bool

    def turn(self, raster: FloatArray) -> FloatArray:
        turned = transposed(raster) if self.upright else raster
        return np.ascontiguousarray(turned[:, ::-1] if self.reverse else turned)

    def places(self, cells: FloatArray, shape: tuple[int, int]) -> FloatArray:
        """Flat places in the turned raster of cells at flat places of the raster."""
        row, col = np.divmod(cells, shape[1])
        if self.upright:
            row, col, shape = col, row, shape[::-1]
        return row * shape[1] + (shape[1] - 1 - col if self.reverse else col)


def _views(
    shape: tuple[int, ...], directions: int, origin: tuple[int, int]
) -> Iterator[tuple[_View, list[tuple[int, float, float]]]]:
    """Each way to turn the raster with its bands: number, drift, place of the lines."""
    found: dict[_View, list[tuple[int, float, float]]] = {}
    for k in range(directions):
        down, right = _line(k * 360.0 / directions)
        upright = abs(down) == 1.0
        along, drift = (down, right) if upright else (right, down)
        view = _View(upright, along < 0)
        (row, col), length = (origin[::-1], shape[0]) if upright else (origin, shape[1])
        start = -(col + length - 1) if view.reverse else col
        # Off the middle, so that no cell lies half way between two lines.
        found.setdefault(view, []).append((k, drift, (row - start * drift + 1e-7) % 1.0))
    yield from found.items()


def _line(azimuth_deg: float) -> tuple[float, float]:
    """Row and column step of a line of sight, one of them +-1."""
    north, east = math.cos(math.radians(azimuth_deg)), math.sin(math.radians(azimuth_deg))
    larger = max(abs(north), abs(east))
    snap = [round(v) if abs(v - round(v)) < 1e-9 else v for v in (-north / larger, east / larger)]
    return float(snap[0]), float(snap[1])
