"""The same city with other memory, cores and tiles: the results must be equal.

``python -m tests.bench.equality FOLDER`` simulates a tiny city in FOLDER and runs it with two
cores and 4 GB, and then again with one core, with 2 GB, with 8 GB and in tiles of half the side.
Prints one JSON line for each run; values may differ by 1e-6, identifiers not at all. Ends with
1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from heliopolis.simulate.export import simulate
from tests.bench.results import differences
from tests.workflow.conftest import demo_config, write_config

TILE_M = 200
#: What is called, beside the name of the run, and the tile [m].
VARIANTS: dict[str, tuple[list[str], int]] = {
    "base": (["--cores", "2", "--memory", "4"], TILE_M),
    "one_core": (["--cores", "1", "--memory", "4"], TILE_M),
    "memory_2": (["--cores", "2", "--memory", "2"], TILE_M),
    "memory_8": (["--cores", "2", "--memory", "8"], TILE_M),
    "half_tiles": (["--cores", "2", "--memory", "4"], TILE_M // 2),
}


def one_run(city: Path, folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """Run a variant; its results, and what it took."""
    words, tile_m = VARIANTS[name]
    folder = folder / name
    folder.mkdir(exist_ok=True)
    config = write_config(
        folder / "town.yaml", demo_config(city, name="town", roofs={"tile_m": tile_m})
    )
    command = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline", *words]
    start = time.perf_counter()
    with (folder / "run.log").open("w") as log:
        subprocess.run(
            command, cwd=folder, env=dict(os.environ), stdout=log, stderr=log, check=True
        )
    results = folder / "results" / "town"
    lines = (results / "work" / "logs" / "jobs.jsonl").read_text().splitlines()
    jobs = [json.loads(line) for line in lines]
    peak = max((job.get("peak_memory_mb") or 0.0) for job in jobs)
    seconds = round(time.perf_counter() - start, 1)
    return results, {"run": name, "jobs": len(jobs), "seconds": seconds, "peak_mb": peak}


def main() -> int:
    """Run all variants; the number of those that differ from the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    city = simulate(folder / "city", preset="tiny", seed=1)
    base, bad = None, 0
    for name in VARIANTS:
        results, told = one_run(city, folder, name)
        base = base or results
        told["differences"] = differences(base, results)
        bad += bool(told["differences"])
        print(json.dumps(told), flush=True)
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
