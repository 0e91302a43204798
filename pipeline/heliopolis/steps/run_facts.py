"""What the last step must know of a run: which scenes counted and why, and what to show."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import pyogrio

from heliopolis.io.geopackage import layer_names
from heliopolis.io.provenance import scene_record
from heliopolis.io.qml import CROWD
from heliopolis.io.raster import band_names, raster_grid, read_tags
from heliopolis.report.base_maps import BASE_MAPS
from heliopolis.report.project_layer import Bounds, ProjectLayer
from heliopolis.scene import Scene

HEAT_LAYERS = ("places", "hot_zones", "heat_cells")
SOLAR_LAYERS = ("roof_planes", "buildings", "solar_cells")
#: Bands of the temperature that the project shows besides the median.
_TRUST = ("anomaly_c", "lst_sd_c", "n_obs", "effective_resolution_m")
#: Layers that are switched on when the project is opened.
_SHOWN = {"hot_zones", "buildings", "roof_planes", "panels", "study_area", "lst.tif"}


def scene_records(
    pinned: Mapping[str, Sequence[Scene]],
    lsts: Iterable[Path],
    reports: Iterable[Path],
    lst: Path | None,
    options: Mapping[str, Any],
    failed: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Each scene with its clear share, its sharpening, and whether it counted or why not.

    ``reason`` is one of ``used, cloudy, other_sensor, other_hours, no_result, failed``; ``note``
    is what the composite itself says of a scene that it left out, or why the scene failed.
    """
    failed = failed or {}
    left_out = (heat_facts(lst) or {}).get("left_out") or {}
    tags = {path.parent.name: read_tags(path) for path in lsts}
    sharpened = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in reports}
    found = []
    for scene in pinned["thermal"]:
        record = scene_record(scene, "thermal")
        share = tags.get(scene.id, {}).get("clear_share")
        report = sharpened.get(scene.id, {})
        share = share if share is not None else report.get("clear_share")
        record["clear_share"] = float(share) if share is not None else None
        record["sharpening"] = _sharpening(report) if report else None
        record["reason"] = _reason(record, scene.id in tags, options)
        if record["reason"] == "used" and scene.id in left_out:
            record["reason"] = "no_result"
        if scene.id in failed:
            record["reason"] = "failed"
        record["used"] = record["reason"] == "used"
        record["note"] = failed.get(scene.id) or left_out.get(scene.id)
        found.append(record)
    for scene in pinned["optical"]:
        found.append({**scene_record(scene, "optical"), "reason": "used", "used": True})
    return found


def _sharpening(report: Mapping[str, Any]) -> dict[str, Any]:
    """Report of the sharpening with the one skill that is printed."""
    skill = report.get("skill")
    if isinstance(skill, Mapping):
        skill = skill.get("skill_vs_smooth")
    return {**report, "skill": skill, "held_out": report.get("skill")}


def _reason(record: Mapping[str, Any], has_result: bool, options: Mapping[str, Any]) -> str:
    thermal, period = options.get("thermal") or {}, options.get("period") or {}
    sensors = thermal.get("composite_sensors")
    hours, overpass = period.get("time_of_day", "both"), record["overpass"]
    if sensors and record["sensor"] not in sensors:
        return "other_sensor"
    if hours != "both" and overpass is not None and overpass != hours:
        return "other_hours"
    if not has_result:
        return "no_result"
    clear = record["clear_share"]
    if clear is not None and clear < float(thermal.get("min_clear_share") or 0.0):
        return "cloudy"
    return "used"


def heat_facts(lst: Path | None) -> dict[str, Any] | None:
    """What the composite says of itself: reference, dates, scenes left out; None without heat."""
    if lst is None:
        return None
    tags = read_tags(lst)
    left_out = json.loads(tags["left_out"]) if tags.get("left_out") else {}
    return {
        "reference": tags.get("reference"),
        "reference_mean_c": _number(tags.get("reference_mean_c")),
        "time_of_day": tags.get("time_of_day"),
        "dates": [text for text in tags.get("dates", "").split(",") if text],
        "left_out": left_out,
    }


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def is_simulated(scenes: Iterable[Scene], lst: Path | None, options: Mapping[str, Any]) -> bool:
    """Whether any input is declared to come from a simulator."""
    tagged = read_tags(lst).get("simulated", "") if lst is not None else ""
    declared = (options.get("provenance") or {}).get("simulated", False)
    return (
        any(scene.simulated for scene in scenes)
        or tagged.strip().lower() in ("true", "1", "yes")
        or bool(declared)
    )


