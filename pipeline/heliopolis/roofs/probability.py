"""What the net says of an image, on the image's own grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sparse
import xarray as xr
from numpy.typing import NDArray

#: Bands that the net sees; those after the colours may be missing.
BANDS = ("red", "green", "blue", "nir", "height")
COLOURS = 3
#: What it answers: probability of roof, of an edge of a building, distance to that edge over
#: 4 m, probability of panels.
HEADS = ("roof", "edge", "inside", "panel")
#: Distance to the edge that is answered with 1 [m].
FAR_M = 4.0
#: Ground sampling distance of the working grid [m]: the one that the net was trained at.
WORKING_GSD_M = 0.25
#: No pixel further away than this can change the probability at a point [m].
HALO_M = 146.0
#: Distance from one tile of the net to the next [m].
TILE_STEP_M = 128.0

#: Share of an image that may be unlike the training images without a warning.
_MUCH = 0.5

Floats = NDArray[np.float32]


def is_strange(unlike_share: float, unsure_share: float, unsure_limit: float) -> bool:
    """Whether an image calls for a warning: unlike the training images, or the net is unsure.

    >>> is_strange(0.1, 0.6, 0.8), is_strange(0.6, 0.6, 0.8), is_strange(float("nan"), 0.9, 0.8)
    (False, True, True)
    """
    return unlike_share > _MUCH or unsure_share > unsure_limit


def load_net(weights: Any = None, threads: int = 0) -> Any:
    """`roofnet.predict.Predictor` of the shipped, or of other, weights.

    Raises
    ------
    ValueError
        When the weights work at another ground sampling distance, on other bands, or answer
        something else.
    """
    from roofnet.predict import Predictor

    net = Predictor(weights, threads)
    told = (net.weights.bands, net.weights.heads)
    if abs(net.weights.gsd_m - WORKING_GSD_M) > 1e-9 or told != (BANDS, HEADS):
        raise ValueError(
            f"the net makes {told[1]} of {told[0]} at {net.weights.gsd_m} m, not {HEADS} of "
            f"{BANDS} at {WORKING_GSD_M} m"
        )
    return net


@dataclass(frozen=True)
class Scene:
    """An image that is read window by window.

    Attributes
    ----------
    read
        Gives rows and columns, which may lie beyond the image, as (band, y, x), bands as `BANDS`,
        the colours at least: reflectance or brightness in 0..1, height above the ground in m;
        rows from north to south; NaN where there is nothing.
    gsd_m
        Ground sampling distance along x and along y [m].
    corner_m
        x and y of the upper-left corner of the upper-left pixel [m].
    present
        Gives where there is image (y, x), if that can be told without reading it.
    """

    read: Callable[[tuple[int, int], tuple[int, int]], Floats]
    gsd_m: tuple[float, float]
    corner_m: tuple[float, float]
    present: Callable[[tuple[int, int], tuple[int, int]], NDArray[np.bool_]] | None = None

    def tile(self, row: int, column: int) -> Floats:
        """Tile (y, x, band) of the net at a row and column of the working grid."""
        from roofnet.predict import TILE_PX

        # Rows go south, as -y does.
        rows = _source(row, TILE_PX, -self.corner_m[1], self.gsd_m[1])
        columns = _source(column, TILE_PX, self.corner_m[0], self.gsd_m[0])
        values = self.read(rows.span, columns.span)
        made = resample(values, rows.kernel, columns.kernel)
        colour = made[:COLOURS]
        present = np.isfinite(colour).any(axis=0)
        made[:COLOURS] = np.where(present, np.nan_to_num(colour), np.nan)
        return np.moveaxis(made, 0, -1)

    def answers(
        self,
        rows: tuple[int, int],
        columns: tuple[int, int],
        *,
        net: Any,
        heads: int = len(HEADS),
        flips: bool = False,
        seen: Any = None,
    ) -> Floats:
        """What the net says of rows and columns of the image: as `answers`."""
        down = _back(rows, -self.corner_m[1], self.gsd_m[1])
        across = _back(columns, self.corner_m[0], self.gsd_m[0])
        made = net.predict(self.tile, down.span, across.span, flips=flips, seen=seen)
        out = resample(made[:heads], down.kernel, across.kernel)
        out[:, ~self._seen(rows, columns)] = np.nan
        return out

    def _seen(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
        if self.present is not None:
            return self.present(rows, columns)
        return np.asarray(np.isfinite(self.read(rows, columns)[:COLOURS]).any(axis=0))


def answers(
    image: NDArray[Any],
    gsd_m: float | tuple[float, float],
    *,
    corner_m: tuple[float, float] = (0.0, 0.0),
    core: tuple[slice, slice] | None = None,
    net: Any = None,
    flips: bool = False,
    seen: Any = None,
) -> Floats:
    """What the net says of each pixel.

    The image is brought to a working grid whose cells lie on whole multiples of 0.25 m of the
    coordinate system, the net answers there, and the answer is brought back. The working grid
    and the net's tiles are fixed in the coordinate system: any window that reaches `HALO_M`
    beyond a pixel gives the same answer there.

    Parameters
    ----------
    image
        (band, y, x), as `Scene.read` gives it.
    gsd_m
        Ground sampling distance [m], or those of x and of y.
    corner_m
        x and y of the upper-left corner of the upper-left pixel [m].
    core
        Rows and columns wanted; all by default. The rest is context.
    net
        From `load_net`; the shipped net by default.
    flips
        Average over mirror images; four times the work.
    seen
        `roofnet.predict.Seen`, tiles of the same image that were answered already.

    Returns
    -------
    ndarray
        float32 (head, y, x) of the core, 0..1, heads as `HEADS`; NaN where there is no image.
    """
    values = np.asarray(image, "float32")
    if values.ndim != 3 or values.shape[0] < COLOURS:
        raise ValueError(
            f"an image of at least 3 bands is needed, dims (band, y, x): {values.shape}"
        )
    gsd = gsd_m if isinstance(gsd_m, tuple) else (gsd_m, gsd_m)
    rows, columns = core if core is not None else (slice(0, None), slice(0, None))
    scene = Scene(partial(_part, values[: len(BANDS)]), gsd, corner_m)
    return scene.answers(
        rows.indices(values.shape[1])[:2],
        columns.indices(values.shape[2])[:2],
        net=load_net() if net is None else net,
        flips=flips,
        seen=seen,
    )


def _part(values: Floats, rows: tuple[int, int], columns: tuple[int, int]) -> Floats:
    """Rows and columns of an image (band, y, x) in memory; NaN beyond it."""
    top, left = max(rows[0], 0), max(columns[0], 0)
    part = values[:, top : max(rows[1], 0), left : max(columns[1], 0)]
    shape = (rows[1] - rows[0], columns[1] - columns[0])
    if part.shape[1:] == shape:
        return part
    out = np.full((values.shape[0], *shape), np.nan, "float32")
    first, second = top - rows[0], left - columns[0]
    out[:, first : first + part.shape[1], second : second + part.shape[2]] = part
    return out


def roof_probability(
    image: xr.DataArray, gsd_m: float | tuple[float, float], **settings: Any
) -> xr.DataArray:
    """Probability that a pixel is roof, (y, x), of an image (band, y, x); as `answers`."""
    chance = answers(image.to_numpy(), gsd_m, **settings)[0]
    rows, columns = settings.get("core") or (slice(0, None), slice(0, None))
    like = image.isel({image.dims[1]: rows, image.dims[2]: columns, image.dims[0]: 0}, drop=True)
    attrs = {"units": "1", "long_name": "probability that the pixel is roof"}
    return like.copy(data=chance).assign_attrs(attrs).rename("roof_probability")


@dataclass(frozen=True)
class _Axis:
    """Cells that are needed along one axis, and the kernel that makes the wanted ones of them."""

    span: tuple[int, int]
    kernel: sparse.csr_matrix


def _source(first: int, count: int, start_m: float, gsd_m: float) -> _Axis:
    """Pixels of an image that begins at ``start_m`` for cells of the working grid."""
    reach = max(WORKING_GSD_M, gsd_m)
    low, high = first * WORKING_GSD_M - start_m, (first + count) * WORKING_GSD_M - start_m
    span = (math.floor((low - reach) / gsd_m), math.ceil((high + reach) / gsd_m))
    offset = low - span[0] * gsd_m
    return _Axis(span, kernel(offset, WORKING_GSD_M, count, gsd_m, span[1] - span[0]))


def _back(part: tuple[int, int], start_m: float, gsd_m: float) -> _Axis:
    """Cells of the working grid for pixels of an image that begins at ``start_m``."""
    reach = max(WORKING_GSD_M, gsd_m)
    low, high = (start_m + n * gsd_m for n in part)
    span = (
        math.floor((low - reach) / WORKING_GSD_M + 1e-6),
        math.ceil((high + reach) / WORKING_GSD_M - 1e-6),
    )
    offset = low - span[0] * WORKING_GSD_M
    return _Axis(span, kernel(offset, gsd_m, part[1] - part[0], WORKING_GSD_M, span[1] - span[0]))


def kernel(offset_m: float, to_m: float, count: int, from_m: float, size: int) -> sparse.csr_matrix:
    """Weights (count, size) of a triangle filter from cells of ``from_m`` to cells of ``to_m``.

    Linear interpolation where the target is finer, a tapered mean where it is coarser; the
    target begins at ``offset_m`` from the source's start. Rows that reach beyond the source are
    not normalised here.

    >>> kernel(0.0, 1.0, 2, 1.0, 2).toarray()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    radius = max(to_m, from_m) / from_m
    centre = (offset_m + (np.arange(count) + 0.5) * to_m) / from_m - 0.5
    centre = np.round(centre, 6)
    near = np.floor(centre).astype(int)
    steps = np.arange(-math.ceil(radius), math.ceil(radius) + 2)
    column = near[:, None] + steps[None]
    weight = np.clip(1 - np.abs(column - centre[:, None]) / radius, 0, None)
    weight /= weight.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(count)[:, None], column.shape)
    keep = (column >= 0) & (column < size) & (weight > 1e-9)
    return sparse.csr_matrix(
        (weight[keep].astype("float32"), (row[keep], column[keep])), shape=(count, size)
    )


def resample(values: NDArray[Any], rows: sparse.csr_matrix, columns: sparse.csr_matrix) -> Floats:
    """Apply a kernel to each axis of (layer, y, x); NaN and what lies outside have no weight.

    A target cell with less than half of its weight on valid cells is NaN.
    """
    out = np.empty((len(values), rows.shape[0], columns.shape[0]), "float32")
    known: NDArray[np.bool_] | None = None
    for target, layer in zip(out, values, strict=True):
        valid = np.isfinite(layer)
        if known is None or not np.array_equal(valid, known):
            known = valid
            weight = _along(valid.astype("float32"), rows, columns)
            weight[weight <= 0.499] = np.nan
        target[:] = _along(np.where(valid, layer, 0).astype("float32"), rows, columns) / weight
    return out


def _along(layer: Floats, rows: sparse.csr_matrix, columns: sparse.csr_matrix) -> Floats:
    return np.asarray((columns @ (rows @ layer).T).T, "float32")
