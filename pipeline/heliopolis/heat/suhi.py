"""Surface urban heat island: how much hotter a place is than a declared reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Intensity:
    """Surface heat-island intensity.

    Attributes
    ----------
    intensity_k
        Mean temperature of the place minus mean temperature of the reference [K].
    sd_k
        Standard uncertainty of ``intensity_k`` [K].
    place_c, reference_c
        The two means [degC].
    n_place, n_reference
        Number of valid cells behind them.
    """

    intensity_k: float
    sd_k: float
    place_c: float
    reference_c: float
    n_place: int
    n_reference: int


def intensity(
    lst_c: Array,
    lst_sd_c: Array | None,
    place: Mask,
    reference: Mask,
    *,
    cell_m: float,
    effective_resolution_m: float,
) -> Intensity:
    """Surface heat-island intensity of ``place`` over ``reference``.

    The difference of two means (Oke et al. 2017, Urban Climates, doi:10.1017/9781139016476). Its
    uncertainty adds, for both, the independent part of the cells' own uncertainty and the
    spatial spread of the temperature, each over the number of independent samples, of which
    there is one in each square of the effective resolution. Errors that all cells of a scene
    share cancel in the difference.

    Parameters
    ----------
    lst_c, lst_sd_c
        Temperature [degC] and its standard uncertainty [K], dims (y, x).
    place, reference
        Cells of each; cells without temperature do not count.
    cell_m
        Cell size [m].
    effective_resolution_m
        Smallest detail that the temperature resolves [m].

    Returns
    -------
    Intensity
        NaN where the place or the reference has no valid cell.
    """
    share = min(1.0, (cell_m / effective_resolution_m) ** 2)
    parts = [_mean(lst_c, lst_sd_c, mask, share) for mask in (place, reference)]
    (hot, hot_var, n_hot), (cool, cool_var, n_cool) = parts
    return Intensity(hot - cool, math.sqrt(hot_var + cool_var), hot, cool, n_hot, n_cool)


def _mean(
    lst_c: Array, lst_sd_c: Array | None, mask: Mask, share: float
) -> tuple[float, float, int]:
    """Mean, its variance and the number of cells."""
    chosen = mask & np.isfinite(lst_c)
    count = int(chosen.sum())
    if count == 0:
        return math.nan, math.nan, 0
    values = lst_c[chosen].astype("float64")
    independent = max(1.0, count * share)
    variance = float(values.var())
    if lst_sd_c is not None:
        own = lst_sd_c[chosen].astype("float64") ** 2
        variance += float(np.nanmean(own)) if np.isfinite(own).any() else math.nan
    return float(values.mean()), variance / independent, count
