"""Calibrated roof probability of an image of any size, with onnxruntime and numpy alone.

The image is cut into tiles that lie on a fixed lattice: tile (i, j) begins at row ``i * STEP_PX``
and column ``j * STEP_PX`` of an unbounded working grid. A pixel gets the weighted mean of the
tiles that cover it, so that its value does not depend on which window of the grid was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from roofnet import weights as stored
from roofnet.weights import Weights

#: Side of a tile and distance from one tile to the next [pixels of the working grid].
TILE_PX = 320
STEP_PX = 256

Array = NDArray[Any]

#: What onnxruntime raises on a file that is no net.
_UNREADABLE = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NotImplemented,
    state.RuntimeException,
)


def covering(start: int, stop: int) -> tuple[int, int]:
    """First and last-plus-one pixel of the tiles that touch the pixels ``start..stop``.

    >>> covering(0, 1)
    (-256, 320)
    >>> covering(300, 500)
    (0, 576)
    """
    first = -((TILE_PX - 1 - start) // STEP_PX)
    last = (stop - 1) // STEP_PX
    return first * STEP_PX, last * STEP_PX + TILE_PX


def _window() -> NDArray[np.float32]:
    """Weights of a tile's pixels: 1 inside, a sine-squared ramp over the overlap."""
    overlap = TILE_PX - STEP_PX
    ramp = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap) ** 2
    line = np.concatenate([ramp, np.ones(TILE_PX - 2 * overlap), ramp[::-1]])
    return np.outer(line, line).astype("float32")


@dataclass(frozen=True)
class _Tile:
    """A normalised tile.

    Attributes
    ----------
    values
        (band, y, x); mirrored beyond the border of the image, 0, which is the mean, in holes.
    trust
        Weight of the tile beside its neighbours: at the border of an image the tiles that
        hold only a strip of it, and so little context, count for little.
    """

    values: NDArray[np.float32]
    trust: np.float32


class Predictor:
    """A loaded net.

    Parameters
    ----------
    weights
        Which net; the one that ships with the package by default.
    threads
        Threads of one prediction; 0: as many as there are cores.
    """

    def __init__(self, weights: Weights | None = None, threads: int = 0) -> None:
        self.weights = weights if weights is not None else stored.default()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.weights.onnx), options, providers=["CPUExecutionProvider"]
            )
        except _UNREADABLE as error:
            raise ValueError(f"{self.weights.onnx.name} is not a net: {error}") from error
        self._mean = np.asarray(self.weights.mean, "float32").reshape(-1, 1, 1)
        self._std = np.asarray(self.weights.std, "float32").reshape(-1, 1, 1)
        self._blend = _window()

    def logits(self, batch: Array) -> NDArray[np.float32]:
        """Raw answer (n, 1, y, x) to a normalised batch (n, band, y, x), sides multiples of 16."""
        answer = self._session.run(["logits"], {"image": np.ascontiguousarray(batch, "float32")})
        return np.asarray(answer[0], "float32")

    def predict(
        self,
        image: Array,
        origin: tuple[int, int] = (0, 0),
        core: tuple[slice, slice] | None = None,
        *,
        flips: bool = False,
    ) -> NDArray[np.float32]:
        """Roof probability at the working resolution.

        Parameters
        ----------
        image
            (y, x, band) in 0..1, bands as in the weights, at ``weights.gsd_m``; NaN where there
            is no image.
        origin
            Row and column of the image's first pixel in the working grid.
        core
            Rows and columns of ``image`` that are wanted; all by default. The rest serves as
            context: nothing beyond what `covering` says can change the answer.
        flips
            Average over the four mirror images: four times the work.

        Returns
        -------
        array
            (y, x) of the core, 0..1, NaN where there is no image.
        """
        rows, columns = core if core is not None else (slice(0, None), slice(0, None))
        top, below, _ = rows.indices(image.shape[0])
        left, right, _ = columns.indices(image.shape[1])
        total = np.zeros((below - top, right - left), "float32")
        share = np.zeros_like(total)
        row_range = covering(origin[0] + top, origin[0] + below)
        column_range = covering(origin[1] + left, origin[1] + right)
        for row in range(row_range[0], row_range[1] - TILE_PX + 1, STEP_PX):
            for column in range(column_range[0], column_range[1] - TILE_PX + 1, STEP_PX):
                tile = self._tile(image, row - origin[0], column - origin[1])
                if tile is None:
                    continue
                blend = self._blend * tile.trust
                chance = self._chance(tile.values, flips) * blend
                for target, part in ((total, chance), (share, blend)):
                    _add(target, part, row - origin[0] - top, column - origin[1] - left)
        with np.errstate(invalid="ignore"):
            mean = total / share
        mean[~np.isfinite(image[top:below, left:right]).any(axis=2)] = np.nan
        return np.asarray(mean, "float32")

    def _tile(self, image: Array, row: int, column: int) -> _Tile | None:
        top, left = max(row, 0), max(column, 0)
        part = image[top : max(row + TILE_PX, 0), left : max(column + TILE_PX, 0)]
        present: NDArray[np.bool_] = np.asarray(np.isfinite(part).any(axis=2))
        if not present.any():
            return None
        rows, columns = (np.flatnonzero(present.any(axis=axis)) for axis in (1, 0))
        inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        seen = present[inside]
        values = (np.nan_to_num(part[inside]).transpose(2, 0, 1) - self._mean) / self._std * seen
        before = (top + rows[0] - row, left + columns[0] - column)
        pad = [(n, TILE_PX - n - m) for n, m in zip(before, seen.shape, strict=True)]
        tile = np.pad(values, [(0, 0), *pad], mode="symmetric").astype("float32")
        return _Tile(tile, np.float32((seen.sum() / TILE_PX**2) ** 2))

    def _chance(self, tile: Array, flips: bool) -> NDArray[np.float32]:
        turns = [(), (1,), (2,), (1, 2)] if flips else [()]
        slope, offset = (np.float32(value) for value in self.weights.calibration)
        total = np.zeros(tile.shape[1:], "float32")
        for axes in turns:
            logits = self.logits(np.flip(tile, axes)[None])[0, 0] * slope + offset
            back = tuple(axis - 1 for axis in axes)
            total += np.flip(1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30))), back)
        return np.asarray(total / len(turns), "float32")


def _add(target: Array, part: Array, row: int, column: int) -> None:
    """Add ``part`` to ``target`` with its corner at (row, column); what sticks out is cut."""
    top, left = max(row, 0), max(column, 0)
    below = min(row + part.shape[0], target.shape[0])
    right = min(column + part.shape[1], target.shape[1])
    target[top:below, left:right] += part[top - row : below - row, left - column : right - column]
