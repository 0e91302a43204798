"""Runs that are disturbed, again and again: the run after ends as if nothing had been.

``python -m tests.bench.chaos FOLDER --seeds 0 10`` simulates a tiny city in FOLDER, runs it once
undisturbed, and then once for each seed: the run is hit by one fault at a random moment, and
resumed until it ends. The result must be that of the undisturbed run, and at no sampled moment
may a file under a final name be torn. Prints one JSON line for each seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import rasterio
import yaml

from heliopolis.io.raster import read_raster
from heliopolis.io.vector import read_layer

#: A run that does not come to its end in this many tries has failed.
TRIES = 4
WITHIN_S = 600


def configuration(city: Path, folder: Path) -> Path:
    """Heat of two Landsat scenes: every kind of job of a scene, and what comes after."""
    record = {
        "name": "town",
        "simulated": True,
        "area": {"boundary": str(city / "boundary.gpkg"), "crs": "EPSG:2154", "resolution_m": 20},
        "period": {"start": "2025-06-01", "end": "2025-06-25", "months": [6]},
        "thermal": {
            "sources": [
                {
                    "kind": "stac",
                    "catalog": str(city / "catalog" / "catalog.json"),
                    "collections": ["landsat-c2-l2"],
                }
            ]
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "town.yaml"
    path.write_text(yaml.safe_dump(record))
    return path


def started(config: Path, folder: Path) -> subprocess.Popen[str]:
    """A run in the background."""
    words = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline"]
    with (folder / "run.log").open("a") as log:
        return subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, text=True)


def digest(results: Path) -> str:
    """Digest of what the results say: pixels and tables, not times and names of temporary files."""
    found = hashlib.sha256()
    for path in [results / "lst.tif", *sorted(results.glob("scenes/*/lst.tif"))]:
        data = read_raster(path)
        for name in data:
            found.update(str(name).encode() + data[name].to_numpy().tobytes())
    for layer in ("hot_zones", "heat_cells"):
        table = read_layer(results / "hot_zones.gpkg", layer)
        found.update(table.drop(columns="geometry").to_csv().encode())
        found.update(b"".join(table.geometry.to_wkb()))
    return found.hexdigest()


def torn(results: Path) -> list[str]:
    """Rasters under final names that cannot be opened now."""
    wrong = []
    for path in results.rglob("*.tif"):
        if path.name.startswith(".") or ".snakemake" in path.parts:
            continue
        try:
            with rasterio.open(path) as source:
                source.read(1)
        except rasterio.errors.RasterioError:
            if path.exists():
                wrong.append(path.name)
    return wrong


def kill_one(process: subprocess.Popen[str], draw: random.Random, results: Path) -> str:
    """Kill -9 of the run or of any process that it started."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
        victim = draw.choice(family)
        victim.kill()
    except psutil.NoSuchProcess:
        return "gone already"
    return "kill -9 of " + ("the run" if victim.pid == process.pid else "a process of the run")


def terminate(process: subprocess.Popen[str], draw: random.Random, results: Path) -> str:
    process.send_signal(signal.SIGTERM)
    return "SIGTERM"


def _intermediate(draw: random.Random, results: Path) -> Path | None:
    found = sorted(p for p in (results / "work").rglob("*.tif") if not p.name.startswith("."))
    return draw.choice(found) if found else None


def truncate(process: subprocess.Popen[str], draw: random.Random, results: Path) -> str:
    """Kill the run and cut a file that it left, as a disk does that loses power."""
    kill_all(process)
    path = _intermediate(draw, results)
    if path is None:
        return "kill -9 of all"
    os.truncate(path, path.stat().st_size // 2)
    return f"truncated {path.name}"


def delete(process: subprocess.Popen[str], draw: random.Random, results: Path) -> str:
    kill_all(process)
    path = _intermediate(draw, results)
    if path is None:
        return "kill -9 of all"
    path.unlink()
    return f"deleted {path.name}"


def clock(process: subprocess.Popen[str], draw: random.Random, results: Path) -> str:
    """Kill the run and shift the times of what it left by up to a day, as a clock that jumps."""
    kill_all(process)
    shift = draw.uniform(-86400, 86400)
    for path in results.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            told = path.stat()
            os.utime(path, (told.st_atime + shift, told.st_mtime + shift))
    return f"clock jump {shift:.0f} s"


FAULTS: tuple[Callable[..., str], ...] = (kill_one, terminate, truncate, delete, clock)


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the run with all that it started."""
    try:
        family = [*psutil.Process(process.pid).children(True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue


def full_disk(folder: Path, config: Path, draw: random.Random) -> str:
    """A run on a small file system of its own, which fills up."""
    small = folder / "results"
    small.mkdir(parents=True, exist_ok=True)
    size = draw.choice((200, 400, 800, 1500))
    options = f"size={size}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(small)], check=True)
    try:
        run = started(config, folder)
        run.wait(WITHIN_S)
        kept = folder / "kept"
        shutil.copytree(small, kept, symlinks=True, dirs_exist_ok=True)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    shutil.rmtree(small)
    kept.rename(small)
    return f"disk of {size} kB: exit status {run.returncode}"


def disturbed(config: Path, folder: Path, seed: int, lasting_s: float) -> dict[str, Any]:
    """One run that is hit, and resumed until it ends."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    results = folder / "results" / "town"
    wrong: list[str] = []
    if seed % 6 == 5:
        told = full_disk(folder, config, draw)
    else:
        run = started(config, folder)
        until = time.monotonic() + draw.uniform(0.05, 0.95) * lasting_s
        while time.monotonic() < until and run.poll() is None:
            wrong += torn(results)
            time.sleep(0.2)
        told = FAULTS[seed % 6](run, draw, results)
        run.wait(WITHIN_S)
    tries, status = 0, 1
    while status != 0 and tries < TRIES:
        tries += 1
        status = started(config, folder).wait(WITHIN_S)
        if status == 4:
            time.sleep(5)
    same = digest(results) if status == 0 else "no result"
    left = [p.name for p in results.rglob(".*.tif")]
    return {"seed": seed, "fault": told, "tries": tries, "status": status, "digest": same,
            "torn": wrong, "left": left}  # fmt: skip


def main() -> int:
    """Run the seeds; the exit status is the number of those that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 6))
    parser.add_argument("--city", type=Path)
    parser.add_argument("--minutes", type=float, default=7.0)
    given = parser.parse_args()
    folder = given.folder.resolve()
    city = given.city
    if city is None:
        from heliopolis.simulate.export import simulate

        city = simulate(folder / "city", preset="tiny", seed=1)
    begun = time.monotonic()
    config = configuration(city.resolve(), folder)
    calm = folder / "calm"
    shutil.rmtree(calm, ignore_errors=True)
    calm.mkdir()
    if started(config, calm).wait(WITHIN_S) != 0:
        raise SystemExit("the undisturbed run failed")
    lasting = time.monotonic() - begun
    truth = digest(calm / "results" / "town")
    bad = number = 0
    for seed in range(*given.seeds):
        if time.monotonic() - begun > given.minutes * 60:
            break
        place = folder / f"seed{seed}"
        shutil.rmtree(place, ignore_errors=True)
        told = disturbed(config, place, seed, lasting)
        good = told["digest"] == truth and not told["torn"] and not told["left"]
        number, bad = number + 1, bad + (not good)
        print(json.dumps({**told, "digest": None, "equal": good}), flush=True)
        if good:
            shutil.rmtree(place)
    print(f"{number - bad} of {number} seeds ended equal; a calm run takes {lasting:.0f} s")
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
