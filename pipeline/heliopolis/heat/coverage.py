"""Exact shares of grid cells under polygons, and area-weighted statistics from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Coverage:
    """Which share of which cell lies under which polygon.

    Attributes
    ----------
    polygon, cell
        Position of the polygon in its table, and of the cell in the flattened grid.
    share
        Share of the cell under the polygon (1), exact.
    n_polygons, shape
        Number of polygons and shape of the grid.
    """

    polygon: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]
    share: Array
    n_polygons: int
    shape: tuple[int, int]

    def mean(self, values: Array) -> Array:
        """Area-weighted mean of the valid values under each polygon; NaN where none is."""
        flat = np.asarray(values, dtype="float64").ravel()[self.cell]
        valid = np.isfinite(flat)
        weight = self._sum(np.where(valid, self.share, 0.0))
        total = self._sum(np.where(valid, flat * self.share, 0.0))
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan)

    def weight(self, values: Array) -> Array:
        """Number of cells (with fractions) that hold a valid value under each polygon."""
        valid = np.isfinite(np.asarray(values).ravel()[self.cell])
        return self._sum(np.where(valid, self.share, 0.0))

    def union_share(self) -> Array:
        """Share of each cell under any polygon (1), dims (y, x); at most 1 where they overlap."""
        total = np.bincount(self.cell, self.share, minlength=self.shape[0] * self.shape[1])
        return np.asarray(np.minimum(total, 1.0).reshape(self.shape))

    def _sum(self, values: Array) -> Array:
        return np.asarray(np.bincount(self.polygon, values, minlength=self.n_polygons))


def coverage(polygons: gpd.GeoSeries, shape: tuple[int, int], affine: Affine) -> Coverage:
    """Exact coverage of the cells of a north-up grid by polygons.

    Parameters
    ----------
    polygons
        Polygons or multipolygons with a CRS, that of the grid; missing and empty ones cover
        nothing.
    shape, affine
        Shape (y, x) of the grid and its transform from cell to map coordinates.
    """
    table = gpd.GeoDataFrame({"row": np.arange(len(polygons))}, geometry=polygons.array)
    table = table[~(table.geometry.isna() | table.geometry.is_empty)]
    rows, cols = shape
    west, north = affine.c, affine.f
    south, east = north + rows * affine.e, west + cols * affine.a
    # the values play no part; a broadcast view holds no memory
    zeros = np.broadcast_to(np.float32(0), shape)
    source = NumPyRasterSource(zeros, west, south, east, north, srs_wkt=polygons.crs.to_wkt())
    parts: list[tuple[int, Any, Any]] = []
    if len(table):
        found = exact_extract(
            source, table, ["cell_id", "coverage"], include_cols=["row"], output="pandas"
        )
        parts = list(zip(found["row"], found["cell_id"], found["coverage"], strict=True))
    none = np.empty(0)
    return Coverage(
        np.concatenate([none, *(np.full(len(ids), row) for row, ids, _ in parts)]).astype("int64"),
        np.concatenate([none, *(ids for _, ids, _ in parts)]).astype("int64"),
        np.concatenate([none, *(share for _, _, share in parts)]).astype("float64"),
        len(polygons),
        shape,
    )
