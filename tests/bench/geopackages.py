"""A million buildings as a GeoPackage with styles and index, beside pyogrio alone.

Usage: ``python -m tests.bench.geopackages [NUMBER]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from rich.console import Console

from heliopolis.io.geopackage import write_geopackage
from tests.bench.measure import Row, compare, measured

NUMBER = 1_000_000
#: What has to hold: seconds, peak memory [MiB].
BAR_S, BAR_MIB = 60.0, 2048.0


def buildings(number: int) -> gpd.GeoDataFrame:
    """Rectangular buildings in rows, with numbers in some fields and NULL in the others."""
    rng = np.random.default_rng(6)
    side = int(np.ceil(number**0.5))
    x, y = 20.0 * (np.arange(number) % side), 20.0 * (np.arange(number) // side)
    boxes = shapely.box(x, y, x + rng.uniform(8, 15, number), y + rng.uniform(8, 15, number))
    energy = rng.uniform(500, 9000, number)
    columns = {
        "building_id": [f"B{i:07d}" for i in range(number)],
        "source": "both", "quality": "HIGH", "best_use": "pv",
        "footprint_m2": shapely.area(boxes), "height_m": rng.uniform(3, 20, number),
        "lst_mean_c": rng.normal(35, 3, number), "usable_m2": rng.uniform(10, 90, number),
        "energy_kwh_year_p50": energy, "energy_kwh_year_p90": 0.9 * energy,
        "specific_yield_kwh_kwp": rng.uniform(600, 1100, number),
    }  # fmt: skip
    return gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:2154")


def written(number: int = NUMBER) -> Row:
    """Ours, with all that makes it open well, and the bare layer."""
    table = buildings(number)
    with TemporaryDirectory() as name:
        folder = Path(name)
        mine = measured(
            lambda: write_geopackage(folder / "ours.gpkg", {"buildings": table}), at_most=1
        )
        theirs = measured(
            lambda: pyogrio.write_dataframe(table, folder / "bare.gpkg", layer="buildings"),
            at_most=1,
        )
    met = mine.seconds <= BAR_S and (mine.peak_mib or 0.0) <= BAR_MIB
    return compare(
        f"GeoPackage of {number:,} buildings, styled and indexed",
        mine,
        "pyogrio, the bare layer",
        theirs,
        f"bar {BAR_S:.0f} s, {BAR_MIB:.0f} MiB: {'met' if met else 'NOT MET'}",
    )


def run() -> list[Row]:
    """The comparison."""
    return [written()]


if __name__ == "__main__":
    Console().print(written(*(int(word) for word in sys.argv[1:2])).record())
