"""Resampling a raster onto part of a grid, the same numbers whatever the part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

#: Side of the blocks of the target grid that are resampled one by one [cells]. GDAL
#: interpolates positions between a few exact ones, to within the tolerance; where it does so
#: hangs on the block and not on what is asked for.
_BLOCK = 512
_TOLERANCE_PX = 0.002
#: Cells that are less than this much larger than a pixel do not average [1].
_SAME_SIZE = 1.05
#: A cell whose centre lies on the border of two pixels, within this, takes the later one [px].
_ON_BORDER_PX = 1e-6
#: Methods that give a pixel its own value at its centre.
_INTERPOLATING = ("bilinear", "cubic", "average", "mode", "lanczos")


def warp_part(
    source: Any,
    grid: GeoBox,
    part: tuple[slice, slice],
    *,
    bands: list[int],
    resampling: str,
    nodata: float | None,
) -> NDArray[np.float32]:
    """Bands of an open dataset on rows and columns ``part`` of ``grid``.

    The positions and the width of GDAL's kernel are settled on blocks that hang on ``grid``
    alone, so that every cell has the same number in whatever part it is asked for.

    Parameters
    ----------
    source
        Dataset opened by rasterio, with a CRS.
    grid
        The whole target grid.
    part
        Rows and columns of it, with start and stop.
    bands
        Numbers of the bands, from 1.
    resampling
        Name of a GDAL method.
    nodata
        Number that stands for no data in the source; None where all numbers are data.

    Returns
    -------
    array
        float32 (band, y, x), numbers as stored; NaN where the source has no data.
    """
    rows, columns = part
    if not touches(source, grid[rows, columns]):
        return np.full(
            (len(bands), rows.stop - rows.start, columns.stop - columns.start), np.nan, "float32"
        )
    taken = _picked_pixels(source, grid, part, resampling)
    if taken is not None:
        return _pick(source, taken, bands, nodata)
    out = np.full(
        (len(bands), rows.stop - rows.start, columns.stop - columns.start), np.nan, "float32"
    )
    scale = _kernel_scale(source, grid)
    for top in range(rows.start // _BLOCK * _BLOCK, rows.stop, _BLOCK):
        for left in range(columns.start // _BLOCK * _BLOCK, columns.stop, _BLOCK):
            block = grid[
                top : min(top + _BLOCK, grid.height), left : min(left + _BLOCK, grid.width)
            ]
            values = _warp(source, block, bands, resampling, nodata, scale)
            y = slice(max(top, rows.start), min(top + block.height, rows.stop))
            x = slice(max(left, columns.start), min(left + block.width, columns.stop))
            out[
                :, y.start - rows.start : y.stop - rows.start,
                x.start - columns.start : x.stop - columns.start,
            ] = values[:, y.start - top : y.stop - top, x.start - left : x.stop - left]  # fmt: skip
    return out


def _picked_pixels(
    source: Any, grid: GeoBox, part: tuple[slice, slice], resampling: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Row and column of the pixel that each row and column of cells takes, if it is only one.

    So it is in one CRS, for the nearest pixel, and for any method where cells are pixels.
    """
    a, b = source.transform, grid.affine
    if str(grid.crs) != str(source.crs) or any((a.b, a.d, b.b, b.d)):
        return None
    x0, y0 = ~a * (b.c, b.f)
    steps = b.e / a.e, b.a / a.a
    aligned = all(abs(step - 1) < 1e-9 for step in steps) and all(
        abs(start - round(start)) < _ON_BORDER_PX for start in (x0, y0)
    )
    if resampling != "nearest" and not (aligned and resampling in _INTERPOLATING):
        return None
    rows, columns = (
        np.floor(start + (np.arange(along.start, along.stop) + 0.5) * step + _ON_BORDER_PX).astype(
            "int64"
        )
        for start, step, along in zip((y0, x0), steps, part, strict=True)
    )
    return rows, columns


