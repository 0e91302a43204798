"""From planes and labelled points to polygons: outlines that meet, and their usable part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage
from scipy.spatial import cKDTree
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from heliopolis.roofs.plane_fit import F64, Plane
from heliopolis.roofs.segmentation import I64

#: Cell in which planes are delimited [m].
CELL_M = 0.25
#: A cell further than this many point spacings from the points of a plane is not in it.
_REACH_SPACINGS = 2.5
#: Planes meet in their intersection where their heights differ by less than this there [m].
_MEET_M = 0.35
#: Width around a border in which the intersection decides [m].
_BAND_M = 1.0
#: Points above a plane by more than this are obstacles [m]; each blocks a disc around it [m].
_OBSTACLE_M = 0.2
_OBSTACLE_RADIUS_M = 0.3
#: Narrower and smaller pieces cannot be used [m], [m2].
_LEAST_WIDTH_M = 0.5
_LEAST_PIECE_M2 = 1.0
#: The middle of a side of a plane on the outline of the building lies nearer to it than this [m].
_ON_OUTLINE_M = 0.2
#: Sides that bend by less than this are one [m].
_STRAIGHT_M = 0.1
_NEIGHBOURS = ((0, 1), (1, 0))


@dataclass(frozen=True)
class _Cells:
    """Square cells around a footprint: the label of each (row from the south, column)."""

    west: float
    south: float
    labels: I64

    def centres(self) -> tuple[F64, F64]:
        rows, cols = self.labels.shape
        x = self.west + (np.arange(cols) + 0.5) * CELL_M
        y = self.south + (np.arange(rows) + 0.5) * CELL_M
        xx, yy = np.meshgrid(x, y)
        return xx, yy


def plane_polygons(
    footprint: BaseGeometry,
    planes: list[Plane],
    labels: I64,
    x: F64,
    y: F64,
    z: F64,
    spacing_m: float,
) -> list[BaseGeometry]:
    """Plan polygon of each plane, inside the footprint, without overlaps.

    A cell of 0.25 m belongs to the plane of the nearest points; along a ridge, hip or valley
    the two planes part where they intersect; the borders of cells are then straightened
    without opening gaps.

    Parameters
    ----------
    footprint
        Outline of the building, valid, metric.
    planes
        Planes of the building.
    labels
        Plane of each point (-1: none).
    x, y, z
        The points [m].
    spacing_m
        Mean distance between points: 1 / sqrt(density) [m].

    Returns
    -------
    list
        Polygon or MultiPolygon (empty where nothing is left) for each plane.
    """
    on = labels >= 0
    if not on.any():
        return [Polygon() for _ in planes]
    cells = _nearest(footprint, x[on], y[on], labels[on], spacing_m)
    for i, j in _pairs(cells.labels, len(planes)):
        _meet(cells, i, j, planes, labels, x, y)
    return [_areal(shapely.intersection(p, footprint)) for p in _traced(cells, len(planes))]


def area_sd(polygon: BaseGeometry, plane: Plane, tilt_sd_deg: float, spacing_m: float) -> float:
    """Standard error of the tilted area of a plane [m2].

    The border passes somewhere between two neighbouring points, and along the sides of cells: an
    error of d / sqrt(12) on each stretch of length d, d being the distance between points and
    the side of the cells, added in quadrature. The errors of the P / d stretches of a border of
    length P are independent, so that the plan area has the error d sqrt(P d / 12). The error of
    the tilt goes with it.

    Parameters
    ----------
    polygon
        Plan polygon [m].
    plane
        Its plane.
    tilt_sd_deg
        Error of its tilt [deg]; NaN where it is not known, and so is then that of the area.
    spacing_m
        Mean distance between points: 1 / sqrt(density) [m].

    >>> level = Plane(0.0, 0.0, 0.0, 0.0, 0.0)
    >>> round(area_sd(shapely.box(0, 0, 10, 5), level, 0.1, 0.5), 2)
    0.66
    """
    stretch = math.hypot(spacing_m, CELL_M)
    border = stretch * math.sqrt(polygon.length * stretch / 12)
    turn = polygon.area * math.hypot(plane.slope_x, plane.slope_y) * math.radians(tilt_sd_deg)
    return math.hypot(border, turn) / plane.cos_tilt


def cut_sd(
    polygon: BaseGeometry,
    footprint: BaseGeometry,
    position_sd_m: float,
    side_sd_m: float = 0.0,
) -> float:
    """Standard error of the plan area of a plane from that of the footprint that cuts it [m2].

    A footprint that lies d beside its roof adds d . N to a plane, N being the sum of the
    outward normals of the sides that it has in common with the footprint, each as long as its
    side: what is gained on one side of a whole roof is lost on the other. Where each side is
    off by itself, as in an outline drawn from an image, their errors add up in quadrature.

    Parameters
    ----------
    polygon
        Plan polygon of the plane [m].
    footprint
        Outline of the building [m].
    position_sd_m
        Standard error of its position along each axis [m].
    side_sd_m
        Standard error of the place of each of its sides [m].

    >>> house = shapely.box(0, 0, 10, 8)
    >>> round(cut_sd(shapely.box(0, 0, 10, 4), house, 0.3), 6), cut_sd(house, house, 0.3)
    (3.0, 0.0)
    >>> round(cut_sd(house, house, 0.0, 0.5), 2)
    9.06
    """
    outline = footprint.boundary
    shapely.prepare(outline)
    total, squares = np.zeros(2), 0.0
    plain = shapely.normalize(shapely.simplify(polygon, _STRAIGHT_M))
    for ring in shapely.get_rings(shapely.get_parts(plain)):
        xy = shapely.get_coordinates(ring)
        along = np.diff(xy, axis=0)
        middle = shapely.points((xy[1:] + xy[:-1]) / 2)
        shared = along[shapely.dwithin(outline, middle, _ON_OUTLINE_M)]
        total += shared.sum(axis=0)
        squares += float((shared**2).sum())
    return math.hypot(position_sd_m * float(np.hypot(*total)), side_sd_m * math.sqrt(squares))


def usable_part(
    polygon: BaseGeometry, obstacles: F64, setback_m: float, footprint: BaseGeometry
) -> BaseGeometry:
    """Part of a plane for panels: off the edges, off the obstacles, nothing narrow or tiny.

    Parameters
    ----------
    polygon
        Plan polygon of the plane.
    obstacles
        Points that stand above the plane, (n, 2) [m].
    setback_m
        Strip kept free along the edges [m].
    footprint
        Outline of the building; the strip is kept along it too.
    """
    free: BaseGeometry = polygon.intersection(footprint).buffer(-setback_m, join_style="mitre")
    if len(obstacles):
        discs = shapely.buffer(shapely.points(obstacles), _OBSTACLE_RADIUS_M, quad_segs=3)
        free = free.difference(shapely.union_all(discs))
    half = _LEAST_WIDTH_M / 2
    free = free.buffer(-half, join_style="mitre").buffer(half, join_style="mitre")
    pieces = [p for p in shapely.get_parts(_areal(free)) if p.area >= _LEAST_PIECE_M2]
    return MultiPolygon(pieces) if len(pieces) > 1 else (pieces[0] if pieces else Polygon())


def obstacle_points(
    polygon: BaseGeometry, plane: Plane, labels: I64, x: F64, y: F64, z: F64
) -> F64:
    """Points (n, 2) on no plane that stand more than 0.2 m above this one, in its polygon."""
    free = labels < 0
    xs, ys = x[free], y[free]
    above = plane.distance(xs, ys, z[free]) > _OBSTACLE_M
    xs, ys = xs[above], ys[above]
    if not len(xs):
        return np.empty((0, 2))
    shapely.prepare(polygon)
    inside = shapely.intersects_xy(polygon.buffer(_OBSTACLE_RADIUS_M), xs, ys)
    return np.column_stack([xs[inside], ys[inside]])


def _nearest(footprint: BaseGeometry, x: F64, y: F64, labels: I64, spacing_m: float) -> _Cells:
    """Cells of a lattice that is fixed to the CRS, labelled by the nearest points."""
    west, south, east, north = footprint.bounds
    left, low = math.floor(west / CELL_M) - 2, math.floor(south / CELL_M) - 2
    shape = (math.ceil(north / CELL_M) + 2 - low, math.ceil(east / CELL_M) + 2 - left)
    cells = _Cells(left * CELL_M, low * CELL_M, np.full(shape, -1))
    xx, yy = cells.centres()
    grown = footprint.buffer(2 * CELL_M)
    shapely.prepare(grown)
    wanted = shapely.contains_xy(grown, xx.ravel(), yy.ravel())
    reach = float(np.clip(_REACH_SPACINGS * spacing_m, 0.6, 2.5))
    count = min(3, len(x))
    distance, nearest = cKDTree(np.column_stack([x, y])).query(
        np.column_stack([xx.ravel()[wanted], yy.ravel()[wanted]]),
        k=count,
        distance_upper_bound=reach + 2 * CELL_M,
    )
    distance, nearest = distance.reshape(-1, count), nearest.reshape(-1, count)
    votes = np.where(np.isfinite(distance), np.append(labels, -1)[nearest], -1)
    best = votes[:, 0].copy()
    if count == 3:
        agree = (votes[:, 1] == votes[:, 2]) & (votes[:, 1] >= 0)
        best[agree] = votes[agree, 1]
    flat = cells.labels.ravel()
    flat[np.flatnonzero(wanted)] = best
    cells.labels[:] = _without_specks(flat.reshape(shape))
    return cells


def _without_specks(labels: I64) -> I64:
    """Majority of the 3 x 3 cells around, where a cell stands against at least six of them."""
    out = labels.copy()
    for k in range(int(labels.max(initial=-1)) + 1):
        mine = (labels == k).astype("int64")
        around = ndimage.convolve(mine, np.ones((3, 3), dtype="int64"), mode="constant") - mine
        out[(around >= 6) & (labels != k)] = k
    return out


def _pairs(labels: I64, count: int) -> list[tuple[int, int]]:
    """Planes with at least 1 m of common border."""
    links = np.zeros(count * count, dtype="int64")
    for dy, dx in _NEIGHBOURS:
        a = labels[: labels.shape[0] - dy, : labels.shape[1] - dx].ravel()
        b = labels[dy:, dx:].ravel()
        ok = (a >= 0) & (b >= 0) & (a != b)
        links += np.bincount(
            np.minimum(a, b)[ok] * count + np.maximum(a, b)[ok], minlength=count * count
        )
    return [(int(k) // count, int(k) % count) for k in np.flatnonzero(links >= 1 / CELL_M)]


def _meet(cells: _Cells, i: int, j: int, planes: list[Plane], labels: I64, x: F64, y: F64) -> None:
    """Part cells near the border of two planes along their intersection, if they meet there."""
    a, b = planes[i], planes[j]
    one, two = cells.labels == i, cells.labels == j
    border = ndimage.binary_dilation(one) & two
    xx, yy = cells.centres()
    difference = a.height(xx, yy) - b.height(xx, yy)
    if not border.any() or np.median(np.abs(difference[border])) > _MEET_M:
        return
    turn = math.acos(min(1.0, float(a.normal @ b.normal)))
    if math.degrees(turn) < 6:
        return
    steps = round(_BAND_M / CELL_M)
    band = ndimage.binary_dilation(border, iterations=steps) & (one | two)
    low = a.height(x, y) < b.height(x, y)
    near_a, near_b = low[labels == i], low[labels == j]
    ridge = (near_a.mean() + (~near_b).mean()) / 2
    if 0.25 < ridge < 0.75:
        return
    first = (difference < 0) == (ridge >= 0.75)
    cells.labels[band & first] = i
    cells.labels[band & ~first] = j


def _traced(cells: _Cells, count: int) -> list[BaseGeometry]:
    """Polygons of the labels with straightened common borders."""
    padded = np.pad(cells.labels, 1, constant_values=-1)
    segments = np.concatenate([_edges(padded, True), _edges(padded, False)])
    if not len(segments):
        return [Polygon() for _ in range(count)]
    origin = np.array([cells.west - CELL_M, cells.south - CELL_M])
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(segments * CELL_M + origin)))
    inner = shapely.get_coordinates(shapely.point_on_surface(faces))
    at = np.floor((inner - origin) / CELL_M).astype("int64")
    owner = padded[at[:, 1], at[:, 0]]
    faces, owner = faces[owner >= 0], owner[owner >= 0]
    smooth = shapely.coverage_simplify(faces, 1.6 * CELL_M)
    return [_areal(shapely.union_all(shapely.make_valid(smooth[owner == k]))) for k in range(count)]


def _edges(labels: I64, vertical: bool) -> npt.NDArray[np.float64]:
    """Unit edges (n, 2, 2) in cells, as x, y, between cells of different labels."""
    if vertical:
        row, col = np.nonzero(labels[:, 1:] != labels[:, :-1])
        start = np.column_stack([col + 1, row])
        step = (0, 1)
    else:
        row, col = np.nonzero(labels[1:, :] != labels[:-1, :])
        start = np.column_stack([col, row + 1])
        step = (1, 0)
    return np.stack([start, start + np.array(step)], axis=1).astype("float64")


def _areal(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry, as Polygon, MultiPolygon or empty Polygon."""
    parts = [
        p
        for p in shapely.get_parts(shapely.get_parts(geometry))
        if p.geom_type == "Polygon" and p.area > 1e-6
    ]
    if not parts:
        return Polygon()
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)
