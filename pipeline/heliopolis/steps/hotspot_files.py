"""Hot spots of any raster: the single-step command's file-to-file function."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, GridError, NoDataError
from heliopolis.grid import metric_crs
from heliopolis.heat.cells import disc_mean
from heliopolis.heat.hotspots import HotSpots, confidence, hot_spots
from heliopolis.heat.zone_labels import REACH_RADII, core_statistics, zone_labels
from heliopolis.heat.zones import zone_table
from heliopolis.io.raster import band_names, raster_grid, read_raster
from heliopolis.io.vector import write_layers

Array = npt.NDArray[np.floating[Any]]

#: Neighbourhood where none is given: this length [m], or this many cells if that is more.
DISTANCE_M, DISTANCE_CELLS = 300.0, 3.0
#: A cell is judged hot itself by its mean with the cells around it, over this many cells.
DETAIL_CELLS = 3.0
_ZONE_COLUMNS = {
    "zone_id": "zone_id",
    "rank": "rank",
    "area_m2": "area_m2",
    "lst_mean_c": "value_mean",
    "lst_max_c": "value_max",
    "anomaly_mean_c": "anomaly_mean",
    "gi_z": "gi_z",
    "p_value": "p_value",
    "q_value": "q_value",
    "confidence": "confidence",
    "n_cells": "n_cells",
}


def hotspot_files(
    raster: Path,
    out: Path,
    *,
    cells: Path | None = None,
    distance_m: float | None = None,
    band: int = 1,
    alpha: float = 0.05,
    min_area_m2: float = 0.0,
) -> dict[str, Any]:
    """Zones of significantly high values of a raster.

    Parameters
    ----------
    raster
        Raster in a metric CRS with square cells, north up; any quantity.
    out
        GeoPackage to write, layer ``hot_zones``: ``zone_id, rank, area_m2, value_mean,
        value_max, anomaly_mean`` (over the mean of the raster)``, gi_z, p_value, q_value,
        confidence, n_cells``; and ``cold_zones``, the same for low values, with ``value_min``.
        Without a zone a layer is empty.
    cells
        GeoPackage to write, layer ``heat_cells``: one square for each valid cell, with ``cell_id,
        value, gi_z, p_value, q_value, confidence`` (negative for cold spots).
    distance_m
        Radius of the neighbourhood [m]; by default 300 m or three cells, whichever is more.
    band
        Number of the band.
    alpha
        False discovery rate.
    min_area_m2
        Smaller zones are left out [m2].

    Returns
    -------
    dict
        ``n_zones, n_cold_zones, n_cells, distance_m, variance_inflation``.
    """
    grid = _square_grid(raster)
    names = band_names(raster)
    if not 1 <= band <= len(names):
        raise ConfigError(
            f"the raster has no band {band}", where=str(raster), remedy=f"It has {len(names)}"
        )
    values = np.asarray(read_raster(raster)[names[band - 1]].to_numpy(), dtype="float64")
    if not np.isfinite(values).any():
        raise NoDataError("the raster holds no valid value", where=str(raster))
    cell_m = abs(grid.resolution.x)
    reach = max(DISTANCE_M, DISTANCE_CELLS * cell_m) if distance_m is None else distance_m
    if reach < cell_m:
        raise ConfigError(
            f"a distance of {reach:g} m holds no neighbour: the cells are {cell_m:g} m",
            where=str(raster),
            remedy="Give at least the cell size, better three times as much",
        )
    spots = hot_spots(values, cell_m, reach)
    zones = _zones(values, spots, grid, alpha, min_area_m2)
    cold = _zones(-values, spots.mirrored(), grid, alpha, min_area_m2)
    cold = cold.rename(columns={"value_max": "value_min"})
    for name in ("value_mean", "value_min", "anomaly_mean", "gi_z"):
        cold[name] = -cold[name]
    write_layers(out, {"hot_zones": zones, "cold_zones": cold})
    if cells is not None:
        write_layers(cells, {"heat_cells": _cells(values, spots, grid)})
    return {
        "n_zones": len(zones),
        "n_cold_zones": len(cold),
        "n_cells": int(np.isfinite(values).sum()),
        "distance_m": reach,
        "variance_inflation": spots.inflation,
    }


def _square_grid(raster: Path) -> GeoBox:
    grid = raster_grid(raster)
    metric_crs(str(grid.crs), where=str(raster))
    transform = grid.affine
    square = math.isclose(abs(transform.a), abs(transform.e), rel_tol=1e-6)
    if not square or transform.b or transform.d or transform.a < 0 or transform.e > 0:
        raise GridError(
            "the raster is not a north-up grid of square cells",
            where=str(raster),
            remedy="Warp it first, for instance with gdalwarp -tr 10 10",
        )
    return grid


def _zones(
    values: Array, spots: HotSpots, grid: GeoBox, alpha: float, min_area_m2: float
) -> gpd.GeoDataFrame:
    cell_m = abs(grid.resolution.x)
    labels = zone_labels(
        disc_mean(values, DETAIL_CELLS / 2.0),
        spots.z_effective,
        critical_z=spots.critical_z(alpha),
        threshold=spots.mean + spots.sd,
        cell_m=cell_m,
        detail_m=DETAIL_CELLS * cell_m,
        reach_m=REACH_RADII * spots.distance_m,
        min_area_m2=min_area_m2,
    )
    fields: dict[str, Array | None] = {
        "lst_c": values,
        "anomaly_c": values - spots.mean,
        **core_statistics(spots, spots.gi_z, spots.z_effective, alpha),
    }
    table = zone_table(labels, fields, affine=grid.affine, crs=str(grid.crs))
    table = table.sort_values(["anomaly_mean_c", "zone_id"], ascending=[False, True])
    table["rank"] = pd.Series(np.arange(1, len(table) + 1), index=table.index, dtype="Int64")
    chosen = table.rename(columns=_ZONE_COLUMNS)[[*_ZONE_COLUMNS.values(), "geometry"]]
    return chosen.reset_index(drop=True)


def _cells(values: Array, spots: HotSpots, grid: GeoBox) -> gpd.GeoDataFrame:
    y, x = np.nonzero(np.isfinite(values))
    side = abs(grid.resolution.x)
    west, north = grid.affine.c + x * side, grid.affine.f - y * side
    columns: dict[str, Any] = {
        "cell_id": pd.Series([f"r{r}c{c}" for r, c in zip(y, x, strict=True)], dtype="object"),
        "value": values[y, x],
        "gi_z": spots.gi_z[y, x],
        "p_value": spots.p_value[y, x],
        "q_value": spots.q_value[y, x],
    }
    level = confidence(columns["q_value"], columns["gi_z"])
    columns["confidence"] = pd.Series(level).astype("Int64")
    shapes = shapely.box(west, north - side, west + side, north)
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=str(grid.crs))
