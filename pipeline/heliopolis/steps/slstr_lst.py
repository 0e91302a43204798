"""Surface temperature of one Sentinel-3 swath on a metric grid."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from odc.geo import CRS, Geometry
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, NoDataError
from heliopolis.grid import bounds_grid, metric_crs
from heliopolis.io.raster import write_cog
from heliopolis.io.slstr import Swath, grid_swath, product_files, read_swath
from heliopolis.steps.thermal import celsius


def write_slstr_lst(
    product: Path,
    out: Path,
    *,
    bounds: tuple[float, float, float, float] | None = None,
    resolution_m: float = 1000.0,
    crs: str | None = None,
) -> None:
    """Write ``lst_c`` and ``lst_sd_c`` of an SL_2_LST product, clear cells only.

    Parameters
    ----------
    product
        Product folder (``.SEN3``).
    out
        Raster to write.
    bounds
        West, south, east, north [deg]; the whole swath by default.
    resolution_m
        Cell size [m].
    crs
        Metric CRS; by default the UTM zone of the middle of the area.
    """
    if bounds is not None and not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise ConfigError("the bounding box is empty", where="--bbox",
                          remedy="Give west south east north in degrees")  # fmt: skip
    swath = read_swath(product_files(product), bounds)
    box = bounds or _extent(swath)
    metric = metric_crs(crs or _utm(box), where="--crs")
    grid = _grid(box, metric, resolution_m)
    cells = grid_swath(swath, grid)
    if not bool(np.isfinite(cells["lst_k"].to_numpy()).any()):
        raise NoDataError("no pixel of the swath is clear over the area", where=str(product),
                          remedy="Choose another granule or a larger area")  # fmt: skip
    tags = {
        "sensor": "sentinel-3-slstr-lst",
        "acquired": swath.acquired.isoformat(),
        "averaging": "mean of T^4 with Gaussian weights of the footprint",
    }
    write_cog(out, celsius(cells["lst_k"], cells["sd_k"]), tags=tags)


def _extent(swath: Swath) -> tuple[float, float, float, float]:
    west, east = float(np.nanmin(swath.longitude)), float(np.nanmax(swath.longitude))
    if east - west > 180.0:
        raise ConfigError("the swath crosses the date line", remedy="Give --bbox and --crs")
    return west, float(np.nanmin(swath.latitude)), east, float(np.nanmax(swath.latitude))


def _utm(box: tuple[float, float, float, float]) -> str:
    zone = math.floor(((box[0] + box[2]) / 2 + 180.0) / 6.0) % 60 + 1
    return f"EPSG:{(32600 if box[1] + box[3] >= 0 else 32700) + zone}"


def _grid(box: tuple[float, float, float, float], crs: CRS, resolution_m: float) -> GeoBox:
    west, south, east, north = box
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    area = Geometry({"type": "Polygon", "coordinates": [ring]}, CRS("EPSG:4326"))
    area = area.segmented(max(east - west, north - south) / 50).to_crs(crs)
    return bounds_grid(area, resolution_m)
