"""What a held-out test says: method, error, and what follows below the coarse cell.

The error below the coarse cell, where no truth is at hand, is the held-out error of one octave of
scale, summed over the octaves down to the fine pixel. From one octave to the next it grows by a
factor that is told by three things: the same error one octave further up, the predicted detail's
own growth towards finer scales, and `FADE`, by which skill is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.thermal.candidates import Model

Array = NDArray[Any]
#: The unexplained share of the detail grows by this factor from octave to octave. Chosen on the
#: simulated city (100 m to 10 m).
FADE = 1.35
#: The least of several held-out errors is too small by about this share of its standard error,
#: with every four cells one independent value.
_PICKED = 0.5
#: Standard error of the growth that is expected from the predictors (natural logarithm).
_GROWTH_SD = 0.25


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
        return chance * less(self.error, self.noise) * _sum(growth, octaves)

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
            "homogeneous_cells": self.model is not None and self.model.homogeneous,
        }


def less(error: float, noise: float) -> float:
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
