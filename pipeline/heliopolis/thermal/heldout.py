"""Degrade and recover: how well fine detail can be told from predictors, on held-out areas.

The coarse scene is blurred and averaged to cells twice as large. What smooth interpolation from
these leaves of the scene is its detail; models of it are learnt on some parts of the area and
scored on the others. A model has to beat smooth interpolation, and every simpler model, there.

The error below the coarse cell, where no truth is at hand, is the held-out error of this one
octave of scale, summed over the octaves down to the fine pixel. From one octave to the next it
grows by a factor that is told by three things: the same error one octave further up, the
predicted detail's own growth towards finer scales, and `FADE`, by which skill is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.candidates import Lesson, Model
from heliopolis.thermal.conserve import Nesting, fill_gaps
from heliopolis.thermal.moments import Moments

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: Width of the surroundings in which errors are compared with those of all cells: 1 sigma of a
#: Gaussian [cell], about 28 cells; and the weight of the mean of all beside them, about 3 cells.
_AROUND_CELLS, _AS_ALL = 1.5, 0.1
_AROUND_REACH = 5
#: Weight of a cell in its own surroundings.
_OWN = 1.0 / (2.0 * np.pi * _AROUND_CELLS**2)
#: A method is used when its held-out error is below this share of that of every simpler one, ...
MIN_GAIN = 0.98
#: ... and when what it gains on smooth interpolation is this many standard errors above nothing.
MIN_SIGNIFICANCE = 1.64
#: Fewer valid coarse cells than this carry no regression.
MIN_CELLS = 48
#: Side of the squares of cells that are held out together.
FOLD_CELLS = 4
_FOLDS = 4
#: The unexplained share of the detail grows by this factor from octave to octave. Chosen on the
#: simulated city (100 m to 10 m).
FADE = 1.35
#: The least of several held-out errors is too small by about this share of its standard error,
#: with every four cells one independent value.
_PICKED = 0.5
#: Standard error of the growth that is expected from the predictors (natural logarithm).
_GROWTH_SD = 0.25
#: Standard deviation of a Gaussian over its full width at half maximum.
FWHM_TO_SIGMA = 0.42466
#: Share of errors within one sigma.
_COVERED = 0.6827


@dataclass(frozen=True)
class Verdict:
    """What the held-out test says.

    Attributes
    ----------
    method
        ``smooth`` or the name of a model.
    model
        The model, learnt on all cells; None for ``smooth``.
    amplitude
        Share of the model's detail that is used, 0..1.
    base_variance, error
        Squared held-out error [K2] of smooth interpolation and of the method.
    base_growth, error_growth
        The same one octave further up, divided into that here (finer over coarser); and the
        standard error of their logarithm.
    noise
        Part of the squared error that is noise of the coarse cells [K2].
    detail
        Variance of the method's detail in the test [K2].
    detail_error
        Share of the squared detail that is error.
    tail
        Error that 68 % of the cells stay within, over the root mean square.
    local
        Squared held-out error around each cell over its mean (coarse y, x): where the ground is
        more varied than the method can tell, here, it is so below the cells too. None: 1.
    rmse_k
        Held-out error of each method, and of bilinear interpolation [K].
    factor, n_cells
        Degradation, and number of coarse cells in the test.
    """

    method: str = "smooth"
    model: Model | None = None
    amplitude: float = 0.0
    base_variance: float = 0.0
    error: float = 0.0
    base_growth: tuple[float, float] = (1.0, 9.0)
    error_growth: tuple[float, float] = (1.0, 9.0)
    noise: float = 0.0
    detail: float = 0.0
    detail_error: float = 0.0
    tail: float = 1.0
    local: Array | None = None
    rmse_k: dict[str, float] = field(default_factory=dict)
    factor: int = 0
    n_cells: int = 0

    def below_cell(self, fine_share: float, detail: float) -> float:
        """Squared error between coarse cell and fine pixel [K2].

        Parameters
        ----------
        fine_share
            Fine pixel as a share of the coarse cell.
        detail
            Variance of the method's detail on the fine pixels [K2].
        """
        octaves = max(float(np.log2(1.0 / fine_share)), 1e-3)
        if self.method == "smooth":
            growth = _combined(self.base_growth, 0.0)
        else:
            own = _growth_of_sum(detail / max(self.detail, 1e-12), octaves)
            growth = _combined(self.error_growth, float(np.log(own * FADE)))
        chance = 1.0 + _PICKED * float(np.sqrt(2.0 * 4.0 / max(self.n_cells, 8)))
        return chance * _less(self.error, self.noise) * _sum(growth, octaves)

    def resolution_share(self, fine_share: float, detail: float) -> float:
        """Cell, as a share of the coarse one, over which plain averaging errs as much.

        With ``D(L, l) = c (L^p - l^p)`` for the variance between two scales and p from its
        values in the test and below the cell: there, all variance over that of the detail is
        taken to be as in the test. Of it the share that stays unexplained is the square root of
        that in the test, because skill fades towards finer scales.
        """
        if self.method == "smooth" or self.base_variance <= 0 or detail <= 0:
            return 1.0
        unexplained = float(np.sqrt(self.error / self.base_variance))
        below = max(detail * self.base_variance / self.detail, self.base_variance)
        powers = np.linspace(2.0, -3.0, 2000)
        powers = powers[np.abs(powers) > 1e-6]
        ratio = (1.0 - fine_share**powers) / (2.0**powers - 1.0)
        p = float(np.interp(below / self.base_variance, ratio, powers))
        p = p if abs(p) > 1e-3 else 1e-3
        share = (fine_share**p + unexplained * (1.0 - fine_share**p)) ** (1.0 / p)
        return float(np.clip(share, fine_share, 1.0))

    def report(self) -> dict[str, Any]:
        """The test as plain JSON types; skills are ``1 - rmse / rmse of the reference``."""
        if not self.rmse_k:
            return {"tested": False, "reason": "too few coarse cells for a held-out test"}
        own = self.error**0.5
        smooth, bilinear = self.rmse_k["smooth"], self.rmse_k["bilinear"]
        gained = self.method != "smooth"
        return {
            "tested": True,
            "test": "degrade and recover, spatial folds held out",
            "degraded_by": self.factor,
            "n_cells": self.n_cells,
            "rmse_k": {name: round(value, 4) for name, value in self.rmse_k.items()},
            "skill_vs_smooth": round(1.0 - own / smooth, 4) if gained and smooth > 0 else 0.0,
            "skill_vs_bilinear": round(1.0 - own / bilinear, 4) if bilinear > 0 else 0.0,
            "amplitude": round(self.amplitude, 4),
            "local_slopes": self.model is not None and self.model.local is not None,
        }


def _less(error: float, noise: float) -> float:
    """A squared error without its noise; at least a tenth of it is kept."""
    return max(error - noise, 0.1 * error)


def _combined(measured: tuple[float, float], expected: float) -> float:
    """Growth per octave from a measured one and the expected one (its logarithm)."""
    ratio, sd = measured
    weight = _GROWTH_SD**2 / (_GROWTH_SD**2 + sd**2)
    return float(np.exp(weight * np.log(max(ratio, 1e-3)) + (1.0 - weight) * expected))


def _sum(growth: float, octaves: float) -> float:
    """Sum of a geometric series over a number of octaves that need not be whole."""
    if abs(growth - 1.0) < 1e-6:
        return octaves
    return float((growth**octaves - 1.0) / (growth - 1.0))


def _growth_of_sum(total: float, octaves: float) -> float:
    """Growth for which `_sum` is ``total``, within 1/2 and 2."""
    tried = np.exp(np.linspace(np.log(0.5), np.log(2.0), 201))
    return float(np.interp(total, [_sum(float(one), octaves) for one in tried], tried))


@dataclass(frozen=True)
class Octave:
    """Degraded cells, and the coarse cells they are to recover."""

    blocks: Nesting
    blur: float
    linear: Array
    degraded: Array
    counted: Mask

    @classmethod
    def of(cls, linear: Array, fwhm_cells: float = 0.0) -> Octave:
        """Degrade a field (coarse y, x), NaN = no data, by two."""
        blocks = Nesting.blocks((linear.shape[0], linear.shape[1]), 2)
        blur = widened(fwhm_cells, 2)
        valid = np.isfinite(linear)
        seen = np.where(valid, _blurred(fill_gaps(linear), blur), np.nan)
        degraded = blocks.mean_valid(seen, 0.75)
        counted = valid & blocks.spread(np.isfinite(degraded))
        return cls(blocks, blur, linear, degraded, counted)

    def detail(self, gapless: Array) -> Array:
        """What smooth interpolation from the degraded cells leaves of a field."""
        return gapless - self.blocks.smooth(self.blocks.mean(_blurred(gapless, self.blur)))

    @property
    def target(self) -> Array:
        """Detail of the temperature, NaN cells filled beforehand."""
        smooth = self.blocks.smooth(fill_gaps(self.degraded))
        return np.where(self.counted, fill_gaps(self.linear) - smooth, 0.0)

    def bilinear(self) -> float:
        """Squared error of bilinear interpolation [K2]."""
        axes = [
            axis.start + axis.step * (np.arange(axis.n_fine) + 0.5) - 0.5
            for axis in (self.blocks.rows, self.blocks.columns)
        ]
        at = np.meshgrid(*axes, indexing="ij")
        filled = fill_gaps(self.degraded)
        found = ndimage.map_coordinates(filled, at, order=1, mode="nearest")
        return float(np.mean((found - self.linear)[self.counted] ** 2))


def widened(fwhm_cells: float, factor: int) -> float:
    """Blur (1 sigma, cells) that makes a sensor of ``fwhm_cells`` one ``factor`` times as wide."""
    return fwhm_cells * FWHM_TO_SIGMA * float(np.sqrt(factor**2 - 1.0))


def _blurred(values: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(values, sigma, mode="nearest") if sigma else values


def judge(
    linear: Array, cells: Moments | None, fwhm_cells: float = 0.0, noise_k: float = 0.0
) -> Verdict:
    """Choose between smooth interpolation and the models.

    Parameters
    ----------
    linear
        Coarse values linear in exitance [K] (y, x), NaN = no data.
    cells
        Moments of the predictors; None: no model is tried.
    fwhm_cells
        Blur of the sensor beyond the averaging over its cell, full width at half maximum, in
        cells. The degraded scene is blurred as a sensor of the larger cell would.
    noise_k
        Random error of a coarse value (1 sigma) [K]: it is in the error that the test finds, but
        no detail below the cell.
    """
    valid = np.isfinite(linear)
    octave = Octave.of(linear, fwhm_cells) if valid.sum() >= 4 else None
    if octave is None or min(linear.shape) < 4 or octave.counted.sum() < 16:
        spread = float(np.var(linear[valid])) if valid.any() else 0.0
        return Verdict(base_variance=spread, error=spread)
    trial = Trial(octave, octave.target, fwhm_cells, noise_k)
    base = trial.error(np.zeros_like(linear))
    rmse = {"bilinear": octave.bilinear() ** 0.5, "smooth": base**0.5}
    best, error = None, base
    if cells is not None and octave.counted.sum() >= MIN_CELLS and base > 0:
        for candidate in trial.candidates(cells):
            name = candidate.model.name
            own = trial.error(trial.scaled(candidate.guess))
            rmse[name] = min(own**0.5, rmse.get(name, np.inf))
            if own < error * MIN_GAIN**2 and trial.significant(candidate.guess):
                best, error = candidate, own
    return trial.verdict(best, base, rmse)


@dataclass(frozen=True)
class Choice:
    """A verdict, the predictors that it is about, and the test of patterns of other dates."""

    verdict: Verdict
    predictors: list[int]
    carried: dict[str, Any]


def chosen(
    linear: Array,
    cells: Moments,
    names: Sequence[str],
    pattern: Sequence[str],
    fwhm_cells: float = 0.0,
    noise_k: float = 0.0,
) -> Choice:
    """Best of the predictors without patterns of other dates, the patterns alone, and both.

    Parameters
    ----------
    linear, cells, fwhm_cells, noise_k
        As for `judge`.
    names
        Names of the predictors.
    pattern
        Names of those that are temperatures of other dates.

    Returns
    -------
    Choice
        ``carried`` holds, where there is a pattern, under ``pattern``: the held-out error without
        and with it, its skill ``1 - with / without``, and whether it is used.
    """
    own = [i for i, name in enumerate(names) if name not in pattern]
    other = [i for i, name in enumerate(names) if name in pattern]
    without = judge(linear, cells.only(own) if own else None, fwhm_cells, noise_k)
    if not other:
        return Choice(without, own, {})
    tried = [Choice(judge(linear, cells.only(kept), fwhm_cells, noise_k), kept, {})
             for kept in (other, own + other)]  # fmt: skip
    best = min(tried, key=lambda choice: choice.verdict.error)
    used = best.verdict.error < MIN_GAIN**2 * without.error
    skill = 1.0 - (best.verdict.error / without.error) ** 0.5 if without.error > 0 else 0.0
    told = {
        "used": used,
        "rmse_k_without": round(without.error**0.5, 4),
        "rmse_k_with": round(best.verdict.error**0.5, 4),
        "skill": round(skill, 4),
    }
    kept = best if used else Choice(without, own, {})
    return replace(kept, carried={"pattern": told})


@dataclass(frozen=True)
class Candidate:
    """A model that was tried.

    Attributes
    ----------
    model
        The model, learnt on all cells.
    whole
        Its prediction for all cells (coarse y, x) [K].
    guess
        Detail (coarse y, x) [K], each fold predicted by a model learnt on the others.
    """

    model: Model
    whole: Array
    guess: Array


@dataclass(frozen=True)
class Trial:
    """A degraded scene and its detail, to try models on."""

    octave: Octave
    target: Array
    fwhm_cells: float
    noise_k: float

    @property
    def noise(self) -> float:
        """Squared error that noise of the cells makes: a cell's own, and that of its four [K2]."""
        return 1.25 * self.noise_k**2

    def error(self, guess: Array) -> float:
        """Mean squared error of a detail (coarse y, x) [K2]."""
        return float(np.mean((guess - self.target)[self.octave.counted] ** 2))

    def scaled(self, guess: Array) -> Array:
        """A detail at the amplitude that is real."""
        return self.amplitude(guess) * guess

    def amplitude(self, guess: Array) -> float:
        """Least-squares share of a detail that is real, within 0..1."""
        own, want = guess[self.octave.counted], self.target[self.octave.counted]
        power = float(own @ own)
        return float(np.clip(own @ want / power, 0.0, 1.0)) if power > 0 else 0.0

    def significant(self, guess: Array) -> bool:
        """Whether the gain on smooth interpolation stands out among squares of cells."""
        gain = self.target**2 - (self.scaled(guess) - self.target) ** 2
        number = squares(gain.shape)[self.octave.counted]
        count = np.bincount(number)
        sums = np.bincount(number, gain[self.octave.counted])[count > 0]
        spread = float(sums.std(ddof=1)) if len(sums) > 1 else np.inf
        return bool(sums.mean() > MIN_SIGNIFICANCE * spread / np.sqrt(len(sums)))

    def candidates(self, cells: Moments) -> list[Candidate]:
        """The models, simpler ones first."""
        folds = squares(self.target.shape, _FOLDS)
        lesson = self._lesson(cells, folds)
        penalties = lesson.penalties()
        found = []
        for model in lesson.taught(penalties, None):
            whole = model.of_cells(cells.first, cells.second)
            found.append(Candidate(model, whole, np.zeros_like(self.target)))
        for fold in range(_FOLDS):
            held = folds == fold
            for one, model in zip(found, lesson.taught(penalties, fold), strict=True):
                detail = self.octave.detail(model.of_cells(cells.first, cells.second))
                one.guess[held] = detail[held]
        return found

    def _lesson(self, cells: Moments, folds: NDArray[np.intp]) -> Lesson:
        """What the models learn from: detail, or levels where the sensor blurs beyond its cell.

        Detail of the size of a cell is what such a blur distorts most, and it is never known
        well enough to undo that; products of predictors would make it worse. On levels, the
        amplitude that the test finds then sets how much of the detail is used.
        """
        counted = self.octave.counted
        if not self.fwhm_cells:
            features = self._features(cells)
            return Lesson(self.target, features, cells.first, counted, folds)
        level = fill_gaps(self.octave.linear)
        centred = cells.first - cells.first[counted].mean(axis=0)
        nothing = np.zeros((*level.shape, cells.second.shape[-1]))
        features = np.concatenate([centred, nothing], axis=-1)
        return Lesson(
            level - level[counted].mean(), features, cells.first, counted, folds, on_levels=True
        )

    def _features(self, cells: Moments) -> Array:
        """Detail of all features (coarse y, x, feature)."""
        parts = (cells.first, cells.second)
        features = [part[..., i] for part in parts for i in range(part.shape[-1])]
        return np.stack([self.octave.detail(one) for one in features], axis=-1)

    def verdict(self, best: Candidate | None, base: float, rmse: dict[str, float]) -> Verdict:
        """What the test says when ``best`` is used, or smooth interpolation."""
        nothing = np.zeros_like(self.target)
        guess = nothing if best is None else best.guess
        amplitude = self.amplitude(guess)
        whole = nothing if best is None else amplitude * best.whole
        varying, tail = self._spread(amplitude * guess)
        return Verdict(
            method="smooth" if best is None else best.model.name,
            model=None if best is None else best.model,
            amplitude=amplitude,
            base_variance=base,
            error=self.error(amplitude * guess),
            base_growth=self._growth(nothing, nothing),
            error_growth=self._growth(amplitude * guess, whole),
            noise=self.noise,
            detail=float(np.mean((amplitude * guess)[self.octave.counted] ** 2)),
            detail_error=varying,
            tail=tail,
            local=self._local(amplitude * guess),
            rmse_k=rmse,
            factor=2,
            n_cells=int(self.octave.counted.sum()),
        )

    def _growth(self, guess: Array, whole: Array) -> tuple[float, float]:
        """Squared error here over that one octave further up, and its error (logarithm)."""
        wide = Octave.of(self.octave.degraded, self.fwhm_cells)
        n_here, n_wide = int(self.octave.counted.sum()), int(wide.counted.sum())
        if min(wide.linear.shape) < 4 or n_wide < 8:
            return 1.0, 9.0
        seen = self.octave.blocks.mean(_blurred(whole, self.octave.blur))
        above = float(np.mean((wide.detail(seen) - wide.target)[wide.counted] ** 2))
        here = _less(self.error(guess), self.noise)
        ratio = here / _less(above, self.noise / 4.0) if above > 0 else 1.0
        return ratio, float(np.sqrt(4.0 / n_here + 4.0 / n_wide))

    def _spread(self, guess: Array) -> tuple[float, float]:
        """Slope b >= 0 of ``error^2 = a + b detail^2``, and the tail of error over sigma."""
        error = np.abs(guess - self.target)[self.octave.counted]
        power = guess[self.octave.counted] ** 2
        mean, spread = float(np.mean(error**2)), float(np.var(power))
        slope = float(np.cov(power, error**2, bias=True)[0, 1]) / spread if spread > 0 else 0.0
        most = 0.75 * mean / max(float(power.mean()), 1e-12)
        slope = float(np.clip(slope, 0.0, min(most, 1.0)))
        local = self._local(guess, without_itself=True)[self.octave.counted]
        sigma = np.sqrt((mean - slope * float(power.mean())) * local + slope * power)
        ratio = error / np.maximum(sigma, 1e-12)
        return slope, float(np.quantile(ratio, _COVERED)) if mean > 0 else 1.0

    def _local(self, guess: Array, without_itself: bool = False) -> Array:
        """Squared error of the cells around each cell over that of all (coarse y, x)."""
        counted = self.octave.counted.astype("float64")
        square = np.where(self.octave.counted, (guess - self.target) ** 2, 0.0)
        mean = float(square.sum()) / max(float(counted.sum()), 1.0)
        if mean <= 0:
            return np.ones_like(square)
        total, known = (_around(part) for part in (square, counted))
        if without_itself:
            total, known = total - _OWN * square, known - _OWN * counted
        return np.asarray((total / mean + _AS_ALL) / (known + _AS_ALL))


def _around(values: Array) -> Array:
    return np.asarray(
        ndimage.gaussian_filter(values, _AROUND_CELLS, mode="constant", radius=_AROUND_REACH)
    )


def squares(shape: tuple[int, ...], folds: int | None = None) -> NDArray[np.intp]:
    """Number of the square of `FOLD_CELLS` cells, or of its fold, for each cell (y, x).

    Neighbouring squares are in different folds.
    """
    i, j = (index // FOLD_CELLS for index in np.indices(shape))
    if folds is None:
        return np.asarray(i * (int(j.max()) + 1) + j, dtype=np.intp)
    return np.asarray((i + 2 * j + i // 2) % folds, dtype=np.intp)
