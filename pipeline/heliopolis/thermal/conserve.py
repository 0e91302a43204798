"""Coarse cells and fine pixels: exact area means, and smooth fields that keep them.

Both grids are north-up in one CRS; they need not nest. Along each axis the mean over a coarse
cell is a sparse matrix of overlaps, and a quadratic B-spline (one coefficient for each coarse
cell) is another; their product is a small banded matrix whose solution gives the smooth field
whose cell means are exactly the given ones (an area-preserving, or histo-, spline: Schoenberg
1973, doi:10.1016/B978-0-12-604650-0.50014-X).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage
from scipy.sparse.linalg import splu

from heliopolis.errors import GridError

Array = NDArray[Any]
ALL = slice(None)
#: A Gaussian is cut off at this many standard deviations.
_GAUSSIAN_REACH = 3.5


@dataclass(frozen=True)
class Axis:
    """One axis: ``start`` of the first fine pixel and its ``step``, both in coarse cells."""

    start: float
    step: float
    n_fine: int
    n_coarse: int

    @cached_property
    def means(self) -> Any:
        """Sparse (coarse, fine): weights of the mean over the covered part of each cell."""
        return _scaled(self._overlaps)

    def seen(self, sigma_pixels: float) -> Any:
        """Sparse (coarse, fine): the mean as a sensor sees it that blurs by a Gaussian.

        ``sigma_pixels`` is the Gaussian's standard deviation in fine pixels; what would lie
        beyond the edge of the fine grid has no weight.
        """
        if sigma_pixels <= 0:
            return self.means
        reach = int(np.ceil(_GAUSSIAN_REACH * sigma_pixels))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_pixels) ** 2)
        offsets = list(range(-reach, reach + 1))
        blur = sp.diags(
            [np.full(self.n_fine - abs(k), w) for k, w in zip(offsets, weights, strict=True)
             if abs(k) < self.n_fine],
            [k for k in offsets if abs(k) < self.n_fine], format="csr",
        )  # fmt: skip
        return _scaled((self._overlaps @ blur).tocsr())

    @cached_property
    def _overlaps(self) -> Any:
        low = self.start + self.step * np.arange(self.n_fine)
        high = low + self.step
        first = np.floor(low + 1e-9).astype(int)
        inner = np.clip(high - (first + 1), 0.0, None)
        fine = np.arange(self.n_fine)
        matrix = sp.coo_matrix(
            (
                np.concatenate([self.step - inner, inner]),
                (np.concatenate([first, first + 1]) + 1, np.concatenate([fine, fine])),
            ),
            shape=(self.n_coarse + 3, self.n_fine),
        ).tocsr()[1 : self.n_coarse + 1]
        matrix.data[matrix.data < 1e-9] = 0.0
        return matrix

    @cached_property
    def spline(self) -> Any:
        """Sparse (fine, coarse): quadratic B-spline at the centre of each fine pixel."""
        centre = self.start + self.step * (np.arange(self.n_fine) + 0.5) - 0.5
        nearest = np.round(centre).astype(int)
        away = centre - nearest
        weights = [0.5 * (0.5 - away) ** 2, 0.75 - away**2, 0.5 * (0.5 + away) ** 2]
        rows = np.tile(np.arange(self.n_fine), 3)
        columns = np.concatenate([nearest - 1, nearest, nearest + 1])
        columns = np.clip(columns, 0, self.n_coarse - 1)
        return sp.coo_matrix(
            (np.concatenate(weights), (rows, columns)), shape=(self.n_fine, self.n_coarse)
        ).tocsr()

    @cached_property
    def factor(self) -> Any:
        """LU factors of means @ spline, (coarse, coarse)."""
        return splu((self.means @ self.spline).tocsc())

    @cached_property
    def cell(self) -> NDArray[np.intp]:
        """Index of the coarse cell that holds the centre of each fine pixel."""
        centre = self.start + self.step * (np.arange(self.n_fine) + 0.5)
        return np.floor(centre).astype(np.intp)


@dataclass(frozen=True)
class Nesting:
    """A fine grid inside a coarse one, of the same CRS."""

    rows: Axis
    columns: Axis

    @classmethod
    def between(cls, coarse: GeoBox, fine: GeoBox) -> Nesting:
        """Nesting of two grids; every coarse row and column must touch the fine grid."""
        _check(coarse, fine)
        cell_x, cell_y = coarse.resolution.x, coarse.resolution.y
        left = (fine.affine.c - coarse.affine.c) / cell_x
        top = (fine.affine.f - coarse.affine.f) / cell_y
        step_x, step_y = fine.resolution.x / cell_x, fine.resolution.y / cell_y
        rows = Axis(round(top, 9), step_y, fine.shape[0], coarse.shape[0])
        columns = Axis(round(left, 9), step_x, fine.shape[1], coarse.shape[1])
        for axis in (rows, columns):
            end = axis.start + axis.step * axis.n_fine
            if axis.start < -1e-6 or end > axis.n_coarse + 1e-6:
                raise GridError(
                    "the fine grid reaches beyond the coarse one",
                    remedy="Crop the predictors to the coarse raster",
                )
            if axis.start >= 1 or end <= axis.n_coarse - 1:
                raise GridError(
                    "the coarse grid has rows or columns that do not touch the fine grid",
                    remedy="Crop the coarse raster to the predictors",
                )
        return cls(rows, columns)

    @classmethod
    def blocks(cls, shape: tuple[int, int], factor: int) -> Nesting:
        """Nesting of a grid of ``shape`` in blocks of ``factor`` x ``factor`` of its cells."""
        axes = [Axis(0.0, 1.0 / factor, n, -(-n // factor)) for n in shape]
        return cls(axes[0], axes[1])

    def mean(self, fine: Array) -> Array:
        """Area means (coarse y, x) of a gapless field (fine y, x)."""
        return np.asarray((self.columns.means @ (self.rows.means @ fine).T).T)

    def smooth(self, coarse: Array) -> Array:
        """Smooth field (fine y, x) whose `mean` is the gapless ``coarse`` (y, x) exactly."""
        return self.drawn(self.knots(coarse))

    def knots(self, coarse: Array) -> Array:
        """Coefficients (coarse y, x) of the spline whose cell means are ``coarse``."""
        half = self.rows.factor.solve(np.ascontiguousarray(coarse, dtype="float64"))
        return np.asarray(self.columns.factor.solve(np.ascontiguousarray(half.T)).T)

    def drawn(self, knots: Array, rows: slice = ALL, columns: slice = ALL) -> Array:
        """The spline with these ``knots`` on a window of the fine grid (y, x).

        Every pixel depends on the 3 x 3 knots around it alone, so a window is cut from the
        whole exactly.
        """
        down, across = self.rows.spline[rows], self.columns.spline[columns]
        top, left = _span(down), _span(across)
        part = down[:, top] @ knots[top, left]
        return np.asarray((across[:, left] @ part.T).T)

    def spread(self, coarse: Array, rows: slice = ALL, columns: slice = ALL) -> Array:
        """Value of the coarse cell that holds each fine pixel's centre, (fine y, x)."""
        return np.asarray(coarse)[np.ix_(self.rows.cell[rows], self.columns.cell[columns])]

    def mean_valid(self, fine: Array, min_share: float = 0.5) -> Array:
        """Area means over the finite pixels; NaN where less than ``min_share`` is finite."""
        good = np.isfinite(fine)
        share = self.mean(good.astype("float64"))
        total = self.mean(np.where(good, fine, 0.0))
        enough = share >= max(min_share, 1e-9)
        return np.divide(total, share, out=np.full_like(total, np.nan), where=enough)


