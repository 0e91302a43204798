"""A slow, plain reference for the yield of a roof: hour by hour, ray by ray.

It shares no code with the product: rays are marched through the true surface, the sky is the
Hay-Davies model, the modules follow PVWatts (or Huld, where the rest alone is compared). What the
two agree on is therefore not an echo.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pvlib
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """True surface: heights [m] (y, x), upper-left corner [m], cell [m]."""

    height_m: NDArray[np.float32]
    west_m: float
    north_m: float
    cell_m: float


@njit(parallel=True, cache=True)
def lit(
    height: NDArray[np.float32],
    cell: float,
    columns: Floats,
    rows: Floats,
    start: Floats,
    azimuth_rad: Floats,
    elevation_rad: Floats,
    reach_m: float,
) -> NDArray[np.bool_]:  # pragma: no cover - compiled
    """Whether each point sees each direction: (point, direction).

    A ray starts at ``start`` [m], 0.15 m above the roof, and is marched in steps of half a
    cell until it is higher than everything, leaves the surface, or has gone ``reach_m``.
    """
    count, directions = columns.size, azimuth_rad.size
    seen = np.ones((count, directions), dtype=np.bool_)
    top = np.nanmax(height)
    step = cell / 2
    for i in prange(count):
        for j in range(directions):
            dx = math.sin(azimuth_rad[j]) * step / cell
            dy = -math.cos(azimuth_rad[j]) * step / cell
            rise = math.tan(elevation_rad[j]) * step
            x, y, z = columns[i], rows[i], start[i] + 0.15
            gone = 0.0
            while gone < reach_m:
                x += dx
                y += dy
                z += rise
                gone += step
                column, row = math.floor(x), math.floor(y)
                if z > top or not (0 <= row < height.shape[0] and 0 <= column < height.shape[1]):
                    break
                # the roof the point lies on undulates by less than this in the first steps
                if gone > 1.0 and height[row, column] > z:
                    seen[i, j] = False
                    break
    return seen


def sky_directions(rings: int = 9) -> tuple[Floats, Floats, Floats]:
    """Azimuth, elevation [rad] and solid angle [sr] of patches that cover the upper sky."""
    azimuths, elevations, solid = [], [], []
    edges = np.linspace(0, math.pi / 2, rings + 1)
    for low, high in itertools.pairwise(edges):
        middle = (low + high) / 2
        count = max(1, round(36 * math.cos(middle)))
        angle = 2 * math.pi * (math.sin(high) - math.sin(low)) / count
        for k in range(count):
            azimuths.append(2 * math.pi * (k + 0.5) / count)
            elevations.append(middle)
            solid.append(angle)
    return np.array(azimuths), np.array(elevations), np.array(solid)


def specific_yield(
    points: pd.DataFrame,
    surface: Surface,
    weather: pd.DataFrame,
    *,
    latitude: float,
    longitude: float,
    losses: float,
    inverter_efficiency: float,
    albedo: float = 0.2,
    reach_m: float = 200.0,
    module: Literal["pvwatts", "huld"] = "pvwatts",
) -> pd.DataFrame:
    """Energy of points on roofs.

    Parameters
    ----------
    points
        Columns ``x, y, z`` [m], ``tilt_deg``, ``azimuth_deg`` (any for flat ones).
    weather
        UTC index in the middle of each hour; ``ghi, dni, dhi, temp_air, wind_speed``.
    losses
        Losses after the module, relative.
    module
        Glass and module: Fresnel's and PVWatts with -0.35 %/K, or those of PVGIS.

    Returns
    -------
    DataFrame
        ``poa_kwh_m2_year`` and ``specific_yield_kwh_kwp`` for each point.
    """
    sun = pvlib.solarposition.get_solarposition(weather.index, latitude, longitude)
    up = (sun["apparent_elevation"] > 0.5) & (weather["ghi"] > 0)
    sun, hours = sun[up], weather[up]
    columns = (points["x"].to_numpy() - surface.west_m) / surface.cell_m
    rows = (surface.north_m - points["y"].to_numpy()) / surface.cell_m
    start = points["z"].to_numpy(dtype=float)
    place = (surface.height_m, surface.cell_m, columns, rows, start)
    beam = lit(
        *place,
        np.radians(sun["azimuth"].to_numpy()),
        np.radians(sun["apparent_elevation"].to_numpy()),
        reach_m,
    )
    azimuth, elevation, solid = sky_directions()
    sky = lit(*place, azimuth, elevation, reach_m)
    extra = pvlib.irradiance.get_extra_radiation(hours.index).to_numpy()
    found = []
    for i, (tilt, facing) in enumerate(zip(points["tilt_deg"], points["azimuth_deg"], strict=True)):
        facing = 180.0 if np.isnan(facing) else facing
        parts = pvlib.irradiance.haydavies(
            tilt,
            facing,
            hours["dhi"].to_numpy(),
            hours["dni"].to_numpy(),
            extra,
            sun["apparent_zenith"].to_numpy(),
            sun["azimuth"].to_numpy(),
            return_components=True,
        )
        cosine = np.maximum(
            pvlib.irradiance.aoi_projection(
                tilt, facing, sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
            ),
            0,
        )
        direct = hours["dni"].to_numpy() * cosine * beam[i]
        around = np.nan_to_num(parts["poa_circumsolar"]) * beam[i]
        view = _view(tilt, facing, azimuth, elevation, solid, sky[i])
        diffuse = np.nan_to_num(parts["poa_isotropic"]) * view
        ground = hours["ghi"].to_numpy() * albedo * (1 - math.cos(math.radians(tilt))) / 2
        total = direct + around + diffuse + ground
        cell = pvlib.temperature.faiman(
            total, hours["temp_air"].to_numpy(), hours["wind_speed"].to_numpy(), 20.0, 3.2
        )
        parts_of_light = direct + around, diffuse, ground
        dc = _modules(module, parts_of_light, cosine, tilt, cell) * (1 - losses)
        ac = pvlib.inverter.pvwatts(dc, 1000.0 / inverter_efficiency, inverter_efficiency)
        found.append((total.sum() / 1000, float(np.sum(ac)) / 1000))
    return pd.DataFrame(
        found, columns=["poa_kwh_m2_year", "specific_yield_kwh_kwp"], index=points.index
    )


def _modules(module: str, light: tuple[Any, Any, Any], cosine: Any, tilt: float, cell: Any) -> Any:
    """Power of 1 kWp [W] from direct, diffuse and reflected light in the plane [W m-2]."""
    direct, diffuse, ground = light
    angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
    if module == "pvwatts":
        absorbed = direct * pvlib.iam.physical(angle) + 0.95 * (diffuse + ground)
        return pvlib.pvsystem.pvwatts_dc(absorbed, cell, 1000.0, -0.0035)
    passed = pvlib.iam.martin_ruiz_diffuse(tilt, a_r=0.157)
    even, below = passed["sky"], passed["ground"]
    absorbed = direct * pvlib.iam.martin_ruiz(angle, a_r=0.157) + diffuse * even + ground * below
    power = pvlib.pvarray.huld(absorbed, cell, 1000.0, cell_type="csi", k_version="pvgis5")
    return np.where(absorbed > 0, np.maximum(power, 0), 0)


def _view(
    tilt: float,
    facing: float,
    azimuth: Floats,
    elevation: Floats,
    solid: Floats,
    seen: NDArray[np.bool_],
) -> float:
    """Share of the isotropic sky in front of the plane that is not hidden."""
    t, f = math.radians(tilt), math.radians(facing)
    cosine = np.cos(t) * np.sin(elevation) + np.sin(t) * np.cos(elevation) * np.cos(azimuth - f)
    weight = np.maximum(cosine, 0) * solid
    return float((weight * seen).sum() / weight.sum())
