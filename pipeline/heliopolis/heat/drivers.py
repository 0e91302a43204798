"""Why it is hot: the anomaly of the cells explained by what their ground is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

#: Side of the blocks that are left out together [m]: neighbours are no test of each other.
BLOCK_M = 1000.0
#: Fewest cells for each coefficient, and fewest blocks.
_CELLS_EACH, _BLOCKS = 20, 8
#: Penalty on standardised coefficients, per cell; it only matters where drivers repeat each other.
_RIDGE = 1e-4


@dataclass(frozen=True)
class DriverModel:
    """Linear model of the anomaly.

    Attributes
    ----------
    names
        Drivers, in the order of ``effects``.
    effects
        Change of the anomaly for one unit of each driver, the others unchanged [K].
    covariance
        Of the effects, from leaving out one block after another [K2].
    spread
        Standard deviation of each effect from one place to another [K].
    deviation
        Standard deviation of each driver over the cells: times its effect, what the driver
        makes of the differences within the area. Drivers have different units, so it is by
        this that they are compared.
    r2
        Share of the variance explained in blocks that were left out (1).
    n_cells, n_blocks
        Behind it.
    """

    names: tuple[str, ...]
    effects: Array
    covariance: Array
    spread: Array
    deviation: Array
    r2: float
    n_cells: int
    n_blocks: int

    @property
    def importance(self) -> dict[str, float]:
        """Effect of one standard deviation of each driver [K], the largest first."""
        sized = self.effects * self.deviation
        order = np.argsort(-np.abs(sized), kind="stable")
        return {self.names[i]: float(sized[i]) for i in order}

    def effect(self, name: str) -> float:
        """Effect of one unit of a driver [K]; 0 where the model does not have it."""
        return float(self.effects[self.names.index(name)]) if name in self.names else 0.0

    def change(self, changes: Mapping[str, float]) -> tuple[float, float]:
        """Change of the anomaly of one place when drivers change, and its standard uncertainty [K].

        The uncertainty is that of the effects, and their spread from place to place.
        """
        step = np.array([changes.get(name, 0.0) for name in self.names])
        variance = step @ self.covariance @ step + ((step * self.spread) ** 2).sum()
        return float(step @ self.effects), float(np.sqrt(max(variance, 0.0)))


def driver_model(
    anomaly_k: Array, drivers: Mapping[str, Array], *, cell_m: float, domain: Mask | None = None
) -> DriverModel | None:
    """Explain the anomaly of cells by drivers; None where there are too few cells or blocks.

    Least squares with a slight ridge. The partial effect of a driver is linear: its coefficient.
    Uncertainty and skill come from blocks of 1 km, left out one at a time: the delete-one
    jackknife (Efron & Tibshirani 1993, doi:10.1201/9780429246593, chapter 11) and the held-out R2
    (Roberts et al. 2017, doi:10.1111/ecog.02881).

    Parameters
    ----------
    anomaly_k
        Anomaly of the cells [K], dims (y, x), NaN where unknown.
    drivers
        Name to field on the same cells; a cell counts where all are known. A driver that hardly
        varies is left out.
    cell_m
        Side of a cell [m].
    domain
        Cells to use; all by default.
    """
    known = np.isfinite(anomaly_k)
    if domain is not None:
        known &= domain
    for field in drivers.values():
        known &= np.isfinite(field)
    names = tuple(
        name for name, field in drivers.items() if known.any() and field[known].std() > 1e-3
    )
    side = max(1, round(BLOCK_M / cell_m))
    y, x = np.nonzero(known)
    block = np.unique(
        (y // side) * (anomaly_k.shape[1] // side + 1) + x // side, return_inverse=True
    )[1]
    count = int(block.max(initial=-1)) + 1
    if len(y) < _CELLS_EACH * (len(names) + 1) or count < _BLOCKS or not names:
        return None
    design = np.column_stack([np.ones(len(y)), *(drivers[name][known] for name in names)])
    target = anomaly_k[known].astype("float64")
    grams = np.zeros((count, design.shape[1], design.shape[1]))
    rights = np.zeros((count, design.shape[1]))
    np.add.at(grams, block, design[:, :, None] * design[:, None, :])
    np.add.at(rights, block, design * target[:, None])
    ridge = _RIDGE * len(y) * np.diag(np.r_[0.0, design[:, 1:].var(axis=0)])
    gram, right = grams.sum(axis=0) + ridge, rights.sum(axis=0)
    effects = np.linalg.solve(gram, right)
    without = np.linalg.solve(gram - grams, (right - rights)[:, :, None])[:, :, 0]
    error = target - np.einsum("ij,ij->i", design, without[block])
    r2 = 1.0 - float((error**2).mean() / target.var())
    spread = without - without.mean(axis=0)
    covariance = (count - 1) / count * spread.T @ spread
    places = _spread(target - design @ effects, design[:, 1:], block, count)
    deviation = design[:, 1:].std(axis=0)
    return DriverModel(names, effects[1:], covariance[1:, 1:], places, deviation, r2, len(y), count)


def _spread(residual: Array, drivers: Array, block: npt.NDArray[Any], count: int) -> Array:
    """Standard deviation of the effects from block to block.

    In each block the residual is fitted by one driver; what these slopes differ by beyond their
    own errors is the spread (DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2).
    """
    number = np.bincount(block, minlength=count)

    def centred(values: Array) -> Array:
        return np.asarray(values - (np.bincount(block, values) / np.maximum(number, 1))[block])

    error = centred(residual)
    out = np.zeros(drivers.shape[1])
    for k in range(drivers.shape[1]):
        driver = centred(drivers[:, k])
        square = np.bincount(block, driver**2)
        chosen = (number >= _CELLS_EACH) & (square > number * driver.var() * 0.05)
        if chosen.sum() < _BLOCKS:
            continue
        slope = np.bincount(block, driver * error) / np.where(square > 0, square, 1.0)
        left = np.bincount(block, (error - slope[block] * driver) ** 2) / np.maximum(number - 2, 1)
        weight = (square / np.maximum(left, 1e-12))[chosen]
        mean = (weight * slope[chosen]).sum() / weight.sum()
        excess = (weight * (slope[chosen] - mean) ** 2).sum() - (chosen.sum() - 1)
        scale = weight.sum() - (weight**2).sum() / weight.sum()
        out[k] = np.sqrt(max(excess / scale, 0.0))
    return out
