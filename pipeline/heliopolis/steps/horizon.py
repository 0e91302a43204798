"""Horizons of a tile: what each cell of its roofs sees around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from shapely.geometry import box

from heliopolis.config import Solar
from heliopolis.grid import bounds_grid
from heliopolis.io.raster import raster_grid, read_onto
from heliopolis.io.vector import read_layer
from heliopolis.solar.horizon import ABOVE_ROOF_M, horizon_of_cells, reach_m
from heliopolis.solar.roof import CellHorizons
from heliopolis.steps.tiles import tile_bounds

#: Horizons are told to this [deg].
_STEP_DEG = 0.01
#: How far roofs may reach beyond their tile where no building says so [m].
_MARGIN_M = 50.0


def roof_horizons(
    tiles: Path,
    surfaces: list[Path],
    tile: str,
    solar: Solar,
    buildings: Path | None = None,
    tallest: Path | None = None,
) -> tuple[CellHorizons, str]:
    """Horizons of the cells of a tile's roofs, and the CRS in which they lie.

    Parameters
    ----------
    tiles
        JSON list of tiles, each with ``id`` and ``bounds``.
    surfaces
        Surface models of the tile and its neighbours: bands ``dsm_m``, ``dtm_m``, ``tree``.
    tile
        Identifier of the tile.
    solar
        Directions, and how far shading is followed.
    buildings
        Layer ``buildings``; without it the horizon is computed for every cell. Their roofs count
        whole, as far as they reach beyond the tile.
    tallest
        ``{"tallest_m": ...}`` of the whole run: sight ends where such a thing no longer rises to
        ``lowest_sun_deg``, at ``horizon_distance_m`` at the latest.
    """
    bounds = tile_bounds(tiles, tile)
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

    def seen(surface: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        angles = horizon_of_cells(
            surface,
            cell_m,
            where,
            solar.directions,
            sight_m,
            observers=eyes,
            origin=_origin(wide),
            upright=True,
        )
        # Where a tile begins may move the last digits of a line of sight: they are dropped.
        return np.round(angles / _STEP_DEG, out=angles) * np.float32(_STEP_DEG)

    rows, cols = np.nonzero(where)
    cells = CellHorizons(
        wide.affine.c + wide.affine.a * (cols + 0.5),
        wide.affine.f + wide.affine.e * (rows + 0.5),
        seen(dsm),
        seen(np.where(trees, dtm, dsm)) if trees.any() else None,
        cell_m,
    )
    return cells, crs


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
    """Cells whose centre lies within 1 m of a building."""
    if shapes.empty:
        return np.zeros(grid.shape, dtype=bool)
    return geometry_mask(shapes.geometry.buffer(1.0), grid.shape, grid.affine, invert=True)
