"""The heat cells as a table of squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from affine import Affine

from heliopolis.heat.cells import block_mean, block_sum
from heliopolis.heat.hotspots import CONFIDENCE, HotSpots, confidence
from heliopolis.heat.zones import anomaly_sd

Array = npt.NDArray[np.floating[Any]]

_MEANS = {
    "lst_mean_c": "lst_c",
    "lst_sd_c": "lst_sd_c",
    "anomaly_mean_c": "anomaly_c",
    "persistence": "persistence",
    "n_obs": "n_obs",
    "ndvi_mean": "ndvi",
    "albedo_mean": "albedo",
    "sky_view_mean": "sky_view",
    "built_share": "built",
    "water_share": "water",
    "vegetation_share": "vegetation",
}


def cell_table(
    spots: HotSpots,
    fields: Mapping[str, Array | None],
    zones: gpd.GeoDataFrame,
    *,
    factor: int,
    affine: Affine,
    crs: Any,
) -> gpd.GeoDataFrame:
    """Square cells with their temperature, statistics and ground.

    Parameters
    ----------
    spots
        Statistics of the cells, dims (y, x).
    fields
        Fine fields, as in `heliopolis.heat.zones.zone_table`; NaN where they do not count.
    zones
        Zones whose polygons hold the cells: a cell belongs to the zone that its centre is in.
    factor
        Fine cells along one side of a cell.
    affine, crs
        Transform of the fine grid and its CRS.

    Returns
    -------
    GeoDataFrame
        One row for each cell that took part, every column of the layer ``heat_cells``.
        ``confidence`` is negative for cold spots and 0 where a cell is neither.
    """
    y, x = np.nonzero(np.isfinite(spots.gi_z))
    side = factor * affine.a
    west, north = affine.c + x * side, affine.f - y * side
    columns: dict[str, Any] = {"cell_id": _names(west, north - side)}
    for name, source in _MEANS.items():
        columns[name] = _cells(fields.get(source), factor, y, x)
    resolution = _cells(fields.get("effective_resolution_m"), factor, y, x)
    columns["anomaly_sd_c"] = anomaly_sd(columns["lst_sd_c"], np.full(len(x), side**2), resolution)
    for name in ("gi_z", "p_value", "q_value"):
        columns[name] = getattr(spots, name)[y, x]
    level = confidence(columns["q_value"], columns["gi_z"])
    columns["confidence"] = pd.Series(level).astype("Int64")
    columns["gi_bin"] = pd.Series(_bins(level)).astype("Int64")
    plantable = fields.get("plantable")
    if plantable is not None:
        columns["plantable_m2"] = block_sum(plantable, factor)[y, x] * (side / factor) ** 2
    else:
        columns["plantable_m2"] = np.full(len(x), np.nan)
    shapes = shapely.box(west, north - side, west + side, north)
    table = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(shapes, dtype="geometry"), crs=crs)
    table["zone_id"] = _zone_of(table, zones)
    return table


def _names(west: Array, south: Array) -> pd.Series:
    """Identifier from the south-west corner [m]."""
    pairs = zip(np.rint(west).astype(int), np.rint(south).astype(int), strict=True)
    return pd.Series([f"e{e}n{n}" for e, n in pairs], dtype="object")


def _cells(field: Array | None, factor: int, y: Any, x: Any) -> Array:
    if field is None:
        return np.full(len(y), np.nan)
    return np.asarray(block_mean(field, factor)[y, x])


def _bins(level: Array) -> Array:
    """-3..3 from the confidence class."""
    out = np.zeros(level.shape)
    for number, (percent, _) in zip((3, 2, 1), CONFIDENCE, strict=True):
        out[np.abs(level) == percent] = number
    return np.asarray(np.sign(level) * out + 0.0)


def _zone_of(table: gpd.GeoDataFrame, zones: gpd.GeoDataFrame) -> pd.Series:
    """Zone that the cell's centre lies in."""
    out = pd.Series([None] * len(table), dtype="object")
    if len(table) and len(zones):
        tree = shapely.STRtree(np.asarray(zones.geometry.array))
        centres = shapely.centroid(np.asarray(table.geometry.array))
        cell, zone = tree.query(centres, predicate="within")
        out.iloc[cell] = zones["zone_id"].to_numpy()[zone]
    return out