@dataclass
class Sums:
    """Cell means of a fine field that arrives window by window.

    Attributes
    ----------
    down, across
        Weights of the mean, sparse (coarse, fine), along y and along x.
    total
        What has been added up so far (coarse y, x).
    """

    down: Any
    across: Any
    total: Array

    @classmethod
    def of(cls, nest: Nesting, sigma_pixels: float = 0.0) -> Sums:
        """Empty sums; the sensor blurs by ``sigma_pixels`` (`Axis.seen`)."""
        down, across = nest.rows.seen(sigma_pixels), nest.columns.seen(sigma_pixels)
        shape = (nest.rows.n_coarse, nest.columns.n_coarse)
        return cls(down.tocsc(), across.tocsc(), np.zeros(shape))

    def cut(self, rows: slice, columns: slice) -> Part:
        """The weights of one window."""
        return Part.of(self.down[:, rows], self.across[:, columns])

    def add(self, part: Part, values: Array) -> None:
        """Add what `Part.of_window` found."""
        self.total[part.top, part.left] += values


@dataclass(frozen=True)
class Part:
    """Weights of the pixels of one window in the cells that it touches."""

    top: slice
    left: slice
    down: Any
    across: Any

    @classmethod
    def of(cls, down: Any, across: Any) -> Part:
        """From the columns of the weights that belong to the window."""
        top, left = _span(down.T), _span(across.T)
        return cls(top, left, down[top].tocsr(), across[left].tocsr())

    def of_window(self, fine: Array) -> Array:
        """Share of the window in the means of the cells ``[top, left]``."""
        half = np.ascontiguousarray((self.down @ fine).T)
        return np.asarray((self.across @ half).T)


