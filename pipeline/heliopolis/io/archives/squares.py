"""Rasters out of services that draw any rectangle: asked for in squares of a fixed grid.

The squares are those of one grid over the whole country, so that two areas that overlap ask
for the same ones, and the second finds them in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from heliopolis.io.archives.answers import Question, kept, refused
from heliopolis.io.archives.delivery import Order, workshop
from heliopolis.io.archives.mosaic import Content, paste, write_mosaic
from heliopolis.io.remote.client import CorruptError

Bounds = tuple[float, float, float, float]
_WORKERS = 3
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff")


@dataclass(frozen=True)
class SquareSource:
    """A layer of a service.

    Attributes
    ----------
    archive, layer
        For the cache and for messages.
    crs
        CRS in which the squares are asked for, the layer's own.
    cell_m
        Cell of the squares [m].
    origin
        A corner of a cell of the layer's own grid [m]: squares begin at multiples from here.
    side_px
        Side of a square in cells.
    url
        Address of the request for (west, south, east, north), ``side_px`` cells wide and high.
    content
        Bands.
    nodata
        Value that stands for "unknown" where the answer does not say.
    """

    archive: str
    layer: str
    crs: str
    cell_m: float
    origin: tuple[float, float]
    side_px: int
    url: Callable[[Bounds], str]
    content: Content
    nodata: float | None = None

    def squares(self, bounds: Bounds) -> Iterator[Bounds]:
        """Squares that touch ``bounds``, row by row from the south."""
        side = self.cell_m * self.side_px
        x0, y0 = self.origin
        columns = range(math.floor((bounds[0] - x0) / side), math.ceil((bounds[2] - x0) / side))
        rows = range(math.floor((bounds[1] - y0) / side), math.ceil((bounds[3] - y0) / side))
        for row in rows:
            for column in columns:
                west, south = x0 + column * side, y0 + row * side
                yield west, south, west + side, south + side


def deliver_squares(order: Order, source: SquareSource) -> float:
    """Fetch the squares over the area and write them as one raster; return the known share."""
    grid = order.grid(source.cell_m)
    region = grid.extent.to_crs(source.crs, resolution="auto").boundingbox
    wanted = list(source.squares((region.left, region.bottom, region.right, region.top)))
    with workshop(order.target) as folder:
        with ThreadPoolExecutor(_WORKERS) as pool:
            pieces = list(
                pool.map(
                    lambda job: _fetch(order, source, job[1], folder / f"square_{job[0]}.tif"),
                    enumerate(wanted),
                )
            )
        found = [piece for piece in pieces if piece is not None]
        if not found:
            raise order.nothing(source.archive)
        natives = paste(found, source.content, folder)
        share = write_mosaic(order, natives, grid, source.content, source.layer)
        if share == 0:
            order.target.unlink()
            raise order.nothing(source.archive)
        return share


def _fetch(order: Order, source: SquareSource, square: Bounds, piece: Path) -> Path | None:
    """Write one square with its georeference; None where it holds nothing."""
    where = f"{source.archive} {source.layer}, square " + " ".join(f"{v:g}" for v in square)
    body = kept(
        order.store,
        Question(
            source.archive,
            where,
            source.url(square),
            check=lambda answer: _looks_like_image(answer, where),
            confirm=True,
        ),
    )
    values, known = _decode(body, source, square, where)
    if not known.any():
        return None
    profile = {
        "driver": "GTiff",
        "width": source.side_px,
        "height": source.side_px,
        "count": len(values),
        "dtype": source.content.dtype,
        "crs": source.crs,
        "transform": from_origin(square[0], square[3], source.cell_m, source.cell_m),
        "nodata": 0 if source.content.image else np.nan,
        "compress": "zstd",
        "zstd_level": 1,
        "tiled": True,
        "ALPHA": "NO",
    }
    with rasterio.open(piece, "w", **profile) as sink:
        sink.write(values)
    return piece


def _looks_like_image(body: bytes, where: str) -> None:
    if not body.startswith(_SIGNATURES):
        raise refused(body, where)


def _decode(body: bytes, source: SquareSource, square: Bounds, where: str) -> tuple[Any, Any]:
    """Values (band, y, x) with nodata filled in, and where they are known (y, x)."""
    try:
        with MemoryFile(body) as memory, memory.open() as answer:
            _check(answer, source, square, where)
            count = len(source.content.bands)
            indexes = list(range(1, count + 1)) if answer.count >= count else [1] * count
            values = answer.read(indexes)
            known = answer.dataset_mask() > 0
    except RasterioIOError as error:
        raise CorruptError("the picture cannot be read", where=f"{where}: {error}") from error
    if source.nodata is not None:
        known &= values[0] != source.nodata
    if source.content.image:
        return np.where(known, np.clip(values, 1, 255), 0).astype("uint8"), known
    known &= np.isfinite(values[0]) & (np.abs(values[0]) < 9000)
    return np.where(known, values, np.nan).astype("float32"), known


def _check(answer: Any, source: SquareSource, square: Bounds, where: str) -> None:
    """Refuse an answer of another size, type or place than was asked for."""
    side = source.side_px
    if answer.shape != (side, side):
        raise CorruptError(
            f"the picture has {answer.width} x {answer.height} cells, not {side} x {side}",
            where=where,
        )
    wanted = "u" if source.content.image else "f"
    if np.dtype(answer.dtypes[0]).kind != wanted:
        raise CorruptError(
            f"the values are {answer.dtypes[0]}, not {source.content.dtype}", where=where
        )
    if answer.crs is None or answer.transform.is_identity:
        return
    told = (answer.bounds.left, answer.bounds.bottom, answer.bounds.right, answer.bounds.top)
    if max(abs(a - b) for a, b in zip(told, square, strict=True)) > 0.6 * source.cell_m:
        raise CorruptError(
            "the picture lies elsewhere than was asked for: " + " ".join(f"{v:.2f}" for v in told),
            where=where,
        )
