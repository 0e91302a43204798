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
    _m(
        1,
        "roof_tile",
        (0.07, 0.11, 0.22, 0.32, 0.37, 0.34),
        0.25,
        0.930,
        0.945,
        0.015,
        750,
        0,
        1.0,
        0.18,
    ),
    _m(
        2,
        "roof_slate",
        (0.08, 0.085, 0.09, 0.11, 0.14, 0.14),
        0.11,
        0.925,
        0.940,
        0.015,
        800,
        0,
        1.0,
        0.15,
    ),
    _m(
        3,
        "roof_bitumen",
        (0.06, 0.065, 0.07, 0.085, 0.10, 0.10),
        0.09,
        0.950,
        0.955,
        0.01,
        300,
        0,
        1.0,
        0.2,
    ),
    _m(
        4,
        "roof_gravel",
        (0.16, 0.19, 0.21, 0.25, 0.30, 0.29),
        0.22,
        0.945,
        0.955,
        0.01,
        600,
        0,
        1.0,
        0.15,
    ),
    _m(
        5,
        "roof_metal",
        (0.29, 0.31, 0.32, 0.35, 0.39, 0.39),
        0.35,
        0.600,
        0.600,
        0.300,
        150,
        0,
        1.0,
        0.25,
    ),
    _m(
        6,
        "white_roof",
        (0.70, 0.76, 0.78, 0.76, 0.65, 0.55),
        0.72,
        0.900,
        0.910,
        0.02,
        300,
        0,
        1.0,
        0.06,
    ),
    _m(
        7,
        "pv_panel",
        (0.06, 0.045, 0.04, 0.05, 0.06, 0.06),
        0.09,
        0.880,
        0.900,
        0.01,
        180,
        0,
        1.4,
        0.10,
    ),
    _m(
        10,
        "asphalt",
        (0.08, 0.09, 0.10, 0.13, 0.17, 0.16),
        0.12,
        0.950,
        0.957,
        0.01,
        1200,
        0,
        0.9,
        0.15,
    ),
    _m(
        11,
        "concrete",
        (0.20, 0.23, 0.26, 0.31, 0.36, 0.33),
        0.28,
        0.935,
        0.950,
        0.01,
        1600,
        0,
        0.9,
        0.12,
    ),
    _m(
        12,
        "bare_soil",
        (0.09, 0.13, 0.18, 0.28, 0.38, 0.33),
        0.22,
        0.965,
        0.970,
        0.01,
        900,
        0.10,
        0.9,
        0.15,
    ),
    _m(
        20,
        "grass",
        (0.035, 0.07, 0.05, 0.36, 0.22, 0.11),
        0.20,
        0.982,
        0.984,
        0.005,
        900,
        0.55,
        1.2,
        0.15,
    ),
    _m(
        21,
        "tree",
        (0.025, 0.05, 0.03, 0.40, 0.19, 0.085),
        0.17,
        0.985,
        0.986,
        0.005,
        1100,
        0.65,
        2.2,
        0.15,
    ),
    _m(
        22,
        "crop",
        (0.04, 0.08, 0.06, 0.40, 0.24, 0.12),
        0.20,
        0.980,
        0.981,
        0.005,
        900,
        0.60,
        1.3,
        0.20,
    ),
    _m(
        23,
        "forest",
        (0.02, 0.04, 0.025, 0.38, 0.17, 0.07),
        0.15,
        0.987,
        0.988,
        0.004,
        1200,
        0.70,
        2.5,
        0.10,
    ),
    _m(
        24,
        "stubble",
        (0.08, 0.12, 0.17, 0.28, 0.36, 0.27),
        0.24,
        0.968,
        0.972,
        0.006,
        800,
        0.15,
        1.0,
        0.12,
    ),
    _m(
        30,
        "water",
        (0.04, 0.045, 0.03, 0.015, 0.005, 0.004),
        0.06,
        0.991,
        0.986,
        0.002,
        4000,
        0.80,
        1.0,
        0.10,
    ),
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
            "albedo",
            "emissivity_b10",
            "emissivity_b11",
            "emissivity_spread",
            "thermal_admittance",
            "evaporation",
            "exchange",
            "variability",
        ):
            row[name] = getattr(material, name)
        rows.append(row)
    return pd.DataFrame(rows).set_index("code")
