"""Scores of the retrievals on real Landsat scenes against the official surface temperature."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene
from heliopolis.quality import landsat_clear
from heliopolis.thermal.bands import band_of
from heliopolis.thermal.planck import brightness_temperature
from heliopolis.thermal.retrieval import retrieve_rte, retrieve_smw
from heliopolis.thermal.water_vapour import from_transmittance

#: What the inversion has to reach on each scene.
BAR_K = {"rmse": 0.16, "bias": 0.10}

_FOLDER = Path("satellite/landsat-c2l2-st-intermediates")
_RADIANCES = ("trad", "urad", "drad", "atran", "emis")
#: Edges of the classes of water vapour [mm].
CLASSES_MM = (0.0, 10.0, 20.0, 30.0, 40.0, 70.0)
#: Fewer clear pixels than this give no score.
_MIN_PIXELS = 100


def score_rte(data_dir: Path) -> dict[str, Any]:
    """Invert real Collection 2 scenes from their intermediate bands; compare with ST_B10.

    Returns
    -------
    dict
        For each scene number of clear pixels, RMSE, bias and mean stated 1-sigma error [K], and
        whether the bars are met; None where the scene lacks the bands or has too few clear pixels.
    """
    return {scene_name: _score_rte(scene) for scene_name, scene in _scenes(data_dir).items()}


def score_smw(data_dir: Path) -> dict[str, Any]:
    """Mono-window method on the same scenes against ST_B10, by class of water vapour.

    Water vapour comes from the scene's own ST_ATRAN, brightness temperature from ST_TRAD. The
    scenes are Level 2 and hold no band 11: there is no split window to score.
    """
    return {scene_name: _score_smw(scene) for scene_name, scene in _scenes(data_dir).items()}


def _scenes(data_dir: Path) -> dict[str, LandsatScene]:
    folders = sorted(path for path in (data_dir / _FOLDER).glob("assets*") if path.is_dir())
    if not folders:
        raise InputError("no scene found", where=str(data_dir / _FOLDER),
                         remedy="Point to the data folder")  # fmt: skip
    return {folder.name: LandsatScene.from_folder(folder) for folder in folders}


def _bands(scene: LandsatScene) -> xr.Dataset | None:
    if any(key not in scene.files for key in _RADIANCES):
        return None
    bands = scene.read([*_RADIANCES, "emsd", "cdist", "lwir11", "qa_pixel"], scene.grid)
    bands["clear"] = landsat_clear(bands["qa_pixel"])
    return bands


def _score_rte(scene: LandsatScene) -> dict[str, Any] | None:
    bands = _bands(scene)
    if bands is None:
        return None
    model = band_of(scene.spacecraft, 10, *scene.thermal_constants(10))
    trad, urad, drad, atran, emis = (bands[key] for key in _RADIANCES)
    found = retrieve_rte(trad, urad, drad, atran, emis, model, bands["emsd"].fillna(0.01))
    error = (found["lst_k"] - bands["lwir11"]).where(bands["clear"])
    scores = _statistics(error.to_numpy())
    if scores is None:
        return None
    scores |= {"scene": scene.name, "stated_sigma_k": _mean(found["sd_k"].where(error.notnull()))}
    for name, value in (("rmse", scores["rmse_k"]), ("bias", abs(scores["bias_k"]))):
        scores[f"{name}_bar"] = met(value, BAR_K[name])
    return scores


def met(value: float, bar: float) -> str:
    """What is printed beside a figure that has to stay below a bar.

    >>> met(0.1, 0.16), met(0.2, 0.16)
    ('met (<= 0.16)', 'NOT MET (<= 0.16)')
    """
    return f"{'met' if value <= bar else 'NOT MET'} (<= {bar:g})"


def _score_smw(scene: LandsatScene) -> dict[str, Any] | None:
    bands = _bands(scene)
    if bands is None:
        return None
    water, water_sd = from_transmittance(bands["atran"], scene.spacecraft)
    brightness = brightness_temperature(bands["trad"], *scene.thermal_constants(10))
    found = retrieve_smw(
        brightness,
        bands["emis"],
        water,
        scene.spacecraft,
        bands["emsd"].fillna(0.01),
        water_sd,
    )
    error = (found["lst_k"] - bands["lwir11"]).where(bands["clear"]).to_numpy()
    scores = _statistics(error)
    if scores is None:
        return None
    for low, high in pairwise(CLASSES_MM):
        inside = ((water >= low) & (water < high)).to_numpy()
        part = _statistics(np.where(inside, error, np.nan))
        if part is not None:
            scores[f"water_{low:g}_{high:g}_mm"] = part
    inside = np.abs(error) <= found["sd_k"].to_numpy()
    scores["within_1_sigma"] = round(float(inside[np.isfinite(error)].mean()), 3)
    return scores


def _statistics(error: Any) -> dict[str, Any] | None:
    good = error[np.isfinite(error)]
    if good.size < _MIN_PIXELS:
        return None
    return {
        "n_pixels": int(good.size),
        "rmse_k": round(float(np.sqrt(np.mean(good.astype("float64") ** 2))), 3),
        "bias_k": round(float(np.mean(good, dtype="float64")), 3),
    }


def _mean(values: xr.DataArray) -> float:
    return round(float(values.mean(dtype="float64")), 3)
