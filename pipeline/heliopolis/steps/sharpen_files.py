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
from heliopolis.io.raster import raster_grid, read_tags, write_cog
from heliopolis.io.windows import ClassWindows, Joined, RasterWindows
from heliopolis.steps.thermal import celsius, flag_band, sharpen_report, sharpen_tags
from heliopolis.thermal.sharpen import sharpen


def sharpen_files(
    coarse: Path,
    predictors: Sequence[Path],
    out: Path,
    *,
    classes: Path | None = None,
    resolution_m: float | None = None,
    report: Path | None = None,
    psf_fwhm_m: float = 0.0,
    random_error: bool = False,
) -> dict[str, Any]:
    """Sharpen ``coarse`` with all bands of ``predictors``.

    Writes ``lst_c``, ``lst_sd_c`` and ``flags``. The predictors are read window by window, so
    that memory does not grow with their number.

    The work is done in the CRS of the coarse raster: predictors in another one are warped to
    it. Without ``resolution_m`` the output has the cells of the first predictor.

    Parameters
    ----------
    coarse, predictors, classes
        Rasters; class codes are in the first band of theirs.
    out, report
        GeoTIFF and JSON to write.
    resolution_m
        Cell of the output [m].
    psf_fwhm_m
        Blur of the coarse sensor beyond the averaging over its cell [m].
    random_error
        Whether the error that the coarse raster states is random from cell to cell.

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
    sources: list[Any] = [RasterWindows(predictors, fine)]
    if classes is not None:
        sources.append(ClassWindows(classes, fine))
    noise = float(np.nanmedian(sd)) if random_error and np.isfinite(sd).any() else 0.0
    result = sharpen(lst, np.nan_to_num(sd), Joined(sources), grid, fine,
                     psf_fwhm_m=psf_fwhm_m, noise_k=noise)  # fmt: skip
    told = sharpen_report(result)
    tags = {key: value for key, value in read_tags(coarse).items() if key in ("acquired", "scene")}
    tags |= sharpen_tags(result)
    write_cog(out, celsius(result.lst_k, result.sd_k).assign(flags=flag_band(result)), tags=tags)
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
