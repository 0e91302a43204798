"""A year of monthly reruns on a schedule, beside one run over all of it.

``python -m tests.bench.months FOLDER`` simulates a tiny city in FOLDER with none, one or two
Landsat scenes a month. At the end of each month a run on a schedule sees what has come by then.
The result of the twelfth must be that of one run over all scenes, and the cost of each follow
from what was new: prints a JSON line for each month, and for the run over all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac

from heliopolis.simulate import landsat_scene
from heliopolis.simulate.city import build_city
from heliopolis.simulate.export import simulate, spec_of
from heliopolis.simulate.heat_truth import Weather, ground
from heliopolis.simulate.overpass import Overpass, View
from heliopolis.simulate.stac_catalog import write_catalog
from tests.bench.results import differences
from tests.workflow.catalogs import LANDSAT, Arrivals, heat_config
from tests.workflow.test_workflow import jobs

#: Days of the scenes of each month: none in December, two in summer.
DAYS = ((12,), (13,), (17,), (18,), (4, 20), (5, 21), (7, 23), (8, 24), (9,), (11,), (12,), ())
PERIOD = {"start": "2025-01-01", "end": "2025-12-31", "months": list(range(1, 13))}


def overpass(month: int, day: int) -> Overpass:
    """A fairly clear day of that month."""
    warm = math.sin((month - 4) / 6 * math.pi)
    acquired = datetime(2025, month, day, 10, 40, 20, tzinfo=UTC)
    weather = Weather(
        acquired, 12 + 10 * warm, 6 + 2 * warm, 2.6, 11 + 5 * warm, 17 + 7 * warm, 0.7
    )
    platform = "landsat-8" if day % 2 else "landsat-9"
    name = landsat_scene.scene_id(platform, f"{acquired:%Y%m%d}")
    return Overpass(platform, name, weather, 0.02 * (day % 5))


def year(folder: Path) -> Path:
    """A city with the scenes of a year."""
    city, out = simulate(folder / "city", preset="tiny", seed=1), folder / "year"
    if out.exists():
        return out
    out.mkdir()
    for name in ("boundary.gpkg", "places.gpkg", "roads.gpkg"):
        shutil.copy(city / name, out / name)
    over = ground(build_city(spec_of("tiny", seed=1)))
    items: list[pystac.Item] = [
        landsat_scene.write_level2(View(overpass(m, day), over), out / "catalog" / LANDSAT)
        for m, days in enumerate(DAYS, start=1)
        for day in days
    ]
    write_catalog(out / "catalog", items)
    return out


def run(config: Path, *words: str) -> dict[str, Any]:
    """A run and what it took."""
    command = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline", *words]
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        command, cwd=config.parent, env=dict(os.environ), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    told = {"seconds": time.perf_counter() - start, "cpu_seconds": cpu}
    return {key: round(value, 1) for key, value in told.items()} | {
        "jobs": sum(jobs(config.parent / "results" / config.stem).values()),
        "nothing_new": "nothing new" in done.stderr,
    }


def main() -> int:
    """Twelve reruns and one run over all; 1 where they do not agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "arrivals", ignore_errors=True)
    shutil.rmtree(folder / "results", ignore_errors=True)
    arrivals = Arrivals(year(folder), folder / "arrivals")
    config = heat_config(
        arrivals, folder / "monthly.yaml", period=PERIOD, optical={}, schedule={"keep": 2}
    )
    for month in range(1, 13):
        arrivals.show([date for date in arrivals.dates if int(date[4:6]) <= month])
        told = run(config, "--scheduled")
        print(json.dumps({"month": month, "new": len(DAYS[month - 1]), **told}), flush=True)
    alone = folder / "whole"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    told = run(heat_config(arrivals, alone / "monthly.yaml", period=PERIOD, optical={}))
    one, two = (place / "results" / "monthly" for place in (folder, alone))
    found = differences(one, two, names_of_zones=False)
    print(json.dumps({"whole": sum(map(len, DAYS)), **told, "differences": found}))
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
