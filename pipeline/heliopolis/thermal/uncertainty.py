"""Errors of a retrieved temperature, kept apart by what they have in common.

Three parts, each a 1-sigma error in K:

``sd_random_k``
    Differs from pixel to pixel and from date to date: noise of the detector.
``sd_scene_k``
    Shared by the pixels of one date, new on each date: the air, a cloud nearby.
``sd_systematic_k``
    The same on every date: emissivity of the ground, the method's own bias, the band's model.

The mean of n dates has ``(random^2 + scene^2) / n + systematic^2``; an anomaly against the mean of
its own date is free of the scene's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numba import njit
from numpy.typing import NDArray

Pair = tuple[xr.DataArray, xr.DataArray]
Array = NDArray[Any]
Terms = Sequence[xr.DataArray | float]

PARTS = ("sd_random_k", "sd_scene_k", "sd_systematic_k")

#: Error of the official product that its own terms do not explain [K], by distance to the nearest
#: cloud (rows, km) and transmittance (columns): Landsat 7 against water temperatures from MODIS and
#: buoys (Laraby & Schott 2018, doi:10.1016/j.rse.2018.06.026; figures as published by the USGS with
#: its product). Centres of the classes 0-1, 1-5, 5-10, 10-40, over 40 km and
#: 0.3-0.55, 0.55-0.7, 0.7-0.85, 0.85-1.
CLOUD_DISTANCE_KM = (0.5, 3.0, 7.5, 25.0, 82.5)
TRANSMITTANCE = (0.425, 0.625, 0.775, 0.925)
UNEXPLAINED_K = (
    (2.3749, 2.6962, 2.5620, 2.1131),
    (1.9912, 1.6789, 1.4471, 1.2739),
    (1.7925, 1.0067, 0.9143, 0.6366),
    (1.9416, 1.3558, 0.7604, 0.6682),
    (1.3861, 0.8269, 0.7404, 0.3125),
)


def retrieved(
    lst_k: xr.DataArray, *, random: Terms = (), scene: Terms = (), systematic: Terms = ()
) -> xr.Dataset:
    """Temperature with the three parts of its error and their total.

    Parameters
    ----------
    lst_k
        Surface temperature [K].
    random, scene, systematic
        Independent 1-sigma terms of each part [K]; added in quadrature.

    Returns
    -------
    xr.Dataset
        ``lst_k``, ``sd_random_k``, ``sd_scene_k``, ``sd_systematic_k`` and ``sd_k``, NaN where the
        temperature is. Lazy in, lazy out.
    """
    known = np.isfinite(lst_k)
    found = {"lst_k": lst_k}
    squares = [_sum_of_squares(lst_k, terms) for terms in (random, scene, systematic)]
    for name, square in zip(PARTS, squares, strict=True):
        found[name] = (square**0.5).where(known)
    found["sd_k"] = ((squares[0] + squares[1] + squares[2]) ** 0.5).where(known)
    for name, values in found.items():
        values.attrs = {"units": "K"}
        found[name] = values.rename(name)
    return xr.Dataset(found)


def _sum_of_squares(like: xr.DataArray, terms: Terms) -> xr.DataArray:
    total = xr.zeros_like(like)
    for term in terms:
        total = total + term**2
    return total


def pair(values: xr.Dataset) -> Pair:
    """Temperature and total error of `retrieved`, without the parts."""
    return values["lst_k"], values["sd_k"].rename("sd_k")


def by_date(values: xr.Dataset) -> xr.DataArray:
    """Part of the error that is new on each date [K]: random and scene together."""
    sigma: xr.DataArray = (values["sd_random_k"] ** 2 + values["sd_scene_k"] ** 2) ** 0.5
    return sigma


def mean_sigma(values: xr.Dataset, count: xr.DataArray | float) -> xr.DataArray:
    """1-sigma error [K] of the mean of ``count`` dates, each with the errors ``values``.

    >>> import xarray as xr
    >>> parts = {"sd_random_k": 0.3, "sd_scene_k": 0.4, "sd_systematic_k": 1.2}
    >>> one = xr.Dataset({name: ((), value) for name, value in parts.items()})
    >>> [round(float(mean_sigma(one, n)), 3) for n in (1, 25)]
    [1.3, 1.204]
    """
    mean: xr.DataArray = by_date(values) ** 2 / count + values["sd_systematic_k"] ** 2
    sigma: xr.DataArray = mean**0.5
    return sigma


def unexplained_sigma(
    cloud_distance_km: xr.DataArray, transmittance: xr.DataArray | float
) -> xr.DataArray:
    """`UNEXPLAINED_K`, bilinear between the centres of its classes and constant beyond [K]."""
    return xr.apply_ufunc(
        _table,
        cloud_distance_km,
        transmittance,
        dask="parallelized",
        output_dtypes=[cloud_distance_km.dtype],
    )


def cloud_sigma(
    cloud_distance_km: xr.DataArray, transmittance: xr.DataArray | float = 0.775
) -> xr.DataArray:
    """Error that a cloud nearby adds [K]: what `unexplained_sigma` exceeds its far limit by.

    Parameters
    ----------
    cloud_distance_km
        ST_CDIST [km].
    transmittance
        ST_ATRAN, 0..1; without it that of 2 g cm-2 of water vapour.

    Examples
    --------
    >>> import xarray as xr
    >>> cloud_sigma(xr.DataArray([0.2, 3.0, 25.0, 100.0], dims="x"), 0.925).round(2).values.tolist()
    [2.09, 1.23, 0.59, 0.0]
    """
    return xr.apply_ufunc(
        _table,
        cloud_distance_km,
        transmittance,
        kwargs={"beyond_far": True},
        dask="parallelized",
        output_dtypes=[cloud_distance_km.dtype],
    )


def _table(distance_km: Array, transmittance: Array, beyond_far: bool = False) -> Array:
    """`UNEXPLAINED_K` at each pixel, or what it exceeds its far limit by [K]; NaN stays NaN."""
    distance, through = np.broadcast_arrays(distance_km, transmittance)
    out = np.empty(distance.shape, dtype=distance_km.dtype)
    _fill(
        np.ravel(distance), np.ravel(through), np.array(CLOUD_DISTANCE_KM),
        np.array(TRANSMITTANCE), np.array(UNEXPLAINED_K), beyond_far, out.reshape(-1),
    )  # fmt: skip
    return out


@njit(nogil=True, cache=True)
def _fill(
    distance: Array, through: Array, rows: Array, cols: Array, figures: Array, beyond: bool,
    out: Array,
) -> None:  # fmt: skip
    for at in range(distance.size):
        if np.isnan(distance[at]) or np.isnan(through[at]):
            out[at] = np.nan
            continue
        col, across = _place(through[at], cols)
        row, down = _place(distance[at], rows)
        upper = figures[row, col] * (1 - across) + figures[row, col + 1] * across
        lower = figures[row + 1, col] * (1 - across) + figures[row + 1, col + 1] * across
        value = upper * (1 - down) + lower * down
        if beyond:
            far = figures[-1, col] * (1 - across) + figures[-1, col + 1] * across
            value = np.sqrt(max(value**2 - far**2, 0.0))
        out[at] = value


@njit(nogil=True, cache=True)
def _place(value: float, knots: Array) -> tuple[int, float]:
    """Interval between knots, and the share of the way through it; constant beyond them."""
    last = knots.size - 2
    index = 0
    while index < last and value > knots[index + 1]:
        index += 1
    share = (value - knots[index]) / (knots[index + 1] - knots[index])
    return index, min(max(share, 0.0), 1.0)
