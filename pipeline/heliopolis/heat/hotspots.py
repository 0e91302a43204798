"""Hot spots of a gridded field: Getis-Ord Gi*, autocorrelation, false discovery rate.

Gi* of cell i, with binary weights w in a distance band that includes the cell itself (Getis & Ord
1992, doi:10.1111/j.1538-4632.1992.tb00261.x; Ord & Getis 1995,
doi:10.1111/j.1538-4632.1995.tb00912.x)::

    z_i = (sum_j w_ij x_j - m W_i) / (S sqrt((n W2_i - W_i^2) / (n - 1)))

with W = sum w, W2 = sum w^2 = W, m and S mean and population standard deviation of the n valid
cells. Its normal reference holds for values that could be exchanged between cells. Neighbouring
temperatures cannot: the sensor's point spread, resampling and the grain of the land make them
alike, and everything would come out significant (Ord & Getis 2001, doi:10.1111/0022-4146.00224).
So the variance of the neighbourhood sum is computed from the field's own correlation, as for an
effective sample size (Clifford, Richardson & Hemon 1989, doi:10.2307/2532039); see
`variance_inflation`. Many tests at once are corrected after Benjamini & Hochberg 1995
(doi:10.1111/j.2517-6161.1995.tb02031.x), which also holds for positively dependent tests
(Benjamini & Yekutieli 2001, doi:10.1214/aos/1013699998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.signal import fftconvolve
from scipy.special import ndtr

Array = npt.NDArray[np.floating[Any]]

#: How far noise may be correlated where nothing is known about it, in radii of the neighbourhood.
NOISE_RANGE_RADII = 2.5
#: How far it may be where the resolution is known: white noise blurred with a Gaussian of that
#: standard deviation has a correlation of exp(-4.5^2 / 4) < 1 % at this multiple of it.
NOISE_RANGE_RESOLUTIONS = 4.5
#: Confidence classes [%] and the largest q of each.
CONFIDENCE = ((99, 0.01), (95, 0.05), (90, 0.10))


@dataclass(frozen=True)
class HotSpots:
    """Hot-spot statistics of a field; every array has dims (y, x) and NaN where unknown.

    Attributes
    ----------
    gi_z
        Gi* z-score (1); positive in hot, negative in cold neighbourhoods.
    z_effective
        The same, divided by the root of the variance inflation (1).
    p_value
        Two-sided probability of ``z_effective`` under the null hypothesis (1).
    q_value
        False discovery rate at which the cell is significant (1).
    inflation
        Variance inflation by autocorrelation (1), at least 1.
    mean, sd
        Mean and population standard deviation of the valid cells, in the field's unit.
    distance_m
        Radius of the neighbourhood [m].
    """

    gi_z: Array
    z_effective: Array
    p_value: Array
    q_value: Array
    inflation: float
    mean: float
    sd: float
    distance_m: float

    def critical_z(self, alpha: float) -> float:
        """Smallest effective z-score of a hot cell with q <= ``alpha``; inf where none is."""
        hot = (self.q_value <= alpha) & (self.z_effective > 0)
        return float(self.z_effective[hot].min()) if hot.any() else math.inf

    def q_at(self, z_effective: Array) -> Array:
        """False discovery rate that goes with an effective z-score, between those of the cells."""
        known = np.isfinite(self.q_value)
        size = np.abs(self.z_effective[known])
        if not size.size:
            return np.full(np.shape(z_effective), np.nan)
        order = np.argsort(size, kind="stable")
        q = np.minimum.accumulate(self.q_value[known][order])
        return np.asarray(np.interp(np.abs(z_effective), size[order], q))


def hot_spots(
    values: Array, cell_m: float, distance_m: float, noise_range_m: float | None = None
) -> HotSpots:
    """Gi* with p-values under autocorrelation and q-values.

    Parameters
    ----------
    values
        Field, dims (y, x), square cells; NaN cells take no part.
    cell_m
        Cell size [m].
    distance_m
        Radius of the neighbourhood [m]; cells whose centres lie within it belong to it.
    noise_range_m
        Distance beyond which noise is not correlated [m], see `variance_inflation`: such as 4.5
        times the resolution of the sensor; by default 2.5 ``distance_m``, on the safe side.

    Returns
    -------
    HotSpots
        All NaN for a field that is constant or has fewer than three valid cells.
    """
    data = np.asarray(values, dtype="float64")
    valid = np.isfinite(data)
    z = getis_ord(data, cell_m, distance_m)
    span_m = NOISE_RANGE_RADII * distance_m if noise_range_m is None else noise_range_m
    inflation = (
        variance_inflation(data, cell_m, distance_m, span_m) if np.isfinite(z).any() else 1.0
    )
    # a neighbourhood of few cells cannot be inflated by more than their number
    members = np.where(valid, _neighbours(valid, disc(distance_m / cell_m)), np.nan)
    effective = z / np.sqrt(np.minimum(inflation, np.maximum(members, 1.0)))
    p = two_sided_p(effective)
    return HotSpots(
        gi_z=z,
        z_effective=effective,
        p_value=p,
        q_value=benjamini_hochberg(p),
        inflation=inflation,
        mean=float(data[valid].mean()) if valid.any() else math.nan,
        sd=float(data[valid].std()) if valid.any() else math.nan,
        distance_m=distance_m,
    )


def disc(radius: float) -> Array:
    """Binary kernel (k, k) of the cells whose centre lies within ``radius`` [cells].

    >>> int(disc(1).sum()), int(disc(1.5).sum())
    (5, 9)
    """
    reach = int(radius + 1e-9)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray((x * x + y * y <= radius * radius * (1 + 1e-9)).astype("float64"))


def getis_ord(values: Array, cell_m: float, distance_m: float) -> Array:
    """Gi* z-score (1), dims (y, x); see the module for the formula.

    NaN where the cell is NaN, where the neighbourhood holds every valid cell, and everywhere
    in a constant field, for which the statistic is not defined.
    """
    data = np.asarray(values, dtype="float64")
    valid = np.isfinite(data)
    n = int(valid.sum())
    out = np.full(data.shape, np.nan)
    if n < 3:
        return out
    mean = data[valid].mean()
    centred = np.where(valid, data - mean, 0.0)
    sd = math.sqrt(float((centred[valid] ** 2).mean()))
    if sd <= 1e-12 * max(abs(mean), 1e-300):
        return out
    kernel = disc(distance_m / cell_m)
    weight = _neighbours(valid, kernel)
    spread = np.sqrt(np.maximum(n * weight - weight**2, 0.0) / (n - 1))
    known = valid & (spread > 0)
    total = _convolve(centred / sd, kernel)
    out[known] = total[known] / spread[known]
    return out


def _convolve(field: Array, kernel: Array) -> Array:
    """Convolution with a kernel that may be larger than the field, same shape as the field."""
    rows, cols = field.shape
    top, left = (kernel.shape[0] - 1) // 2, (kernel.shape[1] - 1) // 2
    full = fftconvolve(field, kernel, mode="full")
    return np.asarray(full[top : top + rows, left : left + cols])


def _neighbours(valid: npt.NDArray[np.bool_], kernel: Array) -> Array:
    """Number of valid cells in the neighbourhood of each cell; whole numbers, exactly."""
    return np.asarray(np.rint(_convolve(valid.astype("float64"), kernel)))


def correlation_map(values: Array, reach: int) -> Array:
    """Correlation of the field with itself at offsets up to ``reach`` cells.

    Parameters
    ----------
    values
        Field, dims (y, x), NaN where unknown.
    reach
        Largest offset along each axis [cells].

    Returns
    -------
    ndarray
        (2 reach + 1, 2 reach + 1): covariance over the pairs of valid cells, divided by the
        variance; NaN where no pair exists.
    """
    valid = np.isfinite(values)
    centred = np.where(valid, values - values[valid].mean(), 0.0)
    shape = [next_fast_len(n + reach, real=True) for n in values.shape]

    def autocorrelation(field: Array) -> Array:
        power = np.abs(rfft2(field, shape)) ** 2
        full = irfft2(power, shape)
        index = np.arange(-reach, reach + 1)
        return np.asarray(full[np.ix_(index, index)])

    pairs = np.rint(autocorrelation(valid.astype("float64")))
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.where(pairs > 0, autocorrelation(centred) / pairs, np.nan)
    return np.asarray(covariance / covariance[reach, reach])


def variance_inflation(
    values: Array, cell_m: float, distance_m: float, noise_range_m: float
) -> float:
    """Factor by which autocorrelation inflates the variance of a neighbourhood's sum.

    The null hypothesis is a field whose values are alike up to the noise range, and have no
    structure beyond it. Its covariance is that of the field above the sill, the mean covariance
    at that lag. For a neighbourhood of N cells, with r the correlation map of the field::

        inflation = sum_j sum_k (r(j - k) - r(noise range)) / N,     at least 1

    where pairs further apart than the noise range count 0. Structure larger than the noise range
    is not noise but what Gi* looks for. One number holds for the whole field, from the full
    neighbourhood; at edges, where neighbourhoods hold fewer cells, it errs on the safe side.

    Parameters
    ----------
    values, cell_m, distance_m, noise_range_m
        As in `hot_spots`.
    """
    kernel = disc(distance_m / cell_m)
    span = kernel.shape[0] - 1
    sill_lag = noise_range_m / cell_m
    reach = max(math.ceil(sill_lag), span)
    correlation = correlation_map(np.asarray(values, dtype="float64"), reach)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    lag = np.hypot(x, y)
    ring = correlation[(lag > sill_lag - 1) & (lag <= max(sill_lag, 1.0))]
    sill = float(np.nanmean(ring)) if np.isfinite(ring).any() else 0.0
    excess = np.where((lag < sill_lag) & np.isfinite(correlation), correlation - sill, 0.0)
    pairs = np.rint(fftconvolve(kernel, kernel))
    inner = excess[reach - span : reach + span + 1, reach - span : reach + span + 1]
    return max(1.0, float((pairs * inner).sum() / kernel.sum()))


def two_sided_p(z: Array) -> Array:
    """Probability of a normal deviate at least as far from 0 as ``z``; NaN stays NaN.

    >>> float(two_sided_p(np.array([1.959963984540054])).round(6)[0])
    0.05
    """
    return np.asarray(2.0 * ndtr(-np.abs(z)))


def benjamini_hochberg(p: Array) -> Array:
    """Smallest false discovery rate at which each test is rejected.

    With m tests in order of p, ``q_(i) = min over k >= i of p_(k) m / k`` (Benjamini & Hochberg
    1995).

    Parameters
    ----------
    p
        Probabilities, any shape; NaN is no test.

    Returns
    -------
    ndarray
        Same shape, NaN where ``p`` is NaN.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    out = np.full(np.shape(p), np.nan)
    tested = np.isfinite(p)
    values = np.asarray(p)[tested]
    order = np.argsort(values, kind="stable")
    ranks = np.arange(1, values.size + 1)
    rising = np.minimum.accumulate((values[order] * values.size / ranks)[::-1])[::-1]
    q = np.empty(values.size)
    q[order] = np.minimum(rising, 1.0)
    out[tested] = q
    return out


def confidence(q: Array, z: Array) -> Array:
    """Confidence class [%]: 99, 95, 90, or 0; negative for cold spots, NaN where unknown.

    >>> confidence(np.array([0.005, 0.02, 0.08, 0.5]), np.array([5.0, -3.0, 2.0, 0.1])).tolist()
    [99.0, -95.0, 90.0, 0.0]
    """
    out = np.where(np.isfinite(q), 0.0, np.nan)
    for level, limit in reversed(CONFIDENCE):
        out[np.asarray(q) <= limit] = level
    return np.asarray(np.where(np.asarray(z) < 0, -out, out) + 0.0)
