"""Shadows that a surface casts on itself, in one sweep."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cast_shadow(
    top: npt.NDArray[np.float32], step_m: float, azimuth_deg: float, elevation_deg: float
) -> npt.NDArray[np.bool_]:
    """Cells that the sun does not reach.

    The surface is sheared so that the rays run along rows; a cell is in shadow when a cell
    nearer to the sun rises above its ray: a running maximum of z minus the drop of the ray.

    Parameters
    ----------
    top
        Height of the surface (y, x) [m], north up, square cells.
    step_m
        Size of a cell [m].
    azimuth_deg, elevation_deg
        Position of the sun; azimuth clockwise from north.

    Returns
    -------
    array
        True in shadow (y, x).
    """
    azimuth = np.radians(azimuth_deg)
    east, north = np.sin(azimuth), np.cos(azimuth)
    if abs(east) > abs(north):
        turned = cast_shadow(
            np.ascontiguousarray(top.T[::-1, ::-1]), step_m, 90 - azimuth_deg, elevation_deg
        )
        return np.ascontiguousarray(turned[::-1, ::-1].T)
    flip = north > 0
    z = top if flip else top[::-1]
    rows, cols = z.shape
    side = east / abs(north)
    shift = np.rint(np.arange(rows) * side).astype("int64")
    shift -= shift.min()
    ray = np.full((rows, cols + int(shift.max())), -np.inf, dtype="float32")
    at = shift[:, None] + np.arange(cols)[None, :]
    drop = np.tan(np.radians(elevation_deg)) * step_m * np.hypot(1, side)
    level = (np.arange(rows) * drop).astype("float32")[:, None]
    np.put_along_axis(ray, at, z + level, axis=1)
    highest = np.maximum.accumulate(ray, axis=0)
    shadow = np.take_along_axis(highest, at, axis=1) > z + level + 0.05
    return shadow if flip else shadow[::-1]
