"""Hot spots of a gridded field: Getis-Ord Gi*, autocorrelation, false discovery rate.

Gi* of cell i, with binary weights w in a distance band that includes the cell itself (Getis & Ord
1992, doi:10.1111/j.1538-4632.1992.tb00261.x; Ord & Getis 1995,
doi:10.1111/j.1538-4632.1995.tb00912.x)::

    z_i = (sum_j w_ij x_j - m W_i) / (S sqrt((n W2_i - W_i^2) / (n - 1)))

with W = sum w, W2 = sum w^2 = W, m and S mean and population standard deviation of the n valid
cells. Its normal reference holds for values that could be exchanged between cells. Neighbouring
temperatures cannot: the sensor's point spread, resampling and the grain of the land make them
alike, and everything would come out significant (Ord & Getis 2001, doi:10.1111/0022-4146.00224).
So the variance of the neighbourhood's mean is computed from the covariance of a field without hot
spots, `heliopolis.heat.null_field`, and there are two of these:

* In a field that is random, all of the field's covariance is that of the null field, spots left
  out: a spot must stand out of everything else that the field does. In fields of one covariance
  and no spots, hardly any is found, whatever the range.
* A city is a mixture of grounds, and its largest structure is what is looked for. There only what
  is alike up to the noise range, a few times the resolution, is that of the null field.

Which of the two holds is tested first: the field without its spots must differ from random fields
with its own covariance by the law of its neighbourhood means (`heliopolis.heat.random_fields`);
otherwise it is taken as random. This order, from the field as a whole to its cells, keeps the
error rate of the first test (Marcus, Peritz & Gabriel 1976, doi:10.1093/biomet/63.3.655).

Many tests at once are corrected after Benjamini & Hochberg 1995
(doi:10.1111/j.2517-6161.1995.tb02031.x), which also holds for positively dependent tests
(Benjamini & Yekutieli 2001, doi:10.1214/aos/1013699998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from heliopolis.heat.cells import block_mean
from heliopolis.heat.false_discoveries import benjamini_hochberg
from heliopolis.heat.neighbourhoods import (
    gi_star,
    moments,
    neighbourhood_means,
    precision,
)
from heliopolis.heat.null_field import NullField, field_null, noise_null
from heliopolis.heat.random_fields import LARGEST_SIDE, departure_p

Array = npt.NDArray[np.floating[Any]]

#: How far noise may be correlated where nothing is known about it, in radii of the neighbourhood.
NOISE_RANGE_RADII = 2.5
#: How far it may be where the resolution is known: white noise blurred with a Gaussian of that
#: standard deviation has a correlation of exp(-4.5^2 / 4) < 1 % at this multiple of it.
NOISE_RANGE_RESOLUTIONS = 4.5
#: Confidence classes [%] and the largest q of each.
CONFIDENCE = ((99, 0.01), (95, 0.05), (90, 0.10))
#: False discovery rate at which spots are left out of the null field, and how often at most.
_SPOT_ALPHA, _ROUNDS = 0.05, 8
#: At least this share of the cells makes the null field.
_LEAST_NULL = 0.5
#: Probability below which a field differs from a random one: half the usual one, as this is the
#: first of two tests.
_DEPARTURE = 0.025
#: The null field of larger rasters is taken from so many tiles each way, of so many cells [a side].
_WHOLE_UP_TO, _TILES, _TILE = 2**22, 5, 512
#: Rows whose probabilities are computed at once.
_ROWS = 512


@dataclass(frozen=True)
class HotSpots:
    """Hot-spot statistics of a field; every array has dims (y, x) and NaN where unknown.

    Attributes
    ----------
    gi_z
        Gi* z-score (1); positive in hot, negative in cold neighbourhoods.
    z_effective
        Mean of the neighbourhood above that of the null field, over its standard deviation (1).
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
    null
        ``field`` or ``noise``: see the module.
    degrees_of_freedom
        Of Student's t; inf for a normal law.
    departure_p
        Probability that a random field is as far from normal (1); NaN where it was not asked.
    range_m
        Distance at which the null field's covariance has fallen to nothing [m].
    """

    gi_z: Array
    z_effective: Array
    p_value: Array
    q_value: Array
    inflation: float
    mean: float
    sd: float
    distance_m: float
    null: Literal["field", "noise"] = "field"
    degrees_of_freedom: float = math.inf
    departure_p: float = math.nan
    range_m: float = math.nan

    def critical_z(self, alpha: float) -> float:
        """Smallest effective z-score of a hot cell with q <= ``alpha``; inf where none is."""
        hot = (self.q_value <= alpha) & (self.z_effective > 0)
        return float(self.z_effective[hot].min()) if hot.any() else math.inf

    def mirrored(self) -> HotSpots:
        """Statistics of the field with its sign turned: cold spots are hot ones there."""
        return replace(self, gi_z=-self.gi_z, z_effective=-self.z_effective, mean=-self.mean)

    def p_at(self, z_effective: Array) -> Array:
        """Two-sided probability of an effective z-score."""
        return two_sided_p(z_effective, self.degrees_of_freedom)

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
        Field, dims (y, x), square cells; NaN cells take no part. May be a memory map; for more
        than 16.8 million cells results are in single precision, 10^8 cells take less than 4 GiB.
    cell_m
        Cell size [m].
    distance_m
        Radius of the neighbourhood [m]; cells whose centres lie within it belong to it.
    noise_range_m
        Distance beyond which noise is not correlated [m], such as 4.5 times the resolution of
        the sensor; by default 2.5 ``distance_m``. Infinite: the field is taken as random.

    Returns
    -------
    HotSpots
        All NaN for a field that is constant or has fewer than three valid cells.
    """
    data = np.asarray(values)
    if data.dtype not in (np.dtype("float32"), np.dtype("float64")):
        data = data.astype("float64")
    radius = distance_m / cell_m
    count, mean, sd = moments(data)
    gi_z = gi_star(data, radius)
    if count < 3 or not np.isfinite(gi_z).any():
        nothing = np.full(data.shape, np.nan)
        return HotSpots(nothing, nothing, nothing, nothing, 1.0, mean, sd, distance_m)
    span_m = NOISE_RANGE_RADII * distance_m if noise_range_m is None else noise_range_m
    parts = _parts(data)
    null, left = _null_without_spots(parts, radius, mean)
    kind: Literal["field", "noise"] = "field"
    departure = math.nan
    if math.isfinite(span_m):
        departure = _departure(data, radius, left)
        if departure <= _DEPARTURE:
            kind, null = "noise", noise_null(parts, radius, span_m / cell_m, mean)
    z, p = _tested(data, gi_z, radius, null)
    return HotSpots(
        gi_z=gi_z,
        z_effective=z,
        p_value=p,
        q_value=benjamini_hochberg(p),
        inflation=max(1.0, null.inflation),
        mean=mean,
        sd=sd,
        distance_m=distance_m,
        null=kind,
        degrees_of_freedom=null.degrees_of_freedom,
        departure_p=departure,
        range_m=null.range_cells * cell_m,
    )


