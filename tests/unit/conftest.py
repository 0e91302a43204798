"""A small made-up set of results: 1.2 km x 1 km, four hot zones, 60 buildings, two tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

CRS = "EPSG:2154"
WEST, SOUTH, EAST, NORTH = 652000.0, 6862000.0, 653200.0, 6863000.0


def small_lst() -> xr.Dataset:
    grid = GeoBox.from_bbox((WEST, SOUTH, EAST, NORTH), CRS, resolution=10)
    y, x = np.mgrid[0 : grid.height, 0 : grid.width].astype("float64")
    lst = 30 + 0.02 * x + 2 * np.sin(x / 15) * np.cos(y / 11)
    for row, col, size in ((30, 30, 9), (70, 90, 12), (60, 40, 7), (20, 95, 8)):
        lst += 7 * np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * size**2))
    lst += np.random.default_rng(7).normal(0, 0.3, lst.shape)
    lst[:4, :6] = np.nan
    bands = {
        "lst_median_c": (lst, "degC"),
        "lst_sd_c": (np.where(np.isnan(lst), np.nan, 1.1), "K"),
        "anomaly_c": (lst - 29.5, "K"),
        "n_obs": (np.where(np.isnan(lst), 0, 7), "1"),
        "effective_resolution_m": (np.full(lst.shape, 60.0), "m"),
    }
    made = {}
    for name, (values, unit) in bands.items():
        array = wrap_xr(values.astype("float32"), grid)
        array.attrs = {"units": unit}
        made[name] = array
    return xr.Dataset(made)


def small_heat() -> dict[str, gpd.GeoDataFrame]:
    zones = []
    for i, (x, y, r) in enumerate(
        ((300, 700, 90), (900, 300, 120), (400, 400, 70), (950, 800, 80)), start=1
    ):
        zones.append(
            {
                "zone_id": f"z{i:03d}",
                "rank": i,
                "priority": 1 - 0.15 * i,
                "area_m2": 3.1 * r * r,
                "lst_mean_c": 39.0 - i,
                "lst_max_c": 41.0 - i,
                "anomaly_mean_c": 9.0 - 1.5 * i,
                "anomaly_sd_c": 0.9,
                "gi_z": 6.0 - i,
                "q_value": 0.001 * i,
                "confidence": 99,
                "persistence": 0.9,
                "n_obs": 7,
                "ndvi_mean": 0.15,
                "albedo_mean": 0.18,
                "built_share": 0.8,
                "plantable_m2": 900.0 * i,
                "geometry": shapely.Point(WEST + x, SOUTH + y).buffer(r),
            }
        )
    cells = [
        {
            "cell_id": f"c{c}_{r}",
            "lst_mean_c": 30.0 + c,
            "anomaly_mean_c": c - 4.0 + 0.2 * r if c else None,
            "gi_z": c - 5.0,
            "geometry": shapely.box(
                WEST + 100 * c, SOUTH + 100 * r, WEST + 100 * c + 100, SOUTH + 100 * r + 100
            ),
        }
        for c in range(12)
        for r in range(10)
    ]
    places = [
        {
            "place_id": f"p{i}",
            "name": name,
            "kind": "school" if i < 4 else "park",
            "lst_mean_c": 36.0 - i,
            "anomaly_mean_c": 6.0 - i,
            "hot_share": max(0.0, 0.8 - 0.2 * i),
            "ndvi_mean": 0.2,
            "n_in_kind": 4 if i < 4 else 2,
            "rank_in_kind": i + 1 if i < 4 else i - 3,
            "percentile_in_kind": 100.0 - 25 * (i % 4),
            "geometry": shapely.box(
                WEST + 150 * i + 60, SOUTH + 520, WEST + 150 * i + 130, SOUTH + 580
            ),
        }
        for i, name in enumerate(
            ["École Curie", "Lycée <Hugo>", "Collège Zola", "École Sand", "Parc Nord", "Parc Sud"]
        )
    ]
    area = gpd.GeoDataFrame({"name": ["small"]}, geometry=[small_boundary()], crs=CRS)
    frames = {"hot_zones": zones, "heat_cells": cells, "places": places}
    made = {name: gpd.GeoDataFrame(rows, crs=CRS) for name, rows in frames.items()}
    return {**made, "study_area": area}


def small_boundary() -> shapely.Polygon:
    return shapely.box(WEST, SOUTH, EAST, NORTH).buffer(-5)


def small_roofs() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Buildings, roof planes and panels; the last building has no plane."""
    rng = np.random.default_rng(3)
    buildings: list[dict[str, Any]] = []
    planes: list[dict[str, Any]] = []
    panels: list[dict[str, Any]] = []
    for i in range(60):
        west, south = WEST + 60 + 110 * (i % 10), SOUTH + 80 + 150 * (i // 10)
        wide, deep = float(rng.uniform(14, 40)), float(rng.uniform(10, 24))
        key = f"bat-{i:03d}"
        shape = shapely.box(west, south, west + wide, south + deep)
        buildings.append(
            {
                "building_id": key,
                "source": "cadastre",
                "footprint_m2": shape.area,
                "geometry": shape,
            }
        )
        if i == 59:
            continue
        flat = i % 3 == 0
        halves = [0, 1] if not flat else [0]
        for half in halves:
            low = south + half * deep / 2
            part = shape if flat else shapely.box(west, low, west + wide, low + deep / 2)
            tilt = 2.0 if flat else 35.0
            azimuth = None if flat else (180.0, 0.0)[half]
            yields = 980.0 if flat else (1090.0, 640.0)[half]
            area = part.area / np.cos(np.radians(tilt))
            count = int(0.6 * area / 2)
            capacity = 0.43 * count
            energy = capacity * yields
            plane = {
                "plane_id": f"{key}-{half}",
                "building_id": key,
                "tilt_deg": tilt,
                "azimuth_deg": azimuth,
                "area_m2": area,
                "footprint_m2": part.area,
                "usable_m2": 0.7 * area,
                "height_m": 8.0 + i % 5,
                "fit_rms_m": 0.05,
                "quality": "HIGH" if i % 4 else "MEDIUM",
                "poa_kwh_m2_year": yields * 1.25,
                "energy_kwh_year_p50": energy,
                "energy_kwh_year_p90": 0.9 * energy,
                "n_panels": count,
                "capacity_kwp": capacity,
                "shading_loss": 0.05 + 0.01 * half,
                "geometry": part,
            }
            shares = np.array([3, 5, 8, 10, 12, 13, 13, 12, 10, 7, 4, 3]) / 100
            plane |= {f"energy_kwh_month_{m:02d}": energy * s for m, s in enumerate(shares, 1)}
            planes.append(plane)
            for j in range(3):
                panels.append(
                    {
                        "panel_id": f"{key}-{half}-{j}",
                        "plane_id": f"{key}-{half}",
                        "building_id": key,
                        "power_w": 430.0,
                        "energy_kwh_year": 0.43 * yields,
                        "geometry": shapely.box(
                            west + 1 + 2 * j, low + 1, west + 2.1 + 2 * j, low + 2.7
                        ),
                    }
                )
    return tuple(gpd.GeoDataFrame(rows, crs=CRS) for rows in (buildings, planes, panels))


def write_frames(path: Path, frames: dict[str, gpd.GeoDataFrame]) -> Path:
    from heliopolis.io.vector import write_layers

    return write_layers(path, frames)


SCENES: dict[str, Any] = {
    "thermal": [
        {
            "id": f"LC09_L2SP_199026_202506{day:02d}",
            "sensor": "landsat-c2-l2",
            "acquired": f"2025-06-{day:02d}T10:40:00+00:00",
            "item": {
                "id": "x",
                "collection": "landsat-c2-l2",
                "properties": {
                    "heliopolis:simulated": True,
                    "heliopolis:overpass": "day",
                    "processing:version": "02.01",
                    "platform": "landsat-9",
                    "eo:cloud_cover": 4.0,
                },
                "links": [],
                "assets": {},
            },
        }
        for day in (3, 12, 19)
    ],
    "optical": [
        {
            "id": "S2A_31UDQ_20250612",
            "sensor": "sentinel-2-l2a",
            "acquired": "2025-06-12T10:50:00+00:00",
            "item": {
                "id": "y",
                "collection": "sentinel-2-l2a",
                "properties": {"s2:processing_baseline": "05.11", "heliopolis:simulated": True},
                "links": [],
                "assets": {},
            },
        }
    ],
}


def small_options(language: str = "en") -> dict[str, Any]:
    return {
        "name": "small",
        "area": {"crs": CRS, "resolution_m": 10.0},
        "crs": CRS,
        "period": {"start": "2025-06-01", "end": "2025-08-31", "time_of_day": "day"},
        "thermal": {"min_clear_share": 0.2, "composite_sensors": ["landsat-c2-l2"]},
        "heat": {"reference": "vegetation", "alpha": 0.05},
        "elevation": {"year": 2022, "points": ["a.laz"]},
        "roofs": {},
        "solar": {"country": "FR", "co2_method": "average", "losses_percent": {"soiling": 2.0}},
        "report": {"language": language, "title": None, "attribution": ["Mairie & Cie"]},
        "provenance": {"software": "heliopolis", "version": "0.1.0", "name": "small"},
        "config_sha256": "ab" * 32,
        "jobs": "work/jobs",
    }


def build_inputs(folder: Path, *, language: str = "en") -> dict[str, Any]:
    """Everything that comes before the two last rules, under ``folder``."""
    from heliopolis.io.geopackage import write_geopackage
    from heliopolis.io.raster import write_cog

    lst = small_lst()
    write_cog(folder / "lst.tif", lst, tags={"simulated": "true"})
    write_geopackage(folder / "hot_zones.gpkg", small_heat(), language=language)
    lsts, reports = [], []
    for i, scene in enumerate(SCENES["thermal"]):
        name = scene["id"]
        one = xr.Dataset({"lst_c": lst["lst_median_c"], "lst_sd_c": lst["lst_sd_c"]})
        tags = {"clear_share": "0.95" if i else "0.11", "acquired": scene["acquired"]}
        lsts.append(write_cog(folder / "scenes" / name / "lst.tif", one, tags=tags))
        report = folder / "work" / "scenes" / name / "sharpen.json"
        report.parent.mkdir(parents=True)
        report.write_text(
            json.dumps(
                {
                    "method": "trees",
                    "skill": 0.31,
                    "effective_resolution_m": 45.0,
                    "mass_residual_k": 0.001,
                }
            )
        )
        reports.append(report)
    (folder / "work" / "scenes.json").write_text(json.dumps(SCENES))
    buildings, planes, panels = small_roofs()
    tiles = []
    first = planes["building_id"] < "bat-030"
    ours = panels["building_id"] < "bat-030"
    for name, a, b in (
        ("east", ~first, ~ours),
        ("west", first, ours),
        ("none", first & ~first, ours & ~ours),
    ):
        tiles.append(
            write_frames(
                folder / "work" / "solar" / f"{name}.gpkg",
                {"roof_planes": planes[a], "panels": panels[b]},
            )
        )
    outlines = write_frames(folder / "work" / "buildings.gpkg", {"buildings": buildings})
    boundary = write_frames(
        folder / "work" / "boundary.gpkg",
        {"study_area": gpd.GeoDataFrame({"name": ["small"]}, geometry=[small_boundary()], crs=CRS)},
    )
    jobs = folder / "work" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "composite.json").write_text(
        json.dumps({"job": "composite", "seconds": 4.0, "cpu_seconds": 7.5, "peak_memory_mb": 300})
    )
    return {
        "scenes": folder / "work" / "scenes.json",
        "lst": folder / "lst.tif",
        "scene_lsts": lsts,
        "sharpen_reports": reports,
        "hot_zones": folder / "hot_zones.gpkg",
        "solars": tiles,
        "buildings": outlines,
        "boundary": boundary,
    }


