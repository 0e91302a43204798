"""What a field without hot spots would look like: its covariance, and how sure that is.

Neighbouring temperatures are alike, so the mean of a neighbourhood varies far more than that of
as many independent values: its variance is that of a block in geostatistics, the mean covariance
of all pairs of its cells (Journel & Huijbregts 1978, Mining Geostatistics, section II.D)::

    Var(mean over v) = 1 / N^2 sum_j sum_k C(j - k)

The covariance C is taken from the field itself, about the field's mean: it is then that of the
dispersion of neighbourhoods within the field, which is what Gi* measures. Hot and cold spots are
left out of it, step by step. What is estimated from few independent places is uncertain itself:
the statistic is compared with Student's t, with the degrees of freedom of the variance of a
correlated sample (Bartlett 1946, doi:10.2307/2983611; the area's counterpart in Clifford,
Richardson & Hemon 1989, doi:10.2307/2532039)::

    df = N / sum_h r(h)^2 - 1,     r: correlation of neighbourhood means at offset h
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.signal import fftconvolve

from heliopolis.heat.neighbourhoods import disc

Array = npt.NDArray[np.floating[Any]]

#: The covariance is not followed further than this many cells.
_LONGEST_LAG = 384
#: Discs by which the variance of cut neighbourhoods is interpolated.
_SIZES = 12


@dataclass(frozen=True)
class NullField:
    """A field without hot spots.

    Attributes
    ----------
    mean, variance
        Of its cells, in the field's unit and its square.
    members, sd
        Number of cells of a neighbourhood, rising, and standard deviation of its mean.
    degrees_of_freedom
        Of ``sd``; inf where it is taken as known.
    range_cells
        Distance at which the covariance has fallen to nothing [cells].
    """

    mean: float
    variance: float
    members: Array
    sd: Array
    degrees_of_freedom: float
    range_cells: float

    @property
    def inflation(self) -> float:
        """Variance of a full neighbourhood's mean over that of independent cells (1)."""
        return float(self.sd[-1] ** 2 * self.members[-1] / self.variance)

    def sd_of(self, members: Any) -> Array:
        """Standard deviation of the mean of so many cells, in the field's unit."""
        known = np.interp(np.sqrt(np.arange(self.members[-1] + 1)), np.sqrt(self.members), self.sd)
        return np.asarray(known[np.minimum(members, len(known) - 1)])


def covariance_map(fields: Sequence[Array], mean: float, reach: int) -> Array:
    """Covariance of fields with themselves at offsets up to ``reach`` cells.

    Parameters
    ----------
    fields
        Parts of one field, dims (y, x) each, NaN where unknown.
    mean
        What the covariance is taken about.
    reach
        Largest offset along each axis [cells].

    Returns
    -------
    ndarray
        (2 reach + 1, 2 reach + 1): mean product over the pairs of valid cells; NaN where no pair
        exists.
    """
    index = np.arange(-reach, reach + 1)
    pairs = np.zeros((2 * reach + 1, 2 * reach + 1))
    products = np.zeros_like(pairs)
    for field in fields:
        valid = np.isfinite(field)
        shape = [next_fast_len(n + reach, real=True) for n in field.shape]
        for source, target in (
            (valid.astype("float64"), pairs),
            (np.where(valid, field - mean, 0.0), products),
        ):
            spectrum = rfft2(source, shape)
            target += irfft2(spectrum.real**2 + spectrum.imag**2, shape)[np.ix_(index, index)]
    pairs = np.rint(pairs)
    return np.where(pairs > 0, products / np.maximum(pairs, 1.0), np.nan)


def radial(covariance: Array) -> Array:
    """Mean covariance by distance, in steps of one cell from 0."""
    reach = covariance.shape[0] // 2
    known = np.isfinite(covariance)
    ring = np.rint(_lags(reach)).astype("int64")[known]
    number = np.bincount(ring, minlength=reach + 1)
    total = np.bincount(ring, covariance[known], minlength=reach + 1)
    return np.asarray((total / np.maximum(number, 1))[: reach + 1])


def _lags(reach: int) -> Array:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(np.hypot(x, y))


def field_null(fields: Sequence[Array], radius: float) -> NullField:
    """Null field with all of the covariance that the fields have.

    Parameters
    ----------
    fields
        Parts of one field, dims (y, x) each, NaN where unknown and where hot and cold spots are.
    radius
        Radius of the neighbourhood [cells].
    """
    number = sum(int(np.isfinite(field).sum()) for field in fields)
    mean = sum(float(np.nansum(field, dtype="float64")) for field in fields) / number
    reach = max(min(min(fields[0].shape) // 2, _LONGEST_LAG), 2 * int(radius + 1e-9), 1)
    covariance = covariance_map(fields, mean, reach)
    profile = radial(covariance)
    negative = np.flatnonzero(profile <= 0.0)
    cut = int(negative[0]) if negative.size else reach
    near = np.where((_lags(reach) < cut) & np.isfinite(covariance), covariance, 0.0)
    kernel = disc(radius)
    pairs = fftconvolve(kernel, kernel) / kernel.sum() ** 2
    of_means = fftconvolve(near, pairs, mode="same")
    correlation = np.where(_lags(reach) < cut, of_means / of_means[reach, reach], 0.0)
    freedom = max(2.0, number / float((correlation**2).sum()) - 1.0)
    members, sd = _block_sd(np.nan_to_num(covariance), radius)
    return NullField(mean, float(profile[0]), members, sd, freedom, float(cut))


def noise_null(
    fields: Sequence[Array], radius: float, noise_cells: float, mean: float
) -> NullField:
    """Null field whose values are alike up to the noise range, and have no structure beyond.

    Its covariance is that of the fields above the sill, the mean covariance at that distance:
    structure larger than that is not noise but what is looked for.

    Parameters
    ----------
    fields, radius
        As in `field_null`.
    noise_cells
        Distance beyond which noise is not correlated [cells].
    mean
        Of the whole field, in its unit.
    """
    reach = max(math.ceil(noise_cells), 2 * int(radius + 1e-9), 1)
    covariance = covariance_map(fields, mean, reach)
    lag = _lags(reach)
    ring = covariance[(lag > noise_cells - 1) & (lag <= max(noise_cells, 1.0))]
    sill = float(np.nanmean(ring)) if np.isfinite(ring).any() else 0.0
    excess = np.where((lag < noise_cells) & np.isfinite(covariance), covariance - sill, 0.0)
    variance = float(covariance[reach, reach])
    members, sd = _block_sd(excess, radius)
    sd = np.maximum(sd, np.sqrt(variance / members))
    return NullField(mean, variance, members, sd, math.inf, noise_cells)


def _block_sd(covariance: Array, radius: float) -> tuple[Array, Array]:
    """Members of discs up to ``radius`` [cells], and standard deviation of the disc's mean.

    It never falls below that of independent cells, nor rises above that of one cell.
    """
    reach = covariance.shape[0] // 2
    variance = float(covariance[reach, reach])
    members: list[float] = []
    sd: list[float] = []
    for part in np.unique(np.r_[np.linspace(0.0, radius, _SIZES), 1.0 if radius > 1 else 0.0]):
        kernel = disc(float(part))
        number, span = kernel.sum(), kernel.shape[0] - 1
        if members and number <= members[-1]:
            continue
        pairs = np.rint(fftconvolve(kernel, kernel))
        inner = covariance[reach - span : reach + span + 1, reach - span : reach + span + 1]
        block = float((pairs * inner).sum()) / number**2
        members.append(number)
        sd.append(math.sqrt(min(max(block, variance / number), variance)))
    return np.array(members), np.array(sd)