def _tested(data: Array, gi_z: Array, radius: float, null: NullField) -> tuple[Array, Array]:
    """Effective z-scores and probabilities, where Gi* is defined."""
    z, members = neighbourhood_means(data, radius, null.mean)
    p = np.empty(z.shape, dtype=precision(data))
    for top in range(0, len(z), _ROWS):
        rows = slice(top, top + _ROWS)
        z[rows] /= null.sd_of(members[rows])
        z[rows][~np.isfinite(gi_z[rows])] = np.nan
        p[rows] = two_sided_p(z[rows], null.degrees_of_freedom)
    return z, p


def _parts(data: Array) -> list[Array]:
    """The field, or tiles of it that lie evenly where it is large, in double precision."""
    if data.size <= _WHOLE_UP_TO:
        return [data.astype("float64")]
    corners = [np.linspace(0, max(n - _TILE, 0), _TILES).astype(int) for n in data.shape]
    tiles = [
        data[y : y + _TILE, x : x + _TILE].astype("float64") for y in corners[0] for x in corners[1]
    ]
    known = [tile for tile in tiles if np.isfinite(tile).mean() >= 0.25]
    return known or [data.astype("float64")]


def _departure(data: Array, radius: float, left: list[Array]) -> float:
    """Probability that the field without its spots is a random one, on at most 384 x 384 cells."""
    factor = math.ceil(max(data.shape) / LARGEST_SIDE)
    if factor == 1:
        return departure_p(left[0], radius)
    coarse = block_mean(data, factor, 0.5)
    if np.isfinite(coarse).sum() < 3:
        return 1.0
    reach = max(radius / factor, 1.0)
    return departure_p(_null_without_spots([coarse], reach, float(np.nanmean(coarse)))[1][0], reach)


