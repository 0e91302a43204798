"""A degraded scene that models are tried on, with parts of the area held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.candidates import Lesson, Model, homogeneity
from heliopolis.thermal.conserve import fill_gaps
from heliopolis.thermal.moments import Moments
from heliopolis.thermal.octave import Octave, blurred
from heliopolis.thermal.verdict import Verdict, less

Array = NDArray[Any]
#: Width of the surroundings in which errors are compared with those of all cells: 1 sigma of a
#: Gaussian [cell], about 28 cells; and the weight of the mean of all beside them, about 3 cells.
_AROUND_CELLS, _AS_ALL = 1.5, 0.1
_AROUND_REACH = 5
#: Weight of a cell in its own surroundings.
_OWN = 1.0 / (2.0 * np.pi * _AROUND_CELLS**2)
#: A method is used when its gain on smooth interpolation is as many standard errors above nothing.
MIN_SIGNIFICANCE = 1.64
#: Side of the squares of cells that are held out together.
FOLD_CELLS = 4
_FOLDS = 4
#: Share of errors within one sigma.
_COVERED = 0.6827


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
        """The models, simpler ones first; then the same from homogeneous cells above all."""
        lesson = self._lesson(cells, squares(self.target.shape, _FOLDS))
        weights = homogeneity(cells.first, cells.second, lesson.usable)
        lessons = lesson, replace(lesson, weights=weights)
        return [one for each in lessons for one in self._tried(each, cells)]

    def _tried(self, lesson: Lesson, cells: Moments) -> list[Candidate]:
        penalties, folds = lesson.penalties(), lesson.folds
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
        seen = self.octave.blocks.mean(blurred(whole, self.octave.blur))
        above = float(np.mean((wide.detail(seen) - wide.target)[wide.counted] ** 2))
        here = less(self.error(guess), self.noise)
        ratio = here / less(above, self.noise / 4.0) if above > 0 else 1.0
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
