"""Where both halves meet: what is known of a roof's planes and of the heat, for each building.

Plain tables and arrays in and out; `heliopolis.steps.publish` reads and writes.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

from heliopolis.errors import InputError

MONTHS = tuple(f"energy_kwh_month_{month:02d}" for month in range(1, 13))
#: Fields that add up from planes to buildings.
SUMMED = (
    "usable_m2",
    "n_panels",
    "capacity_kwp",
    "energy_kwh_year_p50",
    "energy_kwh_year_p90",
    "energy_kwh_year_p10",
    *MONTHS,
)
_GRADES = ("BASE", "MEDIUM", "HIGH")
#: Below this share of valid cells under a footprint the heat of the building is unknown.
MIN_COVERED = 0.5
#: A roof is flat, for the rule of the best use, up to this tilt [deg].
FLAT_DEG = 10.0
#: Smallest system that is worth a look [kWp].
MIN_CAPACITY_KWP = 1.0
#: Gi* of a cell that counts as hot as a zone where no cell is hot: one in 30,000 by chance.
CALM_Z = 4.0
#: Peers have a footprint within this factor, and there are at least so many of them.
PEER_FACTOR, MIN_PEERS = 1.5, 5


def aggregate_planes(planes: pd.DataFrame) -> pd.DataFrame:
    """Sums and means of the roof planes of each building.

    Energy, capacity, panels and usable area are summed. The prudent estimate of a building is
    the sum of those of its planes too: their errors come from the same weather and the same
    model, so they are fully correlated and do not average out. Height is weighted by footprint,
    irradiation by usable area, shading by capacity. The quality is the grade that at least half
    of the plane area reaches.

    Parameters
    ----------
    planes
        Declared fields of ``roof_planes``. A row without tilt stands for a building that no
        plane was fitted to; it is not counted.

    Returns
    -------
    DataFrame
        One row for each ``building_id`` (the index); NaN where no plane has the value.
    """
    grouped = planes.groupby("building_id", sort=True)
    known = [name for name in SUMMED if name in planes.columns]
    made = grouped[known].sum(min_count=1)
    made["n_planes"] = planes["tilt_deg"].notna().groupby(planes["building_id"]).sum()
    for name, weight in (
        ("height_m", "footprint_m2"),
        ("poa_kwh_m2_year", "usable_m2"),
        ("shading_loss", "capacity_kwp"),
        ("tilt_deg", "area_m2"),
    ):
        if name in planes.columns and weight in planes.columns:
            made[name] = _weighted(planes, name, weight)
    made["flat_share"] = _flat_share(planes)
    if "quality" in planes.columns:
        made["quality"] = _grade(planes)
    if "surveyed" in planes.columns:
        made["surveyed"] = planes["surveyed"].astype("boolean").groupby(planes["building_id"]).any()
    if {"energy_kwh_year_p50", "capacity_kwp"} <= set(made.columns):
        capacity = made["capacity_kwp"].where(made["capacity_kwp"] > 0)
        made["specific_yield_kwh_kwp"] = made["energy_kwh_year_p50"] / capacity
        fits = planes["capacity_kwp"] >= MIN_CAPACITY_KWP
        yields = (planes["energy_kwh_year_p50"] / planes["capacity_kwp"]).where(fits)
        made["best_kwh_kwp"] = yields.groupby(planes["building_id"]).max()
    return made


def _weighted(planes: pd.DataFrame, name: str, weight: str) -> pd.Series:
    """Weighted mean for each building; NaN where all weights are zero or missing."""
    valid = planes[name].notna() & (planes[weight] > 0)
    weights = planes[weight].where(valid)
    keys = planes["building_id"]
    total = weights.groupby(keys).sum(min_count=1)
    return (planes[name] * weights).groupby(keys).sum(min_count=1) / total


def _flat_share(planes: pd.DataFrame) -> pd.Series:
    """Share of the plane area that is flat; NaN where there is no plane."""
    keys = planes["building_id"]
    area = planes["area_m2"].where(planes["tilt_deg"].notna())
    flat = area.where(~(planes["tilt_deg"] > FLAT_DEG), 0.0)
    return flat.groupby(keys).sum(min_count=1) / area.groupby(keys).sum(min_count=1)


def _grade(planes: pd.DataFrame) -> pd.Series:
    """Grade that at least half of the plane area of a building reaches; BASE without plane."""
    keys = planes["building_id"]
    area = planes["area_m2"].where(planes["tilt_deg"].notna())
    total = area.groupby(keys).sum(min_count=1)
    made = pd.Series("BASE", index=total.index, dtype="object")
    for level in (1, 2):
        reached = planes["quality"].isin(_GRADES[level:])
        share = area.where(reached, 0.0).groupby(keys).sum() / total
        made = made.mask(share >= 0.5, _GRADES[level])
    return made


def heat_of_buildings(buildings: gpd.GeoDataFrame, lst: xr.Dataset) -> pd.DataFrame:
    """Land-surface temperature over each footprint, by exact area-weighted statistics.

    Each cell counts with the part of it that the footprint covers, which matters where a
    building is not much larger than a cell. The cells under one roof share one thermal
    measurement, so their errors are fully correlated: the uncertainty is the weighted mean of
    theirs, not divided by their number.

    Parameters
    ----------
    buildings
        Footprints, in the CRS of ``lst``.
    lst
        ``lst_median_c``, ``lst_sd_c`` and ``anomaly_c``, dims (y, x), on a north-up grid.

    Returns
    -------
    DataFrame
        ``lst_mean_c, lst_p90_c, lst_sd_c, anomaly_c``, index as ``buildings``; NaN where less
        than half of the footprint has a valid value.
    """
    columns = ["lst_mean_c", "lst_p90_c", "lst_sd_c", "anomaly_c"]
    made = pd.DataFrame(np.nan, index=buildings.index, columns=columns)
    if buildings.empty:
        return made
    plain = gpd.GeoDataFrame(geometry=gpd.GeoSeries(buildings.geometry.array, crs=buildings.crs))
    found = {
        "lst_mean_c": _zonal(plain, lst["lst_median_c"], "mean"),
        "lst_p90_c": _zonal(plain, lst["lst_median_c"], "quantile(q=0.9)"),
        "lst_sd_c": _zonal(plain, lst["lst_sd_c"], "mean"),
        "anomaly_c": _zonal(plain, lst["anomaly_c"], "mean"),
    }
    cell_m2 = abs(lst.odc.geobox.resolution.x * lst.odc.geobox.resolution.y)
    covered = _zonal(plain, lst["lst_median_c"], "count") * cell_m2
    enough = covered >= MIN_COVERED * plain.geometry.area.to_numpy()
    for name, values in found.items():
        made[name] = np.where(enough, values, np.nan)
    return made


def _zonal(shapes: gpd.GeoDataFrame, raster: xr.DataArray, statistic: str) -> Any:
    west, south, east, north = raster.odc.geobox.boundingbox.bbox
    source = NumPyRasterSource(
        raster.to_numpy().astype("float64"),
        *(west, south, east, north),
        nodata=np.nan,
        srs_wkt=shapes.crs.to_wkt(),
    )
    table = exact_extract(source, shapes, [statistic], output="pandas")
    return table.iloc[:, 0].to_numpy(dtype="float64")


def zone_of_buildings(buildings: gpd.GeoDataFrame, zones: gpd.GeoDataFrame) -> pd.Series:
    """Hot zone with the largest overlap; None outside; of equal overlaps the first identifier."""
    found = pd.Series(None, index=buildings.index, dtype="object")
    if buildings.empty or zones.empty:
        return found
    footprints, shapes = np.asarray(buildings.geometry.array), np.asarray(zones.geometry.array)
    left, right = shapely.STRtree(shapes).query(footprints, predicate="intersects")
    overlap = shapely.area(shapely.intersection(footprints[left], shapes[right]))
    pairs = pd.DataFrame(
        {"row": left, "zone": zones["zone_id"].astype(str).to_numpy()[right], "overlap": overlap}
    )
    pairs = pairs[pairs["overlap"] > 0].sort_values(
        ["row", "overlap", "zone"], ascending=[True, False, True]
    )
    first = pairs.drop_duplicates("row")
    found.iloc[first["row"].to_numpy()] = first["zone"].to_numpy()
    return found


def heat_score(buildings: gpd.GeoDataFrame, cells: gpd.GeoDataFrame) -> pd.Series:
    """How hot the surroundings of each building are, 0 to 1: 1 in a hot zone.

    Elsewhere Gi* of the cell that it stands in, over the least Gi* of the cells that are hot at
    99 % (or less where there are none; or 4 where no cell is hot); NaN where it stands in no cell.

    Parameters
    ----------
    buildings
        ``zone_id`` and footprints.
    cells
        Layer ``heat_cells`` in the same CRS: ``gi_z, confidence``.
    """
    score = pd.Series(np.nan, index=buildings.index)
    if len(cells) and len(buildings):
        surest = cells["confidence"].max()
        hot = cells.loc[cells["confidence"] == surest, "gi_z"]
        level = float(hot.min()) if surest > 0 else CALM_Z
        points = buildings.geometry.representative_point().to_numpy()
        row, cell = shapely.STRtree(cells.geometry.to_numpy()).query(points, predicate="within")
        z = cells["gi_z"].to_numpy(dtype="float64")[cell]
        score.iloc[row] = np.clip(z / level, 0.0, 1.0)
    return score.mask(buildings["zone_id"].notna(), 1.0)


def peer_percentile(footprint_m2: pd.Series, energy_kwh: pd.Series) -> pd.Series:
    """Percentage of peers that yield as much or less energy per square metre of footprint.

    Peers are the buildings with a footprint within a factor of 1.5, the building itself
    included; NaN where it has fewer than five, or no energy.
    """
    made = pd.Series(np.nan, index=footprint_m2.index)
    valid = energy_kwh.notna() & (footprint_m2 > 0)
    if not valid.any():
        return made
    area = footprint_m2[valid].to_numpy(dtype="float64")
    order = np.argsort(area, kind="stable")
    area = area[order]
    density = energy_kwh[valid].to_numpy(dtype="float64")[order] / area
    first = np.searchsorted(area, area / PEER_FACTOR, side="left")
    last = np.searchsorted(area, area * PEER_FACTOR, side="right")
    shares = np.full(len(area), np.nan)
    for i, (low, high) in enumerate(zip(first, last, strict=True)):
        if high - low >= MIN_PEERS:
            shares[i] = 100.0 * np.mean(density[low:high] <= density[i])
    back = np.empty(len(area))
    back[order] = shares
    made[valid] = back
    return made


def panel_ranks(panels: pd.DataFrame) -> pd.Series:
    """Rank of each panel on its building by energy, 1 = most; of equals the first identifier."""
    order = panels.sort_values(
        ["building_id", "energy_kwh_year", "panel_id"], ascending=[True, False, True]
    )
    return (order.groupby("building_id").cumcount() + 1).reindex(panels.index)


def check_energy(buildings: pd.DataFrame, planes: pd.DataFrame, tolerance: float = 1e-3) -> None:
    """Energy is neither lost nor made between months, planes and buildings.

    Raises
    ------
    InputError
        Where a plane belongs to no building, a plane stands twice, or the sums over buildings
        or months differ by more than ``tolerance``.
    """
    twice = planes["plane_id"][planes["plane_id"].duplicated()]
    if len(twice):
        raise InputError(
            f"{len(twice)} roof planes stand in more than one tile, such as {twice.iloc[0]}",
            where="layer roof_planes",
            remedy="Delete the folder work/solar and run again",
        )
    strange = ~planes["building_id"].isin(buildings["building_id"])
    if strange.any():
        raise InputError(
            f"{int(strange.sum())} roof planes belong to no building, such as "
            f"{planes['plane_id'][strange].iloc[0]}",
            where="layer roof_planes",
            remedy="Delete the folders work/planes and work/solar and run again",
        )
    name = "energy_kwh_year_p50"
    if name not in planes.columns:
        return
    _agree(buildings[name], "buildings", planes[name], "planes", tolerance)
    if set(MONTHS) <= set(planes.columns):
        whole = planes[planes[list(MONTHS)].notna().all(axis=1)]
        _agree(whole[list(MONTHS)].sum(axis=1), "months", whole[name], "years", tolerance)


def _agree(
    ours: pd.Series, our_name: str, theirs: pd.Series, their_name: str, tolerance: float
) -> None:
    """Refuse two sums of energy that differ."""
    left, right = float(ours.astype("float64").sum()), float(theirs.astype("float64").sum())
    if abs(left - right) > tolerance * max(abs(right), 1.0):
        raise InputError(
            f"the {our_name} sum up to {left:.0f} kWh, their {their_name} to {right:.0f}",
            where="rooftop_pv",
            remedy="Please report this with the configuration",
        )
