"""What a thermal pixel looks at, and the error of taking it for the cell it is drawn in.

A thermal sensor sees the ground through a point spread that is wider than its cell, at positions
of its own, and its picture is brought to the grid by interpolation. Beside a river or a wood the
temperature of a cell is so wrong by some of its neighbours': in a city more than by the noise and
the air together, and in the same way on every date. `restored` takes part of that back.
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
#: Share of a cell's difference from the mean of its four neighbours that `restored` adds to it.
#: Computed, not fitted: random fields with the power spectra of natural scenes, k^-2 to k^-3 (Field
#: 1987, doi:10.1364/JOSAA.4.002379), blurred by a Gaussian of 100 m, sampled at 100 m, interpolated
#: to 30 m, drawn on the grid, averaged to 100 m. Least squares gives 0.61 to 0.69 without noise;
#: with a tenth of the differences' variance in noise and emissivity 0.5.
RESTORED_SHARE = 0.5
#: What is left of the error of a restored cell, over the root mean square of those differences
#: (second row), by how much larger they are between cells twice as far apart (first row), which
#: tells the spectrum: k^-1, k^-1.5 ... k^-4, in the same computation.
_GROWTH = (1.91, 2.02, 2.16, 2.36, 2.51, 2.71, 2.92)
_ERROR_PER_ROUGHNESS = (1.33, 1.06, 0.86, 0.75, 0.58, 0.49, 0.36)
#: The roughness is a mean over this many cells to each side.
_AROUND = 2
_FWHM_TO_SIGMA = 0.42466


def restored(lst_k: xr.DataArray) -> xr.DataArray:
    """Mean of each cell itself, from what a sensor with a wider footprint saw there [K].

    What a cell differs from its four neighbours by is made larger, as the point spread made it
    smaller: the first term of an inverse filter (van Cittert 1931, doi:10.1007/BF01391351), with
    the share that is best for the spectra of natural scenes. A small hot place comes nearer to its
    own temperature; the mean over a wide area stays what it was.

    Parameters
    ----------
    lst_k
        Temperature on cells of the sensor's own size [K] (y, x), NaN = not clear. A cell with
        fewer than two clear neighbours stays as it is.
    """
    kelvin = (lst_k + RESTORED_SHARE * _difference(lst_k).fillna(0.0)).astype(lst_k.dtype)
    kelvin.attrs = {"units": "K"}
    return kelvin


def _scene_mean(values: xr.DataArray) -> xr.DataArray:
    """Mean over a lattice of the scene; NaN where nothing is known."""
    return xr.apply_ufunc(
        _nanmean, lattice(values), input_core_dims=[["y", "x"]], dask="parallelized",
        output_dtypes=["float64"],
    )  # fmt: skip


def _nanmean(values: Array) -> Array:
    known = np.isfinite(values)
    count = known.sum(axis=(-2, -1))
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _difference(lst_k: xr.DataArray, apart: int = 1) -> xr.DataArray:
    """Cells less the mean of their clear neighbours, of which there are to be two at least."""
    steps = ({"y": apart}, {"y": -apart}, {"x": apart}, {"x": -apart})
    neighbours = [lst_k.shift(step) for step in steps]
    count = sum((one.notnull() for one in neighbours), start=xr.zeros_like(lst_k, dtype="int64"))
    total = sum((one.fillna(0.0) for one in neighbours), start=xr.zeros_like(lst_k))
    return lst_k - total / count.where(count > 1)


def footprint_sd(lst_k: xr.DataArray) -> xr.DataArray:
    """Error of cell means because the sensor's footprint is not the cell [K].

    Parameters
    ----------
    lst_k
        Temperature on cells of the sensor's own size [K] (y, x), NaN = not clear; as seen, not
        yet `restored`.

    Returns
    -------
    DataArray
        1-sigma error that `restored` leaves [K] (y, x), NaN where ``lst_k`` is. Where no
        neighbour is clear the roughness of the whole scene is taken. It comes back on all dates
        of one sensor: part of the systematic error.
    """
    square, wide = (_difference(lst_k, apart) ** 2 for apart in (1, 2))
    known = square.notnull().astype("float64")
    local = _around(square.fillna(0.0)) / _around(known).where(lambda n: n > 0)
    whole, far = (_scene_mean(part) for part in (square, wide))
    growth = (far / whole.where(whole > 0)) ** 0.5
    share = xr.apply_ufunc(
        np.interp, growth.fillna(_GROWTH[2]), dask="parallelized", output_dtypes=["float64"],
        kwargs={"xp": _GROWTH, "fp": _ERROR_PER_ROUGHNESS},
    )  # fmt: skip
    sd = share * local.where(local.notnull(), whole) ** 0.5
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
