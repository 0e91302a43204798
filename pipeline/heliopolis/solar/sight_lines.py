"""Lines of sight through a surface, all of one direction at a time: near cells and convex hulls.

Every array here is turned so that the sight runs along its rows, towards larger x, and drifts by
``drift`` rows for each column, ``-1 <= drift <= 1``.

The near cells are looked at one by one on the line of each cell itself. Farther ones are looked
at on parallel lines one cell apart, each cell using the line that passes within half a cell of
it; along a line the highest tangent is found on the upper convex hull of what lies ahead.

References: Dozier, Bruno and Downey (1981), "A faster solution to the horizon problem",
doi:10.1016/0098-3004(81)90026-1, for horizons from convex hulls in O(cells); Andrew (1979),
doi:10.1016/0020-0190(79)90072-3, for the hull of sorted points.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

#: Stands for "no surface here"; lower than any place on Earth [m].
VOID = np.float32(-20000.0)
#: Observers of a row gone through together at most, so that they stay in the nearest cache.
_STRIP = 1024
#: Columns ahead that are taken for the observer's own roof: a slope between their middles.
_OWN_ROOF = 2


@njit(cache=True, parallel=True, nogil=True)
def near_tangents(heights, eyes, drift, stride_m, steps, drop, nearer, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Highest tangent over the first ``steps`` columns ahead of each cell, written to ``out``.

    Parameters
    ----------
    heights, eyes
        Surface and observers [m], float32, dims (y, x); surface `VOID` where there is none,
        observers NaN.
    drift
        Rows that the sight gains with each column.
    stride_m
        Length of the sight between two columns [m].
    steps
        Number of columns.
    drop
        How much the Earth falls away under the sight, over the square of the distance [1/m].
    nearer
        By how much of a column obstacles beyond the first `_OWN_ROOF` columns are nearer than the
        middle of their cell: 0, or 0.5 for columns with upright walls.
    out
        float32, dims (y, x); never below 0, the horizontal; only observers are written.
    """
    rows, cols = heights.shape
    for y in prange(rows):
        right = 0
        while right < cols:
            left, right = _run(eyes[y], right)
            for x in range(left, right):
                out[y, x] = np.float32(0.0)
            for j in range(1, min(steps, cols - 1 - left) + 1):
                there = y + j * drift
                if there < -1e-9 or there > rows - 1 + 1e-9:
                    break
                low = min(math.floor(there + 1e-9), rows - 1)
                part = np.float32(max(there - low, 0.0))
                high = min(low + 1, rows - 1) if part > 1e-6 else low
                away = j - nearer if j > _OWN_ROOF else float(j)
                over = np.float32(1.0 / (away * stride_m))
                fall = np.float32(drop * j * stride_m)
                end = min(right, cols - j)
                first = heights[low, left + j : end + j]
                second = heights[high, left + j : end + j]
                seen = out[y, left:end]
                eye = eyes[y, left:end]
                for x in range(end - left):
                    a, b = first[x], second[x]
                    level = a + part * (b - a)
                    level = max(a, b) if min(a, b) <= VOID else level
                    seen[x] = max(seen[x], (level - eye[x]) * over - fall)


@njit(cache=True, nogil=True)
def _run(eyes, start):  # type: ignore[no-untyped-def]  # pragma: no cover
    """First observer of a row at or after ``start``, and the end of the run that it begins."""
    left = start
    while left < eyes.size and math.isnan(eyes[left]):
        left += 1
    right = left
    while right < min(eyes.size, left + _STRIP) and not math.isnan(eyes[right]):
        right += 1
    return left, right


