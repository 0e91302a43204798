"""A simulated region from scenes, heights and images to both GeoPackages, and what it costs.

``python -m tests.bench.region FOLDER [--size-m 20000] [--memory 4] [--cores 2]`` simulates a
square of that side in FOLDER, where it does not lie there yet, and runs it: eight Landsat scenes
over all of it, a surface model of 1 m everywhere, footprints in a town of 0.37 of the side, and
in a quarter of the side points and an orthophoto of 0.2 m. A run that was ended is taken up
again; times are those of all jobs. Prints the table of the steps, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import xarray as xr
import yaml
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from rich.console import Console

from heliopolis.io.laz import write_laz
from heliopolis.io.raster import write_cog
from heliopolis.simulate import landsat_scene
from heliopolis.simulate.aerial import write_boundary, write_places, write_roads
from heliopolis.simulate.cadastre import write_footprints
from heliopolis.simulate.city import Bounds, City, CitySpec, build_city
from heliopolis.simulate.heat_truth import ground
from heliopolis.simulate.lidar import scan
from heliopolis.simulate.overpass import View
from heliopolis.simulate.render import Look, render
from heliopolis.simulate.stac_catalog import write_catalog
from heliopolis.simulate.weather import write_weather
from tests.bench.city_roofs import by_step
from tests.bench.months import overpass
from tests.workflow.catalogs import LANDSAT

#: Town with footprints, and part of it with points and images, as shares of the side.
TOWN, FINE = 0.37, 0.25
#: Cells of surface, of the orthophoto, and of the study [m]; side of a tile and of a sheet [m].
SURFACE_M, ORTHO_M, STUDY_M, TILE_M, SHEET_M = 1.0, 0.2, 10.0, 1000.0, 500.0
#: Pulses of the survey [1/m2].
POINTS_PER_M2 = 8.0
#: Month and day of the scenes, and the region they are told for [km2].
SCENES = ((5, 20), (6, 5), (6, 21), (7, 7), (7, 23), (8, 8), (8, 24), (9, 9))
FRENCH_REGION_KM2 = 12_000.0
_ATTRIBUTES = ("classification", "return_number", "number_of_returns", "intensity", "gps_time")


def inputs(folder: Path, size_m: float, seed: int = 5) -> Path:
    """Simulate the region into ``folder``; files that lie there are kept."""
    if (folder / "catalog" / "catalog.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    city = build_city(CitySpec(seed=seed, size_m=size_m, core_m=50 * round(TOWN * size_m / 50)))
    write_boundary(city, folder / "boundary.gpkg")
    write_footprints(city, folder / "footprints.gpkg", seed)
    write_places(city, folder / "places.gpkg")
    write_roads(city, folder / "roads.gpkg")
    write_weather(city, folder / "weather.csv")
    for bounds in sheets(city.bounds, 4 * SHEET_M):
        _write_heights(city, folder / "heights", bounds)
    west, south, east, north = city.bounds
    margin = (1.0 - FINE) * size_m / 2
    for bounds in sheets((west + margin, south + margin, east - margin, north - margin)):
        _write_points(city, folder / "points", bounds)
        _write_image(city, folder / "images", bounds)
    over = ground(city)
    write_catalog(
        folder / "catalog",
        [
            landsat_scene.write_level2(View(overpass(*day), over), folder / "catalog" / LANDSAT)
            for day in SCENES
        ],
    )
    return folder


def sheets(bounds: Bounds, side_m: float = SHEET_M) -> list[Bounds]:
    """Squares of that side over an extent, the last of each row cut off."""
    west, south, east, north = bounds
    return [
        (x, y, min(x + side_m, east), min(y + side_m, north))
        for y in np.arange(south, north, side_m).tolist()
        for x in np.arange(west, east, side_m).tolist()
    ]


def _name(bounds: Bounds) -> str:
    return f"{bounds[0]:.0f}_{bounds[1]:.0f}"


def _write_heights(city: City, folder: Path, bounds: Bounds) -> None:
    grid = GeoBox.from_bbox(bounds, city.spec.crs, resolution=SURFACE_M)
    for name, heights in (("dsm", City.surface), ("dtm", City.terrain)):
        path = folder / f"{name}_{_name(bounds)}.tif"
        if path.exists():
            continue
        band = wrap_xr(heights(city.part(bounds), grid), grid)
        band.attrs = {"units": "m"}
        write_cog(path, {f"{name}_m": band}, tags={"simulated": "yes"})


def _write_points(city: City, folder: Path, bounds: Bounds) -> None:
    path = folder / f"{_name(bounds)}.laz"
    if path.exists():
        return
    points = scan(city.part(bounds), POINTS_PER_M2, bounds)
    folder.mkdir(exist_ok=True)
    write_laz(
        path,
        *(points[axis].to_numpy() for axis in "xyz"),
        city.spec.crs,
        attributes={name: points[name].to_numpy() for name in _ATTRIBUTES},
        description="simulated, no real place",
        created=pd.Timestamp("2025-07-01").date(),
    )


def _write_image(city: City, folder: Path, bounds: Bounds) -> None:
    path = folder / f"{_name(bounds)}.tif"
    if path.exists():
        return
    grid = GeoBox.from_bbox(bounds, city.spec.crs, resolution=ORTHO_M)
    image = render(city.part(bounds), grid, Look(), city.spec.seed).image
    bands = xr.Dataset(
        {
            name: wrap_xr(band, grid)
            for name, band in zip(("red", "green", "blue", "nir"), image, strict=True)
        }
    )
    tags = {"simulated": "yes", "acquired": "2025-07-01T10:00:00Z"}
    write_cog(path, bands, dtype="uint8", tags=tags)


def configuration(data: Path, folder: Path, name: str, tile_m: float = TILE_M) -> Path:
    """Configuration of a run over the whole region."""
    record = {
        "name": name,
        "simulated": True,
        "results": str(folder / "results"),
        "area": {
            "boundary": str(data / "boundary.gpkg"),
            "crs": "EPSG:2154",
            "resolution_m": STUDY_M,
        },
        "period": {"start": "2025-05-01", "end": "2025-09-30", "months": [5, 6, 7, 8, 9]},
        "thermal": {
            "sources": [{"kind": "stac", "catalog": str(data / "catalog" / "catalog.json"),
                         "collections": [LANDSAT]}]
        },
        "places": {"file": str(data / "places.gpkg")},
        "heat": {"roads": str(data / "roads.gpkg")},
        "imagery": {"files": str(data / "images" / "*.tif"),
                    "bands": ["red", "green", "blue", "nir"]},
        "footprints": {"file": str(data / "footprints.gpkg"), "id_field": "building_id"},
        "elevation": {
            "points": str(data / "points" / "*.laz"),
            "dsm": str(data / "heights" / "dsm_*.tif"),
            "dtm": str(data / "heights" / "dtm_*.tif"),
            "resolution_m": SURFACE_M,
        },
        "roofs": {"tile_m": tile_m},
        "weather": {"files": str(data / "weather.csv")},
        "solar": {"country": "FR"},
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(record), encoding="utf-8")
    return path


def main() -> int:
    """Simulate and run; the exit status is that of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size-m", type=float, default=20_000.0)
    parser.add_argument("--memory", type=float, default=4.0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--tile-m", type=float, default=TILE_M)
    parser.add_argument("--name", default="region")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    data = inputs(folder / "data", given.size_m)
    print(f"inputs: {time.perf_counter() - start:.0f} s", flush=True)
    config = configuration(data, folder, given.name, given.tile_m)
    words = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline"]
    words += ["--cores", str(given.cores), "--memory", str(given.memory)]
    start = time.perf_counter()
    with (folder / f"{given.name}.log").open("a") as log:
        status = subprocess.run(
            words, cwd=folder, env=dict(os.environ), stdout=log, stderr=log
        ).returncode
    told = summary(folder / "results" / given.name, given.size_m, given.cores)
    print(json.dumps({"status": status, "call_s": time.perf_counter() - start, **told}))
    return status


def summary(results: Path, size_m: float, cores: int) -> dict[str, Any]:
    """What all jobs of a run took, also those of calls that were ended."""
    log = results / "work" / "logs" / "jobs.jsonl"
    jobs = pd.DataFrame([json.loads(line) for line in log.read_text().splitlines()])
    jobs = jobs[jobs["status"] == "done"]
    jobs["step"] = jobs["job"].str.partition(".")[0]
    km2 = size_m**2 / 1e6
    package = results / "rooftop_pv.gpkg"
    count = pyogrio.read_info(package, layer="buildings")["features"] if package.exists() else 0
    Console(width=120).print(by_step(jobs, max(count, 1)).round(2).to_string())
    cpu_s = float(jobs["cpu_seconds"].sum())
    disk = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    return {
        "km2": km2,
        "buildings": count,
        "cpu_s": cpu_s,
        "cpu_s_km2": cpu_s / km2,
        "hours_on_cores": cpu_s / cores / 3600,
        "peak_mb": float(jobs["peak_memory_mb"].max()),
        "disk_gb": disk / 1e9,
        "cpu_hours_french_region": math.ceil(cpu_s / km2 * FRENCH_REGION_KM2 / 3600),
    }


if __name__ == "__main__":
    raise SystemExit(main())
