"""Random fields with a given covariance, and whether a field differs from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import fft2, next_fast_len
from scipy.special import ndtri

from heliopolis.heat.neighbourhoods import neighbourhood_means
from heliopolis.heat.null_field import covariance_map, radial

Array = npt.NDArray[np.floating[Any]]

#: Random fields that a field is compared with, and a side beyond which that takes long [cells].
FIELDS, LARGEST_SIDE = 99, 384
#: The comparison ends when so many random fields were further from normal.
_ENOUGH = 4


def random_fields(
    profile: Array, shape: tuple[int, int], seed: int, scale: float = 1.0
) -> Iterator[Array]:
    """Gaussian random fields, one after another without end.

    They are drawn by circulant embedding on twice the area (Dietrich & Newsam 1997,
    doi:10.1137/S1064827592240555); where the covariance is not positive definite on it, the
    negative part of its spectrum is left out.

    Parameters
    ----------
    profile
        Covariance by distance, in steps of one cell from 0; nothing beyond its end.
    shape
        Rows and columns.
    seed
        Of the draw.
    scale
        Cells of the profile for each cell of the field.
    """
    sides = [next_fast_len(2 * n) for n in shape]
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in sides)
    lag = np.hypot(y[:, None], x[None, :]) * scale
    covariance = np.interp(lag, np.arange(len(profile)), profile, right=0.0)
    spectrum = np.maximum(fft2(covariance).real, 0.0)
    spectrum *= profile[0] / (spectrum.sum() / spectrum.size)
    amplitude = np.sqrt(spectrum / spectrum.size)
    rng = np.random.default_rng(seed)
    while True:
        noise = rng.standard_normal((2, *sides))
        drawn = fft2(amplitude * (noise[0] + 1j * noise[1]))[: shape[0], : shape[1]]
        yield np.ascontiguousarray(drawn.real)
        yield np.ascontiguousarray(drawn.imag)


def covariance_profile(values: Array) -> Array:
    """Covariance by distance up to where it has fallen to nothing, in steps of one cell."""
    mean = float(np.nanmean(values))
    profile = radial(covariance_map([values], mean, max(1, min(values.shape) // 2)))
    negative = np.flatnonzero(profile <= 0.0)
    return profile[: negative[0]] if negative.size and negative[0] > 0 else profile


def normal_departure(means: Array) -> float:
    """Mean squared distance of the ordered, standardised values from those of a normal law.

    The complement of the statistic of Shapiro & Francia 1972
    (doi:10.1080/01621459.1972.10481232): 0 for a perfectly normal sample.
    """
    ordered = np.sort(means[np.isfinite(means)])
    spread = ordered.std()
    if ordered.size < 3 or spread == 0:
        return 0.0
    expected = ndtri((np.arange(1, ordered.size + 1) - 0.5) / ordered.size)
    return float((((ordered - ordered.mean()) / spread - expected) ** 2).mean())


def departure_p(values: Array, radius: float, fields: int = FIELDS) -> float:
    """Probability that a random field with the same covariance is as far from normal.

    A field without spots is made of many small causes, and the means of its neighbourhoods
    follow a normal law as closely as their correlation allows. A city is a mixture of grounds
    and does not. How far a random field may be from normal is found by drawing fields with the
    covariance and the gaps of the given one: a sequential Monte Carlo test (Besag & Clifford
    1991, doi:10.1093/biomet/78.2.301), which ends early where the answer is plain.

    Parameters
    ----------
    values
        Field, dims (y, x), NaN where unknown.
    radius
        Radius of the neighbourhood [cells].
    fields
        Largest number of random fields.
    """
    valid = np.isfinite(values)
    if valid.sum() < 3 or float(np.nanstd(values)) == 0.0:
        return 1.0
    found = normal_departure(neighbourhood_means(values, radius)[0])
    drawn = random_fields(covariance_profile(values), (values.shape[0], values.shape[1]), seed=0)
    further = 0
    for number in range(1, fields + 1):
        other = np.where(valid, next(drawn), np.nan)
        further += normal_departure(neighbourhood_means(other, radius)[0]) >= found
        if further == _ENOUGH:
            return further / number
    return (1 + further) / (1 + fields)
