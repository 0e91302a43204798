"""The step that makes the hot zones: cells, zones and places from the composite map."""

from __future__ import annotations

import logging
import math
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.config import Heat, expand
from heliopolis.errors import InputError, NoDataError
from heliopolis.grid import zoom_factor
from heliopolis.heat import suhi
from heliopolis.heat.actions import action_table, explain, told_drivers, with_cooling
from heliopolis.heat.cell_table import cell_table
from heliopolis.heat.cells import disc_mean
from heliopolis.heat.place_actions import place_action_table
from heliopolis.heat.zone_ids import sub_zone_labels, zone_ids
from heliopolis.heat.zone_labels import HotGround, hot_ground
from heliopolis.heat.zones import zone_table
from heliopolis.io.geopackage import write_geopackage
from heliopolis.io.raster import raster_grid
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.steps.heat_fields import (
    DryLand,
    Fields,
    add_ground,
    dry_land,
    heat_fields,
    mask,
)
from heliopolis.steps.heat_island import heat_island
from heliopolis.steps.heat_places import ranked_places

Array = npt.NDArray[np.floating[Any]]
SUB_ZONE_FIELDS = (
    "sub_zone_id", "zone_id", "rank", "area_m2", "lst_mean_c", "lst_max_c", "lst_sd_c",
    "anomaly_mean_c", "anomaly_sd_c", "ndvi_mean", "built_share", "vegetation_share",
    "plantable_m2",
)  # fmt: skip
_log = logging.getLogger(__name__)


def hot_zones(
    *,
    lst: Path,
    boundary: Path,
    optical: Path | None,
    places: list[Path],
    footprints: Path | None,
    hot_zones: Path,
    options: dict[str, Any],
    lsts: list[Path] | None = None,
    form: Path | None = None,
) -> None:
    """Find the hot zones of the study area and rank its places.

    Parameters
    ----------
    lst
        Composite with the bands ``lst_median_c, lst_sd_c, anomaly_c, n_obs,
        effective_resolution_m, persistence``.
    boundary
        Layer ``study_area``; ground outside it is not used.
    optical
        Predictors on any grid: ``ndvi, albedo, built, water, class_...``, as available.
    places
        Files with the places of ``options["places"]``.
    footprints
        Building footprints; without them it is not known what could be planted.
    hot_zones
        GeoPackage to write: ``hot_zones, hot_sub_zones, heat_actions, heat_cells, places,
        place_actions, study_area``. Outlines are kept in ``work/zones_before.gpkg`` beside it,
        for the identifiers of the next run.
    options
        Sections ``heat``, ``places``, ``report``, and ``provenance``; optionally ``footprints``,
        and ``previous``, an earlier result whose zone identifiers are kept.
    lsts
        Temperature of each date; with them the heat island of each date is told in the record.
    form
        Form of the city, band ``sky_view``; without it the sky is no driver.

    Raises
    ------
    NoDataError
        When no land of the study area has a temperature.
    """
    heat = Heat.model_validate(options["heat"])
    grid = raster_grid(lst)
    area = read_layer(boundary, "study_area", crs=str(grid.crs))
    fields = heat_fields(lst, optical, form, grid)
    mask(fields, area, grid)
    add_ground(fields, footprints, options, grid)
    found = _find(fields, grid, heat, str(lst))
    fields |= found.core(heat.alpha)
    previous = _previous(options, hot_zones, grid)
    zones = zone_table(
        found.labels, fields, affine=grid.affine, crs=str(grid.crs), previous=previous.get("zones")
    )
    land = DryLand(fields)
    ground = explain(land, factor=found.factor, pixel_m=abs(grid.resolution.x))
    actions = action_table(
        zones, fields, ground, _costs(heat), found.labels, abs(grid.resolution.x)
    )
    zones = with_cooling(zones, actions)
    parts = _sub_zones(found, fields, zones, grid, previous.get("sub_zones"))
    cells = cell_table(
        found.spots, land, zones, factor=found.factor, affine=grid.affine, crs=str(grid.crs)
    )
    ranked = ranked_places(places, options, fields, zones, area, grid)
    layers = {
        "hot_zones": zones.drop(columns="label"),
        "hot_sub_zones": parts,
        "heat_actions": actions,
        "heat_cells": cells,
        "places": ranked,
        "place_actions": place_action_table(ranked, fields, ground, _costs(heat), grid.affine),
        "study_area": _study_area(area, options),
    }
    method = _method(found, heat, fields, grid) | told_drivers(ground)
    resolution_m = method["effective_resolution_m"]
    method |= heat_island(lsts or [], fields, heat, grid, resolution_m, form)
    provenance = {**(options.get("provenance") or {}), "hot_zones": method}
    language = (options.get("report") or {}).get("language", "en")
    write_geopackage(hot_zones, layers, language=language, provenance=provenance)
    _remember(hot_zones, zones, parts)
    _log.info("%d hot zones, %d places", len(zones), len(ranked))


def _find(fields: Fields, grid: GeoBox, heat: Heat, where: str) -> HotGround:
    """Hot-spot statistics of the land and the zones in it."""
    pixel_m = abs(grid.resolution.x)
    anomaly = dry_land(fields["anomaly_c"], fields)
    if anomaly is None or not np.isfinite(anomaly).any():
        raise NoDataError(
            "no land of the study area has a temperature",
            where=where,
            remedy="Check the boundary, the period and the cloud cover of the scenes",
        )
    return hot_ground(
        anomaly,
        pixel_m=pixel_m,
        factor=zoom_factor(grid, heat.cell_m),
        distance_m=heat.distance_m,
        resolution_m=_resolution_m(fields, pixel_m),
        alpha=heat.alpha,
        min_area_m2=heat.min_zone_m2,
        least=heat.min_anomaly_k,
    )


