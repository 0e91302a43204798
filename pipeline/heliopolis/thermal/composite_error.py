"""Error of a composite: what shrinks with the number of dates, and what comes back on all."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.thermal.lattice import lattice

#: What two looks at one place differ by, as a standard deviation of each [K], where a file tells
#: only its whole error: noise of the band at the ground 0.1, registration of 8 m (12 m at 90 %, the
#: specification of Landsat) in 2 K per 100 m 0.15, water vapour that differs within the area 0.2,
#: and the state of the surface from one day to the next 0.3. Assumed term by term, not fitted.
RANDOM_K = 0.4
#: Variance of a median of n normal values over that of their mean, n = 1, 2, ... 12 (order
#: statistics, by numerical integration); pi / 2 for more.
_MEDIAN_FACTORS = (
    1.0, 1.0, 1.3460, 1.1928, 1.4342, 1.2885, 1.4731, 1.3454, 1.4949, 1.3833, 1.5088, 1.4102,
    math.pi / 2,
)  # fmt: skip
#: Quantile of a scene's error over the area that stands for what its pixels share.
SHARED_QUANTILE = 0.1
#: Weight of the area's scatter beside that of the pixel, in degrees of freedom.
_POOLED = 4.0


def split_sigma(
    sd_k: xr.DataArray, random_k: float = RANDOM_K
) -> tuple[xr.DataArray, xr.DataArray]:
    """Random and systematic part [K] of an error that is known as a whole only."""
    random = sd_k.clip(max=random_k)
    return random, (sd_k**2 - random**2).clip(min=0.0) ** 0.5


def error_parts(
    sd_k: xr.DataArray | None,
    random: xr.DataArray | None,
    systematic: xr.DataArray | None,
    share: float,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Random and systematic part [K] of the errors that were given, whole or in parts."""
    if sd_k is not None and random is None and systematic is None:
        random, systematic = sd_k * (1.0 - share) ** 0.5, sd_k * share**0.5
    elif sd_k is not None or random is None or systematic is None:
        raise InputError(
            "the error must be given whole, or in two parts",
            where="composite",
            remedy="Give sd_k alone, or sd_random_k and sd_systematic_k",
        )
    return random, systematic


def composite_error(
    detrended: xr.DataArray,
    random: xr.DataArray,
    systematic: xr.DataArray,
    scene: xr.DataArray | None,
    pooled: xr.DataArray,
    level: xr.DataArray,
    *,
    median: bool,
    season: bool,
) -> xr.Dataset:
    """Parts of the error of a composite [K].

    The scatter of the dates beyond their stated random error is real: places answer to the
    weather differently. It is an error only as far as clouds hide some of the dates
    (``1/n - 1/N``), or, for a season, as the dates are few (``1/n``). A pixel's scatter over few
    dates is drawn towards that of the area. What a scene has in common went out with its level,
    and comes back with the median of all levels: dates differ by more than their errors, so that
    this is the level of the one date in the middle, or the mean of two, however many dates. What
    its pixels have in common is what the best of them have (`SHARED_QUANTILE`); what a pixel has
    beyond that, by a cloud nearby, is its own and new on each date.

    Returns
    -------
    Dataset
        ``place`` (by date and place), ``scene`` and ``always``, dims (y, x).
    """
    seen = detrended.notnull()
    count, dates = seen.sum(dim="time"), detrended.sizes["time"]
    some = count.where(count > 0)
    new, common = random**2, xr.zeros_like(random.isel(time=0))
    if scene is not None:
        shared = _shared(scene)
        new = new + (scene**2 - shared**2).clip(min=0.0)
        common = common + ((_weight_in_median(level) * shared) ** 2).sum(dim="time")
    stated = new.where(seen).sum(dim="time") / some
    free = (count - 1).clip(min=0)
    own = detrended.var("time", ddof=1).where(count > 1, 0.0) if dates > 1 else 0.0
    scatter = (own * free + pooled * _POOLED) / (free + _POOLED)
    real = (scatter - stated).clip(min=0.0)
    hidden = 1.0 / some - (0.0 if season else 1.0 / dates)
    factor = _median_factor(some) if median else 1.0
    return xr.Dataset(
        {
            "place": (factor * (stated / some + real * hidden)) ** 0.5,
            "scene": common.where(count > 0) ** 0.5,
            "always": systematic.where(seen).sum(dim="time") / some,
        }
    )


def _shared(scene: xr.DataArray) -> xr.DataArray:
    """Error of a scene that all of its pixels share [K] (time)."""
    return xr.apply_ufunc(
        np.nanquantile, lattice(scene), kwargs={"q": SHARED_QUANTILE, "axis": (-2, -1)},
        input_core_dims=[["y", "x"]], dask="parallelized", output_dtypes=["float64"],
    ).fillna(0.0)  # fmt: skip


def _weight_in_median(level: xr.DataArray) -> xr.DataArray:
    """Share of each date in the median of their levels (time)."""

    def share(levels: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> object:
        n = levels.size
        out = np.zeros(n)
        out[np.argsort(levels, kind="stable")[(n - 1) // 2 : n // 2 + 1]] = 1.0
        return out / out.sum()

    return xr.apply_ufunc(
        share, level, input_core_dims=[["time"]], output_core_dims=[["time"]],
        dask="parallelized", output_dtypes=["float64"],
    )  # fmt: skip


def _median_factor(count: xr.DataArray) -> xr.DataArray:
    """Variance of the median of n normal values over that of their mean, by n."""
    table = np.asarray(_MEDIAN_FACTORS)
    at = (count.fillna(1).astype("int64") - 1).clip(0, len(table) - 1)
    return xr.apply_ufunc(table.__getitem__, at, dask="parallelized", output_dtypes=["float64"])
