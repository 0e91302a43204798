"""Building outlines from roof probability.

The outline is the line of equal probability (Lorensen and Cline 1987,
doi:10.1145/37402.37422, in two dimensions), placed between pixel centres. It is then simplified
(Douglas and Peucker 1973, doi:10.3138/FM57-6770-U75U-7727) and made rectangular only as far as
it stays true to that line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely import MultiPolygon, Polygon
from skimage.measure import find_contours
from skimage.segmentation import watershed

from heliopolis.roofs.regularise import hausdorff_m, regularised

#: Smallest core of a building when touching ones are parted [m2].
_CORE_M2 = 6.0
Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int32]
#: Outline, line as found, mean probability, whether right angles were restored.
_Row = tuple[Polygon, Polygon, float, bool]


def outlines_and_originals(
    probability: NDArray[Any],
    grid: GeoBox,
    threshold: float,
    min_area_m2: float,
    *,
    min_probability: float = 0.0,
    neck_m: float | None = 2.0,
    tolerance_m: float = 0.5,
    regular: bool = True,
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Outlines of the buildings in a mosaic of roof probability, and the lines as found.

    Parameters
    ----------
    probability
        (y, x), 0..1, NaN where there is no image; the whole mosaic, so that no building is cut.
    grid
        Its grid, in metres.
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

    Returns
    -------
    tuple of GeoDataFrame
        Outlines: ``outline_id``, ``footprint_m2``, ``probability_mean``, ``regular`` (whether
        right angles were restored), ``area_change`` (relative to the original) and
        ``distance_m`` (bound of the Hausdorff distance to it), polygons with holes, valid, from
        north to south and west to east. Originals: ``outline_id``, ``footprint_m2``, in the
        same order.
    """
    chance = np.nan_to_num(np.asarray(probability, "float32"), nan=0.0)
    labels = label_buildings(chance >= threshold, abs(grid.resolution.x), neck_m)
    boxes = ndimage.find_objects(labels)
    mean = ndimage.mean(chance, labels, np.arange(1, len(boxes) + 1)) if boxes else []
    rows: list[_Row] = []
    for number, box in enumerate(boxes, start=1):
        if box is None or mean[number - 1] < min_probability:
            continue
        for raw in _contours(chance, labels, number, box, threshold, grid):
            if raw.area < min_area_m2:
                continue
            raw = _without_small_holes(raw, min_area_m2)
            shape, is_regular = regularised(raw, tolerance_m) if regular else (raw, False)
            rows.append((shape, raw, float(mean[number - 1]), is_regular))
    return _tables(rows, grid)


def label_buildings(roof: NDArray[np.bool_], gsd_m: float, neck_m: float | None) -> Labels:
    """Number connected roofs (4-neighbours); part those that a narrow neck joins."""
    found, count = ndimage.label(roof)
    labels: Labels = np.asarray(found, "int32")
    if neck_m is None:
        return labels
    following = count
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        here = np.pad(labels[box] == number, 1)
        inner = ndimage.distance_transform_edt(here) * gsd_m
        cores, n_cores = ndimage.label(inner > neck_m / 2)
        if n_cores < 2:
            continue
        size = ndimage.sum_labels(np.ones_like(inner), cores, np.arange(1, n_cores + 1))
        large = np.flatnonzero(size * gsd_m**2 >= _CORE_M2) + 1
        if len(large) < 2:
            continue
        markers = np.where(np.isin(cores, large), cores, 0)
        parts = watershed(-inner, markers, mask=here)[1:-1, 1:-1]
        for core in large[1:]:
            following += 1
            labels[box][parts == core] = following
    return labels


def _contours(
    chance: Floats, labels: Labels, number: int, box: Any, threshold: float, grid: GeoBox
) -> Iterator[Polygon]:
    """Polygons of one label in map coordinates.

    Across the border to another label the field is mirrored at the threshold, so that both
    neighbours draw the same line: no gap and no overlap.
    """
    window = tuple(
        slice(max(0, s.start - 1), min(n, s.stop + 1))
        for s, n in zip(box, chance.shape, strict=True)
    )
    part, label = chance[window].astype("float64"), labels[window]
    field = np.where((label != number) & (part >= threshold), 2 * threshold - part, part)
    # A pixel exactly at the threshold would let the line run through its centre.
    field = np.where(label == number, np.maximum(field, threshold + 1e-6), field)
    field = np.where(label != number, np.minimum(field, threshold - 1e-6), field)
    field = np.pad(field, 1, constant_values=min(0.0, threshold - 1e-6))
    row0, column0 = window[0].start - 1, window[1].start - 1
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
