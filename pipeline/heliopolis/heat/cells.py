"""From the fine grid to square cells and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from heliopolis.heat.neighbourhoods import neighbourhood_means, precision

Array = npt.NDArray[np.floating[Any]]
#: Rows that are interpolated at once.
_STRIP = 256


def block_mean(values: Array, factor: int, min_share: float = 0.0) -> Array:
    """Mean of the valid values in blocks of ``factor`` x ``factor`` cells.

    Parameters
    ----------
    values
        Field, dims (y, x), NaN where unknown; sizes need not be multiples of ``factor``.
    factor
        Side of a block [cells].
    min_share
        A block with a smaller valid share of its factor^2 cells is NaN.

    Returns
    -------
    ndarray
        float64, (ceil(y / factor), ceil(x / factor)).
    """
    number, total = _block_sums(values, factor)
    known = (number > 0) & (number >= min_share * factor**2)
    return np.where(known, total / np.maximum(number, 1), np.nan)


def block_sum(values: Array, factor: int) -> Array:
    """Sum of the valid values in blocks of ``factor`` x ``factor`` cells; NaN where none is."""
    number, total = _block_sums(values, factor)
    return np.where(number > 0, total, np.nan)


def _block_sums(values: Array, factor: int) -> tuple[Array, Array]:
    """Number and sum of the valid values of each block, by stripes of blocks."""
    rows, cols = values.shape
    across = np.arange(0, cols, factor)
    number = np.zeros((-(-rows // factor), len(across)))
    total = np.zeros_like(number)
    for row in range(len(number)):
        stripe = np.asarray(values[row * factor : (row + 1) * factor], dtype="float64")
        valid = np.isfinite(stripe)
        number[row] = np.add.reduceat(valid.sum(axis=0), across)
        total[row] = np.add.reduceat(np.where(valid, stripe, 0.0).sum(axis=0), across)
    return number, total


def spread_linear(cells: Array, factor: int, shape: tuple[int, int]) -> Array:
    """Bilinear interpolation of cell values onto a grid ``factor`` times finer.

    Cells without a value take no part; beyond the outermost cell centres values are constant. A
    fine cell whose nearest coarse cell has no value has none either.
    """
    if factor == 1:
        return np.array(cells[: shape[0], : shape[1]], dtype="float64")
    down, across = ((np.arange(n) + 0.5) / factor - 0.5 for n in shape)
    valid = np.isfinite(cells)
    known, filled = valid.astype("float64"), np.where(valid, cells, 0.0)
    out = np.empty(shape, dtype=precision(np.broadcast_to(0.0, shape)))
    for top in range(0, shape[0], _STRIP):
        rows = down[top : top + _STRIP]
        where = np.meshgrid(rows, across, indexing="ij")
        weight = map_coordinates(known, where, order=1, mode="nearest")
        total = map_coordinates(filled, where, order=1, mode="nearest")
        own = valid[np.ix_((np.arange(len(rows)) + top) // factor, np.arange(shape[1]) // factor)]
        value = total / np.where(weight > 0, weight, 1.0)
        out[top : top + _STRIP] = np.where(own & (weight > 0), value, np.nan)
    return out


def disc_mean(values: Array, radius: float) -> Array:
    """Mean of the valid values within ``radius`` [cells] of each valid cell, dims (y, x)."""
    if radius < 1:
        return np.array(values, dtype=precision(np.asarray(values)))
    return neighbourhood_means(np.asarray(values), radius)[0]
