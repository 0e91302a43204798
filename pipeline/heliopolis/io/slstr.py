"""Sentinel-3 SLSTR land surface temperature (SL_2_LST): from the swath to a grid.

The product has no map projection: positions are in ``geodetic_in.nc``, or between the 16 km
tie points of ``geodetic_tx.nc``. Values under clouds are present and have to be masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from pyproj import Transformer
from scipy.spatial import cKDTree

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.stac_load import local_path
from heliopolis.quality import slstr_clear

Array = NDArray[Any]
#: Nadir pixel of the 1 km grid [m].
NATIVE_M = 1000.0
#: Our asset names -> files of the product.
FILES: Mapping[str, str] = {
    "lst": "LST_in.nc",
    "flags": "flags_in.nc",
    "geodetic": "geodetic_in.nc",
    "geodetic_tie": "geodetic_tx.nc",
    "geometry": "geometry_tn.nc",
    "ancillary": "LST_ancillary_ds.nc",
}
#: Assets that `read_swath` uses, as available.
READ = ("lst", "flags", "geodetic", "geodetic_tie")
_FWHM_TO_SIGMA = 0.42466
_NEIGHBOURS = 12
#: A cell is filled where this share of its weight is clear.
_MIN_CLEAR = 0.5


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
    """

    longitude: Array
    latitude: Array
    lst_k: Array
    sd_k: Array
    clear: NDArray[np.bool_]
    acquired: datetime


def product_files(product: Path) -> dict[str, Path]:
    """Files of a ``.SEN3`` folder by asset name; `InputError` where the needed ones lack."""
    found = {key: product / name for key, name in FILES.items() if (product / name).is_file()}
    _complete(found, str(product))
    return found


def item_files(item: Mapping[str, Any]) -> dict[str, Path]:
    """The same from a STAC item with our asset names (the keys of `FILES`)."""
    assets = item.get("assets", {})
    found = {key: Path(local_path(str(assets[key]["href"]))) for key in FILES if key in assets}
    _complete(found, str(item.get("id")))
    return found


def _complete(found: Mapping[str, Path], where: str) -> None:
    missing = [FILES[key] for key in ("lst", "flags") if key not in found]
    if "geodetic" not in found and "geodetic_tie" not in found:
        missing.append("geodetic_in.nc (or geodetic_tx.nc)")
    if missing:
        raise InputError("the SLSTR product is not complete", where=where,
                         remedy="Missing: " + ", ".join(missing))  # fmt: skip


def read_swaths(
    items: Sequence[Mapping[str, Any]], bounds: tuple[float, float, float, float]
) -> Swath:
    """Samples within ``bounds`` of all granules of one overpass (`Scene.items`), as one swath.

    Granules that do not touch the bounds are left out; `NoDataError` when none does. The time
    is that of the first one that does.
    """
    swaths = []
    error: NoDataError | None = None
    for item in items:
        try:
            swaths.append(read_swath(item_files(item), bounds))
        except NoDataError as missed:
            error = error or missed
    if error is not None and not swaths:
        raise error
    fields = ("longitude", "latitude", "lst_k", "sd_k", "clear")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in swaths]) for name in fields
    }
    return replace(swaths[0], **joined)


def read_swath(
    files: Mapping[str, Path], bounds: tuple[float, float, float, float] | None = None
) -> Swath:
    """Read a granule, or the samples within ``bounds`` (west, south, east, north [deg]).

    Raises `NoDataError` when no sample lies within the bounds: the footprints in catalogs are
    not reliable for this product.
    """
    with _open(files["lst"]) as product:
        latitude, longitude = _positions(files, product)
        window = _window(latitude, longitude, bounds, str(files["lst"]))
        lst = product["LST"][window].astype("float64").to_numpy()
        sd = product["LST_uncertainty"][window].astype("float64").to_numpy()
        acquired = _middle(product)
    with _open(files["flags"]) as flags:
        clear = slstr_clear(flags["confidence_in"][window]).to_numpy()
    return Swath(
        longitude[window].ravel(),
        latitude[window].ravel(),
        lst.ravel(),
        sd.ravel(),
        np.asarray(clear, dtype=bool).ravel(),
        acquired,
    )


def _open(path: Path) -> xr.Dataset:
    try:
        return xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise InputError("the NetCDF file cannot be read", where=str(path),
                         remedy=str(error)) from error  # fmt: skip


