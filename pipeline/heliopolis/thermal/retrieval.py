"""Land-surface temperature of a Landsat scene, by four methods, each with its 1-sigma error.

Functions named ``retrieve_*`` return a dataset with the parts of the error (see
`heliopolis.thermal.uncertainty`); the shorter ones ``(lst_k, sd_k)``. All in K; lazy in, lazy out.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from heliopolis.thermal.bands import Band, constants_band
from heliopolis.thermal.mono_window import (
    SMW_BIN_CENTRES_MM,
    SMW_COEFFICIENTS,
    retrieve_smw,
    smw,
)
from heliopolis.thermal.split_window import retrieve_split_window, split_window, split_window_du
from heliopolis.thermal.uncertainty import Pair, cloud_sigma, pair, retrieved

__all__ = [
    "PRODUCT_SIGMA_K",
    "SMW_BIN_CENTRES_MM",
    "SMW_COEFFICIENTS",
    "Pair",
    "product",
    "retrieve_product",
    "retrieve_rte",
    "retrieve_smw",
    "retrieve_split_window",
    "rte",
    "smw",
    "split_window",
    "split_window_du",
]

#: 1-sigma error of the official product where it carries none of its own [K].
PRODUCT_SIGMA_K = 2.0
#: 1-sigma errors that enter the propagation: noise of the band [K], emissivity, optical depth of
#: the air (relative, and absolute for aerosol), mean temperature of the air [K], method [K] (its
#: distance from the official product with the same input, `heliopolis validate landsat-st`).
NOISE_K = 0.1
EMISSIVITY_SIGMA = 0.01
DEPTH_SIGMA, DEPTH_SIGMA_ABSOLUTE = 0.10, 0.01
AIR_SIGMA_K = 1.0
METHOD_SIGMA_K = 0.05
#: Mean slope of a hemispheric path through the air relative to the vertical one (Elsasser 1942).
_DIFFUSIVITY = 1.66
#: Temperature error per unit of emissivity error, for the parts of the product's own sigma [K]:
#: 0.5 K for 0.01 in air of 2 g cm-2 (simulated, Landsat 8).
_KELVIN_PER_EMISSIVITY = 50.0


def retrieve_product(
    surface_temperature_k: xr.DataArray,
    st_qa_k: xr.DataArray | None = None,
    emissivity_sd: xr.DataArray | float = EMISSIVITY_SIGMA,
) -> xr.Dataset:
    """Surface temperature of the official Level-2 product with its own error.

    Parameters
    ----------
    surface_temperature_k
        ST band [K].
    st_qa_k
        ST_QA band [K]; without it `PRODUCT_SIGMA_K` is taken.
    emissivity_sd
        ST_EMSD: tells which part of the error comes back on every date.

    Notes
    -----
    ST_QA already holds the distance to clouds, so that `cloud_sigma` must not be added to it. It
    over-states where the mask takes bright roofs for cloud (their neighbours get up to 2 K from a
    cloud that is not there), and its term for what is unexplained stems from Landsat 7 and older
    reanalyses. It is passed on as it is: no figure for the excess is published.
    """
    whole = st_qa_k.fillna(PRODUCT_SIGMA_K) if st_qa_k is not None else None
    if whole is None:
        whole = xr.full_like(surface_temperature_k, PRODUCT_SIGMA_K)
    noise = whole.clip(max=NOISE_K)
    room = (whole**2 - noise**2) ** 0.5
    ground = (xr.zeros_like(whole) + emissivity_sd * _KELVIN_PER_EMISSIVITY).clip(max=room)
    rest = (whole**2 - noise**2 - ground**2).clip(0.0) ** 0.5
    return retrieved(surface_temperature_k, random=(noise,), scene=(rest,), systematic=(ground,))


def product(surface_temperature_k: xr.DataArray, st_qa_k: xr.DataArray | None = None) -> Pair:
    """Temperature and total error of `retrieve_product` [K]."""
    return pair(retrieve_product(surface_temperature_k, st_qa_k))


def retrieve_rte(
    thermal_radiance: xr.DataArray,
    upwelling: xr.DataArray,
    downwelling: xr.DataArray,
    transmittance: xr.DataArray,
    emissivity: xr.DataArray,
    band: Band,
    emissivity_sd: xr.DataArray | float = EMISSIVITY_SIGMA,
    cloud_distance_km: xr.DataArray | None = None,
) -> xr.Dataset:
    """Invert the radiative transfer equation of one band.

    ``B(T) = ((L - L_up) / tau - (1 - e) L_down) / e``, first-order propagation of the errors. The
    errors of transmittance and path radiance are one error, of the optical depth: more of it takes
    from the ground's radiance what it gives to the air's (the USGS finds correlations of -0.99).

    Parameters
    ----------
    thermal_radiance, upwelling, downwelling
        At the sensor, and of the air towards sensor and ground [W m-2 sr-1 um-1].
    transmittance, emissivity
        0..1.
    band
        Model of the band (`heliopolis.thermal.bands.band_of`).
    emissivity_sd
        1-sigma error of the emissivity.
    cloud_distance_km
        ST_CDIST [km]; adds the error that clouds nearby bring.

    Returns
    -------
    xr.Dataset
        As `heliopolis.thermal.uncertainty.retrieved`.
    """
    leaving = (thermal_radiance - upwelling) / transmittance
    own = (leaving - (1.0 - emissivity) * downwelling) / emissivity
    lst = band.temperature(own.where(own > 0))
    slope = band.slope(lst) * emissivity
    depth = -np.log(transmittance.clip(0.01, 0.999))
    air = upwelling / (1.0 - transmittance.clip(max=0.999))
    darker = _DIFFUSIVITY * (air - downwelling).clip(0.0)
    by_depth = leaving - air - (1.0 - emissivity) * darker
    by_air = (1.0 - transmittance) / transmittance * AIR_SIGMA_K
    scene = [
        by_depth / slope * DEPTH_SIGMA * depth,
        by_depth / slope * DEPTH_SIGMA_ABSOLUTE,
        by_air * band.slope(lst) / slope,
    ]
    if cloud_distance_km is not None:
        scene.append(cloud_sigma(cloud_distance_km, transmittance))
    return retrieved(
        lst,
        random=(NOISE_K * band.slope(lst) / (transmittance * slope),),
        scene=scene,
        systematic=(
            (leaving - downwelling) / slope * (emissivity_sd / emissivity),
            METHOD_SIGMA_K,
            band.sigma_k,
        ),
    )


def rte(
    thermal_radiance: xr.DataArray,
    upwelling: xr.DataArray,
    downwelling: xr.DataArray,
    transmittance: xr.DataArray,
    emissivity: xr.DataArray,
    k1: float,
    k2: float,
    emissivity_sd: xr.DataArray | float = EMISSIVITY_SIGMA,
    band: Band | None = None,
) -> Pair:
    """Temperature and total error of `retrieve_rte` [K].

    ``k1`` and ``k2`` serve where the model of the band is not given; they then leave a bias of
    about 0.1 K in TIRS.
    """
    model = band if band is not None else constants_band(k1, k2)
    parts = (thermal_radiance, upwelling, downwelling, transmittance, emissivity)
    return pair(retrieve_rte(*parts, model, emissivity_sd))
