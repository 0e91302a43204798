"""The heat island of each date of a run, for the record of the hot zones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.interpolate import RectBivariateSpline

from heliopolis.config import Heat
from heliopolis.heat.suhi import intensity
from heliopolis.heat.suhi_dates import (
    LEAST_CELLS,
    Date,
    at_one_level,
    heat_wave_difference,
    persistence,
    rural_reference,
    trend,
    urban_core,
)
from heliopolis.io.raster import band_names, read_onto, read_tags

Array = npt.NDArray[np.floating[Any]]
Fields = Mapping[str, Array | None]

#: Local climate zone D, low plants, in the codes of WUDAPT.
LCZ_D = (14, 104)
#: Green share above which ground is vegetated, and built share above which it is not.
_GREEN, _BUILT = 0.9, 0.5


def heat_island(
    lsts: list[Path],
    fields: Fields,
    heat: Heat,
    grid: GeoBox,
    resolution_m: float,
    form: Path | None = None,
) -> dict[str, Any]:
    """Heat island by date, its trend by day and by night, heat waves, and heat by stratum.

    Parameters
    ----------
    lsts
        Temperature of each date, with the tags ``acquired`` and ``overpass``.
    fields
        Fields of the area on ``grid``, see `heliopolis.steps.heat`.
    heat
        The section of the configuration: ``terrain``, ``local_climate_zones``,
        ``latitude_gradient_k``, ``heat_wave_days``.
    grid
        Study grid.
    resolution_m
        Smallest detail of the temperature [m].
    form
        Form of the city, whose band ``dtm_m`` stands in where no terrain is given.

    Returns
    -------
    dict
        Plain JSON types; empty where core or reference are not known.
    """
    zones = None if heat.local_climate_zones is None else _band(heat.local_climate_zones, grid)
    told: dict[str, Any] = {}
    if zones is not None:
        told["by_local_climate_zone"] = _by_stratum(zones, fields["anomaly_c"])
    built, cell_m = fields["built"], abs(grid.resolution.x)
    vegetated = _vegetated(fields, zones)
    if built is None or vegetated is None:
        return told
    core = urban_core(built, cell_m)
    height = _heights(heat, form, grid)
    latitude = _latitude(grid) if heat.latitude_gradient_k else None
    reference = rural_reference(vegetated, built, core, cell_m=cell_m, height_m=height)
    water = fields["water"]
    if water is not None:
        core, reference = core & ~(water > 0.5), reference & ~(water > 0.5)
    if min(core.sum(), reference.sum()) < LEAST_CELLS:
        return told
    dates = []
    for path in lsts:
        tags = read_tags(path)
        one = read_onto([path], grid, bands=["lst_c", "lst_sd_c"])
        level = at_one_level(
            one["lst_c"].to_numpy(), core, height_m=height, latitude_deg=latitude,
            per_degree_k=heat.latitude_gradient_k,
        )  # fmt: skip
        found = intensity(
            level, one["lst_sd_c"].to_numpy(), core, reference, cell_m=cell_m,
            effective_resolution_m=resolution_m,
        )  # fmt: skip
        enough = min(found.n_place / core.sum(), found.n_reference / reference.sum()) >= 0.2
        if enough and math.isfinite(found.intensity_k):
            at = datetime.fromisoformat(tags["acquired"])
            dates.append(Date(at, tags.get("overpass", "day"), found.intensity_k, found.sd_k))
    told["heat_island"] = {
        "core_km2": round(float(core.sum()) * cell_m**2 / 1e6, 3),
        "reference_km2": round(float(reference.sum()) * cell_m**2 / 1e6, 3),
        "reference": _reference_in_words(zones is not None, height is not None),
        "latitude_gradient_k": heat.latitude_gradient_k,
        "dates": [_told(one) for one in sorted(dates, key=lambda one: one.acquired)],
        **{when: _over_dates([d for d in dates if d.overpass == when], heat, grid)
           for when in ("day", "night")},
    }  # fmt: skip
    return told


def _band(file: str, grid: GeoBox) -> Array:
    path = Path(file)
    name = band_names(path)[0]
    return read_onto([path], grid, bands=[name])[name].to_numpy()


def _heights(heat: Heat, form: Path | None, grid: GeoBox) -> Array | None:
    """Height of the ground [m] (y, x): the terrain that is given, else that of the city's form."""
    if heat.terrain is not None:
        return _band(heat.terrain, grid)
    if form is None:
        return None
    read = read_onto([form], grid, bands=["dtm_m"], resampling="average")
    return read["dtm_m"].to_numpy()


