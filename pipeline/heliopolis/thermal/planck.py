"""Planck's law both ways, and means of temperature that conserve radiant exitance."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import xarray as xr

#: Radiation constants of the 2019 SI: c1L = 2 h c^2 [W um4 m-2 sr-1] and c2 = h c / k [um K]
#: (CODATA 2018, doi:10.1103/RevModPhys.93.025010).
C1L_W_UM4_M2_SR = 1.191042972e8
C2_UM_K = 14387.768775

#: 0 degrees Celsius [K].
ZERO_C_K = 273.15
_LINEAR_AT_K = 300.0

T = TypeVar("T", float, "np.ndarray[Any, Any]", xr.DataArray)


def radiance(temperature_k: T, k1: float, k2: float) -> T:
    """Band radiance [W m-2 sr-1 um-1] of a black body, ``k1 / (exp(k2 / T) - 1)``.

    Parameters
    ----------
    temperature_k
        Temperature [K].
    k1, k2
        Thermal constants of the band, from the scene's MTL file [W m-2 sr-1 um-1], [K]
        (USGS, Landsat 8-9 Collection 2 Data Format Control Book, LSDS-1328).

    Examples
    --------
    >>> round(float(radiance(300.0, 774.8853, 1321.0789)), 4)
    9.5968
    """
    band: Any = k1 / np.expm1(k2 / temperature_k)
    return band


def brightness_temperature(radiance_w: T, k1: float, k2: float) -> T:
    """Temperature [K] of the black body with that band radiance: inverse of `radiance`.

    >>> round(float(brightness_temperature(9.5968, 774.8853, 1321.0789)), 2)
    300.0
    """
    growth: Any = np.log1p(k1 / radiance_w)
    kelvin: T = k2 / growth
    return kelvin


def spectral_radiance(temperature_k: T, wavelength_um: float) -> T:
    """Spectral radiance [W m-2 sr-1 um-1] of a black body at one wavelength [um]."""
    k1 = C1L_W_UM4_M2_SR / wavelength_um**5
    return radiance(temperature_k, k1, C2_UM_K / wavelength_um)


def spectral_temperature(radiance_w: T, wavelength_um: float) -> T:
    """Inverse of `spectral_radiance` [K]."""
    k1 = C1L_W_UM4_M2_SR / wavelength_um**5
    return brightness_temperature(radiance_w, k1, C2_UM_K / wavelength_um)


def emissivity_corrected(brightness_k: T, emissivity: T, wavelength_um: float = 10.895) -> T:
    """Surface temperature [K] without an atmosphere, ``Tb / (1 + (lambda Tb / c2) ln e)``.

    Artis & Carnahan 1982, doi:10.1016/0034-4257(82)90043-8; for tests and for bounds only.

    >>> round(float(emissivity_corrected(310.0, 0.96)), 2)
    313.0
    """
    return brightness_k / (1.0 + wavelength_um * brightness_k / C2_UM_K * np.log(emissivity))


def to_linear(temperature_k: T) -> T:
    """``T^4 / (4 * 300^3)`` [K]: linear in radiant exitance, with slope 1 at 300 K.

    Means, sums and interpolations of temperature are made of this quantity, so that the energy
    that leaves the surface is conserved.
    """
    return temperature_k**4 / (4.0 * _LINEAR_AT_K**3)


def from_linear(linear_k: T) -> T:
    """Inverse of `to_linear` [K].

    >>> round(from_linear(to_linear(310.0)), 9)
    310.0
    """
    return (linear_k * (4.0 * _LINEAR_AT_K**3)) ** 0.25


def coarsen_mean_k(
    temperature_k: xr.DataArray, factor: int, min_share: float = 0.5
) -> xr.DataArray:
    """Mean of T^4 over ``factor`` x ``factor`` cells, as a temperature [K] (y, x).

    NaN cells are left out; a coarse cell with less than ``min_share`` of its cells is NaN.
    Lazy in, lazy out.
    """
    window = {"y": factor, "x": factor}
    padded = _padded(temperature_k, factor)
    good = padded.notnull()
    linear = to_linear(padded.where(good, 0.0))
    total = linear.coarsen(window).sum()
    count = good.astype("float32").coarsen(window).sum()
    enough = count >= max(min_share * factor * factor, 1.0)
    mean = from_linear(total.where(enough) / count.where(enough))
    mean.attrs = {"units": "K"}
    return mean


def coarsen_mean(values: xr.DataArray, factor: int) -> xr.DataArray:
    """Plain mean of the finite values over ``factor`` x ``factor`` cells (y, x)."""
    padded = _padded(values, factor)
    return padded.coarsen({"y": factor, "x": factor}).mean()


def _padded(values: xr.DataArray, factor: int) -> xr.DataArray:
    pad = {dim: (0, -values.sizes[dim] % factor) for dim in ("y", "x")}
    return values.pad(pad, constant_values=np.nan) if any(p[1] for p in pad.values()) else values
