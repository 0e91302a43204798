"""Score of sharpening against real scenes: Landsat over Muenster, and Zhangye in its desert."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.raster import raster_grid, read_onto, read_raster
from heliopolis.thermal.conserve import Nesting, fill_gaps
from heliopolis.thermal.octave import FWHM_TO_SIGMA
from heliopolis.thermal.planck import ZERO_C_K, from_linear, to_linear
from heliopolis.thermal.sharpen import sharpen

_MUENSTER = Path("satellite/muenster-landsat-st")
_ZHANGYE = Path("satellite/zhangye-lst-ndvi")
#: Thermal pixel [m] of the sensors: what the references themselves resolve.
_NATIVE_M = 100.0
_SUMMER = range(5, 10)


def score_muenster(
    data_dir: Path, *, coarse_m: float = 900.0, fine_m: float = 90.0
) -> dict[str, Any]:
    """Sharpen Landsat LST that was averaged to ``coarse_m`` and compare at ``fine_m``.

    The predictors are an undated Sentinel-2 band 11 and a class map of 10 m, smoothed to the
    100 m that the reference resolves.

    Returns
    -------
    dict
        ``dates``: `compared` of each date; their means; and ``summer_ratio``, the mean error of
        the dates from May to September over that of smooth interpolation.
    """
    folder = data_dir / _MUENSTER
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
        truth = from_linear(Nesting.between(fine, grid30).mean_valid(to_linear(kelvin), 0.99))
        dates[_date(file)] = compared(truth, predictors, coarse, fine)
    means = {
        key: round(float(np.mean([one[key] for one in dates.values()])), 3)
        for key in ("rmse_bilinear_k", "rmse_smooth_k", "rmse_k", "skill_vs_bilinear", "coverage")
    }
    summer = [one for day, one in dates.items() if int(day[4:6]) in _SUMMER]
    ratio = sum(one["rmse_k"] for one in summer) / sum(one["rmse_smooth_k"] for one in summer)
    worst = max(one["rmse_ratio"] for one in dates.values())
    return {"coarse_m": coarse_m, "fine_m": fine_m, "dates": dates, **means,
            "summer_ratio": round(ratio, 3), "worst_ratio": worst}  # fmt: skip


def score_zhangye(
    data_dir: Path, *, coarse_m: float = 900.0, fine_m: float = 90.0
) -> dict[str, Any]:
    """The same over an oasis in a desert, with NDVI as the only predictor; see `compared`.

    NDVI has pixels of 30 m and the temperature those of a thermal sensor: NDVI is smoothed to
    the 100 m that Muenster's predictors are smoothed to.
    """
    folder = data_dir / _ZHANGYE
    if not (folder / "lst.tif").exists():
        raise InputError("no scene found", where=str(folder), remedy="Point to the data folder")
    lst, ndvi = (
        read_raster(folder / name).to_array().values[0].astype("float64")
        for name in ("lst.tif", "ndvi.tif")
    )
    cells = int(coarse_m / 30)
    side = min(lst.shape) // cells * cells
    # The file's own header is wrong by 0.1 % in NDVI; the arrays align pixel by pixel.
    grid = GeoBox.from_bbox((0, 0, side * 30, side * 30), "EPSG:32647", resolution=30)
    lst = lst[:side, :side] + (ZERO_C_K if float(np.nanmedian(lst)) < 150 else 0.0)
    sigma = _NATIVE_M * FWHM_TO_SIGMA / 30.0
    seen = ndimage.gaussian_filter(fill_gaps(ndvi[:side, :side]), sigma, mode="nearest")
    fine, coarse = coarsen(grid, fine_m), coarsen(grid, coarse_m)
    nest = Nesting.between(fine, grid)
    truth = from_linear(nest.mean_valid(to_linear(lst), 0.99))
    fields = {"ndvi": nest.mean(seen)}
    return compared(truth, fields, coarse, fine) | seams(truth, fields, coarse, fine)


def seams(
    truth_k: Any, predictors: Mapping[str, Any], coarse: GeoBox, fine: GeoBox
) -> dict[str, Any]:
    """What windows and coarse cells leave in a sharpened field.

    Returns
    -------
    dict
        ``windows_differ_k``: largest difference between windows of 64, 256 and 1000 pixels and
        the whole [K]; ``cell_period`` and ``cell_period_of_truth``: power at the period of the
        coarse cell over that at the periods around it, along rows and columns, the larger.
    """
    nest = Nesting.between(coarse, fine)
    seen = from_linear(nest.mean_valid(to_linear(truth_k), 0.5))
    made = [
        sharpen(seen, np.zeros(seen.shape), predictors, coarse, fine, side=side).lst_k.to_numpy()
        for side in (max(fine.shape), 64, 256, 1000)
    ]
    whole = np.asarray(made[0], dtype="float64")
    differ = max(float(np.nanmax(np.abs(one - whole))) for one in made[1:])
    period = round(coarse.resolution.x / fine.resolution.x)
    return {
        "windows_differ_k": round(differ, 6),
        "cell_period": round(_power_at(whole, period), 2),
        "cell_period_of_truth": round(_power_at(np.asarray(truth_k), period), 2),
    }


def _power_at(field: Any, period: int) -> float:
    """Power at a period [pixel] over the median at frequencies up to a fifth away."""
    found = []
    for one in (field, field.T):
        count = one.shape[1] // period * period
        rows = one[:, :count][np.isfinite(one[:, :count]).all(axis=1)]
        power = (np.abs(np.fft.rfft(rows - rows.mean(), axis=1)) ** 2).mean(axis=0)
        at = count // period
        near = max(at // 5, 2)
        around = np.r_[power[at - near : at], power[at + 1 : at + near + 1]]
        found.append(float(power[at] / np.median(around)))
    return max(found)


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
    sigma = smooth_m * FWHM_TO_SIGMA / 10.0
    out = {}
    for name, values in fields.items():
        filled = fill_gaps(np.asarray(values, dtype="float64"))
        blurred = ndimage.gaussian_filter(filled, sigma, mode="nearest") if sigma else filled
        out[name] = nest.mean(blurred)
    return out


def _date(file: Path) -> str:
    match = re.search(r"_(\d{8})_", file.name)
    return match.group(1) if match else file.stem


def compared(
    truth_k: Any,
    predictors: Mapping[str, Any],
    coarse: GeoBox,
    fine: GeoBox,
    pattern: Mapping[str, tuple[Any, Any]] | None = None,
    form: Sequence[str] = (),
) -> dict[str, Any]:
    """Average a true field to coarse cells, sharpen it again and compare.

    Parameters
    ----------
    truth_k
        True temperature [K] (y, x) on ``fine``, NaN where unknown.
    predictors, pattern
        Fields on ``fine``; the second are temperatures of other dates, and their errors [K].
    form
        Names of the predictors that tell the form of the city.
    coarse, fine
        Grids.

    Returns
    -------
    dict
        Errors [K] of bilinear interpolation, of the area-preserving spline and of `sharpen`;
        the last over the second; what the held-out test had said of that; the share of pixels
        within one sigma; and the resolution, stated and true: the cell over which plain
        averaging of the truth errs as much.
    """
    nest = Nesting.between(coarse, fine)
    seen = from_linear(nest.mean_valid(to_linear(truth_k), 0.5))
    carried = {name: one[0] for name, one in (pattern or {}).items()}
    errors = {name: one[1] for name, one in (pattern or {}).items()}
    nothing = np.zeros(seen.shape)
    result = sharpen(seen, nothing, {**predictors, **carried}, coarse, fine, pattern=errors,
                     form=form)  # fmt: skip
    plain = sharpen(seen, nothing, {}, coarse, fine, regression=False)
    error = np.asarray(result.lst_k) - truth_k
    bilinear, smooth = _rmse(_bilinear(seen, nest) - truth_k), _rmse(plain.lst_k - truth_k)
    rmse = _rmse(error)
    inside = np.abs(error) <= np.asarray(result.sd_k)
    held_out = 1.0 - result.skill.get("skill_vs_smooth", 0.0)
    return {
        "rmse_bilinear_k": round(bilinear, 3),
        "rmse_smooth_k": round(smooth, 3),
        "rmse_k": round(rmse, 3),
        "rmse_ratio": round(rmse / smooth, 3),
        "held_out_ratio": round(held_out, 3),
        "skill_vs_bilinear": round(1 - rmse / bilinear, 3),
        "method": result.method,
        "coverage": round(float(inside[np.isfinite(error)].mean()), 3),
        "effective_resolution_m": round(result.effective_resolution_m, 1),
        "true_resolution_m": round(averaging_resolution_m(truth_k, rmse, fine), 1),
        "mass_residual_k": round(result.mass_residual_k, 5),
        **({"pattern_skill": result.skill["pattern"]["skill"]} if carried else {}),
    }


def averaging_resolution_m(truth_k: Any, rmse_k: float, fine: GeoBox) -> float:
    """Cell over which averaging a field errs by ``rmse_k`` [m], from cells of whole pixels."""
    pixel = float(fine.resolution.x)
    linear = to_linear(np.asarray(truth_k, dtype="float64"))
    sizes, errors = [1], [0.0]
    for factor in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128):
        if factor > min(linear.shape):
            break
        blocks = Nesting.blocks((linear.shape[0], linear.shape[1]), factor)
        mean = from_linear(blocks.spread(blocks.mean_valid(linear, 0.5)))
        sizes.append(factor)
        errors.append(_rmse(mean - truth_k))
        if errors[-1] > rmse_k:
            break
    return float(np.interp(rmse_k, np.maximum.accumulate(errors), sizes)) * pixel


def _rmse(error: Any) -> float:
    return float(np.sqrt(np.nanmean(np.square(np.asarray(error)))))


def _bilinear(coarse: Any, nest: Nesting) -> Any:
    axes = [a.start + a.step * (np.arange(a.n_fine) + 0.5) - 0.5 for a in (nest.rows, nest.columns)]
    at = np.meshgrid(*axes, indexing="ij")
    return ndimage.map_coordinates(fill_gaps(coarse), at, order=1, mode="nearest")
