"""What a coarse sensor sees of fine predictors: cell means of them and of their products."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from heliopolis.thermal.conserve import Nesting, Part, Sums, fill_gaps
from heliopolis.thermal.predictors import Prepared, Window, windows

Array = NDArray[Any]
R = TypeVar("R")
#: Cells of which less is known are filled from those around them.
MIN_KNOWN = 0.25
#: Decimals that are kept of a mean: what is left out differs with the order of summing only.
_DECIMALS = 9
#: Windows that are worked on at once.
WORKERS = 2


@dataclass(frozen=True)
class Moments:
    """Cell means through the sensor's point spread.

    Attributes
    ----------
    first
        Means of the standardised predictors (coarse y, x, predictor).
    second
        Means of their products (coarse y, x, pair), in the order of `pairs`.
    known
        Share of the cell where all predictors are known (coarse y, x).
    """

    first: Array
    second: Array
    known: Array

    def only(self, chosen: Sequence[int]) -> Moments:
        """Those of some of the predictors."""
        count = self.first.shape[-1]
        number = {pair: k for k, pair in enumerate(pairs(count))}
        kept = [number[chosen[i], chosen[j]] for i, j in pairs(len(chosen))]
        return Moments(self.first[..., list(chosen)], self.second[..., kept], self.known)


def pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of predictors whose products are features, squares included."""
    return [(i, j) for i in range(count) for j in range(i, count)]


def moments(prepared: Prepared, nest: Nesting, sigma_pixels: float, side: int) -> Moments:
    """First and second moments of the predictors in each coarse cell.

    Parameters
    ----------
    prepared
        Predictors on the fine grid.
    nest
        Fine grid in the coarse one.
    sigma_pixels
        Blur of the sensor beyond the averaging over its cell (1 sigma, fine pixels).
    side
        Side of the windows that are read [pixel]; the result does not depend on it.
    """
    count = len(prepared.used)
    products = pairs(count)
    sums = Sums.of(nest, sigma_pixels)
    shape = sums.total.shape
    total = np.zeros((1 + count + len(products), *shape))

    def of(window: Window) -> tuple[Part, list[Array]]:
        fields, known = prepared.window(*window)
        part = sums.cut(*window)
        weight = known.astype("float64")
        wide = fields.astype("float64") * weight
        seen = [part.of_window(weight), *(part.of_window(one) for one in wide)]
        return part, seen + [part.of_window(wide[i] * wide[j]) for i, j in products]

    for part, seen in in_order(of, windows((nest.rows.n_fine, nest.columns.n_fine), side)):
        for k, one in enumerate(seen):
            total[k, part.top, part.left] += one
    share = np.round(total[0], _DECIMALS)
    enough = share >= MIN_KNOWN
    scale = np.divide(1.0, share, out=np.full_like(share, np.nan), where=enough)
    if enough.any():
        for k in range(1, len(total)):
            total[k] = fill_gaps(np.round(total[k] * scale, _DECIMALS))
    means = np.moveaxis(total[1:], 0, -1)
    return Moments(means[..., :count], means[..., count:], share)


def in_order(work: Callable[[Window], R], places: Iterable[Window]) -> Iterable[R]:
    """Results of ``work`` in the order of the windows, two at a time, few held at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: list[Any] = []
        for place in places:
            waiting.append(pool.submit(work, place))
            if len(waiting) > WORKERS:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()
