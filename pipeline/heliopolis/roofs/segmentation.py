"""Points of one roof into planes: grow from the smoothest places, merge, assign, fit again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.spatial import cKDTree

from heliopolis.roofs.plane_fit import F64, Plane, compiled_fit, robust_fit

I64 = npt.NDArray[np.int64]

#: Radius in which the normal at a point is estimated, about [m].
_NORMAL_RADIUS_M = 0.7
#: Neighbours of a point, and points of a plane, however thin the survey is.
_LEAST_NEIGHBOURS, _LEAST_POINTS = 7, 6
#: A growing plane takes points within this distance [m] and angle [deg] of it.
_GROW_M = 0.12
_GROW_DEG = 14.0
#: Planes that touch are one when they differ by less than this.
_MERGE_DEG = 3.5
_MERGE_M = 0.08
#: Planes that turn from each other by more than this are not one [deg].
_APART_DEG = 12.0
#: Points further from every plane than this are not roof plane [m].
_ASSIGN_M = 0.15
_SIGMA_M = 0.05
#: A plane is given up where this share of its points lies on the planes it touches; a plane of
#: less than four times the least number of points has to stand off them by most of its own.
_DISSOLVE_SHARE, _DISSOLVE_SMALL_SHARE = 0.85, 0.5
_SMOOTH = 5.0
#: Steeper than this is wall [deg].
_WALL_DEG = 72.0


@dataclass(frozen=True)
class Segments:
    """Planes of one roof and the plane of each point (-1: none)."""

    planes: list[Plane]
    labels: I64


def cells_of(x: F64, y: F64, cell_m: float = 1.0) -> I64:
    """Number of the cell of each point: the same for points of one cell, and no other."""
    column, row = (np.floor(axis / cell_m).astype("int64") for axis in (x, y))
    return np.asarray((column << 32) + row)


def density_of(x: F64, y: F64, cell_m: float = 1.0) -> float:
    """Points per square metre: the median over the cells of 1 m that hold any."""
    if len(x) == 0:
        return 0.0
    _, count = np.unique(cells_of(x, y, cell_m), return_counts=True)
    return float(np.median(count)) / cell_m**2


def segment(x: F64, y: F64, z: F64, min_plane_m2: float = 2.0) -> Segments:
    """Find the planes in the points of one roof.

    Normals come from the principal components of each point's neighbours; a plane grows from
    the place with the smallest residual, along neighbours that lie on it and point its way;
    planes that touch and agree are merged; at last each point goes to the plane that fits it
    and its neighbours best (iterated conditional modes, Besag 1986), and planes are fitted
    again, without outliers.

    Parameters
    ----------
    x, y, z
        Points on and above the roof [m]; the order does not matter.
    min_plane_m2
        Smallest plane [m2].
    """
    order = np.lexsort((z, y, x))
    if len(order) < 6:
        return Segments([], np.full(len(order), -1))
    xc, yc, zc = float(x.mean()), float(y.mean()), float(z.mean())
    xyz = np.column_stack([x[order] - xc, y[order] - yc, z[order] - zc])
    density = max(density_of(x, y), 0.5)
    least = max(_LEAST_POINTS, round(0.5 * density * min_plane_m2))
    near = _neighbours(xyz, density)
    normals, flatness = _normals(xyz, near)
    labels = _grow(xyz, near, normals, flatness, least)
    planes, labels = _settle(xyz, near, labels, least)
    out = np.empty_like(labels)
    out[order] = labels
    moved = [Plane(p.z0 + zc, p.slope_x, p.slope_y, p.xc + xc, p.yc + yc) for p in planes]
    return Segments(moved, out)


def _neighbours(xyz: F64, density: float) -> I64:
    """Indices of the nearest points, itself first (n, k)."""
    wanted = math.pi * _NORMAL_RADIUS_M**2 * density
    count = min(int(np.clip(round(wanted), _LEAST_NEIGHBOURS, 30)), len(xyz))
    return np.asarray(cKDTree(xyz).query(xyz, k=count)[1], dtype="int64")


@njit(cache=True)
def _normals(xyz, near):  # type: ignore[no-untyped-def]
    """Unit normals, upwards (n, 3), and the standard deviation along them (n,) [m].

    The least eigenvalue of each covariance in closed form (Smith 1961,
    doi:10.1145/355578.366316); its vector is at right angles to the others' plane.
    """
    normals, flatness = np.empty(xyz.shape), np.empty(len(xyz))
    for point in range(len(near)):
        patch = xyz[near[point]]
        x, y, z = patch[:, 0].mean(), patch[:, 1].mean(), patch[:, 2].mean()
        xx, xy, xz, yy, yz, zz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for row in patch:
            u, v, w = row[0] - x, row[1] - y, row[2] - z
            xx += u * u
            xy += u * v
            xz += u * w
            yy += v * v
            yz += v * w
            zz += w * w
        mean = (xx + yy + zz) / 3
        a, b, c = xx - mean, yy - mean, zz - mean
        spread = math.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
        least = mean
        if spread > 0:
            det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
            turn = math.acos(min(1.0, max(-1.0, det / (2 * spread**3)))) / 3
            least = mean + 2 * spread * math.cos(turn + 2 * math.pi / 3)
        rows = ((xx - least, xy, xz), (xy, yy - least, yz), (xz, yz, zz - least))
        best, nx, ny, nz = 0.0, 0.0, 0.0, 1.0
        for p, q in ((0, 1), (0, 2), (1, 2)):
            f, g = rows[p], rows[q]
            i, j, k = (
                f[1] * g[2] - f[2] * g[1],
                f[2] * g[0] - f[0] * g[2],
                f[0] * g[1] - f[1] * g[0],
            )
            size = math.sqrt(i * i + j * j + k * k)
            if size > best:
                up = math.copysign(size, k)
                best, nx, ny, nz = size, i / up, j / up, k / up
        normals[point] = nx, ny, nz
        flatness[point] = math.sqrt(max(least, 0.0) / len(patch))
    return normals, flatness


def _grow(xyz: F64, near: I64, normals: F64, flatness: F64, least: int) -> I64:
    """Label regions, each grown from the smoothest free point."""
    tried = normals[:, 2] < math.cos(math.radians(_WALL_DEG))
    tried |= flatness > _GROW_M
    x, y, z = (np.ascontiguousarray(axis) for axis in xyz.T)
    seeds = np.argsort(flatness, kind="stable")
    return np.asarray(_grown(x, y, z, near, normals, tried, seeds, least))


@njit(cache=True)
def _grown(x, y, z, near, normals, tried, seeds, least):  # type: ignore[no-untyped-def]
    """Label of each point (-1: none); ``tried`` says which points no region begins with."""
    labels = np.full(len(x), -1)
    label = 0
    for seed in seeds:
        if tried[seed] or labels[seed] >= 0:
            continue
        inside = _region(seed, x, y, z, near, normals, labels)
        if inside.sum() >= least:
            labels[inside] = label
            label += 1
        else:
            tried[inside] = True
        tried[seed] = True
    return labels


@njit(cache=True)
def _region(seed, x, y, z, near, normals, labels):  # type: ignore[no-untyped-def]
    """Points reached from ``seed`` that lie on one plane; the plane is refitted on the way."""
    z0, xc, yc = z[near[seed]].mean(), x[near[seed]].mean(), y[near[seed]].mean()
    slope_x, slope_y = -normals[seed, 0] / normals[seed, 2], -normals[seed, 1] / normals[seed, 2]
    limit = math.cos(math.radians(_GROW_DEG))
    inside = np.zeros(len(x), dtype=np.bool_)
    seen = np.zeros(len(x), dtype=np.int64)
    inside[seed] = True
    front, step, fitted, size = [seed], 0, 8, 1
    while len(front) > 0:
        step += 1
        upright = 1.0 / math.sqrt(1.0 + slope_x**2 + slope_y**2)
        reached = [seed]
        reached.clear()
        for point in front:
            for other in near[point]:
                if inside[other] or labels[other] >= 0 or seen[other] == step:
                    continue
                seen[other] = step
                height = z0 + slope_x * (x[other] - xc) + slope_y * (y[other] - yc)
                facing = (
                    normals[other, 2] - normals[other, 0] * slope_x - normals[other, 1] * slope_y
                )
                if abs(z[other] - height) * upright < _GROW_M and facing * upright > limit:
                    reached.append(other)
        for point in reached:
            inside[point] = True
        size += len(reached)
        front = reached
        if size >= 1.5 * fitted:
            z0, slope_x, slope_y, xc, yc = compiled_fit(x, y, z, inside)
            fitted = size
    return inside


def _settle(xyz: F64, near: I64, labels: I64, least: int) -> tuple[list[Plane], I64]:
    """Merge, assign and refit until little changes; planes that lose their points go."""
    for _ in range(4):
        planes, labels = _fitted(xyz, labels, least)
        planes, labels = _merged(xyz, near, planes, labels)
        planes, labels = _dissolved(xyz, near, planes, labels, 4 * least)
        if not planes:
            break
        before = labels
        labels = _assigned(xyz, near, planes, labels)
        if (before != labels).mean() < 0.002:
            break
    return _fitted(xyz, labels, least)


def _fitted(xyz: F64, labels: I64, least: int) -> tuple[list[Plane], I64]:
    """Planes through the points of each label; small or steep ones are dropped."""
    planes: list[Plane] = []
    out = np.full(len(labels), -1)
    for label in range(int(labels.max(initial=-1)) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) < least:
            continue
        plane = robust_fit(*xyz[members].T)
        if plane.tilt_deg > _WALL_DEG:
            continue
        out[members] = len(planes)
        planes.append(plane)
    return planes, out


def _merged(xyz: F64, near: I64, planes: list[Plane], labels: I64) -> tuple[list[Plane], I64]:
    """Unite planes that touch and agree, the best agreement first."""
    planes, labels = list(planes), labels.copy()
    # A name lasts as long as the points of a plane: what two have between them is found once.
    names, fresh = list(range(len(planes))), len(planes)
    known: dict[tuple[int, int], float] = {}
    while len(planes) > 1:
        best: tuple[float, int, int] | None = None
        for i, j in _touching(near, labels, len(planes)):
            pair = (names[i], names[j])
            if pair not in known:
                known[pair] = _disagreement(xyz, planes, labels, i, j)
            cost = known[pair]
            if cost < 1 and (best is None or cost < best[0]):
                best = (cost, i, j)
        if best is None:
            break
        _, i, j = best
        labels[labels == j] = i
        labels[labels > j] -= 1
        planes.pop(j)
        names.pop(j)
        names[i], fresh = fresh, fresh + 1
        planes[i] = robust_fit(*xyz[labels == i].T)
    return planes, labels


def _dissolved(
    xyz: F64, near: I64, planes: list[Plane], labels: I64, small: int
) -> tuple[list[Plane], I64]:
    """Give up planes whose points lie on planes they touch, such as the rounding of a ridge."""
    planes, labels = list(planes), labels.copy()
    beside: dict[int, list[int]] = {k: [] for k in range(len(planes))}
    for i, j in _touching(near, labels, len(planes)):
        beside[i].append(j)
        beside[j].append(i)
    gone: set[int] = set()
    for k in np.argsort(np.bincount(labels[labels >= 0], minlength=len(planes)), kind="stable"):
        others = [j for j in beside[int(k)] if j not in gone]
        if not others:
            continue
        members = np.flatnonzero(labels == k)
        away = np.stack([np.abs(planes[j].distance(*xyz[members].T)) for j in others])
        share = _DISSOLVE_SHARE if len(members) >= small else _DISSOLVE_SMALL_SHARE
        if (away.min(axis=0) < _GROW_M).mean() >= share:
            labels[members] = np.array(others)[away.argmin(axis=0)]
            gone.add(int(k))
    keep = [k for k in range(len(planes)) if k not in gone]
    index = np.full(len(planes) + 1, -1)
    index[keep] = np.arange(len(keep))
    return [planes[k] for k in keep], index[labels]


def _touching(near: I64, labels: I64, count: int) -> list[tuple[int, int]]:
    """Pairs of planes with at least three pairs of neighbouring points."""
    links = _links(near, labels, count)
    return [(int(i), int(j)) for i, j in np.argwhere(links >= 3)]


@njit(cache=True)
def _links(near, labels, count):  # type: ignore[no-untyped-def]
    """Pairs of neighbouring points of each pair of planes, the lower number first."""
    links = np.zeros((count, count), dtype=np.int64)
    for point in range(len(near)):
        here = labels[point]
        if here < 0:
            continue
        for other in near[point]:
            there = labels[other]
            if there >= 0 and there != here:
                links[min(here, there), max(here, there)] += 1
    return links


def _disagreement(xyz: F64, planes: list[Plane], labels: I64, i: int, j: int) -> float:
    """Below 1 where two planes are one: by angle, or by how a common plane fits both."""
    angle = math.degrees(math.acos(min(1.0, float(planes[i].normal @ planes[j].normal))))
    if angle > _APART_DEG:
        return angle / _MERGE_DEG
    a, b = (xyz[labels == k].T for k in (i, j))
    offset = max(
        float(_median_off(planes[i].distance(*b))),
        float(_median_off(planes[j].distance(*a))),
    )
    apart = max(angle / _MERGE_DEG, offset / _MERGE_M)
    if apart < 1:
        return apart
    common = robust_fit(*np.hstack([a, b]))
    worse = [_rms(common, part) - _rms(planes[k], part) for k, part in ((i, a), (j, b))]
    return max(worse) / 0.015


@njit(cache=True)
def _median_off(off):  # type: ignore[no-untyped-def]
    """Median size of some distances."""
    return np.median(np.abs(off))


def _rms(plane: Plane, points: F64) -> float:
    """Root mean square distance of points (3, n), each at most 0.3 m [m]."""
    return float(_clipped_rms(plane.distance(*points)))


@njit(cache=True)
def _clipped_rms(off):  # type: ignore[no-untyped-def]
    total = 0.0
    for value in off:
        total += min(abs(value), 0.3) ** 2
    return math.sqrt(total / len(off))


def _assigned(xyz: F64, near: I64, planes: list[Plane], labels: I64) -> I64:
    """Give each point the plane that fits it and most of its neighbours."""
    away = np.column_stack([np.abs(plane.distance(*xyz.T)) for plane in planes])
    for _ in range(3):
        labels = np.asarray(_best_plane(away, near, labels))
    return labels


@njit(cache=True)
def _best_plane(away, near, labels):  # type: ignore[no-untyped-def]
    """Plane of least cost of each point (-1: none): its distance, and who its neighbours are."""
    out = np.full(len(labels), -1)
    share = 1.0 / near.shape[1]
    for point in range(len(labels)):
        count = np.zeros(away.shape[1], dtype=np.int64)
        for other in near[point]:
            if labels[other] >= 0:
                count[labels[other]] += 1
        least = np.inf
        for k in range(away.shape[1]):
            if count[k] == 0 or away[point, k] > _ASSIGN_M:
                continue
            cost = (away[point, k] / _SIGMA_M) ** 2 + _SMOOTH * (1.0 - count[k] * share)
            if cost < least:
                least, out[point] = cost, k
    return out
