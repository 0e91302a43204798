"""Right angles for very many outlines, on one core, beside simplification alone."""

from __future__ import annotations

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray
from shapely import LinearRing, Polygon

from heliopolis.roofs.regularise import MAX_AREA_CHANGE, MAX_DISTANCE_M, regularised
from tests.bench.measure import Row, compare, measured

COUNT = 100_000
TOLERANCE_M = 0.5
CELL_M = 0.25


def traced(count: int, seed: int = 8) -> list[Polygon]:
    """L-shaped roofs in any direction, one in ten with a courtyard, as lines of pixels."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        width, depth = rng.uniform(6, 24, 2)
        shape = shapely.box(0, 0, width, depth)
        if rng.random() < 0.5:
            shape -= shapely.box(width * 0.6, depth * 0.5, width, depth)
        if rng.random() < 0.1:
            shape -= shapely.box(width * 0.2, depth * 0.1, width * 0.5, depth * 0.4)
        shape = shapely.affinity.rotate(shape, rng.uniform(0, 90)).segmentize(CELL_M)
        rings = [_shaken(ring, rng) for ring in (shape.exterior, *shape.interiors)]
        made.append(Polygon(rings[0], rings[1:]))
    return [one for one in made if one.is_valid]


def _shaken(ring: LinearRing, rng: np.random.Generator) -> NDArray[np.float64]:
    points = np.asarray(ring.coords)[:-1]
    return points + rng.normal(0, 0.06, points.shape)


def run(count: int = COUNT) -> list[Row]:
    """Regularise the outlines, and check the bounds of each."""
    raw = traced(count)
    ours = measured(lambda: [regularised(one, TOLERANCE_M) for one in raw], at_most=1)
    plain = measured(lambda: shapely.simplify(raw, TOLERANCE_M), at_most=1)
    shapes = [shape for shape, _ in ours.value]
    change = np.abs(shapely.area(shapes) / shapely.area(raw) - 1)
    distance = shapely.hausdorff_distance(shapes, raw, densify=0.1)
    figures = {
        "outlines": float(len(raw)),
        "valid_share": float(np.mean(shapely.is_valid(shapes))),
        "regular_share": float(np.mean([regular for _, regular in ours.value])),
        "area_change_max": float(change.max()),
        "distance_max_m": float(distance.max()),
        "within_bounds_share": float(
            np.mean((change <= MAX_AREA_CHANGE + 1e-9) & (distance <= MAX_DISTANCE_M + 1e-9))
        ),
    }
    note = (
        f"valid {figures['valid_share']:.2%}, regular {figures['regular_share']:.0%}, "
        f"area change at most {figures['area_change_max']:.1%}, "
        f"distance at most {figures['distance_max_m']:.2f} m"
    )
    what = f"right angles for {len(raw)} outlines, one core"
    return [compare(what, ours, "shapely, simplification alone", plain, note, figures)]