def _pick(
    source: Any,
    taken: tuple[NDArray[np.int64], NDArray[np.int64]],
    bands: list[int],
    nodata: float | None,
) -> NDArray[np.float32]:
    """The pixels at rows and columns; NaN beyond the source and where it has no data."""
    inside, spans = [], []
    for indexes, length in zip(taken, source.shape, strict=True):
        kept = (indexes >= 0) & (indexes < length)
        inside.append(np.flatnonzero(kept))
        spans.append(indexes[kept])
    shape = (len(bands), *(len(indexes) for indexes in taken))
    if not all(len(span) for span in spans):
        return np.full(shape, np.nan, "float32")
    (top, bottom), (left, right) = ((span.min(), span.max() + 1) for span in spans)
    window = Window(left, top, right - left, bottom - top)
    exact = all(np.dtype(name).itemsize <= 2 for name in source.dtypes)
    stored = source.read(bands, window=window, out_dtype="float32" if exact else None)
    values: NDArray[np.float32] = stored.astype("float32", copy=False)
    if nodata is not None and not np.isnan(nodata):
        np.copyto(values, np.nan, where=stored == nodata)
    rows, columns = spans[0] - top, spans[1] - left
    if not (_all_in_turn(rows, bottom - top) and _all_in_turn(columns, right - left)):
        values = values[:, rows][:, :, columns]
    if values.shape == shape:
        return values
    out = np.full(shape, np.nan, "float32")
    out[:, inside[0][0] : inside[0][-1] + 1, inside[1][0] : inside[1][-1] + 1] = values
    return out


def _all_in_turn(indexes: NDArray[np.int64], count: int) -> bool:
    return len(indexes) == count and bool((indexes == np.arange(count)).all())


def touches(source: Any, grid: GeoBox) -> bool:
    """Whether the bounds of an open dataset and of ``grid`` share ground."""
    box = grid.boundingbox
    if str(grid.crs) != str(source.crs):
        box = box.to_crs(str(source.crs))
    west, south, east, north = box.bbox
    left, bottom, right, top = source.bounds
    # A raster with its south up has its bottom on top.
    bottom, top = min(bottom, top), max(bottom, top)
    return bool(west < right and east > left and south < top and north > bottom)


def _warp(
    source: Any,
    block: GeoBox,
    bands: list[int],
    resampling: str,
    nodata: float | None,
    scale: tuple[float, float],
) -> NDArray[Any]:
    with WarpedVRT(
        source,
        crs=str(block.crs),
        transform=block.affine,
        width=block.width,
        height=block.height,
        resampling=Resampling[resampling],
        dtype="float32",
        nodata=np.nan,
        src_nodata=nodata,
        tolerance=_TOLERANCE_PX,
        XSCALE=f"{scale[0]:.9g}",
        YSCALE=f"{scale[1]:.9g}",
    ) as view:
        return np.asarray(view.read(bands, out_dtype="float32"))


def _kernel_scale(source: Any, grid: GeoBox) -> tuple[float, float]:
    """Pixels to cells along the axes of the source: 1, or less where cells are larger.

    GDAL would guess it anew for every block, and blur each to another degree.
    """
    middle = (grid.width / 2, grid.height / 2)
    corners = [grid.affine * at for at in (middle, (middle[0] + 1, middle[1]),
                                           (middle[0], middle[1] + 1))]  # fmt: skip
    if str(grid.crs) != str(source.crs):
        there = Transformer.from_crs(str(grid.crs), str(source.crs), always_xy=True)
        corners = [there.transform(*corner) for corner in corners]
    (x0, y0), (x1, y1), (x2, y2) = (~source.transform * corner for corner in corners)
    sizes = max(abs(x1 - x0), abs(x2 - x0)), max(abs(y1 - y0), abs(y2 - y0))
    across, down = (1.0 if not size > _SAME_SIZE else 1.0 / size for size in sizes)
    return across, down
