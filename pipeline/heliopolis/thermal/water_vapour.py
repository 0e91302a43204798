"""Total column water vapour [mm] where no measurement or reanalysis is at hand.

In this order of trust: a reanalysis or Sentinel-3 (both come as arrays, see `from_array`), the
transmittance that the official product ships (`from_transmittance`), a climatology by latitude and
month (`climatology`). Each gives the value and its 1-sigma error.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

#: 1-sigma error of a reanalysis [mm] and of a value: 1.5 mm and 5 %.
REANALYSIS_SIGMA_MM, REANALYSIS_SIGMA = 1.5, 0.05
#: Relative 1-sigma error of the climatology: weather and region together (a desert has half, a
#: monsoon twice the mean of its latitude).
CLIMATOLOGY_SIGMA = 0.45
#: Latitude, annual mean and half the difference of July and January [mm], from the reference
#: atmospheres of the AFGL (Anderson et al. 1986, AFGL-TR-86-0110): tropical 15 N, mid-latitude
#: 45 N summer 29.2 and winter 8.5, subarctic 60 N summer 20.8 and winter 4.2.
_LATITUDES = (0.0, 15.0, 45.0, 60.0, 90.0)
_MEANS_MM = (41.1, 41.1, 18.9, 12.5, 6.0)
_SWINGS_MM = (0.0, 0.0, 10.3, 8.3, 4.0)
#: Optical depth at nadir by water vapour [g cm-2]: constant, linear, square, of the thermal band
#: (Landsat 8 and 9: band 10). Fitted to LOWTRAN 7 (Kneizys et al. 1988, AFGL-TR-88-0177) in 66
#: atmospheres, 0.2 to 5 g cm-2; water vapour comes back with an error below 0.1 g cm-2.
_DEPTH = {
    "LANDSAT_4": (0.0413, 0.0601, 0.0216),
    "LANDSAT_5": (0.0451, 0.0694, 0.0238),
    "LANDSAT_7": (0.0468, 0.0659, 0.0219),
    "LANDSAT_8": (0.0423, 0.0512, 0.0199),
    "LANDSAT_9": (0.0441, 0.0514, 0.0193),
}
#: 1-sigma error of `from_transmittance`: fit and aerosol [mm], radiative transfer (relative).
_FIT_SIGMA_MM, _TRANSFER_SIGMA = 1.5, 0.08

Water = tuple[xr.DataArray, xr.DataArray]


def climatology(latitude_deg: float, month: int) -> tuple[float, float]:
    """Water vapour of a latitude and month, and its 1-sigma error [mm]; the last resort.

    Linear between the latitudes of the AFGL atmospheres; through the year a cosine with its
    extremes in mid-January and mid-July, turned round south of the equator.

    Raises
    ------
    ValueError
        If latitude or month are out of range.

    Examples
    --------
    >>> climatology(45.0, 7), climatology(-45.0, 7)[0]
    ((29.2, 13.1), 8.6)
    """
    if not (-90.0 <= latitude_deg <= 90.0 and 1 <= month <= 12):
        raise ValueError(f"latitude {latitude_deg} or month {month} out of range")
    mean = float(np.interp(abs(latitude_deg), _LATITUDES, _MEANS_MM))
    swing = float(np.interp(abs(latitude_deg), _LATITUDES, _SWINGS_MM))
    phase = math.cos(2.0 * math.pi * (month - 7) / 12.0)
    value = mean + math.copysign(swing, latitude_deg) * phase
    return round(value, 1), round(CLIMATOLOGY_SIGMA * value, 1)


def from_array(tcwv_mm: xr.DataArray, like: xr.DataArray | None = None) -> Water:
    """Water vapour of a reanalysis or Sentinel-3 with its 1-sigma error [mm].

    Parameters
    ----------
    tcwv_mm
        Total column [mm] = [kg m-2]; negative values are taken for missing.
    like
        Array with coordinates ``x`` and ``y`` to interpolate onto, bilinear; the nearest value
        beyond the outermost cell centres, NaN beside a missing one.
    """
    values = tcwv_mm.where(tcwv_mm >= 0)
    if like is not None:
        x = like["x"].clip(float(values["x"].min()), float(values["x"].max()))
        y = like["y"].clip(float(values["y"].min()), float(values["y"].max()))
        values = values.interp(x=x, y=y).assign_coords(x=like["x"], y=like["y"])
    sigma = (REANALYSIS_SIGMA_MM**2 + (REANALYSIS_SIGMA * values) ** 2) ** 0.5
    return _water(values, sigma)


def from_transmittance(transmittance: xr.DataArray, spacecraft: str) -> Water:
    """Water vapour that explains the transmittance of the thermal band, and its error [mm].

    For ST_ATRAN of the Level-2 product: the same air that the provider used.

    Raises
    ------
    ValueError
        For a satellite without a fit.
    """
    if spacecraft not in _DEPTH:
        raise ValueError(f"no optical depth for {spacecraft}")
    constant, linear, square = _DEPTH[spacecraft]
    known = transmittance.where((transmittance > 0) & (transmittance <= 1))
    excess: xr.DataArray = (-np.log(known) - constant).clip(0.0)  # type: ignore[assignment]
    root = (linear**2 + 4.0 * square * excess) ** 0.5
    value = 10.0 * (root - linear) / (2.0 * square)
    return _water(value, (_FIT_SIGMA_MM**2 + (_TRANSFER_SIGMA * value) ** 2) ** 0.5)


def transmittance(tcwv_mm: float, spacecraft: str) -> float:
    """Transmittance at nadir of clear air with that water vapour; inverse of the above."""
    constant, linear, square = _DEPTH[spacecraft]
    water = tcwv_mm / 10.0
    return math.exp(-(constant + linear * water + square * water**2))


def _water(value: xr.DataArray, sigma: xr.DataArray) -> Water:
    value.attrs = sigma.attrs = {"units": "mm"}
    return value.rename("tcwv_mm"), sigma.rename("tcwv_sd_mm")
