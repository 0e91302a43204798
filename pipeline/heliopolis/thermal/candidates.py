"""Models from predictors to temperature that `sharpen` can choose among.

All but the trees are linear in features whose means over a coarse cell are known exactly: the
predictors and, for the kernel, their products (the quadratic kernel, written out). What is learnt
between means of cells then holds for pixels too, without a change of scale: a mean of a
prediction is the prediction of the mean. They are learnt on detail, what smooth interpolation
from cells twice as large leaves, because that is what they are asked for; slopes between distant
cells (town and country, valley and hill) are other slopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingRegressor

from heliopolis.thermal.moments import pairs

Array = NDArray[Any]
Mask = NDArray[np.bool_]
NAMES = ("ridge", "kernel", "boosting")
#: Penalties that the ridge tries, over the number of cells.
PENALTIES = np.logspace(-6, 1, 15)
#: Local slopes and trees need as many cells.
MIN_CELLS_LOCAL = 200
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
    prior
        Evidence that holds them to zero [cells].
    homogeneous
        Learnt with more weight on homogeneous cells (`homogeneity`).
    """

    name: str
    slopes: Array
    products: Array
    trees: Any | None = None
    local: Array | None = None
    prior: float | None = None
    homogeneous: bool = False

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

    def steepness(self, index: int) -> float:
        """Root mean square slope of one predictor, the others being standard normal [K]."""
        own = np.asarray(self.slopes[index])
        if self.local is not None:
            own = own + self.local[..., index]
        square = float(np.mean(own**2))
        for slope, (i, j) in zip(self.products, pairs(len(self.slopes)), strict=True):
            if index in (i, j):
                square += float(slope) ** 2 * (4.0 if i == j else 1.0)
        return float(np.sqrt(square))

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
    folds
        Fold of each cell, from 0 (y, x).
    on_levels
        ``target`` and ``features`` are not detail but the values themselves, less their means:
        no products and no local slopes are learnt then.
    weights
        Weight of each cell (y, x), 1 in the mean; None: all count alike.
    """

    target: Array
    features: Array
    first: Array
    usable: Mask
    folds: NDArray[np.intp]
    on_levels: bool = False
    weights: Array | None = None

    def taught(self, penalties: dict[str, float], held: int | None) -> Iterator[Model]:
        """The models, each global and with local slopes, from all cells but one fold.

        With weights the global ones alone: slopes of a neighbourhood know its ground already.

        Parameters
        ----------
        penalties
            Of the ridge, over the number of cells, by the name of the model.
        held
            Fold that is left out; None: none.
        """
        cells = self.usable if held is None else self.usable & (self.folds != held)
        wide = self.usable.sum() >= MIN_CELLS_LOCAL and not self.on_levels
        wide = wide and self.weights is None
        nearby = Nearby.of(self, cells) if wide else None
        for name, penalty in penalties.items():
            model = self._global(name, penalty, held, cells)
            yield model
            if nearby is not None and name != "boosting":
                left = self.target - self._detail(model)
                for prior in LOCAL_PRIORS:
                    yield replace(model, local=nearby.slopes(left, prior), prior=prior)

    def penalties(self) -> dict[str, float]:
        """For each model, the penalty whose predictions of held-out folds are best."""
        names: tuple[str, ...] = NAMES if self.usable.sum() >= MIN_CELLS_LOCAL else NAMES[:2]
        names = tuple(name for name in names if name != "kernel" or not self.on_levels)
        return {name: self._penalty(self._size(name)) for name in names}

    def _penalty(self, size: int) -> float:
        error = np.zeros(len(PENALTIES))
        for held in range(len(self._sums)):
            own, own_moment, _ = self._sums[held]
            gram, moment, n = self._gathered(held)
            beta = ridge(gram[:size, :size], moment[:size], n, PENALTIES)
            error += np.einsum("fp,fg,gp->p", beta, own[:size, :size], beta)
            error -= 2.0 * own_moment[:size] @ beta
        return float(PENALTIES[int(np.argmin(error))])

    def _size(self, name: str) -> int:
        return self.features.shape[-1] if name == "kernel" else self.first.shape[-1]

    def _global(self, name: str, penalty: float, held: int | None, cells: Mask) -> Model:
        count, size = self.first.shape[-1], self._size(name)
        gram, moment, n = self._gathered(held)
        beta = ridge(gram[:size, :size], moment[:size], n, np.array([penalty]))[:, 0]
        products = np.zeros(self.features.shape[-1] - count)
        products[: size - count] = beta[count:]
        model = Model(name, beta[:count], products, homogeneous=self.weights is not None)
        if name != "boosting":
            return model
        left = (self.target - self._detail(model))[cells]
        weights = None if self.weights is None else self.weights[cells]
        return replace(model, trees=_trees(self.first[cells], left, weights))

    def _detail(self, model: Model) -> Array:
        """Detail that the global slopes of a model give."""
        count = self.first.shape[-1]
        out = self.features[..., :count] @ model.slopes
        return out + self.features[..., count:] @ model.products if model.products.any() else out

    @cached_property
    def _sums(self) -> list[tuple[Array, Array, int]]:
        """Gram matrix, moments with the target and number of cells, of each fold."""
        found = []
        for fold in range(int(self.folds.max()) + 1):
            cells = self.usable & (self.folds == fold)
            x = self.features[cells]
            turned = x.T if self.weights is None else x.T * self.weights[cells]
            found.append((turned @ x, turned @ self.target[cells], len(x)))
        return found

    def _gathered(self, held: int | None) -> tuple[Array, Array, int]:
        """Sums over all folds but one."""
        kept = [one for k, one in enumerate(self._sums) if k != held]
        gram = np.sum([one[0] for one in kept], axis=0)
        return gram, np.sum([one[1] for one in kept], axis=0), sum(one[2] for one in kept)


@dataclass(frozen=True)
class Nearby:
    """Neighbourhoods of a part of the cells, from which local slopes are learnt.

    Sums are kept on every second cell and slopes interpolated, which the smooth weights allow.

    Attributes
    ----------
    x
        Detail of the predictors, 0 outside the part (y, x, predictor).
    cells
        The part (y, x).
    gram
        Weighted sums of products of ``x`` (lattice y, x, predictor, predictor).
    """

    x: Array
    cells: Mask
    gram: Array

    @classmethod
    def of(cls, lesson: Lesson, cells: Mask) -> Nearby:
        """Neighbourhoods of ``cells``."""
        count = lesson.first.shape[-1]
        x = np.where(cells[..., None], lesson.features[..., :count], 0.0)
        gram = np.empty((*(-(-n // _LATTICE) for n in cells.shape), count, count))
        for i, j in pairs(count):
            gram[..., i, j] = gram[..., j, i] = _around(x[..., i] * x[..., j])
        return cls(x, cells, gram)

    def slopes(self, left: Array, prior: float) -> Array:
        """Slopes (y, x, predictor) of what the global ones leave, held to zero by a prior."""
        count = self.x.shape[-1]
        masked = np.where(self.cells, left, 0.0)
        moment = np.stack([_around(self.x[..., i] * masked) for i in range(count)], axis=-1)
        variance = np.maximum((self.x**2).sum(axis=(0, 1)) / self.cells.sum(), 1e-12)
        found = np.linalg.solve(self.gram + np.diag(prior * variance), moment[..., None])[..., 0]
        at = np.meshgrid(*(np.arange(n) / _LATTICE for n in left.shape), indexing="ij")
        return np.stack([ndimage.map_coordinates(found[..., i], at, order=1, mode="nearest")
                         for i in range(count)], axis=-1)  # fmt: skip


def ridge(gram: Array, moment: Array, n: int, penalties: Array) -> Array:
    """Coefficients (feature, penalty) of ridge regressions of features of equal penalty."""
    if len(penalties) == 1:
        penalised = gram + n * float(penalties[0]) * np.eye(len(gram))
        return np.asarray(np.linalg.solve(penalised, moment[:, None]))
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ moment
    scale = np.maximum(values, 0.0)[:, None] + n * penalties[None, :]
    return np.asarray(vectors @ (turned[:, None] / scale))


def _around(field: Array) -> Array:
    """Weighted sum over the neighbourhood, on every second cell."""
    area = 2.0 * np.pi * LOCAL_CELLS**2
    smooth = ndimage.gaussian_filter(field, LOCAL_CELLS, mode="constant", truncate=3.0)
    return np.asarray(area * smooth[::_LATTICE, ::_LATTICE])


def homogeneity(first: Array, second: Array, usable: Mask) -> Array:
    """Weight of each cell for learning, 1 in the mean: more where it is all of one kind.

    ``1 / (v + median v)`` with v the mean variance of the predictors within the cell; the idea of
    learning from homogeneous cells is that of Gao et al. (2012), doi:10.3390/rs4113287.

    Parameters
    ----------
    first, second
        Means over the cells of the predictors (y, x, predictor) and of their products
        (y, x, pair).
    usable
        Cells that may be learnt from (y, x).
    """
    squares = [k for k, (i, j) in enumerate(pairs(first.shape[-1])) if i == j]
    within = np.maximum(second[..., squares] - first**2, 0.0).mean(axis=-1)
    typical = float(np.median(within[usable]))
    weight = 1.0 / np.maximum(within + typical, 1e-9)
    return np.asarray(weight / weight[usable].mean())


def _trees(x: Array, y: Array, weights: Array | None) -> Any:
    step = -(-len(y) // MAX_CELLS)
    model = HistGradientBoostingRegressor(
        max_iter=50, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=10,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    return model.fit(x[::step], y[::step], None if weights is None else weights[::step])
