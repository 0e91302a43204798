"""Resampling a raster onto part of a grid, the same numbers whatever the part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

#: Side of the blocks of the target grid that are resampled one by one [cells]. GDAL
#: interpolates positions between a few exact ones; over this length the error of that stays
#: below a thousandth of a pixel between neighbouring UTM zones.
_BLOCK = 256
_TOLERANCE_PX = 0.002
#: Cells that are less than this much larger than a pixel do not average [1].
_SAME_SIZE = 1.05


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
    out = np.full(
        (len(bands), rows.stop - rows.start, columns.stop - columns.start), np.nan, "float32"
    )
    scale = _kernel_scale(source, grid)
    for top in range(rows.start // _BLOCK * _BLOCK, rows.stop, _BLOCK):
        for left in range(columns.start // _BLOCK * _BLOCK, columns.stop, _BLOCK):
            block = grid[
                top : min(top + _BLOCK, grid.height), left : min(left + _BLOCK, grid.width)
            ]
            if not touches(source, block):
                continue
            values = _warp(source, block, bands, resampling, nodata, scale)
            y = slice(max(top, rows.start), min(top + block.height, rows.stop))
            x = slice(max(left, columns.start), min(left + block.width, columns.stop))
            out[
                :, y.start - rows.start : y.stop - rows.start,
                x.start - columns.start : x.stop - columns.start,
            ] = values[:, y.start - top : y.stop - top, x.start - left : x.stop - left]  # fmt: skip
    return out


def touches(source: Any, grid: GeoBox) -> bool:
    """Whether the bounds of an open dataset and of ``grid`` share ground."""
    box = grid.boundingbox
    if str(grid.crs) != str(source.crs):
        box = box.to_crs(str(source.crs))
    west, south, east, north = box.bbox
    there = source.bounds
    return bool(
        west < there.right and east > there.left and south < there.top and north > there.bottom
    )


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
