"""Surface temperature of Landsat 8 from the same numbers, beside pylandtemp.

The peer's formulas are written anew below as they stand in its code (release 0.0.1a1 and its
repository of January 2023, Apache-2.0): the package itself is not asked for here. Both get the
digital numbers of red, near infrared and bands 10 and 11; ours also gets the MTL file's constants
and the water vapour. Truth is the simulation of `heliopolis.accuracy.band_truth`: air of LOWTRAN 7
below 3 g cm-2, ground from 249 to 326 K. On these arrays the formulas give the package's own
result to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from heliopolis.accuracy.band_truth import CONSTANTS, simulate_bands
from heliopolis.thermal.emissivity import ndvi, ndvi_threshold
from heliopolis.thermal.planck import brightness_temperature, radiance
from heliopolis.thermal.retrieval import retrieve_smw, retrieve_split_window
from tests.bench.measure import Row, compare, measured

Array = np.ndarray[Any, Any]
SIDE = 1500
CRAFT = "LANDSAT_8"
GAIN, OFFSET = 3.342e-4, 0.1
RED_NIR = {"plants": (0.05, 0.45), "soil": (0.20, 0.26), "mixed": (0.12, 0.25)}


@dataclass(frozen=True)
class Picture:
    """Level-1 numbers, water vapour [mm] and truth [K] of pixels."""

    red: Array
    nir: Array
    b10: Array
    b11: Array
    tcwv_mm: Array
    truth_k: Array


def picture(side: int) -> Picture:
    """Pixels drawn from the simulated cases, whose ground is that of their red and infrared."""
    rng = np.random.default_rng(8)
    cases = simulate_bands(CRAFT)
    plants, soil = cases["emissivity_10"] == 0.986, cases["emissivity_10"] == 0.967
    cases = cases[(plants | soil) & (cases["tcwv_mm"] < 30.0)]
    drawn = cases.sample(side * side, replace=True, random_state=1)
    green = (drawn["emissivity_10"] == 0.986).to_numpy()
    light = [
        np.where(green, RED_NIR["plants"][i], RED_NIR["soil"][i])
        * (1.0 + 0.03 * rng.standard_normal(green.shape))
        for i in (0, 1)
    ]
    numbers = []
    for band in (10, 11):
        kelvin = drawn[f"brightness_{band}_k"] + rng.normal(0.0, 0.05, len(drawn))
        numbers.append((radiance(kelvin.to_numpy(), *CONSTANTS[CRAFT, band]) - OFFSET) / GAIN)
    bands = [((value + 0.1) / 2e-5) for value in light] + numbers
    red, nir, b10, b11 = (np.round(band).reshape(side, side).astype("float32") for band in bands)
    water, truth = (drawn[name].to_numpy().reshape(side, side) for name in ("tcwv_mm", "lst_k"))
    return Picture(red, nir, b10, b11, water, truth)


def _array(values: Array) -> xr.DataArray:
    return xr.DataArray(values, dims=("y", "x"))


def _ours_inputs(scene: Picture) -> tuple[xr.DataArray, xr.DataArray]:
    red, nir = (_array(band) * 2e-5 - 0.1 for band in (scene.red, scene.nir))
    return ndvi(red, nir), red


def _seen(numbers: Array, band: int) -> xr.DataArray:
    light = _array(numbers) * GAIN + OFFSET
    return brightness_temperature(light.where(numbers > 0), *CONSTANTS[CRAFT, band])


def ours_mono(scene: Picture) -> xr.Dataset:
    """Mono-window with its error in parts."""
    index, red = _ours_inputs(scene)
    water = _array(scene.tcwv_mm)
    return retrieve_smw(_seen(scene.b10, 10), ndvi_threshold(index, red, 10), water, CRAFT)


def ours_split(scene: Picture) -> xr.Dataset:
    """Split window with its error in parts."""
    index, red = _ours_inputs(scene)
    e10, e11 = (ndvi_threshold(index, red, band) for band in (10, 11))
    seen = _seen(scene.b10, 10), _seen(scene.b11, 11)
    return retrieve_split_window(*seen, e10, e11, _array(scene.tcwv_mm), spacecraft=CRAFT)


def peer_emissivity(scene: Picture) -> Array:
    """Its default, from NDVI of the bare numbers: 0.97, 0.986 and a bit, 0.99."""
    index = (scene.nir - scene.red) / (scene.nir + scene.red + 1e-15)
    mixed = 0.986 + 0.004 * ((index - 0.2) / 0.3) ** 2
    return np.where(index < 0.2, 0.97, np.where(index > 0.5, 0.99, mixed))


def peer_brightness(numbers: Array, k1: float, k2: float) -> Array:
    """Its constants are fixed."""
    return np.asarray(k2 / np.log(k1 / (numbers * 0.0003342 + 0.1) + 1.0))


def peer_mono(scene: Picture) -> Array:
    """Wavelength in metres beside a constant in micrometre kelvin; above 56.7 degC NaN."""
    seen = peer_brightness(scene.b10, 774.89, 1321.08)
    lst = seen / (1.0 + 0.0000115 * seen / 14380.0 * np.log(peer_emissivity(scene)))
    return np.where(lst > 273.15 + 56.7, np.nan, lst)


def peer_split(scene: Picture) -> Array:
    """Coefficient 1.387, one emissivity for both bands, water vapour 0.013."""
    t10 = peer_brightness(scene.b10, 774.89, 1321.08)
    t11 = peer_brightness(scene.b11, 480.89, 1201.14)
    mean = peer_emissivity(scene)
    d, water = t10 - t11, 0.013
    lst = t10 + 1.387 * d + 0.183 * d**2 - 0.268 + (54.3 - 2.238 * water) * (1.0 - mean)
    return np.where(lst > 273.15 + 56.7, np.nan, lst)


def _row(what: str, scene: Picture, mine: Any, peer: str, theirs: Any) -> Row:
    own, other = measured(lambda: mine(scene)), measured(lambda: theirs(scene))
    errors = [found - scene.truth_k for found in (own.value["lst_k"].to_numpy(), other.value)]
    rmse = [float(np.sqrt(np.nanmean(error**2))) for error in errors]
    bias = [float(np.nanmean(error)) for error in errors]
    lost = float(np.isnan(errors[1]).mean())
    inside = np.abs(errors[0]) <= own.value["sd_k"].to_numpy()
    return compare(
        f"{what} of {SIDE} x {SIDE} pixels",
        own,
        peer,
        other,
        f"RMSE {rmse[0]:.2f} K, peer {rmse[1]:.2f} K; bias {bias[0]:+.2f}, peer {bias[1]:+.2f} K; "
        f"ours with errors ({inside.mean():.0%} inside 1 sigma), peer loses {lost:.1%} as too hot",
        {"rmse_k": rmse[0], "peer_rmse_k": rmse[1], "bias_k": bias[0], "peer_bias_k": bias[1],
         "peer_lost_share": lost, "within_1_sigma": float(inside.mean())},
    )  # fmt: skip


def run() -> list[Row]:
    """Compare mono-window, then split window."""
    scene = picture(SIDE)
    return [
        _row("mono-window", scene, ours_mono, "pylandtemp, mono-window, rewritten", peer_mono),
        _row("split window", scene, ours_split, "pylandtemp, jiminez-munoz, rewritten", peer_split),
    ]