def project_layers(
    folder: Path,
    lst: Path | None,
    tables: Mapping[str, gpd.GeoDataFrame],
    area: gpd.GeoDataFrame,
    scene_lsts: Sequence[Path] = (),
    base_map: str | None = None,
) -> list[ProjectLayer]:
    """Layers of the project from top to bottom.

    ``scene_lsts`` are the maps of single dates, ``base_map`` is one of
    `heliopolis.report.base_maps.BASE_MAPS`.
    """
    made: list[ProjectLayer] = []
    heat, solar = "hot_zones" in tables, "buildings" in tables
    crowded = len(tables.get("buildings", ())) > CROWD
    if "study_area" in tables:
        file = "hot_zones.gpkg" if heat else "rooftop_pv.gpkg"
        made.append(ProjectLayer("study_area", file, "", "polygon", _bounds(area)))
    made += [
        _table_layer(name, "hot_zones.gpkg", "heat", tables[name])
        for name in HEAT_LAYERS
        if name in tables
    ]
    if lst is not None:
        made += _temperature(folder, lst)
    made += _dates(folder, scene_lsts)
    if solar:
        made += _panels_layer(folder / "rooftop_pv.gpkg", crowded=crowded)
    made += [
        _table_layer(name, "rooftop_pv.gpkg", "solar", tables[name], crowded=crowded)
        for name in SOLAR_LAYERS
        if name in tables
    ]
    if heat:
        made.append(ProjectLayer("fields", "hot_zones.gpkg", "heat", "none"))
    if solar:
        made.append(ProjectLayer("fields", "rooftop_pv.gpkg", "solar", "none"))
    if base_map is not None:
        chosen = BASE_MAPS[base_map]
        made.append(ProjectLayer("base_map", "", "", "raster", base_map=chosen))
    return made


def _temperature(folder: Path, lst: Path) -> list[ProjectLayer]:
    """The map of temperature and, switched off, what tells how far it can be trusted."""
    box = raster_grid(lst).boundingbox
    name = lst.resolve().relative_to(folder.resolve()).as_posix()
    bounds = (box.left, box.bottom, box.right, box.top)
    bands = band_names(lst)
    trust = [
        ProjectLayer(
            "lst.tif", name, "certainty", "raster", bounds, False,
            band=(bands.index(band) + 1, band),
        )
        for band in _TRUST
        if band in bands
    ]  # fmt: skip
    return [ProjectLayer("lst.tif", name, "heat", "raster", bounds), *trust]


def _dates(folder: Path, scene_lsts: Sequence[Path]) -> list[ProjectLayer]:
    """Maps of single dates, the newest first, switched off."""
    made = []
    for path in scene_lsts:
        told = read_tags(path).get("acquired")
        if told is None:
            continue
        acquired = datetime.fromisoformat(told).astimezone(UTC)
        box = raster_grid(path).boundingbox
        name = path.resolve().relative_to(folder.resolve()).as_posix()
        bounds = (box.left, box.bottom, box.right, box.top)
        made.append(ProjectLayer("date", name, "dates", "raster", bounds, False, acquired))
    return sorted(made, key=lambda one: (one.acquired or datetime.min, one.file), reverse=True)


def hottest_zones(zones: gpd.GeoDataFrame | None, count: int = 5) -> list[tuple[str, Bounds]]:
    """Names and bounds, with room around, of the zones that are most above the reference."""
    if zones is None or zones.empty:
        return []
    found = []
    for _, zone in zones.nlargest(count, "anomaly_mean_c").iterrows():
        west, south, east, north = zone.geometry.bounds
        room = 0.25 * max(east - west, north - south)
        name = f"{zone['zone_id']}  +{zone['anomaly_mean_c']:.1f} K"
        found.append((name, (west - room, south - room, east + room, north + room)))
    return found


def _table_layer(
    name: str,
    file: str,
    group: Literal["heat", "solar"],
    table: gpd.GeoDataFrame,
    *,
    crowded: bool = False,
) -> ProjectLayer:
    kinds = set(table.geom_type.dropna().unique())
    kind: Literal["point", "polygon"] = (
        "point" if kinds and kinds <= {"Point", "MultiPoint"} else "polygon"
    )
    shown = name in _SHOWN or (crowded and name == "solar_cells")
    return ProjectLayer(name, file, group, kind, _bounds(table), shown, crowded=crowded)


def _panels_layer(package: Path, *, crowded: bool) -> list[ProjectLayer]:
    """The layer of panels by what its package tells of it: there may be millions."""
    if "panels" not in layer_names(package):
        return []
    told = pyogrio.read_info(package, layer="panels")["total_bounds"]
    bounds: Bounds | None = None
    if told is not None and all(map(math.isfinite, told)):
        west, south, east, north = (float(value) for value in told)
        bounds = (west, south, east, north)
    shown = "panels" in _SHOWN
    return [
        ProjectLayer("panels", package.name, "solar", "polygon", bounds, shown, crowded=crowded)
    ]


def _bounds(table: gpd.GeoDataFrame) -> Bounds | None:
    if table.empty or table.geometry.isna().all():
        return None
    west, south, east, north = (float(value) for value in table.total_bounds)
    return west, south, east, north
