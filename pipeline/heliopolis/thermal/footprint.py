"""What a thermal pixel looks at, and the error of taking it for the cell it is drawn in.

A thermal sensor sees the ground through a point spread that is wider than its cell, at positions
of its own, and its picture is brought to the grid by interpolation. Beside a river or a wood the
temperature of a cell is so wrong by some of its neighbours': in a city more than by the noise and
the air together, and in the same way on every date.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.quality import near
from heliopolis.thermal.lattice import lattice

Array = NDArray[Any]
#: Full width at half maximum of the point spread of TIRS as its picture is delivered [m].
TIRS_FWHM_M = 100.0
#: Error of a cell as large as the point spread, over the root mean square of its difference from
#: its four neighbours. Computed, not fitted: random fields with the power spectrum of natural
#: scenes, k^-2 (Field 1987, doi:10.1364/JOSAA.4.002379), blurred by a Gaussian of 100 m, sampled
#: at 100 m, interpolated to 30 m, drawn on the grid, averaged to 100 m: 1.06 +- 0.06; with
#: k^-2.5 0.99, with k^-3 0.84.
ERROR_PER_ROUGHNESS = 1.0
#: The roughness is a mean over this many cells to each side.
_AROUND = 1
_FWHM_TO_SIGMA = 0.42466


def footprint_sd(lst_k: xr.DataArray) -> xr.DataArray:
    """Error of cell means because the sensor's footprint is not the cell [K].

    Parameters
    ----------
    lst_k
        Temperature on cells of the sensor's own size [K] (y, x), NaN = not clear.

    Returns
    -------
    DataArray
        1-sigma error [K] (y, x), NaN where ``lst_k`` is. Where no neighbour is clear the
        roughness of the whole scene is taken. It comes back on all dates of one sensor: part of
        the systematic error.
    """
    steps = ({"y": 1}, {"y": -1}, {"x": 1}, {"x": -1})
    neighbours = [lst_k.shift(step) for step in steps]
    count = sum((one.notnull() for one in neighbours), start=xr.zeros_like(lst_k, dtype="int64"))
    total = sum((one.fillna(0.0) for one in neighbours), start=xr.zeros_like(lst_k))
    square = (lst_k - total / count.where(count > 1)) ** 2
    known = square.notnull().astype("float64")
    local = _around(square.fillna(0.0)) / _around(known).where(lambda n: n > 0)
    whole = xr.apply_ufunc(
        np.nanmean, lattice(square), input_core_dims=[["y", "x"]], kwargs={"axis": (-2, -1)},
        dask="parallelized", output_dtypes=["float64"],
    )  # fmt: skip
    sd = ERROR_PER_ROUGHNESS * local.where(local.notnull(), whole) ** 0.5
    sd = sd.where(lst_k.notnull()).astype("float32")
    sd.attrs = {"units": "K"}
    return sd


def _around(values: xr.DataArray) -> xr.DataArray:
    for dim in ("y", "x"):
        shifts = range(-_AROUND, _AROUND + 1)
        values = sum(
            (values.shift({dim: step}, fill_value=0.0) for step in shifts),
            start=xr.zeros_like(values),
        )
    return values


def seen_by_sensor(
    values: xr.DataArray, resolution_m: float, fwhm_m: float = TIRS_FWHM_M
) -> xr.DataArray:
    """A fine field (y, x) as the sensor sees it: Gaussian mean of what is known, NaN elsewhere.

    For emissivity, and for its error (one and the same within a footprint), before they meet
    the radiance of a coarser sensor.

    Parameters
    ----------
    values
        Field on cells finer than the point spread (y, x).
    resolution_m
        Its cell size [m].
    fwhm_m
        Full width at half maximum of the point spread [m].
    """
    sigma = fwhm_m * _FWHM_TO_SIGMA / resolution_m
    reach = max(1, int(3.0 * sigma + 0.5))

    def blur(block: Array) -> Array:
        return np.asarray(
            ndimage.gaussian_filter(block, sigma, radius=reach, mode="constant", cval=0.0)
        )

    known = values.notnull()
    weight = near(known.astype("float64"), reach, blur, "float64")
    total = near(values.where(known, 0.0).astype("float64"), reach, blur, "float64")
    seen = (total / weight.where(weight > 0)).where(known)
    seen.attrs = dict(values.attrs)
    return seen
