"""Radiance of a thermal band and back, from its spectral response or from K1 and K2.

The constants K1 and K2 of the MTL files stand for a fit of Planck's law to the band. Against the
integral over the spectral response they read 0.11 to 0.16 K too warm in the bands of TIRS and
-0.1 to +0.5 K wrong in those of TM, at surface temperatures. A band of this module keeps the
integral to 1 mK at the price of one logarithm, one division and a polynomial for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.thermal.planck import C1L_W_UM4_M2_SR, C2_UM_K, T, brightness_temperature, radiance
from heliopolis.thermal.spectral_response import RESPONSES, Response

#: 1-sigma error of the temperature that the band model itself adds [K]: with a spectral response
#: (its measurement, and change since launch); with K1 and K2 alone.
RESPONSE_SIGMA_K = 0.03
CONSTANTS_SIGMA_K = 0.2
#: K1 and K2 that differ by more than this from the spectral response at 300 K belong to another
#: band; they are then used as they are [K].
_SAME_BAND_K = 1.0
_FIT_K = (180.0, 400.0)
_CENTRE_K, _HALF_K = 290.0, 110.0
_DEGREE = 3


@dataclass(frozen=True)
class Band:
    """A thermal band: Planck's law with two constants, of a temperature corrected by a polynomial.

    Attributes
    ----------
    k1, k2
        Constants of the law [W m-2 sr-1 um-1], [K].
    sigma_k
        1-sigma error of temperatures that comes from the model of the band [K].
    to_effective, from_effective
        Polynomials of ``(T - 290) / 110``, lowest degree first [K]; empty: no correction. They hold
        from 180 to 400 K.
    """

    k1: float
    k2: float
    sigma_k: float
    to_effective: tuple[float, ...] = ()
    from_effective: tuple[float, ...] = ()

    def radiance(self, temperature_k: T) -> T:
        """Radiance [W m-2 sr-1 um-1] of a black body, mean over the band.

        >>> band = band_of("LANDSAT_8", 10)
        >>> round(float(band.radiance(300.0)), 4)
        9.6137
        """
        return radiance(_shifted(temperature_k, self.to_effective), self.k1, self.k2)

    def temperature(self, radiance_w: T) -> T:
        """Temperature [K] of the black body with that radiance; for radiances above 0.

        >>> band = band_of("LANDSAT_8", 10)
        >>> round(float(band.temperature(band.radiance(310.0))), 3)
        310.0
        """
        return _shifted(brightness_temperature(radiance_w, self.k1, self.k2), self.from_effective)

    def slope(self, temperature_k: T) -> T:
        """Derivative of `radiance` with temperature [W m-2 sr-1 um-1 K-1], to 1 %."""
        level: Any = radiance(temperature_k, self.k1, self.k2)
        grown: Any = level * (1.0 + level / self.k1) * self.k2
        kelvin: Any = temperature_k
        return grown / kelvin**2


def band_of(spacecraft: str, number: int, k1: float | None = None, k2: float | None = None) -> Band:
    """Model of a thermal band.

    The spectral response where it is known (`RESPONSES`: Landsat 4 to 9), else ``k1`` and ``k2``.

    Parameters
    ----------
    spacecraft
        ``LANDSAT_4`` ... ``LANDSAT_9``.
    number
        6, 10 or 11.
    k1, k2
        Constants from the MTL file. They decide where no response is known, and where they
        contradict it by more than 1 K at 300 K.

    Raises
    ------
    ValueError
        If neither a response nor constants are known.
    """
    given = k1 is not None and k2 is not None
    if (spacecraft, number) not in RESPONSES:
        if not given:
            raise ValueError(f"no spectral response and no constants for {spacecraft} {number}")
        return constants_band(float(k1 or 0.0), float(k2 or 0.0))
    band = _response_band(spacecraft, number)
    if given:
        other = constants_band(float(k1 or 0.0), float(k2 or 0.0))
        if not abs(other.temperature(band.radiance(300.0)) - 300.0) < _SAME_BAND_K:
            return other
    return band


def constants_band(k1: float, k2: float) -> Band:
    """Band that is known by the constants of its MTL file alone."""
    return Band(k1, k2, CONSTANTS_SIGMA_K)


@lru_cache(maxsize=16)
def _response_band(spacecraft: str, number: int) -> Band:
    response = RESPONSES[spacecraft, number]
    middle = float(response.wavelength_um @ response.weight)
    k1, k2 = C1L_W_UM4_M2_SR / middle**5, C2_UM_K / middle
    kelvin = np.linspace(*_FIT_K, 441)
    effective = brightness_temperature(integrated_radiance(kelvin, response), k1, k2)
    there = _fitted(kelvin, effective)
    back = _fitted(effective, kelvin)
    return Band(k1, k2, RESPONSE_SIGMA_K, there, back)


def integrated_radiance(
    temperature_k: NDArray[np.float64], response: Response
) -> NDArray[np.float64]:
    """Mean of Planck's law over a response [W m-2 sr-1 um-1]; exact, and slow."""
    wave = response.wavelength_um
    law = C1L_W_UM4_M2_SR / wave**5 / np.expm1(C2_UM_K / np.multiply.outer(temperature_k, wave))
    return np.asarray(law @ response.weight)


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, ...]:
    fit = np.polynomial.polynomial.polyfit((x - _CENTRE_K) / _HALF_K, y - x, _DEGREE)
    return tuple(float(value) for value in fit)


def _shifted(temperature_k: T, coefficients: Sequence[float]) -> T:
    """``T`` plus a polynomial of T; Horner's scheme."""
    if not coefficients:
        return temperature_k
    kelvin: Any = temperature_k
    scaled = (kelvin - _CENTRE_K) / _HALF_K
    total: Any = scaled * coefficients[-1]
    for value in reversed(coefficients[1:-1]):
        total += value
        total *= scaled
    total += coefficients[0]
    total += kelvin
    return total
