"""Terrain from points or from a surface model: ground filter, and filling under buildings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Windows of the ground filter [m]: 129 m passes over all but the largest halls.
WINDOWS_M = (3, 5, 9, 17, 33, 65, 129)
#: Largest cell of the pyramid that fills gaps [m]: gaps of up to twice that are closed.
COARSEST_M = 32.0
#: Steepest ground that is kept, and the least and largest step taken as an object [m].
_SLOPE = 0.3
_LEAST_STEP_M = 0.5
_LARGEST_STEP_M = 2.5
_PIT_M = 2.0


def filter_reach_m() -> float:
    """Distance at which a height can still change the answer of `ground_mask` [m]."""
    return float(sum(window - 1 for window in WINDOWS_M) + 4)


def fill_reach_m() -> float:
    """Distance at which a height can still change the answer of `fill_terrain` [m]."""
    return 3 * COARSEST_M


def ground_mask(lowest: F64, cell_m: float) -> Mask:
    """Cells that are ground, by a progressive morphological filter.

    Openings with growing windows take away what is narrower than the window; a cell that falls
    by more than the ground may over that width is an object (Zhang et al. 2003,
    doi:10.1109/TGRS.2003.810682). A pit of one cell, such as a reflection below the ground, is
    closed first.

    Parameters
    ----------
    lowest
        Lowest height of each cell (y, x) [m]; NaN where there is none.
    cell_m
        Cell [m].
    """
    known = np.isfinite(lowest)
    surface = np.where(known, lowest, np.inf)
    around = np.ones((3, 3), dtype=bool)
    around[1, 1] = False
    floor = ndimage.minimum_filter(surface, footprint=around, mode="constant", cval=np.inf)
    pit = known & np.isfinite(floor) & (surface < floor - _PIT_M)
    surface = np.where(pit, floor, surface)
    ground = known & ~pit
    before = 1.0
    for window in WINDOWS_M:
        size = 2 * round((window / cell_m - 1) / 2) + 1
        if size < 3:
            continue
        low = ndimage.minimum_filter(surface, size=size, mode="constant", cval=np.inf)
        low = np.where(np.isfinite(low), low, -np.inf)
        opened = ndimage.maximum_filter(low, size=size, mode="constant", cval=-np.inf)
        opened = np.where(np.isfinite(opened), np.minimum(opened, surface), surface)
        step = min(_SLOPE * (window - before) + _LEAST_STEP_M, _LARGEST_STEP_M)
        finite = np.isfinite(surface)
        fall = np.zeros_like(surface)
        fall[finite] = surface[finite] - opened[finite]
        ground &= fall <= step
        surface, before = opened, float(window)
    return np.asarray(ground)


def fill_terrain(ground: F64, cell_m: float, rows_from: int, cols_from: int) -> F64:
    """Fill gaps from coarser and coarser means, a pyramid fixed to the CRS.

    A gap takes the bilinear value of the finest level that knows it, so that no value depends
    on anything further away than `fill_reach_m`, and tiles agree. Gaps wider than the coarsest
    cells stay NaN.

    Parameters
    ----------
    ground
        Heights of ground cells (y, x) [m]; NaN elsewhere.
    cell_m
        Cell [m].
    rows_from, cols_from
        Index of the first row and column on a lattice that is the same for all tiles.
    """
    if min(ground.shape) < 2 or 2 * cell_m > COARSEST_M:
        return ground
    known = np.isfinite(ground)
    if known.all():
        return ground
    top, left = rows_from % 2, cols_from % 2
    shape = [n + odd + (n + odd) % 2 for n, odd in zip(ground.shape, (top, left), strict=True)]
    padded = np.full(shape, np.nan)
    inner = (slice(top, top + ground.shape[0]), slice(left, left + ground.shape[1]))
    padded[inner] = ground
    quads = np.stack([padded[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    count = np.isfinite(quads).sum(axis=0)
    total = np.nansum(quads, axis=0)
    coarse = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    coarse = fill_terrain(coarse, 2 * cell_m, (rows_from - top) // 2, (cols_from - left) // 2)
    return np.where(known, ground, _doubled(coarse, shape)[inner])


def _doubled(coarse: F64, shape: list[int]) -> F64:
    """Bilinear values on cells of half the size; unknown neighbours are left out."""
    known = np.isfinite(coarse)
    value = np.pad(np.where(known, coarse, 0.0), 1)
    weight = np.pad(known.astype("float64"), 1)
    out = np.full(shape, np.nan)
    rows, cols = coarse.shape
    centre = (slice(1, rows + 1), slice(1, cols + 1))
    for i, up in ((0, -1), (1, 1)):
        for j, side in ((0, -1), (1, 1)):
            total, mass = np.zeros(coarse.shape), np.zeros(coarse.shape)
            for dy, wy in ((0, 0.75), (up, 0.25)):
                for dx, wx in ((0, 0.75), (side, 0.25)):
                    part = (
                        slice(centre[0].start + dy, centre[0].stop + dy),
                        slice(centre[1].start + dx, centre[1].stop + dx),
                    )
                    total += wy * wx * value[part]
                    mass += wy * wx * weight[part]
            out[i::2, j::2] = np.where(known, total / np.maximum(mass, 1e-12), np.nan)
    return out
