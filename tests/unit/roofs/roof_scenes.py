"""Roofs with known planes, and points on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

F64 = npt.NDArray[np.float64]
Surface = Callable[[F64, F64], F64]


@dataclass(frozen=True)
class Roof:
    """Outline, height as a function of place, and the planes (tilt, azimuth, plan area)."""

    outline: BaseGeometry
    height: Surface
    planes: list[tuple[float, float, float]]


def _slope(tilt_deg: float) -> float:
    return float(np.tan(np.radians(tilt_deg)))


def gable(tilt: float = 35.0) -> Roof:
    k = _slope(tilt)
    return Roof(
        shapely.box(0, 0, 14, 9),
        lambda x, y: 6 + k * (4.5 - np.abs(y - 4.5)),
        [(tilt, 0.0, 63.0), (tilt, 180.0, 63.0)],
    )


def hip(tilt: float = 30.0) -> Roof:
    k = _slope(tilt)
    return Roof(
        shapely.box(0, 0, 16, 10),
        lambda x, y: 5 + k * np.minimum.reduce([x, 16 - x, y, 10 - y]),
        [(tilt, 0.0, 55.0), (tilt, 180.0, 55.0), (tilt, 90.0, 25.0), (tilt, 270.0, 25.0)],
    )


def shed(tilt: float = 12.0) -> Roof:
    k = _slope(tilt)
    return Roof(shapely.box(0, 0, 12, 8), lambda x, y: 4 + k * x, [(tilt, 270.0, 96.0)])


def flat() -> Roof:
    return Roof(shapely.box(0, 0, 15, 12), lambda x, y: np.full_like(x, 7.0), [(0, np.nan, 180.0)])


def parapet() -> Roof:
    def height(x: F64, y: F64) -> F64:
        edge = np.minimum.reduce([x, 15 - x, y, 12 - y])
        return np.where(edge < 0.3, 7.6, 7.0)

    return Roof(shapely.box(0, 0, 15, 12), height, [(0, np.nan, 180.0)])


def l_shape(tilt: float = 40.0) -> Roof:
    k = _slope(tilt)
    outline = shapely.union(shapely.box(0, 0, 18, 8), shapely.box(0, 0, 8, 18))

    def height(x: F64, y: F64) -> F64:
        along_x = k * (4 - np.abs(y - 4))
        along_y = k * (4 - np.abs(x - 4))
        along_x = np.where(y <= 8, along_x, -np.inf)
        along_y = np.where(x <= 8, along_y, -np.inf)
        corner = k * np.minimum(np.minimum(x, y), 4)
        inner = np.where((x <= 8) & (y <= 8), np.minimum(corner, 4 * k), -np.inf)
        valley = np.maximum(along_x, along_y)
        both = (x <= 8) & (y <= 8)
        return 6 + np.where(both, np.minimum(valley, np.maximum(inner, 0)), valley)

    # outer faces 18 x 4 less the hip triangle (8 m2), inner faces 10 x 4 plus the valley triangle
    return Roof(
        outline,
        height,
        [(tilt, 180.0, 64.0), (tilt, 270.0, 64.0), (tilt, 0.0, 48.0), (tilt, 90.0, 48.0)],
    )


def points_on(
    roof: Roof, density: float, *, noise: float = 0.03, seed: int = 0
) -> tuple[F64, F64, F64]:
    rng = np.random.default_rng(seed)
    west, south, east, north = roof.outline.bounds
    count = rng.poisson((east - west) * (north - south) * density)
    x, y = rng.uniform(west, east, count), rng.uniform(south, north, count)
    inside = shapely.contains_xy(roof.outline, x, y)
    x, y = x[inside], y[inside]
    return x, y, roof.height(x, y) + rng.normal(0, noise, len(x))


def table_of(*outlines: BaseGeometry, crs: str = "EPSG:2154") -> gpd.GeoDataFrame:
    ids = [f"b{i}" for i in range(1, len(outlines) + 1)]
    return gpd.GeoDataFrame({"building_id": ids}, geometry=list(outlines), crs=crs)
