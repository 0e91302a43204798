"""Mono-window and split-window methods against temperatures that are known, in simulated air.

The table ``band_atmospheres.csv`` was made with LOWTRAN 7 (Kneizys et al. 1988, AFGL-TR-88-0177):
its six reference atmospheres with 0.4 to 2 times their water vapour below 11 km (relative humidity
90 % at most) and with -3, 0 and +6 K at the ground, the change fading out at 4 km; rural aerosol of
23 km visibility, 410 ppm of CO2; at nadir, 20 cm-1 resolution. Transmittance, path radiance and
hemispheric mean of the sky [W m-2 sr-1 um-1] are integrals over the spectral responses of
`heliopolis.thermal.spectral_response`; the transmittance is weighted by the ground's emission. Sums
by band in the place of sums by wavelength change the brightness temperature by less than 0.03 K
(TIRS), 0.1 K (TM, ETM+).

How independent: neither the coefficients under test nor the code and atmospheres they were fitted
with (MODTRAN, other profiles) enter. LOWTRAN 7 is an ancestor of MODTRAN with an older water-vapour
continuum, so that an error which both share stays unseen, and differences of some tenths of a
kelvin may come from the continuum, not from the methods. The emissivities and differences between
ground and air are the usual ones of such studies (Jimenez-Munoz et al. 2014: -5 to +20 K).
"""

from __future__ import annotations

import io
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from heliopolis.accuracy.landsat_st import met
from heliopolis.thermal.bands import band_of, constants_band
from heliopolis.thermal.mono_window import retrieve_smw
from heliopolis.thermal.split_window import retrieve_split_window, split_window_du

#: K1 and K2 of the MTL files, which the methods under test read brightness temperature with.
CONSTANTS = {
    ("LANDSAT_4", 6): (671.62, 1284.30),
    ("LANDSAT_5", 6): (607.76, 1260.56),
    ("LANDSAT_7", 6): (666.09, 1282.71),
    ("LANDSAT_8", 10): (774.8853, 1321.0789),
    ("LANDSAT_8", 11): (480.8883, 1201.1442),
    ("LANDSAT_9", 10): (799.0284, 1329.2405),
    ("LANDSAT_9", 11): (475.6581, 1198.3494),
}
#: Bar on the RMSE below `BAR_BELOW_MM` of water vapour [K].
BAR_K, BAR_BELOW_MM = 1.0, 30.0
#: Edges of the classes of water vapour [mm].
CLASSES_MM = (0.0, 10.0, 20.0, 30.0, 40.0, 60.0)
#: Emissivity in bands 10 (and 6) and 11: plants, soil, water, built, dry stone, grey.
_GROUNDS = (
    (0.986, 0.990), (0.967, 0.975), (0.991, 0.986), (0.950, 0.955), (0.940, 0.965), (0.980, 0.980),
)  # fmt: skip
#: Ground minus air [K].
_WARMER_K = (-5.0, 0.0, 5.0, 10.0, 20.0)
#: Errors drawn for the test of the stated sigma: noise of TIRS [K], emissivity, water vapour [mm].
_NOISE_K, _EMISSIVITY, _WATER_MM = 0.1, 0.01, 3.0


def simulate_bands(spacecraft: str) -> pd.DataFrame:
    """True cases of one satellite.

    Returns
    -------
    pd.DataFrame
        ``tcwv_mm``, ``air_k``, ``lst_k`` (truth) and for each band ``emissivity_<number>``,
        ``transmittance_<number>``, ``brightness_<number>_k`` (by K1 and K2).
    """
    text = resources.files("heliopolis.accuracy").joinpath("band_atmospheres.csv").read_text()
    air = pd.read_csv(io.StringIO(text))
    cases = air.loc[np.repeat(air.index, len(_GROUNDS) * len(_WARMER_K))].reset_index(drop=True)
    ground = np.array(_GROUNDS)[np.tile(np.repeat(range(6), len(_WARMER_K)), len(air))]
    cases["lst_k"] = cases["air_k"] + np.tile(_WARMER_K, len(_GROUNDS) * len(air))
    found = cases[["tcwv_mm", "air_k", "lst_k"]].copy()
    for name, number in (key for key in CONSTANTS if key[0] == spacecraft):
        stem = f"L{spacecraft[-1]}_{number}"
        tau, up, down = (cases[f"{stem}_{part}"].to_numpy() for part in ("tau", "up", "down"))
        emissivity = ground[:, 1 if number == 11 else 0]
        own = emissivity * band_of(name, number).radiance(found["lst_k"].to_numpy())
        seen = tau * (own + (1.0 - emissivity) * down) + up
        reader = constants_band(*CONSTANTS[name, number])
        found[f"emissivity_{number}"] = emissivity
        found[f"transmittance_{number}"] = tau
        found[f"brightness_{number}_k"] = reader.temperature(seen)
    return found


