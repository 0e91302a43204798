"""Outlines of labelled cells that are smooth but neither invent nor lose ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from scipy.ndimage import find_objects
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

Labels = npt.NDArray[np.integer[Any]]

#: Largest relative change of area by smoothing.
MAX_AREA_CHANGE = 0.02
#: Tolerance of the simplification, in cells; two zones are at least one cell apart.
_TOLERANCE_CELLS = 0.3


def outlines(labels: Labels, affine: Affine) -> list[BaseGeometry]:
    """Outline of each label 1..n, in map coordinates.

    The outline runs through the middles of the cell edges between a cell inside and one outside
    (marching squares), which turns stairs into slopes: each corner cuts off as much as its
    counterpart adds, and a closed ring changes by half a cell in all. Nearly straight vertices are
    then dropped. Where the area would change by more than 2 %, as in zones of a few cells, the
    outline follows the cells exactly. Cells that touch by a corner belong together.

    Parameters
    ----------
    labels
        Labels, dims (y, x); 0 is outside; 8-connected parts of one zone have one label.
    affine
        Transform from cell to map coordinates, north up.

    Returns
    -------
    list
        Polygons or multipolygons with holes, one for each label, in order; empty for a label
        that has no cell.
    """
    made: list[BaseGeometry] = []
    for label, window in enumerate(find_objects(labels), start=1):
        if window is None:
            made.append(shapely.Polygon())
            continue
        rows, cols = window
        made.append(
            _outline(labels[window] == label, affine * Affine.translation(cols.start, rows.start))
        )
    return made


def _outline(mask: npt.NDArray[np.bool_], affine: Affine) -> BaseGeometry:
    cell = abs(affine.a)
    area = float(mask.sum()) * cell * abs(affine.e)
    contours = find_contours(np.pad(mask, 1).astype("float64"), 0.5, fully_connected="high")
    lines = [
        shapely.linestrings(
            affine.c + (ring[:, 1] - 0.5) * affine.a, affine.f + (ring[:, 0] - 0.5) * affine.e
        )
        for ring in contours
    ]
    smooth = shapely.build_area(shapely.GeometryCollection(lines))
    for candidate in (shapely.simplify(smooth, _TOLERANCE_CELLS * cell), smooth):
        if candidate.is_valid and abs(candidate.area - area) <= MAX_AREA_CHANGE * area:
            return shapely.normalize(candidate)
    y, x = np.nonzero(mask)
    west, north = affine.c + x * affine.a, affine.f + y * affine.e
    squares = shapely.box(west, north + affine.e, west + affine.a, north)
    return shapely.normalize(shapely.union_all(squares))
