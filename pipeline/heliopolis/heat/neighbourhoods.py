"""Sums over discs of cells around every cell of a raster, row by row.

A disc is a stack of chords, one for each row. With running sums along the rows, a chord costs two
look-ups, so a cell costs as many as the disc has rows, whatever its area; and only the rows that
the disc touches are held in memory. Sums are taken in double precision of differences from the
mean: they are exact to rounding, at any offset of the values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange

Array = npt.NDArray[np.floating[Any]]

#: Rows that one thread works through; it reads as many rows more as the disc reaches beyond. A
#: raster with fewer is worth no second thread.
_BAND_ROWS = 256
#: Rasters with more cells get results in single precision, so that 10^8 cells fit into 4 GiB.
DOUBLE_UP_TO = 2**24


def disc(radius: float) -> Array:
    """Binary kernel (k, k) of the cells whose centre lies within ``radius`` [cells].

    >>> int(disc(1).sum()), int(disc(1.5).sum())
    (5, 9)
    """
    reach = int(radius + 1e-9)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray((x * x + y * y <= radius * radius * (1 + 1e-9)).astype("float64"))


def chords(radius: float, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Half length [cells] of the disc's chord in each of its rows, cut to what a raster holds."""
    reach = int(radius + 1e-9)
    rows = np.arange(-min(reach, shape[0]), min(reach, shape[0]) + 1)
    half = np.sqrt(np.maximum(radius * radius * (1 + 1e-9) - rows * rows, 0.0) + 1e-12)
    return np.minimum(half.astype("int64"), shape[1])


def moments(values: Array) -> tuple[int, float, float]:
    """Number, mean and population standard deviation of the valid cells."""
    rows = _moments_wide if len(values) > _BAND_ROWS else _moments_here
    number, total, _ = rows(values, 0.0).sum(axis=0)
    if number == 0:
        return 0, math.nan, math.nan
    mean = float(total / number)
    _, rest, square = rows(values, mean).sum(axis=0)
    variance = square / number - (rest / number) ** 2
    return int(number), mean + float(rest / number), math.sqrt(max(float(variance), 0.0))


def precision(values: Array) -> np.dtype[Any]:
    """Precision of results on the grid of ``values``: see `DOUBLE_UP_TO`."""
    return np.dtype("float64" if values.size <= DOUBLE_UP_TO else "float32")


def neighbourhood_means(values: Array, radius: float, centre: float = 0.0) -> tuple[Array, Any]:
    """Mean over the valid cells of the disc around each cell, less ``centre``, and their number.

    Parameters
    ----------
    values
        Field, dims (y, x), NaN where unknown.
    radius
        Radius of the disc [cells].
    centre
        What is taken off [unit of the field].

    Returns
    -------
    tuple
        Means, NaN where the cell itself is unknown; numbers (int32), 0 there.
    """
    mean = np.empty(values.shape, dtype=precision(values))
    count = np.empty(values.shape, dtype="int32")
    half = chords(radius, values.shape)
    if len(values) > _BAND_ROWS:
        _means_wide(values, half, float(centre), mean, count)
    else:
        _means_band(values, half, float(centre), mean, count, 0)
    return mean, count


def gi_star(values: Array, radius: float) -> Array:
    """Gi* z-score (1) of each cell, dims (y, x); see `heliopolis.heat.hotspots`.

    NaN where the cell is NaN, where the disc holds every valid cell, and everywhere in a constant
    field, for which the statistic is not defined.
    """
    out = np.full(values.shape, np.nan, dtype=precision(values))
    n, mean, sd = moments(values)
    if n >= 3 and sd > 1e-12 * max(abs(mean), 1e-300):
        half = chords(radius, values.shape)
        if len(values) > _BAND_ROWS:
            _gi_wide(values, half, mean, sd, n, out)
        else:
            _gi_band(values, half, mean, sd, n, out, 0)
    return out