def _positions(files: Mapping[str, Path], product: xr.Dataset) -> tuple[Array, Array]:
    """Latitude and longitude of every pixel of the 1 km grid [deg]."""
    if "geodetic" in files:
        with _open(files["geodetic"]) as geodetic:
            return (
                geodetic["latitude_in"].astype("float64").to_numpy(),
                geodetic["longitude_in"].astype("float64").to_numpy(),
            )
    with _open(files["geodetic_tie"]) as ties:
        latitude, longitude = (ties[f"{n}_tx"].to_numpy() for n in ("latitude", "longitude"))
        step_in, step_tx = _across_m(product), _across_m(ties)
        offset_in, offset_tx = (int(d.attrs["track_offset"]) for d in (product, ties))
    columns = np.arange(product.sizes["columns"])
    at = (columns - offset_in) * step_in / step_tx + offset_tx
    left = np.clip(np.floor(at).astype(int), 0, latitude.shape[1] - 2)
    share = at - left
    if share.min() < -1e-9 or share.max() > 1 + 1e-9 or len(latitude) != product.sizes["rows"]:
        raise InputError("the tie points do not cover the swath",
                         where=str(files["geodetic_tie"]),
                         remedy="Add geodetic_in.nc of the same product")  # fmt: skip
    unwrapped = np.degrees(np.unwrap(np.radians(longitude), axis=1))
    out = [a[:, left] * (1 - share) + a[:, left + 1] * share for a in (latitude, unwrapped)]
    return out[0], (out[1] + 180.0) % 360.0 - 180.0


def _across_m(dataset: xr.Dataset) -> float:
    """Across-track sampling [m], from the attribute ``resolution``: ``[ 16000 1000 ]``."""
    numbers = re.findall(r"\d+", str(dataset.attrs.get("resolution", "")))
    if not numbers:
        raise InputError("a file of the SLSTR product does not state its resolution")
    return float(numbers[0])


def _window(
    latitude: Array,
    longitude: Array,
    bounds: tuple[float, float, float, float] | None,
    where: str,
) -> tuple[slice, slice]:
    if bounds is None:
        return slice(None), slice(None)
    west, south, east, north = bounds
    pad_y = 0.03
    pad_x = pad_y / max(np.cos(np.radians(max(abs(south), abs(north)))), 0.1)
    inside = (
        (latitude >= south - pad_y)
        & (latitude <= north + pad_y)
        & (longitude >= west - pad_x)
        & (longitude <= east + pad_x)
    )
    if not inside.any():
        raise NoDataError("the swath does not touch the area", where=where,
                          remedy="Choose another granule")  # fmt: skip
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _middle(product: xr.Dataset) -> datetime:
    times = [
        datetime.fromisoformat(str(product.attrs[key]).replace("Z", "+00:00"))
        for key in ("start_time", "stop_time")
    ]
    middle = times[0] + (times[1] - times[0]) / 2
    return middle if middle.tzinfo else middle.replace(tzinfo=UTC)


def grid_swath(swath: Swath, grid: GeoBox) -> xr.Dataset:
    """Footprint average of a swath on a metric grid.

    Every cell takes the samples around its centre with Gaussian weights of the width of the
    footprint (or of the cell, where that is larger), as a mean of T^4. A cell is NaN where less
    than half of its weight is clear, or where no sample is near.

    Returns
    -------
    Dataset
        ``lst_k``, ``sd_k`` [K] and ``clear_share`` (1), float32 (y, x).
    """
    to_grid = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    known = np.isfinite(swath.longitude) & np.isfinite(swath.latitude)
    x, y = to_grid.transform(swath.longitude[known], swath.latitude[known])
    tree = cKDTree(np.column_stack([x, y]))
    j, i = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    centres = np.column_stack([np.asarray(part).ravel() for part in grid.affine * (j, i)])
    width = max(NATIVE_M, abs(grid.resolution.x))
    # A cell wider than the footprint averages all samples that lie in it.
    count = min(len(x), max(_NEIGHBOURS, int(np.ceil((2.5 * width / NATIVE_M) ** 2))))
    distance, index = tree.query(centres, k=count, distance_upper_bound=1.25 * width)
    distance, index = (a.reshape(len(centres), -1) for a in (distance, index))
    sigma = width * _FWHM_TO_SIGMA
    near = np.isfinite(distance)
    weight = np.where(near, np.exp(-0.5 * (np.where(near, distance, 0.0) / sigma) ** 2), 0.0)
    weight[distance.min(axis=1) > width] = 0.0
    return _averaged(swath, known, np.where(near, index, 0), weight, grid)


def _averaged(
    swath: Swath, known: NDArray[np.bool_], index: Array, weight: Array, grid: GeoBox
) -> xr.Dataset:
    lst, sd = swath.lst_k[known], swath.sd_k[known]
    clear = swath.clear[known] & np.isfinite(lst)
    used = weight * clear[index]
    total, clear_total = weight.sum(axis=1), used.sum(axis=1)
    share = np.divide(clear_total, total, out=np.zeros_like(total), where=total > 0)
    good = share >= _MIN_CLEAR
    safe = np.where(clear_total > 0, clear_total, 1.0)
    fourth = (used * np.where(clear, lst, 0.0)[index] ** 4).sum(axis=1) / safe
    spread = (used * np.where(clear, np.nan_to_num(sd), 0.0)[index]).sum(axis=1) / safe
    fields = {
        "lst_k": (np.where(good, fourth**0.25, np.nan), "K"),
        "sd_k": (np.where(good, spread, np.nan), "K"),
        "clear_share": (np.where(total > 0, share, np.nan), "1"),
    }
    out = {}
    for name, (values, units) in fields.items():
        out[name] = wrap_xr(values.reshape(grid.shape).astype("float32"), grid)
        out[name].attrs = {"units": units}
    return xr.Dataset(out)
