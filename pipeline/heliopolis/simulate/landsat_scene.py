"""Landsat 8/9 Collection 2 scenes: Level-2 science products and Level-1 digital numbers.

The thermal picture is taken on a 100 m grid of its own through a Gaussian point spread of 100 m,
gets the noise of the sensor there, and is brought to 30 m by cubic interpolation, as the USGS
does. Encodings: Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.io.atomic import write_json, write_text
from heliopolis.simulate import landsat_mtl
from heliopolis.simulate.optics import (
    CLOUD_TOP_K,
    DETECTED_OPACITY,
    Atmosphere,
    Field,
    Mask,
    Sampler,
    atmosphere,
    blur,
    smooth_noise,
)
from heliopolis.simulate.overpass import View, encode, utm_grid, write_band
from heliopolis.simulate.stac_catalog import (
    file_asset,
    make_item,
    projection,
    raster_asset,
)

CELL_M, NATIVE_M, PSF_FWHM_M = 30.0, 100.0, 100.0
#: Noise-equivalent temperature difference of TIRS at 300 K [K].
NEDT_K = {10: 0.05, 11: 0.06}
SR_NOISE = 0.003
#: Reflectance of a thick cloud in the optical bands.
CLOUD_REFLECTANCE = (0.78, 0.77, 0.77, 0.78, 0.55, 0.42)

_WRS = "199026"
_SR_BANDS = ("blue", "green", "red", "nir08", "swir16", "swir22")
_SR_TITLES = ("Blue", "Green", "Red", "Near Infrared 0.8", "SWIR 1.6", "SWIR 2.2")
_RADIANCE_UNIT = "watt/steradian/square_meter/micrometer"
_EXTENSIONS = (
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
)

#: Intermediate and quality bands: asset key -> file suffix, scale, unit, title.
_ST_BANDS: dict[str, tuple[str, float, str | None, str]] = {
    "qa": ("ST_QA", 0.01, "kelvin", "Surface Temperature Quality Assessment Band"),
    "trad": ("ST_TRAD", 0.001, _RADIANCE_UNIT, "Thermal Radiance Band"),
    "urad": ("ST_URAD", 0.001, _RADIANCE_UNIT, "Upwelled Radiance Band"),
    "drad": ("ST_DRAD", 0.001, _RADIANCE_UNIT, "Downwelled Radiance Band"),
    "atran": ("ST_ATRAN", 0.0001, None, "Atmospheric Transmittance Band"),
    "emis": ("ST_EMIS", 0.0001, "emissivity coefficient", "Emissivity Band"),
    "emsd": ("ST_EMSD", 0.0001, "emissivity coefficient", "Emissivity Standard Deviation Band"),
    "cdist": ("ST_CDIST", 0.01, "kilometer", "Cloud Distance Band"),
}
_MTL_NAMES = {
    "qa": "QUALITY_L2_SURFACE_TEMPERATURE",
    "trad": "THERMAL_RADIANCE",
    "urad": "UPWELL_RADIANCE",
    "drad": "DOWNWELL_RADIANCE",
    "atran": "ATMOSPHERIC_TRANSMITTANCE",
    "emis": "EMISSIVITY",
    "emsd": "EMISSIVITY_STDEV",
    "cdist": "CLOUD_DISTANCE",
}


def scene_id(platform: str, day: str, level: str = "L2SP") -> str:
    """Identifier of the STAC item, such as ``LC09_L2SP_199026_20250621_02_T1``."""
    return f"LC0{platform[-1]}_{level}_{_WRS}_{day}_02_T1"


@dataclass(frozen=True)
class LandsatPicture:
    """What the sensors of one overpass record on the 30 m UTM grid."""

    view: View

    @cached_property
    def grid(self) -> GeoBox:
        """UTM grid of 30 m; like the real one its corners lie 15 m off multiples of 30 m."""
        return utm_grid(self.view.grid, CELL_M, CELL_M / 2.0)

    @cached_property
    def sampler(self) -> Sampler:
        """Positions of the 30 m cells in the true fields."""
        return Sampler.between(self.view.grid, self.grid)

    @cached_property
    def fill(self) -> Mask:
        """Cells outside of the city, where there is no picture."""
        return np.asarray(~self.sampler.inside)

    def air(self, band: int, tcwv_mm: Field) -> Atmosphere:
        """Atmosphere of the scene in a thermal band."""
        k = landsat_mtl.THERMAL[self.view.overpass.platform][band]
        weather = self.view.overpass.weather
        return atmosphere(band, k, tcwv_mm, weather.air_mean_c + 273.15 + 2.0)

    def radiance(self, band: int) -> Field:
        """Radiance at the sensor [W m-2 sr-1 um-1], 30 m."""
        view = self.view
        k = landsat_mtl.THERMAL[view.overpass.platform][band]
        clear = self.air(band, view.tcwv_mm).at_sensor(view.seen_k, view.emissivity(band), k)
        opacity = view.clouds.opacity
        seen = (1.0 - opacity) * clear + opacity * float(k.radiance(CLOUD_TOP_K))
        native = utm_grid(view.grid, NATIVE_M, float(view.rng("pointing").integers(0, 100)))
        native = native.pad(2)
        taken = Sampler.between(view.grid, native).read(blur(seen, PSF_FWHM_M, 10.0))
        noise = NEDT_K[band] * float(k.radiance(300.5) - k.radiance(299.5))
        taken += (noise * view.rng(f"nedt {band}").standard_normal(native.shape)).astype("float32")
        return Sampler.between(native, self.grid).read(taken, order=3)

    def reflectance(self, index: int) -> Field:
        """Surface reflectance under clouds (1) in a band of `materials.OPTICAL_BANDS`, 30 m."""
        clouds = self.view.clouds
        ground = self.view.reflectance(index) * (1.0 - 0.6 * clouds.shadow)
        seen = (1.0 - clouds.opacity) * ground + clouds.opacity * CLOUD_REFLECTANCE[index]
        sharp = self.sampler.read(blur(seen.astype("float32"), CELL_M, 10.0))
        noise = self.view.rng(f"sr {index}").standard_normal(self.grid.shape)
        return (sharp + SR_NOISE * noise).astype("float32")

    @cached_property
    def cloud(self) -> Mask:
        """Detected cloud, 30 m."""
        return self.sampler.read(self.view.clouds.opacity) > DETECTED_OPACITY

    @cached_property
    def qa_pixel(self) -> np.ndarray[Any, Any]:
        """Bits of QA_PIXEL: 0 fill, 1 dilated cloud, 3 cloud, 4 shadow, 6 clear, 7 water."""
        shadow = (self.sampler.read(self.view.clouds.shadow) > DETECTED_OPACITY) & ~self.cloud
        near = ndimage.binary_dilation(self.cloud, iterations=3) & ~self.cloud
        water = self.sampler.read(self.view.share("water")) > 0.5
        bits = np.full(self.grid.shape, (1 << 8) | (1 << 10) | (1 << 12) | (1 << 14), "uint16")
        bits |= np.where(self.cloud, (1 << 3) | (3 << 8), 0).astype("uint16")
        bits |= np.where(near, 1 << 1, 0).astype("uint16")
        bits |= np.where(shadow, (1 << 4) | (3 << 10), 0).astype("uint16")
        bits |= np.where(~self.cloud & ~near, 1 << 6, 0).astype("uint16")
        bits |= np.where(water & ~self.cloud, 1 << 7, 0).astype("uint16")
        return np.where(self.fill, 1, bits).astype("uint16")

    @cached_property
    def cloud_distance_km(self) -> Field:
        """Distance to the nearest detected cloud [km]; 20 km where the window has none."""
        if not self.cloud.any():
            return np.full(self.grid.shape, 20.0, dtype="float32")
        steps = ndimage.distance_transform_edt(~self.cloud)
        return (steps * CELL_M / 1000.0).astype("float32")

    @cached_property
    def emissivity(self) -> tuple[Field, Field]:
        """Emissivity that the retrieval uses, and its stated standard deviation (1), 30 m.

        Like ASTER GED: means over 100 m cells of another grid, nearest neighbour, drawn towards
        0.97 and with an error of 0.006 that neighbouring cells share.
        """
        view = self.view
        blocks = utm_grid(view.grid, 100.0, 37.0)
        true = Sampler.between(view.grid, blocks).read(blur(view.emissivity(10), 150.0, 10.0))
        error = smooth_noise(blocks.shape, 200.0, 100.0, view.rng("aster"))
        wrong = np.clip(0.97 + 0.7 * (true - 0.97) + 0.006 * error, 0.5, 0.995)
        spread = np.clip(0.004 + 0.1 * np.abs(true - 0.985), 0.0, 0.05)
        onto = Sampler.between(blocks, self.grid)
        return (
            onto.read(wrong.astype("float32"), order=0),
            onto.read(spread.astype("float32"), order=0),
        )


def _intermediates(picture: LandsatPicture) -> tuple[Field, dict[str, Field]]:
    """Retrieved temperature [K] and the bands of `_ST_BANDS` in physical units."""
    k = landsat_mtl.THERMAL[picture.view.overpass.platform][10]
    tcwv = picture.sampler.read(picture.view.tcwv_mm)
    air = picture.air(10, tcwv)
    radiance = picture.radiance(10)
    emissivity, spread = picture.emissivity
    kelvin = air.surface_temperature(radiance, emissivity, k)
    by_emissivity = kelvin - air.surface_temperature(radiance, emissivity + spread, k)
    distance = picture.cloud_distance_km
    sigma = np.sqrt(
        by_emissivity**2 + (0.5 + 0.03 * tcwv) ** 2 + (3.0 * np.exp(-distance / 1.5)) ** 2
    )
    return kelvin, {
        "qa": sigma,
        "trad": radiance,
        "urad": air.upwelling,
        "drad": air.downwelling,
        "atran": air.transmittance,
        "emis": emissivity,
        "emsd": spread,
        "cdist": distance,
    }


def _product_id(view: View, level: str) -> str:
    acquired = view.overpass.weather.acquired
    made = acquired + timedelta(days=1)
    platform = view.overpass.platform
    return f"LC0{platform[-1]}_{level}_{_WRS}_{acquired:%Y%m%d}_{made:%Y%m%d}_02_T1"


@dataclass(frozen=True)
class _Product:
    """A product on its way to disk: its folder, the assets so far, the names for the MTL file."""

    picture: LandsatPicture
    level: str
    home: Path
    assets: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Product identifier."""
        return _product_id(self.picture.view, self.level)

    def put(
        self,
        key: str,
        suffix: str,
        mtl: str,
        values: Field,
        *,
        dtype: str = "uint16",
        nodata: int = 0,
        scale: float = 1.0,
        offset: float | None = None,
        **more: Any,
    ) -> None:
        """Encode and write one band; ``more`` goes into the asset."""
        picture = self.picture
        numbers = encode(values, scale, offset or 0.0, dtype, fill=picture.fill, nodata=nodata)
        path = write_band(self.home / f"{self.name}_{suffix}.TIF", numbers, picture.grid, nodata)
        self.names[f"FILE_NAME_{mtl}"] = path.name
        more["title"] = f"{more['title']} (simulated)"
        self.assets[key] = raster_asset(
            path, dtype=dtype, nodata=nodata, cell_m=CELL_M, scale=scale, offset=offset, **more
        )

    def put_quality(self) -> None:
        """Write QA_PIXEL: bits, with 1 for fill."""
        path = self.home / f"{self.name}_QA_PIXEL.TIF"
        write_band(path, self.picture.qa_pixel, self.picture.grid, 1)
        self.names["FILE_NAME_QUALITY_L1_PIXEL"] = path.name
        self.assets["qa_pixel"] = raster_asset(
            path,
            "Pixel Quality Assessment Band (simulated)",
            dtype="uint16",
            nodata=1,
            cell_m=CELL_M,
            unit="bit index",
            roles=("cloud", "cloud-shadow", "water-mask"),
        )


