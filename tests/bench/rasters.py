"""Reading and writing a raster beside rasterio alone, which is the limit."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy import ndimage

from heliopolis.io.raster import read_onto, write_cog
from tests.bench.measure import Row, compare, measured

SIDE = 4000
GRID = GeoBox.from_bbox((0, 0, SIDE * 10, SIDE * 10), "EPSG:2154", resolution=10)


def temperature() -> xr.Dataset:
    """A smooth field with fine grain, float32, in hundredths as products are [degC]."""
    rng = np.random.default_rng(4)
    rough = ndimage.zoom(rng.normal(30.0, 4.0, (SIDE // 80, SIDE // 80)), 80, order=1)
    grain = rng.normal(0.0, 0.2, rough.shape)
    return xr.Dataset({"lst_c": wrap_xr(np.round(rough + grain, 2).astype("float32"), GRID)})


def decode(path: Path) -> np.ndarray[Any, Any]:
    """Plain decoding."""
    with rasterio.open(path) as source:
        return np.asarray(source.read(1))


def encode(path: Path, data: xr.Dataset) -> None:
    """The COG driver with the same compression, without statistics and names."""
    profile = {
        "driver": "GTiff",
        "width": SIDE,
        "height": SIDE,
        "count": 1,
        "dtype": "float32",
        "crs": str(GRID.crs),
        "transform": GRID.affine,
        "nodata": np.nan,
    }
    with rasterio.MemoryFile() as memory, memory.open(**profile) as plain:
        plain.write(data["lst_c"].to_numpy(), 1)
        rasterio.shutil.copy(
            plain,
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            blocksize="512",
            overview_resampling="average",
            num_threads="2",
        )


def run() -> list[Row]:
    """Compare reading, then writing."""
    data = temperature()
    what = f"{SIDE} x {SIDE} float32 COG"
    with TemporaryDirectory() as folder:
        ours, peer = Path(folder) / "ours.tif", Path(folder) / "peer.tif"
        written = measured(lambda: write_cog(ours, data)), measured(lambda: encode(peer, data))
        read = measured(lambda: read_onto([ours], GRID)), measured(lambda: decode(ours))
        mib = ours.stat().st_size / 2**20
        same = np.array_equal(read[0].value["lst_c"].to_numpy(), read[1].value)
    both = read[0].seconds + written[0].seconds
    return [
        compare(
            f"read a {what} onto a grid",
            read[0],
            "rasterio, decoding alone",
            read[1],
            "same values" if same else "values DIFFER",
            {"same_values": float(same)},
        ),
        compare(
            f"write a {what}",
            written[0],
            "rasterio, COG driver alone",
            written[1],
            f"{mib:.0f} MiB; ours adds statistics; both ways {both:.1f} s",
            {"file_mib": mib, "read_and_write_s": both},
        ),
    ]
