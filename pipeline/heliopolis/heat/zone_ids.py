"""Identifiers of zones that outlive a rerun."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

#: Position-derived identifiers are rounded to this length [m], so that they outlive small changes.
ID_STEP_M = 500.0


def zone_ids(
    shapes: list[BaseGeometry],
    previous: gpd.GeoDataFrame | None = None,
    *,
    min_iou: float = 0.3,
) -> list[str]:
    """Stable identifiers of zones.

    A zone keeps the identifier of the previous zone that it overlaps best, if intersection over
    union is at least ``min_iou``. Otherwise the identifier tells the position of the centroid in
    steps of 500 m, ``hz-e<column>-n<row>``, with ``-2``, ``-3``... for further, smaller
    zones at the same place.
    """
    ids: list[str | None] = [None] * len(shapes)
    taken: set[str] = set()
    if previous is not None and len(previous):
        for position, name in _matches(shapes, previous, min_iou):
            if ids[position] is None and name not in taken:
                ids[position] = name
                taken.add(name)
        taken |= {str(name) for name in previous["zone_id"]}
    order = sorted(range(len(shapes)), key=lambda i: (-shapes[i].area, *shapes[i].bounds))
    for position in order:
        if ids[position] is None:
            ids[position] = _free(_place_name(shapes[position]), taken)
            taken.add(str(ids[position]))
    return [str(one) for one in ids]


def _matches(
    shapes: list[BaseGeometry], previous: gpd.GeoDataFrame, min_iou: float
) -> list[tuple[int, str]]:
    """Pairs of zone and previous identifier, best overlap first."""
    old = np.asarray(previous.geometry.array)
    names = [str(name) for name in previous["zone_id"]]
    found = []
    for here, there in shapely.STRtree(old).query(shapes, predicate="intersects").T:
        common = shapes[here].intersection(old[there]).area
        iou = common / (shapes[here].area + old[there].area - common)
        if iou >= min_iou:
            found.append((-iou, names[there], int(here)))
    return [(here, name) for _, name, here in sorted(found)]


def _place_name(shape: BaseGeometry) -> str:
    x, y = shape.centroid.x, shape.centroid.y
    return f"hz-e{math.floor(x / ID_STEP_M)}-n{math.floor(y / ID_STEP_M)}"


def _free(name: str, taken: set[str]) -> str:
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name}-{number}"
    return made
