"""Sharpening of land-surface temperature with optical predictors, where that has skill.

The idea is that of DisTrad and TsHARP (Kustas et al. 2003, doi:10.1016/j.rse.2003.07.001;
Agam et al. 2007, doi:10.1016/j.rse.2006.10.006): a regression learnt between coarse cells is
applied to fine pixels and the residual of every coarse cell is put back. Here

* every mean is one of T^4, and the fine field's mean over each coarse cell is the input,
* residuals are put back by an area-preserving spline, so that no cell edge can be seen,
* what is learnt, how far it is used, and whether it is used at all, is decided by degrading the
  scene itself and recovering it with parts of the area held out
  (`heliopolis.thermal.heldout`). What does not beat smooth interpolation there is not used,
* all that is learnt is learnt on coarse cells, once for the scene; a pixel then depends on
  predictors within two pixels and on cells within two cells. The fine grid is worked on in
  windows, and the result does not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from threadpoolctl import threadpool_limits

from heliopolis.thermal.conserve import Nesting, crop_to
from heliopolis.thermal.fine_field import SIDE, FineField, Learnt
from heliopolis.thermal.heldout import chosen, judge
from heliopolis.thermal.moments import moments
from heliopolis.thermal.octave import FWHM_TO_SIGMA
from heliopolis.thermal.planck import from_linear, to_linear
from heliopolis.thermal.predictors import Prepared, Source, in_memory

Array = NDArray[Any]


@dataclass(frozen=True)
class SharpenResult:
    """Outcome of `sharpen`.

    Attributes
    ----------
    lst_k, sd_k
        Temperature and its 1-sigma error [K], dims (y, x) on the fine grid; NaN where the
        coarse cell has no value.
    flags
        Sum of `heliopolis.thermal.fine_field.Flag` (y, x): predictors or prediction outside what
        was learnt (1); the coarse cell, or one beside it, has no value (2); predictors missing,
        or few cells around (4).
    method
        ``smooth``, ``ridge``, ``kernel`` or ``boosting``.
    skill
        The held-out test: see `heliopolis.thermal.verdict.Verdict.report`.
    effective_resolution_m
        Cell size over which plain averaging would leave the same error [m].
    mass_residual_k
        Largest difference between a coarse cell and the mean of T^4 over its pixels [K].
    predictors
        Names of the predictors used.
    """

    lst_k: xr.DataArray
    sd_k: xr.DataArray
    flags: xr.DataArray
    method: str
    skill: dict[str, Any]
    effective_resolution_m: float
    mass_residual_k: float
    predictors: list[str] = field(default_factory=list)


def sharpen(
    coarse_k: Any,
    coarse_sd_k: Any,
    predictors: Mapping[str, Any] | xr.Dataset | Source,
    coarse_grid: GeoBox,
    fine_grid: GeoBox,
    *,
    classes: Any | None = None,
    own_k: Any | None = None,
    psf_fwhm_m: float = 0.0,
    noise_k: float = 0.0,
    pattern: Mapping[str, Any] | None = None,
    form: Sequence[str] = (),
    regression: bool = True,
    side: int = SIDE,
) -> SharpenResult:
    """Sharpen a coarse temperature field onto a fine grid.

    Parameters
    ----------
    coarse_k, coarse_sd_k
        Temperature and its 1-sigma error [K], (y, x) on ``coarse_grid``, in memory, NaN = no
        data. The value of a cell is a mean of T^4.
    predictors
        Name -> field (y, x) on ``fine_grid``, in memory, or a `Source` that reads them window by
        window; NaN where unknown.
    coarse_grid, fine_grid
        North-up grids of one CRS; they need not nest. Coarse cells off the fine grid are
        ignored.
    classes
        Class codes (y, x) on ``fine_grid``; each class becomes a predictor.
    own_k
        Mean of each cell itself [K] where ``coarse_k`` is what a sensor saw that looks beyond the
        cell (`heliopolis.thermal.footprint.restored`), NaN where that is. Learning is from what
        was seen, with ``psf_fwhm_m``; the means of the outcome are these.
    psf_fwhm_m
        Blur of the sensor beyond the averaging over the cell, full width at half maximum [m].
    noise_k
        Part of ``coarse_sd_k`` that is random from cell to cell [K], a typical value.
    pattern
        Names of the predictors that are sharp temperatures of other dates, each with its own
        1-sigma error [K] (y, x) on ``fine_grid``. Whether they help, alone or beside the others,
        is tested by itself and reported as ``pattern``. What is wrong with them is handed down,
        and no test of coarse cells sees it: it is added to the stated error.
    form
        Names of the predictors that tell the form of the city. They are used where the same test
        is better with them.
    regression
        False: smooth interpolation only.
    side
        Side of the windows that are worked on [pixel]; the result does not depend on it.

    Returns
    -------
    SharpenResult
    """
    # Threads of many small fits cost more than they save; windows have threads of their own.
    with threadpool_limits(limits=1):
        return _sharpened((coarse_k, own_k), coarse_sd_k, _source(predictors, classes, fine_grid),
                          (coarse_grid, fine_grid), (psf_fwhm_m, noise_k), pattern or {}, form,
                          regression=regression, side=side)  # fmt: skip


def _sharpened(
    temperatures: tuple[Any, Any | None],
    coarse_sd_k: Any,
    source: Source,
    grids: tuple[GeoBox, GeoBox],
    sensor: tuple[float, float],
    pattern: Mapping[str, Any],
    form: Sequence[str],
    *,
    regression: bool,
    side: int,
) -> SharpenResult:
    """`sharpen`, with its arguments brought into one form."""
    coarse_grid, fine_grid = grids
    psf_fwhm_m, noise_k = sensor
    rows, columns = crop_to(coarse_grid, fine_grid)
    nest = Nesting.between(coarse_grid[rows, columns], fine_grid)
    seen, own = temperatures
    coarse = np.asarray(seen, dtype="float64")[rows, columns]
    kept_k = coarse if own is None else np.asarray(own, dtype="float64")[rows, columns]
    noise = np.asarray(coarse_sd_k, dtype="float64")[rows, columns]
    cell_m = float(coarse_grid.resolution.x)
    linear = to_linear(coarse)
    blur = psf_fwhm_m / cell_m
    verdict, learnt = judge(linear, None, blur, noise_k), None
    carried: dict[str, Any] = {}
    inherited: Array | None = None
    if regression and np.isfinite(coarse).any():
        prepared = Prepared.of(source)
        if prepared.used:
            sigma = psf_fwhm_m / float(fine_grid.resolution.x) * FWHM_TO_SIGMA
            cells = moments(prepared, nest, sigma, side)
            choice = chosen(linear, cells, prepared.names, list(pattern), blur, noise_k, form)
            verdict, carried = choice.verdict, choice.carried
            if verdict.model is not None:
                kept = choice.predictors
                learnt = Learnt(prepared.only(kept), cells.only(kept), verdict.model)
                inherited = _inherited(learnt, verdict.amplitude, pattern)
    made = FineField(to_linear(kept_k), noise, nest, verdict, learnt, inherited, side).made(cell_m)
    return SharpenResult(
        lst_k=_wrapped(made.lst_k, fine_grid, "K"),
        sd_k=_wrapped(made.sd_k, fine_grid, "K"),
        flags=_wrapped(made.flags, fine_grid, "1"),
        method=verdict.method,
        skill={**verdict.report(), **carried},
        effective_resolution_m=cell_m * made.resolution_share,
        mass_residual_k=made.mass_residual_k,
        predictors=[] if learnt is None else learnt.prepared.names,
    )


def _inherited(learnt: Learnt, amplitude: float, pattern: Mapping[str, Any]) -> Array | None:
    """Squared error [K2] (fine y, x) that temperatures of other dates hand down; None: nothing."""
    prepared, found = learnt.prepared, None
    for i, name in enumerate(prepared.names):
        if name in pattern:
            sd = np.asarray(pattern[name], dtype="float32")
            sd = np.where(np.isfinite(sd), sd, np.nanmean(sd))
            share = amplitude * learnt.model.steepness(i) / float(prepared.spread[i])
            part = np.square(np.float32(share) * sd)
            found = part if found is None else found + part
    return found


def _source(predictors: Any, classes: Any | None, grid: GeoBox) -> Source:
    if hasattr(predictors, "window"):
        source: Source = predictors
        return source
    return in_memory(predictors, classes, (grid.shape[0], grid.shape[1]))


def mass_residual_k(fine_k: Array, coarse_k: Array, nest: Nesting) -> float:
    """Largest ``|mean(T^4)^(1/4) - coarse|`` over the cells that have a value [K]."""
    valid = np.isfinite(coarse_k)
    if not valid.any():
        return 0.0
    stored = fine_k.astype("float32").astype("float64")
    mean = from_linear(nest.mean_valid(to_linear(stored), 1e-6))
    return float(np.nanmax(np.abs(mean - coarse_k)[valid]))


def _wrapped(values: Array, grid: GeoBox, units: str) -> xr.DataArray:
    array = wrap_xr(values, grid)
    array.attrs = {"units": units}
    return array
