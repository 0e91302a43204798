"""Sharpening of surface temperature beside TsHARP with a random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage
from sklearn.ensemble import RandomForestRegressor

from heliopolis.thermal.sharpen import SharpenResult, sharpen
from tests.bench.measure import Row, compare, measured

Array = np.ndarray[Any, Any]
SIDE = 400
FACTOR = 10
NOISE_K = 0.3


@dataclass(frozen=True)
class Town:
    """A made-up town: truth [K] and predictors on the fine grid, what the sensor saw [K]."""

    truth_k: Array
    seen_k: Array
    predictors: dict[str, Array]
    coarse: GeoBox
    fine: GeoBox


def town(side: int) -> Town:
    """Temperature that follows the predictors in part: bent, with a share they do not know.

    1.4 K of it (1 sigma) vary over about 400 m and 0.5 K from pixel to pixel, unseen by any
    predictor.
    """
    rng = np.random.default_rng(3)

    def pattern(length: float) -> Array:
        field = ndimage.gaussian_filter(rng.standard_normal((side, side)), length, mode="wrap")
        return np.asarray(field / field.std())

    ndvi = 0.45 + 0.25 * np.tanh(pattern(3.0) + 0.5 * pattern(12.0))
    built = 1.0 / (1.0 + np.exp(-2.0 * (pattern(4.0) - (ndvi - 0.45) / 0.25)))
    albedo = 0.18 + 0.04 * pattern(2.0)
    kelvin = 306.0 - 12.0 * ndvi**1.5 + 5.0 * built - 25.0 * (albedo - 0.18) * built
    truth = kelvin + 1.4 * pattern(40.0) + 0.5 * rng.standard_normal((side, side))
    fine = GeoBox.from_bbox((0, 0, side * 10, side * 10), "EPSG:2154", resolution=10)
    coarse = GeoBox.from_bbox((0, 0, side * 10, side * 10), "EPSG:2154", resolution=10 * FACTOR)
    seen = blocks(truth**4) ** 0.25
    seen = seen + rng.normal(0.0, NOISE_K, seen.shape)
    return Town(truth, seen, {"ndvi": ndvi, "built": built, "albedo": albedo}, coarse, fine)


def blocks(fine: Array) -> Array:
    """Mean over the pixels of each coarse cell."""
    rows, cols = (n // FACTOR for n in fine.shape)
    return np.asarray(fine.reshape(rows, FACTOR, cols, FACTOR).mean(axis=(1, 3)))


def ours(place: Town, regression: bool = True) -> SharpenResult:
    """Our sharpening, with the held-out test that decides whether and how far it is used."""
    sd = np.full(place.seen_k.shape, NOISE_K)
    return sharpen(
        place.seen_k, sd, place.predictors, place.coarse, place.fine, regression=regression
    )


def peer(place: Town) -> Array:
    """Forest learnt between cell means, applied to pixels; each cell's residual put back."""
    learnt = np.stack([blocks(field).ravel() for field in place.predictors.values()], axis=1)
    forest = RandomForestRegressor(100, min_samples_leaf=3, n_jobs=-1, random_state=0)
    forest.fit(learnt, place.seen_k.ravel())
    pixels = np.stack([field.ravel() for field in place.predictors.values()], axis=1)
    guess = forest.predict(pixels).reshape(place.fine.shape)
    return np.asarray(guess + np.kron(place.seen_k - blocks(guess), np.ones((FACTOR, FACTOR))))


def rmse_k(found: Any, place: Town) -> float:
    """Root mean square error [K]."""
    return float(np.sqrt(((np.asarray(found) - place.truth_k) ** 2).mean()))


def run() -> Row:
    """Compare the two."""
    place = town(SIDE)
    ours(town(120))
    mine, theirs = measured(lambda: ours(place)), measured(lambda: peer(place))
    plain = rmse_k(ours(place, regression=False).lst_k, place)
    errors = rmse_k(mine.value.lst_k, place), rmse_k(theirs.value, place)
    return compare(
        f"sharpening to {SIDE} x {SIDE} pixels, {FACTOR} times finer",
        mine,
        "scikit-learn forest, TsHARP",
        theirs,
        f"RMSE {errors[0]:.2f} K, peer {errors[1]:.2f} K, interpolation alone {plain:.2f} K",
        {"rmse_k": errors[0], "peer_rmse_k": errors[1], "interpolation_rmse_k": plain},
    )
