"""One look of one satellite at the simulated city, and how its pictures are put into files."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo import resyx_
from odc.geo.cog import write_cog
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.simulate.heat_truth import (
    FINE_M,
    TRUTH_M,
    Ground,
    Sun,
    Weather,
    emissivity,
    greenness,
    radiant_mean,
    reflectance,
    sun,
    surface_temperature,
)
from heliopolis.simulate.materials import CODE
from heliopolis.simulate.optics import MARGIN_M, Clouds, Field, Mask, block_mean, clouds, generator

_FACTOR = round(TRUTH_M / FINE_M)


@dataclass(frozen=True)
class Overpass:
    """What is decided before the picture is taken.

    Attributes
    ----------
    platform
        Name of the satellite as the provider's catalog spells it.
    scene_id
        Identifier of the STAC item.
    weather
        The day, and the time.
    cloud_cover
        Share of the city under detected cloud (0..1).
    """

    platform: str
    scene_id: str
    weather: Weather
    cloud_cover: float


@dataclass(frozen=True)
class View:
    """An overpass over a ground: the true fields that a sensor then blurs and packs."""

    overpass: Overpass
    ground: Ground
    sun: Sun = field(init=False)

    def __post_init__(self) -> None:
        place = self.ground.latitude_deg, self.ground.longitude_deg
        object.__setattr__(self, "sun", sun(self.overpass.weather, *place))

    @property
    def grid(self) -> GeoBox:
        """Grid of the true fields (10 m)."""
        return self.ground.truth_grid

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers of this scene for one purpose."""
        return generator(self.ground.seed, f"{self.overpass.scene_id} {purpose}")

    @cached_property
    def lst_k(self) -> Field:
        """True clear-sky surface temperature [K], 10 m, mean of T^4."""
        fine = surface_temperature(
            self.ground, self.overpass.weather, self.sun, self.overpass.scene_id
        )
        return radiant_mean(fine, _FACTOR)

    @cached_property
    def seen_k(self) -> Field:
        """Surface temperature with the cooling in the shadow of clouds [K], 10 m."""
        return (self.lst_k - 4.0 * self.clouds.shadow).astype("float32")

    @cached_property
    def _green(self) -> Field:
        day = self.overpass.weather.acquired.timetuple().tm_yday
        return greenness(self.ground.code, self.ground.objects, day)

    def emissivity(self, band: int) -> Field:
        """True emissivity in TIRS band 10 or 11 (1), 10 m."""
        return block_mean(emissivity(self.ground, band, self._green), _FACTOR)

    def reflectance(self, band: int, *, fine: bool = False) -> Field:
        """True reflectance (1) in a band of `materials.OPTICAL_BANDS`, 10 m (or 5 m)."""
        values = reflectance(self.ground, band, self._green)
        return values if fine else block_mean(values, _FACTOR)

    def share(self, *names: str) -> Field:
        """Share of each 10 m cell that is of the named classes (0..1)."""
        wanted = np.isin(self.ground.code, [CODE[name] for name in names])
        return block_mean(wanted.astype("float32"), _FACTOR)

    @cached_property
    def clouds(self) -> Clouds:
        """Clouds of the scene, 10 m."""
        return clouds(
            self.grid,
            self.overpass.cloud_cover,
            self.sun.elevation_deg,
            self.sun.azimuth_deg,
            self.rng("clouds"),
        )

    @cached_property
    def tcwv_mm(self) -> Field:
        """Total column of water vapour [mm], 10 m: a plane that varies by about 3 %."""
        angle = self.rng("vapour").uniform(0.0, 2.0 * math.pi)
        rows, cols = (np.linspace(-1.0, 1.0, n, dtype="float32") for n in self.grid.shape)
        tilt = math.cos(angle) * rows[:, None] + math.sin(angle) * cols[None, :]
        return (self.overpass.weather.tcwv_mm * (1.0 + 0.028 * tilt)).astype("float32")


def utm_grid(ground: GeoBox, cell_m: float, corner_m: float = 0.0) -> GeoBox:
    """North-up grid in the UTM zone of ``ground`` that covers it with a margin of `MARGIN_M`.

    Corners lie on multiples of ``cell_m`` plus ``corner_m`` [m].
    """
    centre = ground.extent.centroid.to_crs("EPSG:4326").coords[0]
    zone = int((centre[0] + 180.0) // 6.0) + 1
    crs = f"EPSG:{(32600 if centre[1] >= 0 else 32700) + zone}"
    box = ground.pad(round(MARGIN_M / abs(ground.resolution.x))).footprint(crs).boundingbox
    west, south = (math.floor((v - corner_m) / cell_m) for v in (box.left, box.bottom))
    east, north = (math.ceil((v - corner_m) / cell_m) for v in (box.right, box.top))
    corners = tuple(v * cell_m + corner_m for v in (west, south, east, north))
    return GeoBox.from_bbox(corners, crs=crs, resolution=resyx_(-cell_m, cell_m), tight=True)


def encode(
    values: Field, scale: float, offset: float, dtype: str, *, fill: Mask, nodata: int
) -> np.ndarray[Any, Any]:
    """Digital numbers ``(values - offset) / scale``, not negative.

    ``nodata`` stands where ``fill`` and nowhere else.
    """
    lowest = 1 if nodata == 0 else 0
    numbers = np.clip(np.round((values - offset) / scale), lowest, np.iinfo(dtype).max)
    return np.where(fill, nodata, numbers).astype(dtype)


def write_band(path: Path, numbers: np.ndarray[Any, Any], grid: GeoBox, nodata: int) -> Path:
    """One band as the providers publish it: a COG of integers without band names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cog(
        wrap_xr(numbers, grid),
        path,
        overwrite=True,
        nodata=nodata,
        blocksize=512,
        overview_levels=[2, 4],
        overview_resampling="nearest",
        compress="deflate",
        predictor=2,
    )
    return path
