"""Emissivity of roofs and ground in the TIRS bands, for places where a class map knows them.

Values marked ``SLUM`` are means over the samples of the Spectral Library of impervious Urban
Materials (Kotthaus et al. 2014, doi:10.1016/j.isprsjprs.2014.05.005), its laboratory emissivity
spectra averaged over 10.60-11.19 um (band 10) and 11.50-12.51 um (band 11); their sigma is the
standard deviation between the samples. To all of them comes `OUTDOORS_SD`. Values marked
``assumed`` have no measured sample behind them here: their sigma is wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

from heliopolis.errors import InputError

#: 1-sigma error that all tabulated materials share (1): laboratory samples against weathered,
#: dusty, rough surfaces outdoors; assumed.
OUTDOORS_SD = 0.010
#: Share of a pixel under metal from which its temperature is flagged (1): an error of 0.27 in the
#: emissivity of 5 % of a pixel is as large as that of the rest of the pixel.
LOW_SHARE = 0.05


@dataclass(frozen=True)
class Material:
    """Thermal emission of one material.

    Attributes
    ----------
    emissivity
        By TIRS band, 10 and 11 (1).
    sd
        1-sigma error of it, by band, of its own (1).
    low_emissivity
        Whether the material may be a mirror to the sky, so that its temperature is not to be
        trusted.
    source
        Where the values come from.
    """

    emissivity: Mapping[int, float]
    sd: Mapping[int, float]
    low_emissivity: bool
    source: str


def _m(
    b10: float, b11: float, sd10: float, sd11: float, source: str, low: bool = False
) -> Material:
    return Material({10: b10, 11: b11}, {10: sd10, 11: sd11}, low, source)


_YU = "Yu et al. 2014, doi:10.3390/rs6109829"
#: Materials by name. Metal spans 0.16 to 0.96 in the library, with its finish: where that is not
#: known the mean and the whole spread are taken.
MATERIALS: Mapping[str, Material] = {
    "asphalt": _m(0.948, 0.962, 0.009, 0.004, "SLUM, 10 samples"),
    "brick": _m(0.948, 0.961, 0.016, 0.009, "SLUM, 14 samples"),
    "concrete": _m(0.951, 0.954, 0.007, 0.011, "SLUM, 7 samples"),
    "stone": _m(0.933, 0.955, 0.015, 0.012, "SLUM, 5 samples"),
    "granite": _m(0.928, 0.958, 0.011, 0.004, "SLUM, 5 samples"),
    "roof_tile": _m(0.946, 0.961, 0.012, 0.007, "SLUM, 12 samples"),
    "roof_slate": _m(0.934, 0.952, 0.015, 0.003, "SLUM, 4 samples"),
    "roof_membrane": _m(0.940, 0.948, 0.004, 0.004, "SLUM, 6 samples of sheets"),
    "roof_bitumen": _m(0.948, 0.962, 0.020, 0.020, "assumed: as asphalt"),
    "roof_gravel": _m(0.942, 0.956, 0.025, 0.020, "assumed: between stone and concrete"),
    "white_roof": _m(0.940, 0.948, 0.040, 0.040, "assumed: as sheets; paints differ"),
    "pv_panel": _m(0.890, 0.890, 0.050, 0.050, "assumed: glass"),
    "green_roof": _m(0.9863, 0.9896, 0.015, 0.015, f"{_YU}: plants"),
    "metal": _m(0.804, 0.761, 0.269, 0.300, "SLUM, 8 samples of any finish", low=True),
    "metal_bare": _m(0.155, 0.145, 0.150, 0.150, "SLUM, 1 sample; sigma assumed", low=True),
    "metal_coated": _m(0.933, 0.931, 0.022, 0.038, "SLUM, 5 samples"),
    "built": _m(0.944, 0.958, 0.014, 0.008, "SLUM, 66 samples of all but metal"),
    "bare_soil": _m(0.9668, 0.9747, 0.015, 0.010, f"{_YU}: soil"),
    "vegetation": _m(0.9863, 0.9896, 0.010, 0.010, f"{_YU}: plants"),
    "water": _m(0.99, 0.99, 0.005, 0.005, "Ermida et al. 2020, doi:10.3390/rs12091471"),
}


def mixed(shares: Mapping[str, xr.DataArray], band: int = 10) -> xr.Dataset:
    """Emissivity of pixels that are mixtures of known materials.

    Parameters
    ----------
    shares
        Name in `MATERIALS` -> share of each pixel that it covers, 0..1 (y, x); NaN is 0. They may
        add up to less than 1: the rest is not known.
    band
        10 or 11.

    Returns
    -------
    Dataset
        ``emissivity`` and ``emissivity_sd`` of the known part (NaN where nothing is known),
        ``known`` and ``low`` (share of the pixel that is known, and that is metal), dims (y, x).
        The error of a material is one and the same all over the pixel; those of different
        materials are independent, but for `OUTDOORS_SD`, which they share.
    """
    unknown = sorted(set(shares) - set(MATERIALS))
    if unknown or not shares:
        raise InputError(
            f"no emissivity is known of {', '.join(unknown) or 'an empty list'}",
            where="materials",
            remedy="Choose from: " + ", ".join(sorted(MATERIALS)),
        )
    parts = {name: share.fillna(0.0).clip(0.0, 1.0) for name, share in shares.items()}
    nothing = xr.zeros_like(next(iter(parts.values())), dtype="float64")
    known = sum(parts.values(), start=nothing)
    value, variance, low = nothing, nothing, nothing
    for name, share in parts.items():
        material = MATERIALS[name]
        value = value + share * material.emissivity[band]
        variance = variance + (share * material.sd[band]) ** 2
        low = low + share * material.low_emissivity
    some = known.where(known > 0.0)
    out: dict[str, xr.DataArray] = {
        "emissivity": value / some,
        "emissivity_sd": (variance / some**2 + OUTDOORS_SD**2) ** 0.5,
        "known": known.clip(0.0, 1.0),
        "low": low.clip(0.0, 1.0),
    }
    for array in out.values():
        array.attrs = {"units": "1"}
    return xr.Dataset(out)
