"""The last steps: one table of buildings with heat and solar, and what people open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from heliopolis.io.geopackage import write_geopackage
from heliopolis.io.raster import read_raster
from heliopolis.io.vector import read_layer
from heliopolis.steps.building_table import (
    aggregate_planes,
    best_use,
    check_energy,
    heat_of_buildings,
    peer_percentile,
    zone_of_buildings,
)
from heliopolis.variables import layer_fields


def rooftop_pv(
    *,
    solars: list[Path],
    buildings: Path,
    lst: Path | None,
    hot_zones: Path | None,
    boundary: Path,
    rooftop_pv: Path,
    options: dict[str, Any],
) -> None:
    """Merge the solar tiles and give each building its roof, its heat and its best use.

    Parameters
    ----------
    solars
        One GeoPackage for each tile with the layers ``roof_planes`` and ``panels``; either may
        be empty.
    buildings
        Layer ``buildings``: identifier, source, footprint.
    lst, hot_zones
        Results of the heat half, or None: the heat of a building is then NULL.
    boundary
        Layer ``study_area``.
    rooftop_pv
        GeoPackage written.
    options
        ``report`` (language), ``solar`` (country, co2_method), ``elevation`` (year),
        ``provenance``.
    """
    outlines = read_layer(buildings, "buildings")
    area = read_layer(boundary, "study_area")
    planes = _merged(solars, "roof_planes", "plane_id", outlines.crs)
    panels = _merged(solars, "panels", "panel_id", outlines.crs)
    table = _with_roofs(outlines, planes)
    table = _with_heat(table, lst, hot_zones)
    table = _with_carbon(table, options.get("solar") or {})
    table["best_use"] = best_use(table, heat_known=lst is not None)
    table["peer_percentile"] = peer_percentile(table["footprint_m2"], table["energy_kwh_year_p50"])
    table["elevation_year"] = (options.get("elevation") or {}).get("year")
    check_energy(table, planes)
    extra = ["flat_share", "tilt_deg"]
    write_geopackage(
        rooftop_pv,
        {
            "buildings": table.drop(columns=extra, errors="ignore"),
            "roof_planes": planes,
            "panels": panels,
            "study_area": _study_area(area),
        },
        language=(options.get("report") or {}).get("language", "en"),
        provenance=options.get("provenance"),
    )


def _merged(tiles: list[Path], layer: str, key: str, crs: Any) -> gpd.GeoDataFrame:
    """One layer of all tiles, sorted by its key so that tiling and order do not show."""
    frames = [read_layer(path, layer) for path in tiles]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        columns = {name: pd.Series(dtype="float64") for name in layer_fields(layer)}
        return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs), crs=crs)
    merged = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=frames[0].crs)
    return merged.to_crs(crs).sort_values(key, kind="stable", ignore_index=True)


def _with_roofs(outlines: gpd.GeoDataFrame, planes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Buildings with what their planes sum up to; NULL where a building has no plane."""
    table = outlines.sort_values("building_id", kind="stable", ignore_index=True)
    keys = table["building_id"].astype(str)
    sums = aggregate_planes(planes.assign(building_id=planes["building_id"].astype(str)))
    for name in sums.columns:
        values = sums[name].reindex(keys).reset_index(drop=True)
        table[name] = values if name not in table.columns else values.fillna(table[name])
    table["building_id"] = keys
    for name in ("capacity_kwp", "energy_kwh_year_p50", "specific_yield_kwh_kwp", "flat_share"):
        if name not in table.columns:
            table[name] = np.nan
    table["quality"] = table["quality"].fillna("BASE") if "quality" in table.columns else "BASE"
    table["n_planes"] = table["n_planes"].fillna(0).astype("float64")
    if "surveyed" in table.columns:
        missed = table["surveyed"].astype("boolean").eq(False).fillna(False)
        table["n_planes"] = table["n_planes"].mask(missed.astype(bool))
    return table


def _with_heat(
    table: gpd.GeoDataFrame, lst: Path | None, hot_zones: Path | None
) -> gpd.GeoDataFrame:
    """Buildings with temperature and hot zone; NULL where the run has no heat half."""
    if lst is not None:
        heat = read_raster(lst, ["lst_median_c", "lst_sd_c", "anomaly_c"])
        shapes = table.to_crs(str(heat.odc.geobox.crs))
        table = table.join(heat_of_buildings(shapes, heat))
    else:
        table["lst_mean_c"] = np.nan
    table["zone_id"] = None
    if hot_zones is not None:
        zones = read_layer(hot_zones, "hot_zones", crs=table.crs.to_wkt())
        table["zone_id"] = zone_of_buildings(table, zones)
    return table


def _with_carbon(table: gpd.GeoDataFrame, solar: dict[str, Any]) -> gpd.GeoDataFrame:
    """Buildings with the carbon dioxide avoided; NULL where the country is not known."""
    table["co2_kg_year"], table["co2_method"] = np.nan, None
    return table


def _study_area(area: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The declared columns of the study area."""
    made = area[[name for name in ("name",) if name in area.columns] + [area.geometry.name]].copy()
    made["area_m2"] = made.geometry.area
    return made
