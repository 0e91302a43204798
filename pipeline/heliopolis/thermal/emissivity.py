"""Emissivity of land in the TIRS bands: vegetation index, ASTER GED, and known materials."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.thermal.materials import LOW_SHARE, MATERIALS, OUTDOORS_SD

#: Emissivity of water and of snow in the thermal window (Ermida et al. 2020,
#: doi:10.3390/rs12091471).
WATER, SNOW = 0.99, 0.989
#: 1-sigma error that the NDVI thresholds method leaves over plants, without metal roofs (1).
SIGMA = 0.01
#: Parts of it (1), assumed: a closed canopy, whose emissivity lies between 0.975 and 0.99; and the
#: soil between the plants.
SIGMA_CANOPY, SIGMA_SOIL = 0.006, 0.012
#: 1-sigma errors of water, of snow (1).
SIGMA_WATER, SIGMA_SNOW = 0.005, 0.010
#: 1-sigma error of an ASTER GED emissivity where it comes without one (1): assumed, of the order
#: of the 0.016 that its makers report (Hulley et al. 2015, doi:10.1002/2015GL065564).
SIGMA_ASTER = 0.015
#: Emissivity of soil and vegetation by band, and the red-band line of bare soil: offset, slope
#: (Yu, Guo & Wu 2014, doi:10.3390/rs6109829).
_SOIL = {10: 0.9668, 11: 0.9747}
_PLANT = {10: 0.9863, 11: 0.9896}
_BARE = {10: (0.973, -0.047), 11: (0.984, -0.026)}
_SHAPE_FACTOR = 0.55
_LOW, _HIGH = 0.2, 0.5

#: NDVI of bare ground and of a closed canopy, emissivity of the latter, and the line from ASTER
#: bands 13 and 14 to the thermal band of a Landsat: c13, c14, c (Malakar et al. 2018,
#: doi:10.1109/TGRS.2018.2824828, as in the code of Ermida et al. 2020).
_NDVI_BARE, _NDVI_FULL, _CANOPY = 0.20, 0.86, 0.99
ASTER_COEFFICIENTS: Mapping[str, tuple[float, float, float]] = {
    "LANDSAT_4": (0.3222, 0.6498, 0.0272),
    "LANDSAT_5": (-0.0723, 1.0521, 0.0195),
    "LANDSAT_7": (0.2147, 0.7789, 0.0059),
    "LANDSAT_8": (0.6820, 0.2578, 0.0584),
    "LANDSAT_9": (0.6820, 0.2578, 0.0584),
}
#: Below this an ASTER emissivity is not believed (rule of the USGS surface temperature).
ASTER_LEAST = 0.6
#: Below this a believed one means metal: no soil, stone or plant is as low at 11 um.
ASTER_METAL = 0.85
#: Vegetation cover at ASTER's time between which the ground under it is less and less known.
_COVER_KNOWN, _COVER_LOST = 0.7, 0.9

#: Codes of ``emissivity_source``.
SOURCES: Mapping[str, int] = {
    "unknown": 0, "ndvi": 1, "aster": 2, "material": 3, "water": 4, "snow": 5,
}  # fmt: skip


def ndvi(red: xr.DataArray, nir: xr.DataArray) -> xr.DataArray:
    """Normalised difference vegetation index, -1..1; NaN where both bands are 0."""
    total = nir + red
    index = ((nir - red) / total.where(total > 0)).clip(-1.0, 1.0)
    index.attrs = {"units": "1"}
    return index


def ndvi_threshold(index: xr.DataArray, red: xr.DataArray, band: int = 10) -> xr.DataArray:
    """Emissivity of TIRS band 10 or 11 by the NDVI thresholds method.

    Below 0.2 a line of the red reflectance, between 0.2 and 0.5 a mixture of soil and plants
    with the cavity term ``(1 - e_s) e_v F (1 - P_v)``, above 0.5 plants; below 0 water.
    Sobrino et al. 2008, doi:10.1109/TGRS.2007.904834, with the coefficients of Yu et al. 2014,
    doi:10.3390/rs6109829. It does not hold for metal roofs.

    Parameters
    ----------
    index
        NDVI (y, x).
    red
        Red reflectance (y, x).
    band
        10 or 11.

    Examples
    --------
    >>> import xarray as xr
    >>> at = xr.DataArray([-0.1, 0.1, 0.7], dims="x")
    >>> ndvi_threshold(at, xr.full_like(at, 0.2)).round(4).values.tolist()
    [0.99, 0.9636, 0.9863]
    """
    offset, slope = _BARE[band]
    plants = (((index - _LOW) / (_HIGH - _LOW)).clip(0.0, 1.0)) ** 2
    cavity = (1.0 - _SOIL[band]) * _PLANT[band] * _SHAPE_FACTOR * (1.0 - plants)
    mixture = _PLANT[band] * plants + _SOIL[band] * (1.0 - plants) + cavity
    value = xr.where(index < _LOW, offset + slope * red, mixture)
    value = xr.where(index < 0.0, WATER, value).where(np.isfinite(index))
    value.attrs = {"units": "1"}
    return value


def _land(
    index: xr.DataArray, red: xr.DataArray, band: int, sealed: xr.DataArray | None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Emissivity of land and its variance: NDVI thresholds without their jump, for cities.

    As published the cavity term is largest where there are no plants to make a cavity, and
    emissivity jumps by 0.02 (1 K) at NDVI 0.2. Here it is ``4 d P_v (1 - P_v)``, nothing over
    bare ground and closed canopy (Valor & Caselles 1996, doi:10.1016/0034-4257(96)00039-9), as
    large as the published one at half cover. The ground between the plants is the soil of the
    line in red. What cities are built of is darker by 0.02: a sealed share counts by its area,
    whatever the index says. Where it is not known the ground is soil or stone, half and half, and
    the plants of a mixed pixel are between those of the two usual laws, closed at an index of 0.5
    (a crop over soil) and of 0.86 (`vegetation_cover`; trees over pavement), with an error that
    holds both.
    """
    offset, slope = _BARE[band]
    plants = (((index - _LOW) / (_HIGH - _LOW)).clip(0.0, 1.0)) ** 2
    stone = MATERIALS["built"].emissivity[band]
    stone_sd = float(np.hypot(MATERIALS["built"].sd[band], OUTDOORS_SD))
    ground = offset + slope * red.clip(0.0, 1.0)
    if sealed is None:
        variance = (SIGMA_SOIL**2 + stone_sd**2 + (ground - stone) ** 2) / 4.0
        ground = 0.5 * (ground + stone)
        most, most_variance = _with_plants(ground, variance, plants, band)
        least, least_variance = _with_plants(ground, variance, vegetation_cover(index), band)
        half = 0.5 * (most - least)
        return most - half, 0.5 * (most_variance + least_variance) + half**2
    value, variance = _with_plants(ground, xr.full_like(ground, SIGMA_SOIL**2), plants, band)
    share = sealed.clip(0.0, 1.0)
    value = stone * share + value * (1.0 - share)
    return value, (stone_sd * share) ** 2 + variance * (1.0 - share) ** 2


