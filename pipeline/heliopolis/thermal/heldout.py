"""Degrade and recover: how well fine detail can be told from predictors, on held-out areas.

The coarse scene is averaged to cells k times as large, recovered from them, and compared with
itself. What is learnt one scale up is carried one scale down by a power law of the variance
below a cell, ``D(L, l) = c (L^p - l^p)``, whose exponent is taken from two values of k. Skill
fades towards finer scales: the share of the variance that stays unexplained is taken as the
square root of the share in the test. On ten Landsat scenes of a city, averaged to 900 m and
recovered at 90 m, that errs by at most a factor of 1.5 either way, and is unbiased.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.candidates import NAMES, Bounded
from heliopolis.thermal.conserve import Nesting, fill_gaps

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: A regression is used when its held-out error is below this share of the smooth field's.
MIN_GAIN = 0.97
#: Least number of degraded cells that a regression is learnt from.
MIN_DEGRADED = 24
_FOLDS = 4
_EXPONENT = (0.2, 2.0)


@dataclass(frozen=True)
class Verdict:
    """What the held-out test says.

    Attributes
    ----------
    method
        ``smooth`` or the name of a regression.
    amplitude
        Share of the regression's detail that is used, 0..1.
    smooth_variance, constant_variance, detail_share
        Error below a coarse cell [K2]: of smooth interpolation; of the chosen method it is
        ``constant_variance + detail_share * detail**2``.
    resolution_share
        Effective resolution as a share of the coarse cell, 0..1.
    rmse_k
        Held-out error of each method, and of bilinear interpolation [K].
    factor, exponent, n_cells
        Degradation k, exponent p, and number of coarse cells in the test.
    """

    method: str = "smooth"
    amplitude: float = 0.0
    smooth_variance: float = 0.0
    constant_variance: float = 0.0
    detail_share: float = 0.0
    resolution_share: float = 1.0
    rmse_k: dict[str, float] | None = None
    factor: int = 0
    exponent: float = 1.0
    n_cells: int = 0

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
            "scale_exponent": round(self.exponent, 3),
        }


@dataclass(frozen=True)
class _Trial:
    """Degraded cells, and the coarse cells they are to recover."""

    blocks: Nesting
    degraded: Array
    smooth: Array
    truth: Array
    counted: Mask

    @classmethod
    def by(cls, linear: Array, factor: int) -> _Trial:
        blocks = Nesting.blocks(linear.shape, factor)
        degraded = blocks.mean_valid(linear, 0.75)
        smooth = blocks.smooth(fill_gaps(degraded))
        counted = np.isfinite(linear) & blocks.spread(np.isfinite(degraded))
        return cls(blocks, degraded, smooth, linear, counted)

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
            guess = np.where(here == fold, model.predict(cells), guess)
        residual = fill_gaps(np.where(good, self.degraded - self.blocks.mean(guess), np.nan))
        return guess + self.blocks.smooth(residual) - self.smooth


def judge(linear: Array, cells: Array, fine_share: float) -> Verdict:
    """Choose between smooth interpolation and the regressions.

    Parameters
    ----------
    linear
        Coarse values linear in exitance [K] (y, x), NaN = no data.
    cells
        Predictors of the coarse cells (y, x, predictors); none: no regression is tried.
    fine_share
        Fine pixel as a share of the coarse cell.
    """
    valid = np.isfinite(linear)
    if valid.sum() < 4:
        return Verdict()
    trial = _Trial.by(linear, 2)
    if min(linear.shape) < 4 or trial.counted.sum() < 16:
        variance = float(np.var(linear[valid]))
        return Verdict(smooth_variance=variance, constant_variance=variance)
    base = trial.mse(trial.smooth)
    exponent = _exponent(linear, base)
    down = (1.0 - fine_share**exponent) / (2.0**exponent - 1.0)
    rmse = {"bilinear": trial.mse(trial.bilinear()) ** 0.5, "smooth": base**0.5}
    best = ("smooth", 0.0, base, np.zeros(0))
    enough = np.isfinite(trial.degraded).sum() >= MIN_DEGRADED
    for name in NAMES if cells.shape[-1] and enough else ():
        detail = trial.recovered(name, cells)
        amplitude = _amplitude(detail, trial)
        mse = trial.mse(trial.smooth + amplitude * detail)
        rmse[name] = mse**0.5
        if mse < best[2] * (MIN_GAIN**2 if best[0] == "smooth" else 1.0):
            best = (name, amplitude, mse, amplitude * detail)
    left = (best[2] / base) ** 0.5 if base > 0 else 1.0
    constant, share = _error_model(best[3], trial) if best[0] != "smooth" else (base, 0.0)
    fine_power = fine_share**exponent
    return Verdict(
        method=best[0],
        amplitude=best[1],
        smooth_variance=base * down,
        constant_variance=left * base * down * (constant / best[2] if best[2] > 0 else 0.0),
        detail_share=share,
        resolution_share=float((fine_power + left * (1.0 - fine_power)) ** (1.0 / exponent)),
        rmse_k=rmse,
        factor=2,
        exponent=exponent,
        n_cells=int(trial.counted.sum()),
    )


def _amplitude(detail: Array, trial: _Trial) -> float:
    """Least-squares share of the detail that is real, within 0..1."""
    own = detail[trial.counted]
    want = (trial.truth - trial.smooth)[trial.counted]
    power = float(own @ own)
    return float(np.clip(own @ want / power, 0.0, 1.0)) if power > 0 else 0.0


def _error_model(detail: Array, trial: _Trial) -> tuple[float, float]:
    """Non-negative a, b of ``error^2 = a + b detail^2``."""
    error = (trial.smooth + detail - trial.truth)[trial.counted] ** 2
    power = detail[trial.counted] ** 2
    spread = float(np.var(power))
    slope = float(np.cov(power, error, bias=True)[0, 1]) / spread if spread > 0 else 0.0
    slope = min(max(slope, 0.0), float(error.mean()) / max(float(power.mean()), 1e-12), 1.0)
    return float(error.mean() - slope * power.mean()), slope


def _exponent(linear: Array, base: float) -> float:
    """Exponent p from smooth interpolation at k = 2 and 4; 1 where the scene is too small."""
    if min(linear.shape) < 12 or base <= 0:
        return 1.0
    wide = _Trial.by(linear, 4)
    ratio = wide.mse(wide.smooth) / base
    if not np.isfinite(ratio) or ratio <= 1.0:
        return _EXPONENT[0]
    return float(np.clip(np.log2(max(ratio - 1.0, 1.0)), *_EXPONENT))


def _folds(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Spatial folds: the area is cut into 4 x 4 blocks, each row of blocks holds every fold."""
    i, j = np.indices(shape)
    block_i, block_j = i * _FOLDS // shape[0], j * _FOLDS // shape[1]
    return np.asarray((block_i + 2 * block_j + block_i // 2) % _FOLDS, dtype=np.intp)