@njit(cache=True, parallel=True, nogil=True)
def far_tangents(heights, eyes, place, drift, shift, stride_m, first, last, drop, nearer, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Lift ``out`` by the tangents to columns ``first`` to ``last`` ahead of each cell.

    Parameters
    ----------
    heights, eyes, drift, stride_m, drop, nearer, out
        As in `near_tangents`; observers of NaN are left out.
    place
        Rows and columns in which all observers lie: first row, end, first column, end.
    shift
        Where the lines lie: line L has ``y = L - shift + x * drift``.
    first, last
        Nearest and farthest column that is looked at, ahead of the cell.

    Notes
    -----
    The columns that an observer looks at are a window of ``last - first + 1``. Columns are
    grouped in blocks of that size: a window is the end of one block and the beginning of the
    next. Hulls of ends grow by a point for each observer; hulls of beginnings shrink by one,
    which undoes the growth that made them. On a round Earth the lines are bent to parabolas
    about the beginning of the line, for which hulls are the same, and every tangent is turned by
    what the parabola falls at the observer.
    """
    rows, cols = heights.shape
    window = min(last - first + 1, cols)
    ends = drift * place[2], drift * (place[3] - 1)
    lowest = math.floor(place[0] + shift - max(ends)) - 1
    highest = math.ceil(place[1] - 1 + shift - min(ends)) + 1
    for line in prange(lowest, highest + 1):
        # The line is needed from its first observer to what the last one sees.
        begin, past = _columns(line - shift - place[0], drift, place[1] - place[0], cols)
        begin, past = max(begin, place[2]), min(past, place[3])
        end = min(_columns(line - shift, drift, rows, cols)[1], past + last)
        if past <= begin or end - begin <= first:
            continue
        level = np.empty(end - begin, dtype=np.float32)
        _sample(heights, line - shift, drift, begin, level)
        fall = drop * stride_m * stride_m
        for k in range(level.size):
            level[k] -= np.float32(fall * k * k)
        near_x, near_z = np.empty(window, np.int32), np.empty(window, np.float32)
        far_x, far_z = np.empty(window, np.int32), np.empty(window, np.float32)
        # What the insertion of a point into the far hull has overwritten: size, x, z.
        old_size, old_x = np.empty(window, np.int32), np.empty(window, np.int32)
        old_z = np.empty(window, np.float32)
        for block in range(0, end - begin, window):
            stop = min(block + window, end - begin)
            far = 0
            for k in range(stop, min(stop + window, end - begin)):
                top = _room(far_x, far_z, far, k, level[k])
                old_size[k - stop], old_x[k - stop], old_z[k - stop] = far, far_x[top], far_z[top]
                far_x[top], far_z[top] = k, level[k]
                far = top + 1
            near = 0
            reached = min(stop + window, end - begin) - 1
            for s in range(stop - 1, block - 1, -1):
                near = _room(near_x, near_z, near, s, level[s])
                near_x[near], near_z[near] = s, level[s]
                near += 1
                while reached > s + window - 1 and reached >= stop:
                    top = far - 1
                    far = old_size[reached - stop]
                    far_x[top], far_z[top] = old_x[reached - stop], old_z[reached - stop]
                    reached -= 1
                r = s - first
                if r < 0:
                    continue
                x = begin + r
                y = math.ceil(line - shift + x * drift - 0.5)
                if y < 0 or y >= rows:
                    continue
                z = eyes[y, x]
                if math.isnan(z):
                    continue
                z -= fall * r * r
                best = _tangent(near_x, near_z, near, r + nearer, z)
                if far > 0:
                    best = max(best, _tangent(far_x, far_z, far, r + nearer, z))
                best += 2.0 * fall * r
                out[y, x] = max(out[y, x], np.float32(best / stride_m))


@njit(cache=True, parallel=True, nogil=True)
def transposed(raster):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Transpose of a raster, block by block, so that both sides stay in the cache."""
    rows, cols = raster.shape
    out = np.empty((cols, rows), raster.dtype)
    for block in prange((rows + 63) // 64):
        top = block * 64
        for left in range(0, cols, 64):
            for x in range(left, min(left + 64, cols)):
                for y in range(top, min(top + 64, rows)):
                    out[x, y] = raster[y, x]
    return out


@njit(cache=True, nogil=True, inline="always")
def _columns(start, drift, rows, cols):  # type: ignore[no-untyped-def]  # pragma: no cover
    """First column of a line within half a row of the raster, and the one after its last."""
    if abs(drift) < 1e-12:
        inside = -0.5 <= start < rows - 0.5
        return (0, cols) if inside else (0, 0)
    one, other = (-0.5 - start) / drift, (rows - 0.5 - start) / drift
    begin = max(0, math.ceil(min(one, other)))
    end = min(cols, math.floor(max(one, other)) + 1)
    return begin, max(begin, end)


@njit(cache=True, nogil=True, inline="always")
def _sample(heights, start, drift, begin, level):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Heights along a line, interpolated between the two cells of each column."""
    rows = heights.shape[0]
    for k in range(level.size):
        y = min(max(start + (begin + k) * drift, 0.0), rows - 1.0)
        low = int(y + 1e-6)
        part = max(y - low, 0.0)
        a = heights[low, begin + k]
        b = heights[min(low + 1, rows - 1), begin + k] if part > 1e-6 else a
        if min(a, b) <= VOID:
            level[k] = max(a, b)
        else:
            level[k] = a + part * (b - a)


@njit(cache=True, nogil=True, inline="always")
def _room(xs, zs, size, x, z):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Size of the upper hull once the points that a new end point hides are gone."""
    while size >= 2:
        run, rise = xs[size - 1] - x, float(zs[size - 1]) - z
        far_run, far_rise = xs[size - 2] - x, float(zs[size - 2]) - z
        # The last point lies on or below the line from the new one to the one before it.
        if rise * abs(far_run) > far_rise * abs(run):
            break
        size -= 1
    return size


@njit(cache=True, nogil=True, inline="always")
def _tangent(xs, zs, size, x, z):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Highest rise per column from (x, z) to an upper hull ahead, which is not empty.

    Along the hull the rise grows up to the point of tangency and then falls.
    """
    low, high = 0, size - 1
    while low < high:
        middle = (low + high) // 2
        here = (float(zs[middle]) - z) * (xs[middle + 1] - x)
        there = (float(zs[middle + 1]) - z) * (xs[middle] - x)
        if there > here:
            low = middle + 1
        else:
            high = middle
    return (float(zs[low]) - z) / (xs[low] - x)
