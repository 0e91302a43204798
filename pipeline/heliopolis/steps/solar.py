"""Step of the sun: what the roof planes of a tile produce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyproj import Transformer

from heliopolis.config import Solar
from heliopolis.errors import InputError
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.io.weather import join, read_years
from heliopolis.solar.roof import System, roof_yield
from heliopolis.solar.sky import Sky, make_sky
from heliopolis.steps.horizon import roof_horizons
from heliopolis.steps.tiles import tile_bounds


def solar_yield(
    *,
    tiles: Path,
    planes: Path,
    surfaces: list[Path],
    weather: list[Path],
    solar: Path,
    tile: str,
    options: dict[str, Any],
    buildings: Path | None = None,
    tallest: Path | None = None,
) -> None:
    """Irradiation, panels and electricity of the roof planes of a tile.

    Parameters
    ----------
    tiles, tile
        JSON list of tiles, and the identifier of this one.
    planes
        Layers ``roof_planes`` and ``usable``.
    surfaces, buildings, tallest
        As in `heliopolis.steps.horizon.roof_horizons`.
    weather
        Weather files, one or more years.
    solar
        GeoPackage to write: layers ``roof_planes`` and ``panels``.
    options
        Sections ``solar``, ``elevation``; ``latitude`` and ``longitude`` of the site, by default
        the middle of the tile.
    """
    section = Solar.model_validate(options["solar"])
    frame = read_layer(planes, "roof_planes")
    usable = read_layer(planes, "usable", crs=frame.crs)
    latitude, longitude = _site(options, tile_bounds(tiles, tile), str(frame.crs))
    sky = read_sky(weather, latitude, longitude)
    system = System(
        module_width_m=section.module_width_m,
        module_height_m=section.module_height_m,
        module_power_w=section.module_power_w,
        flat_tilt_deg=section.flat_tilt_deg,
        mounting=section.mounting,
        losses_percent=section.losses_percent,
        inverter_efficiency=section.inverter_efficiency,
        albedo=section.albedo,
        facade_albedo=section.facade_albedo,
        model_sigma=section.model_sigma,
        interannual_sigma=section.interannual_sigma,
    )
    cells, crs = roof_horizons(tiles, surfaces, tile, section, buildings, tallest)
    frame, usable = frame.to_crs(crs), usable.to_crs(crs)
    made, panels = roof_yield(frame, usable, cells, sky, latitude, system)
    write_layers(solar, {"roof_planes": made, "panels": panels})


def read_sky(weather: list[Path], latitude: float, longitude: float) -> Sky:
    """Sky of a site from weather files; a clear error names what they lack."""
    years = read_years(weather, latitude=latitude, longitude=longitude)
    data, times, step_hours = join(years)
    if {"gb_i", "gd_i", "gr_i"} <= set(data.columns) and "ghi" not in data:
        raise InputError(
            "the weather file holds irradiance in a plane, not on the horizontal",
            where=str(weather[0]),
            remedy="Give ghi, dni and dhi; in-plane data serve `heliopolis yield --poa` alone",
        )
    sky = make_sky(data, times, step_hours, latitude, longitude)
    if sky.missing_months:
        missing = ", ".join(str(m + 1) for m in sky.missing_months)
        raise InputError(
            f"the weather does not cover the months {missing}",
            where=", ".join(path.name for path in weather),
            remedy="Give at least one whole year",
        )
    return sky


def _site(
    options: dict[str, Any], bounds: tuple[float, float, float, float], crs: str
) -> tuple[float, float]:
    """Latitude and longitude [deg]."""
    if options.get("latitude") is not None and options.get("longitude") is not None:
        return float(options["latitude"]), float(options["longitude"])
    west, south, east, north = bounds
    turn = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = turn.transform((west + east) / 2, (south + north) / 2)
    return float(latitude), float(longitude)
