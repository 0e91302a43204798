"""True land cover of a simulated city, on the cells of a thermal sensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from heliopolis.grid import coarsen
from heliopolis.io.raster import raster_grid, read_onto, read_tags
from heliopolis.thermal.emissivity import SIGMA_CANOPY, SIGMA_SOIL, SIGMA_WATER
from heliopolis.thermal.footprint import seen_by_sensor
from heliopolis.thermal.materials import MATERIALS, mixed
from heliopolis.thermal.planck import coarsen_mean

Array = NDArray[Any]
CELL_M, FINE_M = 100.0, 10.0
#: Classes of the simulated land cover as `heliopolis.thermal.materials` names them.
_MATERIALS = {
    "roof_metal": "metal", **{name: name for name in (
        "roof_tile", "roof_slate", "roof_bitumen", "roof_gravel", "white_roof", "pv_panel",
        "asphalt", "concrete")},
}  # fmt: skip
#: Land classes of the table, by the covers that make up at least `PURE` of a cell.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "built": tuple(_MATERIALS),
    "vegetation": ("grass", "tree", "crop", "forest", "stubble"),
    "bare": ("bare_soil",),
    "water": ("water",),
}
PURE = 0.7
#: Share of metal in what the sensor sees of a cell from which it is counted as metal.
METAL = 0.01
#: Spread of the emissivity between samples of a natural cover, 1 sigma (1): closed canopies, and
#: soils with what stands on them (as in `heliopolis.thermal.emissivity`); of what is built the
#: spread between the samples of the spectral library is taken (`heliopolis.thermal.materials`).
_NATURAL_SD = {
    "grass": SIGMA_CANOPY, "tree": SIGMA_CANOPY, "crop": SIGMA_CANOPY, "forest": SIGMA_CANOPY,
    "stubble": SIGMA_SOIL, "bare_soil": SIGMA_SOIL, "water": SIGMA_WATER,
}  # fmt: skip


@dataclass(frozen=True)
class CoverMap:
    """True land cover of a simulated city on the fine grid.

    Attributes
    ----------
    grid
        Grid of `FINE_M` that nests in cells of `CELL_M`.
    shares
        1 where a cover is, 0 elsewhere, by its name (y, x).
    """

    grid: GeoBox
    shares: Mapping[str, xr.DataArray]

    @classmethod
    def of(cls, landcover: Path) -> CoverMap:
        """Cover of a file whose tags name its classes."""
        coarse = coarsen(raster_grid(landcover), CELL_M)
        factor = round(CELL_M / FINE_M)
        shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
        grid = GeoBox(shape, coarse.affine * coarse.affine.scale(1 / factor), coarse.crs)
        codes = read_onto([landcover], grid)["landcover"]
        names = {key.removeprefix("class_"): name for key, name in read_tags(landcover).items()
                 if key.startswith("class_")}  # fmt: skip
        shares = {name: (codes == float(code)).astype("float64") for code, name in names.items()}
        return cls(grid, shares)

    def classes(self) -> dict[str, Array]:
        """Masks of the land classes on the cells (y, x); ``metal`` leaves out of the others."""
        factor = round(CELL_M / FINE_M)
        cells = {name: coarsen_mean(share, factor).values for name, share in self.shares.items()}
        # The sensor looks beyond the cell: metal next to it is in the picture too.
        seen = seen_by_sensor(self.shares["roof_metal"], FINE_M)
        metal = coarsen_mean(seen, factor).values >= METAL
        masks = {
            name: (np.sum([cells[part] for part in parts], axis=0) >= PURE) & ~metal
            for name, parts in CLASSES.items()
        }
        masks["mixed"] = ~np.logical_or.reduce(list(masks.values())) & ~metal
        return masks | {"metal": metal, "all_but_metal": ~metal}

    def knowledge(self, name: str, band: int = 10) -> dict[str, Any]:
        """What the emissivity is told of the ground: ``ndvi``, ``sealed`` or ``materials``."""
        if name == "ndvi":
            return {}
        if name == "sealed":
            return {"sealed": sum(self.shares[part] for part in CLASSES["built"])}
        materials = mixed({to: self.shares[cover] for cover, to in _MATERIALS.items()}, band)
        return {"materials": materials, "sealed": xr.zeros_like(self.shares["water"])}

    def deviation(self, draw: Array) -> xr.DataArray:
        """Emissivity of the materials of one city less that of their class, as the sensor sees it.

        Parameters
        ----------
        draw
            Standard normal deviate of each cover, in the order of their names.
        """
        total = xr.zeros_like(next(iter(self.shares.values())))
        for (name, share), one in zip(sorted(self.shares.items()), draw, strict=True):
            sd = _NATURAL_SD.get(name)
            total = total + share * one * (MATERIALS[_MATERIALS[name]].sd[10] if sd is None else sd)
        return coarsen_mean(seen_by_sensor(total, FINE_M), round(CELL_M / FINE_M))
