"""How far an image lies from the footprints: cross-correlation of roof and footprint maps."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from shapely import GeometryType, STRtree, get_parts, get_type_id

from heliopolis.roofs.field import RoofRaster, blocks, covered

#: Fewest footprints that a shift is estimated from.
_MIN_BUILDINGS = 8
#: Below this correlation there is no telling.
_MIN_CORRELATION = 0.3


@dataclass(frozen=True)
class Shift:
    """Image minus footprints: what is at x in the footprints is at x + ``x_m`` in the image.

    Attributes
    ----------
    x_m, y_m
        East and north [m].
    correlation
        Correlation of roof probability and footprints at that shift.
    """

    x_m: float
    y_m: float
    correlation: float


def estimate_shifts(
    footprints: gpd.GeoDataFrame,
    roof: RoofRaster,
    *,
    block_m: float = 250.0,
    max_shift_m: float = 6.0,
) -> tuple[Shift | None, gpd.GeoDataFrame]:
    """Shift of the image against the footprints, of the whole of it and of each block.

    The correlation of the whole is made of the sums of the blocks.

    Parameters
    ----------
    footprints
        Polygons in the CRS of the roofs.
    roof
        Probability of roof.
    block_m
        Side of a block, on a lattice of its multiples [m].
    max_shift_m
        Largest shift that is looked for [m].

    Returns
    -------
    Shift or None
        Of the whole: None with fewer than 8 footprints on the image, with a correlation below
        0.3, or with the best shift at the edge of what was looked for.
    GeoDataFrame
        ``image_shift_x_m``, ``image_shift_y_m``, ``correlation`` of each block that has an
        image; NaN where there is no telling.
    """
    cell = abs(roof.grid.resolution.x)
    reach = int(np.ceil(max_shift_m / cell))
    parts, owners = get_parts(np.asarray(footprints.geometry.array), return_index=True)
    polygons = get_type_id(parts) == GeometryType.POLYGON
    parts, owners = parts[polygons], owners[polygons]
    tree = STRtree(parts)
    whole = _Sums.none(reach)
    rows, shapes = [], []
    for window in blocks(roof.grid, block_m):
        probability = roof.read(*window)
        if not np.isfinite(probability).any():
            continue
        grid = roof.grid[window]
        on_image = set(owners[tree.query(grid.extent.geom, predicate="intersects")].tolist())
        around = grid.pad(reach)
        ground = covered(parts[tree.query(around.extent.geom)], around)
        sums = _Sums.of(probability, ground.astype("float32"), reach, on_image)
        whole = whole + sums
        found = sums.shift(cell)
        rows.append((np.nan,) * 3 if found is None else astuple(found))
        shapes.append(grid.extent.geom)
    table = np.array(rows, "float64").reshape(-1, 3)
    names = ("image_shift_x_m", "image_shift_y_m", "correlation")
    columns = {name: table[:, k] for k, name in enumerate(names)}
    return whole.shift(cell), gpd.GeoDataFrame(columns, geometry=shapes, crs=footprints.crs)


@dataclass(frozen=True)
class _Sums:
    """What the correlation of roofs and footprints is made of; sums over the pixels of the image.

    Attributes
    ----------
    seen, roof, roof2, ground
        Number of pixels, sum of the probability, of its square, and pixels on footprints.
    roof_ground, seen_ground
        Probability, and pixels, on footprints that are shifted by each step down and across.
    footprints
        Those on the image.
    """

    seen: float
    roof: float
    roof2: float
    ground: float
    roof_ground: NDArray[np.float64]
    seen_ground: NDArray[np.float64]
    footprints: frozenset[int]

    @classmethod
    def none(cls, reach: int) -> _Sums:
        shape = (2 * reach + 1, 2 * reach + 1)
        return cls(0.0, 0.0, 0.0, 0.0, np.zeros(shape), np.zeros(shape), frozenset())

    @classmethod
    def of(
        cls, probability: NDArray[Any], ground: NDArray[Any], reach: int, footprints: set[int]
    ) -> _Sums:
        """Of a window, and of the ground with ``reach`` pixels around it."""
        valid = np.isfinite(probability)
        roof = np.where(valid, probability, 0).astype("float32")
        inner = ground[reach:-reach, reach:-reach]
        shape = tuple(next_fast_len(n, real=True) for n in ground.shape)
        spectrum = rfft2(ground, shape)

        def shifted(values: NDArray[Any]) -> NDArray[np.float64]:
            product = np.conj(rfft2(values, shape)) * spectrum
            near = irfft2(product, shape)[: 2 * reach + 1, : 2 * reach + 1]
            return np.asarray(near[::-1, ::-1], "float64")

        return cls(
            float(valid.sum()),
            float(roof.sum(dtype="float64")),
            float(np.square(roof, dtype="float64").sum()),
            float(inner[valid].sum(dtype="float64")),
            shifted(roof),
            shifted(valid.astype("float32")),
            frozenset(footprints),
        )

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.seen + other.seen,
            self.roof + other.roof,
            self.roof2 + other.roof2,
            self.ground + other.ground,
            self.roof_ground + other.roof_ground,
            self.seen_ground + other.seen_ground,
            self.footprints | other.footprints,
        )

    def shift(self, cell_m: float) -> Shift | None:
        """Where the correlation is highest; None where there is no telling."""
        if len(self.footprints) < _MIN_BUILDINGS or self.seen == 0:
            return None
        together = self.roof_ground - self.roof / self.seen * self.seen_ground
        roof = self.roof2 - self.roof**2 / self.seen
        ground = self.ground - self.ground**2 / self.seen
        reach = self.roof_ground.shape[0] // 2
        return _peak(together / np.sqrt(max(roof * ground, 0.0) + 1e-12), cell_m, reach)


def _peak(near: NDArray[Any], cell_m: float, reach: int) -> Shift | None:
    row, column = np.unravel_index(int(near.argmax()), near.shape)
    best = float(near[row, column])
    at_edge = row in (0, 2 * reach) or column in (0, 2 * reach)
    if at_edge or best < _MIN_CORRELATION:
        return None
    down = row + _vertex(near[row - 1 : row + 2, column]) - reach
    across = column + _vertex(near[row, column - 1 : column + 2]) - reach
    east, north = (round(float(value * cell_m), 2) for value in (across, -down))
    return Shift(east, north, best)


def _vertex(three: NDArray[Any]) -> float:
    """Place of the top of the parabola through three equidistant values, from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(0.5 * (three[0] - three[2]) / bend) if bend < 0 else 0.0
