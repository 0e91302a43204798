"""Buildings that touch are parted: along the walls that the net sees, or at narrow necks.

Cores of buildings grow until they meet (watershed; Beucher and Meyer 1993). The wall between two
is then drawn straight, along the direction of the whole, and cuts the whole's outline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely import LineString, Polygon
from skimage.segmentation import watershed

from heliopolis.roofs.regularise import dominant_direction, is_true_to, snapped_deg

#: Smallest core of a building when touching ones are parted [m2].
CORE_M2 = 6.0
#: Distance inside which a core begins, as the net sees it [m].
CORE_DEPTH_M = 1.5
#: Probability of an edge from which a pixel is no core.
EDGE = 0.5
#: How far a wall is drawn on at both ends, to be sure to meet the outline [m].
_REACH_M = 1.5

Labels = NDArray[np.int32]


def part(
    roof: NDArray[np.bool_],
    gsd_m: float,
    *,
    neck_m: float | None,
    edge: NDArray[Any] | None = None,
    inside_m: NDArray[Any] | None = None,
) -> Labels:
    """Number the buildings in one connected roof (y, x), 1 and up; 0 elsewhere.

    Parameters
    ----------
    roof
        (y, x), one connected roof.
    gsd_m
        Pixel size [m].
    neck_m
        Parts that are joined only by a neck narrower than this are parted [m]; None: never. Not
        used where the net tells of edges.
    edge, inside_m
        Probability of an edge, and distance to it [m], (y, x), as the net sees them; None:
        only necks part.
    """
    depth = ndimage.distance_transform_edt(np.pad(roof, 1))[1:-1, 1:-1] * gsd_m
    cores = depth > (np.inf if neck_m is None else neck_m / 2)
    if edge is not None and inside_m is not None:
        cores = roof & (edge < EDGE) & (inside_m > CORE_DEPTH_M)
        depth = np.minimum(depth, inside_m)
    numbered, count = ndimage.label(cores)
    size = np.bincount(numbered.ravel(), minlength=count + 1)[1:] * gsd_m**2
    large = np.flatnonzero(size >= CORE_M2) + 1
    if len(large) < 2:
        return roof.astype("int32")
    order = np.zeros(count + 1, "int32")
    order[large] = np.arange(1, len(large) + 1)
    made = watershed(-depth, order[numbered], mask=roof)
    return np.asarray(made, "int32")


def cut(whole: Polygon, raw: list[Polygon]) -> list[Polygon] | None:
    """Outline of a whole cut by straight walls into parts, each true to its own raw outline.

    Parameters
    ----------
    whole
        Regularised outline of all parts together [m].
    raw
        Outlines of the parts as found, which share their walls [m].

    Returns
    -------
    list of Polygon or None
        One for each of ``raw``; None where a part would not be true to its raw outline.
    """
    direction = dominant_direction(np.asarray(whole.exterior.coords))
    near = shapely.STRtree(raw).query(raw, predicate="dwithin", distance=0.01)
    pairs = [(raw[i], raw[j]) for i, j in sorted(zip(*near.tolist(), strict=True)) if i < j]
    walls = [wall for pair in pairs if (wall := _wall(*pair, direction)) is not None]
    lines = shapely.union_all([whole.boundary, *walls])
    faces = [
        face
        for face in shapely.get_parts(shapely.polygonize([lines]))
        if whole.contains(face.representative_point())
    ]
    shares = np.array([[face.intersection(one).area for one in raw] for face in faces])
    if not len(faces):
        return None
    owner = shares.argmax(axis=1)
    made: list[Polygon] = []
    for k, one in enumerate(raw):
        mine = shapely.union_all([f for f, o in zip(faces, owner, strict=True) if o == k])
        if not isinstance(mine, Polygon) or not is_true_to(mine, one):
            return None
        made.append(mine)
    return made


def _wall(one: Polygon, other: Polygon, direction: float) -> LineString | None:
    """Straight wall between two outlines that touch; None where they hardly do."""
    shared = one.boundary.intersection(other.buffer(0.01))
    if shared.is_empty or shared.length < 0.5:
        return None
    points = shapely.get_coordinates(shared.segmentize(0.25))
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    angle = np.radians(
        snapped_deg(float(np.degrees(np.arctan2(axes[0, 1], axes[0, 0]))), direction)
    )
    along = np.array([np.cos(angle), np.sin(angle)])
    reach = (points - centre) @ along
    ends = [centre + along * (reach.min() - _REACH_M), centre + along * (reach.max() + _REACH_M)]
    return LineString(ends)