def _with_plants(
    ground: xr.DataArray, variance: xr.DataArray, plants: xr.DataArray, band: int
) -> tuple[xr.DataArray, xr.DataArray]:
    """Emissivity and its variance of ground of which a share is under plants."""
    cavity = 2.0 * (1.0 - ground) * _PLANT[band] * _SHAPE_FACTOR * plants * (1.0 - plants)
    value = _PLANT[band] * plants + ground * (1.0 - plants) + cavity
    return value, variance * (1.0 - plants) ** 2 + (SIGMA_CANOPY * plants) ** 2


def vegetation_cover(index: xr.DataArray) -> xr.DataArray:
    """Share of the ground under plants, ``((NDVI - 0.20) / (0.86 - 0.20))^2`` within 0..1.

    Carlson & Ripley 1997, doi:10.1016/S0034-4257(97)00104-1. Limited before it is squared, so
    that a negative index is no vegetation.

    >>> vegetation_cover(xr.DataArray([-0.3, 0.2, 0.53, 0.9], dims="x")).round(6).values.tolist()
    [0.0, 0.0, 0.25, 1.0]
    """
    share = ((index - _NDVI_BARE) / (_NDVI_FULL - _NDVI_BARE)).clip(0.0, 1.0) ** 2
    share.attrs = {"units": "1"}
    return share


