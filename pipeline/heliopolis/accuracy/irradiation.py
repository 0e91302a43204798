"""Irradiation and yield of true roof planes against the hourly ray-traced reference.

The planes and the surface are the true ones, so that what is scored is the light alone: horizon,
shade, sky, and the chain to electricity, but neither the finding of planes nor the LiDAR.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from heliopolis.accuracy.reference_yield import Surface, specific_yield
from heliopolis.errors import InputError
from heliopolis.io.raster import geobox_of, read_raster
from heliopolis.io.vector import read_layer
from heliopolis.io.weather import read_weather
from heliopolis.solar.horizon import ABOVE_ROOF_M, horizon_of_cells
from heliopolis.solar.irradiance import shading_of, transpose
from heliopolis.solar.sky import make_sky
from heliopolis.solar.yield_ import LOSSES_PERCENT, pv_yield

#: Planes drawn at random, and points on each at most.
_PLANES, _POINTS = 150, 8
_REACH_M = 200.0
#: Greatest difference between plane and surface where a point counts as lying on the plane [m];
#: dormers, chimneys and trees above a roof are no part of it.
_ON_PLANE_M = 0.05


def score_irradiation(data: Path) -> dict[str, Any]:
    """Plane-of-array irradiation and specific yield of 150 planes of the simulated city.

    Returns
    -------
    dict
        Errors relative to the reference: mean and mean absolute error [%], share of planes within
        4 %, for all planes and for those that lose more than 5 % to shade; and the error of the
        yield where both use one model of the module.
    """
    if not (data / "truth" / "truth.gpkg").exists():
        raise InputError("there is no truth", where=str(data), remedy="heliopolis simulate")
    read = read_raster(data / "truth" / "dsm_truth.tif", ["dsm_m"])
    grid = geobox_of(read)
    dsm, box = read["dsm_m"].to_numpy(), grid.boundingbox
    surface = Surface(dsm, box.left, box.top, abs(float(grid.resolution.x)))
    planes = read_layer(data / "truth" / "truth.gpkg", "roof_planes", crs=str(grid.crs))
    points = _points(planes, surface)
    weather = read_weather(data / "weather.csv")
    if weather.latitude is None or weather.longitude is None:
        raise InputError("the weather names no place", where=str(data / "weather.csv"))
    place = weather.latitude, weather.longitude
    ours = _ours(points, surface, weather.data, weather.times, *place)
    kept = float(np.prod([1 - x / 100 for x in LOSSES_PERCENT.values()]))
    theirs = specific_yield(
        points,
        surface,
        weather.data.set_axis(weather.times, axis=0),
        latitude=place[0],
        longitude=place[1],
        losses=1 - kept,
        inverter_efficiency=0.96,
        module="huld",
        reach_m=_REACH_M,
    )
    true = theirs.groupby(points["group"]).mean()
    return _scores(ours, true)


def _scores(ours: pd.DataFrame, true: pd.DataFrame) -> dict[str, Any]:
    poa = 100 * (ours["poa"] / true["poa_kwh_m2_year"] - 1)
    energy = 100 * (ours["year"] / true["specific_yield_kwh_kwp"] - 1)
    shaded = ours["loss"] > 0.05

    def told(error: pd.Series) -> dict[str, float]:
        return {
            "planes": len(error),
            "error_mean_percent": float(error.mean()),
            "error_absolute_mean_percent": float(error.abs().mean()),
            "error_p90_percent": float(error.abs().quantile(0.9)),
            "share_within_4_percent": float((error.abs() <= 4).mean()),
        }

    return {
        "poa": told(poa),
        "poa_shaded_planes": told(poa[shaded]),
        "yield_same_module": told(energy),
    }


def _points(planes: gpd.GeoDataFrame, surface: Surface) -> pd.DataFrame:
    """Cell centres on planes: ``group, row, col, x, y, z, tilt_deg, azimuth_deg``."""
    rng = np.random.default_rng(0)
    height, width = surface.height_m.shape
    tables: list[pd.DataFrame] = []
    for i in rng.permutation(len(planes)):
        plane = planes.iloc[i]
        inner = plane.geometry.buffer(-2 * surface.cell_m)
        if inner.is_empty:
            continue
        west, south, east, north = inner.bounds
        cols = np.arange(int((west - surface.west_m) / surface.cell_m), width)
        cols = cols[cols * surface.cell_m + surface.west_m <= east]
        rows = np.arange(int((surface.north_m - north) / surface.cell_m), height)
        rows = rows[surface.north_m - rows * surface.cell_m >= south]
        row, col = (v.ravel() for v in np.meshgrid(rows, cols, indexing="ij"))
        x = surface.west_m + (col + 0.5) * surface.cell_m
        y = surface.north_m - (row + 0.5) * surface.cell_m
        z = plane["a"] * x + plane["b"] * y + plane["c"]
        on = shapely.contains_xy(inner, x, y) & (row >= 0) & (col >= 0)
        on[on] = np.abs(surface.height_m[row[on], col[on]] - z[on]) < _ON_PLANE_M
        if not on.any():
            continue
        chosen = rng.permutation(np.flatnonzero(on))[:_POINTS]
        tables.append(
            pd.DataFrame(
                {
                    "group": len(tables),
                    "row": row[chosen],
                    "col": col[chosen],
                    "x": x[chosen],
                    "y": y[chosen],
                    "z": z[chosen],
                    "tilt_deg": plane["tilt_deg"],
                    "azimuth_deg": plane["azimuth_deg"],
                }
            )
        )
        if len(tables) == _PLANES:
            break
    return pd.concat(tables, ignore_index=True)


def _ours(
    points: pd.DataFrame,
    surface: Surface,
    weather: pd.DataFrame,
    times: pd.DatetimeIndex,
    latitude: float,
    longitude: float,
) -> pd.DataFrame:
    """Our figures of each plane: ``poa``, ``year``, ``loss`` to shade."""
    height, width = surface.height_m.shape
    flat = points["row"].to_numpy() * width + points["col"].to_numpy()
    wanted = np.zeros(height * width, dtype=bool)
    wanted[flat] = True
    place = np.cumsum(wanted)[flat] - 1
    angles = horizon_of_cells(
        surface.height_m,
        surface.cell_m,
        wanted.reshape(height, width),
        36,
        _REACH_M,
        observers=surface.height_m + ABOVE_ROOF_M,
        upright=True,
    )[:, place]
    first = points.groupby("group")[["tilt_deg", "azimuth_deg"]].first()
    tilt, azimuth = (first[c].to_numpy(dtype=float) for c in first)
    sky = make_sky(weather, times, 1.0, latitude, longitude, transposition="hay-davies")
    shading = shading_of(angles, points["group"].to_numpy(), tilt, azimuth)
    plane, free = transpose(sky, tilt, azimuth, shading), transpose(sky, tilt, azimuth)
    found = pv_yield(sky, plane, tilt, mounting="building")
    loss = 1 - (plane.total @ sky.hours) / (free.total @ sky.hours)
    return pd.DataFrame(
        {"poa": found.poa_kwh_m2_year, "year": found.energy_kwh_kwp_year, "loss": loss}
    )