def write_level2(view: View, folder: Path) -> pystac.Item:
    """Write a Level-2 science product into ``folder/<item id>`` and return its item."""
    picture = LandsatPicture(view)
    product = _Product(picture, "L2SP", folder / view.overpass.scene_id)
    for index, (key, title) in enumerate(zip(_SR_BANDS, _SR_TITLES, strict=True)):
        number = index + 2
        product.put(
            key, f"SR_B{number}", f"BAND_{number}", picture.reflectance(index),
            scale=2.75e-5, offset=-0.2, title=f"{title} Band", roles=("data", "reflectance"),
        )  # fmt: skip
    kelvin, parts = _intermediates(picture)
    product.put(
        "lwir11", "ST_B10", "BAND_ST_B10", kelvin, scale=0.00341802, offset=149.0,
        unit="kelvin", gsd=100, title="Surface Temperature Band", roles=("data", "temperature"),
    )  # fmt: skip
    for key, (suffix, scale, unit, title) in _ST_BANDS.items():
        product.put(
            key, suffix, _MTL_NAMES[key], parts[key],
            dtype="int16", nodata=-9999, scale=scale, unit=unit, title=title,
        )  # fmt: skip
    product.put_quality()
    return _finish(product, "landsat-c2-l2")


def write_level1(view: View, folder: Path) -> pystac.Item:
    """Write a Level-1 product (bands 4, 5, 10, 11 and QA_PIXEL) and return its item."""
    picture = LandsatPicture(view)
    platform = view.overpass.platform
    name = scene_id(platform, f"{view.overpass.weather.acquired:%Y%m%d}", "L1TP")
    product = _Product(picture, "L1TP", folder / name)
    height = float(np.sin(np.radians(view.sun.elevation_deg)))
    for key, band, path_light in (("red", 4, 0.012), ("nir08", 5, 0.004)):
        apparent = (0.93 * picture.reflectance(band - 2) + path_light) * height
        product.put(
            key, f"B{band}", f"BAND_{band}", apparent, title=f"Band {band}",
            scale=landsat_mtl.REFLECTANCE_MULT, offset=landsat_mtl.REFLECTANCE_ADD,
        )  # fmt: skip
    for key, band in (("lwir11", 10), ("lwir12", 11)):
        product.put(
            key, f"B{band}", f"BAND_{band}", picture.radiance(band),
            scale=landsat_mtl.RADIANCE_MULT[platform][band], offset=landsat_mtl.RADIANCE_ADD,
            unit=_RADIANCE_UNIT, title=f"Thermal Infrared Band {band}",
        )  # fmt: skip
    product.put_quality()
    return _finish(product, "landsat-c2-l1")


