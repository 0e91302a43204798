"""Identifiers of zones that outlive a rerun, and the parts of large zones."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage
from shapely.geometry.base import BaseGeometry
from skimage.segmentation import watershed

Array = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]

#: Position-derived identifiers are rounded to this length [m], so that they outlive small changes.
ID_STEP_M = 500.0
#: Zones larger than this are divided [m2].
LARGE_M2 = 250_000.0
#: A zone is the previous one where they have this share of the smaller in common.
COMMON_SHARE = 0.5


def zone_ids(
    shapes: list[BaseGeometry],
    previous: gpd.GeoDataFrame | None = None,
    *,
    min_iou: float = 0.3,
    column: str = "zone_id",
    prefix: str = "hz",
) -> list[str]:
    """Stable identifiers of zones.

    A zone keeps the identifier of the previous zone that it overlaps best, if intersection over
    union is at least ``min_iou`` or half of the smaller one lies in the other: a zone that was
    divided lives on in its largest part, and of two that grew together the larger one does.
    Otherwise the identifier tells the position of the centroid in steps of 500 m,
    ``hz-e<column>-n<row>``, with ``-2``, ``-3``... for further, smaller zones at the same place.
    ``column`` holds the identifiers of ``previous``; ``prefix`` stands for ``hz``.
    """
    ids: list[str | None] = [None] * len(shapes)
    taken: set[str] = set()
    if shapes and previous is not None and len(previous):
        for position, name in _matches(shapes, previous, min_iou, column):
            if ids[position] is None and name not in taken:
                ids[position] = name
                taken.add(name)
        taken |= {str(name) for name in previous[column]}
    order = sorted(range(len(shapes)), key=lambda i: (-shapes[i].area, *shapes[i].bounds))
    for position in order:
        if ids[position] is None:
            ids[position] = _free(f"{prefix}-{_place_name(shapes[position])}", taken)
            taken.add(str(ids[position]))
    return [str(one) for one in ids]


def _matches(
    shapes: list[BaseGeometry], previous: gpd.GeoDataFrame, min_iou: float, column: str
) -> list[tuple[int, str]]:
    """Pairs of zone and previous identifier, best overlap first."""
    old = np.asarray(previous.geometry.array)
    names = [str(name) for name in previous[column]]
    found = []
    for here, there in shapely.STRtree(old).query(shapes, predicate="intersects").T:
        common = shapes[here].intersection(old[there]).area
        iou = common / (shapes[here].area + old[there].area - common)
        if iou >= min_iou or common >= COMMON_SHARE * min(shapes[here].area, old[there].area):
            found.append((-iou, names[there], int(here)))
    return [(here, name) for _, name, here in sorted(found)]


def _place_name(shape: BaseGeometry) -> str:
    x, y = shape.centroid.x, shape.centroid.y
    return f"e{math.floor(x / ID_STEP_M)}-n{math.floor(y / ID_STEP_M)}"


def _free(name: str, taken: set[str]) -> str:
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name}-{number}"
    return made


def sub_zone_labels(
    labels: Labels, level: Array, *, cell_m: float, spacing_m: float
) -> tuple[Labels, npt.NDArray[np.int32]]:
    """Divide large zones where their hot centres meet.

    Each hottest point that has no hotter one within ``spacing_m`` is a centre; the ground goes to
    the centre that it is uphill of (watershed: Vincent & Soille 1991, doi:10.1109/34.87344).
    Nothing is added and nothing lost: the parts of a zone make up the zone.

    Parameters
    ----------
    labels
        Zones, dims (y, x); 0 outside.
    level
        What is hot, dims (y, x), such as the anomaly averaged over a neighbourhood.
    cell_m, spacing_m
        Cell size, and smallest distance between two centres [m].

    Returns
    -------
    tuple
        Labels 1..n of the parts of the zones larger than `LARGE_M2`, dims (y, x); and the zone of
        each part.
    """
    sizes = np.bincount(labels.ravel()) * cell_m**2
    sizes[0] = 0.0
    out = np.zeros(labels.shape, dtype="int32")
    owner: list[int] = []
    reach = max(1, round(spacing_m / cell_m))
    windows = ndimage.find_objects(labels)
    for zone in np.flatnonzero(sizes > LARGE_M2):
        window = windows[zone - 1]
        inside = labels[window] == zone
        known = np.where(np.isfinite(level[window]), level[window], np.nanmin(level))
        height = np.where(inside, known, -np.inf)
        peaks = inside & (height == ndimage.maximum_filter(height, size=2 * reach + 1))
        markers, count = ndimage.label(peaks, structure=np.ones((3, 3)))
        if count < 2:
            continue
        parts = watershed(np.where(inside, -height, np.inf), markers, mask=inside)
        out[window] = np.where(parts > 0, parts + len(owner), out[window])
        owner += [int(zone)] * count
    return out, np.array(owner, dtype="int32")
