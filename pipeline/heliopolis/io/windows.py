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

from heliopolis.errors import InputError
from heliopolis.io.raster import band_names, open_dataset, raster_grid

#: A class raster with more codes than this is no class raster.
MAX_CLASSES = 64
#: Error of places that a warp may make [pixel of the source].
_TOLERANCE_PIXELS = 1e-3
#: Memory that decoded blocks of all files may take [byte].
_CACHE_BYTES = 256 * 2**20


class RasterWindows:
    """All bands of some rasters on one grid; `heliopolis.thermal.predictors.Source`.

    Parameters
    ----------
    paths
        Rasters in any CRS, that may lie partly outside the grid.
    grid
        North-up grid on which they are read.
    how
        GDAL's name of a resampling method; chosen for each raster when None.
    """

    def __init__(self, paths: Sequence[Path], grid: GeoBox, how: str | None = None) -> None:
        self._paths = [Path(path) for path in paths]
        self._grid = grid
        self._resampling = [how or resampling(raster_grid(path), grid) for path in self._paths]
        self._open = threading.local()
        self.names = [f"{p.stem}:{band}" for p in self._paths for band in band_names(p)]

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return self._grid.shape[0], self._grid.shape[1]

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Bands in a window (band, y, x), float32; NaN where no file has a value."""
        window = Window.from_slices(rows, columns)
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
            read = [_scaled(source, window) for source in self._sources()]
        return np.concatenate(read)

    def _sources(self) -> list[Any]:
        """The files, opened once for each thread."""
        if not hasattr(self._open, "sources"):
            grid = self._grid
            self._open.sources = [
                WarpedVRT(
                    open_dataset(path), crs=str(grid.crs), transform=grid.affine,
                    width=grid.shape[1], height=grid.shape[0], resampling=Resampling[how],
                    tolerance=_TOLERANCE_PIXELS, dtype="float32", nodata=np.nan,
                )
                if how is not None else open_dataset(path)
                for path, how in zip(self._paths, self._resampling, strict=True)
            ]  # fmt: skip
        return list(self._open.sources)


class ClassWindows:
    """Share of each class code of a raster in each pixel; a `Source` as `RasterWindows` is.

    Parameters
    ----------
    path
        Raster of class codes, in its first band.
    grid
        North-up grid; a pixel is looked at in as many places as the raster has cells in it.
    """

    def __init__(self, path: Path, grid: GeoBox) -> None:
        own = raster_grid(path)
        metric = own.crs is not None and own.crs.projected
        metres = own.resolution.x if metric else grid.resolution.x
        self._factor = int(np.clip(round(grid.resolution.x / metres), 1, 20))
        self.shape = (grid.shape[0], grid.shape[1])
        shape = (grid.shape[0] * self._factor, grid.shape[1] * self._factor)
        fine = GeoBox(shape, grid.affine * grid.affine.scale(1 / self._factor), grid.crs)
        self._codes = RasterWindows([path], fine, how="nearest")
        with open_dataset(path) as source:
            found = {
                float(code)
                for _, block in source.block_windows(1)
                for code in np.unique(source.read(1, window=block, masked=True).compressed())
            }
        self.found = sorted(code for code in found if np.isfinite(code))
        if len(self.found) > MAX_CLASSES:
            raise InputError(
                f"the class raster holds {len(self.found)} different values", where=str(path),
                remedy=f"Give it as a predictor, or use at most {MAX_CLASSES} classes",
            )  # fmt: skip
        self.names = [f"class_{code:g}" for code in self.found]

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Shares in a window (class, y, x), float32; NaN where no code is known."""
        k = self._factor
        inner = (slice(rows.start * k, rows.stop * k), slice(columns.start * k, columns.stop * k))
        codes = self._codes.window(*inner)[0]
        shape = (rows.stop - rows.start, k, columns.stop - columns.start, k)
        known = np.isfinite(codes).reshape(shape).mean(axis=(1, 3))
        shares = [(codes == code).reshape(shape).mean(axis=(1, 3)) for code in self.found]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(shares).astype("float32") / known.astype("float32")


class Joined:
    """Fields of several sources of one grid."""

    def __init__(self, sources: Sequence[Any]) -> None:
        self._sources = list(sources)
        self.names = [name for source in self._sources for name in source.names]
        self.shape: tuple[int, int] = self._sources[0].shape

    def window(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Fields in a window (field, y, x)."""
        return np.concatenate([source.window(rows, columns) for source in self._sources])


def _scaled(source: Any, window: Window) -> NDArray[Any]:
    """Bands in a window, float32, with their scale and offset; NaN where there is nothing."""
    read = source.read(window=window, masked=True).astype("float32").filled(np.nan)
    for band, scale, offset in zip(read, source.scales, source.offsets, strict=True):
        if (scale, offset) != (1.0, 0.0):
            band *= scale
            band += offset
    return np.asarray(read)


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
