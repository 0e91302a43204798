"""Sharpening of a user's own rasters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from heliopolis.errors import GridError, InputError
from heliopolis.grid import metric_crs
from heliopolis.io.atomic import write_json
from heliopolis.io.lst_files import read_lst_file
from heliopolis.io.raster import band_names, raster_grid, read_onto, read_tags, write_cog
from heliopolis.steps.thermal import celsius, sharpen_report
from heliopolis.thermal.planck import coarsen_mean
from heliopolis.thermal.sharpen import sharpen


def sharpen_files(
    coarse: Path,
    predictors: Sequence[Path],
    out: Path,
    *,
    classes: Path | None = None,
    resolution_m: float | None = None,
    report: Path | None = None,
) -> dict[str, Any]:
    """Sharpen ``coarse`` with all bands of ``predictors`` and write ``lst_c``, ``lst_sd_c``.

    The work is done in the CRS of the coarse raster: predictors in another one are warped to
    it. Without ``resolution_m`` the output has the cells of the first predictor.

    Returns
    -------
    dict
        The report, which is also written to ``report``.
    """
    grid = raster_grid(coarse)
    metric_crs(str(grid.crs), where=str(coarse))
    fine = _fine_grid(grid, raster_grid(predictors[0]), resolution_m, str(predictors[0]))
    seen = read_lst_file(coarse, grid)
    lst, sd = seen["lst_k"].to_numpy(), seen["sd_k"].to_numpy()
    if not np.isfinite(lst).any():
        raise InputError("the coarse raster holds no plausible temperature", where=str(coarse),
                         remedy="Temperatures are degC unless the band's unit says K")  # fmt: skip
    fields: dict[str, Any] = {}
    for path in predictors:
        fields |= _bands(path, fine)
    if classes is not None:
        fields |= _class_shares(classes, fine)
    result = sharpen(lst, np.nan_to_num(sd), fields, grid, fine)
    told = sharpen_report(result)
    tags = {key: value for key, value in read_tags(coarse).items() if key in ("acquired", "scene")}
    tags |= {"method": result.method,
             "effective_resolution_m": f"{result.effective_resolution_m:.1f}"}  # fmt: skip
    write_cog(out, celsius(result.lst_k, result.sd_k), tags=tags)
    if report is not None:
        write_json(report, told)
    return told


def _fine_grid(coarse: GeoBox, predictor: GeoBox, resolution_m: float | None, where: str) -> GeoBox:
    """Output grid: the predictor's cells, or cells of ``resolution_m`` aligned to the coarse.

    It is cut to whole pixels inside the coarse raster.
    """
    same = predictor.crs == coarse.crs and predictor.axis_aligned
    if resolution_m is None and same:
        grid = predictor
    else:
        box = predictor.extent.to_crs(str(coarse.crs), resolution="auto").boundingbox
        step = resolution_m or _metres(predictor, coarse)
        west, north = coarse.affine.c, coarse.affine.f
        left = west + np.ceil((box.left - west) / step - 1e-6) * step
        top = north - np.ceil((north - box.top) / step - 1e-6) * step
        columns, rows = (
            int(np.floor(n / step + 1e-6)) for n in (box.right - left, top - box.bottom)
        )
        grid = GeoBox.from_bbox((left, top - rows * step, left + columns * step, top),
                                coarse.crs, resolution=step)  # fmt: skip
    cut = _cut(grid, coarse)
    if min(cut.shape) < 1:
        raise GridError("the predictors do not overlap the coarse raster", where=where,
                        remedy="Check their CRS and extent")  # fmt: skip
    return cut


def _metres(predictor: GeoBox, coarse: GeoBox) -> float:
    """Cell of ``predictor`` in the CRS of ``coarse`` [m], a whole part of a coarse cell."""
    box = predictor.extent.to_crs(str(coarse.crs), resolution="auto").boundingbox
    cell = (box.span_x / predictor.shape[1] * box.span_y / predictor.shape[0]) ** 0.5
    return float(coarse.resolution.x / max(1, round(coarse.resolution.x / cell)))


def _cut(grid: GeoBox, coarse: GeoBox) -> GeoBox:
    """The pixels of ``grid`` that lie wholly inside ``coarse``."""
    box, step_x, step_y = coarse.boundingbox, grid.resolution.x, -grid.resolution.y
    own = grid.boundingbox
    left = max(0, int(np.ceil((box.left - own.left) / step_x - 1e-6)))
    top = max(0, int(np.ceil((own.top - box.top) / step_y - 1e-6)))
    right = min(grid.shape[1], int(np.floor((box.right - own.left) / step_x + 1e-6)))
    bottom = min(grid.shape[0], int(np.floor((own.top - box.bottom) / step_y + 1e-6)))
    if right <= left or bottom <= top:
        return GeoBox((0, 0), grid.affine, grid.crs)
    return grid[top:bottom, left:right]


def _bands(path: Path, grid: GeoBox) -> dict[str, Any]:
    own = raster_grid(path)
    finer = own.crs == grid.crs and own.resolution.x < 0.75 * grid.resolution.x
    same = own.crs == grid.crs and np.isclose(own.resolution.x, grid.resolution.x)
    resampling = "average" if finer else ("nearest" if same and _aligned(own, grid) else "bilinear")
    read = read_onto([path], grid, resampling=resampling)
    return {f"{path.stem}:{name}": read[name].to_numpy() for name in read.data_vars}


def _aligned(own: GeoBox, grid: GeoBox) -> bool:
    columns = (grid.affine.c - own.affine.c) / own.resolution.x
    rows = (grid.affine.f - own.affine.f) / own.resolution.y
    return bool(abs(columns - round(columns)) < 0.01 and abs(rows - round(rows)) < 0.01)


def _class_shares(path: Path, grid: GeoBox) -> dict[str, Any]:
    """Share of each class code in each pixel."""
    own = raster_grid(path)
    metres = own.resolution.x if own.crs is not None and own.crs.projected else grid.resolution.x
    factor = int(np.clip(round(grid.resolution.x / metres), 1, 20))
    shape = (grid.shape[0] * factor, grid.shape[1] * factor)
    fine = GeoBox(shape, grid.affine * grid.affine.scale(1 / factor), grid.crs)
    name = band_names(path)[0]
    code = read_onto([path], fine, bands=[name])[name]
    found = np.unique(code.to_numpy()[np.isfinite(code.to_numpy())])
    if len(found) > 64:
        raise InputError(f"the class raster holds {len(found)} different values", where=str(path),
                         remedy="Give it as a predictor, or use at most 64 classes")  # fmt: skip
    shares = {}
    for number in found:
        member = (code == number).astype("float32").where(code.notnull())
        shares[f"class_{number:g}"] = coarsen_mean(member, factor).to_numpy()
    return shares
