"""Score of sharpening against real Landsat scenes over Muenster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.raster import raster_grid, read_onto, read_raster
from heliopolis.thermal.conserve import Nesting, fill_gaps
from heliopolis.thermal.planck import ZERO_C_K, from_linear, to_linear
from heliopolis.thermal.sharpen import sharpen

_FOLDER = Path("satellite/muenster-landsat-st")
#: Landsat's thermal pixel [m]: what the reference itself resolves.
_NATIVE_M = 100.0


def score_muenster(
    data_dir: Path, *, coarse_m: float = 900.0, fine_m: float = 90.0
) -> dict[str, Any]:
    """Sharpen Landsat LST that was averaged to ``coarse_m`` and compare at ``fine_m``.

    The predictors are an undated Sentinel-2 band 11 and a class map of 10 m, smoothed to the
    100 m that the reference resolves.

    Returns
    -------
    dict
        ``dates``: for each date RMSE [K] of bilinear interpolation, of the area-preserving
        spline and of `sharpen`, the method it chose and its own estimate of the error;
        and their means.
    """
    folder = data_dir / _FOLDER
    files = sorted(folder.glob("LC*_ST_B10.TIF"))
    if not files:
        raise InputError("no scene found", where=str(folder), remedy="Point to the data folder")
    native = raster_grid(files[0])
    cells = int(coarse_m / 30)
    grid30 = native[: native.shape[0] // cells * cells, : native.shape[1] // cells * cells]
    fine, coarse = coarsen(grid30, fine_m), coarsen(grid30, coarse_m)
    predictors = muenster_predictors(folder, fine)
    dates = {}
    for file in files:
        values = read_raster(file).to_array().values[0][: grid30.shape[0], : grid30.shape[1]]
        kelvin = np.where(values > -100, values + ZERO_C_K, np.nan)
        dates[_date(file)] = _score(kelvin, predictors, grid30, fine, coarse)
    means = {
        key: float(np.mean([one[key] for one in dates.values()]))
        for key in ("rmse_bilinear_k", "rmse_smooth_k", "rmse_k", "skill_vs_bilinear", "coverage")
    }
    return {"coarse_m": coarse_m, "fine_m": fine_m, "dates": dates, **means}


def muenster_predictors(folder: Path, fine: GeoBox, smooth_m: float = _NATIVE_M) -> dict[str, Any]:
    """Band 11 and class shares on ``fine``, smoothed to ``smooth_m`` [m] FWHM; 0: not at all."""
    factor = round(fine.resolution.x / 10.0)
    shape = (fine.shape[0] * factor, fine.shape[1] * factor)
    ten = GeoBox(shape, fine.affine * fine.affine.scale(1 / factor), fine.crs)
    band = read_onto([folder / "B11_20m_clipped.tif"], ten, resampling="bilinear")
    codes = read_onto([folder / "Klassifikation_rf.tif"], ten).to_array().values[0]
    fields = {"swir16": band.to_array().values[0]}
    names = {1: "class_built", 2: "class_water", 3: "class_forest", 4: "class_field"}
    for code, name in names.items():
        fields[name] = np.where(np.isfinite(codes), codes == code, np.nan)
    nest = Nesting.between(fine, ten)
    sigma = smooth_m * 0.42466 / 10.0
    out = {}
    for name, values in fields.items():
        filled = fill_gaps(np.asarray(values, dtype="float64"))
        blurred = ndimage.gaussian_filter(filled, sigma, mode="nearest") if sigma else filled
        out[name] = nest.mean(blurred)
    return out


def _date(file: Path) -> str:
    match = re.search(r"_(\d{8})_", file.name)
    return match.group(1) if match else file.stem


def _score(
    kelvin: Any, predictors: dict[str, Any], grid30: GeoBox, fine: GeoBox, coarse: GeoBox
) -> dict[str, Any]:
    linear = to_linear(kelvin)
    truth = from_linear(Nesting.between(fine, grid30).mean_valid(linear, 0.99))
    nest = Nesting.between(coarse, fine)
    seen = from_linear(nest.mean_valid(to_linear(truth), 0.5))
    result = sharpen(seen, np.zeros(seen.shape), predictors, coarse, fine)
    plain = sharpen(seen, np.zeros(seen.shape), {}, coarse, fine, regression=False)
    error = np.asarray(result.lst_k) - truth
    bilinear = _rmse(_bilinear(seen, nest) - truth)
    rmse = _rmse(error)
    inside = np.abs(error) <= np.asarray(result.sd_k)
    return {
        "rmse_bilinear_k": round(bilinear, 3),
        "rmse_smooth_k": round(_rmse(np.asarray(plain.lst_k) - truth), 3),
        "rmse_k": round(rmse, 3),
        "skill_vs_bilinear": round(1 - rmse / bilinear, 3),
        "method": result.method,
        "amplitude": result.skill.get("amplitude", 0.0),
        "effective_resolution_m": round(result.effective_resolution_m, 1),
        "mass_residual_k": round(result.mass_residual_k, 5),
        "coverage": round(float(inside[np.isfinite(error)].mean()), 3),
    }


def _rmse(error: Any) -> float:
    return float(np.sqrt(np.nanmean(np.square(error))))


def _bilinear(coarse: Any, nest: Nesting) -> Any:
    axes = [a.start + a.step * (np.arange(a.n_fine) + 0.5) - 0.5 for a in (nest.rows, nest.columns)]
    at = np.meshgrid(*axes, indexing="ij")
    return ndimage.map_coordinates(fill_gaps(coarse), at, order=1, mode="nearest")
