"""What roofs can yield by hectare: the map of a whole city, where a building is a dot."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from heliopolis.steps.building_table import MONTHS, SUMMED

#: Side of a cell [m]; cells lie on multiples of it in the CRS.
CELL_M = 100.0
#: Sums over the buildings of a cell. Errors of weather and model are common to all roofs, so the
#: prudent estimates add up too.
_SUMMED = tuple(name for name in SUMMED if name not in MONTHS)


def solar_cells(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Hectares with the sums of their buildings.

    A building counts in the cell that holds its representative point, whole, so that the cells
    add up to the buildings.

    Parameters
    ----------
    buildings
        Declared fields of ``buildings``, in a metric CRS.

    Returns
    -------
    GeoDataFrame
        Declared fields of ``solar_cells`` (m2, kWp, kWh/year), sorted by identifier; a sum is
        NaN where no building of the cell has the value.
    """
    points: Any = shapely.point_on_surface(buildings.geometry.to_numpy())
    placed = buildings.loc[~shapely.is_missing(points) & ~shapely.is_empty(points)]
    points = points[~shapely.is_missing(points) & ~shapely.is_empty(points)]
    west = np.floor(shapely.get_x(points) / CELL_M).astype("int64")
    south = np.floor(shapely.get_y(points) / CELL_M).astype("int64")
    table = pd.DataFrame({name: _numbers(placed, name) for name in _SUMMED})
    energy = table["energy_kwh_year_p50"]
    modelled = placed["quality"].isin(("HIGH", "MEDIUM")).to_numpy()
    table["modelled"] = energy.where(modelled | energy.isna(), 0.0)
    grouped = table.groupby([west, south])
    made = grouped.sum(min_count=1)
    made["n_buildings"] = grouped.size()
    capacity = made["capacity_kwp"].where(made["capacity_kwp"] > 0)
    made["specific_yield_kwh_kwp"] = made["energy_kwh_year_p50"] / capacity
    total = made["energy_kwh_year_p50"].where(made["energy_kwh_year_p50"] > 0)
    made["modelled_share"] = made["modelled"] / total
    x, y = (CELL_M * made.index.get_level_values(level).to_numpy() for level in (0, 1))
    made["cell_id"] = [f"e{left:.0f}n{low:.0f}" for left, low in zip(x, y, strict=True)]
    boxes = shapely.box(x, y, x + CELL_M, y + CELL_M)
    cells = gpd.GeoDataFrame(made.drop(columns="modelled"), geometry=boxes, crs=buildings.crs)
    return cells.sort_values("cell_id").reset_index(drop=True)


def _numbers(table: gpd.GeoDataFrame, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].astype("float64"))
