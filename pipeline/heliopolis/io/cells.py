"""Values of scattered cells, such as those of roofs, as a GeoTIFF for later steps of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from heliopolis.io.atomic import replacing
from heliopolis.io.limits import guarded
from heliopolis.io.raster import band_names, open_dataset, raster_grid, read_tags

Array = np.ndarray[Any, np.dtype[Any]]
_NODATA = 65535
_BLOCK = 256


@dataclass(frozen=True)
class Cells:
    """Values of the cells of a grid that have any.

    Attributes
    ----------
    names
        Names of the bands.
    values
        float32, dims (band, cell).
    rows, cols
        Place of each cell in ``grid``, dims (cell,).
    grid
        Grid of the raster.
    tags
        Metadata of the file.
    """

    names: list[str]
    values: Array
    rows: Array
    cols: Array
    grid: GeoBox
    tags: dict[str, str]


def write_cells(
    path: Path,
    names: Sequence[str],
    values: Array,
    where: Array,
    grid: GeoBox,
    *,
    step: float,
    unit: str,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write values of some cells, whole or not at all: 16 bits, fast compression, no overviews.

    Parameters
    ----------
    path
        Target, ``*.tif``.
    names
        Names of the bands.
    values
        From 0 to below 65535 steps, NaN where not known, dims (band, cell).
    where
        True at the cells, in the order of rows, dims (y, x).
    grid
        Grid of ``where``.
    step
        Values are rounded to multiples of it.
    unit
        Unit of the values.
    tags
        Metadata of the file.
    """
    profile = {
        "driver": "GTiff", "dtype": "uint16", "count": len(names), "nodata": _NODATA,
        "width": grid.width, "height": grid.height, "transform": grid.affine,
        "crs": str(grid.crs), "tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK,
        "interleave": "band", "compress": "zstd", "zstd_level": 1, "predictor": 2,
        "sparse_ok": True, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    flat = np.flatnonzero(where)
    with replacing(path) as target, rasterio.open(target, "w", **profile) as sink:
        for index, name in enumerate(names, start=1):
            full = np.full(where.size, _NODATA, dtype="uint16")
            steps = np.round(values[index - 1] / step)
            full[flat] = np.where(np.isfinite(steps), steps, _NODATA).astype("uint16")
            sink.write(full.reshape(where.shape), index)
            sink.set_band_description(index, name)
            sink.set_band_unit(index, unit)
        sink.scales = (step,) * len(names)
        sink.update_tags(**dict(tags or {}))
    return path


@guarded("the raster")
def read_cells(path: Path) -> Cells:
    """Read what `write_cells` wrote, but cells without a value in the first band."""
    grid = raster_grid(path)
    with open_dataset(path) as source:
        first = source.read(1)
        rows, cols = np.nonzero(first != source.nodata)
        flat = rows * grid.width + cols
        values = np.empty((source.count, flat.size), dtype="float32")
        for index, scale in enumerate(source.scales, start=1):
            band = source.read(index).ravel()[flat]
            values[index - 1] = np.where(band == source.nodata, np.nan, band * np.float32(scale))
    return Cells(band_names(path), values, rows, cols, grid, read_tags(path))