def run_last_steps(folder: Path, *, language: str = "en") -> dict[str, Any]:
    """Run ``rooftop_pv`` and ``publish`` over the made-up inputs."""
    from heliopolis.steps.publish import publish, rooftop_pv

    paths = build_inputs(folder, language=language)
    options = small_options(language)
    options["jobs"] = str(folder / "work" / "jobs")
    rooftop_pv(
        solars=paths["solars"],
        buildings=paths["buildings"],
        lst=paths["lst"],
        hot_zones=paths["hot_zones"],
        boundary=paths["boundary"],
        rooftop_pv=folder / "rooftop_pv.gpkg",
        options=options,
    )
    publish(
        scenes=paths["scenes"],
        lst=paths["lst"],
        scene_lsts=paths["scene_lsts"],
        sharpen_reports=paths["sharpen_reports"],
        hot_zones=paths["hot_zones"],
        rooftop_pv=folder / "rooftop_pv.gpkg",
        boundary=paths["boundary"],
        project=folder / "heliopolis.qgz",
        report=folder / "report.html",
        map_page=folder / "map.html",
        stac=folder / "stac" / "collection.json",
        run=folder / "run.json",
        options=options,
    )
    return paths


@pytest.fixture(scope="session")
def small_inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Paths of the made-up inputs of the last steps."""
    return build_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="session")
def small_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of complete made-up results, English."""
    folder = tmp_path_factory.mktemp("results")
    run_last_steps(folder)
    return folder


@pytest.fixture(scope="session")
def small_results_fr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in French."""
    folder = tmp_path_factory.mktemp("resultats")
    run_last_steps(folder, language="fr")
    return folder


@pytest.fixture(scope="session")
def small_tables() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Made-up buildings, roof planes and panels."""
    return small_roofs()


@pytest.fixture(scope="session")
def small_temperature() -> xr.Dataset:
    """Made-up lst.tif."""
    return small_lst()


@pytest.fixture
def empty_table() -> pd.DataFrame:
    """A layer without features."""
    return gpd.GeoDataFrame(geometry=[], crs=CRS)
