"""What is known of a city's ground before a scene is looked at: for its emissivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.config import LandCover, Thermal, expand
from heliopolis.io.aster_ged import read_aster_ged
from heliopolis.steps.optical import class_shares
from heliopolis.thermal.emissivity import city_emissivity
from heliopolis.thermal.materials import mixed


@dataclass(frozen=True)
class CityGround:
    """Maps of the ground on one grid; any may be missing.

    Attributes
    ----------
    ged
        ASTER GED, see `heliopolis.io.aster_ged`.
    materials
        Share of each cell by name of material (`heliopolis.thermal.materials.MATERIALS`).
    built, water
        Share of built-up land and of water by the class map, 0..1 (y, x).
    """

    ged: xr.Dataset | None = None
    materials: Mapping[str, xr.DataArray] = field(default_factory=dict)
    built: xr.DataArray | None = None
    water: xr.DataArray | None = None

    @property
    def told(self) -> str:
        """What it rests on, in words."""
        parts = ["NDVI of the date"]
        parts += ["ASTER GED"] if self.ged is not None else []
        parts += ["materials of a class map"] if self.materials else []
        parts += ["built-up land of a class map"] if self.built is not None else []
        return ", ".join(parts)

    def emissivity(
        self,
        index: xr.DataArray,
        red: xr.DataArray,
        *,
        band: int,
        spacecraft: str,
        snow: xr.DataArray | None,
    ) -> xr.Dataset:
        """Emissivity of a date, as `heliopolis.thermal.emissivity.city_emissivity`."""
        materials = mixed(self.materials, band) if self.materials else None
        sealed = self.built
        if sealed is not None and materials is not None:
            left = (1.0 - materials["known"]).where(lambda share: share > 0.0)
            sealed = ((sealed - materials["known"]) / left).clip(0.0, 1.0).fillna(0.0)
        return city_emissivity(
            index,
            red,
            band=band,
            spacecraft=spacecraft,
            ged=self.ged,
            materials=materials,
            sealed=None if sealed is None else sealed.fillna(0.5),
            water=None if self.water is None else self.water >= 0.5,
            snow=snow,
        )


def read_ground(thermal: Thermal, cover: LandCover | None, grid: GeoBox) -> CityGround:
    """Maps that the configuration names, on ``grid``."""
    ged = None
    if thermal.aster_ged:
        ged = read_aster_ged(expand(thermal.aster_ged, "thermal.aster_ged"), grid)
    materials = {}
    if thermal.materials is not None:
        named = class_shares(Path(thermal.materials.file), thermal.materials.classes, grid)
        materials = {name.removeprefix("class_"): share for name, share in named.items()}
    shares = {}
    if cover is not None:
        wanted = {name: cover.classes[name] for name in ("built", "water") if name in cover.classes}
        shares = class_shares(Path(cover.file), wanted, grid) if wanted else {}
    return CityGround(ged, materials, shares.get("class_built"), shares.get("class_water"))