def _null_without_spots(
    parts: list[Array], radius: float, mean: float
) -> tuple[NullField, list[Array]]:
    """The null field of everything that is neither hot nor cold spot, and that everything.

    Spots are looked for with the null field of all, left out with their neighbourhoods, and looked
    for again, until their number stays.
    """
    null = field_null(parts, radius)
    offset = mean - null.mean
    means = [neighbourhood_means(part, radius) for part in parts]
    left, found = parts, 0
    for _ in range(_ROUNDS):
        spots = _spots(means, null)
        number = sum(int(one.sum()) for one in spots)
        if number in (0, found):
            break
        found = number
        fewer = [
            np.where(neighbourhood_means(spot.astype("float64"), radius)[0] > 0, np.nan, part)
            for spot, part in zip(spots, parts, strict=True)
        ]
        known = [sum(int(np.isfinite(one).sum()) for one in some) for some in (fewer, parts)]
        if known[0] < _LEAST_NULL * known[1]:
            break
        left, null = fewer, field_null(fewer, radius)
    return replace(null, mean=null.mean + offset), left


def _spots(means: list[tuple[Array, Any]], null: NullField) -> list[npt.NDArray[np.bool_]]:
    """Where parts of a field have significant cells."""
    tests = [
        two_sided_p((level - null.mean) / null.sd_of(members), null.degrees_of_freedom)
        for level, members in means
    ]
    q = benjamini_hochberg(np.concatenate([p.ravel() for p in tests]))
    ends = np.cumsum([p.size for p in tests])[:-1]
    return [
        (one <= _SPOT_ALPHA).reshape(p.shape)
        for one, p in zip(np.split(q, ends), tests, strict=True)
    ]


def getis_ord(values: Array, cell_m: float, distance_m: float) -> Array:
    """Gi* z-score (1), dims (y, x); see the module for the formula.

    NaN where the cell is NaN, where the neighbourhood holds every valid cell, and everywhere
    in a constant field, for which the statistic is not defined.
    """
    data = np.asarray(values)
    if data.dtype not in (np.dtype("float32"), np.dtype("float64")):
        data = data.astype("float64")
    return gi_star(data, distance_m / cell_m)


def two_sided_p(z: Array, degrees_of_freedom: float = math.inf) -> Array:
    """Probability of a deviate at least as far from 0 as ``z``; NaN stays NaN.

    Of Student's t, or of the normal law for infinitely many degrees of freedom.

    >>> float(two_sided_p(np.array([1.959963984540054])).round(6)[0])
    0.05
    """
    size = -np.abs(np.asarray(z, dtype="float64"))
    tail = ndtr(size) if degrees_of_freedom > 1e5 else stdtr(degrees_of_freedom, size)
    return np.asarray(2.0 * tail)


def confidence(q: Array, z: Array) -> Array:
    """Confidence class [%]: 99, 95, 90, or 0; negative for cold spots, NaN where unknown.

    >>> confidence(np.array([0.005, 0.02, 0.08, 0.5]), np.array([5.0, -3.0, 2.0, 0.1])).tolist()
    [99.0, -95.0, 90.0, 0.0]
    """
    out = np.where(np.isfinite(q), 0.0, np.nan)
    for level, limit in reversed(CONFIDENCE):
        out[np.asarray(q) <= limit] = level
    return np.asarray(np.where(np.asarray(z) < 0, -out, out) + 0.0)
