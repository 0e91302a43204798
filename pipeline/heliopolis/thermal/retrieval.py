"""Land-surface temperature of a Landsat scene, by four methods, each with its 1-sigma error.

Every function takes arrays of one shape and returns ``(lst_k, sd_k)``, both in K; lazy in,
lazy out.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from heliopolis.thermal.planck import brightness_temperature, radiance

Pair = tuple[xr.DataArray, xr.DataArray]

#: 1-sigma error of the official product where it carries none of its own [K].
PRODUCT_SIGMA_K = 2.0
#: 1-sigma errors that enter the propagation: noise of the band [K]; transmittance (relative);
#: upwelling and downwelling radiance (relative); water vapour [mm].
NOISE_K = 0.1
TRANSMITTANCE_SIGMA = 0.02
PATH_SIGMA = 0.03
TCWV_SIGMA_MM = 3.0
#: Error of the statistical methods themselves [K]: of the mono-window fit, assumed; of the split
#: window, the 1.5 K of Jimenez-Munoz et al. 2014 widened by its distance from Du et al. 2015.
SMW_SIGMA_K = 1.0
SPLIT_WINDOW_SIGMA_K = 2.3

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


def product(surface_temperature_k: xr.DataArray, st_qa_k: xr.DataArray | None = None) -> Pair:
    """Surface temperature of the official Level-2 product with its own error.

    Parameters
    ----------
    surface_temperature_k
        ST band [K].
    st_qa_k
        ST_QA band [K]; without it `PRODUCT_SIGMA_K` is taken.
    """
    if st_qa_k is None:
        sd = xr.full_like(surface_temperature_k, PRODUCT_SIGMA_K)
    else:
        sd = st_qa_k.fillna(PRODUCT_SIGMA_K)
    return _pair(surface_temperature_k, sd)


def rte(
    thermal_radiance: xr.DataArray,
    upwelling: xr.DataArray,
    downwelling: xr.DataArray,
    transmittance: xr.DataArray,
    emissivity: xr.DataArray,
    k1: float,
    k2: float,
    emissivity_sd: xr.DataArray | float = 0.01,
) -> Pair:
    """Invert the radiative transfer equation of one band.

    ``B(T) = ((L - L_up) / tau - (1 - e) L_down) / e``, first-order propagation of the errors
    of emissivity, transmittance, path radiances and noise.

    Parameters
    ----------
    thermal_radiance, upwelling, downwelling
        At the sensor, and of the air towards sensor and ground [W m-2 sr-1 um-1].
    transmittance, emissivity
        0..1.
    k1, k2
        Thermal constants of the band, from the MTL file.
    emissivity_sd
        1-sigma error of the emissivity.
    """
    leaving = (thermal_radiance - upwelling) / transmittance
    own = (leaving - (1.0 - emissivity) * downwelling) / emissivity
    lst = brightness_temperature(own.where(own > 0), k1, k2)
    slope = _radiance_slope(lst, k1, k2)
    parts = (
        (leaving - downwelling) / emissivity * (emissivity_sd / emissivity),
        leaving / emissivity * TRANSMITTANCE_SIGMA,
        upwelling / (transmittance * emissivity) * PATH_SIGMA,
        (1.0 - emissivity) / emissivity * downwelling * PATH_SIGMA,
        slope * NOISE_K / (transmittance * emissivity),
    )
    variance = sum(((part / slope) ** 2 for part in parts), start=xr.zeros_like(lst))
    return _pair(lst, variance**0.5)


def smw(
    brightness_k: xr.DataArray,
    emissivity: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    spacecraft: str,
    emissivity_sd: float = 0.01,
) -> Pair:
    """Statistical mono-window method, ``A Tb / e + B / e + C``.

    The coefficients are those of Ermida et al. 2020 (doi:10.3390/rs12091471) at the centres of
    their water-vapour bins, and linear between them: taken by bin they jump by 0.7 to 5 K.

    Parameters
    ----------
    brightness_k
        Brightness temperature at the sensor [K].
    emissivity
        0..1.
    tcwv_mm
        Total column water vapour [mm].
    spacecraft
        ``LANDSAT_4`` ... ``LANDSAT_9``.
    """
    a, b, c = (_interpolated(tcwv_mm, spacecraft, index) for index in range(3))
    lst = (a * brightness_k + b) / emissivity + c
    step = [_interpolated(tcwv_mm + TCWV_SIGMA_MM, spacecraft, index) for index in range(3)]
    moved = (step[0] * brightness_k + step[1]) / emissivity + step[2]
    by_emissivity = (a * brightness_k + b) / emissivity * (emissivity_sd / emissivity)
    variance = SMW_SIGMA_K**2 + (moved - lst) ** 2 + by_emissivity**2 + (a * NOISE_K) ** 2
    return _pair(lst, variance**0.5)


def _interpolated(
    tcwv_mm: xr.DataArray | float, spacecraft: str, index: int
) -> xr.DataArray | float:
    if spacecraft not in SMW_COEFFICIENTS:
        raise ValueError(f"no coefficients for {spacecraft}")
    table = [row[index] for row in SMW_COEFFICIENTS[spacecraft]]
    if isinstance(tcwv_mm, xr.DataArray):
        return xr.apply_ufunc(
            np.interp, tcwv_mm, kwargs={"xp": SMW_BIN_CENTRES_MM, "fp": table},
            dask="parallelized", output_dtypes=["float64"],
        )  # fmt: skip
    return float(np.interp(tcwv_mm, SMW_BIN_CENTRES_MM, table))


def split_window(
    brightness_10_k: xr.DataArray,
    brightness_11_k: xr.DataArray,
    emissivity_10: xr.DataArray,
    emissivity_11: xr.DataArray,
    tcwv_mm: xr.DataArray | float,
    emissivity_sd: float = 0.005,
) -> Pair:
    """Split-window method of Jimenez-Munoz et al. 2014 (doi:10.1109/LGRS.2014.2312032).

    ``T10 + 1.378 d + 0.183 d^2 - 0.268 + (54.30 - 2.238 W)(1 - e) + (-129.20 + 16.40 W) de``
    with ``d = T10 - T11`` and W in g cm-2.

    Notes
    -----
    The coefficient 1.378 was not confirmed against the paper itself; one public code prints
    1.387, which would change the result by 0.009 d, 0.02 K in mid-latitudes. This form reads
    1.2 to 2.3 K lower than that of Du et al. 2015 (doi:10.3390/rs70100647, coefficients of the
    whole range) for d = 0.5..3 K at 303 K. Which of the two is nearer to the truth has not been
    established here; `SPLIT_WINDOW_SIGMA_K` is wide enough to hold the difference.
    """
    water = tcwv_mm / 10.0
    d = brightness_10_k - brightness_11_k
    mean, difference = 0.5 * (emissivity_10 + emissivity_11), emissivity_10 - emissivity_11
    by_mean, by_difference = 54.30 - 2.238 * water, -129.20 + 16.40 * water
    lst = (
        brightness_10_k
        + 1.378 * d
        + 0.183 * d**2
        - 0.268
        + by_mean * (1.0 - mean)
        + by_difference * difference
    )
    noise = NOISE_K * ((2.378 + 0.366 * d) ** 2 + (1.378 + 0.366 * d) ** 2) ** 0.5
    spread = (by_mean**2 / 2.0 + 2.0 * by_difference**2) * emissivity_sd**2
    vapour = (-2.238 * (1.0 - mean) + 16.40 * difference) * TCWV_SIGMA_MM / 10.0
    return _pair(lst, (SPLIT_WINDOW_SIGMA_K**2 + noise**2 + spread + vapour**2) ** 0.5)


def _radiance_slope(temperature_k: xr.DataArray, k1: float, k2: float) -> xr.DataArray:
    """Derivative of the band radiance with temperature [W m-2 sr-1 um-1 K-1]."""
    level = radiance(temperature_k, k1, k2)
    return level * (1.0 + level / k1) * k2 / temperature_k**2


def _pair(lst: xr.DataArray, sd: xr.DataArray) -> Pair:
    sd = sd.where(np.isfinite(lst))
    lst.attrs, sd.attrs = {"units": "K"}, {"units": "K"}
    return lst.rename("lst_k"), sd.rename("sd_k")