def _span(matrix: Any) -> slice:
    """Range of the columns of a sparse matrix that hold anything."""
    used = matrix.tocsr().indices
    return slice(int(used.min()), int(used.max()) + 1) if used.size else slice(0, 0)


def _scaled(matrix: Any) -> Any:
    """Each row of a sparse matrix brought to a sum of 1."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return (sp.diags(scale) @ matrix).tocsr().astype("float64")


def _check(coarse: GeoBox, fine: GeoBox) -> None:
    if coarse.crs != fine.crs:
        raise GridError(
            f"the coarse grid is in {coarse.crs} and the fine grid in {fine.crs}",
            remedy="Reproject one of them",
        )
    for grid in (coarse, fine):
        if not grid.axis_aligned or grid.resolution.x <= 0 or grid.resolution.y >= 0:
            raise GridError("a grid is not north-up", remedy="Warp it, for instance with gdalwarp")
    if (
        fine.resolution.x > coarse.resolution.x * 1.0000001
        or -fine.resolution.y > -coarse.resolution.y * 1.0000001
    ):
        raise GridError("the fine grid is coarser than the coarse grid")


def crop_to(coarse: GeoBox, fine: GeoBox) -> tuple[slice, slice]:
    """Rows and columns of ``coarse`` that touch ``fine``, as slices."""
    _check(coarse, fine)
    cell_x, cell_y = coarse.resolution.x, coarse.resolution.y
    left = (fine.affine.c - coarse.affine.c) / cell_x
    top = (fine.affine.f - coarse.affine.f) / cell_y
    right = left + fine.shape[1] * fine.resolution.x / cell_x
    bottom = top + fine.shape[0] * fine.resolution.y / cell_y
    rows = slice(max(0, _floor(top)), min(coarse.shape[0], -_floor(-bottom)))
    columns = slice(max(0, _floor(left)), min(coarse.shape[1], -_floor(-right)))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise GridError(
            "the coarse raster and the predictors do not overlap",
            remedy="Check that both cover the same place and carry the right CRS",
        )
    return rows, columns


def _floor(value: float) -> int:
    return int(np.floor(value + 1e-6)) if value >= 0 else -int(np.ceil(-value - 1e-6))


def fill_gaps(values: Array, smoothing: float = 1.5) -> Array:
    """Fill NaN with the nearest value, smoothed inside the gap; the rest is left as it is."""
    hole = ~np.isfinite(values)
    if not hole.any():
        return values
    if hole.all():
        return np.zeros_like(values)
    index = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    near = values[tuple(index)]
    return np.where(hole, ndimage.gaussian_filter(near, smoothing, mode="nearest"), near)
