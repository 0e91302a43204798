"""Ground that could be planted: neither roof, nor water, nor green already."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

#: NDVI of bare ground and of full vegetation (Sobrino et al. 2008, doi:10.1109/TGRS.2007.904834).
NDVI_BARE, NDVI_FULL = 0.2, 0.5


def vegetation_share(ndvi: Array) -> Array:
    """Share of the ground under vegetation (1), from the NDVI.

    ``((NDVI - 0.2) / (0.5 - 0.2))^2`` between the NDVI of bare ground and of full vegetation
    (Carlson & Ripley 1997, doi:10.1016/S0034-4257(97)00104-1), 0 below and 1 above.

    >>> vegetation_share(np.array([0.1, 0.35, 0.7])).tolist()
    [0.0, 0.25, 1.0]
    """
    scaled = np.clip(
        (np.asarray(ndvi, dtype="float64") - NDVI_BARE) / (NDVI_FULL - NDVI_BARE), 0, 1
    )
    return np.asarray(np.round(scaled**2, 12))


def plantable_share(
    ndvi: Array,
    roof: Array,
    *,
    water: Array | None = None,
    roads: Array | None = None,
    excluded: Array | None = None,
) -> Array:
    """Share of each cell that is pavement or bare ground and could be planted (1).

    ``max(0, 1 - vegetation - roof - water - roads)``: what is neither under leaves (trees and
    lawns, by NDVI) nor under a roof nor water nor the middle of a road, less the excluded share,
    such as farmland. It says what the ground is now, not who owns it or what lies below. A crown
    above a roof or a road is counted twice, which errs on the safe side.

    Parameters
    ----------
    ndvi
        Vegetation index (1), dims (y, x).
    roof
        Share of the cell under roofs (1), from building footprints. Roofs and pavement look
        alike in NDVI, so without footprints there is no plantable share.
    water, roads, excluded
        Share of the cell under water, along the middle of roads, and of land that is not to be
        planted (1); absent: none.

    Returns
    -------
    ndarray
        Dims (y, x), 0..1, NaN where an input is.
    """
    share = 1.0 - vegetation_share(ndvi) - np.asarray(roof, dtype="float64")
    for taken in (water, roads):
        if taken is not None:
            share = share - taken
    share = np.clip(share, 0.0, 1.0)
    if excluded is not None:
        share = share * (1.0 - np.clip(excluded, 0.0, 1.0))
    return np.asarray(share)
