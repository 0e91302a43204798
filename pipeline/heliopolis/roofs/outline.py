"""Building outlines from roof probability.

The outline is the line of equal probability (Lorensen and Cline 1987,
doi:10.1145/37402.37422, in two dimensions), placed between pixel centres. It is then simplified
(Douglas and Peucker 1973, doi:10.3138/FM57-6770-U75U-7727) and made rectangular only as far as
it stays true to that line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely import MultiPolygon, Polygon
from skimage.measure import find_contours

from heliopolis.roofs.connected import BLOCK_PX, Roof, connected_roofs
from heliopolis.roofs.field import Field, Floats
from heliopolis.roofs.parting import Labels, cut, part
from heliopolis.roofs.regularise import hausdorff_m, regularised

#: Outline, line as found, mean probability, whether right angles were restored.
_Row = tuple[Polygon, Polygon, float, bool]


@dataclass(frozen=True)
class Rules:
    """Which outlines are drawn, and how.

    Attributes
    ----------
    threshold
        Probability above which a pixel is roof.
    min_area_m2
        Smaller outlines are left out, and smaller courtyards filled.
    min_probability
        Outlines with a lower mean probability are left out.
    neck_m
        Roofs that are joined only by a neck narrower than this are parted [m]; None: never.
    tolerance_m
        Tolerance of the simplification [m].
    regular
        Whether right angles are restored where the outline allows it.
    """

    threshold: float
    min_area_m2: float
    min_probability: float = 0.0
    neck_m: float | None = 2.0
    tolerance_m: float = 0.5
    regular: bool = True


def outlines_and_originals(
    field: Field, rules: Rules, *, block_px: int = BLOCK_PX
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Outlines of the buildings in a field of roof probability, and the lines as found.

    The field is gone through in blocks. A connected roof belongs to the block that holds its
    first pixel and is looked at whole there: no building is cut or doubled, and the result is the
    same for any size of block.

    Parameters
    ----------
    field
        What the net says.
    rules
        Which outlines are drawn, and how.
    block_px
        Side of a block [pixel].

    Returns
    -------
    tuple of GeoDataFrame
        Outlines: ``outline_id``, ``footprint_m2``, ``probability_mean``, ``regular`` (whether
        right angles were restored), ``area_change`` (relative to the original) and
        ``distance_m`` (bound of the Hausdorff distance to it), polygons with holes, valid, from
        north to south and west to east. Originals: ``outline_id``, ``footprint_m2``, in the
        same order.
    """
    rows: list[_Row] = []
    for roof in connected_roofs(field, rules.threshold, block_px):
        rows += _outlines(roof, field.grid, rules)
    return _tables(rows, field.grid)


def _outlines(roof: Roof, grid: GeoBox, rules: Rules) -> list[_Row]:
    """Outlines of the buildings of one connected roof."""
    if roof.mask.sum() * abs(grid.resolution.x * grid.resolution.y) < 0.5 * rules.min_area_m2:
        return []
    chance = np.nan_to_num(roof.layers[0], nan=0.0)
    edge, inside_m = (roof.layers[1], roof.layers[2]) if len(roof.layers) > 2 else (None, None)
    labels = part(
        roof.mask, abs(grid.resolution.x), neck_m=rules.neck_m, edge=edge, inside_m=inside_m
    )
    count = int(labels.max())
    mean = np.atleast_1d(ndimage.mean(chance, labels, np.arange(1, count + 1)))
    found: list[tuple[Polygon, float]] = []
    for number in range(1, count + 1):
        if mean[number - 1] < rules.min_probability:
            continue
        for raw in _contours(chance, labels, number, rules.threshold, grid, roof.corner):
            if raw.area >= rules.min_area_m2:
                shape = _without_small_holes(raw, rules.min_area_m2)
                found.append((shape, float(mean[number - 1])))
    shapes = _regular([raw for raw, _ in found], rules)
    return [
        (shape, raw, chance_mean, is_regular)
        for (shape, is_regular), (raw, chance_mean) in zip(shapes, found, strict=True)
    ]


