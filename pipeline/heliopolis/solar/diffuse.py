"""Global irradiance split into beam and diffuse, and the diffuse sky into its bright parts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pvlib

FloatArray = np.ndarray[Any, np.dtype[Any]]
Transposition = Literal["perez", "hay-davies", "muneer"]

#: Zenith angle beyond which beam on the horizontal is not turned into beam on the normal [deg].
_LAST_BEAM_ZENITH_DEG = 88.0

#: Perez et al. (1990), doi:10.1016/0038-092X(90)90055-H, table 6: limits of the clearness bins,
#: and F11 F12 F13 F21 F22 F23 of each.
_CLEARNESS = np.array([1.065, 1.23, 1.5, 1.95, 2.8, 4.5, 6.2])
_PEREZ = np.array(
    [
        [-0.008, 0.588, -0.062, -0.060, 0.072, -0.022],
        [0.130, 0.683, -0.151, -0.019, 0.066, -0.029],
        [0.330, 0.487, -0.221, 0.055, -0.064, -0.026],
        [0.568, 0.187, -0.295, 0.109, -0.152, -0.014],
        [0.873, -0.392, -0.362, 0.226, -0.462, 0.001],
        [1.132, -1.237, -0.412, 0.288, -0.823, 0.056],
        [1.060, -1.600, -0.359, 0.264, -1.127, 0.131],
        [0.678, -0.327, -0.250, 0.156, -1.377, 0.251],
    ]
)

#: Shape of an overcast sky, and of the sky before a surface in the shade (Muneer 1990).
_SHADED_SHAPE = 0.25227

#: A diffuse irradiance this close to that of Erbs [W m-2] in this share of the hours is its own.
_ERBS_TOLERANCE, _ERBS_SHARE = 4.0, 0.9


def complete_components(
    weather: pd.DataFrame, times: pd.DatetimeIndex, zenith: FloatArray, extra: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Global, beam normal and diffuse [W m-2] from those that are given.

    Two components give the third by closure, ``ghi = dni cos(zenith) + dhi``; global alone is
    split by Erbs et al. (1982), doi:10.1016/0038-092X(82)90302-4. With the sun below 2 deg a
    beam on the horizontal is counted as diffuse.
    """
    given = {
        name: np.maximum(weather[name].to_numpy(dtype=float), 0.0)
        for name in ("ghi", "dni", "dhi", "bhi")
        if name in weather
    }
    cos_zenith = np.maximum(np.cos(np.radians(zenith)), 0.0)
    if "ghi" not in given and {"bhi", "dhi"} <= given.keys():
        given["ghi"] = given["bhi"] + given["dhi"]
    if {"ghi", "dni", "dhi"} <= given.keys():
        return given["ghi"], given["dni"], given["dhi"]
    if {"dni", "dhi"} <= given.keys():
        return given["dni"] * cos_zenith + given["dhi"], given["dni"], given["dhi"]
    if "ghi" not in given:
        raise ValueError("the weather needs ghi, or dni and dhi, or bhi and dhi")
    ghi = given["ghi"]
    if "dni" in given:
        return ghi, given["dni"], np.clip(ghi - given["dni"] * cos_zenith, 0.0, ghi)
    if "dhi" in given:
        high = zenith < _LAST_BEAM_ZENITH_DEG
        beam = np.divide(ghi - given["dhi"], cos_zenith, out=np.zeros_like(ghi), where=high)
        dni = np.clip(beam, 0.0, extra)
        return ghi, dni, ghi - dni * cos_zenith
    split = pvlib.irradiance.erbs(ghi, zenith, times)
    return ghi, np.asarray(split["dni"]), np.asarray(split["dhi"])


def is_decomposed(
    weather: pd.DataFrame, times: pd.DatetimeIndex, zenith: FloatArray, ghi: FloatArray
) -> bool:
    """Whether beam and diffuse are no measurement but were split from global irradiance.

    True where only global is given, and where the diffuse is that of Erbs et al. (1982).
    """
    if "dhi" not in weather:
        return "dni" not in weather
    bright = np.isfinite(ghi) & (ghi > 50.0) & (zenith < 80.0)
    if not bright.any():
        return False
    split = pvlib.irradiance.erbs(ghi[bright], zenith[bright], times[bright])
    off = np.abs(np.asarray(split["dhi"]) - weather["dhi"].to_numpy(dtype=float)[bright])
    return bool(np.mean(off < _ERBS_TOLERANCE) > _ERBS_SHARE)


def brightness(
    model: Transposition,
    dni: FloatArray,
    dhi: FloatArray,
    zenith_deg: FloatArray,
    extra: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Circumsolar and horizon brightening of the sky by the model named."""
    if model == "perez":
        return perez_brightness(dni, dhi, zenith_deg, extra)
    return np.where(zenith_deg < 90.0, np.clip(dni / extra, 0.0, 1.0), 0.0), np.zeros_like(dhi)


def muneer_shares(tilt_deg: FloatArray, beam_share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of the diffuse sky on planes that the sun lights, and on those that it does not.

    Parameters
    ----------
    tilt_deg
        Tilt of the planes [deg], dims (plane, 1).
    beam_share
        Beam over extraterrestrial irradiance, dims (time,).

    Returns
    -------
    lit, shaded
        dims (plane, time) and (plane, 1), of the sky without its circumsolar light, and of the
        whole sky.

    References
    ----------
    Muneer (1990), doi:10.1177/014362449001100401, with the coefficients for Europe, as Suri and
    Hofierka (2004), doi:10.1111/j.1467-9671.2004.00174.x, and PVGIS use it.
    """
    tilt = np.radians(tilt_deg)
    even = np.cos(tilt / 2) ** 2
    bend = np.sin(tilt) - tilt * np.cos(tilt) - np.pi * np.sin(tilt / 2) ** 2
    shape = 0.00263 - 0.712 * beam_share - 0.6883 * beam_share**2
    shape = np.where(beam_share > 0, shape, _SHADED_SHAPE)[None, :]
    return even + shape * bend, even + _SHADED_SHAPE * bend


def perez_brightness(
    dni: FloatArray, dhi: FloatArray, zenith_deg: FloatArray, extra: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Circumsolar (F1) and horizon (F2) brightening of Perez et al. (1990).

    Parameters
    ----------
    dni, dhi, extra
        Beam normal, diffuse horizontal, extraterrestrial normal irradiance [W m-2].
    zenith_deg
        Apparent zenith of the sun [deg].

    References
    ----------
    doi:10.1016/0038-092X(90)90055-H, equations 1 to 5 and table 6 (all sites).
    """
    zenith = np.radians(np.minimum(zenith_deg, 90.0))
    lit = dhi > 0
    kappa = 1.041 * zenith**3
    ratio = np.divide(dhi + dni, dhi, out=np.ones_like(dhi), where=lit)
    clearness = (ratio + kappa) / (1.0 + kappa)
    airmass = pvlib.atmosphere.get_relative_airmass(np.minimum(zenith_deg, 90.0))
    brightness = dhi * airmass / extra
    f = _PEREZ[np.digitize(clearness, _CLEARNESS)]
    f1 = np.clip(f[:, 0] + f[:, 1] * brightness + f[:, 2] * zenith, 0.0, 1.0)
    f2 = f[:, 3] + f[:, 4] * brightness + f[:, 5] * zenith
    sun_up = lit & (zenith_deg < 90.0)
    return np.where(sun_up, f1, 0.0), np.where(sun_up, f2, 0.0)
