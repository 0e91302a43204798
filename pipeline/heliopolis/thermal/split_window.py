"""Split-window methods for bands 10 and 11 of Landsat 8 and 9."""

from __future__ import annotations

import numpy as np
import xarray as xr

from heliopolis.thermal.uncertainty import Pair, pair, retrieved

#: Coefficients b0..b7 of Du et al. 2015 (doi:10.3390/rs70100647) by range of water vapour [g cm-2];
#: the ranges overlap.
DU_RANGES = ((0.0, 2.5), (2.0, 3.5), (3.0, 4.5), (4.0, 5.5), (5.0, 6.3))
DU_COEFFICIENTS = (
    (-2.78009, 1.01408, 0.15833, -0.34991, 4.04487, 3.55414, -8.88394, 0.09152),
    (11.00824, 0.95995, 0.17243, -0.28852, 7.11492, 0.42684, -6.62025, -0.06381),
    (9.62610, 0.96202, 0.13834, -0.17262, 7.87883, 5.17910, -13.26611, -0.07603),
    (0.61258, 0.99124, 0.10051, -0.09664, 7.85758, 6.86626, -15.00742, -0.01185),
    (-0.34808, 0.98123, 0.05599, -0.03518, 11.96444, 9.06710, -14.74085, -0.20471),
)
#: Noise of each band [K], and error of the water vapour where none is told [mm].
NOISE_K, TCWV_SIGMA_MM = 0.1, 3.0
#: Error of the method of Jimenez-Munoz et al. 2014 alone [K]: mean and scatter in the simulation of
#: `heliopolis.accuracy.band_truth`, water vapour and emissivities being known.
METHOD_BIAS_K, METHOD_SCATTER_K = 0.3, 0.5
#: What stray light leaves in band 11 of Landsat 8 after its correction [K]: assumed, a third of the
#: scatter of 1.67 K before it (Barsi et al. 2014, doi:10.3390/rs61111607; correction Gerace &
#: Montanaro 2017, doi:10.1016/j.rse.2017.01.029). TIRS-2 of Landsat 9 has baffles against it.
STRAY_LIGHT_K = {"LANDSAT_8": 0.55, "LANDSAT_9": 0.0}


def retrieve_split_window(
    brightness_10_k: xr.DataArray,
    brightness_11_k: xr.DataArray,
    emissivity_10: xr.DataArray,
    emissivity_11: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    emissivity_sd: xr.DataArray | float = 0.005,
    spacecraft: str = "LANDSAT_8",
    tcwv_sd_mm: xr.DataArray | float = TCWV_SIGMA_MM,
) -> xr.Dataset:
    """Split-window method of Jimenez-Munoz et al. 2014 (doi:10.1109/LGRS.2014.2312032).

    ``T10 + 1.378 d + 0.183 d^2 - 0.268 + (54.30 - 2.238 W)(1 - e) + (-129.20 + 16.40 W) de``
    with ``d = T10 - T11`` and W in g cm-2; one formula for all W, so that there is no seam.

    Parameters
    ----------
    brightness_10_k, brightness_11_k
        Brightness temperatures at the sensor [K], by K1 and K2 of the MTL file.
    emissivity_10, emissivity_11
        0..1.
    tcwv_mm
        Total column water vapour [mm].
    emissivity_sd
        1-sigma error of each emissivity; half of its variance shared by the two bands.
    spacecraft
        ``LANDSAT_8`` (stray light in band 11 widens the error) or ``LANDSAT_9``.
    tcwv_sd_mm
        1-sigma error of the water vapour [mm].

    Returns
    -------
    xr.Dataset
        As `heliopolis.thermal.uncertainty.retrieved`.

    Notes
    -----
    Chosen before Du et al. 2015 (`split_window_du`) by the simulation with LOWTRAN 7 of
    `heliopolis.accuracy.band_truth`: below 3 g cm-2 RMSE 0.5 K against 1.4 K, bias 0.0 against
    +1.4 K. The coefficient 1.378 could not be read in the paper itself; one public code prints
    1.387. On that simulation the two differ by less than 0.01 K in RMSE, in favour of neither.
    """
    water = tcwv_mm / 10.0
    d = brightness_10_k - brightness_11_k
    mean, gap = 0.5 * (emissivity_10 + emissivity_11), emissivity_10 - emissivity_11
    by_mean, by_gap = 54.30 - 2.238 * water, -129.20 + 16.40 * water
    slope = 1.378 + 0.366 * d
    lst = brightness_10_k + 1.378 * d + 0.183 * d**2 - 0.268 + by_mean * (1.0 - mean) + by_gap * gap
    shared = 0.75**0.5 * by_mean * emissivity_sd
    return retrieved(
        lst,
        random=(NOISE_K * (1.0 + slope), NOISE_K * slope),
        scene=(
            METHOD_SCATTER_K,
            STRAY_LIGHT_K.get(spacecraft, 0.0) * slope,
            (-2.238 * (1.0 - mean) + 16.40 * gap) * tcwv_sd_mm / 10.0,
        ),
        systematic=(METHOD_BIAS_K, shared, by_gap * emissivity_sd),
    )


