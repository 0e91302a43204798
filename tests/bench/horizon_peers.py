"""Horizons of the same surface from programs that are installed beside: GRASS, topocalc, others.

None of them is a dependency. GRASS is looked for on the path; ``HELIOPOLIS_BENCH_PEERS`` names a
Python interpreter with topocalc, whitebox-workflows and rvt-py, or with some of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import write_cog

Array = np.ndarray[Any, Any]
#: Each peer's call, given ``dsm`` (array), ``cell`` and ``reach`` [m], ``path`` (GeoTIFF) and
#: ``angles`` (azimuths) [deg]; the first call of each is not counted.
_CALLS = {
    "topocalc": (
        "from topocalc.horizon import horizon",
        "[horizon((360.0 - a) % 360.0 - 180.0, dsm.astype('float64'), cell) for a in angles]",
    ),
    "whitebox-workflows": (
        "import whitebox_workflows; wbe = whitebox_workflows.WbEnvironment(); "
        "wbe.verbose = False; raster = wbe.read_raster(path)",
        "[wbe.horizon_angle(raster, a, reach) for a in angles]",
    ),
    "rvt-py": (
        "from rvt.vis import sky_view_factor_compute",
        "sky_view_factor_compute(dsm / cell, radius_max=int(reach / cell), "
        "num_directions=len(angles))",
    ),
}


def seconds(dsm: Array, cell_m: float, reach_m: float, directions: int) -> dict[str, float]:
    """Wall time of each peer that is there [s], one process each, all directions."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "dsm.tif", dsm, cell_m)
        np.save(folder / "dsm.npy", dsm)
        if shutil.which("grass"):
            found["GRASS r.horizon"] = _grass(folder, reach_m, directions)
        python = os.environ.get("HELIOPOLIS_BENCH_PEERS")
        for peer in _CALLS if python else ():
            taken = _python(str(python), peer, folder, cell_m, reach_m, directions)
            if taken is not None:
                found[peer] = taken
    return found


def sun_day_seconds(dsm: Array, cell_m: float) -> float | None:
    """Wall time of GRASS r.sun for one day in steps of an hour [s]; None without GRASS."""
    if not shutil.which("grass"):
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "dsm.tif", dsm, cell_m)
        run = _grass_session(folder)
        subprocess.run(
            [*run, "r.slope.aspect", "elevation=dsm", "slope=slope", "aspect=aspect"],
            check=True,
            capture_output=True,
        )
        return _timed(
            run, "r.sun elevation=dsm aspect=aspect slope=slope day=81 step=1 glob_rad=g nprocs=2"
        )


def _write(path: Path, dsm: Array, cell_m: float) -> None:
    grid = GeoBox.from_bbox(
        (0, 0, dsm.shape[1] * cell_m, dsm.shape[0] * cell_m), "EPSG:2154", resolution=cell_m
    )
    write_cog(path, {"dsm_m": wrap_xr(dsm, grid)})


def _python(
    python: str, peer: str, folder: Path, cell_m: float, reach_m: float, directions: int
) -> float | None:
    load, call = _CALLS[peer]
    script = f"""
import json, time, numpy as np
path, cell, reach = {str(folder / "dsm.tif")!r}, {cell_m}, {reach_m}
dsm = np.load({str(folder / "dsm.npy")!r})
{load}
angles = [0.0]
{call}
angles = [k * 360.0 / {directions} for k in range({directions})]
start = time.perf_counter()
{call}
print(json.dumps(time.perf_counter() - start))
"""
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return float(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else None


def _grass(folder: Path, reach_m: float, directions: int) -> float:
    """Time that GRASS takes for all directions, from the clock around the module alone."""
    return _timed(
        _grass_session(folder),
        f"r.horizon elevation=dsm step={360 / directions} maxdistance={reach_m} output=hz",
    )


def _grass_session(folder: Path) -> list[str]:
    """Words that begin a call in a new GRASS location with the surface in it."""
    place = folder / "grass"
    place.mkdir()
    run = ["grass", str(place / "city" / "PERMANENT"), "--exec"]
    for words in (
        ["grass", "-c", str(folder / "dsm.tif"), str(place / "city"), "-e"],
        [*run, "r.in.gdal", f"input={folder / 'dsm.tif'}", "output=dsm", "band=1"],
        [*run, "g.region", "raster=dsm"],
    ):
        subprocess.run(words, check=True, capture_output=True)
    return run


def _timed(run: list[str], module: str) -> float:
    done = subprocess.run(
        [*run, "bash", "-c", f"time {module}"], check=True, capture_output=True, text=True
    )
    taken = re.search(r"real\s+(\d+)m([\d.]+)s", done.stderr)
    if taken is None:
        raise RuntimeError(f"{module} told no time: {done.stderr[-300:]}")
    return 60 * int(taken[1]) + float(taken[2])