def score_band_truth(data_dir: Path | None = None) -> dict[str, Any]:
    """RMSE and bias [K] of each method by class of water vapour; water vapour, emissivity known.

    ``data_dir`` is not read. ``within_1_sigma`` and ``within_2_sigma`` are the shares of errors
    inside the stated one, with drawn errors of noise, emissivity and water vapour.
    """
    del data_dir
    found: dict[str, Any] = {}
    for name in ("LANDSAT_8", "LANDSAT_9", "LANDSAT_7", "LANDSAT_5", "LANDSAT_4"):
        cases = simulate_bands(name)
        single = _smw(cases, name)["lst_k"].to_numpy()
        found[f"smw_{name.lower()}"] = _scores(cases, single) | _coverage(cases, name)
        if "brightness_11_k" in cases:
            split = _split_window(cases, name)
            found[f"split_window_{name.lower()}"] = _scores(cases, split["lst_k"].to_numpy())
            found[f"split_window_du_{name.lower()}"] = _scores(cases, _du(cases))
    return found


def _columns(cases: pd.DataFrame, *names: str) -> list[xr.DataArray]:
    return [xr.DataArray(cases[name].to_numpy(), dims="case") for name in names]


def _band(cases: pd.DataFrame) -> int:
    return 10 if "brightness_10_k" in cases else 6


def _smw(cases: pd.DataFrame, spacecraft: str) -> xr.Dataset:
    number = _band(cases)
    brightness, emissivity, water = _columns(
        cases, f"brightness_{number}_k", f"emissivity_{number}", "tcwv_mm"
    )
    return retrieve_smw(brightness, emissivity, water, spacecraft)


def _split_window(cases: pd.DataFrame, spacecraft: str) -> xr.Dataset:
    t10, t11, e10, e11, water = _pairs(cases)
    return retrieve_split_window(t10, t11, e10, e11, water, spacecraft=spacecraft)


def _du(cases: pd.DataFrame) -> Any:
    return split_window_du(*_pairs(cases)).to_numpy()


def _pairs(cases: pd.DataFrame) -> list[xr.DataArray]:
    bands = ("brightness_10_k", "brightness_11_k", "emissivity_10", "emissivity_11")
    return _columns(cases, *bands, "tcwv_mm")


def _scores(cases: pd.DataFrame, lst_k: Any) -> dict[str, Any]:
    error = np.asarray(lst_k) - cases["lst_k"].to_numpy()
    water = cases["tcwv_mm"].to_numpy()
    found: dict[str, Any] = {}
    for low, high in pairwise(CLASSES_MM):
        inside = (water >= low) & (water < high)
        found[f"rmse_k_{low:g}_{high:g}_mm"] = _rmse(error[inside])
    dry = water < BAR_BELOW_MM
    found["rmse_k_below_30_mm"] = _rmse(error[dry])
    found["bias_k_below_30_mm"] = round(float(error[dry].mean()), 2)
    found["rmse_bar"] = met(found["rmse_k_below_30_mm"], BAR_K)
    return found


def _coverage(cases: pd.DataFrame, spacecraft: str) -> dict[str, float]:
    """Shares of errors inside the stated sigma, with drawn errors of what goes in."""
    rng = np.random.default_rng(11)
    number = _band(cases)
    drawn = cases.copy()
    drawn[f"brightness_{number}_k"] += rng.normal(0.0, _NOISE_K, len(cases))
    drawn[f"emissivity_{number}"] += rng.normal(0.0, _EMISSIVITY, len(cases))
    drawn["tcwv_mm"] = (drawn["tcwv_mm"] + rng.normal(0.0, _WATER_MM, len(cases))).clip(0.5)
    told = _smw(drawn, spacecraft)
    ratio = np.abs(told["lst_k"].to_numpy() - cases["lst_k"].to_numpy()) / told["sd_k"].to_numpy()
    shares = {1: (ratio <= 1).mean(), 2: (ratio <= 2).mean()}
    return {f"within_{n}_sigma": round(float(share), 3) for n, share in shares.items()}


def _rmse(error: Any) -> float:
    return round(float(np.sqrt(np.mean(np.square(error)))), 2)
