"""Right angles for outlines, where the outline allows it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from shapely import Polygon

#: Bounds that a regularised outline keeps against the line it came from.
MAX_AREA_CHANGE = 0.05
MAX_DISTANCE_M = 1.25
#: Longest step along a line between the points at which distances are measured [m].
STEP_M = 0.25
#: Pairs of points up to which all distances are taken: faster than a tree.
_DENSE = 500_000
#: An edge this close to the dominant direction, or square to it, is turned onto it [deg].
_SNAP_DEG = 22.5

Points = NDArray[np.float64]


def regularised(raw: Polygon, tolerance_m: float) -> tuple[Polygon, bool]:
    """Simplified outline with right angles, or less where that would leave the bounds.

    Parameters
    ----------
    raw
        Outline as found, valid [m].
    tolerance_m
        Tolerance of the simplification [m].

    Returns
    -------
    tuple
        The outline, and whether right angles were restored. Area within 5 % and Hausdorff
        distance within 1.25 m of ``raw`` in either case; else ``raw`` itself.
    """
    simple = raw.simplify(tolerance_m, preserve_topology=False)
    if not (isinstance(simple, Polygon) and simple.is_valid):
        simple = raw.simplify(tolerance_m)
    if not isinstance(simple, Polygon) or simple.is_empty:
        return raw, False
    made = _squared(simple)
    if made is not None and is_true_to(made, raw):
        return made, True
    return (simple if is_true_to(simple, raw) else raw), False


def _squared(simple: Polygon) -> Polygon | None:
    """Polygon with its edges on the dominant direction; None where corners do not close."""
    rings = [np.asarray(ring.coords) for ring in (simple.exterior, *simple.interiors)]
    angle = np.deg2rad(dominant_direction(rings[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = rings[0][0]
    squared = [_square((ring - centre) @ turn) for ring in rings]
    back = [ring @ turn.T + centre for ring in squared if ring is not None]
    return Polygon(back[0], back[1:]) if len(back) == len(rings) else None


def is_true_to(shape: Polygon, raw: Polygon) -> bool:
    """Whether ``shape`` is a valid polygon within the bounds of area and distance of ``raw``."""
    return bool(
        isinstance(shape, Polygon)
        and not shape.is_empty
        and shape.is_valid
        and len(shape.interiors) == len(raw.interiors)
        and abs(shape.area - raw.area) <= MAX_AREA_CHANGE * raw.area
        and hausdorff_m(shape, raw) <= MAX_DISTANCE_M
    )


def hausdorff_m(one: Polygon, other: Polygon) -> float:
    """Upper bound of the Hausdorff distance of two boundaries [m].

    The distance of their points, no further than `STEP_M` apart, to the nearest of the other's
    is no less than that to its line; distances change no faster than one goes along a line, so
    that half a step is all that can be missed between two points; it is added.

    >>> from shapely import box
    >>> hausdorff_m(box(0, 0, 4, 4), box(0, 0, 4, 5))
    1.125
    """
    points = [
        shapely.get_coordinates(shapely.segmentize(shape.boundary, STEP_M))
        for shape in (one, other)
    ]
    if len(points[0]) * len(points[1]) <= _DENSE:
        apart = cdist(points[0], points[1], "sqeuclidean")
        far = float(max(apart.min(axis=0).max(), apart.min(axis=1).max())) ** 0.5
    else:
        far = max(
            float(cKDTree(target, balanced_tree=False, compact_nodes=False).query(line)[0].max())
            for line, target in zip(points, points[::-1], strict=True)
        )
    return far + STEP_M / 2


def snapped_deg(angle: float, direction: float) -> float:
    """Angle turned onto ``direction``, or square to it, where it is close to either [deg].

    >>> snapped_deg(93.0, 1.0), snapped_deg(40.0, 0.0)
    (91.0, 40.0)
    """
    off = (angle - direction + 45) % 90 - 45
    return angle - off if abs(off) <= _SNAP_DEG else angle


def dominant_direction(ring: Points) -> float:
    """Direction of the edges, modulo 90 degrees, as their length-weighted circular mean [deg].

    >>> import numpy as np
    >>> ring = np.array([[0, 0], [10, 0], [10, 4], [0, 4], [0, 0.0]])
    >>> bool(abs(dominant_direction(ring)) < 1e-9)
    True
    """
    edge = np.diff(ring, axis=0)
    length = np.hypot(edge[:, 0], edge[:, 1])
    angle = np.arctan2(edge[:, 1], edge[:, 0])
    # Squared, because the long walls are drawn with a surer direction than the short ones.
    mean = np.sum(length**2 * np.exp(4j * angle))
    return float(np.rad2deg(np.angle(mean) / 4))


def _square(ring: Points) -> Points | None:
    """Ring with edges near the axes put onto them; None where the corners do not close."""
    lines = _merged([_line(a, b) for a, b in itertools.pairwise(ring)])
    if len(lines) < 4:
        return None
    corners = []
    for one, other in zip(lines[-1:] + lines[:-1], lines, strict=True):
        determinant = one[0] * other[1] - one[1] * other[0]
        if abs(determinant) < 0.15:
            return None
        corners.append(
            (
                (one[2] * other[1] - one[1] * other[2]) / determinant,
                (one[0] * other[2] - one[2] * other[0]) / determinant,
            )
        )
    return np.array([*corners, corners[0]])


#: A line a x + b y = c with the length of the edge that it stands for.
Line = tuple[float, float, float, float]


def _line(a: Points, b: Points) -> Line:
    dx, dy = b - a
    length = float(np.hypot(dx, dy))
    middle = (a + b) / 2
    angle = np.rad2deg(np.arctan2(dy, dx))
    off = (angle + 45) % 90 - 45
    if length > 0 and abs(off) <= _SNAP_DEG:
        if abs(dx) > abs(dy):
            return (0.0, 1.0, float(middle[1]), length)
        return (1.0, 0.0, float(middle[0]), length)
    normal: Any = np.array([-dy, dx]) / max(length, 1e-9)
    return (float(normal[0]), float(normal[1]), float(normal @ middle), length)


def _merged(lines: list[Line]) -> list[Line]:
    """Join neighbours that run the same way along an axis into their weighted mean."""
    made: list[Line] = []
    for line in lines:
        if made and _same(made[-1], line):
            made[-1] = _mean(made[-1], line)
        else:
            made.append(line)
    while len(made) > 1 and _same(made[-1], made[0]):
        made[0] = _mean(made.pop(), made[0])
    return made


def _same(one: Line, other: Line) -> bool:
    return one[:2] == other[:2] and one[:2] in ((0.0, 1.0), (1.0, 0.0))


def _mean(one: Line, other: Line) -> Line:
    length = one[3] + other[3]
    return (one[0], one[1], (one[2] * one[3] + other[2] * other[3]) / max(length, 1e-9), length)
