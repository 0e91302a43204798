"""Many dates, one map: median temperature, its error, anomaly, and how often it is hot.

Dates differ by weather far more than places differ within a date, and clouds hide other places
on other dates. So each date's level is taken out first (median polish: Tukey 1977), and the
median over the dates is taken of what remains.

Everything stays lazy on chunked input. Scene-wide numbers come from a fixed lattice of pixels,
the same whatever the chunks, so that the result does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]
#: Share of a date's error variance that comes back on every date: emissivity, and the
#: predictors that sharpened all of them.
CORRELATED_SHARE = 0.5
#: Pixels of the lattice, at most.
MAX_SAMPLES = 160_000
_ROUNDS = 4
#: Variance of a median of n normal values over that of their mean.
_MEDIAN_FACTOR = math.pi / 2


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
        pixels of the composite [K], and ``centre``: median of the levels [K] (time, both the same
        on all dates).
    """
    sample = _lattice(_one_time_chunk(lst_k))
    mask = xr.ones_like(lst_k.isel(time=0), dtype=bool) if reference is None else reference
    rows = xr.apply_ufunc(
        _polish, sample, _lattice(mask.astype(bool)),
        input_core_dims=[["time", "y", "x"], ["y", "x"]], output_core_dims=[["what", "time"]],
        dask="parallelized", output_dtypes=["float64"], join="override",
        dask_gufunc_kwargs={"output_sizes": {"what": 4}},
    )  # fmt: skip
    names = ("level", "spread", "reference", "centre")
    return xr.Dataset({n: _named(rows.isel(what=i), "K") for i, n in enumerate(names)})


def composite(
    lst_k: xr.DataArray,
    sd_k: xr.DataArray,
    effective_resolution_m: Sequence[float],
    reference: xr.DataArray | None = None,
    *,
    levels: xr.Dataset | None = None,
    correlated_share: float = CORRELATED_SHARE,
) -> xr.Dataset:
    """Composite of a stack of dates.

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
        Share of the variance that all dates have in common, 0..1.

    Returns
    -------
    Dataset
        ``lst_median`` [K], ``lst_sd`` [K], ``anomaly`` [K], ``n_obs``, ``effective_resolution``
        [m], ``persistence`` (share of the clear dates on which the place is hotter than the
        area's level by more than the date's spatial standard deviation), dims (y, x).
    """
    lst_k, sd_k = (_one_time_chunk(array) for array in (lst_k, sd_k))
    if levels is None:
        levels = date_levels(lst_k, reference)
    centre = levels["centre"].isel(time=0)
    detrended = lst_k - levels["level"] + centre
    seen = lst_k.notnull()
    count = seen.sum(dim="time")
    median = detrended.where(count > 0, 0.0).median("time").where(count > 0)
    zero = levels["reference"].isel(time=0)
    hot = ((detrended - centre) > levels["spread"]).where(seen)
    resolution = xr.DataArray(np.asarray(effective_resolution_m, dtype="float32"), dims="time")
    mean_resolution = (seen * resolution).sum(dim="time") / count.where(count > 0)
    return xr.Dataset(
        {
            "lst_median": _named(median, "K"),
            "lst_sd": _named(_sigma(detrended, sd_k, count, correlated_share), "K"),
            "anomaly": _named(median - zero, "K"),
            "n_obs": _named(count, "1"),
            "effective_resolution": _named(mean_resolution, "m"),
            "persistence": _named(hot.mean("time"), "1"),
        }
    )


def _named(array: xr.DataArray, units: str) -> xr.DataArray:
    array = array.astype("float32")
    array.attrs = {"units": units}
    return array


def _one_time_chunk(array: xr.DataArray) -> xr.DataArray:
    return array.chunk({"time": -1}) if array.chunks is not None else array


def _sigma(
    detrended: xr.DataArray, sd_k: xr.DataArray, count: xr.DataArray, share: float
) -> xr.DataArray:
    """Error of the median [K]: a common part, and a part that shrinks with the dates.

    The latter is the larger of what the dates state and of what they show by their scatter.
    """
    some = count.where(count > 0)
    stated = (sd_k**2).where(detrended.notnull()).sum(dim="time") / some
    scatter = (
        detrended.var("time", ddof=1).where(count > 2, 0.0)
        if (detrended.sizes["time"] > 2)
        else xr.zeros_like(stated)
    )
    alone = np.maximum((1.0 - share) * stated, scatter)
    factor = xr.where(count > 2, _MEDIAN_FACTOR, 1.0)
    return np.sqrt(share * stated + factor * alone / some)


def _lattice(array: xr.DataArray) -> xr.DataArray:
    """Every s-th pixel along y and x, in one chunk."""
    pixels = array.sizes["y"] * array.sizes["x"]
    step = max(1, math.ceil(math.sqrt(pixels / MAX_SAMPLES)))
    sample = array.isel(y=slice(None, None, step), x=slice(None, None, step))
    return sample.chunk(-1) if sample.chunks is not None else sample


def _polish(stack: Array, mask: NDArray[np.bool_]) -> Array:
    """Median polish of (time, y, x): rows of `date_levels`, (4, time)."""
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
    same = np.ones(level.shape)
    return np.stack([level, (high - low) / 2.0, zero * same, np.median(level) * same])


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
