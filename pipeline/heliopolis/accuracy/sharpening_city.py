"""Score of sharpening on the simulated city: cells of 1 km and of 100 m brought to 10 m."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from heliopolis.accuracy.sharpening import compared
from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.raster import geobox_of, read_onto, read_raster, read_tags
from heliopolis.io.vector import read_layer
from heliopolis.steps.city_form import form_grid, form_predictors, sky_view
from heliopolis.thermal.city_form import FORM
from heliopolis.thermal.conserve import Nesting
from heliopolis.thermal.planck import ZERO_C_K, from_linear, to_linear
from heliopolis.thermal.sharpen import sharpen

#: Coarse cells that are tried [m].
CELLS_M = (100, 1000)
_SCHOOLS = ("school", "college")
#: Share of the yards, and of their pixels, that counts as hottest.
HOTTEST = 0.1


def score_city(results: Path, data: Path) -> dict[str, Any]:
    """Sharpen the true fields of the Landsat dates, averaged to coarse cells.

    The predictors are those of the run; and, under ``with_heights``, those and what a surface
    model of the whole city tells (`heliopolis.steps.city_form`), where the truth has one. From
    1 km the sharp field of the nearest other date, itself sharpened from 100 m, is offered as a
    pattern.

    Returns
    -------
    dict
        For each coarse cell: the mean ratio to smooth interpolation, and the F1 of the hottest
        tenth of school yards and of their pixels, counted over all dates together.
    """
    optical = results / "work" / "optical.tif"
    files = sorted((data / "truth" / "scenes").glob("L*_lst.tif"))
    if not optical.exists() or not files:
        raise InputError("the run's predictors or the true fields are not there",
                         where=str(optical), remedy="Run the simulated city first")  # fmt: skip
    stack = read_raster(optical)
    whole = geobox_of(stack)
    rows, columns = (n // 100 * 100 for n in whole.shape)
    fine = whole[:rows, :columns]
    fields = {str(name): stack[name].values[:rows, :columns] for name in stack.data_vars}
    truth = {_day(f): read_onto([f], fine)["lst_c"].values + ZERO_C_K for f in files}
    yards = _yards(data / "places.gpkg", fine)
    out = _scored(truth, dict.fromkeys(truth, fields), fine, yards)
    heights = data / "truth" / "heights.tif"
    if heights.exists():
        out["with_heights"] = _scored(
            truth, _with_heights(fields, heights, files, fine), fine, yards
        )
    return out


def _scored(
    truth: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]], fine: GeoBox, yards: Any
) -> dict[str, Any]:
    """`score_city` with the predictors of each date."""
    sharp: dict[str, Any] = {}
    out = {}
    for cell_m in CELLS_M:
        made = {day: _sharpened(day, kelvin, fields[day], fine, cell_m, sharp)
                for day, kelvin in truth.items()}  # fmt: skip
        sharp = sharp or {day: one[0] for day, one in made.items()}
        out[f"from_{cell_m}_m"] = _told(made, truth, yards)
    return out


def _with_heights(
    fields: Mapping[str, Any], heights: Path, files: Sequence[Path], fine: GeoBox
) -> dict[str, dict[str, Any]]:
    """Predictors of each date with those that a surface model of the city tells."""
    grid = form_grid(fine)
    read = read_onto([heights], grid, resampling="bilinear")
    form = {str(name): read[name].values for name in read.data_vars}
    form["sky_view"] = sky_view(form["dsm_m"], abs(grid.resolution.x))
    times = {_day(f): datetime.fromisoformat(read_tags(f)["acquired"]) for f in files}
    return {day: {**fields, **form_predictors(form, fine, at)} for day, at in times.items()}


def _day(file: Path) -> str:
    return file.stem.split("_")[3]


def _sharpened(
    day: str,
    kelvin: Any,
    fields: Mapping[str, Any],
    fine: GeoBox,
    cell_m: int,
    sharp: Mapping[str, tuple[Any, Any]],
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The sharpened field of a date and its error [K], and `compared` of it."""
    others = sorted((abs(_ordinal(d) - _ordinal(day)), d) for d in sharp if d != day)
    pattern = {f"lst_{d}": sharp[d] for _, d in others[:1]}
    carried = {name: one[0] for name, one in pattern.items()}
    coarse = coarsen(fine, cell_m)
    form = [name for name in fields if name in FORM]
    told = compared(kelvin, fields, coarse, fine, pattern, form)
    seen = from_linear(Nesting.between(coarse, fine).mean_valid(to_linear(kelvin), 0.5))
    result = sharpen(
        seen, np.zeros(seen.shape), {**fields, **carried}, coarse, fine,
        pattern={name: one[1] for name, one in pattern.items()}, form=form,
    )  # fmt: skip
    return (result.lst_k.values, result.sd_k.values), told


def _ordinal(day: str) -> int:
    return int(np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}").astype(int))


def _told(
    made: Mapping[str, tuple[tuple[Any, Any], dict[str, Any]]], truth: Mapping[str, Any], yards: Any
) -> dict[str, Any]:
    told = {day: one[1] for day, one in made.items()}
    ratio = float(np.mean([one["rmse_ratio"] for one in told.values()]))
    pairs = [(made[day][0][0], truth[day]) for day in made]
    return {
        "rmse_ratio": round(ratio, 3),
        "coverage": round(float(np.mean([one["coverage"] for one in told.values()])), 3),
        "hottest_yards_f1": round(_f1([_hottest_yards(a, t, yards) for a, t in pairs]), 3),
        "hottest_yard_pixels_f1": round(
            _f1([_hottest(a[yards > 0], t[yards > 0]) for a, t in pairs]), 3
        ),
        "dates": {day: {k: one[k] for k in ("rmse_ratio", "method", "coverage", "pattern_skill",
                                            "effective_resolution_m", "true_resolution_m")
                        if k in one} for day, one in told.items()},
    }  # fmt: skip


def _yards(places: Path, grid: GeoBox) -> Any:
    """Number of the school yard of each pixel, from 1; 0 elsewhere (y, x)."""
    from rasterio.features import rasterize

    table: gpd.GeoDataFrame = read_layer(places, crs=str(grid.crs))
    schools = table[table["kind"].isin(_SCHOOLS)]
    shapes = [(shape, number) for number, shape in enumerate(schools.geometry, start=1)]
    return rasterize(shapes, out_shape=grid.shape, transform=grid.affine, dtype="int32")


def _hottest_yards(found: Any, true: Any, yards: Any) -> tuple[int, int]:
    inside = yards > 0
    count = np.bincount(yards[inside])
    kept = np.flatnonzero(count)
    means = [np.bincount(yards[inside], field[inside])[kept] / count[kept]
             for field in (found, true)]  # fmt: skip
    return _hottest(*means)


def _hottest(found: Any, true: Any) -> tuple[int, int]:
    """How many of the truly hottest tenth are among the hottest tenth found, and how many are."""
    number = max(1, round(HOTTEST * len(true)))
    a, b = (set(np.argsort(-np.asarray(one), kind="stable")[:number].tolist())
            for one in (found, true))  # fmt: skip
    return len(a & b), number


def _f1(hits: list[tuple[int, int]]) -> float:
    """F1 of equally many found and true, over all dates."""
    return sum(h for h, _ in hits) / sum(n for _, n in hits)