def _regular(raw: list[Polygon], rules: Rules) -> list[tuple[Polygon, bool]]:
    """Outlines of one connected roof with right angles where that is true to the image."""
    if not rules.regular:
        return [(one, False) for one in raw]
    if len(raw) > 1:
        whole = shapely.union_all(raw, grid_size=1e-3)
        if isinstance(whole, Polygon):
            shape, is_regular = regularised(whole, rules.tolerance_m)
            parts = cut(shape, raw)
            if parts is not None:
                return [(one, is_regular) for one in parts]
    return [regularised(one, rules.tolerance_m) for one in raw]


def _contours(
    chance: Floats,
    labels: Labels,
    number: int,
    threshold: float,
    grid: GeoBox,
    corner: tuple[int, int],
) -> Iterator[Polygon]:
    """Polygons of one label in map coordinates; ``corner`` is the window's first pixel.

    Across the border to another label the field is mirrored at the threshold, so that both
    neighbours draw the same line: no gap and no overlap.
    """
    box = ndimage.find_objects((labels == number).astype("int8"))[0]
    window = tuple(
        slice(max(0, s.start - 1), min(n, s.stop + 1))
        for s, n in zip(box, chance.shape, strict=True)
    )
    values, label = chance[window].astype("float64"), labels[window]
    field = np.where((label != number) & (values >= threshold), 2 * threshold - values, values)
    # A pixel exactly at the threshold would let the line run through its centre.
    field = np.where(label == number, np.maximum(field, threshold + 1e-6), field)
    field = np.where(label != number, np.minimum(field, threshold - 1e-6), field)
    field = np.pad(field, 1, constant_values=min(0.0, threshold - 1e-6))
    row0, column0 = (c + w.start - 1 for c, w in zip(corner, window, strict=True))
    rings = []
    for line in find_contours(field, threshold):
        column = line[:, 1] + column0 + 0.5
        row = line[:, 0] + row0 + 0.5
        x, y = grid.affine * (column, row)
        if len(line) >= 4:
            rings.append(np.column_stack([x, y]))
    yield from _nested(rings)


def _nested(rings: list[NDArray[Any]]) -> Iterator[Polygon]:
    """Polygons with holes from rings, by even and odd nesting."""
    filled = [Polygon(ring) for ring in rings]
    filled = sorted((p for p in filled if p.area > 0), key=lambda p: -p.area)
    inside: list[list[int]] = []
    for i, one in enumerate(filled):
        point = shapely.Point(one.exterior.coords[0])
        inside.append([j for j in range(i) if filled[j].contains(point)])
    for i, one in enumerate(filled):
        if len(inside[i]) % 2:
            continue
        holes = [
            filled[j].exterior.coords
            for j in range(len(filled))
            if i in inside[j] and len(inside[j]) == len(inside[i]) + 1
        ]
        made = shapely.make_valid(Polygon(one.exterior.coords, holes), method="structure")
        parts = made.geoms if isinstance(made, MultiPolygon) else [made]
        yield from (part for part in parts if isinstance(part, Polygon) and not part.is_empty)


def _without_small_holes(shape: Polygon, min_area_m2: float) -> Polygon:
    holes = [ring for ring in shape.interiors if Polygon(ring).area >= min_area_m2]
    return Polygon(shape.exterior, holes)


def _tables(rows: list[_Row], grid: GeoBox) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    def place(row: _Row) -> tuple[float, float]:
        west, _, _, north = row[0].bounds
        return (-math.floor(north * 10) / 10, math.floor(west * 10) / 10)

    rows = sorted(rows, key=place)
    crs = str(grid.crs) if grid.crs is not None else None
    shapes, originals = (gpd.GeoSeries([row[k] for row in rows], crs=crs) for k in (0, 1))
    area, before = (s.area.to_numpy("float64") for s in (shapes, originals))
    number = np.arange(1, len(rows) + 1)
    columns = {
        "outline_id": number,
        "footprint_m2": area,
        "probability_mean": np.array([row[2] for row in rows], "float64"),
        "regular": np.array([row[3] for row in rows], bool),
        "area_change": area / before - 1,
        "distance_m": np.array([hausdorff_m(row[0], row[1]) for row in rows], "float64"),
    }
    made = gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)
    raw = {"outline_id": number, "footprint_m2": before}
    return made, gpd.GeoDataFrame(raw, geometry=originals, crs=crs)
