"""The web map of a large town: size, time to make it, to open it, to move in it and to search.

Usage: ``python -m tests.bench.web_map [BUILDINGS]``; needs Chromium.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from heliopolis.report.html import Content
from heliopolis.report.map_page import render_map
from tests.services.browser import Tab, browser

READY = "document.documentElement.dataset.ready === 'yes'"
#: Two frames later, what was asked for is on the screen.
_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_RUN: dict[str, Any] = {
    "title": "Large town",
    "simulated": True,
    "versions": {},
    "created": "2026-01-01",
    "licences": [],
    "attribution": [],
}


def town(count: int, *, planes: bool = True) -> Content:
    """Made-up L-shaped buildings on a street grid, two roof planes each, with all fields."""
    rng = np.random.default_rng(1)
    number = np.arange(count)
    side = int(np.ceil(np.sqrt(count)))
    east = 650000 + 40.0 * (number % side) + rng.uniform(0, 10, count)
    north = 6860000 + 40.0 * (number // side) + rng.uniform(0, 10, count)
    turn, wide, deep = (rng.uniform(*ends, count) for ends in ((0, np.pi), (8, 24), (8, 20)))
    part = rng.uniform(0.3, 0.7, count)
    zero = np.zeros(count)
    along = np.stack([zero, wide, wide, wide * part, wide * part, zero], axis=1)
    across = np.stack([zero, zero, deep * part, deep * part, deep, deep], axis=1)
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    corners = np.stack(
        [east[:, None] + along * cos - across * sin, north[:, None] + along * sin + across * cos],
        axis=-1,
    )
    keys = [f"BATIMENT{i:012d}" for i in number]
    values = {
        name: rng.uniform(*ends, count)
        for name, ends in {
            "height_m": (3, 20), "footprint_m2": (40, 500), "lst_mean_c": (30, 42),
            "lst_sd_c": (1, 3), "capacity_kwp": (1, 90), "energy_kwh_year_p50": (900, 9e4),
            "energy_kwh_year_p90": (800, 8e4), "specific_yield_kwh_kwp": (500, 1100),
            "shading_loss": (0, 0.5), "co2_kg_year": (10, 900), "peer_percentile": (0, 100),
        }.items()
    }  # fmt: skip
    words = {"source": "cadastre", "quality": "HIGH", "best_use": "pv"}
    buildings = gpd.GeoDataFrame(
        {"building_id": keys, **values, **words}, geometry=shapely.polygons(corners), crs=2154
    )
    area = gpd.GeoDataFrame(
        {"name": ["town"]}, geometry=[shapely.box(*buildings.total_bounds)], crs=2154
    )
    roofs = _planes(corners, keys, rng) if planes else None
    return Content(_RUN, "en", area, buildings=buildings, roof_planes=roofs)


def _planes(corners: Any, keys: list[str], rng: np.random.Generator) -> gpd.GeoDataFrame:
    count = 2 * len(keys)
    shapes = [shapely.polygons(corners[:, which]) for which in ([0, 1, 2, 3], [0, 3, 4, 5])]
    values = {
        name: rng.uniform(*ends, count)
        for name, ends in {
            "tilt_deg": (0, 50), "azimuth_deg": (0, 360), "usable_m2": (5, 200),
            "poa_kwh_m2_year": (600, 1400), "energy_kwh_year_p50": (500, 5e4),
            "energy_kwh_year_p90": (400, 4e4), "shading_loss": (0, 0.5),
        }.items()
    }  # fmt: skip
    names = {"plane_id": [f"{k}-{i}" for i in "01" for k in keys], "building_id": [*keys, *keys]}
    return gpd.GeoDataFrame({**names, **values}, geometry=np.concatenate(shapes), crs=2154)


def timed(tab: Tab, action: Any) -> float:
    """Seconds until an action shows."""
    start = time.perf_counter()
    action()
    tab.run(_DRAWN)
    return time.perf_counter() - start


def main(count: int = 100_000) -> None:
    """Measure and print."""
    content = town(count)
    start = time.perf_counter()
    page = render_map(content)
    made = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder, browser() as tab:
        path = Path(folder) / "map.html"
        path.write_text(page, encoding="utf-8")
        start = time.perf_counter()
        tab.open(path, ready=READY)
        opened = time.perf_counter() - start
        tab.run("document.getElementById('map').focus()")
        moves = [timed(tab, lambda key=key: tab.press(key)) for key in ["ArrowLeft", "+"] * 6]
        tab.run("document.getElementById('search').focus()")
        found = timed(tab, lambda: tab.type("batiment0000000077"))
        heap = tab.run("performance.memory.usedJSHeapSize") / 1e6
    print(f"{count} buildings: page {len(page) / 1e6:.1f} MB, made in {made:.1f} s")
    print(f"opened in {opened:.2f} s, {heap:.0f} MB of script memory")
    print(f"a move shows after {statistics.median(moves):.3f} s (worst {max(moves):.3f} s)")
    print(f"a search shows after {found:.3f} s")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
