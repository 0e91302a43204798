"""Roof probability and outlines of one image of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.imagery import (
    ImageGrid,
    brightness_range,
    colour_indexes,
    image_grid,
    read_colours,
    write_plain,
)
from heliopolis.io.limits import reading
from heliopolis.io.vector import write_layers
from heliopolis.roofs.outline import outlines_and_originals
from heliopolis.roofs.probability import HALO_M, load_net, roof_probability

#: Largest net that is read [bytes].
_LARGEST_NET = 2_000_000_000
_BLOCK_PX = 2048
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
    progress: Callable[[int, int], None] | None = None,
) -> int | None:
    """Write roof probability on the image's grid, and outlines if wanted; number of outlines."""
    grid = image_grid(image, gsd_m)
    if not all(_GSD_M[0] <= g <= _GSD_M[1] for g in grid.gsd_m):
        raise InputError(
            f"a pixel of {grid.gsd_m[0]:.3g} m is outside what the net can work on, "
            f"{_GSD_M[0]} to {_GSD_M[1]} m",
            where=str(image),
            remedy="Check the georeference or --gsd, or resample the image",
        )
    net = read_net(weights)
    chance = _by_blocks(image, grid, net, flips, progress)
    write_plain(out, chance, grid, "roof_probability")
    if polygons is None:
        return None
    level, least = net.weights.threshold, net.weights.outline_probability
    if threshold is not None:
        level, least = threshold, 0.0
    metric = Affine(grid.gsd_m[0], 0, grid.corner_m[0], 0, -grid.gsd_m[1], grid.corner_m[1])
    found, originals = outlines_and_originals(
        chance, GeoBox(grid.shape, metric, None), level, min_area_m2, min_probability=least
    )
    write_layers(polygons, {"roofs": _on_map(found, grid), "originals": _on_map(originals, grid)})
    return len(found)


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
    grid: ImageGrid,
    net: Any,
    flips: bool,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    """Probability (y, x), block by block with a halo; the same for any size of block."""
    indexes, span = colour_indexes(image), brightness_range([image])
    halo = [math.ceil(HALO_M / gsd) + 2 for gsd in grid.gsd_m]
    out = np.full(grid.shape, np.nan, "float32")
    corners = [
        (top, left)
        for top in range(0, grid.shape[0], _BLOCK_PX)
        for left in range(0, grid.shape[1], _BLOCK_PX)
    ]
    for done, (top, left) in enumerate(corners, start=1):
        below, right = min(top + _BLOCK_PX, grid.shape[0]), min(left + _BLOCK_PX, grid.shape[1])
        rows, columns = (top - halo[1], below + halo[1]), (left - halo[0], right + halo[0])
        values = span.scaled(read_colours(image, indexes, rows, columns))
        out[top:below, left:right] = roof_probability(
            values,
            grid.gsd_m,
            corner_m=(
                grid.corner_m[0] + columns[0] * grid.gsd_m[0],
                grid.corner_m[1] - rows[0] * grid.gsd_m[1],
            ),
            core=(
                slice(halo[1], halo[1] + below - top),
                slice(halo[0], halo[0] + right - left),
            ),
            net=net,
            flips=flips,
        )
        if progress is not None:
            progress(done, len(corners))
    return out


def _on_map(found: gpd.GeoDataFrame, grid: ImageGrid) -> gpd.GeoDataFrame:
    """From metres to the units of the image's CRS."""
    x, y = grid.affine.a / grid.gsd_m[0], -grid.affine.e / grid.gsd_m[1]
    shapes = found.geometry.affine_transform([x, 0, 0, y, 0, 0])
    return found.set_geometry(shapes).set_crs(grid.crs, allow_override=True)
