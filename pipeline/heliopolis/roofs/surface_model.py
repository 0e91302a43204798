"""Surface, terrain and trees on a grid, from points or from rasters of heights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy import ndimage

from heliopolis.roofs.ground import (
    COARSEST_M,
    fill_reach_m,
    fill_terrain,
    filter_reach_m,
    ground_mask,
)

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

GROUND, LOW_VEGETATION, MEDIUM_VEGETATION, TREE, BUILDING = 2, 3, 4, 5, 6
#: Classes of points that are never the surface: noise.
_NOISE = (7, 18)
#: Cells of the ground filter [m].
_FILTER_CELL_M = 1.0
#: Holes of the surface narrower than about this are filled [m].
_HOLE_M = 2.0
#: An unclassified object is a tree when it is higher than this [m] and rougher than this [m].
_TREE_HEIGHT_M = 2.5
_ROUGH_M = 0.15
_WINDOW = 5


def reach_m(classified: bool) -> float:
    """Halo around a tile that makes tiles agree with the whole [m]."""
    return fill_reach_m() + 16.0 + (0.0 if classified else filter_reach_m())


def with_halo(grid: GeoBox, halo_m: float) -> GeoBox:
    """Grid grown on all sides by at least ``halo_m``, to whole cells of the coarsest pyramid."""
    cell = abs(grid.resolution.x)
    step = max(round(COARSEST_M / cell), 1)
    return grid.pad(math.ceil(halo_m / cell / step) * step)


def surface_from_points(
    x: F64,
    y: F64,
    z: F64,
    classification: U8,
    grid: GeoBox,
    *,
    classified: bool,
    footprints: Mask | None = None,
) -> xr.Dataset:
    """Surface, terrain and trees from points.

    Parameters
    ----------
    x, y, z
        Points in the CRS of the grid [m].
    classification
        ASPRS class of each point.
    grid
        Grid, halo included (see `reach_m`).
    classified
        Whether ground points are classified (class 2); if not, they are looked for.
    footprints
        True in buildings (y, x), where known.

    Returns
    -------
    Dataset
        ``dsm_m`` highest point of each cell, small holes filled with a neighbour's height, so
        that edges stay sharp; ``dtm_m`` terrain, filled under buildings; ``tree`` 1 where the
        highest thing is a tree, 0 elsewhere. float32, dims (y, x), NaN where unknown.
    """
    keep = ~np.isin(classification, _NOISE)
    x, y, z, kind = x[keep], y[keep], z[keep], classification[keep]
    flat, inside = _cell_of(x, y, grid)
    flat, z, kind = flat[inside], z[inside], kind[inside]
    top, top_kind = _highest(flat, z, kind, grid)
    dsm = _small_holes_filled(top, abs(grid.resolution.x))
    if classified:
        on = kind == GROUND
        ground = _mean(flat[on], z[on], grid)
    else:
        ground = _found_ground(flat, z, grid, footprints)
    dtm = _filled(ground, grid)
    dtm = np.where(np.isfinite(dtm) & np.isfinite(dsm), np.minimum(dtm, dsm), dtm)
    tree = _trees(dsm, dtm, top_kind, footprints)
    return _dataset(dsm, dtm, tree, grid)


def surface_from_rasters(
    dsm: F64, dtm: F64 | None, grid: GeoBox, footprints: Mask | None = None
) -> xr.Dataset:
    """Surface, terrain and trees from rasters of heights on ``grid`` (see `surface_from_points`).

    Where ``dtm`` is None the terrain is looked for in the surface model.
    """
    top = dsm.astype("float64")
    found = _objects_removed(top, grid, footprints) if dtm is None else dtm
    ground = found.astype("float64")
    terrain = _filled(ground, grid)
    surface = _small_holes_filled(top, abs(grid.resolution.x))
    kind = np.where(np.isfinite(top), 0, 255).astype("uint8")
    return _dataset(surface, terrain, _trees(surface, terrain, kind, footprints), grid)


def crop(data: xr.Dataset, grid: GeoBox) -> xr.Dataset:
    """The part of a surface that covers ``grid``, exactly."""
    outer = data.odc.geobox
    left = round((grid.affine.c - outer.affine.c) / outer.affine.a)
    top = round((grid.affine.f - outer.affine.f) / outer.affine.e)
    rows, cols = slice(top, top + grid.height), slice(left, left + grid.width)
    out = {}
    for name, array in data.data_vars.items():
        part = wrap_xr(array.values[rows, cols], grid)
        part.attrs = {k: v for k, v in array.attrs.items() if k in ("units", "long_name")}
        out[str(name)] = part
    return xr.Dataset(out)


def _cell_of(x: F64, y: F64, grid: GeoBox) -> tuple[npt.NDArray[np.int64], Mask]:
    """Flat index of the cell of each point, and whether it is in the grid.

    Cells are closed to the west and south on a lattice fixed to the CRS, so that a point on a
    border falls into the same cell whatever the tile.
    """
    cell = abs(grid.resolution.x)
    west, north = grid.affine.c, grid.affine.f
    col = np.floor(x / cell).astype("int64") - round(west / cell)
    row = round(north / cell) - 1 - np.floor(y / cell).astype("int64")
    inside = (col >= 0) & (col < grid.width) & (row >= 0) & (row < grid.height)
    return row * grid.width + col, inside


def _highest(
    flat: npt.NDArray[np.int64], z: F64, kind: U8, grid: GeoBox
) -> tuple[F64, npt.NDArray[np.uint8]]:
    """Height and class (255: none) of the highest point of each cell."""
    top = np.full(grid.height * grid.width, -np.inf)
    np.maximum.at(top, flat, z)
    highest = z == top[flat]
    what = np.zeros(grid.height * grid.width, dtype="uint8")
    np.maximum.at(what, flat[highest], kind[highest])
    none = np.isneginf(top)
    top[none], what[none] = np.nan, 255
    shape = (grid.height, grid.width)
    return top.reshape(shape), what.reshape(shape)


def _mean(flat: npt.NDArray[np.int64], z: F64, grid: GeoBox) -> F64:
    size = grid.height * grid.width
    count = np.bincount(flat, minlength=size)
    total = np.bincount(flat, weights=z, minlength=size)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean.reshape(grid.height, grid.width)


def _small_holes_filled(top: F64, cell_m: float) -> F64:
    """Give cells in narrow holes the lower median of their neighbours' heights.

    It is always the height of a real neighbour, never something between roof and ground.
    """
    radius = max(1, round(_HOLE_M / 2 / cell_m))
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = xx**2 + yy**2 <= radius**2 + 1
    known = np.isfinite(top)
    closed = ndimage.binary_erosion(ndimage.binary_dilation(known, disc), disc, border_value=1)
    out = top.copy()
    for _ in range(radius + 1):
        row, col = np.nonzero(closed & ~np.isfinite(out))
        if not len(row):
            break
        padded = np.pad(out, 1, constant_values=np.nan)
        around = np.stack(
            [padded[row + i, col + j] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        )
        around.sort(axis=0)
        count = np.isfinite(around).sum(axis=0)
        middle = around[np.maximum(count - 1, 0) // 2, np.arange(len(row))]
        out[row, col] = np.where(count >= 3, middle, np.nan)
    return out


def _found_ground(
    flat: npt.NDArray[np.int64], z: F64, grid: GeoBox, footprints: Mask | None
) -> F64:
    """Ground heights from unclassified points: the lowest of each cell, filtered."""
    order = np.lexsort((-z, flat))
    cells = flat[order]
    last = np.flatnonzero(np.append(cells[1:] != cells[:-1], True)) if len(cells) else order
    low = np.full(grid.height * grid.width, np.nan)
    low[cells[last]] = z[order][last]
    return _objects_removed(low.reshape(grid.height, grid.width), grid, footprints)


def _objects_removed(low: F64, grid: GeoBox, footprints: Mask | None) -> F64:
    """Heights of the ground, NaN on objects."""
    surface = np.where(footprints, np.nan, low) if footprints is not None else low
    factor = max(1, round(_FILTER_CELL_M / abs(grid.resolution.x)))
    rows, cols = (-(-n // factor) * factor for n in surface.shape)
    padded = np.full((rows, cols), np.nan)
    padded[: surface.shape[0], : surface.shape[1]] = surface
    blocks = padded.reshape(rows // factor, factor, cols // factor, factor)
    lowest = np.fmin.reduce(np.fmin.reduce(blocks, axis=3), axis=1)
    mask = ground_mask(lowest, factor * abs(grid.resolution.x))
    ground = np.where(mask, lowest, np.nan)
    near = np.kron(ground, np.ones((factor, factor)))[: surface.shape[0], : surface.shape[1]]
    return np.where(np.abs(surface - near) <= 0.3, surface, np.nan)


def _filled(ground: F64, grid: GeoBox) -> F64:
    cell = abs(grid.resolution.x)
    return fill_terrain(ground, cell, -round(grid.affine.f / cell), round(grid.affine.c / cell))


def _trees(dsm: F64, dtm: F64, kind: npt.NDArray[np.uint8], footprints: Mask | None) -> F64:
    """1 where a tree is highest, 0 elsewhere, NaN where nothing is known."""
    known = np.isfinite(dsm)
    decided = np.isin(kind, (GROUND, BUILDING, 9))
    free = known & ~decided & (dsm - dtm > _TREE_HEIGHT_M) & ~_planar(dsm)
    if footprints is not None:
        free &= ~ndimage.binary_dilation(footprints, iterations=2)
    named = kind == TREE
    tree = named | ndimage.binary_opening(free | named, np.ones((3, 3), dtype=bool))
    return np.where(known, tree.astype("float64"), np.nan)


def _planar(height: F64) -> Mask:
    """Cells in at least one window of 5 x 5 cells whose heights lie on a plane."""
    known = np.isfinite(height)
    value = np.where(known, height, 0.0)
    ones: F64 = np.ones(_WINDOW)
    ramp: F64 = np.arange(_WINDOW, dtype="float64") - (_WINDOW - 1) / 2
    count = _WINDOW**2

    def moment(array: F64, along_y: F64, along_x: F64) -> F64:
        made: Any = ndimage.correlate1d(array, along_y, axis=0, mode="nearest")
        return np.asarray(ndimage.correlate1d(made, along_x, axis=1, mode="nearest"))

    mean = moment(value, ones, ones) / count
    spread = float(_WINDOW * (ramp @ ramp)) / count
    slope_x = moment(value, ones, ramp) / count / spread
    slope_y = moment(value, ramp, ones) / count / spread
    variance = moment(value**2, ones, ones) / count - mean**2
    rest = variance - (slope_x**2 + slope_y**2) * spread
    whole = ndimage.binary_erosion(known, np.ones((_WINDOW, _WINDOW), dtype=bool))
    flat = whole & (rest < _ROUGH_M**2)
    return np.asarray(ndimage.binary_dilation(flat, np.ones((_WINDOW, _WINDOW), dtype=bool)))


def _dataset(dsm: F64, dtm: F64, tree: F64, grid: GeoBox) -> xr.Dataset:
    names = {
        "dsm_m": (dsm, "m", "height of the surface"),
        "dtm_m": (dtm, "m", "height of the terrain"),
        "tree": (tree, "1", "tree (1) or not (0)"),
    }
    out = {}
    for name, (values, unit, long_name) in names.items():
        array = wrap_xr(values.astype("float32"), grid)
        array.attrs = {"units": unit, "long_name": long_name}
        out[name] = array
    return xr.Dataset(out)
