"""Sun on a user's own files: horizon, yearly irradiation, yield of one system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.errors import ConfigError, InputError
from heliopolis.grid import bounds_grid, metric_crs
from heliopolis.io.atomic import write_json
from heliopolis.io.raster import raster_grid, read_onto, read_raster, write_cog
from heliopolis.io.weather import Weather, join, read_horizon, read_years
from heliopolis.solar.diffuse import Transposition
from heliopolis.solar.horizon import horizon as horizon_of
from heliopolis.solar.horizon import reach_m
from heliopolis.solar.irradiance import PlaneIrradiance, cos_incidence, shading_of, transpose
from heliopolis.solar.irradiance_map import by_month, irradiation_maps
from heliopolis.solar.sky import Sky, make_sky
from heliopolis.solar.terrain import terrain_horizon
from heliopolis.solar.uncertainty import quantile
from heliopolis.solar.yield_ import (
    LOSSES_PERCENT,
    Model,
    Mounting,
    lifetime_kwh,
    pv_yield,
    yearly_sigma,
)
from heliopolis.steps.solar import read_sky

#: Relative standard deviation of the yield model, as the default of `heliopolis.config.Solar`.
_MODEL_SIGMA = 0.05


def horizon_file(
    dsm: Path,
    out: Path,
    *,
    directions: int,
    max_distance_m: float | None = None,
    lowest_sun_deg: float | None = None,
    terrain: Path | None = None,
) -> None:
    """Horizon of every cell of a surface model, as N bands [deg].

    With ``lowest_sun_deg`` sight ends where the highest cell of the model no longer rises to that
    elevation above the lowest; ``terrain`` is an elevation model of the hills beyond the model.
    """
    if not 1 <= directions <= 3600:
        raise ConfigError(f"{directions} directions", remedy="Give 1 to 3600, such as 36")
    heights, grid = _surface(dsm)
    if lowest_sun_deg is not None:
        relief = float(np.nanmax(heights) - np.nanmin(heights))
        reach = max(reach_m(relief, lowest_sun_deg), abs(grid.resolution.x))
        max_distance_m = reach if max_distance_m is None else min(reach, max_distance_m)
    angles = horizon_of(heights, abs(grid.resolution.x), directions, max_distance_m)
    if terrain is not None:
        angles = np.fmax(angles, _terrain(terrain, heights, grid, directions))
    bands = {}
    for k, values in enumerate(angles):
        azimuth = k * 360.0 / directions
        band = wrap_xr(values, grid)
        band.attrs = {"units": "degree", "long_name": f"horizon towards azimuth {azimuth:g} deg"}
        bands[f"horizon_{azimuth:07.3f}" if azimuth % 1 else f"horizon_{azimuth:03.0f}"] = band
    write_cog(out, bands, tags={"directions": str(directions)})


def _terrain(
    path: Path, heights: np.ndarray[Any, Any], grid: GeoBox, directions: int
) -> np.ndarray[Any, Any]:
    """Horizon of the terrain around a surface model, dims (direction, y, x); NaN outside it.

    Terrain nearer than two of its own cells is left to the surface model.
    """
    source = raster_grid(path)
    extent = source.extent.to_crs(str(grid.crs))
    cell_m = max(10.0 * abs(grid.resolution.x), _ground_cell_m(source))
    coarse = bounds_grid(extent, cell_m)
    dem = next(iter(read_onto([path], coarse, resampling="bilinear").data_vars.values()))
    rows, cols = np.nonzero(np.isfinite(heights))
    x = grid.affine.c + grid.affine.a * (cols + 0.5)
    y = grid.affine.f + grid.affine.e * (rows + 0.5)
    there = tuple(
        np.floor(v / cell_m).astype(int) for v in (coarse.affine.f - y, x - coarse.affine.c)
    )
    height, width = coarse.shape
    if not all(((v >= 0) & (v < n)).all() for v, n in zip(there, (height, width), strict=True)):
        raise InputError(
            "the terrain does not cover the surface model",
            where=str(path),
            remedy="Give an elevation model that reaches some kilometres beyond it on all sides",
        )
    out = np.full((directions, *grid.shape), np.nan, dtype=np.float32)
    out[:, rows, cols] = terrain_horizon(
        dem.to_numpy(),
        cell_m,
        there[0],
        there[1],
        heights[rows, cols],
        directions,
        min_distance_m=2.0 * cell_m,
    )
    return out


def _ground_cell_m(grid: GeoBox) -> float:
    """Side of a cell on the ground [m], of a grid in degrees too."""
    side = abs(grid.resolution.y)
    return float(side * 111_320.0 if str(grid.crs) == "EPSG:4326" else side)


def irradiance_file(
    dsm: Path,
    weather: list[Path],
    out: Path,
    *,
    latitude: float | None = None,
    longitude: float | None = None,
    directions: int = 36,
    max_distance_m: float | None = None,
    albedo: float = 0.2,
    facade_albedo: float = 0.0,
    monthly: bool = False,
) -> None:
    """Irradiation of every cell of a surface model on its own slope [kWh m-2].

    Band ``poa_kwh_m2_year``, and with ``monthly`` ``poa_kwh_m2_month_01`` to ``_12`` whose sum it
    then is.
    """
    heights, grid = _surface(dsm)
    centre = grid.extent.centroid.to_crs("EPSG:4326").coords[0]
    lat = float(centre[1]) if latitude is None else latitude
    lon = float(centre[0]) if longitude is None else longitude
    sky = read_sky(weather, lat, lon)
    values = irradiation_maps(
        heights,
        abs(grid.resolution.x),
        by_month(sky) if monthly else [sky],
        directions=directions,
        max_distance_m=max_distance_m,
        albedo=albedo,
        facade_albedo=facade_albedo,
    )
    year = "irradiation of a mean year in the plane of the cell"
    bands = {"poa_kwh_m2_year": _irradiation(values.sum(axis=0), grid, year)}
    for m, month in enumerate(values if monthly else []):
        name = f"poa_kwh_m2_month_{m + 1:02d}"
        bands[name] = _irradiation(month, grid, f"irradiation in month {m + 1}")
    tags = {"transposition": sky.transposition, "latitude": f"{lat:.5f}", "longitude": f"{lon:.5f}"}
    write_cog(out, bands, tags=tags)


def _irradiation(values: np.ndarray[Any, Any], grid: GeoBox, name: str) -> xr.DataArray:
    band = wrap_xr(values, grid)
    band.attrs = {"units": "kWh m-2", "long_name": name}
    return band


def _surface(path: Path) -> tuple[np.ndarray[Any, Any], GeoBox]:
    """First band of a surface model with square cells in metres."""
    grid = raster_grid(path)
    metric_crs(str(grid.crs), where=str(path))
    if abs(abs(grid.resolution.x) - abs(grid.resolution.y)) > 1e-6 * abs(grid.resolution.x):
        raise InputError("the surface model has no square cells", where=str(path))
    first = next(iter(read_raster(path).data_vars.values()))
    return first.to_numpy(), grid


def yield_file(
    weather: list[Path],
    out: Path,
    *,
    latitude: float,
    longitude: float,
    tilt_deg: float,
    azimuth_deg: float,
    capacity_kwp: float,
    losses_percent: float | None = None,
    mounting: Mounting = "free",
    horizon: Path | None = None,
    in_plane: bool = False,
    albedo: float = 0.2,
    model: Model = "huld",
    transposition: Transposition | None = None,
    horizon_hides_sky: bool = True,
    degradation_percent: float = 0.5,
    years_of_life: int = 25,
) -> dict[str, Any]:
    """Yield of one system, written as JSON; see ``heliopolis yield --help``."""
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= tilt_deg <= 90):
        raise ConfigError(
            f"no place or tilt: lat {latitude}, lon {longitude}, tilt {tilt_deg}",
            remedy="Give degrees: latitude -90 to 90, longitude -180 to 180, tilt 0 to 90",
        )
    years = read_years(weather, latitude=latitude, longitude=longitude)
    tilt = np.array([tilt_deg])
    azimuth = np.array([azimuth_deg % 360.0])
    if in_plane:
        sky, irradiance = _given_plane(years, latitude, longitude, tilt, azimuth)
    else:
        data, times, step = join(years)
        sky = _sky(data, times, step, latitude, longitude, transposition, weather)
        shading = None if horizon is None else _far_shading(horizon, tilt, azimuth)
        irradiance = transpose(
            sky, tilt, azimuth, shading, albedo=albedo, shade_diffuse=horizon_hides_sky
        )
    if np.isnan(sky.temp_air_c).any():
        raise InputError(
            "the weather has no air temperature, or has gaps in it",
            where=", ".join(path.name for path in weather),
            remedy="Give temp_air [degC] for every hour",
        )
    losses = dict(LOSSES_PERCENT) if losses_percent is None else {"system": losses_percent}
    found = pv_yield(
        sky,
        irradiance,
        tilt,
        mounting=mounting,
        losses_percent=losses,
        inverter_efficiency=0.96 if losses_percent is None else None,
        model=model,
    )
    record = _record(found, sky, capacity_kwp, years, weather, mounting, model, in_plane)
    first = float(found.energy_kwh_kwp_year[0]) * capacity_kwp
    record["life"] = {
        "years": years_of_life,
        "degradation_percent_year": degradation_percent,
        "energy_kwh": _number(
            float(lifetime_kwh(np.array(first), years_of_life, degradation_percent))
        ),
    }
    record["method"]["horizon_hides"] = "sky" if horizon_hides_sky else "beam"
    write_json(out, record)
    return record


def _sky(
    data: pd.DataFrame,
    times: pd.DatetimeIndex,
    step: float,
    latitude: float,
    longitude: float,
    transposition: Transposition | None,
    weather: list[Path],
) -> Sky:
    try:
        return make_sky(data, times, step, latitude, longitude, transposition=transposition)
    except ValueError as error:
        raise InputError(
            str(error),
            where=", ".join(path.name for path in weather),
            remedy="Give ghi, dni and dhi, or --poa for in-plane components",
        ) from error


def _given_plane(
    years: list[Weather],
    latitude: float,
    longitude: float,
    tilt: np.ndarray[Any, Any],
    azimuth: np.ndarray[Any, Any],
) -> tuple[Sky, PlaneIrradiance]:
    """Sky and irradiance where the file already holds in-plane components."""
    if not all(year.in_plane for year in years):
        raise InputError(
            "the weather file holds no in-plane components",
            remedy="--poa needs the columns gb_i, gd_i, gr_i",
        )
    data, times, step = join(years)
    parts = data[["gb_i", "gd_i", "gr_i"]].clip(lower=0.0)
    # The sum in the plane stands in for global irradiance: it says which hours count.
    stand_in = data.assign(ghi=parts.sum(axis=1, skipna=False), dni=0.0, dhi=0.0)
    sky = make_sky(stand_in, times, step, latitude, longitude, transposition="perez")
    known = stand_in["ghi"].to_numpy()
    keep = np.isfinite(known) & (known > 0)
    beam, diffuse, ground = (parts[name].to_numpy()[None, keep] for name in parts)
    cosine = cos_incidence(sky.zenith_deg, sky.azimuth_deg, tilt, azimuth)
    return sky, PlaneIrradiance(beam, diffuse, ground, cosine)


def _far_shading(path: Path, tilt: np.ndarray[Any, Any], azimuth: np.ndarray[Any, Any]) -> Any:
    """What a system sees over a horizon from a file, interpolated to single degrees."""
    looks, elevation = read_horizon(path)
    angles = np.interp(np.arange(360.0), looks, elevation, period=360.0)
    return shading_of(angles[:, None], np.zeros(1, dtype=np.int64), tilt, azimuth)


def _record(
    found: Any,
    sky: Sky,
    capacity_kwp: float,
    years: list[Weather],
    weather: list[Path],
    mounting: str,
    model: str,
    in_plane: bool,
) -> dict[str, Any]:
    year = float(found.energy_kwh_kwp_year[0])
    yearly = yearly_sigma(sky.yearly_ghi_kwh_m2)
    energy = year * capacity_kwp
    low, high = (
        float(quantile(np.array(energy), share, _MODEL_SIGMA, yearly)) for share in (0.1, 0.9)
    )
    losses = {name: _number(np.ravel(value)[0]) for name, value in found.losses_percent.items()}
    return {
        "energy_kwh_year": _number(energy),
        "energy_kwh_month": [_number(v * capacity_kwp) for v in found.energy_kwh_kwp_month[0]],
        "poa_kwh_m2_year": _number(found.poa_kwh_m2_year[0]),
        "losses": losses,
        "energy_kwh_year_p90": _number(low),
        "energy_kwh_year_p10": _number(high),
        "specific_yield_kwh_kwp": _number(year),
        "sigma": {"model": _MODEL_SIGMA, "year_to_year": _number(yearly)},
        "method": {
            "transposition": "none" if in_plane else sky.transposition,
            "module": model,
            "mounting": mounting,
            "wind_assumed_m_s": None if np.isfinite(sky.wind_m_s).all() else 1.0,
        },
        "weather": {
            "files": [path.name for path in weather],
            "time_is": sorted({year.time_is for year in years}),
            "complete_years": int(sky.yearly_ghi_kwh_m2.size),
            "warnings": [note for year in years for note in year.warnings],
        },
    }


def _number(value: float) -> float | None:
    """Six significant digits; None where it is not known."""
    return float(f"{float(value):.6g}") if np.isfinite(value) else None
