"""Rasters read window by window on a grid that is not theirs, never whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from heliopolis.io.raster import band_names, open_dataset, raster_grid

#: Memory that decoded blocks of all files may take [MiB].
_CACHE_MIB = 256


class RasterWindows:
    """All bands of some rasters on one grid; `heliopolis.thermal.predictors.Source`.

    Parameters
    ----------
    paths
        Rasters in any CRS, that may lie partly outside the grid.
    grid
        North-up grid on which they are read.
    """

    def __init__(self, paths: Sequence[Path], grid: GeoBox) -> None:
        self._paths = [Path(path) for path in paths]
        self._grid = grid
        self._resampling = [resampling(raster_grid(path), grid) for path in self._paths]
        self._open = threading.local()
        self.names = [f"{p.stem}:{band}" for p in self._paths for band in band_names(p)]

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return self._grid.shape[0], self._grid.shape[1]

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Bands in a window (band, y, x), float32; NaN where no file has a value."""
        window = Window.from_slices(rows, columns)
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB):
            read = [source.read(window=window, masked=True) for source in self._sources()]
        found = np.concatenate([one.astype("float32").filled(np.nan) for one in read])
        return np.asarray(found)

    def _sources(self) -> list[Any]:
        """The files, opened once for each thread."""
        if not hasattr(self._open, "sources"):
            grid = self._grid
            self._open.sources = [
                WarpedVRT(
                    open_dataset(path), crs=str(grid.crs), transform=grid.affine,
                    width=grid.shape[1], height=grid.shape[0], resampling=Resampling[how],
                    tolerance=0.0, dtype="float32", nodata=np.nan,
                )
                if how is not None else open_dataset(path)
                for path, how in zip(self._paths, self._resampling, strict=True)
            ]  # fmt: skip
        return list(self._open.sources)


def resampling(own: GeoBox, grid: GeoBox) -> str | None:
    """How a raster comes to a grid: as it is, by averages of finer cells, or between cells."""
    if own == grid:
        return None
    finer = own.crs == grid.crs and own.resolution.x < 0.75 * grid.resolution.x
    if finer:
        return "average"
    same = own.crs == grid.crs and np.isclose(own.resolution.x, grid.resolution.x)
    return "nearest" if same and _aligned(own, grid) else "bilinear"


def _aligned(own: GeoBox, grid: GeoBox) -> bool:
    columns = (grid.affine.c - own.affine.c) / own.resolution.x
    rows = (grid.affine.f - own.affine.f) / own.resolution.y
    return bool(abs(columns - round(columns)) < 0.01 and abs(rows - round(rows)) < 0.01)
