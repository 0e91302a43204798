"""The surface heat island of many dates: by day and by night, over the years, in heat waves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import binomtest, kendalltau, norm, t, theilslopes

from heliopolis.heat.cells import disc_mean

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

#: The urban core: the largest group of ground that is built over half of the disc of this radius.
CORE_RADIUS_M, CORE_SHARE = 250.0, 0.5
#: The reference keeps this distance from the core [m], and is at most so much built up around.
AWAY_M, MOST_BUILT = 500.0, 0.1
#: Largest difference of height between the reference and the core [m].
HEIGHT_M = 50.0
#: Fewest cells of core and of reference.
LEAST_CELLS = 30
#: Mean fall of temperature with height [K m-1]: the standard atmosphere (ISO 2533:1975), and with
#: latitude [K per degree]: zero, unless it is given.
LAPSE_K_M = 0.0065
#: Fewest dates for a trend, and fewest of each group for heat waves.
_TREND_DATES, _GROUP_DATES = 6, 2
_SEASON_YEARS = 0.25
#: Months of summer north and south of the equator.
_SUMMER = {True: (6, 7, 8), False: (12, 1, 2)}


@dataclass(frozen=True)
class Date:
    """Heat island of one overpass.

    Attributes
    ----------
    acquired
        Time of the overpass (aware).
    overpass
        ``day`` or ``night``.
    intensity_k, sd_k
        Core minus reference, and its standard uncertainty [K].
    """

    acquired: datetime
    overpass: str
    intensity_k: float
    sd_k: float


@dataclass(frozen=True)
class Trend:
    """Change over the years.

    Attributes
    ----------
    slope_k_year
        Theil-Sen slope [K per year].
    low_k_year, high_k_year
        Its 95 % interval.
    p_value
        Of Kendall's test of no trend (1).
    n_dates
        Number of dates.
    """

    slope_k_year: float
    low_k_year: float
    high_k_year: float
    p_value: float
    n_dates: int


@dataclass(frozen=True)
class Difference:
    """Heat-wave days minus other summer days.

    Attributes
    ----------
    difference_k, low_k, high_k
        Mean difference of the intensity and its 95 % interval (Welch) [K].
    n_wave, n_other
        Dates of each.
    """

    difference_k: float
    low_k: float
    high_k: float
    n_wave: int
    n_other: int


@dataclass(frozen=True)
class Persistence:
    """How often the core is hotter than the reference.

    Attributes
    ----------
    share_of_dates
        Share of the dates that are hotter beyond their uncertainty, one-sided 95 % (1).
    low, high
        Its 95 % interval (1).
    n_dates
        Number of dates with an intensity and an uncertainty.
    """

    share_of_dates: float
    low: float
    high: float
    n_dates: int


def urban_core(built: Array, cell_m: float) -> Mask:
    """The largest dense built-up group; empty where there is none."""
    dense = disc_mean(built, CORE_RADIUS_M / cell_m) >= CORE_SHARE
    labels, count = ndimage.label(dense, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros(built.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def rural_reference(
    vegetated: Mask,
    built: Array,
    core: Mask,
    *,
    cell_m: float,
    height_m: Array | None = None,
) -> Mask:
    """Open or vegetated ground outside the urban core, at about its height.

    At least 500 m from the core, in neighbourhoods (250 m) with at most 10 % built, and, where
    heights are known, within 50 m of the core's median height. Choosing the reference makes the
    heat island (Stewart & Oke 2012, doi:10.1175/BAMS-D-11-00019.1; Martin-Vide et al. 2015,
    doi:10.1016/j.uclim.2014.12.004): so it is declared.

    Parameters
    ----------
    vegetated
        Vegetation, or local climate zone D (low plants), dims (y, x).
    built
        Share built (1), dims (y, x).
    core
        From `urban_core`.
    cell_m
        Side of a cell [m].
    height_m
        Height of the ground [m], dims (y, x).
    """
    away = ndimage.distance_transform_edt(~core) * cell_m >= AWAY_M
    open_ground = disc_mean(built, CORE_RADIUS_M / cell_m) <= MOST_BUILT
    chosen = vegetated & away & open_ground
    if height_m is not None and core.any():
        level = float(np.nanmedian(height_m[core]))
        chosen &= np.abs(height_m - level) <= HEIGHT_M
    return np.asarray(chosen)


def at_one_level(
    lst_c: Array,
    core: Mask,
    *,
    height_m: Array | None = None,
    latitude_deg: Array | None = None,
    per_degree_k: float = 0.0,
) -> Array:
    """Temperature brought to the core's median height and latitude [degC].

    6.5 K for each kilometre of height; for latitude nothing, unless a gradient is known.

    >>> field, core = np.array([[30.0, 29.0]]), np.array([[True, False]])
    >>> at_one_level(field, core, latitude_deg=np.array([[48.0, 50.0]]), per_degree_k=0.5).tolist()
    [[30.0, 30.0]]

    Parameters
    ----------
    lst_c
        Temperature [degC], dims (y, x).
    core
        Cells whose median height and latitude are those of the outcome.
    height_m, latitude_deg
        Height [m] and latitude [deg] of the cells, dims (y, x).
    per_degree_k
        Fall of temperature with each degree away from the equator [K].
    """
    out = np.array(lst_c, dtype="float64")
    if height_m is not None and core.any():
        out += LAPSE_K_M * (height_m - float(np.nanmedian(height_m[core])))
    if latitude_deg is not None and core.any():
        away = np.abs(latitude_deg)
        out += per_degree_k * (away - float(np.median(away[core])))
    return out


def persistence(dates: Sequence[Date]) -> Persistence | None:
    """Share of the dates on which there is a heat island for sure; None without dates.

    Interval after Wilson 1927 (doi:10.1080/01621459.1927.10502953). It takes the dates as drawn
    independently; that a date has chance on its side in 5 % of the cases is not taken off.
    """
    known = [one for one in dates if math.isfinite(one.intensity_k) and math.isfinite(one.sd_k)]
    if not known:
        return None
    bound = float(norm.ppf(0.95))
    hotter = sum(one.intensity_k > bound * one.sd_k for one in known)
    reach = binomtest(hotter, len(known)).proportion_ci(0.95, method="wilson")
    return Persistence(hotter / len(known), float(reach.low), float(reach.high), len(known))


def trend(dates: Sequence[Date]) -> Trend | None:
    """Trend of the intensity over the years; None for fewer than six dates or one year.

    The season is taken out first, by an annual wave, where there are twelve dates; fewer must lie
    within one season of three months, or there is no trend to tell from the season. Slope
    after Sen 1968 (doi:10.1080/01621459.1968.10480934), test after Kendall 1938
    (doi:10.1093/biomet/30.1-2.81).
    """
    known = [date for date in dates if math.isfinite(date.intensity_k)]
    years = np.array([_year(date.acquired) for date in known])
    if len(known) < _TREND_DATES or np.ptp(years) < 1.0:
        return None
    values = np.array([date.intensity_k for date in known])
    if len(known) >= 2 * _TREND_DATES:
        wave = 2.0 * np.pi * years
        design = np.column_stack(
            [np.ones_like(years), years - years.mean(), np.sin(wave), np.cos(wave)]
        )
        fit = np.linalg.lstsq(design, values, rcond=None)[0]
        values = values - design[:, 2:] @ fit[2:]
    elif _span_of_year(years % 1.0) > _SEASON_YEARS:
        return None
    slope, _, low, high = theilslopes(values, years, alpha=0.95)
    p = float(kendalltau(years, values).pvalue)
    return Trend(float(slope), float(low), float(high), p, len(known))


def _span_of_year(fraction: Array) -> float:
    """Shortest part of the year that holds all dates, across New Year too [years]."""
    ordered = np.sort(fraction)
    return 1.0 - float(np.diff(ordered, append=ordered[0] + 1.0).max())


def _year(at: datetime) -> float:
    start = datetime(at.year, 1, 1, tzinfo=at.tzinfo)
    length = datetime(at.year + 1, 1, 1, tzinfo=at.tzinfo) - start
    return at.year + (at - start) / length


def solar_date(acquired: datetime, longitude_deg: float) -> datetime:
    """Overpass in mean solar time of the place, whose day is that of the heat wave.

    >>> at = datetime(2022, 7, 14, 5, 30, tzinfo=UTC)
    >>> f"{solar_date(at, -118.2):%Y-%m-%d}"
    '2022-07-13'
    """
    return acquired.astimezone(UTC) + timedelta(hours=longitude_deg / 15.0)


def heat_wave_difference(
    dates: Sequence[Date],
    wave_days: Sequence[str],
    *,
    latitude_deg: float,
    longitude_deg: float,
) -> Difference | None:
    """Heat-wave days against the other days of summer; None with too few of either.

    Summer is June to August north of the equator, December to February south of it. Days are
    those of the place's solar time: an overpass of the evening may lie on the next day in UTC.

    Parameters
    ----------
    dates
        Heat island of the dates, of one time of day.
    wave_days
        Days of heat waves, ``YYYY-MM-DD``.
    latitude_deg, longitude_deg
        Where the place is [deg], north and east positive.
    """
    known = [
        (solar_date(date.acquired, longitude_deg), date.intensity_k)
        for date in dates if math.isfinite(date.intensity_k)
    ]  # fmt: skip
    days, summer = set(wave_days), _SUMMER[latitude_deg >= 0.0]
    wave = np.array([value for at, value in known if f"{at:%Y-%m-%d}" in days])
    other = np.array(
        [
            value for at, value in known
            if f"{at:%Y-%m-%d}" not in days and at.month in summer
        ]
    )  # fmt: skip
    if min(len(wave), len(other)) < _GROUP_DATES:
        return None
    parts = wave.var(ddof=1) / len(wave), other.var(ddof=1) / len(other)
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (
        parts[0] ** 2 / (len(wave) - 1) + parts[1] ** 2 / (len(other) - 1)
    ) if error > 0 else 1.0  # fmt: skip
    middle, reach = float(wave.mean() - other.mean()), float(t.ppf(0.975, freedom)) * error
    return Difference(middle, middle - reach, middle + reach, len(wave), len(other))
