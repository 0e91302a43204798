"""Statistical mono-window method for one thermal band of Landsat 4 to 9."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from heliopolis.thermal.uncertainty import Pair, pair, retrieved

#: A, B, C of the statistical mono-window method by satellite and bin of water vapour: bins of
#: 6 mm, the last one open (Ermida et al. 2020, doi:10.3390/rs12091471, and its published code).
SMW_COEFFICIENTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "LANDSAT_4": (
        (0.9755, -205.2767, 212.0051), (1.0155, -233.8902, 230.4049),
        (1.0672, -257.1884, 239.3072), (1.1499, -286.2166, 244.8497),
        (1.2277, -316.7643, 253.0033), (1.3649, -361.8276, 258.5471),
        (1.5085, -410.1157, 265.1131), (1.7045, -472.4909, 270.7000),
        (1.5886, -442.9489, 277.1511), (2.0215, -571.8563, 279.9854),
    ),
    "LANDSAT_5": (
        (0.9765, -204.6584, 211.1321), (1.0229, -235.5384, 230.0619),
        (1.0817, -261.3886, 239.5256), (1.1738, -293.6128, 245.6042),
        (1.2605, -327.1417, 254.2301), (1.4166, -377.7741, 259.9711),
        (1.5727, -430.0388, 266.9520), (1.7879, -498.1947, 272.8413),
        (1.6347, -457.8183, 279.6160), (2.1168, -600.7079, 282.4583),
    ),
    "LANDSAT_7": (
        (0.9764, -205.3511, 211.8507), (1.0201, -235.2416, 230.5468),
        (1.0750, -259.6560, 239.6619), (1.1612, -289.8190, 245.3286),
        (1.2425, -321.4658, 253.6144), (1.3864, -368.4078, 259.1390),
        (1.5336, -417.7796, 265.7486), (1.7345, -481.5714, 271.3659),
        (1.6066, -448.5071, 277.9058), (2.0533, -581.2619, 280.6800),
    ),
    "LANDSAT_8": (
        (0.9751, -205.8929, 212.7173), (1.0090, -232.2750, 230.5698),
        (1.0541, -253.1943, 238.9548), (1.1282, -279.4212, 244.0772),
        (1.1987, -307.4497, 251.8341), (1.3205, -348.0228, 257.2740),
        (1.4540, -393.1718, 263.5599), (1.6350, -451.0790, 268.9405),
        (1.5468, -429.5095, 275.0895), (1.9403, -547.2681, 277.9953),
    ),
    "LANDSAT_9": (
        (0.9751, -206.2187, 213.0526), (1.0093, -232.7408, 230.9401),
        (1.0539, -253.4430, 239.2572), (1.1267, -279.1685, 244.2379),
        (1.1961, -306.7961, 251.8873), (1.3155, -346.5312, 257.2174),
        (1.4463, -390.7794, 263.3479), (1.6229, -447.2745, 268.5970),
        (1.5396, -427.0904, 274.6380), (1.9223, -541.7084, 277.4964),
    ),
}  # fmt: skip
#: Centres of the water-vapour bins [mm].
SMW_BIN_CENTRES_MM = tuple(3.0 + 6.0 * index for index in range(10))
#: Noise-equivalent temperature difference, with striping [K]: TIRS 0.05 (Barsi et al. 2014,
#: doi:10.3390/rs61111607) doubled; ETM+ and TM 0.2 and 0.3 by their specification.
NOISE_K = {
    "LANDSAT_4": 0.3,
    "LANDSAT_5": 0.3,
    "LANDSAT_7": 0.2,
    "LANDSAT_8": 0.1,
    "LANDSAT_9": 0.1,
}
#: 1-sigma error of water vapour where none is told [mm].
TCWV_SIGMA_MM = 3.0
#: Error of the method alone by water vapour [mm], water vapour and emissivity being known [K]: mean
#: and scatter in the simulation of `heliopolis.accuracy.band_truth` (Landsat 8), where the
#: temperature of the air, which the method does not know, makes most of it. The last figure lies
#: beyond that simulation: one real scene of the tropics (transmittance 0.35, water vapour 59 mm) is
#: 6 K colder by this method than by the official product.
METHOD_AT_MM = (5.0, 15.0, 25.0, 35.0, 45.0, 57.0)
METHOD_BIAS_K = (0.5, 0.6, 0.9, 0.5, 0.5, 3.0)
METHOD_SCATTER_K = (0.6, 0.75, 1.5, 1.5, 2.0, 4.0)


def retrieve_smw(
    brightness_k: xr.DataArray,
    emissivity: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    spacecraft: str,
    emissivity_sd: xr.DataArray | float = 0.01,
    tcwv_sd_mm: xr.DataArray | float = TCWV_SIGMA_MM,
) -> xr.Dataset:
    """Statistical mono-window method, ``A Tb / e + B / e + C``.

    The coefficients are those of Ermida et al. 2020 (doi:10.3390/rs12091471) at the centres of
    their water-vapour bins, and linear between them: taken by bin they jump by 0.7 to 5 K.

    Parameters
    ----------
    brightness_k
        Brightness temperature at the sensor [K], by K1 and K2 of the MTL file as in the paper.
    emissivity
        0..1.
    tcwv_mm
        Total column water vapour [mm].
    spacecraft
        ``LANDSAT_4`` ... ``LANDSAT_9``.
    emissivity_sd, tcwv_sd_mm
        1-sigma errors of emissivity and water vapour.

    Returns
    -------
    xr.Dataset
        As `heliopolis.thermal.uncertainty.retrieved`.

    Raises
    ------
    ValueError
        For a satellite without coefficients.

    Notes
    -----
    Between 45 and 51 mm the published coefficient A falls before it rises again: there the
    temperature of a hot surface (Tb above 312 K) falls with more water vapour, by less than 1 K.

    Examples
    --------
    The table of reference for Landsat 8, emissivity 0.97, 3, 21 and 33 mm:

    >>> import xarray as xr
    >>> tb = xr.DataArray([295.0, 305.0, 315.0], dims="x")
    >>> for water in (3.0, 21.0, 33.0):
    ...     found = retrieve_smw(tb, xr.full_like(tb, 0.97), water, "LANDSAT_8")
    ...     print(found["lst_k"].round(2).values.tolist())
    [297.01, 307.06, 317.11]
    [299.13, 310.76, 322.39]
    [300.08, 313.7, 327.31]
    """
    if spacecraft not in SMW_COEFFICIENTS:
        raise ValueError(f"no coefficients for {spacecraft}")
    a, b, c, bias, scatter, a_step, b_step, c_step = _line(tcwv_mm, spacecraft)
    leaving = a * brightness_k + b
    by_water = (a_step * brightness_k + b_step) / emissivity + c_step
    return retrieved(
        leaving / emissivity + c,
        random=(a * NOISE_K[spacecraft] / emissivity,),
        scene=(by_water * tcwv_sd_mm, scatter),
        systematic=(leaving / emissivity * (emissivity_sd / emissivity), bias),
    )


def smw(
    brightness_k: xr.DataArray,
    emissivity: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    spacecraft: str,
    emissivity_sd: xr.DataArray | float = 0.01,
    tcwv_sd_mm: xr.DataArray | float = TCWV_SIGMA_MM,
) -> Pair:
    """Temperature and total error of `retrieve_smw` [K]."""
    return pair(
        retrieve_smw(brightness_k, emissivity, tcwv_mm, spacecraft, emissivity_sd, tcwv_sd_mm)
    )


def _line(tcwv_mm: xr.DataArray | float, spacecraft: str) -> tuple[Any, ...]:
    """A, B, C, the method's bias and scatter, and how A, B, C change by mm, at a water vapour."""
    table = np.column_stack(
        [
            np.array(SMW_COEFFICIENTS[spacecraft]),
            np.interp(SMW_BIN_CENTRES_MM, METHOD_AT_MM, METHOD_BIAS_K),
            np.interp(SMW_BIN_CENTRES_MM, METHOD_AT_MM, METHOD_SCATTER_K),
        ]
    )
    if isinstance(tcwv_mm, xr.DataArray):
        lines: tuple[Any, ...] = xr.apply_ufunc(
            _looked_up, tcwv_mm, kwargs={"table": table}, output_core_dims=[()] * 8,
            dask="parallelized", output_dtypes=[tcwv_mm.dtype] * 8,
        )  # fmt: skip
        return lines
    return tuple(float(value) for value in _looked_up(np.asarray(float(tcwv_mm)), table))


def _looked_up(tcwv_mm: NDArray[Any], table: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Columns of the table, linear between the rows of `SMW_BIN_CENTRES_MM`, then their slopes."""
    first, last = SMW_BIN_CENTRES_MM[0], len(table) - 1
    width = SMW_BIN_CENTRES_MM[1] - first
    place = np.clip((tcwv_mm - first) / width, 0.0, last)
    row = np.minimum(np.nan_to_num(place), last - 1).astype(np.intp)
    share = place - row
    typed = table.astype(tcwv_mm.dtype)
    steps = np.diff(typed, axis=0)
    values = [typed[:, k][row] + share * steps[:, k][row] for k in range(table.shape[1])]
    return (*values, *(steps[:, k][row] / width for k in range(3)))
