"""A scene degraded by one octave, and the cells that are to be recovered from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.conserve import Nesting, fill_gaps

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: Standard deviation of a Gaussian over its full width at half maximum.
FWHM_TO_SIGMA = 0.42466


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
        seen = np.where(valid, blurred(fill_gaps(linear), blur), np.nan)
        degraded = blocks.mean_valid(seen, 0.75)
        counted = valid & blocks.spread(np.isfinite(degraded))
        return cls(blocks, blur, linear, degraded, counted)

    def detail(self, gapless: Array) -> Array:
        """What smooth interpolation from the degraded cells leaves of a field."""
        return gapless - self.blocks.smooth(self.blocks.mean(blurred(gapless, self.blur)))

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


def blurred(values: Array, sigma: float) -> Array:
    """A field (y, x) under a Gaussian of ``sigma`` cells; 0 leaves it as it is."""
    return ndimage.gaussian_filter(values, sigma, mode="nearest") if sigma else values
