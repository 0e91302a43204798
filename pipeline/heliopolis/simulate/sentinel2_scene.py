"""Sentinel-2 Level-2A scenes as Earth Search publishes them: COGs with the offset still in them.

Digital numbers are ``10000 reflectance + 1000``, 0 is no data (processing baseline 04.00 and
later). The picture covers a window of the tile's 10 m grid, not the whole tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.simulate.heat_truth import FINE_M, Ground
from heliopolis.simulate.landsat_scene import CLOUD_REFLECTANCE
from heliopolis.simulate.optics import (
    DETECTED_OPACITY,
    Field,
    Mask,
    Sampler,
    blur,
)
from heliopolis.simulate.overpass import View, encode, utm_grid, write_band
from heliopolis.simulate.stac_catalog import make_item, projection, raster_asset

BASELINE = "05.11"
NOISE = 0.002
#: Asset key, file, cell [m], position in `materials.OPTICAL_BANDS`, title.
BANDS: tuple[tuple[str, str, int, int, str], ...] = (
    ("blue", "B02", 10, 0, "Blue - 10m"),
    ("green", "B03", 10, 1, "Green - 10m"),
    ("red", "B04", 10, 2, "Red - 10m"),
    ("nir", "B08", 10, 3, "NIR 1 - 10m"),
    ("swir16", "B11", 20, 4, "SWIR 1.6μm - 20m"),
    ("swir22", "B12", 20, 5, "SWIR 2.2μm - 20m"),
)
#: Values of the scene classification.
SCL = {"shadow": 3, "vegetation": 4, "bare": 5, "water": 6, "medium": 8, "high": 9}

_LETTERS_COLUMN = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_LETTERS_ROW = "ABCDEFGHJKLMNPQRSTUV"
_LETTERS_BAND = "CDEFGHJKLMNPQRSTUVWX"
_EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("grid/v1.1.0", "mgrs/v1.0.0", "projection/v1.1.0", "raster/v1.1.0", "view/v1.0.0",
                 "eo/v1.1.0")
)  # fmt: skip


def mgrs_square(ground: Ground) -> tuple[int, str, str]:
    """UTM zone, latitude band and 100 km square of the centre, as in ``31``, ``U``, ``DQ``."""
    grid = utm_grid(ground.grid, 10.0)
    zone = (grid.crs.epsg or 0) % 100 if grid.crs is not None else 0
    east, north = grid.affine * (grid.width / 2, grid.height / 2)
    column = _LETTERS_COLUMN[(zone - 1) % 3][int(east // 100_000) - 1]
    row = _LETTERS_ROW[(int(north // 100_000) + (5 if zone % 2 == 0 else 0)) % 20]
    band = _LETTERS_BAND[min(int((ground.latitude_deg + 80.0) // 8.0), 19)]
    return zone, band, column + row


def scene_id(platform: str, ground: Ground, day: str) -> str:
    """Identifier of the STAC item, such as ``S2B_31UDQ_20250620_0_L2A``."""
    zone, band, square = mgrs_square(ground)
    return f"S2{platform[-1].upper()}_{zone}{band}{square}_{day}_0_L2A"


@dataclass(frozen=True)
class Sentinel2Picture:
    """What the instrument records on its 10 m and 20 m grids."""

    view: View

    @cached_property
    def grids(self) -> dict[int, GeoBox]:
        """Grids by cell size; they share their corners."""
        coarse = utm_grid(self.view.grid, 20.0)
        return {20: coarse, 10: coarse.zoom_out(0.5)}

    @cached_property
    def samplers(self) -> dict[int, Sampler]:
        """Positions of the cells in the true fields of 10 m."""
        return {cell: Sampler.between(self.view.grid, grid) for cell, grid in self.grids.items()}

    @cached_property
    def _fine(self) -> Sampler:
        return Sampler.between(self.view.ground.grid, self.grids[10])

    def fill(self, cell: int) -> Mask:
        """Cells outside of the city."""
        return np.asarray(~self.samplers[cell].inside)

    def reflectance(self, index: int, cell: int) -> Field:
        """Reflectance under clouds (1) on the grid of ``cell`` metres."""
        view, sampler = self.view, self.samplers[cell]
        opacity = sampler.read(view.clouds.opacity)
        shadow = sampler.read(view.clouds.shadow)
        if cell == 10:
            clear = self._fine.read(blur(view.reflectance(index, fine=True), 11.0, FINE_M))
        else:
            clear = sampler.read(blur(view.reflectance(index), 22.0, 10.0))
        seen = (1.0 - opacity) * clear * (1.0 - 0.6 * shadow) + opacity * CLOUD_REFLECTANCE[index]
        noise = view.rng(f"msi {index}").standard_normal(seen.shape)
        return (seen + NOISE * noise).astype("float32")

    @cached_property
    def scl(self) -> np.ndarray[Any, Any]:
        """Scene classification (20 m); cloud edges are of medium probability."""
        sampler, view = self.samplers[20], self.view
        opacity = sampler.read(view.clouds.opacity)
        green = sampler.read(view.share("grass", "tree", "forest", "crop"))
        out = np.where(green > 0.5, SCL["vegetation"], SCL["bare"])
        out[sampler.read(view.share("water")) > 0.5] = SCL["water"]
        out[sampler.read(view.clouds.shadow) > DETECTED_OPACITY] = SCL["shadow"]
        cloud = opacity > DETECTED_OPACITY
        out[ndimage.binary_dilation(cloud, iterations=2)] = SCL["medium"]
        out[opacity > 0.5] = SCL["high"]
        return np.where(self.fill(20), 0, out).astype("uint8")


def write_level2a(view: View, folder: Path) -> pystac.Item:
    """Write the bands and the classification into ``folder/<item id>`` and return the item."""
    picture = Sentinel2Picture(view)
    home = folder / view.overpass.scene_id
    assets: dict[str, Any] = {}
    for key, name, cell, index, title in BANDS:
        grid, fill = picture.grids[cell], picture.fill(cell)
        numbers = encode(
            picture.reflectance(index, cell), 1e-4, -0.1, "uint16", fill=fill, nodata=0
        )
        path = write_band(home / f"{name}.tif", numbers, grid, 0)
        assets[key] = _asset(path, f"{title} (simulated)", grid, cell, "uint16", 1e-4, -0.1)
        assets[key]["eo:bands"] = [{"name": name, "common_name": key}]
    path = write_band(home / "SCL.tif", picture.scl, picture.grids[20], 0)
    title = "Scene classification map (SCL) (simulated)"
    assets["scl"] = _asset(path, title, picture.grids[20], 20, "uint8", None, None)
    return make_item(
        home.name,
        "sentinel-2-l2a",
        view.overpass.weather.acquired,
        view.grid.extent,
        _properties(picture),
        assets,
        _EXTENSIONS,
    )


def _asset(
    path: Path,
    title: str,
    grid: GeoBox,
    cell: int,
    dtype: str,
    scale: float | None,
    offset: float | None,
) -> dict[str, Any]:
    place = {key: value for key, value in projection(grid).items() if key != "proj:epsg"}
    roles = ("data",) if scale is None else ("data", "reflectance")
    return raster_asset(
        path, title, dtype=dtype, nodata=0, cell_m=cell, scale=scale, offset=offset,
        roles=roles, gsd=cell, **place,
    )  # fmt: skip


def _properties(picture: Sentinel2Picture) -> dict[str, Any]:
    view = picture.view
    zone, band, square = mgrs_square(view.ground)
    seen = picture.scl[picture.scl > 0]
    share = {name: round(100.0 * float((seen == code).mean()), 4) for name, code in SCL.items()}
    return {
        "platform": view.overpass.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": round(share["medium"] + share["high"], 4),
        "proj:epsg": projection(picture.grids[10])["proj:epsg"],
        "mgrs:utm_zone": zone,
        "mgrs:latitude_band": band,
        "mgrs:grid_square": square,
        "grid:code": f"MGRS-{zone}{band}{square}",
        "view:sun_azimuth": round(view.sun.azimuth_deg, 5),
        "view:sun_elevation": round(view.sun.elevation_deg, 5),
        "s2:cloud_shadow_percentage": share["shadow"],
        "s2:vegetation_percentage": share["vegetation"],
        "s2:not_vegetated_percentage": share["bare"],
        "s2:water_percentage": share["water"],
        "s2:medium_proba_clouds_percentage": share["medium"],
        "s2:high_proba_clouds_percentage": share["high"],
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": BASELINE,
        "s2:sequence": "0",
        "earthsearch:boa_offset_applied": False,
    }
