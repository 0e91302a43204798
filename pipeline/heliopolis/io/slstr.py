"""Sentinel-3 SLSTR land surface temperature (SL_2_LST): from the swath to a grid.

The product has no map projection: positions are in ``geodetic_in.nc``, or between the 16 km
tie points of ``geodetic_tx.nc``. Values under clouds are present and have to be masked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.limits import guarded
from heliopolis.io.stac_load import local_path
from heliopolis.io.swath import NATIVE_M, Swath, grid_swath
from heliopolis.quality import slstr_classes

__all__ = ["NATIVE_M", "Swath", "grid_swath", "item_files", "product_files", "read_swath",
           "read_swaths"]  # fmt: skip
Array = NDArray[Any]
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
READ = ("lst", "flags", "geodetic", "geodetic_tie", "geometry", "ancillary")
#: Uncertainty components of ``LST_ancillary_ds.nc`` by how they are shared. What stems from the
#: surface comes back on every date; what stems from the air or the pointing belongs to a date.
_COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "sd_random_k": ("random",),
    "sd_scene_k": ("locATM", "locT", "locGEO"),
    "sd_systematic_k": ("locSF", "sys"),
}
#: What a swath may lack.
_OPTIONAL = ("view_zenith_deg", *_COMPONENTS)


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
    joined: dict[str, Any] = {}
    for name in ("longitude", "latitude", "lst_k", "sd_k", "clear", *_OPTIONAL):
        values = [getattr(one, name) for one in swaths]
        whole = all(value is not None for value in values)
        joined[name] = np.concatenate(values) if whole else None
    return replace(swaths[0], **joined)


@guarded("the SLSTR product")
def read_swath(
    files: Mapping[str, Path], bounds: tuple[float, float, float, float] | None = None
) -> Swath:
    """Read a granule, or the samples within ``bounds`` (west, south, east, north [deg]).

    Raises `NoDataError` when no sample lies within the bounds: the footprints in catalogs are
    not reliable for this product.
    """
    with _open(files["lst"]) as product, _open(files["flags"]) as flags:
        latitude, longitude = _positions(files, product)
        window = _window(latitude, longitude, bounds, str(files["lst"]))
        fields = {
            "longitude": longitude[window],
            "latitude": latitude[window],
            "lst_k": _values(product["LST"][window]),
            "sd_k": _values(product["LST_uncertainty"][window]),
            "clear": _clear(flags, "", window),
        }
        zenith = _view_zenith(files, product)
        more = {} if zenith is None else {"view_zenith_deg": zenith[window]}
        more |= _components(files, "", window)
        fields |= more
        orphans = _orphans(files, product, flags, window[0])
        if orphans is not None:
            fields |= {
                name: np.concatenate([values.ravel(), _or_nan(orphans, name, values.dtype)])
                for name, values in fields.items()
            }
        flat: dict[str, Any] = {name: values.ravel() for name, values in fields.items()}
        return Swath(**flat, acquired=_middle(product))


def _values(array: xr.DataArray) -> Array:
    return array.astype("float64").to_numpy()


def _clear(flags: xr.Dataset, kind: str, window: tuple[slice, slice]) -> Array:
    """Neither missing nor cloud, by the summary and by the Bayesian flag; ``kind`` of samples."""
    bayes = f"bayes{kind}_in"
    classes = slstr_classes(
        flags[f"confidence{kind}_in"][window], flags[bayes][window] if bayes in flags else None
    )
    return np.asarray(~(classes["missing"] | classes["cloud"]).to_numpy(), dtype=bool)


def _components(
    files: Mapping[str, Path], kind: str, window: tuple[slice, slice]
) -> dict[str, Array]:
    """Parts of the uncertainty [K]; nothing where the product does not hold all of them."""
    if "ancillary" not in files:
        return {}
    with _open(files["ancillary"]) as ancillary:
        names = {
            part: [f"LST_uncertainty_{short}{kind}" for short in shorts]
            for part, shorts in _COMPONENTS.items()
        }
        there = {part: [n for n in found if n in ancillary] for part, found in names.items()}
        if not all(there.values()):
            return {}
        return {
            part: np.sqrt(sum(_values(ancillary[name][window]) ** 2 for name in found))
            for part, found in there.items()
        }


def _orphans(
    files: Mapping[str, Path], product: xr.Dataset, flags: xr.Dataset, rows: slice
) -> dict[str, Array] | None:
    """Samples that found no place in the 1 km grid; None where their positions are not told."""
    if "geodetic" not in files or "LST_orphan" not in product:
        return None
    window = (rows, slice(None))
    with _open(files["geodetic"]) as geodetic:
        if "latitude_orphan_in" not in geodetic or "confidence_orphan_in" not in flags:
            return None
        fields = {
            "latitude": _values(geodetic["latitude_orphan_in"][window]),
            "longitude": _values(geodetic["longitude_orphan_in"][window]),
        }
    fields["lst_k"] = _values(product["LST_orphan"][window])
    fields["sd_k"] = _values(product["LST_uncertainty_orphan"][window])
    fields["clear"] = _clear(flags, "_orphan", window)
    fields |= _components(files, "_orphan", window)
    placed = np.isfinite(fields["latitude"]) & np.isfinite(fields["lst_k"])
    return {name: values[placed] for name, values in fields.items()}


def _or_nan(fields: Mapping[str, Array], name: str, dtype: Any) -> Array:
    if name in fields:
        return fields[name]
    return np.full(len(fields["lst_k"]), np.nan, dtype=dtype)


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
        left, share = _between(product, ties, files["geodetic_tie"])
        latitude, longitude = (ties[f"{n}_tx"].to_numpy() for n in ("latitude", "longitude"))
    unwrapped = np.degrees(np.unwrap(np.radians(longitude), axis=1))
    out = [_interpolated(a, left, share) for a in (latitude, unwrapped)]
    return out[0], (out[1] + 180.0) % 360.0 - 180.0


def _view_zenith(files: Mapping[str, Path], product: xr.Dataset) -> Array | None:
    """Angle from the zenith at which every pixel is seen [deg]; None without the geometry."""
    if "geometry" not in files:
        return None
    with _open(files["geometry"]) as ties:
        left, share = _between(product, ties, files["geometry"])
        return _interpolated(_values(ties["sat_zenith_tn"]), left, share)


def _interpolated(values: Array, left: Array, share: Array) -> Array:
    return np.asarray(values[:, left] * (1 - share) + values[:, left + 1] * share)


def _between(product: xr.Dataset, ties: xr.Dataset, where: Path) -> tuple[Array, Array]:
    """Tie point to the left of each column of the 1 km grid, and how far it is to the next."""
    step_in, step_tx = _across_m(product), _across_m(ties)
    offset_in, offset_tx = (int(d.attrs["track_offset"]) for d in (product, ties))
    columns = np.arange(product.sizes["columns"])
    at = (columns - offset_in) * step_in / step_tx + offset_tx
    left = np.clip(np.floor(at).astype(int), 0, ties.sizes["columns"] - 2)
    share = at - left
    rows = ties.sizes["rows"] == product.sizes["rows"]
    if share.min() < -1e-9 or share.max() > 1 + 1e-9 or not rows:
        raise InputError("the tie points do not cover the swath", where=str(where),
                         remedy="Add geodetic_in.nc of the same product")  # fmt: skip
    return left, share


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
