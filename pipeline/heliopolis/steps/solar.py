"""Steps of the sun: the horizon of roofs, and what their planes produce."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize
from pyproj import Transformer
from shapely.geometry import box

from heliopolis.config import Solar
from heliopolis.errors import InputError
from heliopolis.grid import bounds_grid
from heliopolis.io.cells import read_cells, write_cells
from heliopolis.io.raster import raster_grid, read_onto
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.io.weather import join, read_years
from heliopolis.solar.horizon import ABOVE_ROOF_M, horizon_of_cells, reach_m
from heliopolis.solar.roof import CellHorizons, System, roof_yield
from heliopolis.solar.sky import Sky, make_sky

#: Horizons are kept to this [deg].
_STEP_DEG = 0.01
#: How far roofs may reach beyond their tile where no building says so [m].
_MARGIN_M = 50.0


def horizon(
    *,
    tiles: Path,
    surfaces: list[Path],
    horizon: Path,
    tile: str,
    options: dict[str, Any],
    buildings: Path | None = None,
    tallest: Path | None = None,
) -> None:
    """Horizon of the cells of a tile's roofs.

    Parameters
    ----------
    tiles
        JSON list of tiles, each with ``id`` and ``bounds``.
    surfaces
        Surface models of the tile and its neighbours: bands ``dsm_m``, ``dtm_m``, ``tree``.
    horizon
        GeoTIFF to write: bands ``horizon_000`` ... [deg], one for each direction, trees opaque;
        and ``solid_000`` ... with trees away, where there are trees. The grid reaches beyond the
        tile as far as its buildings do.
    tile
        Identifier of the tile.
    options
        Section ``solar``.
    buildings
        Layer ``buildings``; without it the horizon is computed for every cell.
    tallest
        ``{"tallest_m": ...}`` of the whole run: sight ends where such a thing no longer rises to
        ``lowest_sun_deg``, at ``horizon_distance_m`` at the latest.
    """
    solar = Solar.model_validate(options["solar"])
    bounds = _bounds(tiles, tile)
    fine = raster_grid(surfaces[0])
    crs, cell_m = str(fine.crs), abs(fine.resolution.x)
    every = None if buildings is None else read_layer(buildings, "buildings", crs=crs)
    shapes = None if every is None else _inside(every, bounds)
    inner = _grid(bounds, shapes, crs, cell_m)
    sight_m = _sight_m(solar, tallest, cell_m)
    halo = int(np.ceil(sight_m / cell_m))
    wide = inner.pad(halo)
    read = read_onto(surfaces, wide, bands=["dsm_m", "dtm_m", "tree"])
    dsm, dtm, tree = (read[name].to_numpy() for name in ("dsm_m", "dtm_m", "tree"))
    eyes = dsm + ABOVE_ROOF_M
    where = np.zeros(wide.shape, dtype=bool)
    where[halo:-halo, halo:-halo] = True if shapes is None else _mask(shapes, inner)
    where &= np.isfinite(eyes)
    trees = (tree > 0) & np.isfinite(dtm)
    if every is not None:
        # Roofs of all tiles, so that what is a tree does not depend on the tile.
        trees &= ~_mask(_near(every, wide), wide)
    layers = {"horizon": dsm}
    if trees.any():
        layers["solid"] = np.where(trees, dtm, dsm)
    found = [
        horizon_of_cells(
            surface,
            cell_m,
            where,
            solar.directions,
            sight_m,
            observers=eyes,
            origin=_origin(wide),
            upright=True,
        )
        for surface in layers.values()
    ]
    looks = [round(k * 360 / solar.directions) for k in range(solar.directions)]
    write_cells(
        horizon,
        [f"{name}_{azimuth:03d}" for name in layers for azimuth in looks],
        np.concatenate(found),
        where[halo:-halo, halo:-halo],
        inner,
        step=_STEP_DEG,
        unit="degree",
        tags={"directions": str(solar.directions)},
    )


def _sight_m(solar: Solar, tallest: Path | None, cell_m: float) -> float:
    """How far shading is followed [m], at least one cell."""
    if tallest is None:
        return solar.horizon_distance_m
    height_m = json.loads(tallest.read_text(encoding="utf-8"))["tallest_m"]
    return max(cell_m, min(solar.horizon_distance_m, reach_m(height_m, solar.lowest_sun_deg)))


def _origin(grid: GeoBox) -> tuple[int, int]:
    """Row and column of the first cell in the lattice of the CRS, which all tiles share."""
    cell_m = abs(grid.resolution.x)
    return -round(grid.affine.f / cell_m), round(grid.affine.c / cell_m)


def _bounds(tiles: Path, tile: str) -> tuple[float, float, float, float]:
    for record in json.loads(tiles.read_text(encoding="utf-8")):
        if record["id"] == tile:
            west, south, east, north = record["bounds"]
            return west, south, east, north
    raise InputError(f"the tile {tile!r} is not in the list", where=str(tiles))


def _inside(frame: gpd.GeoDataFrame, bounds: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    """Buildings whose representative point lies in the tile."""
    point = frame.geometry.representative_point()
    west, south, east, north = bounds
    inside = (point.x >= west) & (point.x < east) & (point.y >= south) & (point.y < north)
    return frame[inside]


def _near(frame: gpd.GeoDataFrame, grid: GeoBox) -> gpd.GeoDataFrame:
    """Buildings that may touch a grid."""
    return frame.iloc[frame.sindex.query(grid.extent.geom.buffer(_MARGIN_M))]


def _grid(
    bounds: tuple[float, float, float, float],
    shapes: gpd.GeoDataFrame | None,
    crs: str,
    cell_m: float,
) -> GeoBox:
    """Grid of the tile, widened by its buildings."""
    west, south, east, north = bounds
    margin = _MARGIN_M if shapes is None else 0.0
    if shapes is not None and len(shapes):
        left, bottom, right, top = (float(value) for value in shapes.total_bounds)
        west, south, east, north = (
            min(west, left),
            min(south, bottom),
            max(east, right),
            max(north, top),
        )
        margin = 2 * cell_m
    reach = box(west - margin, south - margin, east + margin, north + margin)
    return bounds_grid(Geometry(reach, crs), cell_m)


def _mask(shapes: gpd.GeoDataFrame, grid: GeoBox) -> np.ndarray[Any, Any]:
    if shapes.empty:
        return np.zeros(grid.shape, dtype=bool)
    outline = shapes.geometry.buffer(1.0).union_all()
    return np.asarray(rasterize(Geometry(outline, str(grid.crs)), grid).to_numpy(), dtype=bool)


def solar_yield(
    *,
    tiles: Path,
    planes: Path,
    horizon: Path,
    surfaces: list[Path],
    weather: list[Path],
    solar: Path,
    tile: str,
    options: dict[str, Any],
) -> None:
    """Irradiation, panels and electricity of the roof planes of a tile.

    Parameters
    ----------
    tiles, tile
        JSON list of tiles, and the identifier of this one.
    planes
        Layers ``roof_planes`` and ``usable``.
    horizon
        Horizons of the tile's roofs, as `horizon` writes them.
    surfaces
        Surface models; what they tell is in the horizons.
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
    latitude, longitude = _site(options, _bounds(tiles, tile), str(frame.crs))
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
    cells = _cells(horizon, str(frame.crs))
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


def _cells(path: Path, crs: str) -> CellHorizons:
    """Roof cells of a horizon raster."""
    read = read_cells(path)
    grid = read.grid
    x = grid.affine.c + grid.affine.a * (read.cols + 0.5)
    y = grid.affine.f + grid.affine.e * (read.rows + 0.5)
    if str(grid.crs) != crs:
        x, y = Transformer.from_crs(str(grid.crs), crs, always_xy=True).transform(x, y)
    directions = int(read.tags["directions"])
    solid = read.values[directions:]
    return CellHorizons(
        np.asarray(x),
        np.asarray(y),
        read.values[:directions],
        solid if len(solid) else None,
        abs(grid.resolution.x),
    )
