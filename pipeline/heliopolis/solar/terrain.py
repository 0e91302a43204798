"""Hills beyond the surface model: their horizon from a coarse elevation model."""

from __future__ import annotations

from typing import Any

import numpy as np

from heliopolis.solar.horizon import ROUND_EARTH, horizon_of_cells

FloatArray = np.ndarray[Any, np.dtype[Any]]


def terrain_horizon(
    dem: FloatArray,
    resolution_m: float,
    rows: FloatArray,
    cols: FloatArray,
    eyes_m: FloatArray,
    directions: int = 36,
    *,
    min_distance_m: float,
) -> FloatArray:
    """Horizon that terrain beyond ``min_distance_m`` makes, dims (direction, observer) [deg].

    Parameters
    ----------
    dem
        Heights of the ground [m], dims (y, x), north up, NaN where there are none.
    resolution_m
        Side of its cells [m].
    rows, cols
        Cell of the elevation model in which each observer stands.
    eyes_m
        Height of each observer [m].
    directions
        As in `heliopolis.solar.horizon.horizon`.
    min_distance_m
        Up to where a surface model tells more.

    Notes
    -----
    The Earth is round. Each cell is looked at from the heights of the lowest and the highest
    observer in all, and the tangent taken linearly between them: it is convex in the height of
    the eye, and from the distance of terrain hardly bent.
    """
    where = np.zeros(dem.shape, dtype=bool)
    where[rows, cols] = True
    place = (np.cumsum(where.ravel()) - 1)[rows * dem.shape[1] + cols]
    low, high = float(eyes_m.min()), float(eyes_m.max())
    ends = [
        np.tan(
            np.radians(
                horizon_of_cells(
                    dem,
                    resolution_m,
                    where,
                    directions,
                    observers=np.full(dem.shape, height),
                    min_distance_m=min_distance_m,
                    drop=ROUND_EARTH,
                )[:, place].astype(float)
            )
        )
        for height in (low, high)
    ]
    part = (eyes_m - low) / max(high - low, 1e-9)
    return np.degrees(np.arctan(ends[0] * (1.0 - part) + ends[1] * part)).astype(np.float32)
