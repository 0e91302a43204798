"""Indices of reflectance that tell vegetation, water, built-up land and brightness."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from heliopolis.thermal.emissivity import ndvi

#: A pixel with at least this NDVI counts as covered by vegetation.
VEGETATED_NDVI = 0.5
#: NDVI of bare and of fully covered ground (Ermida et al. 2020, doi:10.3390/rs12091471).
_BARE_NDVI, _FULL_NDVI = 0.20, 0.86
#: Weights of broadband albedo (Bonafoni & Sekertekin 2020, doi:10.1109/LGRS.2020.2967085).
ALBEDO_WEIGHTS: Mapping[str, float] = {
    "blue": 0.2266,
    "green": 0.1236,
    "red": 0.1573,
    "nir": 0.3417,
    "swir16": 0.1170,
    "swir22": 0.0338,
}

Bands = Mapping[str, xr.DataArray]


def _ratio(first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    total = first + second
    return ((first - second) / total.where(total > 0)).clip(-1.0, 1.0)


def indices(bands: Bands) -> dict[str, xr.DataArray]:
    """``ndvi``, ``ndbi`` and ``albedo`` (y, x), those that the bands allow.

    Parameters
    ----------
    bands
        Reflectance 0..1 by common name.
    """
    out: dict[str, xr.DataArray] = {}
    if {"red", "nir"} <= set(bands):
        out["ndvi"] = ndvi(bands["red"], bands["nir"])
        out["ndvi"].attrs = {"units": "1", "long_name": "Normalised difference vegetation index"}
    if {"nir", "swir16"} <= set(bands):
        out["ndbi"] = _ratio(bands["swir16"], bands["nir"])
        out["ndbi"].attrs = {"units": "1", "long_name": "Normalised difference built-up index"}
    if set(ALBEDO_WEIGHTS) <= set(bands):
        out["albedo"] = sum(
            (bands[name] * weight for name, weight in ALBEDO_WEIGHTS.items()),
            start=xr.zeros_like(bands["blue"]),
        )
        out["albedo"].attrs = {"units": "1", "long_name": "Broadband albedo"}
    return out


def water(bands: Bands, classified: xr.DataArray) -> xr.DataArray:
    """Water (1) or not (0), NaN where unknown (y, x).

    Where at least half of the clear dates are classified as water, or where green exceeds the
    short-wave infrared clearly (MNDWI, Xu 2006, doi:10.1080/01431160600589179; NDWI with the
    near infrared where that is missing) and the near infrared is dark. The second condition
    keeps roofs and shadows out.

    Parameters
    ----------
    bands
        Reflectance 0..1 by common name.
    classified
        Share of the clear dates on which the scene classification says water.
    """
    found = classified >= 0.5
    dark = bands.get("swir16", bands.get("nir"))
    if dark is not None and {"green", "nir"} <= set(bands):
        found = found | ((_ratio(bands["green"], dark) > 0.2) & (bands["nir"] < 0.08))
    out = found.astype("float32").where(classified.notnull())
    out.attrs = {"units": "1", "long_name": "Water (1) or not (0)"}
    return out


def built(bands: Bands) -> xr.DataArray:
    """Share of ground that is neither vegetation nor water, 0..1 (y, x).

    A stand-in for built-up land where no class map is given: one minus the fractional
    vegetation cover, linear in NDVI. Bare soil counts as built.
    """
    cover = ((bands["ndvi"] - _BARE_NDVI) / (_FULL_NDVI - _BARE_NDVI)).clip(0.0, 1.0)
    share = (1.0 - cover) * (1.0 - bands["water"])
    share.attrs = {
        "units": "1",
        "long_name": "Share of ground without vegetation or water, bare soil included",
        "source": "ndvi",
    }
    return share
