"""Calibrated answers of the net to an image of any size, with onnxruntime and numpy alone.

The image is cut into tiles that lie on a fixed lattice: tile (i, j) begins at row ``i * STEP_PX``
and column ``j * STEP_PX`` of an unbounded working grid. A pixel gets the weighted mean of the
tiles that cover it, so that its value does not depend on which window of the grid was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from roofnet import weights as stored
from roofnet.weights import Weights

#: Side of a tile and distance from one tile to the next [pixels of the working grid].
TILE_PX = 576
STEP_PX = 512
#: Bands that an image must have; those that follow in the weights may be missing.
COLOURS = 3
#: Tiles of the lattice that are remembered at most.
REMEMBERED = 64
_MARGIN_PX = 16
#: Probabilities from which a pixel may be roof, and from which it is surely one.
LIKE_ROOF, SURE_ROOF = 0.2, 0.75

Array = NDArray[Any]
#: Gives the tile at a row and column of the working grid.
Window = Callable[[int, int], Array]

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
    (-512, 576)
    >>> covering(600, 900)
    (512, 1088)
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
class Answer:
    """Answer to a tile.

    Attributes
    ----------
    chance
        (head, y, x), 0..1.
    trust
        Weight of the tile beside its neighbours: at the border of an image the tiles that
        hold only a strip of it, and so little context, count for little.
    unlike
        Distance from the training images: mean squared deviation of what the net saw in it,
        in standard deviations.
    share
        Share of the tile that holds image.
    present
        (y, x), whether there is image.
    """

    chance: NDArray[np.float32]
    trust: np.float32
    unlike: float
    share: float
    present: NDArray[np.bool_]


class Seen:
    """Answers to the last tiles of one image, and how unlike the training images all were.

    Parameters
    ----------
    most
        Answers that are kept; the oldest go first.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._answers: dict[tuple[int, int], Answer | None] = {}
        self._unlike: dict[tuple[int, int], tuple[float, float]] = {}
        self._like_roof: dict[tuple[int, int], tuple[int, int]] = {}

    def __contains__(self, corner: tuple[int, int]) -> bool:
        return corner in self._answers

    def __getitem__(self, corner: tuple[int, int]) -> Answer | None:
        return self._answers[corner]

    def add(self, corner: tuple[int, int], answer: Answer | None) -> None:
        """Keep an answer; None where the tile holds no image."""
        while len(self._answers) >= self._most:
            self._answers.pop(next(iter(self._answers)))
        self._answers[corner] = answer
        if answer is not None:
            self._unlike[corner] = (answer.unlike, answer.share)
            roof = answer.chance[0][answer.present]
            like = int((roof >= LIKE_ROOF).sum())
            self._like_roof[corner] = (like, like - int((roof >= SURE_ROOF).sum()))

    def forget(self, row: int, column: int) -> None:
        """Drop the answers that end above ``row`` and left of ``column``."""
        for corner in list(self._answers):
            if corner[0] + TILE_PX <= row and corner[1] + TILE_PX <= column:
                del self._answers[corner]

    @property
    def like_roof(self) -> int:
        """Pixels that may be roof, from `LIKE_ROOF` up, of all tiles."""
        return sum(like for like, _ in self._like_roof.values())

    def unsure_share(self) -> float:
        """Share of the pixels that may be roof of which the net is not sure; NaN without any."""
        unsure = sum(count for _, count in self._like_roof.values())
        return unsure / self.like_roof if self.like_roof else float("nan")

    def mean_unlike(self) -> float:
        """Mean distance of the tiles from the training images, by the image they hold."""
        told = np.array(list(self._unlike.values())).reshape(-1, 2)
        return float(np.average(told[:, 0], weights=told[:, 1])) if len(told) else float("nan")

    def unlike_share(self, limit: float) -> float:
        """Share of the image's area in tiles further than ``limit`` from the training images.

        Tiles that hold less than a tenth of image say nothing; NaN where there is no other.
        """
        told = [(far > limit, share) for far, share in self._unlike.values() if share >= 0.1]
        area = sum(share for _, share in told)
        return sum(share for far, share in told if far) / area if told else float("nan")


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
        # Threads that wait busily would take the time of the jobs beside this one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.weights.onnx), options, providers=["CPUExecutionProvider"]
            )
        except _UNREADABLE as error:
            raise ValueError(f"{self.weights.onnx.name} is not a net: {error}") from error
        self._mean = np.asarray(self.weights.mean, "float32").reshape(-1, 1, 1)
        self._std = np.asarray(self.weights.std, "float32").reshape(-1, 1, 1)
        self._blend = _window()

    def run(self, batch: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Raw answers to a normalised batch (n, band, y, x), sides multiples of 32.

        Returns
        -------
        tuple
            Logits (n, head, y, x), and how unlike the training images each picture is (n,).
        """
        values = np.ascontiguousarray(batch, "float32")
        logits, unlike = self._session.run(["logits", "unlike"], {"image": values})
        return np.asarray(logits, "float32"), np.asarray(unlike, "float32")

    def seen(self, most: int = REMEMBERED) -> Seen:
        """Empty memory for the last ``most`` tiles of one image."""
        return Seen(most)

    def predict(
        self,
        window: Window,
        rows: tuple[int, int],
        columns: tuple[int, int],
        *,
        flips: bool = False,
        seen: Seen | None = None,
    ) -> NDArray[np.float32]:
        """Answers for a part of the working grid, 0..1, in the order of ``weights.heads``.

        Parameters
        ----------
        window
            Gives the tile (`TILE_PX`, `TILE_PX`, band) whose first pixel lies at a row and
            column of the working grid: bands as in the weights, those after the colours only as
            far as there are any; colours and near infrared in 0..1, height in m; NaN where there
            is no image.
        rows, columns
            First and last-plus-one row and column that are wanted. Nothing beyond what
            `covering` says can change the answer.
        flips
            Average over the four mirror images: four times the work.
        seen
            Tiles of the same image that were answered already; spares the work that parts
            beside each other share.

        Returns
        -------
        array
            (head, y, x), NaN where there is no image.
        """
        seen = Seen() if seen is None else seen
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        total = np.zeros((len(self.weights.heads), *shape), "float32")
        share, present = np.zeros(shape, "float32"), np.zeros(shape, "bool")
        (first, last), (left, right) = covering(*rows), covering(*columns)
        for row in range(first, last - TILE_PX + 1, STEP_PX):
            for column in range(left, right - TILE_PX + 1, STEP_PX):
                if (row, column) not in seen:
                    seen.add((row, column), self._answer(window(row, column), flips))
                answer = seen[row, column]
                if answer is None:
                    continue
                blend = self._blend * answer.trust
                corner = (row - rows[0], column - columns[0])
                _add(share, blend, *corner)
                _add(present, answer.present, *corner)
                for target, head in zip(total, answer.chance, strict=True):
                    _add(target, head * blend, *corner)
        # Parts beside and below this one may begin a few pixels before it ends.
        seen.forget(rows[1] - _MARGIN_PX, columns[1] - _MARGIN_PX)
        total /= np.where(present, share, np.nan)
        return total

    def predict_image(self, image: Array, *, flips: bool = False) -> NDArray[np.float32]:
        """Answers (head, y, x) to a whole image (y, x, band) at the working resolution."""
        height, width = image.shape[:2]
        return self.predict(
            lambda row, column: window_of(image, row, column), (0, height), (0, width), flips=flips
        )

    def _answer(self, window: Array, flips: bool) -> Answer | None:
        """Answer to a window of the size of a tile, (y, x, band), NaN where there is nothing."""
        present: NDArray[np.bool_] = np.isfinite(window[..., :COLOURS]).any(axis=2)  # type: ignore[assignment]
        if not present.any():
            return None
        rows, columns = (np.flatnonzero(present.any(axis=axis)) for axis in (1, 0))
        inside = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        shown = present[inside]
        count = window.shape[2]
        values = window[inside].transpose(2, 0, 1)
        values = np.nan_to_num((values - self._mean[:count]) / self._std[:count]) * shown
        pad = [
            (first, TILE_PX - first - size)
            for first, size in zip((rows[0], columns[0]), shown.shape, strict=True)
        ]
        tile = np.zeros((len(self.weights.bands), TILE_PX, TILE_PX), "float32")
        tile[:count] = np.pad(values, [(0, 0), *pad], mode="symmetric")
        chance, unlike = self._chance(tile, flips)
        share = shown.sum() / TILE_PX**2
        return Answer(chance, np.float32(share**2), unlike, float(share), present)

    def _chance(self, tile: Array, flips: bool) -> tuple[NDArray[np.float32], float]:
        turns = [(), (1,), (2,), (1, 2)] if flips else [()]
        slope, offset = (np.float32(value) for value in self.weights.calibration)
        total = np.zeros((len(self.weights.heads), *tile.shape[1:]), "float32")
        unlike = 0.0
        for axes in turns:
            logits, far = self.run(np.flip(tile, axes)[None])
            logits[0, 0] *= slope
            logits[0, 0] += offset
            np.clip(logits, -30, 30, out=logits)
            total += np.flip(1.0 / (1.0 + np.exp(-logits[0])), axes)
            unlike += float(far[0])
        return np.asarray(total / len(turns), "float32"), unlike / len(turns)


def window_of(image: Array, row: int, column: int) -> Array:
    """Tile with its corner at (row, column) of an image (y, x, band); NaN beyond the image."""
    top, left = max(row, 0), max(column, 0)
    part = image[top : max(row + TILE_PX, 0), left : max(column + TILE_PX, 0)]
    if part.shape[:2] == (TILE_PX, TILE_PX):
        return part
    out = np.full((TILE_PX, TILE_PX, image.shape[2]), np.nan, "float32")
    out[top - row : top - row + part.shape[0], left - column : left - column + part.shape[1]] = part
    return out


def _add(target: Array, part: Array, row: int, column: int) -> None:
    """Add ``part`` to ``target``, in place, with its corner at (row, column); the rest is cut."""
    top, left = max(row, 0), max(column, 0)
    below = min(row + part.shape[0], target.shape[0])
    right = min(column + part.shape[1], target.shape[1])
    target[top:below, left:right] += part[top - row : below - row, left - column : right - column]
