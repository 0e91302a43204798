"""Roof planes of buildings, from points: a table with a polygon for each plane."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from heliopolis.roofs.plane_fit import F64, Plane, orientation_sd
from heliopolis.roofs.plane_outline import (
    area_sd,
    cut_sd,
    obstacle_points,
    plane_polygons,
    usable_part,
)
from heliopolis.roofs.segmentation import Segments, cells_of, density_of, segment
from heliopolis.roofs.shift import DRAWN_SD_M, footprint_shifts, position_sd
from heliopolis.roofs.walls import on_walls

#: Columns of ``roof_planes`` beside the geometry, with their types.
SCHEMA: Mapping[str, str] = {
    "plane_id": "str",
    "building_id": "str",
    "tilt_deg": "float64",
    "azimuth_deg": "float64",
    "area_m2": "float64",
    "area_sd_m2": "float64",
    "footprint_m2": "float64",
    "usable_m2": "float64",
    "height_m": "float64",
    "fit_rms_m": "float64",
    "tilt_sd_deg": "float64",
    "azimuth_sd_deg": "float64",
    "z0_m": "float64",
    "slope_x": "float64",
    "slope_y": "float64",
    "xc_m": "float64",
    "yc_m": "float64",
    "n_points": "int64",
    "explained_share": "float64",
    "footprint_shift_m": "float64",
    "quality": "str",
    "surveyed": "bool",
}
#: ASPRS classes that are no roof: ground, vegetation, noise, water.
NOT_ROOF = (2, 3, 4, 5, 7, 9, 18)
GROUND, BUILDING = 2, 6
#: A point lower than this above the ground is no roof [m].
LEAST_HEIGHT_M = 2.0
#: A building counts as surveyed where points lie in at least this share of its square metres.
_LEAST_COVER = 0.25
_GROUND_RING_M = 8.0
#: Vegetation and noise: neither roof nor wall.
_NOT_BUILT = (3, 4, 5, 7, 18)
#: Points this far outside a footprint tell a wall from a roof [m].
_BESIDE_M = 0.5
#: Most of a plane is wider than this [m].
_STRIP_M = 0.8


@dataclass(frozen=True)
class PlaneTables:
    """Result: planes, and the usable part of each, keyed by ``plane_id``."""

    roof_planes: gpd.GeoDataFrame
    usable: gpd.GeoDataFrame


@dataclass(frozen=True)
class Heights:
    """Points of a survey, or cells of a surface model, indexed for look-up by place."""

    x: F64
    y: F64
    z: F64
    classification: npt.NDArray[np.uint8]

    @classmethod
    def of(
        cls, x: F64, y: F64, z: F64, classification: npt.NDArray[np.uint8] | None = None
    ) -> Heights:
        """Sort points by x; NaN heights are left out."""
        kind = np.zeros(len(x), dtype="uint8") if classification is None else classification
        order = np.argsort(x, kind="stable")
        order = order[np.isfinite(z[order])]
        return cls(x[order], y[order], z[order], kind[order])

    def within(self, geometry: BaseGeometry) -> Heights:
        """Points in a polygon."""
        west, south, east, north = geometry.bounds
        first, last = np.searchsorted(self.x, [west, east], side="left")
        rows = np.arange(first, last)
        rows = rows[(self.y[rows] >= south) & (self.y[rows] <= north)]
        shapely.prepare(geometry)
        rows = rows[shapely.contains_xy(geometry, self.x[rows], self.y[rows])]
        return self.take(rows)

    def take(self, rows: npt.NDArray[Any]) -> Heights:
        """Points by index or mask."""
        return Heights(self.x[rows], self.y[rows], self.z[rows], self.classification[rows])

    def __len__(self) -> int:
        return len(self.x)


def ground_height(heights: Heights, footprint: BaseGeometry) -> float:
    """Height of the ground around a building [m]; NaN where nothing is known.

    The median of the ground points (class 2) within 8 m of the footprint or, without classes,
    the tenth percentile of the heights in that ring.
    """
    ring = footprint.buffer(_GROUND_RING_M).difference(footprint.buffer(0.5))
    near = heights.within(ring)
    ground = near.z[near.classification == GROUND]
    if len(ground) >= 5:
        return float(np.median(ground))
    return float(np.percentile(near.z, 10)) if len(near) >= 20 else math.nan


def roof_planes(
    buildings: gpd.GeoDataFrame,
    heights: Heights,
    *,
    ground_m: Mapping[str, float] | None = None,
    around: gpd.GeoDataFrame | None = None,
    unseen: Collection[str] = (),
    drawn: Collection[str] = (),
    quality: str = "HIGH",
    min_plane_m2: float = 2.0,
    setback_m: float = 0.3,
) -> PlaneTables:
    """Roof planes of buildings.

    Parameters
    ----------
    buildings
        ``building_id`` and a polygon, in a metric CRS.
    heights
        Points (or cells of a surface model) in the same CRS.
    ground_m
        Height of the ground at each building [m]; by default it is looked for around the
        building.
    around
        Footprints of the neighbourhood too (`footprint_shifts`); by default there are no others.
        Where the points have the classes of ground and building, a footprint that lies beside
        its roof is moved under it before its planes are delimited.
    unseen
        Buildings that are newer than the survey: what it saw there is not their roof.
    drawn
        Buildings whose outline comes from an image: each side of it is off by itself.
    quality
        ``HIGH`` for points, ``MEDIUM`` for a surface model. A building without heights
        (``surveyed`` false) or planes gets one row of quality ``BASE``: its footprint only.
    min_plane_m2
        Smallest plane, in plan [m2].
    setback_m
        Strip kept free of panels along the edges of a plane [m].

    Returns
    -------
    PlaneTables
        ``roof_planes`` with the columns of `SCHEMA`, sorted by building and plane, and
        ``usable`` with ``plane_id, building_id, usable_m2`` and the polygon for panels.
    """
    rows: list[dict[str, Any]] = []
    spare: list[BaseGeometry] = []
    footprints = dict(_footprints(buildings))
    others = {} if around is None else dict(_footprints(around))
    shifts = _shifts({**others, **footprints}, footprints, heights)
    for building_id, given in footprints.items():
        ground = (ground_m or {}).get(building_id, math.nan)
        if math.isnan(ground):
            ground = ground_height(heights, given)
        shift = shifts.get(building_id)
        footprint = given if shift is None else translate(given, *shift)
        near = heights.within(footprint.buffer(_BESIDE_M))
        found = None
        if building_id not in unseen:
            sds = position_sd(shift), DRAWN_SD_M if building_id in drawn else 0.0
            found = _of_building(building_id, footprint, near, ground, min_plane_m2, setback_m, sds)
        surveyed = found is not None
        base = (_base_row(building_id, given, surveyed), shapely.Polygon())
        for row, usable in found or [base]:
            row.setdefault("quality", quality)
            if shift is not None and row["quality"] != "BASE":
                row["footprint_shift_m"] = math.hypot(*shift)
            rows.append(row)
            spare.append(usable)
    return _tables(rows, spare, buildings.crs)


def empty_tables(crs: Any) -> PlaneTables:
    """Tables without rows, with all columns."""
    return _tables([], [], crs)


def _shifts(
    footprints: Mapping[str, BaseGeometry], wanted: Collection[str], heights: Heights
) -> dict[str, tuple[float, float]]:
    """Shift of each footprint; none where the survey does not tell roofs from ground."""
    xy = np.column_stack([heights.x, heights.y])
    roof, bare = (xy[heights.classification == kind] for kind in (BUILDING, GROUND))
    return footprint_shifts(footprints, wanted, roof, bare) if len(roof) and len(bare) else {}


def _footprints(buildings: gpd.GeoDataFrame) -> Iterator[tuple[str, BaseGeometry]]:
    """Identifier and valid polygon of each building, in the order of the identifiers."""
    table = buildings.assign(building_id=buildings["building_id"].astype(str))
    for building_id, geometry in sorted(
        zip(table["building_id"], table.geometry, strict=True), key=lambda pair: pair[0]
    ):
        if geometry is None or geometry.is_empty:
            continue
        valid = geometry if geometry.is_valid else shapely.make_valid(geometry)
        yield building_id, valid.buffer(0)


def _of_building(
    building_id: str,
    footprint: BaseGeometry,
    around: Heights,
    ground: float,
    min_plane_m2: float,
    setback_m: float,
    footprint_sds_m: tuple[float, float],
) -> list[tuple[dict[str, Any], BaseGeometry]] | None:
    """Rows and usable parts of one building, from north to south; None: not surveyed."""
    roof = _roof_points(around.within(footprint), ground)
    if not _is_surveyed(roof, footprint):
        return None
    found = segment(roof.x, roof.y, roof.z, min_plane_m2)
    explained = _explained_share(found, roof, around)
    spacing = 1 / math.sqrt(max(density_of(roof.x, roof.y), 0.25))
    found, polygons = _delimited(found, footprint, roof, spacing)
    pieces = []
    for index, polygon in enumerate(polygons):
        for part in shapely.get_parts(polygon):
            if part.area >= min_plane_m2:
                pieces.append((index, part))
    pieces.sort(key=lambda one: _place(one[1]))
    out = []
    for number, (index, part) in enumerate(pieces, start=1):
        row, usable = _row(found, index, part, roof, ground, setback_m, footprint, spacing)
        row["area_sd_m2"] = math.hypot(
            row["area_sd_m2"],
            cut_sd(part, footprint, *footprint_sds_m) * row["area_m2"] / part.area,
        )
        row.update(
            building_id=building_id,
            plane_id=f"{building_id}-{number:02d}",
            explained_share=explained,
        )
        out.append((row, usable))
    return out


def _roof_points(inside: Heights, ground: float) -> Heights:
    """Points that may be roof: by their class, and by their height above the ground."""
    keep = ~np.isin(inside.classification, NOT_ROOF)
    if not math.isnan(ground):
        keep &= inside.z > ground + LEAST_HEIGHT_M
    return inside.take(keep)


def _explained_share(found: Segments, roof: Heights, around: Heights) -> float:
    """Share of the points that lie on a plane, of those that do not lie on a wall."""
    free = roof.take(found.labels < 0)
    built = around.take(~np.isin(around.classification, _NOT_BUILT))
    walls = int(on_walls(free.x, free.y, free.z, (built.x, built.y, built.z)).sum())
    return 1.0 - (len(free) - walls) / max(len(roof) - walls, 1)


def _delimited(
    found: Segments, footprint: BaseGeometry, roof: Heights, spacing_m: float
) -> tuple[Segments, list[BaseGeometry]]:
    """Polygons of the planes; strips, such as a parapet, are no planes but stand on others."""
    while True:
        polygons = plane_polygons(
            footprint, found.planes, found.labels, roof.x, roof.y, roof.z, spacing_m
        )
        strips = [i for i, polygon in enumerate(polygons) if _is_strip(polygon)]
        if not strips:
            return found, polygons
        keep = [i for i in range(len(found.planes)) if i not in strips]
        index = np.full(len(found.planes) + 1, -1)
        index[keep] = np.arange(len(keep))
        found = Segments([found.planes[i] for i in keep], index[found.labels])


def _is_strip(polygon: BaseGeometry) -> bool:
    """Whether most of a polygon is narrower than 0.8 m."""
    half = _STRIP_M / 2
    wide = polygon.buffer(-half, join_style="mitre").buffer(half, join_style="mitre")
    return bool(wide.area <= 0.3 * polygon.area)


def _place(polygon: BaseGeometry) -> tuple[float, float]:
    centre = polygon.centroid
    return round(-centre.y, 1), round(centre.x, 1)


def _is_surveyed(roof: Heights, footprint: BaseGeometry) -> bool:
    """Whether the points cover enough of the footprint."""
    if len(roof) < 6:
        return False
    cells = np.unique(cells_of(roof.x, roof.y))
    return bool(len(cells) >= _LEAST_COVER * footprint.area)


def _row(
    found: Segments,
    index: int,
    polygon: BaseGeometry,
    roof: Heights,
    ground: float,
    setback_m: float,
    footprint: BaseGeometry,
    spacing_m: float,
) -> tuple[dict[str, Any], BaseGeometry]:
    """Record of one plane, and its usable part."""
    fitted = found.planes[index]
    on = np.flatnonzero(found.labels == index)
    x, y, z = roof.x[on], roof.y[on], roof.z[on]
    centre = polygon.centroid
    plane = Plane(
        float(fitted.height(np.array(centre.x), np.array(centre.y))),
        fitted.slope_x,
        fitted.slope_y,
        centre.x,
        centre.y,
    )
    tilt_sd, azimuth_sd = orientation_sd(plane, x, y, z)
    obstacles = obstacle_points(polygon, plane, found.labels, roof.x, roof.y, roof.z)
    usable = usable_part(polygon, obstacles, setback_m, footprint)
    row = {
        "tilt_deg": plane.tilt_deg,
        "azimuth_deg": plane.azimuth_deg,
        "area_m2": polygon.area / plane.cos_tilt,
        "area_sd_m2": area_sd(polygon, plane, tilt_sd, spacing_m),
        "footprint_m2": polygon.area,
        "usable_m2": usable.area / plane.cos_tilt,
        "height_m": plane.z0 - ground,
        "fit_rms_m": float(np.sqrt(np.mean(plane.distance(x, y, z) ** 2))),
        "tilt_sd_deg": tilt_sd,
        "azimuth_sd_deg": azimuth_sd,
        "z0_m": plane.z0,
        "slope_x": plane.slope_x,
        "slope_y": plane.slope_y,
        "xc_m": plane.xc,
        "yc_m": plane.yc,
        "n_points": len(on),
        "surveyed": True,
        "geometry": polygon,
    }
    return row, usable


def _base_row(building_id: str, footprint: BaseGeometry, surveyed: bool) -> dict[str, Any]:
    """What is known of a roof without heights: its footprint."""
    return {
        "plane_id": f"{building_id}-01",
        "building_id": building_id,
        "footprint_m2": footprint.area,
        "n_points": 0,
        "quality": "BASE",
        "surveyed": surveyed,
        "geometry": footprint,
    }


def _tables(rows: list[dict[str, Any]], usable: list[BaseGeometry], crs: Any) -> PlaneTables:
    geometry = gpd.GeoSeries([row["geometry"] for row in rows], crs=crs)
    columns = {
        name: pd.Series([row.get(name, np.nan) for row in rows], dtype=kind)
        for name, kind in SCHEMA.items()
    }
    planes = gpd.GeoDataFrame(columns, geometry=geometry, crs=crs)
    parts = planes[["plane_id", "building_id", "usable_m2"]].set_geometry(
        gpd.GeoSeries(usable, crs=crs)
    )
    return PlaneTables(planes, parts[~parts.geometry.is_empty].reset_index(drop=True))