def split_window(
    brightness_10_k: xr.DataArray,
    brightness_11_k: xr.DataArray,
    emissivity_10: xr.DataArray,
    emissivity_11: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    emissivity_sd: xr.DataArray | float = 0.005,
    spacecraft: str = "LANDSAT_8",
) -> Pair:
    """Temperature and total error of `retrieve_split_window` [K]."""
    return pair(
        retrieve_split_window(
            brightness_10_k,
            brightness_11_k,
            emissivity_10,
            emissivity_11,
            tcwv_mm,
            emissivity_sd,
            spacecraft,
        )
    )


def split_window_du(
    brightness_10_k: xr.DataArray,
    brightness_11_k: xr.DataArray,
    emissivity_10: xr.DataArray,
    emissivity_11: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
) -> xr.DataArray:
    """Surface temperature [K] by Du et al. 2015 (doi:10.3390/rs70100647), for comparison.

    Of the ranges of water vapour that overlap, the results are blended linearly, so that there is
    no jump; below the first and above the last range their own coefficients are kept.
    """
    water = tcwv_mm / 10.0
    mean = 0.5 * (emissivity_10 + emissivity_11)
    left, right = (1.0 - mean) / mean, (emissivity_10 - emissivity_11) / mean**2
    middle = 0.5 * (brightness_10_k + brightness_11_k)
    d = brightness_10_k - brightness_11_k
    total = xr.zeros_like(brightness_10_k)
    for index, b in enumerate(DU_COEFFICIENTS):
        lst = (
            b[0]
            + (b[1] + b[2] * left + b[3] * right) * middle
            + (b[4] + b[5] * left + b[6] * right) * d / 2.0
            + b[7] * d**2
        )
        total = total + _weight(water, index) * lst
    return total


def _weight(water: xr.DataArray | float, index: int) -> xr.DataArray | float:
    """Share of a range of Du et al. at a water vapour [g cm-2]; the shares add up to 1."""
    low, high = DU_RANGES[index]
    start, stop = (low, DU_RANGES[index - 1][1]) if index else (-2.0, -1.0)
    last = index == len(DU_RANGES) - 1
    until, end = (98.0, 99.0) if last else (DU_RANGES[index + 1][0], high)
    knots = [start, stop, until, end]

    def share(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> object:
        return np.interp(values, knots, [0.0, 1.0, 1.0, 0.0])

    if isinstance(water, xr.DataArray):
        return xr.apply_ufunc(share, water, dask="parallelized", output_dtypes=["float64"])
    return float(np.interp(water, knots, [0.0, 1.0, 1.0, 0.0]))
