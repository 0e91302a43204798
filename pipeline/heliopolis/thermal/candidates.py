"""Regressions from predictors to temperature that `sharpen` can choose among."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

Array = NDArray[Any]
#: A prediction may lie outside the range of the coarse values by this share of it.
EXTRAPOLATION = 0.25
_STRIP = 256
#: A regression learns from at most this many cells, evenly spread over them.
MAX_CELLS = 6000


class Regression(Protocol):
    """What `sharpen` needs of a regression."""

    def fit(self, x: Array, y: Array) -> Any:
        """Learn from x (n, predictors) and y (n)."""

    def predict(self, x: Array) -> Array:
        """Predict y (n) from x (n, predictors)."""


def make(name: str) -> Regression:
    """A fresh regression: ``ridge`` or ``boosting``; deterministic."""
    if name == "ridge":
        return RidgeCV(np.logspace(-2, 4, 13))
    if name == "boosting":
        return HistGradientBoostingRegressor(
            max_iter=50, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=10,
            early_stopping=False, random_state=0,
        )  # fmt: skip
    raise ValueError(name)


NAMES = ("ridge", "boosting")


class Bounded:
    """A regression on standardised predictors whose answers stay near the values it has seen."""

    def __init__(self, name: str, x: Array, y: Array) -> None:
        self.centre = x.mean(axis=0)
        spread = x.std(axis=0)
        self.spread = np.where(spread > 1e-12, spread, 1.0)
        low, high = float(y.min()), float(y.max())
        margin = EXTRAPOLATION * (high - low)
        self.low, self.high = low - margin, high + margin
        step = -(-len(y) // MAX_CELLS)
        x, y = x[::step], y[::step]
        self.model = make(name)
        # Threads of many small fits cost more than they save, and jobs run side by side.
        with threadpool_limits(limits=1):
            self.model.fit((x - self.centre) / self.spread, y)

    def predict(self, x: Array) -> Array:
        """Predict from predictors (y, x, predictors) to a field (y, x), in strips of rows."""
        out = np.empty(x.shape[:2], dtype="float64")
        for top in range(0, x.shape[0], _STRIP):
            rows = slice(top, top + _STRIP)
            strip = ((x[rows] - self.centre) / self.spread).reshape(-1, x.shape[2])
            out[rows] = self.model.predict(strip).reshape(out[rows].shape)
        return np.clip(out, self.low, self.high)
