"""Emissivity of land in the TIRS bands from the vegetation index."""

from __future__ import annotations

import numpy as np
import xarray as xr

#: Emissivity of water in the thermal window (Ermida et al. 2020, doi:10.3390/rs12091471).
WATER = 0.99
#: 1-sigma error that the NDVI thresholds method leaves, without metal roofs (1).
SIGMA = 0.01
#: Emissivity of soil and vegetation by band, and the red-band line of bare soil: offset, slope
#: (Yu, Guo & Wu 2014, doi:10.3390/rs6109829).
_SOIL = {10: 0.9668, 11: 0.9747}
_PLANT = {10: 0.9863, 11: 0.9896}
_BARE = {10: (0.973, -0.047), 11: (0.984, -0.026)}
_SHAPE_FACTOR = 0.55
_LOW, _HIGH = 0.2, 0.5


def ndvi(red: xr.DataArray, nir: xr.DataArray) -> xr.DataArray:
    """Normalised difference vegetation index, -1..1; NaN where both bands are 0."""
    total = nir + red
    index = ((nir - red) / total.where(total > 0)).clip(-1.0, 1.0)
    index.attrs = {"units": "1"}
    return index


def ndvi_threshold(index: xr.DataArray, red: xr.DataArray, band: int = 10) -> xr.DataArray:
    """Emissivity of TIRS band 10 or 11 by the NDVI thresholds method.

    Below 0.2 a line of the red reflectance, between 0.2 and 0.5 a mixture of soil and plants
    with the cavity term ``(1 - e_s) e_v F (1 - P_v)``, above 0.5 plants; below 0 water.
    Sobrino et al. 2008, doi:10.1109/TGRS.2007.904834, with the coefficients of Yu et al. 2014,
    doi:10.3390/rs6109829. It does not hold for metal roofs.

    Parameters
    ----------
    index
        NDVI (y, x).
    red
        Red reflectance (y, x).
    band
        10 or 11.

    Examples
    --------
    >>> import xarray as xr
    >>> at = xr.DataArray([-0.1, 0.1, 0.7], dims="x")
    >>> ndvi_threshold(at, xr.full_like(at, 0.2)).round(4).values.tolist()
    [0.99, 0.9636, 0.9863]
    """
    offset, slope = _BARE[band]
    plants = (((index - _LOW) / (_HIGH - _LOW)).clip(0.0, 1.0)) ** 2
    cavity = (1.0 - _SOIL[band]) * _PLANT[band] * _SHAPE_FACTOR * (1.0 - plants)
    mixed = _PLANT[band] * plants + _SOIL[band] * (1.0 - plants) + cavity
    bare = offset + slope * red
    value = xr.where(index < _LOW, bare, mixed)
    value = xr.where(index < 0.0, WATER, value).where(np.isfinite(index))
    value.attrs = {"units": "1"}
    return value
