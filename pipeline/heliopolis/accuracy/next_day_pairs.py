"""Two looks at one city on neighbouring days, against what is stated of their error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.raster import raster_grid, read_raster
from heliopolis.thermal.composite_error import split_sigma
from heliopolis.thermal.conserve import Nesting
from heliopolis.thermal.planck import ZERO_C_K, from_linear, to_linear

_FOLDER = Path("satellite/muenster-landsat-st")
PAIRS = (
    ("20220308", "20220309"),
    ("20220324", "20220325"),
    ("20240625", "20240626"),
    ("20250620", "20250621"),
)
#: Error that the configuration takes for files that carry none [K] (``thermal.sources.sigma_k``).
FILE_SIGMA_K = 1.5
#: Whole multiples of the 30 m pixels that come nearest to the 100 m of the sensor [m].
CELL_M = 90.0


def score_next_day_pairs(data_dir: Path, *, sigma_k: float = FILE_SIGMA_K) -> dict[str, Any]:
    """Spread of the difference of two Landsat dates one day apart, against the stated sigma.

    The difference of the areas' medians (weather, and the part of the error that a whole scene
    shares) is taken out. What comes back on both dates (emissivity above all) cannot show. So the
    spread is to be ``sqrt(2)`` times the random part of the error, which the composite divides by
    the number of dates; the files state 1.5 K as a whole, `split_sigma` says how much is random.
    Nothing is fitted to these pairs; the spread has in it what really changed in a day.

    Returns
    -------
    dict
        For each pair ``n_cells``, ``bias_k``, ``spread_k`` (standard deviation),
        ``spread_robust_k`` (half the range of the middle 68 %), ``stated_k`` and the shares
        within one and two stated sigmas; ``spread_rms_k`` and ``ratio``, over all pairs, of the
        spread to what is stated.
    """
    folder = data_dir / _FOLDER
    files = {_day(path): path for path in sorted(folder.glob("LC*_ST_B10.TIF"))}
    missing = [day for pair in PAIRS for day in pair if day not in files]
    if missing:
        raise InputError(f"no scene of {missing[0]}", where=str(folder),
                         remedy="Point to the data folder")  # fmt: skip
    random, systematic = (float(part) for part in split_sigma(xr.DataArray(sigma_k)))
    pairs = {
        f"{first}_{second}": _pair(_cells(files[first]), _cells(files[second]), random)
        for first, second in PAIRS
    }
    spread = float(np.sqrt(np.mean([one["spread_k"] ** 2 for one in pairs.values()])))
    return {
        "pairs": pairs,
        "random_k": round(random, 3),
        "systematic_k": round(systematic, 3),
        "spread_rms_k": round(spread, 3),
        "ratio": round(spread / (2.0**0.5 * random), 3),
    }


def _day(path: Path) -> str:
    found = re.search(r"_(\d{8})_", path.name)
    return found.group(1) if found else ""


def _cells(file: Path) -> np.ndarray[Any, Any]:
    """Mean of T^4 over cells of 90 m [K]."""
    native = raster_grid(file)
    factor = round(CELL_M / native.resolution.x)
    rows, columns = (size // factor * factor for size in native.shape)
    values = read_raster(file).to_array().values[0][:rows, :columns]
    kelvin = np.where(values > -100.0, values + ZERO_C_K, np.nan)
    grid = native[:rows, :columns]
    nest = Nesting.between(coarsen(grid, CELL_M), grid)
    return np.asarray(from_linear(nest.mean_valid(to_linear(kelvin), 0.99)))


def _pair(
    first: np.ndarray[Any, Any], second: np.ndarray[Any, Any], random_k: float
) -> dict[str, Any]:
    difference = (second - first)[np.isfinite(second - first)]
    bias = float(np.median(difference))
    left = difference - bias
    low, high = np.quantile(left, (0.16, 0.84))
    stated = 2.0**0.5 * random_k
    return {
        "n_cells": int(left.size),
        "bias_k": round(bias, 3),
        "spread_k": round(float(left.std()), 3),
        "spread_robust_k": round(float(high - low) / 2.0, 3),
        "stated_k": round(stated, 3),
        "within_1_sigma": round(float(np.mean(np.abs(left) <= stated)), 3),
        "within_2_sigma": round(float(np.mean(np.abs(left) <= 2.0 * stated)), 3),
    }