def aster(
    index: xr.DataArray, ged: xr.Dataset, spacecraft: str = "LANDSAT_8"
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Emissivity of a Landsat's thermal band from ASTER GED and the vegetation of the date.

    The plants of ASTER's own time are taken out, ``(e - 0.99 f) / (1 - f)``, the bare ground is
    brought to the Landsat band by a line, and the plants of the date are put in.

    Parameters
    ----------
    index
        NDVI of the date (y, x).
    ged
        ``emissivity_13``, ``emissivity_14``, ``ndvi`` (y, x), physical units, interpolated
        bilinearly; and ``emissivity_sd`` where it is known.
    spacecraft
        ``LANDSAT_4`` ... ``LANDSAT_9``.

    Returns
    -------
    emissivity, emissivity_sd, weight
        (y, x), NaN where ASTER has nothing that can be believed. The weight falls from 1 to 0
        where plants hid the ground from ASTER.
    """
    if spacecraft not in ASTER_COEFFICIENTS:
        raise InputError(f"no coefficients from ASTER to {spacecraft}", where="emissivity",
                         remedy="Use " + ", ".join(ASTER_COEFFICIENTS))  # fmt: skip
    c13, c14, constant = ASTER_COEFFICIENTS[spacecraft]
    hidden = vegetation_cover(ged["ndvi"])
    open_share = (1.0 - hidden).where(hidden < _COVER_LOST)
    ground = []
    for name in ("emissivity_13", "emissivity_14"):
        seen = ged[name].where((ged[name] >= ASTER_LEAST) & (ged[name] <= 1.0))
        ground.append((seen - _CANOPY * hidden) / open_share)
    bare = c13 * ground[0] + c14 * ground[1] + constant
    bare = bare.where(bare >= ASTER_LEAST).clip(max=1.0)
    cover = vegetation_cover(index)
    value = _CANOPY * cover + (1.0 - cover) * bare
    own = ged.get("emissivity_sd", SIGMA_ASTER)
    sd = np.hypot((1.0 - cover) * (c13**2 + c14**2) ** 0.5 * own / open_share, SIGMA_CANOPY * cover)
    weight = ((_COVER_LOST - hidden) / (_COVER_LOST - _COVER_KNOWN)).clip(0.0, 1.0)
    return value, sd.where(value.notnull()), weight.where(value.notnull(), 0.0)


def city_emissivity(
    index: xr.DataArray,
    red: xr.DataArray,
    *,
    band: int = 10,
    spacecraft: str = "LANDSAT_8",
    ged: xr.Dataset | None = None,
    materials: xr.Dataset | None = None,
    sealed: xr.DataArray | None = None,
    water: xr.DataArray | None = None,
    snow: xr.DataArray | None = None,
) -> xr.Dataset:
    """Best knowledge of the emissivity, its error, where it comes from, where it is not to trust.

    NDVI thresholds everywhere; ASTER GED in their place where it is there and valid (band 10 and
    older sensors only: no line to band 11 is published); known materials for the share of the
    pixel that they cover; water and snow. Nothing is clipped: under metal the values stay what
    the sources say, and ``untrusted`` is set.

    Parameters
    ----------
    index, red
        NDVI and red reflectance of the date (y, x).
    band
        10 or 11.
    spacecraft
        Platform, for the line from ASTER.
    ged
        ASTER GED on this grid, see `aster`.
    materials
        Outcome of `heliopolis.thermal.materials.mixed` on this grid and band.
    sealed
        Share of the ground that is built or paved, 0..1 (y, x), of what ``materials`` leave: 0
        where they hold all that is built.
    water, snow
        Where the date has water and snow (bool). Without ``water`` a negative NDVI is water;
        with it a negative NDVI is a dark roof or a panel.

    Returns
    -------
    Dataset
        ``emissivity``, ``emissivity_sd`` (float32, NaN where unknown), ``emissivity_source``
        (uint8, codes `SOURCES`), ``untrusted`` (bool), dims (y, x).
    """
    known = index.notnull() & red.notnull()
    value, variance = (part.where(known) for part in _land(index, red, band, sealed))
    source = xr.where(known, SOURCES["ndvi"], SOURCES["unknown"])
    untrusted = xr.zeros_like(known)
    if ged is not None and band == 10:
        value, variance, source = _with_aster(index, ged, spacecraft, value, variance, source)
        lowest = np.minimum(ged["emissivity_13"], ged["emissivity_14"])
        untrusted = untrusted | ((lowest > 0.0) & (lowest < ASTER_METAL))
    if materials is not None:
        share = materials["known"].fillna(0.0)
        share = share.where(known, (share >= 0.5).astype(share.dtype))
        value = _blend(value, materials["emissivity"], share)
        variance = _blend(variance**0.5, materials["emissivity_sd"], share) ** 2
        source = xr.where(share >= 0.5, SOURCES["material"], source)
        untrusted = untrusted | (materials["low"] >= LOW_SHARE)
    wet = (index < 0.0) if water is None else water.astype(bool)
    for mask, name, level, sd in (
        (wet, "water", WATER, SIGMA_WATER),
        (snow, "snow", SNOW, SIGMA_SNOW),
    ):
        if mask is not None:
            mask = mask.astype(bool)
            value, variance = xr.where(mask, level, value), xr.where(mask, sd**2, variance)
            source = xr.where(mask, SOURCES[name], source)
            untrusted = untrusted & ~mask
    return _described(value, variance, source, untrusted)


def _blend(one: xr.DataArray, other: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """``one (1 - w) + other w``; a part that has no weight may be NaN."""
    first = one.where(weight < 1.0, 0.0) * (1.0 - weight)
    return first + other.where(weight > 0.0, 0.0) * weight


def _with_aster(
    index: xr.DataArray, ged: xr.Dataset, spacecraft: str,
    value: xr.DataArray, variance: xr.DataArray, source: xr.DataArray,
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:  # fmt: skip
    by_aster, sd, weight = aster(index, ged, spacecraft)
    source = xr.where(weight >= 0.5, SOURCES["aster"], source)
    return (
        _blend(value, by_aster, weight),
        _blend(variance**0.5, sd, weight) ** 2,
        source,
    )


def _described(
    value: xr.DataArray, variance: xr.DataArray, source: xr.DataArray, untrusted: xr.DataArray
) -> xr.Dataset:
    out = xr.Dataset(
        {
            "emissivity": value.astype("float32"),
            "emissivity_sd": np.sqrt(variance).astype("float32"),
            "emissivity_source": source.where(value.notnull(), SOURCES["unknown"]).astype("uint8"),
            "untrusted": untrusted.astype(bool),
        }
    )
    for name in ("emissivity", "emissivity_sd"):
        out[name].attrs = {"units": "1"}
    out["emissivity_source"].attrs = {
        "flag_values": np.array(list(SOURCES.values()), dtype="uint8"),
        "flag_meanings": " ".join(SOURCES),
    }
    out["untrusted"].attrs = {
        "long_name": "Metal or another mirror of the sky: temperature not to be trusted"
    }
    return out
