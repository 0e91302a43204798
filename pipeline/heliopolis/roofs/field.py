"""Fields of an area that is larger than memory, read window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize
from shapely import MultiPolygon, Polygon

Floats = NDArray[np.floating[Any]]


class Field(Protocol):
    """What the net says of an area, read window by window."""

    @property
    def grid(self) -> GeoBox:
        """Grid of the whole, in metres."""

    def read(self, rows: slice, columns: slice) -> Floats:
        """Window (layer, y, x) of the field.

        The layers are the probability of roof, NaN where there is no image, and, where the net
        tells, the probability of an edge and the distance to it [m].
        """


@dataclass(frozen=True)
class Whole:
    """A field in memory: ``layers`` (layer, y, x) on ``grid``."""

    layers: Floats
    grid: GeoBox

    def read(self, rows: slice, columns: slice) -> Floats:
        """Window of the layers."""
        return self.layers[:, rows, columns]


@dataclass(frozen=True)
class RoofRaster:
    """Probability of one kind of surface, of roof for instance.

    Attributes
    ----------
    grid
        Metric grid of the whole.
    threshold
        Probability from which a pixel counts.
    read
        Gives rows and columns as (y, x), 0..1; NaN where there is no image.
    """

    grid: GeoBox
    threshold: float
    read: Callable[[slice, slice], Floats]

    @classmethod
    def whole(cls, probability: Floats, grid: GeoBox, threshold: float) -> RoofRaster:
        """Of an array (y, x) in memory."""
        return cls(grid, threshold, lambda rows, columns: probability[rows, columns])

    def moved(self, east_m: float, north_m: float) -> RoofRaster:
        """The same content somewhere else."""
        affine = self.grid.affine.translation(east_m, north_m) * self.grid.affine
        grid = GeoBox(self.grid.shape, affine, self.grid.crs)
        return RoofRaster(grid, self.threshold, self.read)


def covered(polygons: Sequence[Polygon] | NDArray[Any], grid: GeoBox) -> NDArray[np.bool_]:
    """Cells (y, x) of a grid whose centre lies in one of the polygons."""
    if len(polygons) == 0:
        return np.zeros(grid.shape, bool)
    shape = Geometry(MultiPolygon(list(polygons)), grid.crs)
    return np.asarray(rasterize(shape, grid).to_numpy(), bool)


def blocks(grid: GeoBox, side_m: float) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of squares that lie on multiples of ``side_m``, cut off at the grid's rim.

    The lattice is that of the coordinates: it does not depend on where the grid begins.

    >>> grid = GeoBox.from_bbox((-10, 0, 10, 30), "EPSG:2154", resolution=1)
    >>> [(rows.start, columns.start) for rows, columns in blocks(grid, 25)]
    [(0, 0), (0, 10), (5, 0), (5, 10)]
    """
    box, cell = grid.boundingbox, abs(grid.resolution.x)
    down = _cuts(-box.top, cell, grid.height, side_m)
    across = _cuts(box.left, cell, grid.width, side_m)
    for rows in pairwise(down):
        for columns in pairwise(across):
            yield slice(*rows), slice(*columns)


def _cuts(start_m: float, cell_m: float, count: int, side_m: float) -> list[int]:
    end_m = start_m + count * cell_m
    multiples = range(math.floor(start_m / side_m), math.ceil(end_m / side_m) + 1)
    inner = {round((k * side_m - start_m) / cell_m) for k in multiples}
    return [0, *sorted(n for n in inner if 0 < n < count), count]
