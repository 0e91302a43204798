"""Points on walls: what an oblique beam meets between a roof and what lies below it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from heliopolis.roofs.plane_fit import F64

#: A wall goes on above and below a point on it by more than this [m], no further than this away
#: in plan [m].
_RISE_M, _REACH_M = 0.5, 0.5
#: Neighbours looked at.
_MOST = 32


def on_walls(x: F64, y: F64, z: F64, around: tuple[F64, F64, F64]) -> npt.NDArray[np.bool_]:
    """Which points lie on a vertical face.

    A point is on a wall where the scan has met something more than 0.5 m above it and something
    more than 0.5 m below it, both within 0.5 m in plan. The top of a chimney or a parapet has
    nothing above it, a roof terrace nothing below.

    Parameters
    ----------
    x, y, z
        Points that are asked for (n,) [m].
    around
        Coordinates of all points that may stand near, ground and walls among them (m,) [m].

    Returns
    -------
    array
        True on walls (n,).

    >>> facade = np.arange(0.0, 6.0, 0.4)
    >>> still = np.zeros_like(facade)
    >>> on_walls(still[5:6], still[5:6], facade[5:6], (still, still, facade)).tolist()
    [True]
    >>> on_walls(still[-1:], still[-1:], facade[-1:], (still, still, facade)).tolist()
    [False]
    """
    if not len(x) or not len(around[0]):
        return np.zeros(len(x), dtype=bool)
    near_x, near_y, near_z = around
    count = min(_MOST, len(near_x))
    distance, nearest = cKDTree(np.column_stack([near_x, near_y])).query(
        np.column_stack([x, y]), k=count, distance_upper_bound=_REACH_M
    )
    distance, nearest = distance.reshape(-1, count), nearest.reshape(-1, count)
    rise = np.append(near_z, np.nan)[nearest] - z[:, None]
    rise[~np.isfinite(distance)] = 0.0
    return np.asarray((rise.max(axis=1) > _RISE_M) & (rise.min(axis=1) < -_RISE_M))
