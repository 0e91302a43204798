"""Sharpening of surface temperature beside a random forest, beside pyDMS, and of a whole tile.

The tile of Sentinel-2 (10,980 x 10,980 pixels, six bands of 16 bit) is sharpened from cells of
100 m by ``heliopolis sharpen`` from file to file, beside decoding the bands and encoding as many
as come out.

pyDMS (github.com/radosuav/pyDMS) is run where ``HELIOPOLIS_PYDMS`` names a command that takes two
files, the fine bands and the coarse temperature [K], and writes a third: its own
``run_pyDMS.py`` with these names filled in, settings as they come. It needs GDAL's Python
bindings, so that it cannot be among the tests' requirements.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from scipy import ndimage
from sklearn.ensemble import RandomForestRegressor

from heliopolis.io.raster import raster_grid, read_raster
from heliopolis.io.windows import RasterWindows
from heliopolis.steps.sharpen_files import sharpen_files
from heliopolis.thermal.sharpen import SharpenResult, sharpen
from tests.bench.measure import Row, compare, measured

Array = np.ndarray[Any, Any]
SIDE = 400
FACTOR = 10
NOISE_K = 0.3
#: Pixels along a side of a tile of Sentinel-2, and of the part that is laid side by side in it.
TILE, PART = 10_980, 1_830
#: What has to hold for the tile: seconds, peak memory [MiB].
BAR_S, BAR_MIB = 360.0, 3072.0
#: Pixels along a side of the scene that pyDMS is given.
PYDMS_SIDE = 2_000


@dataclass(frozen=True)
class Town:
    """A made-up town: truth [K] and predictors on the fine grid, what the sensor saw [K]."""

    truth_k: Array
    seen_k: Array
    predictors: dict[str, Array]
    coarse: GeoBox
    fine: GeoBox


def town(side: int) -> Town:
    """Temperature that follows the predictors in part: bent, with a share they do not know.

    1.4 K of it (1 sigma) vary over about 400 m and 0.5 K from pixel to pixel, unseen by any
    predictor.
    """
    rng = np.random.default_rng(3)

    def pattern(length: float) -> Array:
        field = ndimage.gaussian_filter(rng.standard_normal((side, side)), length, mode="wrap")
        return np.asarray(field / field.std())

    ndvi = 0.45 + 0.25 * np.tanh(pattern(3.0) + 0.5 * pattern(12.0))
    built = 1.0 / (1.0 + np.exp(-2.0 * (pattern(4.0) - (ndvi - 0.45) / 0.25)))
    albedo = 0.18 + 0.04 * pattern(2.0)
    kelvin = 306.0 - 12.0 * ndvi**1.5 + 5.0 * built - 25.0 * (albedo - 0.18) * built
    truth = kelvin + 1.4 * pattern(40.0) + 0.5 * rng.standard_normal((side, side))
    fine = GeoBox.from_bbox((0, 0, side * 10, side * 10), "EPSG:2154", resolution=10)
    coarse = GeoBox.from_bbox((0, 0, side * 10, side * 10), "EPSG:2154", resolution=10 * FACTOR)
    seen = blocks(truth**4) ** 0.25
    seen = seen + rng.normal(0.0, NOISE_K, seen.shape)
    return Town(truth, seen, {"ndvi": ndvi, "built": built, "albedo": albedo}, coarse, fine)


def blocks(fine: Array) -> Array:
    """Mean over the pixels of each coarse cell."""
    rows, cols = (n // FACTOR for n in fine.shape)
    return np.asarray(fine.reshape(rows, FACTOR, cols, FACTOR).mean(axis=(1, 3)))


def ours(place: Town, regression: bool = True) -> SharpenResult:
    """Our sharpening, with the held-out test that decides whether and how far it is used."""
    sd = np.full(place.seen_k.shape, NOISE_K)
    return sharpen(
        place.seen_k, sd, place.predictors, place.coarse, place.fine, regression=regression
    )


def peer(place: Town) -> Array:
    """Forest learnt between cell means, applied to pixels; each cell's residual put back."""
    learnt = np.stack([blocks(field).ravel() for field in place.predictors.values()], axis=1)
    forest = RandomForestRegressor(100, min_samples_leaf=3, n_jobs=-1, random_state=0)
    forest.fit(learnt, place.seen_k.ravel())
    pixels = np.stack([field.ravel() for field in place.predictors.values()], axis=1)
    guess = forest.predict(pixels).reshape(place.fine.shape)
    return np.asarray(guess + np.kron(place.seen_k - blocks(guess), np.ones((FACTOR, FACTOR))))


