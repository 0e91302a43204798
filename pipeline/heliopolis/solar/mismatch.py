"""What a string loses when a part of it lies in the shade, beyond the light that is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from heliopolis.solar.irradiance import PlaneIrradiance

FloatArray = np.ndarray[Any, np.dtype[Any]]


def string_mismatch(free: PlaneIrradiance, shaded: PlaneIrradiance) -> FloatArray:
    """Power of one string over the sum of what its modules could give alone, dims (plane, time).

    Parameters
    ----------
    free, shaded
        Irradiance in the planes without and with obstacles.

    Returns
    -------
    array
        Between 1/2 and 1; 1 where all modules are lit or all are shaded.

    Notes
    -----
    All modules of a string carry one current, and a module that cannot is bypassed. Of a string
    with the share L lit, the tracker takes the better of two: the lit modules alone at their
    current, or all at that of the shaded ones; voltages are those of single modules. This is the
    model of uniform shading of Deline et al. (2013), doi:10.1016/j.solener.2013.07.008, for one
    string with bypass diodes, and an upper limit of what shade costs: modules with electronics
    of their own lose nothing here, and parallel strings less. The share lit is that of the beam.
    """
    lit = np.divide(shaded.beam, free.beam, out=np.ones_like(free.beam), where=free.beam > 0)
    lit = np.clip(lit, 0.0, 1.0)
    dark = shaded.sky + shaded.ground
    bright = free.beam + dark
    alone = lit * bright + (1.0 - lit) * dark
    best = np.maximum(lit * bright, dark)
    # A string that is lit throughout, or not at all, has one current.
    return np.divide(best, alone, out=np.ones_like(alone), where=alone > 0)
