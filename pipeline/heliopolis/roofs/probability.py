"""What the net says of an image, on the image's own grid."""

from __future__ import annotations

import math
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

Floats = NDArray[np.float32]


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
        (band, y, x), bands as `BANDS`, the colours at least: reflectance or brightness in 0..1,
        height above the ground in m; rows from north to south; NaN where there is nothing.
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
    net = load_net() if net is None else net
    values = np.asarray(image, "float32")
    if values.ndim != 3 or values.shape[0] < COLOURS:
        raise ValueError(
            f"an image of at least 3 bands is needed, dims (band, y, x): {values.shape}"
        )
    gsd = gsd_m if isinstance(gsd_m, tuple) else (gsd_m, gsd_m)
    rows, columns = core if core is not None else (slice(0, None), slice(0, None))
    down = _Axis(-corner_m[1], gsd[1], values.shape[1], rows)
    across = _Axis(corner_m[0], gsd[0], values.shape[2], columns)
    work = np.stack(
        [resample(band, down.to_work(), across.to_work()) for band in values[: len(BANDS)]], axis=2
    )
    colour = work[..., :COLOURS]
    present = np.isfinite(colour).any(axis=2, keepdims=True)
    work[..., :COLOURS] = np.where(present, np.nan_to_num(colour), np.nan)
    made = net.predict(
        work,
        (down.outer[0], across.outer[0]),
        (down.wanted(), across.wanted()),
        flips=flips,
        seen=seen,
    )
    out = np.stack([resample(head, down.from_work(), across.from_work()) for head in made])
    out[:, ~np.isfinite(values[:COLOURS, rows, columns]).any(axis=0)] = np.nan
    return np.asarray(out, "float32")


def roof_probability(
    image: xr.DataArray, gsd_m: float | tuple[float, float], **settings: Any
) -> xr.DataArray:
    """Probability that a pixel is roof, (y, x), of an image (band, y, x); as `answers`."""
    chance = answers(image.to_numpy(), gsd_m, **settings)[0]
    rows, columns = settings.get("core") or (slice(0, None), slice(0, None))
    like = image.isel({image.dims[1]: rows, image.dims[2]: columns, image.dims[0]: 0}, drop=True)
    attrs = {"units": "1", "long_name": "probability that the pixel is roof"}
    return like.copy(data=chance).assign_attrs(attrs).rename("roof_probability")


class _Axis:
    """One axis of the image, in metres along it, and the part of the working grid it needs."""

    def __init__(self, start_m: float, gsd_m: float, size: int, part: slice) -> None:
        from roofnet.predict import covering

        self.start_m, self.gsd_m, self.size = start_m, gsd_m, size
        first, last, _ = part.indices(size)
        self.part = (first, last)
        cell = WORKING_GSD_M
        reach = max(cell, gsd_m)
        self.inner = (
            math.floor((start_m + first * gsd_m - reach) / cell + 1e-6),
            math.ceil((start_m + last * gsd_m + reach) / cell - 1e-6),
        )
        self.outer = covering(*self.inner)

    def wanted(self) -> slice:
        """Part of the outer working range that is wanted of the net."""
        return slice(self.inner[0] - self.outer[0], self.inner[1] - self.outer[0])

    def to_work(self) -> sparse.csr_matrix:
        """From the image's pixels to the outer working range."""
        cell, start = WORKING_GSD_M, self.outer[0] * WORKING_GSD_M
        count = self.outer[1] - self.outer[0]
        return kernel(start - self.start_m, cell, count, self.gsd_m, self.size)

    def from_work(self) -> sparse.csr_matrix:
        """From the inner working range to the wanted pixels of the image."""
        start = self.start_m + self.part[0] * self.gsd_m - self.inner[0] * WORKING_GSD_M
        count, size = self.part[1] - self.part[0], self.inner[1] - self.inner[0]
        return kernel(start, self.gsd_m, count, WORKING_GSD_M, size)


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
    """Apply a kernel to each axis of (y, x); NaN and what lies outside have no weight.

    A target cell with less than half of its weight on valid cells is NaN.
    """
    valid = np.isfinite(values)
    filled = np.where(valid, values, 0).astype("float32")
    total = columns @ (rows @ filled).T
    weight = columns @ (rows @ valid.astype("float32")).T
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(weight > 0.499, total / weight, np.nan)
    return np.ascontiguousarray(out.T, dtype="float32")
