"""Steps of one tile: the surface model, and the roof planes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from shapely.geometry.base import BaseGeometry

from heliopolis.config import Elevation, Roofs, expand
from heliopolis.errors import NoDataError
from heliopolis.io.atomic import write_json
from heliopolis.io.pointcloud import Points, has_ground, read_points
from heliopolis.io.raster import read_onto, read_tags, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.roofs.planes import Heights, PlaneTables, empty_tables
from heliopolis.roofs.planes import roof_planes as planes_of
from heliopolis.roofs.shift import LONGEST_M, REACH_M
from heliopolis.roofs.surface_model import (
    crop,
    reach_m,
    surface_from_points,
    surface_from_rasters,
    with_halo,
)
from heliopolis.steps.tiles import Bounds, tile_bounds

#: Surroundings of the buildings that are read with them [m].
_MARGIN_M = 10.0
#: Tag of a surface model: height of its tallest thing above the ground [m].
_TALLEST = "tallest_m"


def surface_model(
    *,
    tiles: Path,
    points: list[Path],
    rasters: list[Path],
    footprints: Path | None,
    surface: Path,
    tile: str,
    options: dict[str, Any],
) -> None:
    """Surface, terrain and trees of one tile: bands ``dsm_m``, ``dtm_m``, ``tree``.

    Parameters
    ----------
    tiles
        ``tiles.json``.
    points
        LAZ or LAS files; where there are any, ``rasters`` are not used.
    rasters
        Surface and terrain rasters, told apart by ``options["elevation"]``.
    footprints
        Buildings, which are never trees.
    surface
        Target, a COG over the bounds of the tile.
    tile
        Its identifier.
    options
        ``{"elevation": ..., "roofs": ..., "crs": ...}``.
    """
    elevation = Elevation.model_validate(options["elevation"])
    crs = str(options["crs"])
    grid = GeoBox.from_bbox(tile_bounds(tiles, tile), crs, resolution=elevation.resolution_m)
    classified = has_ground(points) if points else True
    wide = with_halo(grid, reach_m(classified or bool(elevation.dtm)))
    mask = _building_mask(footprints, wide)
    if points:
        data = _read(points, wide.boundingbox.bbox, crs, elevation)
        made = surface_from_points(
            *(data.x, data.y, data.z, data.classification, wide),
            classified=classified,
            footprints=mask,
        )
    else:
        made = _from_rasters(rasters, elevation, wide, mask)
    inner = crop(made, grid)
    above = (inner["dsm_m"] - inner["dtm_m"]).values
    tags = {
        "source": "points" if points else "rasters",
        "survey_year": str(elevation.year or ""),
        _TALLEST: f"{np.nanmax(above, initial=0.0):.2f}",
    }
    write_cog(surface, inner, tags=tags)


def tallest(*, surfaces: list[Path], tallest: Path) -> None:
    """How high the tallest thing of the run stands above its ground: ``{"tallest_m": ...}``.

    Parameters
    ----------
    surfaces
        Surface models of all tiles, as `surface_model` writes them.
    tallest
        Target, JSON.
    """
    heights = [float(read_tags(path)[_TALLEST]) for path in surfaces]
    write_json(tallest, {"tallest_m": max(heights)})


def roof_planes(
    *,
    tiles: Path,
    buildings: Path,
    points: list[Path],
    surfaces: list[Path],
    planes: Path,
    tile: str,
    options: dict[str, Any],
) -> None:
    """Roof planes of the buildings whose representative point lies in one tile.

    Parameters
    ----------
    tiles
        ``tiles.json``.
    buildings
        GeoPackage with the layer ``buildings``.
    points
        LAZ or LAS files; where there are none the surface model is used, with quality MEDIUM.
    surfaces
        Surface models of the tile and of its neighbours.
    planes
        Target: layers ``roof_planes`` and ``usable``.
    tile
        Identifier of the tile.
    options
        ``{"elevation": ..., "roofs": ..., "crs": ...}``.
    """
    elevation = Elevation.model_validate(options["elevation"])
    roofs = Roofs.model_validate(options["roofs"])
    crs = str(options["crs"])
    every = read_layer(buildings, "buildings", crs=crs)
    mine = _in_tile(every, tile_bounds(tiles, tile))
    tables = empty_tables(crs)
    if len(mine):
        tables = _planes_in(mine, every, points, surfaces, crs, elevation, roofs)
    write_tables(planes, tables)


def write_tables(path: Path, tables: PlaneTables) -> None:
    """Write ``roof_planes`` and ``usable`` into one GeoPackage."""
    write_layers(path, {"roof_planes": tables.roof_planes, "usable": tables.usable})


def _planes_in(
    mine: gpd.GeoDataFrame,
    every: gpd.GeoDataFrame,
    points: list[Path],
    surfaces: list[Path],
    crs: str,
    elevation: Elevation,
    roofs: Roofs,
) -> PlaneTables:
    west, south, east, north = mine.total_bounds
    near, wide = (
        (west - m, south - m, east + m, north + m) for m in (_MARGIN_M, LONGEST_M + REACH_M)
    )
    model = surface_cells(surfaces, near, crs, elevation.resolution_m)
    if points:
        data = _read(points, wide, crs, elevation)
        heights, quality = Heights.of(data.x, data.y, data.z, data.classification), "HIGH"
    else:
        heights, quality = cells_as_points(model, "dsm_m"), "MEDIUM"
    return planes_of(
        mine,
        heights,
        ground_m=_ground(mine, model),
        unseen=newer_than(mine, elevation.year),
        drawn=_drawn(mine),
        around=every.iloc[every.sindex.query(shapely.box(*wide))],
        quality=quality,
        min_plane_m2=roofs.min_plane_m2,
        setback_m=roofs.setback_m,
    )


def _drawn(buildings: gpd.GeoDataFrame) -> set[str]:
    """Buildings whose outline the net drew."""
    if "source" not in buildings.columns:
        return set()
    return set(buildings["building_id"].astype(str)[buildings["source"].eq("cnn")])


def newer_than(buildings: gpd.GeoDataFrame, year: int | None) -> set[str]:
    """Buildings that were built after the survey; none where either year is not known."""
    if year is None or "built_year" not in buildings.columns:
        return set()
    newer = buildings["built_year"].astype("float64") > year
    return set(buildings["building_id"].astype(str)[newer])


def surface_cells(paths: list[Path], bounds: Bounds, crs: str, resolution_m: float) -> xr.Dataset:
    """Surface models mosaicked over ``bounds``, on the lattice of the tiles."""
    west, south, east, north = (
        round_to(value / resolution_m) * resolution_m
        for value, round_to in zip(
            bounds, (math.floor, math.floor, math.ceil, math.ceil), strict=True
        )
    )
    grid = GeoBox.from_bbox((west, south, east, north), crs, resolution=resolution_m)
    return read_onto(paths, grid)


def cells_as_points(model: xr.Dataset, band: str) -> Heights:
    """Centres of the cells of a raster as points."""
    y, x = (model[name].values for name in model[band].dims)
    xx, yy = np.meshgrid(x, y)
    return Heights.of(xx.ravel(), yy.ravel(), model[band].values.ravel().astype("float64"))


def _ground(mine: gpd.GeoDataFrame, model: xr.Dataset) -> dict[str, float]:
    """Median height of the terrain in and around each building [m]."""
    terrain = cells_as_points(model, "dtm_m")
    out = {}
    for key, geometry in zip(mine["building_id"].astype(str), mine.geometry, strict=True):
        near = terrain.within(shapely.make_valid(geometry).buffer(2.0))
        out[key] = float(np.median(near.z)) if len(near) else math.nan
    return out


def _in_tile(table: gpd.GeoDataFrame, bounds: Bounds) -> gpd.GeoDataFrame:
    """Buildings whose representative point lies in the half-open box of a tile."""
    points: npt.NDArray[Any] = shapely.point_on_surface(table.geometry.to_numpy())
    x, y = shapely.get_x(points), shapely.get_y(points)
    west, south, east, north = bounds
    inside = (x >= west) & (x < east) & (y >= south) & (y < north)
    return table[inside].reset_index(drop=True)


def _read(points: list[Path], bounds: Bounds, crs: str, elevation: Elevation) -> Points:
    return read_points(
        points, crs=crs, bounds=bounds, source_crs=elevation.crs, unit=elevation.unit
    )


def _building_mask(footprints: Path | None, grid: GeoBox) -> npt.NDArray[np.bool_] | None:
    """True in cells whose centre lies in a building."""
    if footprints is None:
        return None
    table = read_layer(footprints, "buildings", bounds=grid.boundingbox.bbox)
    near = [shapely.make_valid(g) for g in table.geometry if g is not None]
    mask = np.zeros(grid.shape, dtype=bool)
    coordinates = list(xr_coords(grid).values())
    y, x = coordinates[0].values, coordinates[1].values
    for geometry in near:
        _burn(mask, geometry, x, y)
    return mask


def _burn(
    mask: npt.NDArray[np.bool_],
    geometry: BaseGeometry,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
) -> None:
    west, south, east, north = geometry.bounds
    cols = slice(*np.searchsorted(x, [west, east]))
    rows = slice(*np.searchsorted(-y, [-north, -south]))
    xx, yy = np.meshgrid(x[cols], y[rows])
    shapely.prepare(geometry)
    mask[rows, cols] |= shapely.contains_xy(geometry, xx, yy)


def _from_rasters(
    rasters: list[Path],
    elevation: Elevation,
    grid: GeoBox,
    mask: npt.NDArray[np.bool_] | None,
) -> xr.Dataset:
    """Surface and terrain from rasters of heights, resampled bilinearly."""
    if not rasters:
        raise NoDataError(
            "there are no heights", where="elevation", remedy="Give elevation.points or .dsm"
        )
    scale = {"foot": 0.3048, "us_survey_foot": 1200 / 3937}.get(elevation.unit or "", 1.0)
    terrain = set(expand(elevation.dtm, "elevation.dtm")) if elevation.dtm else set()
    low = [path for path in rasters if path in terrain]
    high = [path for path in rasters if path not in terrain]

    def heights(paths: list[Path]) -> npt.NDArray[np.float64]:
        data = read_onto(paths, grid, resampling="bilinear")
        return np.asarray(next(iter(data.data_vars.values())).values, dtype="float64") * scale

    return surface_from_rasters(heights(high), heights(low) if low else None, grid, mask)
