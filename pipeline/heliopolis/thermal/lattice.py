"""Scene-wide numbers from a fixed lattice of pixels, the same whatever the chunks."""

from __future__ import annotations

import math

import xarray as xr

#: Pixels of the lattice, at most.
MAX_SAMPLES = 160_000


def lattice(array: xr.DataArray) -> xr.DataArray:
    """Every s-th pixel along y and x, in one chunk; s from the size of the array alone."""
    pixels = array.sizes["y"] * array.sizes["x"]
    step = max(1, math.ceil(math.sqrt(pixels / MAX_SAMPLES)))
    sample = array.isel(y=slice(None, None, step), x=slice(None, None, step))
    return sample.chunk(-1) if sample.chunks is not None else sample
