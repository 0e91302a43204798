"""Cells of a thermal sensor: filled from finer samples, with their errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.grid import coarsen
from heliopolis.thermal.planck import coarsen_mean, coarsen_mean_k
from heliopolis.thermal.uncertainty import PARTS

#: Side of the samples that coarse cells are averaged from [m].
_SAMPLE_M = 10.0
#: Cells with their errors, share of the area that is clear, native cell [m], tags.
Cells = tuple[xr.Dataset, float, float, dict[str, str]]


def no_cells(grid: GeoBox) -> xr.Dataset:
    """Cells of a scene that has nothing clear."""
    empty = wrap_xr(np.full(grid.shape, np.nan, dtype="float32"), grid)
    return xr.Dataset(dict.fromkeys(("lst_k", "sd_k", *PARTS), empty))


def samples(grid: GeoBox, cell_m: float) -> tuple[GeoBox, GeoBox, int]:
    """Coarse grid, sampling grid inside it, and the factor between them."""
    coarse = coarsen(grid, cell_m)
    factor = max(1, round(cell_m / min(_SAMPLE_M, grid.resolution.x)))
    shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
    return coarse, GeoBox(shape, coarse.affine * coarse.affine.scale(1 / factor), grid.crs), factor


def inside(values: xr.DataArray, grid: GeoBox, fine: GeoBox) -> xr.DataArray:
    """The samples that lie in the study grid; the cells may reach beyond it."""
    rows = round(grid.shape[0] * grid.resolution.x / fine.resolution.x)
    columns = round(grid.shape[1] * grid.resolution.x / fine.resolution.x)
    return values[:rows, :columns]


def averaged(values: xr.Dataset, factor: int, coarse: GeoBox) -> xr.Dataset:
    """Cells from samples: mean of T^4, and of the errors.

    Errors of air and emissivity are shared within a cell, and its samples come from few native
    pixels: no part is divided by their number. That the sensor looks beyond the cell is an error
    of its own, the same on every date.
    """
    out = {"lst_k": wrap_xr(coarsen_mean_k(values["lst_k"], factor).data, coarse)}
    for name in PARTS:
        mean = wrap_xr(coarsen_mean(values[name], factor).data, coarse)
        out[name] = mean.where(out["lst_k"].notnull())
    out["sd_k"] = quadrature(*(out[name] for name in PARTS))
    return xr.Dataset(out)


def quadrature(*parts: xr.DataArray) -> xr.DataArray:
    """Root of the sum of squares."""
    root: xr.DataArray = sum((part**2 for part in parts), start=xr.zeros_like(parts[0])) ** 0.5
    return root
