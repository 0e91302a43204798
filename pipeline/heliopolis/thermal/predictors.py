"""Fine predictors that are read window by window, the same whatever the windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]
#: Predictors that are finite on a smaller share of the pixels are not used.
MIN_FINITE_SHARE = 0.6
#: Blur of the predictors, in fine pixels (1 sigma): bands of 20 m and residual misregistration.
BLUR_PIXELS = 0.5
_BLUR_REACH = 2
#: Rows and columns of windows, and pixels along a window's side, that a first look takes.
_LOOKS, _LOOK_PIXELS = 6, 256


class Source(Protocol):
    """Fine fields that can be read in windows."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the fields, in their order."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of a whole field along y and x."""

    def window(self, rows: slice, columns: slice) -> Array:
        """Fields in a window, (field, y, x); NaN where unknown."""


@dataclass(frozen=True)
class InMemory:
    """Fields that are held whole."""

    fields: Mapping[str, Array]

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return list(self.fields)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of a field."""
        first = next(iter(self.fields.values()))
        return first.shape[0], first.shape[1]

    def window(self, rows: slice, columns: slice) -> Array:
        """A window of all fields."""
        return np.stack([field[rows, columns] for field in self.fields.values()])


def in_memory(
    predictors: Mapping[str, Any], classes: Any | None, shape: tuple[int, int]
) -> InMemory:
    """Predictors, and one field for each class code, as a `Source`."""
    fields = {str(name): np.asarray(values) for name, values in predictors.items()}
    if classes is not None:
        codes = np.asarray(classes, dtype="float32")
        known = np.isfinite(codes)
        for code in np.unique(codes[known]):
            share = np.where(known, codes == code, np.nan).astype("float32")
            fields[f"class_{code:g}"] = share
    return InMemory(fields or {"nothing": np.full(shape, np.nan, dtype="float32")})


def windows(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Windows of ``side`` pixels that tile an image, row by row."""
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            yield (slice(top, min(top + side, shape[0])), slice(left, min(left + side, shape[1])))


@dataclass(frozen=True)
class Prepared:
    """The usable fields of a source, standardised and slightly blurred.

    Attributes
    ----------
    source
        Where they are read from.
    used
        Indices of the fields that are used.
    centre, spread
        What each is standardised by.
    """

    source: Source
    used: tuple[int, ...]
    centre: Array
    spread: Array

    @classmethod
    def of(cls, source: Source) -> Prepared:
        """Judge the fields by windows at fixed places: enough pixels known, not constant."""
        looks = [source.window(*window).reshape(len(source.names), -1)
                 for window in _looks(source.shape)]  # fmt: skip
        finite = [np.isfinite(one) for one in looks]
        count = np.maximum(sum(one.sum(axis=1) for one in finite), 1)
        share = count / sum(one.shape[1] for one in finite)
        filled = [np.where(f, one, 0.0) for f, one in zip(finite, looks, strict=True)]
        centre = np.sum([one.sum(axis=1, dtype="float64") for one in filled], axis=0) / count
        away = [np.where(f, one - centre[:, None].astype(one.dtype), 0.0)
                for f, one in zip(finite, looks, strict=True)]  # fmt: skip
        squares = np.sum([np.square(one).sum(axis=1, dtype="float64") for one in away], axis=0)
        spread = np.sqrt(squares / count)
        good = (share >= MIN_FINITE_SHARE) & (spread > 1e-9)
        used = tuple(int(i) for i in np.flatnonzero(good))
        return cls(source, used, centre[good], spread[good])

    @property
    def names(self) -> list[str]:
        """Names of the fields that are used."""
        return [str(self.source.names[i]) for i in self.used]

    def only(self, chosen: Sequence[int]) -> Prepared:
        """Some of the fields, by their places in `names`."""
        kept = list(chosen)
        used = tuple(self.used[i] for i in kept)
        return Prepared(self.source, used, self.centre[kept], self.spread[kept])

    def window(self, rows: slice, columns: slice) -> tuple[Array, Mask]:
        """Standardised fields (field, y, x), 0 where unknown; and where all are known."""
        height, width = self.source.shape
        top, left = max(rows.start - _BLUR_REACH, 0), max(columns.start - _BLUR_REACH, 0)
        wide = (slice(top, min(rows.stop + _BLUR_REACH, height)),
                slice(left, min(columns.stop + _BLUR_REACH, width)))  # fmt: skip
        raw = self.source.window(*wide)
        inner = (slice(rows.start - top, rows.stop - top),
                 slice(columns.start - left, columns.stop - left))  # fmt: skip
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        fields = np.empty((len(self.used), *shape), dtype="float32")
        known = np.ones(shape, dtype=bool)
        for k, index in enumerate(self.used):
            one = (raw[index].astype("float32") - self.centre[k]) / self.spread[k]
            hole = ~np.isfinite(one)
            if hole.any():
                known &= ~hole[inner]
                weight = _blurred((~hole).astype("float32"))
                one = _blurred(np.where(hole, 0.0, one).astype("float32")) / np.maximum(
                    weight, 1e-6
                )
                fields[k] = np.where(hole, 0.0, one)[inner]
            else:
                fields[k] = _blurred(one.astype("float32"))[inner]
        return fields, known


def _blurred(field: Array) -> Array:
    return np.asarray(
        ndimage.gaussian_filter(field, BLUR_PIXELS, mode="nearest", radius=_BLUR_REACH)
    )


def _looks(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows at places that depend on the size of the image alone."""
    starts = []
    for size in shape:
        side = min(size, _LOOK_PIXELS)
        count = min(_LOOKS, -(-size // side))
        at = np.linspace(0, size - side, count).round().astype(int)
        starts.append([(int(a), side) for a in at])
    for top, height in starts[0]:
        for left, width in starts[1]:
            yield slice(top, top + height), slice(left, left + width)
