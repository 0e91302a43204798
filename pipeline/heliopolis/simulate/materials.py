"""Materials of the simulated city: optics, emissivity and heat behaviour of each class.

The values are typical of their class and lie inside the ranges that are published for it; they
are choices of the simulator, not measurements of a place. Ranges: reflectance and emissivity
from the ECOSTRESS spectral library (Meerdink et al. 2019, doi:10.1016/j.rse.2019.05.015) and
from the urban library of Kotthaus et al. 2014 (doi:10.1016/j.isprsjprs.2014.05.005); thermal
admittance and albedo from Oke et al. 2017, Urban Climates (doi:10.1017/9781139016476); solar
reflectance of cool roofs from Santamouris 2014 (doi:10.1016/j.solener.2012.07.003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Optical bands of the table, in order (STAC common names, Sentinel-2 B02 B03 B04 B08 B11 B12).
OPTICAL_BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")


@dataclass(frozen=True)
class Material:
    """One class of ground or roof.

    Attributes
    ----------
    code
        Value in a land cover raster; 0 is no data.
    name
        Name of the class.
    reflectance
        Surface reflectance in `OPTICAL_BANDS` [1].
    albedo
        Broadband shortwave albedo [1].
    emissivity_b10, emissivity_b11
        Emissivity around 10.9 um and 12.0 um [1].
    emissivity_spread
        Half range of the emissivity from one object to the next [1]; large for metal, which is
        0.2-0.3 when bare and 0.9 when painted.
    thermal_admittance
        Square root of conductivity x heat capacity [J m-2 K-1 s-1/2]; of the layer that warms in
        a day, so low for a sheet or membrane over insulation.
    evaporation
        Share of the available energy that evaporates water on a dry summer day [0..1].
    exchange
        Relative coefficient of heat exchange with the air [1]; high for rough, tall canopies.
    variability
        Relative standard deviation of the reflectance from object to object [1].
    """

    code: int
    name: str
    reflectance: tuple[float, float, float, float, float, float]
    albedo: float
    emissivity_b10: float
    emissivity_b11: float
    emissivity_spread: float
    thermal_admittance: float
    evaporation: float
    exchange: float
    variability: float

    @property
    def display(self) -> tuple[float, float, float, float]:
        """Reflectance for an aerial camera: red, green, blue, nir [1]."""
        blue, green, red, nir = self.reflectance[:4]
        return red, green, blue, nir

    @property
    def is_roof(self) -> bool:
        """Whether the class is found on roofs only."""
        return self.name.startswith("roof_") or self.name in ("white_roof", "pv_panel")

    @property
    def is_vegetation(self) -> bool:
        """Whether the class is green in summer."""
        return self.name in ("grass", "tree", "crop", "forest")


def _m(
    code: int, name: str, reflectance: tuple[float, float, float, float, float, float], *rest: float
) -> Material:
    return Material(code, name, reflectance, *rest)


#: All classes. Columns after the reflectance: albedo, emissivity B10, B11, its spread, thermal
#: admittance, evaporation, exchange, variability.
MATERIALS: tuple[Material, ...] = (
    _m(1, "roof_tile", (.07, .11, .22, .32, .37, .34), .25, .930, .945, .015, 750, 0, 1.0, .18),
    _m(2, "roof_slate", (.08, .085, .09, .11, .14, .14), .11, .925, .940, .015, 800, 0, 1.0, .15),
    _m(3, "roof_bitumen", (.06, .065, .07, .085, .10, .10), .09, .950, .955, .01, 300, 0, 1.0, .2),
    _m(4, "roof_gravel", (.16, .19, .21, .25, .30, .29), .22, .945, .955, .01, 600, 0, 1.0, .15),
    _m(5, "roof_metal", (.29, .31, .32, .35, .39, .39), .35, .600, .600, .300, 150, 0, 1.0, .25),
    _m(6, "white_roof", (.70, .76, .78, .76, .65, .55), .72, .900, .910, .02, 300, 0, 1.0, .06),
    _m(7, "pv_panel", (.06, .045, .04, .05, .06, .06), .09, .880, .900, .01, 180, 0, 1.4, .10),
    _m(10, "asphalt", (.08, .09, .10, .13, .17, .16), .12, .950, .957, .01, 1200, 0, 0.9, .15),
    _m(11, "concrete", (.20, .23, .26, .31, .36, .33), .28, .935, .950, .01, 1600, 0, 0.9, .12),
    _m(12, "bare_soil", (.09, .13, .18, .28, .38, .33), .22, .965, .970, .01, 900, .10, 0.9, .15),
    _m(20, "grass", (.035, .07, .05, .36, .22, .11), .20, .982, .984, .005, 900, .55, 1.2, .15),
    _m(21, "tree", (.025, .05, .03, .40, .19, .085), .17, .985, .986, .005, 1100, .65, 2.2, .15),
    _m(22, "crop", (.04, .08, .06, .40, .24, .12), .20, .980, .981, .005, 900, .60, 1.3, .20),
    _m(23, "forest", (.02, .04, .025, .38, .17, .07), .15, .987, .988, .004, 1200, .70, 2.5, .10),
    _m(24, "stubble", (.08, .12, .17, .28, .36, .27), .24, .968, .972, .006, 800, .15, 1.0, .12),
    _m(30, "water", (.04, .045, .03, .015, .005, .004), .06, .991, .986, .002, 4000, .80, 1.0, .10),
)

BY_CODE: dict[int, Material] = {material.code: material for material in MATERIALS}
BY_NAME: dict[str, Material] = {material.name: material for material in MATERIALS}
CODE: dict[str, int] = {material.name: material.code for material in MATERIALS}


def lookup(attribute: str) -> np.ndarray:
    """Values of one attribute for each code: float32 of length 256 (or 256 x n), NaN elsewhere.

    >>> float(lookup("albedo")[CODE["water"]])
    0.05999999865889549
    """
    first = np.asarray(getattr(MATERIALS[0], attribute), dtype="float32")
    table = np.full((256, *first.shape), np.nan, dtype="float32")
    for material in MATERIALS:
        table[material.code] = getattr(material, attribute)
    return table


def table() -> pd.DataFrame:
    """All classes as a table indexed by code, one column for each band and property."""
    rows = []
    for material in MATERIALS:
        row: dict[str, object] = {"code": material.code, "name": material.name}
        row |= dict(zip(OPTICAL_BANDS, material.reflectance, strict=True))
        for name in (
            "albedo", "emissivity_b10", "emissivity_b11", "emissivity_spread",
            "thermal_admittance", "evaporation", "exchange", "variability",
        ):
            row[name] = getattr(material, name)
        rows.append(row)
    return pd.DataFrame(rows).set_index("code")
