"""Roof probability and outlines of one image of the user's own."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.imagery import (
    ImageGrid,
    as_cog,
    brightness_range,
    colour_indexes,
    image_grid,
    new_plain,
    read_colours,
    read_window,
    seen_part,
    write_window,
)
from heliopolis.io.limits import reading
from heliopolis.io.raster import read_onto
from heliopolis.io.vector import write_layers
from heliopolis.roofs.outline import Rules, outlines_and_originals
from heliopolis.roofs.probability import FAR_M, TILE_STEP_M, Scene, is_strange, load_net

#: Largest net that is read [bytes].
_LARGEST_NET = 2_000_000_000
_BLOCK_PX = 2048
#: Memory for blocks of files [bytes].
_CACHE = 128 * 1024 * 1024
#: Ground sampling distances that the net was tried on [m].
_GSD_M = (0.05, 0.7)


def segment_image(
    image: Path,
    out: Path,
    *,
    polygons: Path | None = None,
    gsd_m: float | None = None,
    weights: Path | None = None,
    threshold: float | None = None,
    min_area_m2: float = 10.0,
    flips: bool = False,
    height: Path | None = None,
    block_px: int = _BLOCK_PX,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> int | None:
    """Write roof probability on the image's grid, and outlines if wanted; number of outlines.

    Memory does not grow with the image, and the result is the same for any ``block_px``.
    """
    grid = image_grid(image, gsd_m)
    if not all(_GSD_M[0] <= g <= _GSD_M[1] for g in grid.gsd_m):
        raise InputError(
            f"a pixel of {grid.gsd_m[0]:.3g} m is outside what the net can work on, "
            f"{_GSD_M[0]} to {_GSD_M[1]} m",
            where=str(image),
            remedy="Check the georeference or --gsd, or resample the image",
        )
    net = read_net(weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-") as folder,
        rasterio.Env(GDAL_CACHEMAX=_CACHE),
    ):
        field = _Answers(Path(folder), grid)
        seen = _by_blocks(
            image, field, net, height=height, flips=flips, block_px=block_px, progress=progress
        )
        told = net.weights
        strange = is_strange(
            seen.unlike_share(told.unlike_limit), seen.unsure_share(), told.unsure_limit
        )
        if strange and warn is not None:
            warn(
                f"{image.name} is unlike the images that the net was trained on, or the net is "
                "not sure of most of what may be roof: look at the roofs before they are used"
            )
        field.publish(out)
        if polygons is None:
            return None
        level, least = net.weights.threshold, net.weights.outline_probability
        if threshold is not None:
            level, least = threshold, 0.0
        rules = Rules(level, min_area_m2, min_probability=least)
        found, originals = outlines_and_originals(field, rules)
    write_layers(polygons, {"roofs": _on_map(found, grid), "originals": _on_map(originals, grid)})
    return len(found)


class _Answers:
    """What the net says of an image, in files beside the result: a field of outlines.

    The probability of roof is kept in full, edge and distance in 254 steps.
    """

    def __init__(self, folder: Path, grid: ImageGrid) -> None:
        self.image = grid
        metric = Affine(grid.gsd_m[0], 0, grid.corner_m[0], 0, -grid.gsd_m[1], grid.corner_m[1])
        self.grid = GeoBox(grid.shape, metric, None)
        self._roof, self._parts = folder / "roof.tif", folder / "parts.tif"
        new_plain(self._roof, grid, ["roof_probability"], "float32")
        new_plain(self._parts, grid, ["edge_probability", "edge_distance"], "uint8")

    def write(self, made: NDArray[np.float32], top: int, left: int) -> None:
        """Keep the answers (head, y, x) of a window."""
        write_window(self._roof, made[:1], top, left)
        steps = np.where(np.isfinite(made[1:3]), np.rint(made[1:3] * 254), 255)
        write_window(self._parts, steps.astype("uint8"), top, left)

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Window (layer, y, x): probability of roof, of an edge, distance to it [m]."""
        roof = read_window(self._roof, rows, columns)
        parts = read_window(self._parts, rows, columns).astype("float32") / 254
        parts[1] *= FAR_M
        return np.concatenate([roof, parts])

    def publish(self, out: Path) -> None:
        """Write the probability of roof as a cloud-optimised GeoTIFF."""
        as_cog(self._roof, out)


def read_net(weights: Path | None) -> Any:
    """The shipped net, or the one of a sidecar; `InputError` where it cannot be used."""
    if weights is None:
        return load_net()
    from roofnet import weights as stored

    if weights.with_suffix(".onnx").stat().st_size > _LARGEST_NET:
        raise InputError("the net is larger than any that is read", where=str(weights))
    with reading("the net (.onnx, with its .json)", weights):
        return load_net(stored.read(weights.with_suffix(".json")))


def _by_blocks(
    image: Path,
    field: _Answers,
    net: Any,
    *,
    height: Path | None,
    flips: bool,
    block_px: int,
    progress: Callable[[int, int], None] | None,
) -> Any:
    """Answers block by block; the same for any size of block."""
    grid = field.image
    indexes, span = colour_indexes(image), brightness_range([image])

    def read(rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.float32]:
        values = span.scaled(read_colours(image, indexes, rows, columns))
        if height is None:
            return values
        return np.concatenate([values, _heights(height, grid, rows, columns)])

    scene = Scene(read, grid.gsd_m, grid.corner_m, partial(seen_part, image))
    seen = net.seen(math.ceil(grid.shape[1] * grid.gsd_m[0] / TILE_STEP_M) + 64)
    corners = [
        (top, left)
        for top in range(0, grid.shape[0], block_px)
        for left in range(0, grid.shape[1], block_px)
    ]
    for done, (top, left) in enumerate(corners, start=1):
        rows = (top, min(top + block_px, grid.shape[0]))
        columns = (left, min(left + block_px, grid.shape[1]))
        made = scene.answers(rows, columns, net=net, heads=3, flips=flips, seen=seen)
        field.write(made, top, left)
        if progress is not None:
            progress(done, len(corners))
    return seen


def _heights(
    height: Path, grid: ImageGrid, rows: tuple[int, int], columns: tuple[int, int]
) -> NDArray[np.float32]:
    """Near infrared, which is not known, and height above the ground [m], (2, y, x)."""
    affine = grid.affine * Affine.translation(columns[0], rows[0])
    shape = (rows[1] - rows[0], columns[1] - columns[0])
    read = read_onto([height], GeoBox(shape, affine, grid.crs), resampling="bilinear")
    values = read[next(iter(read))].to_numpy()
    return np.stack([np.full(shape, np.nan, "float32"), values])


def _on_map(found: gpd.GeoDataFrame, grid: ImageGrid) -> gpd.GeoDataFrame:
    """From metres to the units of the image's CRS."""
    x, y = grid.affine.a / grid.gsd_m[0], -grid.affine.e / grid.gsd_m[1]
    shapes = found.geometry.affine_transform([x, 0, 0, y, 0, 0])
    return found.set_geometry(shapes).set_crs(grid.crs, allow_override=True)
