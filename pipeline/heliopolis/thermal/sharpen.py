"""Sharpening of land-surface temperature with optical predictors, where that has skill.

The idea is that of DisTrad and TsHARP (Kustas et al. 2003, doi:10.1016/j.rse.2003.07.001;
Agam et al. 2007, doi:10.1016/j.rse.2006.10.006): a regression learnt between coarse cells is
applied to fine pixels and the residual of every coarse cell is put back. Here

* every mean is one of T^4, and the fine field's mean over each coarse cell is the input,
* residuals are put back by an area-preserving spline, so that no cell edge can be seen,
* the amplitude of the detail, and whether it is used at all, is decided by degrading the scene
  itself and recovering it with parts of the area held out. What does not beat smooth
  interpolation there is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy import ndimage

from heliopolis.thermal.candidates import Bounded
from heliopolis.thermal.conserve import Nesting, crop_to, fill_gaps
from heliopolis.thermal.heldout import FWHM_TO_SIGMA, Verdict, judge
from heliopolis.thermal.planck import from_linear, to_linear

Array = NDArray[Any]
#: Predictors that are finite on a smaller share of the pixels are not used.
MIN_FINITE_SHARE = 0.6
#: Fewer valid coarse cells than this carry no regression.
MIN_CELLS = 100
#: Blur of the predictors, in fine pixels (1 sigma): bands of 20 m and residual misregistration.
PREDICTOR_BLUR_PIXELS = 0.5


@dataclass(frozen=True)
class SharpenResult:
    """Outcome of `sharpen`.

    Attributes
    ----------
    lst_k, sd_k
        Temperature and its 1-sigma error [K], dims (y, x) on the fine grid; NaN where the
        coarse cell has no value.
    method
        ``smooth``, ``ridge`` or ``boosting``.
    skill
        The held-out test: see `heliopolis.thermal.heldout.Verdict.report`.
    effective_resolution_m
        Cell size over which plain averaging would leave the same error [m].
    mass_residual_k
        Largest difference between a coarse cell and the mean of T^4 over its pixels [K].
    predictors
        Names of the predictors used.
    """

    lst_k: xr.DataArray
    sd_k: xr.DataArray
    method: str
    skill: dict[str, Any]
    effective_resolution_m: float
    mass_residual_k: float
    predictors: list[str] = field(default_factory=list)


def sharpen(
    coarse_k: Any,
    coarse_sd_k: Any,
    predictors: Mapping[str, Any] | xr.Dataset,
    coarse_grid: GeoBox,
    fine_grid: GeoBox,
    *,
    classes: Any | None = None,
    psf_fwhm_m: float = 0.0,
    regression: bool = True,
) -> SharpenResult:
    """Sharpen a coarse temperature field onto a fine grid.

    Parameters
    ----------
    coarse_k, coarse_sd_k
        Temperature and its 1-sigma error [K], (y, x) on ``coarse_grid``, in memory, NaN = no
        data. The value of a cell is a mean of T^4.
    predictors
        Name -> field (y, x) on ``fine_grid``, in memory; NaN where unknown.
    coarse_grid, fine_grid
        North-up grids of one CRS; they need not nest. Coarse cells off the fine grid are
        ignored.
    classes
        Class codes (y, x) on ``fine_grid``; each class becomes a predictor.
    psf_fwhm_m
        Blur of the sensor beyond the averaging over the cell, full width at half maximum [m].
    regression
        False: smooth interpolation only.

    Returns
    -------
    SharpenResult
    """
    rows, columns = crop_to(coarse_grid, fine_grid)
    grid = coarse_grid[rows, columns]
    nest = Nesting.between(grid, fine_grid)
    coarse = np.asarray(coarse_k, dtype="float64")[rows, columns]
    noise = np.asarray(coarse_sd_k, dtype="float64")[rows, columns]
    valid = np.isfinite(coarse)
    linear = to_linear(coarse)
    cell_m = float(coarse_grid.resolution.x)
    fields, missing = _prepare(predictors, classes, tuple(fine_grid.shape))
    if not regression or valid.sum() < MIN_CELLS:
        fields = {}
    cells = _cell_predictors(fields, nest, psf_fwhm_m / float(fine_grid.resolution.x))
    fine_share = float(fine_grid.resolution.x) / cell_m
    verdict = judge(linear, cells, psf_fwhm_m / cell_m)
    smooth = nest.smooth(fill_gaps(linear))
    full = _detail(verdict, linear, cells, fields, nest, smooth, valid)
    detail = None if full is None else verdict.amplitude * full
    out = smooth if detail is None else smooth + detail
    below = verdict.below_cell(fine_share, None if full is None else float(np.var(full)))
    lst = from_linear(np.where(nest.spread(valid), np.maximum(out, 1.0), np.nan))
    sd = _sigma(verdict, below, noise, detail, missing, nest)
    return SharpenResult(
        lst_k=_wrapped(lst, fine_grid),
        sd_k=_wrapped(np.where(nest.spread(valid), sd, np.nan), fine_grid),
        method=verdict.method,
        skill=verdict.report(),
        effective_resolution_m=cell_m * verdict.resolution_share(fine_share, below),
        mass_residual_k=mass_residual_k(lst, coarse, nest),
        predictors=list(fields) if verdict.method != "smooth" else [],
    )


def mass_residual_k(fine_k: Array, coarse_k: Array, nest: Nesting) -> float:
    """Largest ``|mean(T^4)^(1/4) - coarse|`` over the cells that have a value [K]."""
    valid = np.isfinite(coarse_k)
    if not valid.any():
        return 0.0
    stored = fine_k.astype("float32").astype("float64")
    mean = from_linear(nest.mean_valid(to_linear(stored), 1e-6))
    return float(np.nanmax(np.abs(mean - coarse_k)[valid]))


def _wrapped(values: Array, grid: GeoBox) -> xr.DataArray:
    array = wrap_xr(values.astype("float32"), grid)
    array.attrs = {"units": "K"}
    return array


def _prepare(
    predictors: Mapping[str, Any] | xr.Dataset, classes: Any | None, shape: tuple[int, ...]
) -> tuple[dict[str, Array], NDArray[np.bool_]]:
    """Usable predictors without gaps, slightly blurred; and where one of them was missing."""
    raw = {str(name): np.asarray(values, dtype="float32") for name, values in predictors.items()}
    if classes is not None:
        codes = np.asarray(classes, dtype="float32")
        known = np.isfinite(codes)
        for code in np.unique(codes[known]):
            share = np.where(known, codes == code, np.nan).astype("float32")
            raw[f"class_{code:g}"] = share
    missing = np.zeros(shape, dtype=bool)
    usable = {}
    for name, values in raw.items():
        hole = ~np.isfinite(values)
        if hole.mean() > 1.0 - MIN_FINITE_SHARE:
            continue
        filled = fill_gaps(values)
        if float(filled.std()) < 1e-9:
            continue
        missing |= hole
        usable[name] = ndimage.gaussian_filter(
            filled, PREDICTOR_BLUR_PIXELS, mode="nearest", truncate=3.0
        )
    return usable, missing


def _cell_predictors(fields: Mapping[str, Array], nest: Nesting, fwhm_pixels: float) -> Array:
    """Predictors as the sensor would see them, (coarse y, x, predictors).

    The blur of the sensor, ``fwhm_pixels`` fine pixels wide, is applied on the fine pixels:
    between cells that are as large as the blur it could not be represented.
    """
    shape = (nest.rows.n_coarse, nest.columns.n_coarse)
    seen = np.empty((*shape, len(fields)))
    sigma = fwhm_pixels * FWHM_TO_SIGMA
    for index, values in enumerate(fields.values()):
        blurred = ndimage.gaussian_filter(values, sigma, mode="nearest") if sigma else values
        seen[..., index] = nest.mean(blurred)
    return seen


def _detail(
    verdict: Verdict,
    linear: Array,
    cells: Array,
    fields: Mapping[str, Array],
    nest: Nesting,
    smooth: Array,
    valid: NDArray[np.bool_],
) -> Array | None:
    """What the chosen regression differs from the smooth field; its cell means are 0."""
    if verdict.method == "smooth":
        return None
    model = Bounded(verdict.method, cells[valid], linear[valid])
    guess = np.empty(smooth.shape)
    for top in range(0, smooth.shape[0], 256):
        strip = slice(top, top + 256)
        guess[strip] = model.predict(np.stack([f[strip] for f in fields.values()], axis=-1))
    residual = fill_gaps(np.where(valid, linear - nest.mean(guess), np.nan))
    return guess + nest.smooth(residual) - smooth


def _sigma(
    verdict: Verdict,
    below: float,
    noise_k: Array,
    detail: Array | None,
    missing: NDArray[np.bool_],
    nest: Nesting,
) -> Array:
    """1-sigma error [K]: of the coarse value, and of what lies below its cell."""
    filled = fill_gaps(noise_k)
    finite = noise_k[np.isfinite(noise_k)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    noise = np.clip(nest.smooth(filled), low, high)
    variance: Array = np.full(noise.shape, below)
    if detail is not None:
        left = verdict.unexplained * below
        varying = verdict.detail_error * detail**2
        constant = max(left - float(varying.mean()), 0.25 * left)
        variance = np.where(missing, below, constant + varying)
    return np.asarray(np.sqrt(noise**2 + variance))
