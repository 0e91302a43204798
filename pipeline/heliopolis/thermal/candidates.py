"""Models from predictors to temperature that `sharpen` can choose among.

All but the trees are linear in features whose means over a coarse cell are known exactly: the
predictors and, for the kernel, their products (the quadratic kernel, written out). What is learnt
between means of cells then holds for pixels too, without a change of scale: a mean of a
prediction is the prediction of the mean. They are learnt on detail, what smooth interpolation
from cells twice as large leaves, because that is what they are asked for; slopes between distant
cells (town and country, valley and hill) are other slopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from heliopolis.thermal.moments import pairs

Array = NDArray[Any]
Mask = NDArray[np.bool_]
NAMES = ("ridge", "kernel", "boosting")
#: Penalties that the ridge tries, over the number of cells.
PENALTIES = np.logspace(-6, 1, 15)
#: Trees learn from at most this many cells, evenly spread over them.
MAX_CELLS = 20_000
#: Local slopes: weight of a neighbour falls off with this many cells (1 sigma) ...
LOCAL_CELLS = 3.0
#: ... and they are drawn to the global slopes by so many cells' worth of evidence.
LOCAL_PRIORS = (300.0, 30.0)
_LATTICE = 2


@dataclass(frozen=True)
class Model:
    """A learnt model.

    Attributes
    ----------
    name
        ``ridge``, ``kernel`` or ``boosting``.
    slopes
        Of the predictors (predictor) [K].
    products
        Of their products (pair) [K]; zeros but for the kernel.
    trees
        Regression of what the slopes leave, or None.
    local
        Departures of the slopes (coarse y, x, predictor), or None.
    """

    name: str
    slopes: Array
    products: Array
    trees: Any | None = None
    local: Array | None = None

    def of_cells(self, first: Array, second: Array) -> Array:
        """Prediction for coarse cells (y, x) from their moments, up to a constant."""
        slopes = self.slopes if self.local is None else self.slopes + self.local
        out = np.asarray((first * slopes).sum(axis=-1))
        if self.products.any():
            out = out + second @ self.products
        if self.trees is not None:
            flat = self.trees.predict(first.reshape(-1, first.shape[-1]))
            out = out + flat.reshape(out.shape)
        return out

    def of_pixels(self, fields: Array, local: Sequence[Array]) -> Array:
        """Prediction (y, x) for standardised predictors (predictor, y, x).

        ``local`` holds `local` at the pixels, one field for each predictor, or nothing.
        """
        count = len(fields)
        out = np.zeros(fields.shape[1:], dtype="float32")
        turned = self._turned(count)
        for i in range(count):
            slope: Any = np.float32(self.slopes[i])
            if len(local):
                slope = slope + local[i].astype("float32")
            for j in range(i, count):
                if turned[i, j] != 0.0:
                    slope = slope + np.float32(turned[i, j]) * fields[j]
            out += slope * fields[i]
        if self.trees is not None:
            flat = np.ascontiguousarray(fields.reshape(count, -1).T)
            out += self.trees.predict(flat).reshape(out.shape).astype("float32")
        return out

    def _turned(self, count: int) -> Array:
        square = np.zeros((count, count))
        if self.products.any():
            for slope, (i, j) in zip(self.products, pairs(count), strict=True):
                square[i, j] = slope
        return square


@dataclass(frozen=True)
class Lesson:
    """What is learnt from, on coarse cells.

    Attributes
    ----------
    target
        Detail of the temperature (y, x) [K].
    features
        Detail of the predictors and of their products (y, x, feature).
    first
        Means of the predictors (y, x, predictor).
    usable
        Cells that may be learnt from (y, x).
    """

    target: Array
    features: Array
    first: Array
    usable: Mask

    def learn(self, name: str, penalty: float, prior: float | None, cells: Mask) -> Model:
        """A model from some of the cells.

        Parameters
        ----------
        name
            One of `NAMES`.
        penalty
            Of the ridge, over the number of cells.
        prior
            Evidence that holds local slopes to the global ones [cells]; None: no local slopes.
        cells
            Cells to learn from (y, x).
        """
        count = self.first.shape[-1]
        x = self._matrix(name)[cells]
        beta = ridge(x.T @ x, x.T @ self.target[cells], len(x), np.array([penalty]))[:, 0]
        products = np.zeros(len(pairs(count)))
        products[: len(beta) - count] = beta[count:]
        model = Model(name, beta[:count], products)
        if name == "boosting":
            left = self.target[cells] - x @ beta
            model = replace(model, trees=_trees(self.first[cells], left))
        if prior is not None:
            left_all = self.target - self._matrix(name) @ beta
            model = replace(model, local=self._local(left_all, prior, cells))
        return model

    def _matrix(self, name: str) -> Array:
        return self.features if name == "kernel" else self.features[..., : self.first.shape[-1]]

    def penalty(self, name: str, folds: NDArray[np.intp]) -> float:
        """Penalty whose predictions of held-out folds are best."""
        x, y, fold = self._matrix(name)[self.usable], self.target[self.usable], folds[self.usable]
        grams = [(x[fold == f].T @ x[fold == f], x[fold == f].T @ y[fold == f])
                 for f in np.unique(fold)]  # fmt: skip
        gram, moment = sum(g for g, _ in grams), sum(m for _, m in grams)
        error = np.zeros(len(PENALTIES))
        for (own, own_moment), f in zip(grams, np.unique(fold), strict=True):
            n = int((fold != f).sum())
            beta = ridge(gram - own, moment - own_moment, n, PENALTIES)
            error += np.einsum("fp,fg,gp->p", beta, own, beta) - 2.0 * own_moment @ beta
        return float(PENALTIES[int(np.argmin(error))])

    def _local(self, left: Array, prior: float, cells: Mask) -> Array:
        """Slopes of what the global slopes leave, from the cells around, held to zero.

        Solved on every second cell and interpolated, which the smooth weights allow.
        """
        count = self.first.shape[-1]
        x = np.where(cells[..., None], self.features[..., :count], 0.0)
        variance = np.maximum((x[cells] ** 2).mean(axis=0), 1e-12)
        shape = tuple(-(-n // _LATTICE) for n in left.shape)
        gram = np.empty((*shape, count, count))
        moment = np.empty((*shape, count, 1))
        for i in range(count):
            moment[..., i, 0] = _around(x[..., i] * np.where(cells, left, 0.0))
            for j in range(i, count):
                gram[..., i, j] = gram[..., j, i] = _around(x[..., i] * x[..., j])
        gram[..., np.arange(count), np.arange(count)] += prior * variance
        slopes = np.linalg.solve(gram, moment)[..., 0]
        at = np.meshgrid(*(np.arange(n) / _LATTICE for n in left.shape), indexing="ij")
        return np.stack([ndimage.map_coordinates(slopes[..., i], at, order=1, mode="nearest")
                         for i in range(count)], axis=-1)  # fmt: skip


def ridge(gram: Array, moment: Array, n: int, penalties: Array) -> Array:
    """Coefficients (feature, penalty) of ridge regressions of features of equal penalty."""
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ moment
    scale = np.maximum(values, 0.0)[:, None] + n * penalties[None, :]
    return np.asarray(vectors @ (turned[:, None] / scale))


def _around(field: Array) -> Array:
    """Weighted sum over the neighbourhood, on every second cell."""
    area = 2.0 * np.pi * LOCAL_CELLS**2
    smooth = ndimage.gaussian_filter(field, LOCAL_CELLS, mode="constant", truncate=3.0)
    return np.asarray(area * smooth[::_LATTICE, ::_LATTICE])


def _trees(x: Array, y: Array) -> Any:
    step = -(-len(y) // MAX_CELLS)
    model = HistGradientBoostingRegressor(
        max_iter=50, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=10,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    # Threads of many small fits cost more than they save, and jobs run side by side.
    with threadpool_limits(limits=1):
        return model.fit(x[::step], y[::step])
