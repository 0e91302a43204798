"""A simulated city from LiDAR and footprints to rooftop PV, step by step, as a share of an hour.

Usage: ``python -m tests.bench.city_roofs [BUILDINGS [FOLDER]]``. A small city is told in time of
the processor, interpreters and imports included, so that other work on the machine counts little;
one of 50,000 buildings in time by the clock. Inputs that lie in FOLDER from before are used.

A job takes the time to start, which the shortest job tells, and some for each building. A small
city has tiles that are hardly filled; in the large one there are so many jobs as full tiles need.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from heliopolis.io.laz import write_laz
from heliopolis.io.vector import read_layer
from heliopolis.simulate.aerial import write_boundary
from heliopolis.simulate.cadastre import write_footprints
from heliopolis.simulate.city import City, CitySpec, build_city
from heliopolis.simulate.lidar import scan
from heliopolis.simulate.weather import write_weather
from tests.bench.measure import Measured, Row, compare

BUILDINGS, CITY_BUILDINGS, CORES = 1000, 50_000, 2
BAR_S, BAR_MIB = 3600.0, 4096.0
#: Side of a tile, as by default [m], and jobs of each.
_TILE_M, _JOBS_OF_A_TILE = 600.0, 3
#: Steps after the GeoPackage.
_AFTER = ("publish",)
#: Buildings of the simulated core [1/m2], about.
_DENSITY = 676 / 600.0**2
#: Points are delivered in squares of this side [m], as surveys are.
_SHEET_M, _POINTS_PER_M2 = 500.0, 10.0
_ROOT = Path(__file__).parents[2]


def inputs(folder: Path, buildings: int, seed: int = 11) -> Path:
    """Simulate a city of about so many buildings into ``folder``; its configuration."""
    core = math.ceil(math.sqrt(buildings / _DENSITY) / 50.0) * 50.0
    city = build_city(CitySpec(seed=seed, size_m=max(3000.0, 2.5 * core), core_m=core))
    write_boundary(city, folder / "boundary.gpkg")
    write_footprints(city, folder / "footprints.gpkg", seed)
    write_weather(city, folder / "weather.csv")
    _write_sheets(city, folder / "points")
    config = {
        "name": "city",
        "simulated": True,
        "results": str(folder / "results"),
        "area": {"boundary": str(folder / "boundary.gpkg"), "crs": city.spec.crs},
        "footprints": {"file": str(folder / "footprints.gpkg"), "id_field": "building_id"},
        "elevation": {"points": str(folder / "points" / "*.laz"), "resolution_m": 0.5},
        "weather": {"files": str(folder / "weather.csv")},
        "solar": {"country": "FR"},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _write_sheets(city: City, folder: Path) -> None:
    names = ("classification", "return_number", "number_of_returns", "intensity", "gps_time")
    folder.mkdir()
    west, south, east, north = city.core_bounds
    for left in np.arange(west, east, _SHEET_M):
        for low in np.arange(south, north, _SHEET_M):
            bounds = (left, low, min(left + _SHEET_M, east), min(low + _SHEET_M, north))
            sheet = scan(city, _POINTS_PER_M2, bounds)
            write_laz(
                folder / f"{left:.0f}_{low:.0f}.laz",
                sheet["x"].to_numpy(),
                sheet["y"].to_numpy(),
                sheet["z"].to_numpy(),
                city.spec.crs,
                attributes={name: sheet[name].to_numpy() for name in names},
                description="simulated, no real place",
                created=pd.Timestamp("2025-07-01").date(),
            )


def run_city(config: Path) -> tuple[pd.DataFrame, float]:
    """Run everything; the record of each job, and the wall time [s]."""
    words = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline"]
    start = time.perf_counter()
    subprocess.run(
        [*words, "--cores", str(CORES)], check=True, cwd=_ROOT, env=dict(os.environ),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    log = config.parent / "results" / "city" / "work" / "logs" / "jobs.jsonl"
    jobs = pd.DataFrame([json.loads(line) for line in log.read_text().splitlines()])
    jobs["step"] = jobs["job"].str.partition(".")[0]
    return jobs, seconds


def by_step(jobs: pd.DataFrame, buildings: int) -> pd.DataFrame:
    """Jobs, processor time of a building [ms] and of a job [s], peak memory [MB] of each step."""
    groups = jobs.groupby("step", sort=False)
    table = pd.DataFrame(
        {
            "jobs": groups.size(),
            "ms_building": 1000.0 * groups["cpu_seconds"].sum() / buildings,
            "s_job": groups["cpu_seconds"].mean(),
            "wall_s_job": groups["seconds"].mean(),
            "peak_mb": groups["peak_memory_mb"].max(),
        }
    )
    return table.sort_values("ms_building", ascending=False)


def city_seconds(jobs: pd.DataFrame, buildings: int) -> float:
    """Time of a large city on all cores [s]."""
    jobs = jobs[~jobs["step"].isin(_AFTER)]
    start = float(jobs["cpu_seconds"].min())
    each = float((jobs["cpu_seconds"] - start).sum()) / buildings
    tiles = CITY_BUILDINGS / (_DENSITY * _TILE_M**2)
    return (each * CITY_BUILDINGS + start * _JOBS_OF_A_TILE * tiles) / CORES


def together_mb(jobs: pd.DataFrame) -> float:
    """Most memory that jobs which ran at one time may have held [MB], each at its peak."""
    ended = pd.to_datetime(jobs["ended"]).map(pd.Timestamp.timestamp)
    began = ended - jobs["seconds"]
    return max(
        float(jobs["peak_memory_mb"][(began <= moment) & (ended > moment)].sum())
        for moment in began
    )


def whole(buildings: int = BUILDINGS, folder: Path | None = None) -> tuple[Row, pd.DataFrame]:
    """The city against the hour, a small one extrapolated, and the table of its steps."""
    with TemporaryDirectory() as name:
        home = Path(name) if folder is None else folder
        home.mkdir(parents=True, exist_ok=True)
        config = home / "config.yaml"
        jobs, wall_s = run_city(config if config.exists() else inputs(home, buildings))
        count = len(read_layer(home / "results" / "city" / "rooftop_pv.gpkg", "buildings"))
    steps = by_step(jobs, count)
    ms = float(steps["ms_building"].sum())
    measured = count >= CITY_BUILDINGS
    city_s = wall_s if measured else city_seconds(jobs, count)
    peak = together_mb(jobs) * 1e6 / 2**20
    figures: dict[str, Any] = {
        "buildings": count,
        "ms_building": ms,
        "city_minutes": city_s / 60.0,
        "wall_s": wall_s,
        "load_1_min": os.getloadavg()[0],
    }
    note = f"{ms:.0f} ms of processor time a building ({count:,} of them), {wall_s:.0f} s of wall"
    row = compare(
        f"rooftop PV of {CITY_BUILDINGS:,} buildings on {CORES} cores, "
        + ("measured" if measured else "extrapolated"),
        Measured(None, city_s, 1, peak),
        "an hour and 4 GiB",
        Measured(None, BAR_S, 1, BAR_MIB),
        note,
        figures,
    )
    return row, steps


def run() -> list[Row]:
    """The comparison."""
    return [whole()[0]]


if __name__ == "__main__":
    given = sys.argv[1:]
    row, steps = whole(
        int(given[0]) if given else BUILDINGS, Path(given[1]) if len(given) > 1 else None
    )
    console = Console(width=120)
    console.print(steps.round(2).to_string())
    console.print(row.record())
