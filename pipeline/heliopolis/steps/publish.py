"""The last steps: one table of buildings with heat and solar, and what people open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from heliopolis.config import Solar
from heliopolis.errors import InputError
from heliopolis.io.atomic import write_json
from heliopolis.io.geopackage import layer_names, write_geopackage
from heliopolis.io.layer_stream import Parts
from heliopolis.io.provenance import delivered_licences, licences, output_records, run_record
from heliopolis.io.qml_raster import write_raster_style
from heliopolis.io.raster import read_raster
from heliopolis.io.stac_out import write_stac
from heliopolis.io.vector import read_layer
from heliopolis.io.web_tables import write_web_tables
from heliopolis.report.html import Content, write_report
from heliopolis.report.map_page import write_map
from heliopolis.report.qgis_project import write_project
from heliopolis.scene import read_scenes
from heliopolis.solar.assumptions import Assumptions
from heliopolis.steps.building_solar import (
    read_table,
    with_arrays,
    with_carbon,
    with_money,
    with_use,
)
from heliopolis.steps.building_table import (
    aggregate_planes,
    check_energy,
    heat_of_buildings,
    heat_score,
    panel_ranks,
    peer_percentile,
    zone_of_buildings,
)
from heliopolis.steps.failures import left_out
from heliopolis.steps.report_facts import computation_carbon, pv_costs, season
from heliopolis.steps.roof_prior import with_priors
from heliopolis.steps.run_facts import (
    SOLAR_LAYERS,
    heat_facts,
    hottest_zones,
    is_simulated,
    project_layers,
    scene_records,
)
from heliopolis.steps.solar_cells import solar_cells
from heliopolis.variables import layer_fields

#: Columns that pass between the steps of a tile and mean nothing to a reader.
_INTERNAL = ("z0_m", "slope_x", "slope_y", "xc_m", "yc_m", "order")


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
        ``report`` (language), ``solar`` (country, co2_method, assumptions, load_classes,
        use_weights), ``elevation`` (year), ``latitude``, ``provenance``.
    """
    outlines = read_layer(buildings, "buildings")
    area = read_layer(boundary, "study_area")
    planes = _merged(solars, "roof_planes", "plane_id", outlines.crs)
    planes = with_priors(planes, *_footprints(outlines))
    table = _with_roofs(outlines, planes)
    table = _with_heat(table, lst, hot_zones)
    solar = Solar.model_validate(options.get("solar") or {})
    held, latitude = read_table(solar), _latitude(area, options)
    table = with_money(table, held, solar.country, latitude)
    table = with_carbon(table, held, solar)
    table = with_use(table, solar)
    panels = _panels(solars, table, held, solar.country, latitude)
    table["peer_percentile"] = peer_percentile(table["footprint_m2"], table["energy_kwh_year_p50"])
    table["elevation_year"] = (options.get("elevation") or {}).get("year")
    check_energy(table, planes)
    extra = ["flat_share", "tilt_deg", "best_kwh_kwp"]
    write_geopackage(
        rooftop_pv,
        {
            "buildings": table.drop(columns=extra, errors="ignore"),
            "solar_cells": solar_cells(table),
            "roof_planes": planes,
            "panels": Parts(table.crs, panels),
            "study_area": _study_area(area),
        },
        language=(options.get("report") or {}).get("language", "en"),
        provenance=options.get("provenance"),
    )


def _latitude(area: gpd.GeoDataFrame, options: dict[str, Any]) -> float:
    """Latitude of the site [deg]: as given, else the middle of the area."""
    if options.get("latitude") is not None:
        return float(options["latitude"])
    bounds = area.to_crs("EPSG:4326").total_bounds
    return float((bounds[1] + bounds[3]) / 2)


