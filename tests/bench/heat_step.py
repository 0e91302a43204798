"""The whole step from maps to hot zones, file to file, beside decoding the same maps.

Usage: ``python -m tests.bench.heat_step [SIDE]``, pixels of 10 m along a side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from rich.console import Console
from scipy.ndimage import gaussian_filter

from heliopolis.io.raster import read_raster, write_cog
from heliopolis.io.vector import write_layers
from heliopolis.steps.heat import hot_zones
from tests.bench.measure import Row, compare, measured

SIDE, PIXEL_M, CRS = 2000, 10.0, "EPSG:32631"
#: Pixels along a part that is laid side by side.
_PART = 1000


def inputs(folder: Path, side: int) -> dict[str, Any]:
    """Maps of a made-up town of ``side`` pixels, warm where it is not green."""
    rng = np.random.default_rng(4)

    def pattern(length: float) -> np.ndarray[Any, Any]:
        one = gaussian_filter(rng.standard_normal((_PART, _PART)), length, mode="wrap")
        count = -(-side // _PART)
        return np.tile(one / one.std(), (count, count))[:side, :side].astype("float32")

    wide = gaussian_filter(rng.standard_normal((side // 20 + 1,) * 2), 8.0)
    wide = np.kron(wide / wide.std(), np.ones((20, 20)))[:side, :side].astype("float32")
    ndvi = np.clip(0.4 + 0.2 * pattern(3.0) - 0.1 * wide, 0.0, 0.9)
    anomaly = 3.0 * wide - 8.0 * (ndvi - 0.4) + pattern(10.0)
    ones = np.ones_like(ndvi)
    grid = GeoBox.from_bbox((0, 0, side * PIXEL_M, side * PIXEL_M), CRS, resolution=PIXEL_M)
    lst = {"lst_median_c": 30.0 + anomaly, "lst_sd_c": ones, "anomaly_c": anomaly,
           "n_obs": 4 * ones, "effective_resolution_m": 60 * ones,
           "persistence": 0.7 * ones}  # fmt: skip
    optical = {"ndvi": ndvi, "albedo": 0.15 + 0.02 * pattern(2.0), "built": 1.0 - ndvi,
               "water": 0 * ones}  # fmt: skip
    for name, bands in (("lst", lst), ("optical", optical)):
        write_cog(folder / f"{name}.tif", {key: wrap_xr(v, grid) for key, v in bands.items()})
    area = gpd.GeoDataFrame({"name": ["x"]}, geometry=[shapely.box(*grid.boundingbox)], crs=CRS)
    write_layers(folder / "boundary.gpkg", {"study_area": area})
    return {
        "lst": folder / "lst.tif", "optical": folder / "optical.tif",
        "boundary": folder / "boundary.gpkg", "places": [], "footprints": None,
        "hot_zones": folder / "hot_zones.gpkg", "options": {"heat": {}, "places": None},
    }  # fmt: skip


def whole_step(side: int = SIDE) -> Row:
    """The step, and reading what it reads."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        given = inputs(folder, side)
        mine = measured(lambda: hot_zones(**given), at_most=1)
        theirs = measured(
            lambda: [read_raster(given[key]).load().sizes for key in ("lst", "optical")], at_most=1
        )
    per_pixel = (mine.peak_mib or 0.0) * 2**20 / side**2
    return compare(
        f"hot zones of {side**2:,} pixels, file to file",
        mine,
        "decoding the maps",
        theirs,
        f"{per_pixel:.0f} bytes a pixel",
        {"bytes_per_pixel": per_pixel},
    )


def run() -> list[Row]:
    """The comparison."""
    return [whole_step()]


if __name__ == "__main__":
    row = whole_step(*(int(word) for word in sys.argv[1:2]))
    Console().print(row.record())
