"""Degrade and recover: how well fine detail can be told from predictors, on held-out areas.

The coarse scene is blurred and averaged to cells twice as large, recovered from them, and
compared with itself. Two things have to be carried from there to the fine pixels, where no truth
is at hand:

* how much variance lies below a coarse cell: that of the regression's detail, times the ratio
  of true to predicted variance in the test; without a regression, as much in every octave of
  scale as in the test;
* how much of it stays unexplained: the square root of the share in the test, because skill
  fades towards finer scales. That rule was chosen on ten Landsat scenes of a city, averaged to
  900 m and recovered at 90 m.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.candidates import NAMES, Bounded
from heliopolis.thermal.conserve import Nesting, fill_gaps

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: A method is used when its held-out error is below this share of that of every simpler one.
MIN_GAIN = 0.97
#: Least number of degraded cells that a regression is learnt from.
MIN_DEGRADED = 24
_FOLDS = 4
#: Standard deviation of a Gaussian over its full width at half maximum.
FWHM_TO_SIGMA = 0.42466


@dataclass(frozen=True)
class Verdict:
    """What the held-out test says.

    Attributes
    ----------
    method
        ``smooth`` or the name of a regression.
    amplitude
        Share of the regression's detail that is used, 0..1.
    base_variance, variance_ratio, error_ratio
        Of the test: squared error of smooth interpolation [K2]; the same over the variance of
        the regression's full detail; squared error of the method over that of smooth
        interpolation.
    detail_error
        Share of the squared detail that is error.
    rmse_k
        Held-out error of each method, and of bilinear interpolation [K].
    factor, n_cells
        Degradation, and number of coarse cells in the test.
    """

    method: str = "smooth"
    amplitude: float = 0.0
    base_variance: float = 0.0
    variance_ratio: float = 1.0
    error_ratio: float = 1.0
    detail_error: float = 0.0
    rmse_k: dict[str, float] | None = None
    factor: int = 0
    n_cells: int = 0

    def below_cell(self, fine_share: float, detail_variance: float | None) -> float:
        """Variance between coarse cell and fine pixel that smooth interpolation misses [K2].

        Parameters
        ----------
        fine_share
            Fine pixel as a share of the coarse cell.
        detail_variance
            Variance of the regression's full detail on the fine pixels [K2], None without one.
        """
        if detail_variance is None:
            return self.base_variance * float(np.log2(1.0 / fine_share))
        return max(self.variance_ratio * detail_variance, self.base_variance)

    @property
    def unexplained(self) -> float:
        """Share of that variance that the chosen method leaves, 0..1."""
        return float(np.sqrt(min(self.error_ratio, 1.0)))

    def resolution_share(self, fine_share: float, below: float) -> float:
        """Cell, as a share of the coarse one, over which plain averaging errs as much.

        With ``D(L, l) = c (L^p - l^p)`` for the variance between two scales and p from its
        values in the test and below the cell.
        """
        if below <= 0 or self.base_variance <= 0 or self.unexplained >= 1.0:
            return 1.0
        powers = np.linspace(2.0, -3.0, 2000)
        powers = powers[np.abs(powers) > 1e-6]
        ratio = (1.0 - fine_share**powers) / (2.0**powers - 1.0)
        p = float(np.interp(below / self.base_variance, ratio, powers))
        p = p if abs(p) > 1e-3 else 1e-3
        share = (fine_share**p + self.unexplained * (1.0 - fine_share**p)) ** (1.0 / p)
        return float(np.clip(share, fine_share, 1.0))

    def report(self) -> dict[str, Any]:
        """The test as plain JSON types; skills are ``1 - rmse / rmse of the reference``."""
        if self.rmse_k is None:
            return {"tested": False, "reason": "too few coarse cells for a held-out test"}
        own = self.rmse_k[self.method]
        smooth, bilinear = self.rmse_k["smooth"], self.rmse_k["bilinear"]
        return {
            "tested": True,
            "test": "degrade and recover, spatial folds held out",
            "degraded_by": self.factor,
            "n_cells": self.n_cells,
            "rmse_k": {name: round(value, 4) for name, value in self.rmse_k.items()},
            "skill_vs_smooth": round(1.0 - own / smooth, 4) if smooth > 0 else 0.0,
            "skill_vs_bilinear": round(1.0 - own / bilinear, 4) if bilinear > 0 else 0.0,
            "amplitude": round(self.amplitude, 4),
        }


@dataclass(frozen=True)
class _Trial:
    """Degraded cells, and the coarse cells they are to recover."""

    blocks: Nesting
    blur: float
    degraded: Array
    smooth: Array
    truth: Array
    counted: Mask

    @classmethod
    def by(cls, linear: Array, factor: int, fwhm_cells: float = 0.0) -> _Trial:
        blocks = Nesting.blocks(linear.shape, factor)
        blur = widened(fwhm_cells, factor)
        seen = np.where(np.isfinite(linear), _blurred(fill_gaps(linear), blur), np.nan)
        degraded = blocks.mean_valid(seen, 0.75)
        smooth = blocks.smooth(fill_gaps(degraded))
        counted = np.isfinite(linear) & blocks.spread(np.isfinite(degraded))
        return cls(blocks, blur, degraded, smooth, linear, counted)

    def mse(self, field: Array) -> float:
        if not self.counted.any():
            return float("nan")
        return float(np.mean((field - self.truth)[self.counted] ** 2))

    def bilinear(self) -> Array:
        axes = [
            axis.start + axis.step * (np.arange(axis.n_fine) + 0.5) - 0.5
            for axis in (self.blocks.rows, self.blocks.columns)
        ]
        at = np.meshgrid(*axes, indexing="ij")
        filled = fill_gaps(self.degraded)
        return np.asarray(ndimage.map_coordinates(filled, at, order=1, mode="nearest"))

    def recovered(self, name: str, cells: Array) -> Array:
        """Detail that a regression adds, each spatial fold predicted by the others."""
        small = np.stack([self.blocks.mean(cells[..., i]) for i in range(cells.shape[-1])], axis=-1)
        good = np.isfinite(self.degraded)
        folds = _folds(self.degraded.shape)
        here = self.blocks.spread(folds)
        guess = np.zeros(self.truth.shape)
        for fold in range(_FOLDS):
            train = good & (folds != fold)
            model = Bounded(name, small[train], self.degraded[train])
            wanted = here == fold
            guess[wanted] = model.predict(cells[wanted][None])[0]
        residual = fill_gaps(np.where(good, self.degraded - self.blocks.mean(guess), np.nan))
        return guess + self.blocks.smooth(residual) - self.smooth


def widened(fwhm_cells: float, factor: int) -> float:
    """Blur (1 sigma, cells) that makes a sensor of ``fwhm_cells`` one ``factor`` times as wide."""
    return fwhm_cells * FWHM_TO_SIGMA * float(np.sqrt(factor**2 - 1.0))


def _blurred(field: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(field, sigma, mode="nearest") if sigma else field


def judge(linear: Array, cells: Array, fwhm_cells: float = 0.0) -> Verdict:
    """Choose between smooth interpolation and the regressions.

    Parameters
    ----------
    linear
        Coarse values linear in exitance [K] (y, x), NaN = no data.
    cells
        Predictors of the coarse cells (y, x, predictors); none: no regression is tried.
    fwhm_cells
        Blur of the sensor beyond the averaging over its cell, full width at half maximum, in
        cells. The degraded scene is blurred as a sensor of the larger cell would.
    """
    valid = np.isfinite(linear)
    if valid.sum() < 4:
        return Verdict()
    trial = _Trial.by(linear, 2, fwhm_cells)
    if min(linear.shape) < 4 or trial.counted.sum() < 16:
        return Verdict(base_variance=float(np.var(linear[valid])))
    base = trial.mse(trial.smooth)
    rmse = {"bilinear": trial.mse(trial.bilinear()) ** 0.5, "smooth": base**0.5}
    best = Verdict(base_variance=base, rmse_k=rmse, factor=2, n_cells=int(trial.counted.sum()))
    enough = np.isfinite(trial.degraded).sum() >= MIN_DEGRADED
    lowest = base * MIN_GAIN**2
    for name in NAMES if cells.shape[-1] and enough else ():
        detail = trial.recovered(name, cells)
        amplitude = _amplitude(detail, trial)
        mse = trial.mse(trial.smooth + amplitude * detail)
        rmse[name] = mse**0.5
        if mse >= lowest:
            continue
        lowest = mse * MIN_GAIN**2
        best = replace(
            best,
            method=name,
            amplitude=amplitude,
            variance_ratio=base / float(np.var(detail[trial.counted])),
            error_ratio=mse / base,
            detail_error=_detail_error(amplitude * detail, trial),
        )
    return best


def _amplitude(detail: Array, trial: _Trial) -> float:
    """Least-squares share of the detail that is real, within 0..1."""
    own = detail[trial.counted]
    want = (trial.truth - trial.smooth)[trial.counted]
    power = float(own @ own)
    return float(np.clip(own @ want / power, 0.0, 1.0)) if power > 0 else 0.0


def _detail_error(detail: Array, trial: _Trial) -> float:
    """Slope b >= 0 of ``error^2 = a + b detail^2`` with a >= 0."""
    error = (trial.smooth + detail - trial.truth)[trial.counted] ** 2
    power = detail[trial.counted] ** 2
    spread = float(np.var(power))
    slope = float(np.cov(power, error, bias=True)[0, 1]) / spread if spread > 0 else 0.0
    return min(max(slope, 0.0), float(error.mean()) / max(float(power.mean()), 1e-12), 1.0)


def _folds(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Spatial folds: the area is cut into 4 x 4 blocks, each row of blocks holds every fold."""
    i, j = np.indices(shape)
    block_i, block_j = i * _FOLDS // shape[0], j * _FOLDS // shape[1]
    return np.asarray((block_i + 2 * block_j + block_i // 2) % _FOLDS, dtype=np.intp)
