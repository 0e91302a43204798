"""Calibration of the probabilities: a line on the logits, fitted on the validation cities.

Platt (1999) scaling, of which the temperature of Guo et al. (2017, arXiv:1706.04599) is the case
without offset. It is monotone: the order of the pixels, and so the best outline, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import optimize

from roofnet import data

#: Edges of the bins of logits in which pixels are counted.
LOGIT_EDGES = np.linspace(-12.0, 12.0, 481)
_CENTRES = (LOGIT_EDGES[1:] + LOGIT_EDGES[:-1]) / 2
#: Bins of probability of the reliability table and of the expected calibration error.
RELIABILITY_BINS = 10

Counts = NDArray[np.float64]


def count_logits(
    predict: Callable[[NDArray[Any]], NDArray[Any]], samples: Sequence[data.Sample]
) -> dict[str, Counts]:
    """Pixels that are not roof and that are roof (2, bin) by logit, for each city."""
    counts: dict[str, Counts] = {}
    for sample in samples:
        chance = np.clip(predict(data.to_working(sample)), 1e-6, 1 - 1e-6).astype("float64")
        size = (chance.shape[1], chance.shape[0])
        mask = np.asarray(Image.fromarray(sample.mask).resize(size, Image.Resampling.NEAREST))
        logit = np.clip(np.log(chance / (1 - chance)), LOGIT_EDGES[0], LOGIT_EDGES[-1])
        city = counts.setdefault(sample.city, np.zeros((2, _CENTRES.size)))
        for kind in (0, 1):
            city[kind] += np.histogram(logit[mask == kind], LOGIT_EDGES)[0]
    return counts


def fit(counts: Sequence[Counts]) -> tuple[float, float]:
    """Slope and offset on the logit that make the counts most likely, each city alike.

    >>> import numpy as np
    >>> chance = 1 / (1 + np.exp(-(0.5 * _CENTRES + 0.3)))
    >>> slope, offset = fit([np.stack([1 - chance, chance]) * 1000])
    >>> round(slope, 3), round(offset, 3)
    (0.5, 0.3)
    """
    shares = sum(city / max(city.sum(), 1.0) for city in counts)

    def loss(values: NDArray[np.float64]) -> float:
        line = values[0] * _CENTRES + values[1]
        return float(np.sum(shares[1] * np.logaddexp(0, -line) + shares[0] * np.logaddexp(0, line)))

    found = optimize.minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead", tol=1e-10)
    return float(found.x[0]), float(found.x[1])


def reliability(counts: Counts, slope: float = 1.0, offset: float = 0.0) -> list[dict[str, float]]:
    """Share of the pixels, mean probability and share of roof in each bin of probability."""
    chance = 1 / (1 + np.exp(-(slope * _CENTRES + offset)))
    number = np.minimum((chance * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    pixels = counts.sum(axis=0)
    rows = []
    for one in range(RELIABILITY_BINS):
        here = number == one
        size = pixels[here].sum()
        if size > 0:
            rows.append(
                {
                    "pixel_share": float(size / pixels.sum()),
                    "probability": float((pixels[here] * chance[here]).sum() / size),
                    "roof_share": float(counts[1, here].sum() / size),
                }
            )
    return rows


def expected_error(counts: Counts, slope: float = 1.0, offset: float = 0.0) -> float:
    """Expected calibration error: mean of |probability - share of roof| over the bins."""
    return sum(
        row["pixel_share"] * abs(row["probability"] - row["roof_share"])
        for row in reliability(counts, slope, offset)
    )
