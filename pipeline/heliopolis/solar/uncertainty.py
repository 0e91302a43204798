"""How far the light on a roof plane may be off, and the quantiles of its yield."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Relative standard deviation of the yield of a plane in full light, and its growth with the
#: share of light that obstacles take; found on one half of the buildings of the simulated city,
#: whose planes and shade came from its LiDAR, by the coverage of their P10 to P90. It holds
#: neither the weather nor the modules, which have sigmas of their own.
UNSHADED_SIGMA, SIGMA_OF_SHADE = 0.0015, 0.5


def light_sigma(shading_loss: FloatArray) -> FloatArray:
    """Relative standard deviation of a plane's yield from errors of its geometry and shade.

    Parameters
    ----------
    shading_loss
        Share of the light that obstacles take, 0 to 1.

    >>> light_sigma(np.array([0.0, 0.1])).round(4).tolist()
    [0.0015, 0.05]
    """
    return np.hypot(UNSHADED_SIGMA, SIGMA_OF_SHADE * np.asarray(shading_loss, dtype=float))


def quantile(p50: FloatArray, share: float, *sigmas: float | FloatArray) -> FloatArray:
    """Yield below which it stays with probability ``share``; never below 0.

    Parameters
    ----------
    p50
        Expected yield, any unit.
    share
        Between 0 and 1; 0.1 is what is called P90, exceeded nine times of ten.
    sigmas
        Independent relative standard deviations (module, weather of a year, light).

    >>> float(quantile(np.array(1000.0), 0.1, 0.03, 0.04).round(1))
    935.9
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    combined = np.sqrt(sum((np.square(s) for s in sigmas), start=np.zeros(1)))
    found = np.maximum(1.0 + special.ndtri(share) * combined, 0.0) * p50
    return np.asarray(found if np.ndim(p50) or found.size > 1 else found[0])