def _resolution_m(fields: Fields, pixel_m: float) -> float:
    """Smallest detail of the temperature [m]."""
    resolution = fields["effective_resolution_m"]
    known = None if resolution is None else resolution[np.isfinite(resolution)]
    return max(float(np.median(known)), pixel_m) if known is not None and known.size else 100.0


def _previous(options: dict[str, Any], target: Path, grid: GeoBox) -> dict[str, gpd.GeoDataFrame]:
    """Zones and their parts of the result that ``previous`` names, or of the run before."""
    given = options.get("previous")
    if given:
        return {"zones": read_layer(Path(given), "hot_zones", crs=str(grid.crs))}
    before = _before(target)
    if not before.exists():
        return {}
    return {name: read_layer(before, name, crs=str(grid.crs)) for name in ("zones", "sub_zones")}


def _before(target: Path) -> Path:
    """Where the outlines are kept for the next run, which begins by removing its own result."""
    return target.parent / "work" / "zones_before.gpkg"


def _remember(target: Path, zones: gpd.GeoDataFrame, parts: gpd.GeoDataFrame) -> None:
    kept = {
        "zones": zones[["zone_id", "geometry"]],
        "sub_zones": parts[["sub_zone_id", "geometry"]],
    }
    write_layers(_before(target), kept)


def _sub_zones(
    found: HotGround,
    fields: Fields,
    zones: gpd.GeoDataFrame,
    grid: GeoBox,
    previous: gpd.GeoDataFrame | None,
) -> gpd.GeoDataFrame:
    """Parts of the large zones, around their hot centres."""
    pixel_m = abs(grid.resolution.x)
    anomaly = dry_land(fields["anomaly_c"], fields)
    assert anomaly is not None
    level = disc_mean(anomaly, found.spots.distance_m / pixel_m)
    labels, owners = sub_zone_labels(
        found.labels, level, cell_m=pixel_m, spacing_m=2.0 * found.spots.distance_m
    )
    table = zone_table(labels, fields, affine=grid.affine, crs=str(grid.crs))
    names = dict(zip(zones["label"], zones["zone_id"], strict=True))
    table["zone_id"] = [names[owners[label - 1]] for label in table["label"]]
    shapes = list(table.geometry)
    table["sub_zone_id"] = zone_ids(shapes, previous, column="sub_zone_id", prefix="part")
    return table[[*SUB_ZONE_FIELDS, table.geometry.name]]


def _costs(heat: Heat) -> pd.DataFrame:
    """The declared costs and weights of actions, or the user's own."""
    own = files("heliopolis.heat").joinpath("action_table.csv").read_text(encoding="utf-8")
    table = pd.read_csv(StringIO(own))
    if heat.action_table is None:
        return table
    given = pd.read_csv(expand([heat.action_table], "heat.action_table")[0])
    missing = [name for name in table.columns if name not in given.columns]
    if missing:
        raise InputError(
            "the table of actions has no column " + ", ".join(missing),
            where=heat.action_table,
            remedy="Copy heliopolis/heat/action_table.csv and change its numbers",
        )
    return given


def _study_area(area: gpd.GeoDataFrame, options: dict[str, Any]) -> gpd.GeoDataFrame:
    union = shapely.union_all(np.asarray(area.geometry.array))
    name = (options.get("provenance") or {}).get("name")
    if name is None and "name" in area.columns and len(area):
        name = area["name"].iloc[0]
    columns = {"name": [name], "area_m2": [union.area]}
    return gpd.GeoDataFrame(columns, geometry=[union], crs=area.crs)


def _method(found: HotGround, heat: Heat, fields: Fields, grid: GeoBox) -> dict[str, Any]:
    """What was done, and the area's heat island, for the provenance; plain JSON types."""
    spots = found.spots
    told: dict[str, Any] = {
        "statistic": "Getis-Ord Gi*, self included, binary distance band",
        "reference": heat.reference,
        "false_discovery_rate": heat.alpha,
        "cell_m": heat.cell_m,
        "distance_m": spots.distance_m,
        "n_cells": int(np.isfinite(spots.gi_z).sum()),
        "variance_inflation": spots.inflation,
        "null_field": spots.null,
        "departure_from_random_field_p": spots.departure_p,
        "effective_resolution_m": _resolution_m(fields, abs(grid.resolution.x)),
        "threshold_anomaly_k": found.threshold,
        "averaged_over_m": found.support_m,
        "min_zone_m2": heat.min_zone_m2,
        "road_strip_m": None if heat.roads is None else heat.road_strip_m,
    }
    lst, sd, anomaly = fields["lst_c"], fields["lst_sd_c"], dry_land(fields["anomaly_c"], fields)
    built, green = fields["built"], fields["vegetation"]
    if lst is not None and anomaly is not None and built is not None and green is not None:
        land = np.isfinite(anomaly)
        island = suhi.intensity(
            lst, sd, land & (built > 0.5), land & (green > 0.9) & (built <= 0.5),
            cell_m=abs(grid.resolution.x), effective_resolution_m=told["effective_resolution_m"],
        )  # fmt: skip
        told["heat_island_built_over_vegetation_k"] = island.intensity_k
        told["heat_island_sd_k"] = island.sd_k
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in told.items()
    }