def _merged(tiles: list[Path], layer: str, key: str, crs: Any) -> gpd.GeoDataFrame:
    """One layer of all tiles, sorted by its key so that tiling and order do not show."""
    frames = [read_layer(path, layer) for path in tiles]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        columns = {name: pd.Series(dtype="float64") for name in layer_fields(layer)}
        return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs), crs=crs)
    merged = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=frames[0].crs)
    merged = merged.drop(columns=[name for name in _INTERNAL if name in merged.columns])
    return merged.to_crs(crs).sort_values(key, kind="stable", ignore_index=True)


def _panels(
    tiles: list[Path],
    buildings: gpd.GeoDataFrame,
    held: Assumptions,
    country: str | None,
    latitude: float,
) -> Iterator[gpd.GeoDataFrame]:
    """Panels of one tile after another, for they are too many for one table.

    All panels of a building lie in one tile, so that rank and arrays are those of the building.
    """
    known = buildings.set_index("building_id", drop=False)
    for paths in [[path] for path in tiles] or [[]]:
        panels = _merged(paths, "panels", "panel_id", buildings.crs)
        panels["rank"] = panel_ranks(panels)
        yield with_arrays(panels, known, held, country, latitude)


def _footprints(outlines: gpd.GeoDataFrame) -> tuple[pd.Series, set[str]]:
    """Footprint of each building [m2], and the buildings that may not be there.

    Those that the image shows to be gone, and those that the net alone has seen: where heights do
    not bear it out, nothing vouches for a roof.
    """
    keys = outlines["building_id"].astype(str)
    doubtful = pd.Series(False, index=outlines.index)
    for name, value in (("change", "gone"), ("source", "cnn")):
        if name in outlines.columns:
            doubtful |= outlines[name].eq(value)
    return pd.Series(outlines.geometry.area.to_numpy(), index=keys), set(keys[doubtful])


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
    table["zone_id"], table["heat_score"] = None, np.nan
    if hot_zones is not None:
        zones = read_layer(hot_zones, "hot_zones", crs=table.crs.to_wkt())
        cells = read_layer(hot_zones, "heat_cells", crs=table.crs.to_wkt())
        table["zone_id"] = zone_of_buildings(table, zones)
        table["heat_score"] = heat_score(table, cells)
    return table