@njit(cache=True, nogil=True)
def _row_moments(row, centre):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Number of valid cells of a row, sum and sum of squares of their differences."""
    number, total, square = 0, 0.0, 0.0
    for x in range(row.size):
        value = row[x] - centre
        if np.isfinite(value):
            number += 1
            total += value
            square += value * value
    return number, total, square


@njit(cache=True, nogil=True)
def _moments_here(values, centre):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.zeros((values.shape[0], 3))
    for y in range(values.shape[0]):
        out[y, 0], out[y, 1], out[y, 2] = _row_moments(values[y], centre)
    return out


@njit(cache=True, parallel=True, nogil=True)
def _moments_wide(values, centre):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.zeros((values.shape[0], 3))
    for y in prange(values.shape[0]):
        out[y, 0], out[y, 1], out[y, 2] = _row_moments(values[y], centre)
    return out


@njit(cache=True, nogil=True)
def _load(values, row, centre, reach, total, number):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Running sums of one row, with ``reach`` cells of nothing on both sides."""
    rows, cols = values.shape
    total[:] = 0.0
    number[:] = 0
    if row < 0 or row >= rows:
        return
    running = 0.0
    seen = 0
    for x in range(cols):
        value = values[row, x] - centre
        if np.isfinite(value):
            running += value
            seen += 1
        total[x + reach + 1] = running
        number[x + reach + 1] = seen
    total[cols + reach + 1 :] = running
    number[cols + reach + 1 :] = seen


@njit(cache=True, nogil=True)
def _disc_row(totals, numbers, half, row, widest, total, number):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Sums over the disc for one row of cells, from the running sums of the rows it touches."""
    depth = half.size
    reach = depth // 2
    total[:] = 0.0
    number[:] = 0
    for k in range(depth):
        slot = (row + k - reach) % depth
        sums, counts = totals[slot], numbers[slot]
        right, left = widest + half[k] + 1, widest - half[k]
        for x in range(total.size):
            total[x] += sums[x + right] - sums[x + left]
            number[x] += counts[x + right] - counts[x + left]


@njit(cache=True, nogil=True)
def _ring(half, cols):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Room for the running sums of the rows that a disc touches, and for the sums of one row."""
    width = cols + 2 * half.max() + 1
    totals, numbers = np.zeros((half.size, width)), np.zeros((half.size, width), dtype=np.int32)
    return totals, numbers, np.empty(cols), np.empty(cols, dtype=np.int32)


@njit(cache=True, nogil=True)
def _next_row(values, half, centre, row, loaded, ring):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Sums over the disc for one row, in the ring; returns the next row that is not loaded."""
    totals, numbers, total, number = ring
    widest = half.max()
    while loaded <= row + half.size // 2:
        slot = loaded % half.size
        _load(values, loaded, centre, widest, totals[slot], numbers[slot])
        loaded += 1
    _disc_row(totals, numbers, half, row, widest, total, number)
    return loaded


@njit(cache=True, nogil=True)
def _means_band(values, half, centre, mean, count, first):  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, cols = values.shape
    ring = _ring(half, cols)
    total, number = ring[2], ring[3]
    loaded = first - half.size // 2
    for row in range(first, min(first + _BAND_ROWS, rows)):
        loaded = _next_row(values, half, centre, row, loaded, ring)
        for x in range(cols):
            known = np.isfinite(values[row, x])
            mean[row, x] = total[x] / number[x] if known else np.nan
            count[row, x] = number[x] if known else 0


@njit(cache=True, parallel=True, nogil=True)
def _means_wide(values, half, centre, mean, count):  # type: ignore[no-untyped-def]  # pragma: no cover
    for band in prange((values.shape[0] + _BAND_ROWS - 1) // _BAND_ROWS):
        _means_band(values, half, centre, mean, count, band * _BAND_ROWS)


@njit(cache=True, nogil=True)
def _gi_band(values, half, centre, sd, n, out, first):  # type: ignore[no-untyped-def]  # pragma: no cover
    rows, cols = values.shape
    ring = _ring(half, cols)
    total, number = ring[2], ring[3]
    loaded = first - half.size // 2
    for row in range(first, min(first + _BAND_ROWS, rows)):
        loaded = _next_row(values, half, centre, row, loaded, ring)
        for x in range(cols):
            if np.isfinite(values[row, x]) and number[x] < n:
                weight = float(number[x])
                spread = np.sqrt((n * weight - weight * weight) / (n - 1))
                out[row, x] = total[x] / (sd * spread)


@njit(cache=True, parallel=True, nogil=True)
def _gi_wide(values, half, centre, sd, n, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for band in prange((values.shape[0] + _BAND_ROWS - 1) // _BAND_ROWS):
        _gi_band(values, half, centre, sd, n, out, band * _BAND_ROWS)
