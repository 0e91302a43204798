"""Many dates, one map: median temperature, its error, anomaly, and how often it is hot.

Dates differ by weather far more than places differ within a date, and clouds hide other places
on other dates. So each date's level is taken out first (median polish: Tukey 1977), and the
median over the dates is taken of what remains.

Everything stays lazy on chunked input. Scene-wide numbers come from a fixed lattice of pixels,
the same whatever the chunks, so that the result does not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.errors import InputError
from heliopolis.thermal.composite_error import composite_error, error_parts
from heliopolis.thermal.lattice import lattice
from heliopolis.thermal.planck import from_linear, to_linear

Array = NDArray[Any]
#: Share of a date's error variance that comes back on every date: emissivity, and the
#: predictors that sharpened all of them.
CORRELATED_SHARE = 0.5
_ROUNDS = 4
Statistic = Literal["median", "mean"]
Represents = Literal["dates", "season"]


def date_levels(lst_k: xr.DataArray, reference: xr.DataArray | None = None) -> xr.Dataset:
    """Scene-wide numbers of a stack, from a lattice of its pixels.

    Parameters
    ----------
    lst_k
        Temperature [K], dims (time, y, x), NaN = not clear.
    reference
        Pixels (bool, y, x) that the anomaly is measured against; the whole area by default.

    Returns
    -------
    Dataset
        ``level``: what a date adds to every place [K] (time); ``spread``: spatial standard
        deviation of the date, robust [K] (time); ``reference``: median over the reference
        pixels of the composite [K], ``centre``: median of the levels [K], and ``scatter``: standard
        deviation of a place from date to date once the levels are out [K] (time, these three the
        same on all dates).
    """
    sample = lattice(_one_time_chunk(lst_k))
    mask = xr.ones_like(lst_k.isel(time=0), dtype=bool) if reference is None else reference
    rows = xr.apply_ufunc(
        _polish, sample, lattice(mask.astype(bool)),
        input_core_dims=[["time", "y", "x"], ["y", "x"]], output_core_dims=[["what", "time"]],
        dask="parallelized", output_dtypes=["float64"], join="override",
        dask_gufunc_kwargs={"output_sizes": {"what": 5}},
    )  # fmt: skip
    names = ("level", "spread", "reference", "centre", "scatter")
    return xr.Dataset({n: _named(rows.isel(what=i), "K") for i, n in enumerate(names)})


def composite(
    lst_k: xr.DataArray,
    sd_k: xr.DataArray | None,
    effective_resolution_m: Sequence[float],
    reference: xr.DataArray | None = None,
    *,
    levels: xr.Dataset | None = None,
    correlated_share: float = CORRELATED_SHARE,
    sd_random_k: xr.DataArray | None = None,
    sd_systematic_k: xr.DataArray | None = None,
    sd_scene_k: xr.DataArray | None = None,
    statistic: Statistic = "median",
    represents: Represents = "dates",
    overpass: Sequence[str] | None = None,
) -> xr.Dataset:
    """Composite of a stack of dates of one time of day.

    Parameters
    ----------
    lst_k, sd_k
        Temperature and 1-sigma error [K], dims (time, y, x), NaN = not clear.
    effective_resolution_m
        Of each date [m].
    reference
        Pixels (bool, y, x) whose median the anomaly is measured against; the whole area by
        default.
    levels
        Outcome of `date_levels` on the same stack and reference, where it is known already.
    correlated_share
        Share of the variance that all dates have in common, 0..1; for ``sd_k`` only.
    sd_random_k, sd_systematic_k
        In the place of ``sd_k`` (None then): the parts of the error that are new on each date,
        and that come back on every date [K], dims of ``lst_k``.
    sd_scene_k
        Beside these two: the part that is new on each date and shared by all its pixels, such as
        the air's [K]. It does not touch the anomaly.
    statistic
        ``median``, or ``mean``: of T^4, so that the energy that leaves the place is kept.
    represents
        ``dates``: these dates, so that only what clouds hide of them makes an error of
        sampling; ``season``: a season of which these dates are a sample.
    overpass
        ``day`` or ``night`` of each date; a mixture is refused.

    Returns
    -------
    Dataset
        ``lst_median`` [K] (of the statistic that was asked for), ``lst_sd`` [K],
        ``lst_sd_random``, ``lst_sd_systematic`` [K] (its two parts), ``anomaly``, ``anomaly_sd``
        [K], ``n_obs``, ``effective_resolution`` [m], ``persistence`` (share of the clear dates on
        which the place is hotter than the area's level by more than the date's spatial standard
        deviation), dims (y, x).
    """
    _one_time_of_day(overpass)
    lst_k = _one_time_chunk(lst_k)
    random, systematic = (
        _one_time_chunk(part)
        for part in error_parts(sd_k, sd_random_k, sd_systematic_k, correlated_share)
    )
    if levels is None:
        levels = date_levels(lst_k, reference)
    centre = levels["centre"].isel(time=0)
    detrended = lst_k - levels["level"] + centre
    seen = lst_k.notnull()
    count = seen.sum(dim="time")
    middle = _middle(detrended, count, statistic)
    scene = None if sd_scene_k is None else _one_time_chunk(sd_scene_k)
    part = composite_error(
        detrended, random, systematic, scene, levels["scatter"].isel(time=0) ** 2,
        levels["level"],
        median=statistic == "median", season=represents == "season",
    )  # fmt: skip
    zero = levels["reference"].isel(time=0)
    hot = ((detrended - centre) > levels["spread"]).where(seen)
    resolution = xr.DataArray(np.asarray(effective_resolution_m, dtype="float32"), dims="time")
    mean_resolution = (seen * resolution).sum(dim="time") / count.where(count > 0)
    return xr.Dataset(
        {
            "lst_median": _named(middle, "K"),
            "lst_sd": _named(_total(part, "place", "scene", "always"), "K"),
            "lst_sd_random": _named(_total(part, "place", "scene"), "K"),
            "lst_sd_systematic": _named(part["always"], "K"),
            "anomaly": _named(middle - zero, "K"),
            "anomaly_sd": _named(_total(part, "place", "always"), "K"),
            "n_obs": _named(count, "1"),
            "effective_resolution": _named(mean_resolution, "m"),
            "persistence": _named(hot.mean("time"), "1"),
        }
    )


def solar_hour(acquired: datetime, longitude_deg: float) -> float:
    """Mean solar time of an aware moment [h], 0..24.

    >>> from datetime import UTC
    >>> solar_hour(datetime(2025, 6, 21, 10, 40, tzinfo=UTC), 7.5)
    11.166666666666666
    """
    at = acquired.astimezone(UTC)
    return (at.hour + at.minute / 60 + at.second / 3600 + longitude_deg / 15.0) % 24.0


def within_hours(hours: Sequence[float], window: tuple[float, float]) -> list[int]:
    """Positions of the hours that lie in a window, which may pass midnight.

    >>> within_hours([1.0, 11.2, 23.5], (22.0, 4.0))
    [0, 2]
    """
    first, last = window
    if first <= last:
        return [i for i, hour in enumerate(hours) if first <= hour <= last]
    return [i for i, hour in enumerate(hours) if hour >= first or hour <= last]


def _total(parts: xr.Dataset, *names: str) -> xr.DataArray:
    total: xr.DataArray = sum((parts[n] ** 2 for n in names), start=xr.zeros_like(parts[names[0]]))
    root: xr.DataArray = total**0.5
    return root


def _one_time_of_day(overpass: Sequence[str] | None) -> None:
    kinds = sorted(set(overpass or ()))
    if len(kinds) > 1:
        raise InputError(
            "a composite of " + " and ".join(kinds) + " has no meaning",
            where="composite",
            remedy="Make one composite for the dates of the day and one for those of the night",
        )


def _middle(detrended: xr.DataArray, count: xr.DataArray, statistic: str) -> xr.DataArray:
    """Median or mean of T^4, as a temperature [K]; NaN where there is no date."""
    linear = to_linear(detrended.astype("float64")).where(count > 0, 0.0)
    made = linear.median("time") if statistic == "median" else linear.mean("time")
    return from_linear(made.where(count > 0))


def _named(array: xr.DataArray, units: str) -> xr.DataArray:
    array = array.astype("float32")
    array.attrs = {"units": units}
    return array


def _one_time_chunk(array: xr.DataArray) -> xr.DataArray:
    return array.chunk({"time": -1}) if array.chunks is not None else array


def _polish(stack: Array, mask: NDArray[np.bool_]) -> Array:
    """Median polish of (time, y, x): rows of `date_levels`, (5, time)."""
    flat = stack.reshape(stack.shape[0], -1).astype("float64")
    some = np.isfinite(flat).any(axis=0)
    flat, chosen = flat[:, some], mask.ravel()[some]
    level = np.nan_to_num(_nanmedian(flat, axis=1))
    for _ in range(_ROUNDS if len(flat) > 1 else 0):
        place = _nanmedian(flat - level[:, None], axis=0)
        update = _nanmedian(flat - place[None, :], axis=1)
        level = np.where(np.isfinite(update), update, level)
    left = flat - level[:, None]
    low, high = (np.array([_quantile(row, q) for row in left]) for q in (0.16, 0.84))
    place = _nanmedian(left, axis=0) + np.median(level)
    zero = _quantile(place[chosen] if chosen.any() else place, 0.5)
    often = np.isfinite(left).sum(axis=0) > 2
    scatter = np.sqrt(np.nanvar(left[:, often], axis=0, ddof=1).mean()) if often.any() else 0.0
    same = np.ones(level.shape)
    return np.stack(
        [level, (high - low) / 2.0, zero * same, np.median(level) * same, scatter * same]
    )


def _nanmedian(values: Array, axis: int) -> Array:
    """`numpy.nanmedian` that is silent, and NaN, where all is NaN."""
    empty = np.asarray(np.isnan(values).all(axis=axis))
    median = np.nanmedian(np.where(np.expand_dims(empty, axis), 0.0, values), axis=axis)
    return np.where(empty, np.nan, median)


def _quantile(row: Array, q: float) -> float:
    finite = row[np.isfinite(row)]
    return float(np.quantile(finite, q)) if finite.size else float("nan")


# ------------------------------------------------------------------------------ the reference
#: The outskirts: less built than this within `NEIGHBOURHOOD_M`.
OUTSKIRTS_BUILT_SHARE = 0.25
NEIGHBOURHOOD_M = 500.0
#: A reference of fewer pixels than this share of the area is not taken.
MIN_REFERENCE_SHARE = 0.005


def vegetation_reference(
    green: Array, water: Array, built: Array, resolution_m: float
) -> tuple[NDArray[np.bool_] | None, str]:
    """Vegetated, unbuilt, dry pixels of the outskirts, and a sentence that describes them.

    Parameters
    ----------
    green
        True where vegetation covers the ground (y, x).
    water, built
        Share 0..1 (y, x); NaN = unknown, taken as not suitable.
    resolution_m
        Cell size [m].

    Returns
    -------
    mask, description
        The mask is None where there is too little vegetation: the whole area is then the
        reference.
    """
    open_ground = np.asarray(green, dtype=bool) & (np.nan_to_num(water, nan=1.0) < 0.1)
    open_ground &= np.nan_to_num(built, nan=1.0) < 0.1
    size = 2 * round(NEIGHBOURHOOD_M / resolution_m / 2) + 1
    around = ndimage.uniform_filter(np.nan_to_num(built, nan=0.0).astype("float64"), size=size)
    outskirts = open_ground & (around < OUTSKIRTS_BUILT_SHARE)
    least = MIN_REFERENCE_SHARE * open_ground.size
    if outskirts.sum() >= least:
        return outskirts, (
            "vegetation without buildings or water, in surroundings that are built by less than "
            f"{OUTSKIRTS_BUILT_SHARE:.0%} within {NEIGHBOURHOOD_M:.0f} m"
        )
    if open_ground.sum() >= least:
        return open_ground, "vegetation without buildings or water, anywhere in the area"
    return None, "median of the whole area (too little vegetation for a reference)"