def _finish(product: _Product, collection: str) -> pystac.Item:
    """Write the MTL files and make the item."""
    picture, view, assets = product.picture, product.picture.view, product.assets
    acquired = view.overpass.weather.acquired
    percent = round(100.0 * float(picture.cloud[~picture.fill].mean()), 2)
    content = landsat_mtl.groups(
        product.name,
        acquired,
        picture.grid,
        cloud_percent=percent,
        sun_azimuth_deg=view.sun.azimuth_deg,
        sun_elevation_deg=view.sun.elevation_deg,
        files=product.names,
    )
    stem, note = product.home / f"{product.name}_MTL", "Product Metadata File (simulated)"
    write_json(stem.with_suffix(".json"), landsat_mtl.as_json(content))
    write_text(stem.with_suffix(".txt"), landsat_mtl.as_text(content))
    assets["mtl.json"] = file_asset(stem.with_suffix(".json"), "application/json", note)
    assets["mtl.txt"] = file_asset(stem.with_suffix(".txt"), "text/plain", note)
    properties = {
        "gsd": 30,
        "platform": view.overpass.platform,
        "instruments": ["oli", "tirs"],
        "eo:cloud_cover": percent,
        "view:off_nadir": 0,
        "view:sun_azimuth": round(view.sun.azimuth_deg, 5),
        "view:sun_elevation": round(view.sun.elevation_deg, 5),
        "landsat:wrs_path": _WRS[:3],
        "landsat:wrs_row": _WRS[3:],
        "landsat:wrs_type": "2",
        "landsat:correction": product.level,
        "landsat:collection_number": "02",
        "landsat:collection_category": "T1",
        "landsat:product_id": product.name,
        **projection(picture.grid),
    }
    outline = view.grid.extent
    return make_item(
        product.home.name, collection, acquired, outline, properties, assets, _EXTENSIONS
    )
