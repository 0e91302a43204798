"""Samples of a swath, and their average over the cells of a grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from pyproj import Transformer
from scipy.spatial import cKDTree

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: Nadir pixel of the 1 km grid of SLSTR [m].
NATIVE_M = 1000.0
#: Points that are taken across a native pixel.
_POINTS = 3
#: A point further than this from every sample lies off the swath [m].
_REACH_M = 0.8 * NATIVE_M
#: A cell is filled where this share of it is clear.
_MIN_CLEAR = 0.5
#: Points that are looked up at once.
_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Swath:
    """Samples of a granule, flat arrays of one length.

    Attributes
    ----------
    longitude, latitude
        Positions [deg].
    lst_k, sd_k
        Temperature and total uncertainty [K]; NaN where there is none.
    clear
        Whether the flags call the sample clear.
    acquired
        Time of the granule's middle, UTC.
    view_zenith_deg
        Angle from the zenith at which the sample is seen [deg]; None where it is not known.
    sd_random_k, sd_scene_k, sd_systematic_k
        Uncertainty that is independent in each sample, that a date has in common, and that comes
        back on every date [K]; None where the product does not tell them apart.
    """

    longitude: Array
    latitude: Array
    lst_k: Array
    sd_k: Array
    clear: Mask
    acquired: datetime
    view_zenith_deg: Array | None = None
    sd_random_k: Array | None = None
    sd_scene_k: Array | None = None
    sd_systematic_k: Array | None = None

    def parts(self) -> tuple[Array, Array, Array]:
        """Random, scene and systematic uncertainty [K].

        What is not told apart counts as systematic: so it never shrinks in an average.
        """
        if self.sd_random_k is None or self.sd_scene_k is None or self.sd_systematic_k is None:
            return np.zeros_like(self.sd_k), np.zeros_like(self.sd_k), self.sd_k
        return self.sd_random_k, self.sd_scene_k, self.sd_systematic_k


#: Variables of `grid_swath` and their units.
_UNITS = {
    "lst_k": "K",
    "sd_k": "K",
    "sd_random_k": "K",
    "sd_scene_k": "K",
    "sd_systematic_k": "K",
    "clear_share": "1",
    "view_zenith_deg": "degree",
}


def grid_swath(swath: Swath, grid: GeoBox) -> xr.Dataset:
    """Average a swath over the cells of a metric grid, by the footprints of its samples.

    A footprint is the ground that is nearer to its sample than to any other, at most 800 m away.
    Every cell is averaged over points three to a native pixel, each with the sample in whose
    footprint it lies, as a mean of T^4; a cell smaller than that takes the footprint its centre
    lies in. The instrument's own blur is in the samples, so none is added. A cell is NaN where
    less than half of it is clear.

    Returns
    -------
    Dataset
        ``lst_k``, ``sd_k``, its parts ``sd_random_k``, ``sd_scene_k``, ``sd_systematic_k`` [K],
        ``clear_share`` (1) and ``view_zenith_deg`` [deg], float32 (y, x). The random part
        shrinks with the number of samples in a cell.
    """
    to_grid = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    known = np.isfinite(swath.longitude) & np.isfinite(swath.latitude)
    x, y = to_grid.transform(swath.longitude[known], swath.latitude[known])
    tree = cKDTree(np.column_stack([x, y]))
    samples = _samples(swath, known)
    made = []
    for points in _points(grid):
        _, index = tree.query(points.reshape(-1, 2), distance_upper_bound=_REACH_M)
        made.append(_average(samples, index.reshape(points.shape[:2])))
    out = {}
    for name, units in _UNITS.items():
        values = np.concatenate([part[name] for part in made]).reshape(grid.shape)
        out[name] = wrap_xr(values.astype("float32"), grid)
        out[name].attrs = {"units": units}
    return xr.Dataset(out)


def _points(grid: GeoBox) -> Iterator[Array]:
    """Positions (cell, point, 2) within the cells, some rows of the grid at a time."""
    side = max(1, int(np.ceil(_POINTS * abs(grid.resolution.x) / NATIVE_M - 1e-9)))
    within = (np.arange(side) + 0.5) / side
    dj, di = (a.ravel() for a in np.meshgrid(within, within))
    rows = max(1, _AT_ONCE // (grid.width * side * side))
    for start in range(0, grid.height, rows):
        i, j = np.mgrid[start : min(start + rows, grid.height), : grid.width]
        x, y = grid.affine * (j.reshape(-1, 1) + dj, i.reshape(-1, 1) + di)
        yield np.stack([np.asarray(x), np.asarray(y)], axis=-1)


def _samples(swath: Swath, known: Mask) -> dict[str, Array]:
    """Values of the samples with a place, and of nothing at the end."""
    zenith = swath.view_zenith_deg
    random, scene, systematic = swath.parts()
    fields = {
        "fourth": swath.lst_k**4,
        "sd_random_k": random,
        "sd_scene_k": scene,
        "sd_systematic_k": systematic,
        "view_zenith_deg": np.full_like(swath.sd_k, np.nan) if zenith is None else zenith,
    }
    out = {name: np.append(values[known], np.nan) for name, values in fields.items()}
    out["clear"] = np.append(swath.clear[known], False) & np.isfinite(out["fourth"])
    return out


def _average(samples: dict[str, Array], index: Array) -> dict[str, Array]:
    """Averages over the points (cell, point) of each cell; ``index`` tells their samples."""
    clear = samples["clear"][index]
    count = clear.sum(axis=1)
    seen = (index < len(samples["clear"]) - 1).any(axis=1)
    good = count >= _MIN_CLEAR * index.shape[1]

    def mean(name: str) -> Array:
        values = samples[name][index]
        used = clear & np.isfinite(values)
        number = used.sum(axis=1)
        total = np.where(used, values, 0.0).sum(axis=1)
        return np.where(good & (number > 0), total / np.maximum(number, 1), np.nan)

    out = {name: mean(name) for name in ("sd_scene_k", "sd_systematic_k", "view_zenith_deg")}
    out["lst_k"] = mean("fourth") ** 0.25
    shrunk = np.sqrt(_repeats(np.where(clear, index, -1))) / np.maximum(count, 1)
    out["sd_random_k"] = mean("sd_random_k") * shrunk
    parts = (out["sd_random_k"], out["sd_scene_k"], out["sd_systematic_k"])
    out["sd_k"] = np.sqrt(np.sum(np.square(parts), axis=0))
    out["clear_share"] = np.where(seen, count / index.shape[1], np.nan)
    return out


def _repeats(index: Array) -> Array:
    """Sum over the samples of a cell of their squared number of points; negative ones left out."""
    ordered = np.sort(index, axis=1)
    new = np.diff(ordered, axis=1, prepend=-2) != 0
    run = np.cumsum(new.ravel()) - 1
    length = np.bincount(run)
    squared = np.where(ordered.ravel()[new.ravel()] >= 0, length**2, 0)
    cell = np.repeat(np.arange(len(index)), index.shape[1])[new.ravel()]
    return np.bincount(cell, weights=squared, minlength=len(index))
