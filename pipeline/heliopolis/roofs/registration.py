"""How far an image lies from the footprints: cross-correlation of roof and footprint maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize
from scipy.signal import fftconvolve
from shapely import MultiPolygon, get_parts

#: Fewest footprints that a shift is estimated from.
_MIN_BUILDINGS = 8
#: Below this correlation there is no telling.
_MIN_CORRELATION = 0.3


@dataclass(frozen=True)
class Shift:
    """Image minus footprints: what is at x in the footprints is at x + ``x_m`` in the image.

    Attributes
    ----------
    x_m, y_m
        East and north [m].
    correlation
        Correlation of roof probability and footprints at that shift.
    """

    x_m: float
    y_m: float
    correlation: float


def estimate_shift(
    footprints: gpd.GeoDataFrame,
    probability: NDArray[Any],
    grid: GeoBox,
    *,
    max_shift_m: float = 6.0,
) -> Shift | None:
    """Shift of the image against the footprints, one for the whole mosaic.

    Parameters
    ----------
    footprints
        Polygons in the CRS of ``grid``.
    probability
        (y, x), 0..1, NaN where there is no image.
    grid
        Its metric grid.
    max_shift_m
        Largest shift that is looked for [m].

    Returns
    -------
    Shift or None
        None with fewer than 8 footprints on the image, with a correlation below 0.3, or with
        the best shift at the edge of what was looked for.
    """
    cell = abs(grid.resolution.x)
    # Only where there is an image, so that the empty margins of tiles have no say.
    seen = np.isfinite(probability)
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    if rows.size:
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        probability, grid = probability[window], grid[window]
    valid = np.isfinite(probability)
    on_image = footprints.cx[slice(*grid.boundingbox.range_x), slice(*grid.boundingbox.range_y)]
    if len(on_image) < _MIN_BUILDINGS or not valid.any():
        return None
    parts = [p for p in get_parts(np.asarray(on_image.geometry.array)) if p.geom_type == "Polygon"]
    ground = rasterize(Geometry(MultiPolygon(parts), grid.crs), grid).to_numpy().astype("float32")
    roof = np.where(valid, probability, 0).astype("float32")
    roof -= np.where(valid, roof[valid].mean(), 0).astype("float32")
    ground -= ground.mean()
    reach = int(np.ceil(max_shift_m / cell))
    full = fftconvolve(roof, ground[::-1, ::-1], mode="same")
    row, column = (n // 2 for n in roof.shape)
    row, column = (n - reach for n in (row, column))
    near = full[max(row, 0) : row + 2 * reach + 1, max(column, 0) : column + 2 * reach + 1]
    if near.shape != (2 * reach + 1, 2 * reach + 1):
        return None
    return _peak(near / np.sqrt(np.sum(roof**2) * np.sum(ground**2) + 1e-12), cell, reach)


def estimate_block_shifts(
    footprints: gpd.GeoDataFrame,
    probability: NDArray[Any],
    grid: GeoBox,
    *,
    block_m: float = 250.0,
) -> gpd.GeoDataFrame:
    """Shift of the image against the footprints in each block of the mosaic.

    Returns
    -------
    GeoDataFrame
        ``image_shift_x_m``, ``image_shift_y_m``, ``correlation`` of each block on a lattice of
        ``block_m`` from the mosaic's upper-left corner; NaN where `estimate_shift` finds none.
    """
    side = max(1, round(block_m / abs(grid.resolution.x)))
    rows: list[tuple[float, float, float]] = []
    shapes = []
    for top in range(0, grid.height, side):
        for left in range(0, grid.width, side):
            window = (
                slice(top, min(top + side, grid.height)),
                slice(left, min(left + side, grid.width)),
            )
            part = grid[window]
            found = estimate_shift(footprints, probability[window], part)
            values = (np.nan, np.nan, np.nan)
            if found is not None:
                values = (found.x_m, found.y_m, found.correlation)
            rows.append(values)
            shapes.append(part.extent.geom)
    table = np.array(rows, "float64").reshape(-1, 3)
    names = ("image_shift_x_m", "image_shift_y_m", "correlation")
    columns = {name: table[:, k] for k, name in enumerate(names)}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=footprints.crs)


def _peak(near: NDArray[Any], cell_m: float, reach: int) -> Shift | None:
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    best = float(near[row, column])
    at_edge = row in (0, 2 * reach) or column in (0, 2 * reach)
    if at_edge or best < _MIN_CORRELATION:
        return None
    down = row + _vertex(near[row - 1 : row + 2, column]) - reach
    across = column + _vertex(near[row, column - 1 : column + 2]) - reach
    east, north = (round(float(value * cell_m), 2) for value in (across, -down))
    return Shift(east, north, best)


def _vertex(three: NDArray[Any]) -> float:
    """Place of the top of the parabola through three equidistant values, from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(0.5 * (three[0] - three[2]) / bend) if bend < 0 else 0.0
