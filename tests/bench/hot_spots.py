"""Gi* of 10^6 cells beside PySAL, Gi* with p and q of 10^8 cells, and 10^5 places over them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import esda
import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from libpysal.graph import Graph
from scipy import ndimage

from heliopolis.heat.coverage import coverage
from heliopolis.heat.hotspots import HotSpots, getis_ord, hot_spots
from tests.bench.measure import Row, compare, measured

SIDE, LARGE_SIDE, PLACES = 1000, 10_000, 100_000
CELL_M = 100.0
DISTANCE_M = 300.0
#: What has to hold: times faster than the peer (1), time [s] and peak memory [MiB] of 10^8 cells,
#: time of 10^5 places over them [s].
BAR_FASTER, BAR_S, BAR_MIB, BAR_PLACES_S = 100.0, 120.0, 4096.0, 180.0
_CRS = "EPSG:32632"


def field(side: int) -> np.ndarray[Any, Any]:
    """Surface temperature with structure and noise [degC]."""
    noise = np.random.default_rng(1).standard_normal((2, side, side))
    return np.asarray(30.0 + 40.0 * ndimage.gaussian_filter(noise[0], 6.0) + noise[1])


def peer(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Gi* of PySAL, weights included: they are made for each raster that is new."""
    y, x = np.indices(values.shape)
    points = gpd.GeoSeries.from_xy(x.ravel() * CELL_M, y.ravel() * CELL_M)
    weights = Graph.build_distance_band(points, DISTANCE_M * (1 + 1e-9), binary=True)
    local = esda.G_Local(values.ravel(), weights, transform="B", star=True, permutations=0)
    return np.asarray(local.Zs).reshape(values.shape)


def large_field(folder: Path) -> np.ndarray[Any, Any]:
    """10^8 cells in single precision, mapped from a file: large structure and noise."""
    path, rng = folder / "field.npy", np.random.default_rng(2)
    made = np.lib.format.open_memmap(path, "w+", "float32", (LARGE_SIDE, LARGE_SIDE))
    coarse = 3.0 * rng.standard_normal((LARGE_SIDE // 50, LARGE_SIDE // 50), dtype="float32")
    for row in range(len(coarse)):
        stripe = made[row * 50 : (row + 1) * 50]
        rng.standard_normal(stripe.shape, dtype="float32", out=stripe)
        stripe += np.repeat(coarse[row], 50)
    made.flush()
    return np.load(path, mmap_mode="r")


def run() -> list[Row]:
    """Compare them."""
    with TemporaryDirectory() as folder:
        values = large_field(Path(folder))
        return [_beside_pysal(), _large(values), _places(values)]


def _beside_pysal() -> Row:
    small, large = field(20), field(SIDE)
    getis_ord(small, CELL_M, DISTANCE_M)
    peer(small)
    mine = measured(lambda: getis_ord(large, CELL_M, DISTANCE_M))
    theirs = measured(lambda: peer(large))
    difference = float(np.abs(mine.value - theirs.value).max())
    ratio = theirs.seconds / mine.seconds
    return compare(
        f"Gi* of {large.size:,} cells, {DISTANCE_M:.0f} m around each",
        mine,
        "libpysal Graph + esda G_Local",
        theirs,
        f"z-scores differ by at most {difference:.0e}; bar {BAR_FASTER:.0f} times faster: "
        + ("met" if ratio >= BAR_FASTER else "NOT MET"),
        {"largest_difference_z": difference},
    )


def _large(values: np.ndarray[Any, Any]) -> Row:
    def ours() -> HotSpots:
        return hot_spots(values, CELL_M, DISTANCE_M)

    hot_spots(values[:300, :300], CELL_M, DISTANCE_M)
    mine = measured(ours, at_most=1)
    sort = measured(lambda: np.sort(values, axis=None), at_most=1)
    met = mine.seconds <= BAR_S and (mine.peak_mib or 0.0) <= BAR_MIB
    return compare(
        f"Gi* with p and q of {values.size:,} cells",
        mine,
        "sorting as many values (numpy)",
        sort,
        f"bar {BAR_S:.0f} s, {BAR_MIB:.0f} MiB: {'met' if met else 'NOT MET'}",
    )


def _places(values: np.ndarray[Any, Any]) -> Row:
    rng = np.random.default_rng(3)
    middle = rng.uniform(500.0, LARGE_SIDE * 10.0 - 500.0, (PLACES, 2))
    around = shapely.buffer(shapely.points(middle), rng.uniform(20.0, 150.0, PLACES), quad_segs=4)
    places = gpd.GeoSeries(around, crs=_CRS)
    extent = (0.0, 0.0, LARGE_SIDE * 10.0, LARGE_SIDE * 10.0)
    affine = Affine(10.0, 0.0, 0.0, 0.0, -10.0, LARGE_SIDE * 10.0)
    mine = measured(lambda: coverage(places, values.shape, affine).mean(values), at_most=1)
    source = NumPyRasterSource(values, *extent, srs_wkt=places.crs.to_wkt())
    table = gpd.GeoDataFrame(geometry=places)
    theirs = measured(
        lambda: exact_extract(source, table, "mean", output="pandas")["mean"], at_most=1
    )
    difference = float(np.nanmax(np.abs(mine.value - theirs.value.to_numpy(dtype=float))))
    return compare(
        f"means of {PLACES:,} places over {values.size:,} cells",
        mine,
        "exactextract",
        theirs,
        f"differ by at most {difference:.0e}; bar {BAR_PLACES_S:.0f} s: "
        + ("met" if mine.seconds <= BAR_PLACES_S else "NOT MET"),
        {"largest_difference": difference},
    )
