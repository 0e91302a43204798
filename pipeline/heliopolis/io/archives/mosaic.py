"""One raster out of many pieces: pasted on their own grid first, resampled once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from rasterio.windows import Window

from heliopolis.io.archives.delivery import Order
from heliopolis.io.raster import open_dataset, raster_grid, read_onto, write_cog

#: Heights on Earth lie well within these [m]; whatever lies outside stands for "unknown".
LOWEST_M, HIGHEST_M = -500.0, 9000.0
_STRIPE = 1024
_LOOK = 1024


@dataclass(frozen=True)
class Content:
    """What a mosaic holds: names and unit of its bands, bytes (images) or floats (heights)."""

    bands: tuple[str, ...]
    image: bool
    unit: str

    @property
    def dtype(self) -> str:
        """Type of the values as stored."""
        return "uint8" if self.image else "float32"


IMAGE = Content(("red", "green", "blue"), image=True, unit="1")
SURFACE = Content(("dsm_m",), image=False, unit="m")
TERRAIN = Content(("dtm_m",), image=False, unit="m")
CONTENTS = {"imagery": IMAGE, "dsm": SURFACE, "dtm": TERRAIN}


def paste(pieces: Iterable[Path], content: Content, folder: Path) -> list[Path]:
    """Join pieces that lie on one and the same grid into one file each grid.

    Where pieces overlap, the first one with a value wins. Heights that cannot be, and the
    pieces' own nodata, become NaN; black of an image that is black becomes 1, because 0 is
    nodata.
    """
    groups: dict[tuple[Any, ...], list[Path]] = {}
    for piece in pieces:
        grid = raster_grid(piece)
        cell = (grid.affine.a, grid.affine.e)
        rest = (grid.affine.c / cell[0]) % 1.0, (grid.affine.f / cell[1]) % 1.0
        aligned = tuple(round(r, 3) % 1.0 for r in rest)
        groups.setdefault((str(grid.crs), *(round(c, 9) for c in cell), aligned), []).append(piece)
    return [
        _paste(group, content, folder / f"native_{index}.tif")
        for index, group in enumerate(groups.values())
    ]


def _paste(pieces: Sequence[Path], content: Content, target: Path) -> Path:
    grids = [raster_grid(piece) for piece in pieces]
    first = grids[0]
    cell_x, cell_y = first.affine.a, -first.affine.e
    west = min(g.affine.c for g in grids)
    north = max(g.affine.f for g in grids)
    width = max(round((g.affine.c - west) / cell_x) + g.width for g in grids)
    height = max(round((north - g.affine.f) / cell_y) + g.height for g in grids)
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": len(content.bands),
        "dtype": content.dtype,
        "crs": str(first.crs),
        "transform": from_origin(west, north, cell_x, cell_y),
        "nodata": 0 if content.image else np.nan,
        "tiled": True,
        "compress": "zstd",
        "zstd_level": 1,
        "SPARSE_OK": True,
        "BIGTIFF": "IF_SAFER",
        "ALPHA": "NO",
    }
    with rasterio.open(target, "w+", **profile) as sink:
        for piece, grid in zip(pieces, grids, strict=True):
            left = round((grid.affine.c - west) / cell_x)
            top = round((north - grid.affine.f) / cell_y)
            for row in range(0, grid.height, _STRIPE):
                rows = min(_STRIPE, grid.height - row)
                values = _values(piece, content, Window(0, row, grid.width, rows))
                place = Window(left, top + row, grid.width, rows)
                there = sink.read(window=place)
                empty = there == 0 if content.image else np.isnan(there)
                sink.write(np.where(empty, values, there), window=place)
    return target


def _values(piece: Path, content: Content, window: Window) -> NDArray[Any]:
    """Values (band, y, x) of a window as they are to be stored."""
    count = len(content.bands)
    with open_dataset(piece) as source:
        indexes = list(range(1, count + 1)) if source.count >= count else [1] * count
        values = source.read(indexes, window=window)
        known = source.dataset_mask(window=window) > 0
        scale, offset = source.scales[0], source.offsets[0]
    if content.image:
        values = np.clip(values, 1, 255)
        return np.asarray(np.where(known, values, 0).astype("uint8"))
    heights = values.astype("float32") * np.float32(scale) + np.float32(offset)
    known &= (heights[0] > LOWEST_M) & (heights[0] < HIGHEST_M)
    return np.asarray(np.where(known, heights, np.nan).astype("float32"))


def write_mosaic(
    order: Order, natives: Sequence[Path], grid: GeoBox, content: Content, source: str
) -> float:
    """Resample onto ``grid`` and write ``order.target``; return the share of cells with a value."""
    named = read_onto(natives, grid, resampling=_resampling(natives[0], grid), chunks=_STRIPE)
    bands = dict(zip(content.bands, named.data_vars.values(), strict=True))
    for name, array in bands.items():
        if content.image:
            bands[name] = array.round().clip(1, 255)
        bands[name].attrs = {"units": content.unit}
    write_cog(order.target, bands, dtype=content.dtype, tags={"source": source})
    return known_share(order.target)


def known_share(path: Path) -> float:
    """Share of the cells of a raster that have a value, from a coarse look."""
    with open_dataset(path) as source:
        zoom = max(1.0, max(source.shape) / _LOOK)
        shape = tuple(max(1, round(n / zoom)) for n in source.shape)
        mask = source.dataset_mask(out_shape=shape)
    return float(np.mean(mask > 0))


def _resampling(native: Path, grid: GeoBox) -> str:
    """Nearest on the same grid, average towards coarser cells, bilinear otherwise."""
    source = raster_grid(native)
    if source.crs != grid.crs:
        return "bilinear" if _cell_m(source) * 1.5 > _cell_m(grid) else "average"
    ratio = grid.affine.a / source.affine.a
    if ratio > 1.5:
        return "average"
    shift_x = (grid.affine.c - source.affine.c) / source.affine.a
    shift_y = (grid.affine.f - source.affine.f) / source.affine.e
    same = abs(ratio - 1) < 1e-6 and all(abs(s - round(s)) < 1e-3 for s in (shift_x, shift_y))
    return "nearest" if same else "bilinear"


def _cell_m(grid: GeoBox) -> float:
    """Height of a cell [m]; a degree of latitude is 111 km."""
    size = abs(float(grid.affine.e))
    return size if grid.crs is not None and grid.crs.projected else size * 111_000.0
