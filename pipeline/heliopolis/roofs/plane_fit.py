"""One plane through points: fit, residuals, tilt, azimuth and their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

F64 = npt.NDArray[np.float64]

#: Below this tilt a roof is flat and has no azimuth [deg].
FLAT_BELOW_DEG = 4.0
#: Errors along a roof go together over about this length (sagging, tiles, strips) [m].
_CLUSTER_M = 1.5
_TRIM_SIGMAS = 2.5
_LEAST_SIGMA_M = 0.02
#: 0.99 quantile of chi squared with two degrees of freedom: below it a slope may be none.
_LEVEL_CHI2 = 9.21


@dataclass(frozen=True)
class Plane:
    """z = z0 + slope_x (x - xc) + slope_y (y - yc), in metres, x to the east, y to the north."""

    z0: float
    slope_x: float
    slope_y: float
    xc: float
    yc: float

    def height(self, x: F64, y: F64) -> F64:
        """Height of the plane at (x, y) [m]."""
        return self.z0 + self.slope_x * (x - self.xc) + self.slope_y * (y - self.yc)

    def distance(self, x: F64, y: F64, z: F64) -> F64:
        """Signed distance of points from the plane along its normal, up positive [m]."""
        return (z - self.height(x, y)) * self.cos_tilt

    @property
    def cos_tilt(self) -> float:
        """Cosine of the tilt: plan area over tilted area."""
        return 1.0 / math.sqrt(1.0 + self.slope_x**2 + self.slope_y**2)

    @property
    def normal(self) -> F64:
        """Unit normal, upwards (3,)."""
        return np.array([-self.slope_x, -self.slope_y, 1.0]) * self.cos_tilt

    @property
    def tilt_deg(self) -> float:
        """Angle from the horizontal [deg]."""
        return math.degrees(math.atan(math.hypot(self.slope_x, self.slope_y)))

    @property
    def azimuth_deg(self) -> float:
        """Direction in which the plane falls, clockwise from north [deg]; NaN where flat.

        >>> Plane(0.0, 0.0, 1.0, 0.0, 0.0).azimuth_deg  # rises to the north: faces south
        180.0
        """
        if self.tilt_deg < FLAT_BELOW_DEG:
            return math.nan
        return math.degrees(math.atan2(-self.slope_x, -self.slope_y)) % 360.0


def least_squares(x: F64, y: F64, z: F64) -> Plane:
    """Plane of least squared vertical residuals through three points or more."""
    return Plane(*compiled_fit(x, y, z, np.ones(len(x), dtype=np.bool_)))


def robust_fit(x: F64, y: F64, z: F64, rounds: int = 3) -> Plane:
    """Least squares, repeated without the points beyond 2.5 robust standard deviations."""
    return Plane(*_robust(x, y, z, rounds))


@njit(cache=True)
def compiled_fit(x, y, z, keep):  # type: ignore[no-untyped-def]
    """Height at the centre, slopes and centre of the plane through the points kept."""
    n, xc, yc, zc = 0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        if keep[i]:
            n += 1
            xc += x[i]
            yc += y[i]
            zc += z[i]
    xc, yc, zc = xc / n, yc / n, zc / n
    uu, uv, vv, uw, vw = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        if keep[i]:
            u, v, w = x[i] - xc, y[i] - yc, z[i] - zc
            uu += u * u
            uv += u * v
            vv += v * v
            uw += u * w
            vw += v * w
    det = uu * vv - uv * uv
    if det <= 1e-9 * max(uu, vv, 1e-12) ** 2:
        return zc, 0.0, 0.0, xc, yc
    return zc, (uw * vv - vw * uv) / det, (vw * uu - uw * uv) / det, xc, yc


@njit(cache=True)
def _robust(x, y, z, rounds):  # type: ignore[no-untyped-def]
    """The same of the points that are no outliers."""
    keep = np.ones(len(x), dtype=np.bool_)
    plane = compiled_fit(x, y, z, keep)
    off = np.empty(len(x))
    for _ in range(rounds):
        z0, slope_x, slope_y, xc, yc = plane
        upright = 1.0 / np.sqrt(1.0 + slope_x**2 + slope_y**2)
        for i in range(len(x)):
            off[i] = (z[i] - z0 - slope_x * (x[i] - xc) - slope_y * (y[i] - yc)) * upright
        centre = np.median(off)
        sigma = max(1.4826 * np.median(np.abs(off - centre)), _LEAST_SIGMA_M)
        keep = np.abs(off - centre) <= _TRIM_SIGMAS * sigma
        if keep.sum() < 4:
            break
        plane = compiled_fit(x, y, z, keep)
    return plane


def orientation_sd(plane: Plane, x: F64, y: F64, z: F64) -> tuple[float, float]:
    """Root mean square errors of tilt and azimuth [deg]; NaN for the azimuth of a flat plane.

    The larger of two estimates: the usual one for independent residuals, and one that lets
    the residuals of a patch of 1.5 m go together (the cluster-robust "sandwich" of Liang and
    Zeger 1986, doi:10.1093/biomet/73.1.13). The tilt of a plane that may well be level is never
    too small: see `_propagated`.
    """
    u, v = x - plane.xc, y - plane.yc
    design = np.column_stack([np.ones_like(u), u, v])
    off = z - plane.height(x, y)
    count = len(x)
    if count < 6 or np.linalg.matrix_rank(design) < 3:
        return math.nan, math.nan
    bread = np.linalg.inv(design.T @ design)
    variance = max(float(off @ off) / (count - 3), _LEAST_SIGMA_M**2)
    plain = bread * variance
    column, row = (np.floor(axis / _CLUSTER_M).astype("int64") for axis in (u, v))
    _, cluster = np.unique((column << 32) + row, return_inverse=True)
    score = np.column_stack([np.bincount(cluster, one * off) for one in design.T])
    groups = len(score)
    meat = score.T @ score * (groups / max(groups - 3, 1))
    patched = bread @ meat @ bread
    sds = [_propagated(plane, np.asarray(one[1:, 1:])) for one in (plain, patched)]
    tilt = max(one[0] for one in sds)
    azimuth = math.nan if math.isnan(plane.azimuth_deg) else max(one[1] for one in sds)
    return tilt, azimuth


def _propagated(plane: Plane, covariance: F64) -> tuple[float, float]:
    """Errors of tilt and azimuth from the covariance of the two slopes.

    The slope of a level plane comes out as the length of two errors (Rayleigh's law); its root
    mean square is that of both together, and 80.6 % lie below 1.28 times it. A slope counts as
    level while it is within its own 99 % ellipse.
    """
    vector = np.array([plane.slope_x, plane.slope_y])
    slope = float(np.linalg.norm(vector))
    if vector @ np.linalg.pinv(covariance) @ vector < _LEVEL_CHI2:
        return math.degrees(math.sqrt(max(float(np.trace(covariance)), 0.0))), 180.0
    along = vector / slope
    across = np.array([-along[1], along[0]])
    tilt = math.sqrt(max(float(along @ covariance @ along), 0.0)) / (1 + slope**2)
    azimuth = math.sqrt(max(float(across @ covariance @ across), 0.0)) / slope
    return math.degrees(tilt), min(math.degrees(azimuth), 180.0)