def _study_area(area: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The declared columns of the study area."""
    made = area[[name for name in ("name",) if name in area.columns] + [area.geometry.name]].copy()
    made["area_m2"] = made.geometry.area
    return made


def publish(
    *,
    project: Path,
    report: Path,
    map_page: Path,
    stac: Path,
    run: Path,
    options: dict[str, Any],
    boundary: Path | None = None,
    scenes: Path | None = None,
    lst: Path | None = None,
    scene_lsts: list[Path] | None = None,
    sharpen_reports: list[Path] | None = None,
    hot_zones: Path | None = None,
    rooftop_pv: Path | None = None,
    deliveries: list[Path] | None = None,
) -> None:
    """Write what people open: QGIS project, report, web map, STAC collection, record.

    Parameters
    ----------
    project, report, map_page, stac, run
        ``heliopolis.qgz``, ``report.html``, ``map.html``, ``stac/collection.json`` and
        ``run.json``, written into the folder that holds the results.
    options
        The whole configuration with ``config_sha256``, ``provenance`` and ``jobs`` (the folder
        with the measured cost of each job).
    boundary
        Layer ``study_area``; by default that of the results.
    scenes, lst, scene_lsts, sharpen_reports, hot_zones
        Results of the heat half, or None.
    rooftop_pv
        Result of the solar half, or None.
    deliveries
        What the archives said of the inputs that the run brought in.
    """
    folder = run.parent
    pinned = read_scenes(scenes) if scenes is not None else {"thermal": [], "optical": []}
    work = Path(options.get("jobs") or folder / "work" / "jobs").parent
    failed = left_out(work)["scenes"]
    records = scene_records(pinned, scene_lsts or [], sharpen_reports or [], lst, options, failed)
    everything = [*pinned["thermal"], *pinned["optical"]]
    simulated = is_simulated(everything, lst, options)
    tables = _tables(hot_zones, rooftop_pv)
    area = _area(boundary, tables)
    outputs = [path for path in (lst, hot_zones, rooftop_pv, *(scene_lsts or [])) if path]
    record = run_record(
        options=options,
        scenes=records,
        credits=[*licences(everything), *delivered_licences(deliveries or [])],
        simulated=simulated,
        work=work,
        outputs=output_records(folder, outputs),
    )
    record["heat"] = heat_facts(lst)
    if record["heat"] is not None:
        record["heat"]["season"] = season(scene_lsts or [], records, tables.get("hot_zones"))
    solar = Solar.model_validate(options.get("solar") or {})
    record["energy"] |= computation_carbon(record["energy"], solar)
    wanted = options.get("report") or {}
    language, base_map = str(wanted.get("language", "en")), wanted.get("base_map")
    for raster, band in _rasters(lst, scene_lsts or []):
        write_raster_style(raster, language, band)
    if rooftop_pv is not None and wanted.get("web"):
        panels = {"panels": read_layer(rooftop_pv, "panels")}
        write_web_tables(folder / "web", tables | panels, wanted["web"])
    else:
        write_web_tables(folder / "web", tables, wanted.get("web") or ())
    write_project(
        project,
        project_layers(folder, lst, tables, area, scene_lsts or [], base_map),
        title=record["title"],
        crs=str(options.get("crs") or area.crs.to_string()),
        language=language,
        attribution=record["attribution"],
        bookmarks=hottest_zones(tables.get("hot_zones")),
    )
    temperature = read_raster(lst) if lst is not None else None
    content = _content(record, language, area, temperature, tables, solar)
    write_report(report, content)
    write_map(map_page, content)
    write_stac(
        stac,
        results=folder,
        name=record["name"],
        title=record["title"],
        boundary_lonlat=area.to_crs("EPSG:4326").geometry.union_all(),
        scenes=records,
        credits=record["licences"],
        simulated=simulated,
        solar_year=(options.get("elevation") or {}).get("year"),
    )
    write_json(run, record)


def _rasters(lst: Path | None, scene_lsts: list[Path]) -> list[tuple[Path, str]]:
    """Rasters of the result, each with the band that is shown of it."""
    whole = [] if lst is None else [(lst, "lst_median_c")]
    return [*whole, *((path, "lst_c") for path in scene_lsts)]


def _tables(hot_zones: Path | None, rooftop_pv: Path | None) -> dict[str, gpd.GeoDataFrame]:
    """All result layers that there are, but the panels, which are many and stand for themselves."""
    found: dict[str, gpd.GeoDataFrame] = {}
    halves = ((hot_zones, ("hot_zones", "heat_cells", "places")), (rooftop_pv, SOLAR_LAYERS))
    for path, names in halves:
        if path is not None:
            present = set(layer_names(path))
            for name in (*names, "study_area"):
                if name in present:
                    found[name] = read_layer(path, name)
    return found


def _area(boundary: Path | None, tables: dict[str, gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    if boundary is not None:
        return read_layer(boundary, "study_area")
    if "study_area" not in tables:
        raise InputError(
            "neither half of the run left its study area",
            where="publish",
            remedy="Give hot_zones.gpkg, rooftop_pv.gpkg, or both",
        )
    return tables["study_area"]


def _content(
    record: dict[str, Any],
    language: str,
    area: gpd.GeoDataFrame,
    lst: xr.Dataset | None,
    tables: dict[str, gpd.GeoDataFrame],
    solar: Solar,
) -> Content:
    return Content(
        run=record,
        language=language,
        area=area,
        lst=lst,
        hot_zones=tables.get("hot_zones"),
        places=tables.get("places"),
        buildings=tables.get("buildings"),
        roof_planes=tables.get("roof_planes"),
        costs=pv_costs(tables.get("buildings"), solar),
        use_weights=solar.use_weights.model_dump(),
    )
