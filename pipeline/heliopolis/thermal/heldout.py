"""Degrade and recover: how well fine detail can be told from predictors, on held-out areas.

The coarse scene is blurred and averaged to cells twice as large. What smooth interpolation from
these leaves of the scene is its detail; models of it are learnt on some parts of the area and
scored on the others. A model has to beat smooth interpolation, and every simpler model, there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.thermal.moments import Moments
from heliopolis.thermal.octave import Octave
from heliopolis.thermal.trial import Trial
from heliopolis.thermal.verdict import Verdict

Array = NDArray[Any]
#: A method is used when its held-out error is below this share of that of every simpler one.
MIN_GAIN = 0.98
#: Fewer valid coarse cells than this carry no regression.
MIN_CELLS = 48


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
    form: Sequence[str] = (),
) -> Choice:
    """Best of the predictors without patterns of other dates, the patterns alone, and both.

    Before that, those that tell the form of the city are left out where they do not help.

    Parameters
    ----------
    linear, cells, fwhm_cells, noise_k
        As for `judge`.
    names
        Names of the predictors.
    pattern
        Names of those that are temperatures of other dates.
    form
        Names of those that tell the form of the city.

    Returns
    -------
    Choice
        ``carried`` holds, where there is a pattern, under ``pattern``: the held-out error without
        and with it, its skill ``1 - with / without``, and whether it is used.
    """
    own = [i for i, name in enumerate(names) if name not in (*pattern, *form)]
    other = [i for i, name in enumerate(names) if name in pattern]
    without = judge(linear, cells.only(own) if own else None, fwhm_cells, noise_k)
    if form:
        wide = [i for i, name in enumerate(names) if name not in pattern]
        with_form = judge(linear, cells.only(wide), fwhm_cells, noise_k) if wide else without
        if with_form.error < MIN_GAIN**2 * without.error:
            own, without = wide, with_form
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