def rmse_k(found: Any, place: Town) -> float:
    """Root mean square error [K]."""
    return float(np.sqrt(((np.asarray(found) - place.truth_k) ** 2).mean()))


def beside_forest() -> Row:
    """Compare the two."""
    place = town(SIDE)
    ours(town(120))
    mine, theirs = measured(lambda: ours(place)), measured(lambda: peer(place))
    plain = rmse_k(ours(place, regression=False).lst_k, place)
    errors = rmse_k(mine.value.lst_k, place), rmse_k(theirs.value, place)
    return compare(
        f"sharpening to {SIDE} x {SIDE} pixels, {FACTOR} times finer",
        mine,
        "scikit-learn forest, TsHARP",
        theirs,
        f"RMSE {errors[0]:.2f} K, peer {errors[1]:.2f} K, interpolation alone {plain:.2f} K",
        {"rmse_k": errors[0], "peer_rmse_k": errors[1], "interpolation_rmse_k": plain},
    )


def files(folder: Path, side: int, part: int) -> Town:
    """Write ``bands.tif`` and ``lst.tif`` of a town laid side by side; return one part of it.

    The bands are six, of 16 bit: those of the town and three that tell nothing.
    """
    place = town(part)
    rng = np.random.default_rng(5)
    useless = [ndimage.gaussian_filter(rng.standard_normal((part, part)), 3.0, mode="wrap")
               for _ in range(3)]  # fmt: skip
    fields = [*place.predictors.values(), *(0.2 + 0.2 * one for one in useless)]
    count = -(-side // part)
    grid = GeoBox.from_bbox((0, 0, side * 10, side * 10), "EPSG:32631", resolution=10)
    profile = {
        "driver": "GTiff", "crs": str(grid.crs), "transform": grid.affine, "width": side,
        "height": side, "tiled": True, "blockxsize": 512, "blockysize": 512,
        "compress": "deflate", "predictor": 2, "num_threads": 2,
    }  # fmt: skip
    with rasterio.open(folder / "bands.tif", "w", **profile, count=6, dtype="uint16") as sink:
        for band, field in enumerate(fields, start=1):
            numbers = np.rint(np.clip(field, 0.0, 6.0) * 10_000).astype("uint16")
            sink.write(np.tile(numbers, (count, count))[:side, :side], band)
    cells = side // FACTOR
    seen = np.tile(blocks(place.truth_k**4) ** 0.25, (count, count))[:cells, :cells]
    seen = seen + rng.normal(0.0, NOISE_K, seen.shape)
    profile |= {"width": cells, "height": cells, "predictor": 3,
                "transform": grid.affine * grid.affine.scale(FACTOR)}  # fmt: skip
    with rasterio.open(folder / "lst.tif", "w", **profile, count=1, dtype="float32") as sink:
        sink.write(seen.astype("float32"), 1)
        sink.units = ["K"]
    return place


def recode(source_file: Path, out: Path) -> None:
    """Decode all bands of a raster and encode three as 32 bit, a row of blocks at a time."""
    with rasterio.open(source_file) as source:
        profile = source.profile | {"dtype": "float32", "count": 3, "predictor": 3}
        with rasterio.open(out, "w", **(profile | {"num_threads": 2})) as sink:
            for top in range(0, source.height, 512):
                window = Window(0, top, source.width, min(512, source.height - top))
                sink.write(source.read(window=window)[:3].astype("float32"), window=window)


def sharpened(folder: Path) -> dict[str, Any]:
    """Ours, from file to file."""
    return sharpen_files(folder / "lst.tif", [folder / "bands.tif"], folder / "fine.tif")


def plainly(folder: Path) -> SharpenResult:
    """Ours from the same files to a plain GeoTIFF, which is what pyDMS writes."""
    bands, coarse = folder / "bands.tif", folder / "lst.tif"
    fine = raster_grid(bands)
    seen = read_raster(coarse).to_array().to_numpy()[0]
    made = sharpen(
        seen, np.zeros(seen.shape), RasterWindows([bands], fine), raster_grid(coarse), fine
    )
    profile = {"driver": "GTiff", "crs": str(fine.crs), "transform": fine.affine, "count": 2,
               "width": fine.shape[1], "height": fine.shape[0], "dtype": "float32"}  # fmt: skip
    with rasterio.open(folder / "fine.tif", "w", **profile) as sink:
        sink.write(np.stack([made.lst_k.values, made.sd_k.values]))
    return made


def file_rmse_k(file: Path, place: Town, celsius: bool) -> float:
    """Error of a file of temperature over the first part of the town [K]."""
    rows, columns = place.truth_k.shape
    with rasterio.open(file) as source:
        rows, columns = min(rows, source.height), min(columns, source.width)
        found = source.read(1, window=Window(0, 0, columns, rows))
    kelvin = found + (273.15 if celsius else 0.0)
    return float(np.sqrt(np.nanmean((kelvin - place.truth_k[:rows, :columns]) ** 2)))


def whole_tile(side: int = TILE, part: int = PART) -> Row:
    """A whole tile of Sentinel-2 from file to file."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        place = files(folder, side, part)
        mine = measured(lambda: sharpened(folder), at_most=1)
        error = file_rmse_k(folder / "fine.tif", place, celsius=True)
        theirs = measured(lambda: recode(folder / "bands.tif", folder / "again.tif"), at_most=1)
    met = mine.seconds <= BAR_S and (mine.peak_mib is None or mine.peak_mib <= BAR_MIB)
    return compare(
        f"sharpening of a tile of {side} x {side}, 6 bands, file to file",
        mine,
        "decoding and encoding",
        theirs,
        f"RMSE {error:.2f} K, method {mine.value['method']}; bar {BAR_S:.0f} s and "
        f"{BAR_MIB:.0f} MiB: {'met' if met else 'NOT MET'}",
        {"rmse_k": error},
    )


def beside_pydms(command: str, side: int = PYDMS_SIDE, part: int = PART) -> Row:
    """The same files given to pyDMS, which runs as a process of its own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        place = files(folder, side, part)
        words = [*shlex.split(command), str(folder / "bands.tif"), str(folder / "lst.tif"),
                 str(folder / "peer.tif")]  # fmt: skip
        mine = measured(lambda: plainly(folder), at_most=1)
        theirs = measured(lambda: subprocess.run(words, check=True), at_most=1)
        errors = (
            file_rmse_k(folder / "fine.tif", place, celsius=False),
            file_rmse_k(folder / "peer.tif", place, celsius=False),
        )
    return compare(
        f"sharpening of {side} x {side} pixels, 6 bands, file to plain file",
        mine,
        "pyDMS",
        theirs,
        f"RMSE {errors[0]:.2f} K, pyDMS {errors[1]:.2f} K",
        {"rmse_k": errors[0], "peer_rmse_k": errors[1]},
    )


def run() -> list[Row]:
    """All comparisons."""
    rows = [beside_forest(), whole_tile()]
    command = os.environ.get("HELIOPOLIS_PYDMS")
    return [*rows, beside_pydms(command)] if command else rows
