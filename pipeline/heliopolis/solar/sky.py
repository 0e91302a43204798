"""The sky hour by hour: where the sun stands, how bright sky and sun are, how much is seen.

Only what does not depend on a roof is here; `heliopolis.solar.irradiance` lays it on planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pvlib
from numba import njit, prange

from heliopolis.solar.diffuse import (
    Transposition,
    brightness,
    complete_components,
    is_decomposed,
)

FloatArray = np.ndarray[Any, np.dtype[Any]]

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: Share of a month's hours that must be there for the month to be known.
_MONTH_COVERAGE = 0.5
#: Share of the beam that passes a tree, January to December, northern mid-latitudes. Konarska et
#: al. (2014), doi:10.1007/s00704-013-1000-3, measured 1.3-5.3 % under foliated and 40.2-51.9 %
#: under bare crowns of urban trees; April and October lie half way.
TREE_TRANSMISSIVITY = (0.46, 0.46, 0.46, 0.25, 0.03, 0.03, 0.03, 0.03, 0.03, 0.25, 0.46, 0.46)
_EVERGREEN = 0.03


@dataclass(frozen=True)
class Sky:
    """Daylight intervals of one or more years; every array has dims (time,).

    Attributes
    ----------
    times
        Middle of each interval, UTC.
    zenith_deg, azimuth_deg
        Apparent position of the sun, at the middle of each interval.
    dni, dhi, ghi
        Beam on the normal, diffuse and global on the horizontal [W m-2].
    circumsolar, brightening
        F1 and F2 of Perez et al. (1990), or their like of Hay and Davies (1980).
    temp_air_c, wind_m_s
        Air temperature and wind speed; NaN where the weather has none.
    month
        0 to 11, in local solar time.
    hours
        Hours of a mean year that the interval stands for: sums of power times ``hours`` are
        energy in one mean year. NaN in a month that the weather does not cover.
    missing_months
        Months (0 to 11) of which less than half is covered.
    yearly_ghi_kwh_m2
        Global irradiation of each complete year.
    transposition
        The model of the diffuse sky.
    """

    times: pd.DatetimeIndex
    zenith_deg: FloatArray
    azimuth_deg: FloatArray
    dni: FloatArray
    dhi: FloatArray
    ghi: FloatArray
    circumsolar: FloatArray
    brightening: FloatArray
    temp_air_c: FloatArray
    wind_m_s: FloatArray
    month: FloatArray
    hours: FloatArray
    missing_months: tuple[int, ...]
    yearly_ghi_kwh_m2: FloatArray
    transposition: Transposition

    @property
    def beam_normal(self) -> FloatArray:
        """Beam and circumsolar light on the normal [W m-2]."""
        floor = math.cos(math.radians(85.0))
        cos_zenith = np.maximum(np.cos(np.radians(self.zenith_deg)), floor)
        return self.dni + self.dhi * self.circumsolar / cos_zenith

    @property
    def isotropic(self) -> FloatArray:
        """Diffuse light of the even sky on the horizontal [W m-2]."""
        return self.dhi * (1.0 - self.circumsolar)

    def part(self, keep: FloatArray) -> Sky:
        """The intervals where ``keep`` is true, dims (time,)."""
        of_time = {
            f.name: getattr(self, f.name)[keep]
            for f in fields(self)
            if f.name not in ("missing_months", "yearly_ghi_kwh_m2", "transposition")
        }
        return replace(self, **of_time)


def sun_position(times: pd.DatetimeIndex, latitude: float, longitude: float) -> pd.DataFrame:
    """Apparent zenith and azimuth of the sun [deg] (NREL SPA, doi:10.1016/j.solener.2003.12.003).

    Columns ``zenith_deg``, ``azimuth_deg``; refraction included.
    """
    found = pvlib.solarposition.get_solarposition(times, latitude, longitude)
    return pd.DataFrame(
        {"zenith_deg": found["apparent_zenith"], "azimuth_deg": found["azimuth"]}, index=times
    )


def make_sky(
    weather: pd.DataFrame,
    times: pd.DatetimeIndex,
    step_hours: float,
    latitude: float,
    longitude: float,
    *,
    transposition: Transposition | None = None,
) -> Sky:
    """Sky of a site from its weather.

    Parameters
    ----------
    weather
        Columns ``ghi``, ``dni``, ``dhi`` or enough of them (also ``bhi``, beam on the
        horizontal) [W m-2]; ``temp_air`` [degC] and ``wind_speed`` [m s-1] where known. Rows
        without irradiance are left out, and their month is filled with its other hours.
    times
        Middle of each interval, UTC, as long as ``weather``.
    step_hours
        Length of an interval.
    latitude, longitude
        Site [deg].
    transposition
        ``perez``: Perez et al. (1990); ``hay-davies``: Hay and Davies (1980), whose circumsolar
        share is the beam over the extraterrestrial; ``muneer``: Muneer (1990), that of PVGIS. By
        default the former where the diffuse is
        independent, the latter where it was split from global irradiance: Perez needs a
        measured clearness, and with a split one gives about 2 % too much on southern roofs.
    """
    sun = sun_position(times, latitude, longitude)
    zenith = sun["zenith_deg"].to_numpy()
    extra = pvlib.irradiance.get_extra_radiation(times).to_numpy()
    ghi, dni, dhi = complete_components(weather, times, zenith, extra)
    known = np.isfinite(ghi) & np.isfinite(dni) & np.isfinite(dhi)
    local = times + pd.Timedelta(hours=longitude / 15.0)
    hours, missing = mean_year_hours(local, known, step_hours)
    down = zenith >= 90.0
    dhi, dni = np.where(down, ghi, dhi), np.where(down, 0.0, dni)
    keep = known & ((ghi > 0) | (dni > 0) | (dhi > 0))
    if transposition is None:
        split = is_decomposed(weather, times, zenith, ghi)
        transposition = "hay-davies" if split else "perez"
    circumsolar, brightening = brightness(transposition, dni, dhi, zenith, extra)

    def column(name: str) -> FloatArray:
        if name not in weather:
            return np.full(int(keep.sum()), np.nan)
        return weather[name].to_numpy(dtype=float)[keep]

    return Sky(
        times=times[keep],
        zenith_deg=zenith[keep],
        azimuth_deg=sun["azimuth_deg"].to_numpy()[keep],
        dni=dni[keep],
        dhi=dhi[keep],
        ghi=ghi[keep],
        circumsolar=circumsolar[keep],
        brightening=brightening[keep],
        temp_air_c=column("temp_air"),
        wind_m_s=column("wind_speed"),
        month=np.asarray(local.month[keep]) - 1,
        hours=hours[keep],
        missing_months=missing,
        yearly_ghi_kwh_m2=yearly_sums(local, ghi, known, step_hours) / 1000.0,
        transposition=transposition,
    )


def mean_year_hours(
    local: pd.DatetimeIndex, known: FloatArray, step_hours: float
) -> tuple[FloatArray, tuple[int, ...]]:
    """Hours of a mean year that each row stands for, and the months that are not covered.

    A month of 744 hours of which three years with 700 hours each are there gives each hour a
    weight of 744 / 2100. February has as many days as the years given have on average.
    """
    month = np.asarray(local.month) - 1
    present = np.bincount(month[known], minlength=12) * step_hours
    wanted = np.array(_DAYS) * 24.0
    years = max(1, round(present[1] / wanted[1]))
    leap = ((month == 1) & (np.asarray(local.day) == 29) & known).sum() * step_hours
    wanted[1] += leap / years
    covered = present >= _MONTH_COVERAGE * wanted
    weight = np.full(12, np.nan)
    weight[covered] = step_hours * wanted[covered] / present[covered]
    return np.where(known, weight[month], 0.0), tuple(int(m) for m in np.flatnonzero(~covered))


def yearly_sums(
    local: pd.DatetimeIndex, power: FloatArray, known: FloatArray, step_hours: float
) -> FloatArray:
    """Sum of ``power`` times hours over each calendar year that is at least 98 % there."""
    frame = pd.DataFrame({"sum": np.where(known, power, 0.0) * step_hours, "n": known * 1.0})
    by_year = frame.groupby(np.asarray(local.year)).sum()
    complete = by_year["n"] * step_hours >= 0.98 * 8760
    scaled = by_year["sum"] * 8760.0 / (by_year["n"] * step_hours)
    return scaled[complete].to_numpy()


def tree_transmissivity(month: FloatArray, latitude: float) -> FloatArray:
    """Share of the light that passes a tree in each ``month`` (0 to 11).

    Half a year later in the south; the tropics keep their leaves.
    """
    table = np.array(TREE_TRANSMISSIVITY)
    if latitude < 0:
        table = np.roll(table, 6)
    if abs(latitude) < 23.5:
        table = np.full(12, _EVERGREEN)
    return np.asarray(table[month])


@njit(cache=True, parallel=True, nogil=True)
def sky_view(horizons_deg, tilt_deg, azimuth_deg):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Share of the even sky's light that reaches inclined cells, 1 where nothing stands before.

    Parameters
    ----------
    horizons_deg
        Horizon angles [deg], dims (direction, cell), as of `heliopolis.solar.horizon.horizon`.
    tilt_deg, azimuth_deg
        Orientation of each cell [deg], dims (cell,).

    Returns
    -------
    array
        dims (cell,): the cosine-weighted integral over the sky above the horizon and in front
        of the plane, over that without obstacles (Dozier and Frew 1990, doi:10.1109/36.58986).
    """
    directions, cells = horizons_deg.shape
    out = np.empty(cells)
    for c in prange(cells):
        cos_tilt = math.cos(math.radians(tilt_deg[c]))
        sin_tilt = math.sin(math.radians(tilt_deg[c]))
        seen = 0.0
        total = 0.0
        for k in range(directions):
            turn = math.radians(k * 360.0 / directions - azimuth_deg[c])
            side = sin_tilt * math.cos(turn)
            own = math.atan2(-side, cos_tilt) if side < 0 else 0.0
            edge = max(own, math.radians(horizons_deg[k, c]))
            top = 0.5 * cos_tilt + 0.25 * math.pi * side
            total += top - _band(own, cos_tilt, side)
            seen += top - _band(edge, cos_tilt, side)
        out[c] = seen / total
    return out


@njit(cache=True, nogil=True, inline="always")
def _band(edge, cos_tilt, side):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Integral of cos(incidence) cos(elevation) from the horizontal up to ``edge`` [rad]."""
    sine = math.sin(edge)
    return 0.5 * cos_tilt * sine * sine + side * (0.5 * edge + 0.25 * math.sin(2.0 * edge))
