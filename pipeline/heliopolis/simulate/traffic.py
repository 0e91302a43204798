"""Cars along the kerbs and on car parks, and marks on the carriageway."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from heliopolis.simulate.burning import F64, I64
from heliopolis.simulate.development import Development
from heliopolis.simulate.materials import CODE
from heliopolis.simulate.streets import KIND, Streets

#: Brightness and tint (in logarithms) of white, silver, grey, black, red and blue cars.
CAR_COLOURS = np.array([[1.1, 0], [0.5, 0], [-0.3, 0], [-1.3, 0], [-0.3, 1.1], [-0.5, -1.0]])


def road_marks(streets: Streets, box: shapely.Polygon) -> npt.NDArray[np.object_]:
    """Dashes in the middle of the avenues."""
    marks = []
    for line in shapely.get_parts(shapely.intersection(streets.avenues, box)):
        for start in np.arange(0.0, line.length - 3, 9.0):
            ends = [line.interpolate(start), line.interpolate(start + 3.0)]
            marks.append(shapely.LineString(ends).buffer(0.1, cap_style="flat"))
    return np.array(marks, dtype=object)


def parked_cars(
    streets: Streets, development: Development, box: shapely.Polygon, rng: np.random.Generator
) -> tuple[F64, I64]:
    """Corners of the cars (n, 4, 2), long edge first, and the index of their colour."""
    urban = streets.kind != KIND["rural"]
    edges = np.concatenate([streets.blocks[urban][:, [k, (k + 1) % 4]] for k in range(4)])
    edges = edges[shapely.intersects(shapely.linestrings(edges), box)]
    cars = [_along(edge, rng) for edge in edges]
    lots = development.patches[development.patch_codes == CODE["asphalt"]]
    for lot in lots[shapely.intersects(shapely.polygons(lots), box)] if len(lots) else []:
        cars.append(_on_lot(lot, rng))
    found = np.concatenate([np.zeros((0, 4, 2)), *cars])
    return found, rng.choice(6, len(found), p=[0.24, 0.2, 0.2, 0.2, 0.08, 0.08])


def _rectangles(at: F64, e: F64, length: float, width: float) -> F64:
    n = np.array([-e[1], e[0]])
    u, v = e * length / 2, n * width / 2
    return np.stack([at - u - v, at + u - v, at + u + v, at - u + v], axis=1)


def _along(edge: F64, rng: np.random.Generator) -> F64:
    """Cars parked along a kerb, on the street side of the edge of a block."""
    way = edge[1] - edge[0]
    length = float(np.hypot(*way))
    e = way / length
    s = np.arange(9.0, length - 9.0, 5.6)
    s = s[rng.random(len(s)) < rng.uniform(0.1, 0.75)]
    at = edge[0] + s[:, None] * e + 1.1 * np.array([e[1], -e[0]])
    return _rectangles(at + rng.normal(0, 0.12, at.shape), e, 4.2, 1.75)


def _on_lot(lot: F64, rng: np.random.Generator) -> F64:
    """Two rows of cars on a car park, side by side."""
    way, side = lot[1] - lot[0], lot[3] - lot[0]
    length, depth = float(np.hypot(*way)), float(np.hypot(*side))
    if depth > 22:
        return np.zeros((0, 4, 2))
    e, n = way / length, side / depth
    s = np.arange(2.0, length - 2.0, 2.6)
    rows = [lot[0] + s[:, None] * e + d * n for d in (3.0, depth - 3.0)]
    at = np.concatenate(rows)
    at = at[rng.random(len(at)) < 0.55]
    return _rectangles(at, n, 4.2, 1.75)
