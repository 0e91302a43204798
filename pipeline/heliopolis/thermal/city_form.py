"""What stands on the ground, as predictors of temperature: heights, sky view, sun and shade.

Built-up ground is warm where it is sunlit and cool where it is shaded, and stays warm where it
sees little sky; how much of each depends on the hour. All fields are made on the cells of a
surface model and averaged to those of the predictors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.conserve import fill_gaps

Array = NDArray[Any]
#: Names of all fields.
FORM = ("built_height_m", "tall_share", "canopy", "terrain_m", "sky_view", "sun_incidence",
        "sunshine")  # fmt: skip
#: What is lower is no building [m].
MIN_BUILT_M = 2.5
#: Higher objects are an error of the surface model [m].
MAX_BUILT_M = 60.0
#: Shadows are followed as far as this [m].
REACH_M = 300.0
#: Slopes are those of the ground smoothed over this width (1 sigma) [m].
SLOPE_SIGMA_M = 12.5
#: A lower sun casts no shadow that is worth following [deg].
MIN_SUN_DEG = 5.0


def predictors(
    heights: Mapping[str, Array], resolution_m: float, factor: int, sun: tuple[float, float]
) -> dict[str, Array]:
    """Fields of a city's form at the time of a scene, on cells ``factor`` times as large (y, x).

    Parameters
    ----------
    heights
        ``dsm_m``, ``dtm_m`` [m], ``tree`` and ``sky_view`` 0..1, each (y, x), NaN where unknown.
    resolution_m
        Side of their cells [m].
    factor
        How many of them make up the side of a cell of the outcome.
    sun
        Elevation and azimuth of the sun [deg].

    Returns
    -------
    dict
        `standing`, ``sky_view`` and, with the sun higher than `MIN_SUN_DEG`, ``sun_incidence``
        (`incidence`) and ``sunshine``, that where the sun is seen and 0 elsewhere.
    """
    dsm, dtm, tree = heights["dsm_m"], heights["dtm_m"], heights["tree"]
    fields = {**standing(dsm, dtm, tree), "sky_view": heights["sky_view"]}
    if sun[0] > MIN_SUN_DEG:
        unknown = np.where(np.isfinite(dsm) & np.isfinite(dtm), 0.0, np.nan)
        slope = incidence(fill_gaps(dtm), resolution_m, *sun) + unknown
        fields["sun_incidence"] = slope
        fields["sunshine"] = slope * sunlit(fill_gaps(dsm), resolution_m, *sun)
    return {name: _averaged(field, factor) for name, field in fields.items()}


def _averaged(field: Array, factor: int) -> Array:
    rows, columns = (n // factor for n in field.shape)
    return np.asarray(field.reshape(rows, factor, columns, factor).mean(axis=(1, 3)), "float32")


def standing(dsm_m: Array, dtm_m: Array, tree: Array) -> dict[str, Array]:
    """Fields of what stands on the ground.

    Parameters
    ----------
    dsm_m, dtm_m
        Heights of surface and ground [m] (y, x), NaN where unknown.
    tree
        Share of the cell under trees 0..1 (y, x).

    Returns
    -------
    dict
        ``built_height_m``: mean height of buildings over the cell, ``tall_share``: share higher
        than `MIN_BUILT_M`, ``canopy``: share under trees, ``terrain_m``: height of the ground.
    """
    height = np.clip(dsm_m - dtm_m, 0.0, MAX_BUILT_M)
    built = height * np.clip(1.0 - tree, 0.0, 1.0)
    tall = np.where(np.isfinite(height), built > MIN_BUILT_M, np.nan)
    return {"built_height_m": built, "tall_share": tall, "canopy": tree, "terrain_m": dtm_m}


def sky_view(horizons_deg: Array) -> Array:
    """Share of the even sky that level ground sees (y, x).

    The mean of ``cos^2`` of the horizon's elevation over all directions (Dozier and Frew 1990,
    doi:10.1109/36.58986).

    Parameters
    ----------
    horizons_deg
        Elevation of the horizon [deg] (direction, y, x).
    """
    return np.asarray(np.mean(np.cos(np.radians(horizons_deg)) ** 2, axis=0))


def incidence(dtm_m: Array, resolution_m: float, elevation_deg: float, azimuth_deg: float) -> Array:
    """Beam of the sun on the slope of the ground over that on level ground (y, x).

    >>> float(incidence(np.zeros((9, 9)), 5.0, 50.0, 150.0)[4, 4])
    1.0

    Parameters
    ----------
    dtm_m
        Height of the ground [m] (y, x), north up, without gaps.
    resolution_m
        Side of a cell [m].
    elevation_deg, azimuth_deg
        Position of the sun [deg], clockwise from north.
    """
    ground = ndimage.gaussian_filter(dtm_m, SLOPE_SIGMA_M / resolution_m, mode="nearest")
    south, east = np.gradient(ground, resolution_m)
    up, azimuth = math.radians(elevation_deg), math.radians(azimuth_deg)
    toward = -east * math.sin(azimuth) + south * math.cos(azimuth)
    cosine = (toward * math.cos(up) + math.sin(up)) / np.sqrt(1.0 + south**2 + east**2)
    return np.asarray(np.clip(cosine, 0.0, None) / math.sin(up))


def sunlit(dsm_m: Array, resolution_m: float, elevation_deg: float, azimuth_deg: float) -> Array:
    """Where nothing stands between a cell and the sun, 0 or 1 (y, x).

    The ray is followed from row to row, or column to column, of cells; between the two cells that
    it crosses there, the height is interpolated.

    >>> wall = np.zeros((1, 8)); wall[0, 0] = 10.0
    >>> sunlit(wall, 5.0, 45.0, 270.0)[0].tolist()
    [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    Parameters
    ----------
    dsm_m
        Height of the surface [m] (y, x), north up, without gaps; beyond the edge nothing stands.
    resolution_m
        Side of a cell [m].
    elevation_deg, azimuth_deg
        Position of the sun [deg], clockwise from north.
    """
    north, east = math.cos(math.radians(azimuth_deg)), math.sin(math.radians(azimuth_deg))
    larger = max(abs(north), abs(east))
    rows, columns, stride = -north / larger, east / larger, resolution_m / larger
    rise = stride * math.tan(math.radians(elevation_deg))
    most = min(float(np.ptp(dsm_m)) / math.tan(math.radians(elevation_deg)), REACH_M)
    edge = np.full(dsm_m.shape, -np.inf)
    for step in range(1, math.ceil(most / stride) + 1):
        seen = _moved(dsm_m, step * rows, step * columns)
        np.maximum(edge, seen - step * rise, out=edge)
    return np.asarray((edge < dsm_m + 1e-6).astype("float32"))


def _moved(heights: Array, rows: float, columns: float) -> Array:
    """Height that far down and right of each cell, one of both distances whole; else -inf."""
    down, right = round(rows, 9), round(columns, 9)
    low_row, low_column = math.floor(down), math.floor(right)
    part = (down - low_row) + (right - low_column)
    first = _shifted(heights, low_row, low_column)
    if part == 0.0:
        return first
    second = _shifted(heights, math.ceil(down), math.ceil(right))
    return np.asarray((1.0 - part) * first + part * second)


def _shifted(heights: Array, rows: int, columns: int) -> Array:
    out = np.full(heights.shape, -np.inf)
    here, there = [], []
    for size, move in zip(heights.shape, (rows, columns), strict=True):
        here.append(slice(max(0, -move), max(0, min(size, size - move))))
        there.append(slice(max(0, move), max(0, min(size, size + move))))
    out[tuple(here)] = heights[tuple(there)]
    return out
