"""Score of the radiative transfer inversion against the official surface temperature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene
from heliopolis.quality import landsat_clear
from heliopolis.thermal.retrieval import rte

_FOLDER = Path("satellite/landsat-c2l2-st-intermediates")
_RADIANCES = ("trad", "urad", "drad", "atran", "emis")
#: Fewer clear pixels than this give no score.
_MIN_PIXELS = 100


def score_rte(data_dir: Path) -> dict[str, Any]:
    """Invert real Collection 2 scenes from their intermediate bands; compare with ST_B10.

    Returns
    -------
    dict
        For each scene number of clear pixels, RMSE, bias and mean stated 1-sigma error [K];
        None where the scene lacks the bands or has too few clear pixels.
    """
    folders = sorted(path for path in (data_dir / _FOLDER).glob("assets*") if path.is_dir())
    if not folders:
        raise InputError("no scene found", where=str(data_dir / _FOLDER),
                         remedy="Point to the data folder")  # fmt: skip
    return {folder.name: _score(LandsatScene.from_folder(folder)) for folder in folders}


def _score(scene: LandsatScene) -> dict[str, Any] | None:
    if any(key not in scene.files for key in _RADIANCES):
        return None
    bands = scene.read([*_RADIANCES, "emsd", "lwir11", "qa_pixel"], scene.grid)
    k1, k2 = scene.thermal_constants(10)
    trad, urad, drad, atran, emis = (bands[key] for key in _RADIANCES)
    lst, sd = rte(trad, urad, drad, atran, emis, k1, k2, bands["emsd"].fillna(0.01))
    error = (lst - bands["lwir11"]).where(landsat_clear(bands["qa_pixel"])).to_numpy()
    good = np.isfinite(error)
    if good.sum() < _MIN_PIXELS:
        return None
    return {
        "scene": scene.name,
        "n_pixels": int(good.sum()),
        "rmse_k": round(float(np.sqrt(np.mean(error[good] ** 2))), 3),
        "bias_k": round(float(np.mean(error[good])), 3),
        "stated_sigma_k": round(float(np.mean(sd.to_numpy()[good])), 3),
    }