def _latitude(grid: GeoBox, points: int = 33) -> Array:
    """Latitude of the cells [deg] (y, x), interpolated between some that are computed."""
    rows, columns = (np.linspace(0.0, size - 1.0, points) for size in grid.shape)
    x = grid.affine.c + (columns + 0.5) * grid.affine.a
    y = grid.affine.f + (rows + 0.5) * grid.affine.e
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    known = to_degrees.transform(*np.meshgrid(x, y))[1]
    spline = RectBivariateSpline(rows, columns, known, kx=1, ky=1)
    return np.asarray(spline(np.arange(grid.shape[0]), np.arange(grid.shape[1])))


def _vegetated(fields: Fields, zones: Array | None) -> npt.NDArray[np.bool_] | None:
    if zones is not None:
        return np.isin(zones, LCZ_D)
    built = fields["built"]
    green = fields["vegetation"]
    if green is None:
        parts = [fields[name] for name in ("farmland", "forest")]
        known = [part for part in parts if part is not None]
        green = np.sum(known, axis=0) if known else None
    if green is None or built is None:
        return None
    return np.asarray((green > _GREEN) & (built <= _BUILT))


def _reference_in_words(zones: bool, height: bool) -> str:
    ground = "local climate zone D" if zones else "vegetated ground"
    level = ", within 50 m of the core's height, corrected by 6.5 K/km" if height else ""
    return f"{ground} at least 500 m from the core, at most 10 % built within 250 m{level}"


def _told(one: Date) -> dict[str, Any]:
    return {
        "acquired": one.acquired.isoformat(), "overpass": one.overpass,
        "intensity_k": round(one.intensity_k, 3), "sd_k": round(one.sd_k, 3),
    }  # fmt: skip


def _over_dates(dates: list[Date], heat: Heat, grid: GeoBox) -> dict[str, Any] | None:
    if not dates:
        return None
    values = np.array([one.intensity_k for one in dates])
    (longitude, latitude), change = grid.geographic_extent.centroid.coords[0], trend(dates)
    wave = heat_wave_difference(
        dates, heat.heat_wave_days, latitude_deg=latitude, longitude_deg=longitude
    )
    lasting = persistence(dates)
    return {
        "mean_k": round(float(values.mean()), 3),
        "sd_of_dates_k": round(float(values.std(ddof=1)), 3) if len(values) > 1 else None,
        "share_of_dates_hotter": round(float((values > 0).mean()), 3),
        "persistence": None if lasting is None else asdict(lasting),
        "n_dates": len(values),
        "trend": None if change is None else asdict(change),
        "heat_waves": None if wave is None else asdict(wave),
    }


def _by_stratum(zones: Array, anomaly: Array | None) -> dict[str, Any]:
    if anomaly is None:
        return {}
    told = {}
    for code in np.unique(zones[np.isfinite(zones)]):
        values = anomaly[(zones == code) & np.isfinite(anomaly)]
        if values.size:
            told[f"{code:g}"] = {"cells": int(values.size),
                                 "anomaly_mean_k": round(float(values.mean()), 3),
                                 "anomaly_sd_k": round(float(values.std()), 3)}  # fmt: skip
    return told
