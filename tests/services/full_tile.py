"""Simulated Sentinel-2 tiles of full size, as cloud-optimised GeoTIFFs, and scenes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

from heliopolis.scene import Scene, Sensor

SIDE = 10980
EPSG = 32632
WEST, NORTH = 600000.0, 5200020.0
TRANSFORM = Affine(10.0, 0, WEST, 0, -10.0, NORTH)
_STRIPE = 1024


def write_tile(path: Path, *, blocksize: int = 1024, seed: int = 0, side: int = SIDE) -> Path:
    """Write a tile with overviews; about 1.5 bytes for each pixel, as real ones have.

    The noise is one patch, shifted from place to place, over a smooth background.
    """
    rng = np.random.default_rng(seed)
    patch = rng.normal(0.0, 90.0, (2 * _STRIPE, 2 * _STRIPE)).astype("float32")
    plain = path.with_suffix(".plain.tif")
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": 1,
        "dtype": "uint16",
        "crs": f"EPSG:{EPSG}",
        "transform": TRANSFORM,
        "nodata": 0,
        "tiled": True,
        "blockxsize": blocksize,
        "blockysize": blocksize,
    }
    across = np.arange(side, dtype="float32")
    with rasterio.open(plain, "w", **profile) as target:
        for top in range(0, side, _STRIPE):
            rows = min(_STRIPE, side - top)
            down = np.arange(top, top + rows, dtype="float32")[:, None]
            ground = 1800.0 + 500.0 * np.sin(down / 700.0) * np.cos(across / 900.0)
            grain = np.concatenate(
                [
                    np.roll(patch, int(rng.integers(1 << 20)))[:rows, : min(_STRIPE, side - left)]
                    for left in range(0, side, _STRIPE)
                ],
                axis=1,
            )
            values = (ground + grain).clip(1, 10000).astype("uint16")
            target.write(values[None], window=Window(0, top, side, rows))
    rasterio.shutil.copy(
        plain,
        path,
        driver="COG",
        compress="DEFLATE",
        level=1,
        predictor="YES",
        blocksize=blocksize,
        overview_resampling="nearest",
        num_threads="2",
    )
    plain.unlink()
    return path


def scene(number: int, hrefs: dict[str, str], *, side: int = SIDE) -> Scene:
    """Scene ``number`` with one asset for each entry of ``hrefs``."""
    acquired = datetime(2025, 6, 1, 10, 20, tzinfo=UTC) + timedelta(days=5 * number)
    name = f"S2B_32TPT_{acquired:%Y%m%d}_0_L2A"
    size = side * 10.0
    corners = [
        (WEST, NORTH),
        (WEST, NORTH - size),
        (WEST + size, NORTH - size),
        (WEST + size, NORTH),
    ]
    from pyproj import Transformer

    degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    ring = [list(degrees.transform(*corner)) for corner in (*corners, corners[0])]
    longitudes, latitudes = zip(*ring, strict=True)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "collection": "sentinel-2-l2a",
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "links": [],
        "properties": {
            "datetime": acquired.isoformat(),
            "updated": (acquired + timedelta(hours=9)).isoformat(),
            "proj:epsg": EPSG,
            "eo:cloud_cover": 3.0,
        },
        "assets": {
            key: {
                "href": href,
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "proj:shape": [side, side],
                "proj:transform": list(TRANSFORM)[:6],
                "raster:bands": [{"nodata": 0, "data_type": "uint16"}],
            }
            for key, href in hrefs.items()
        },
    }
    return Scene(name, Sensor.SENTINEL2_L2A, acquired, item)
