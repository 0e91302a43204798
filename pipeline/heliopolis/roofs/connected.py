"""Connected roofs of a field of probability that is larger than memory, each whole and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.roofs.field import Field, Floats

#: Side of a block that is looked at in one piece [pixel].
BLOCK_PX = 2048
#: What is read around a block at first: more than most roofs reach beyond it [pixel].
_MARGIN_PX = 256


@dataclass(frozen=True)
class Roof:
    """A connected roof with the pixels around it.

    Attributes
    ----------
    layers
        (layer, y, x) of the field.
    mask
        (y, x), the pixels of this roof.
    corner
        Row and column of the first pixel of ``layers`` in the field.
    """

    layers: Floats
    mask: NDArray[np.bool_]
    corner: tuple[int, int]

    @property
    def first(self) -> tuple[int, int]:
        """Row and column of its first pixel, row by row, in the field."""
        row, column = np.unravel_index(int(np.argmax(self.mask)), self.mask.shape)
        return (self.corner[0] + int(row), self.corner[1] + int(column))


@dataclass(frozen=True)
class _Box:
    """Rows and columns of a field."""

    top: int
    below: int
    left: int
    right: int

    def grown(self, margin: int, shape: tuple[int, int]) -> _Box:
        """Box with a margin, as far as the field goes."""
        return _Box(
            max(0, self.top - margin),
            min(shape[0], self.below + margin),
            max(0, self.left - margin),
            min(shape[1], self.right + margin),
        )

    def inside(self, place: tuple[slice, ...]) -> _Box:
        """Box of a place that is counted from this box's corner."""
        rows, columns = place
        return _Box(
            self.top + rows.start,
            self.top + rows.stop,
            self.left + columns.start,
            self.left + columns.stop,
        )

    def is_cut(self, window: _Box, shape: tuple[int, int]) -> bool:
        """Whether it touches a border of ``window`` beyond which the field goes on."""
        return (
            self.top == window.top > 0
            or self.below == window.below < shape[0]
            or self.left == window.left > 0
            or self.right == window.right < shape[1]
        )


def connected_roofs(field: Field, threshold: float, block_px: int = BLOCK_PX) -> Iterator[Roof]:
    """Connected roofs (4-neighbours), block by block.

    A roof belongs to the block that holds its first pixel and is looked at whole there, however
    far it reaches.
    """
    height, width = field.grid.shape
    for top in range(0, height, block_px):
        for left in range(0, width, block_px):
            block = _Box(top, min(top + block_px, height), left, min(left + block_px, width))
            yield from _of_block(field, threshold, block)


def _of_block(field: Field, threshold: float, block: _Box) -> Iterator[Roof]:
    shape = (int(field.grid.shape[0]), int(field.grid.shape[1]))
    window = block.grown(_MARGIN_PX, shape)
    layers = _read(field, window)
    labels, _ = ndimage.label(layers[0] >= threshold)
    known = set[tuple[int, int]]()
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        extent = window.inside(place)
        if not block.top <= extent.top < block.below:
            continue
        roof = _framed(layers, labels[place] == number, place, window)
        if extent.is_cut(window, shape):
            roof = _whole(field, threshold, roof.first, extent, shape)
        row, column = roof.first
        mine = block.top <= row < block.below and block.left <= column < block.right
        # Two parts that meet only beyond the window are one roof.
        if mine and roof.first not in known:
            known.add(roof.first)
            yield roof


def _whole(
    field: Field,
    threshold: float,
    seed: tuple[int, int],
    extent: _Box,
    shape: tuple[int, int],
) -> Roof:
    """Roof that holds the pixel ``seed``, whole."""
    while True:
        reach = max(_MARGIN_PX, extent.below - extent.top, extent.right - extent.left)
        window = extent.grown(reach, shape)
        layers = _read(field, window)
        labels, _ = ndimage.label(layers[0] >= threshold)
        mask = labels == labels[seed[0] - window.top, seed[1] - window.left]
        place = ndimage.find_objects(mask.astype("int8"))[0]
        extent = window.inside(place)
        if not extent.is_cut(window, shape):
            return _framed(layers, mask[place], place, window)


def _read(field: Field, window: _Box) -> Floats:
    return field.read(slice(window.top, window.below), slice(window.left, window.right))


def _framed(
    layers: Floats, mask: NDArray[np.bool_], place: tuple[slice, ...], window: _Box
) -> Roof:
    """Roof with one pixel around it, as far as the window goes."""
    wide = tuple(
        slice(max(0, s.start - 1), min(n, s.stop + 1))
        for s, n in zip(place, layers.shape[1:], strict=True)
    )
    pad = [(s.start - w.start, w.stop - s.stop) for s, w in zip(place, wide, strict=True)]
    corner = (window.top + wide[0].start, window.left + wide[1].start)
    return Roof(layers[(slice(None), *wide)].copy(), np.pad(mask, pad), corner)
