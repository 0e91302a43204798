"""Scores of roof planes: against a city model with known faces, and on a real laser scan."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from heliopolis.errors import InputError
from heliopolis.io.pointcloud import read_points
from heliopolis.io.vector import read_layer
from heliopolis.roofs.plane_fit import FLAT_BELOW_DEG, Plane, least_squares
from heliopolis.roofs.planes import Heights, PlaneTables, roof_planes

F64 = npt.NDArray[np.float64]

_ZURICH = Path("aerial/zurich_lod2/zurich_subset_lod2.city.json")
_DELFT = Path("aerial/delft_ahn3_bgt")
#: Faces that are left out of the truth: steeper [deg], smaller [m2], narrower [m].
_STEEPEST_DEG = 60.0
_SMALLEST_M2 = 4.0
_NARROWEST_M = 1.0
#: A face is found where a plane covers it with at least this intersection over union.
_FOUND_IOU = 0.5
#: 0.9 quantile of the normal distribution.
_P90_SIGMAS = 1.2816


@dataclass(frozen=True)
class _Face:
    polygon: BaseGeometry
    plane: Plane


def score_zurich(
    data_dir: Path,
    *,
    points_per_m2: float = 5.0,
    cell_m: float | None = None,
    noise_m: float = 0.03,
    seed: int = 1,
) -> dict[str, Any]:
    """Planes from points that are drawn on the roofs of a LoD2 city model.

    Points fall evenly, or on the cells of a surface model with ``cell_m``; the highest face is
    hit, with noise along the vertical. Faces of one
    plane that touch are one face; slivers, faces below 4 m2, above 60 deg or mostly hidden by
    others are left out.

    Returns
    -------
    dict
        ``faces`` and ``planes`` counted, ``recall`` (share of faces that a plane covers with
        IoU >= 0.5), ``recall_area``, errors of tilt and azimuth of those [deg] (mean and median
        of the absolute value), ``azimuth`` only where both slope by 4 deg or more, error of the
        area [relative], share of the roof that is delimited, how often the stated errors
        cover the true ones, and the tilted area of each building against the true one
        (``building_area_*``, relative; of buildings all of whose faces are shown and count).
    """
    rng = np.random.default_rng(seed)
    buildings = _city_model(data_dir / _ZURICH)
    records = []
    clouds = []
    truth: list[tuple[str, _Face]] = []
    tilted: dict[str, float] = {}
    for name, faces in buildings.items():
        footprint = shapely.union_all([face.polygon for face in faces]).buffer(0)
        places = _places(footprint, points_per_m2, cell_m, rng)
        cloud, seen = _scan(faces, *places, noise_m, rng)
        clouds.append(cloud)
        records.append({"building_id": name, "geometry": footprint})
        shown = [face for face, share in zip(faces, seen, strict=True) if share > 0.8]
        counted = [face for face in _united(shown) if _counts(face)]
        truth.extend((name, face) for face in counted)
        if sum(face.polygon.area for face in counted) > 0.98 * footprint.area:
            tilted[name] = sum(
                face.polygon.area / math.cos(math.radians(face.plane.tilt_deg)) for face in counted
            )
    table = gpd.GeoDataFrame(records, crs="EPSG:2056")
    x, y, z = np.concatenate(clouds).T
    ground = {name: float("-inf") for name in buildings}
    started = time.perf_counter()
    found = roof_planes(
        table, Heights.of(x, y, z), ground_m=ground, quality="HIGH" if cell_m is None else "MEDIUM"
    )
    seconds = time.perf_counter() - started
    areas = _building_areas(tilted, found)
    return {**_compare(truth, found, table), **areas, "seconds": round(seconds, 1)}


def score_zurich_sources(data_dir: Path) -> dict[str, Any]:
    """`score_zurich` from 2, 5 and 10 points per m2, and from cells of 0.25, 0.5 and 1 m."""
    kept = ("recall", "tilt_median_deg", "azimuth_median_deg", "building_area_median_error",
            "building_area_within_3_percent", "tilt_p10_p90_cover",
            "azimuth_p10_p90_cover", "area_p10_p90_cover")  # fmt: skip
    made = {f"points_{n}_per_m2": score_zurich(data_dir, points_per_m2=n) for n in (2, 5, 10)}
    made |= {f"cells_{m}_m": score_zurich(data_dir, cell_m=m) for m in (0.25, 0.5, 1.0)}
    return {name: {key: one[key] for key in kept} for name, one in made.items()}


def _building_areas(tilted: dict[str, float], found: PlaneTables) -> dict[str, Any]:
    """Tilted area of buildings, relative to the true one [m2]."""
    planes = found.roof_planes[found.roof_planes["quality"] != "BASE"]
    sums = planes.groupby("building_id")["area_m2"].sum()
    error = np.array([sums.get(name, 0.0) / area - 1.0 for name, area in tilted.items()])
    return {
        "building_area_n": len(error),
        "building_area_median_error": round(float(np.median(error)), 4),
        "building_area_within_3_percent": round(float((np.abs(error) <= 0.03).mean()), 3),
    }


def score_delft(data_dir: Path) -> dict[str, Any]:
    """Planes of 160 buildings from the Dutch national laser scan (AHN3, 14 points per m2).

    Returns
    -------
    dict
        Counts, residuals of the points on planes [m] (mean and 90th percentile of the planes'
        root mean squares), ``explained_share`` of the roof points, walls left out,
        ``delimited_share`` of the footprints' area, and the run time.
    """
    started = time.perf_counter()
    table, heights = delft(data_dir)
    planes = roof_planes(table[["building_id", "geometry"]], heights).roof_planes
    seconds = time.perf_counter() - started
    made = planes[planes["quality"] != "BASE"]
    share = made.drop_duplicates("building_id").set_index("building_id")["explained_share"]
    area = table.set_index("building_id").geometry.area.reindex(share.index)
    return {
        "buildings": len(table),
        "buildings_with_planes": int(made["building_id"].nunique()),
        "planes": len(made),
        "fit_rms_mean_m": round(float(made["fit_rms_m"].mean()), 4),
        "fit_rms_p90_m": round(float(made["fit_rms_m"].quantile(0.9)), 4),
        "explained_share": round(float(np.average(share, weights=area)), 3),
        "delimited_share": round(float(made["footprint_m2"].sum() / table.geometry.area.sum()), 3),
        "usable_share": round(float(made["usable_m2"].sum() / made["area_m2"].sum()), 3),
        "flat_share": round(float(made["azimuth_deg"].isna().mean()), 3),
        "seconds": round(seconds, 1),
    }


def delft(data_dir: Path) -> tuple[gpd.GeoDataFrame, Heights]:
    """Footprints of Delft (``building_id``, geometry) and the points of the scan around them."""
    folder = data_dir / _DELFT
    table = read_layer(folder / "bgt_pand.sqlite")
    table = table.assign(building_id=[f"b{i:03d}" for i in range(1, len(table) + 1)])
    west, south, east, north = table.total_bounds
    points = read_points(
        sorted(folder.glob("*.laz")),
        crs="EPSG:28992",
        source_crs="EPSG:28992",
        bounds=(west - 10, south - 10, east + 10, north + 10),
    )
    return table, Heights.of(points.x, points.y, points.z, points.classification)


def _city_model(path: Path) -> dict[str, list[_Face]]:
    """Roof faces of each building of a CityJSON file."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            "the city model cannot be read", where=str(path), remedy=str(error.strerror)
        ) from error
    scale, move = (np.array(model["transform"][key]) for key in ("scale", "translate"))
    vertices = np.array(model["vertices"]) * scale + move
    out: dict[str, list[_Face]] = {}
    for name, part in model["CityObjects"].items():
        owner = str((part.get("parents") or [name])[0])
        for geometry in part.get("geometry", []):
            out.setdefault(owner, []).extend(_roof_faces(geometry, vertices))
    return {name: faces for name, faces in sorted(out.items()) if faces}


def _roof_faces(geometry: dict[str, Any], vertices: F64) -> list[_Face]:
    surfaces = geometry["semantics"]["surfaces"]
    faces = []
    for face, meaning in zip(geometry["boundaries"], geometry["semantics"]["values"], strict=True):
        if surfaces[meaning]["type"] != "RoofSurface":
            continue
        rings = [vertices[ring] for ring in face]
        polygon = shapely.Polygon(rings[0][:, :2], [ring[:, :2] for ring in rings[1:]]).buffer(0)
        if polygon.area > 0.01:
            faces.append(_Face(polygon, least_squares(*rings[0].T)))
    return faces


def _places(
    footprint: BaseGeometry, points_per_m2: float, cell_m: float | None, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Where heights are taken: anywhere, or in the centres of cells."""
    west, south, east, north = footprint.bounds
    if cell_m is None:
        count = rng.poisson((east - west) * (north - south) * points_per_m2)
        return rng.uniform(west, east, count), rng.uniform(south, north, count)
    axes = [(np.arange(math.floor(low / cell_m), math.ceil(high / cell_m)) + 0.5) * cell_m
            for low, high in ((west, east), (south, north))]  # fmt: skip
    x, y = np.meshgrid(*axes)
    return x.ravel(), y.ravel()


def _scan(
    faces: list[_Face], x: F64, y: F64, noise_m: float, rng: np.random.Generator
) -> tuple[F64, list[float]]:
    """Points (n, 3) on the highest faces, and the share of each face that is seen."""
    count = len(x)
    height = np.full((len(faces), count), -np.inf)
    for row, face in zip(height, faces, strict=True):
        shapely.prepare(face.polygon)
        on = shapely.contains_xy(face.polygon, x, y)
        row[on] = face.plane.height(x[on], y[on])
    top = height.argmax(axis=0)
    z = height.max(axis=0)
    hit = np.isfinite(z)
    own = np.isfinite(height).sum(axis=1)
    seen = [float((hit & (top == i)).sum() / max(n, 1)) for i, n in enumerate(own)]
    z = z + rng.normal(0, noise_m, count)
    return np.column_stack([x, y, z])[hit], seen


def _united(faces: list[_Face]) -> list[_Face]:
    """Faces with those united that touch and lie on one plane (1 deg, 5 cm)."""
    out: list[_Face] = []
    for face in sorted(faces, key=lambda one: -one.polygon.area):
        for i, other in enumerate(out):
            angle = math.degrees(math.acos(min(1.0, float(face.plane.normal @ other.plane.normal))))
            x, y = shapely.get_coordinates(face.polygon).T
            gap = float(np.abs(face.plane.height(x, y) - other.plane.height(x, y)).max())
            if angle < 1 and gap < 0.05 and face.polygon.distance(other.polygon) < 0.01:
                joined = shapely.union_all([face.polygon, other.polygon], grid_size=0.001)
                out[i] = _Face(joined, other.plane)
                break
        else:
            out.append(face)
    return out


def _counts(face: _Face) -> bool:
    """Whether a face is large, wide and flat enough to be asked for."""
    wide = not face.polygon.buffer(-_NARROWEST_M / 2).is_empty
    return bool(face.polygon.area >= _SMALLEST_M2 and wide and face.plane.tilt_deg <= _STEEPEST_DEG)


def _compare(
    truth: list[tuple[str, _Face]], found: PlaneTables, table: gpd.GeoDataFrame
) -> dict[str, Any]:
    """Match each face with the plane that overlaps it most."""
    planes = found.roof_planes[found.roof_planes["quality"] != "BASE"]
    groups = dict(list(planes.groupby("building_id")))
    hits = []
    for name, face in truth:
        group = groups.get(name)
        if group is None:
            continue
        shared = group.geometry.intersection(face.polygon).area
        iou = shared / (group.geometry.area + face.polygon.area - shared)
        if iou.max() >= _FOUND_IOU:
            hits.append((face, group.loc[iou.idxmax()]))
    tilt = np.array([row.tilt_deg - face.plane.tilt_deg for face, row in hits])
    tilt_sd = np.array([row.tilt_sd_deg for _, row in hits])
    sloped = [
        (face, row)
        for face, row in hits
        if min(face.plane.tilt_deg, row.tilt_deg) >= FLAT_BELOW_DEG
    ]
    turn = np.array([row.azimuth_deg - face.plane.azimuth_deg for face, row in sloped])
    turn = (turn + 180) % 360 - 180
    turn_sd = np.array([row.azimuth_sd_deg for _, row in sloped])
    area = np.array([row.footprint_m2 / face.polygon.area - 1 for face, row in hits])
    tilted = np.array([row.area_m2 - face.polygon.area / face.plane.cos_tilt for face, row in hits])
    area_sd = np.array([row.area_sd_m2 for _, row in hits])
    asked = sum(face.polygon.area for _, face in truth)
    return {
        "buildings": len(table),
        "faces": len(truth),
        "planes": len(planes),
        "recall": round(len(hits) / len(truth), 3),
        "recall_area": round(sum(face.polygon.area for face, _ in hits) / asked, 3),
        **_errors("tilt", tilt),
        **_errors("azimuth", turn),
        "tilt_within_2_sd": round(float((np.abs(tilt) <= 2 * tilt_sd).mean()), 3),
        "azimuth_within_2_sd": round(float((np.abs(turn) <= 2 * turn_sd).mean()), 3),
        "tilt_p10_p90_cover": interval_cover(tilt, tilt_sd),
        "azimuth_p10_p90_cover": interval_cover(turn, turn_sd),
        "area_p10_p90_cover": interval_cover(tilted, area_sd),
        "area_median_relative_error": round(float(np.median(np.abs(area))), 4),
        "area_bias": round(float(np.median(area)), 4),
        "delimited_share": round(float(planes.geometry.area.sum() / table.geometry.area.sum()), 3),
    }


def interval_cover(error: F64, sd: F64) -> float:
    """Share of the true values between P10 and P90 of a normal law around the found ones.

    Where no error is stated nothing is counted.

    >>> interval_cover(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, np.nan]))
    0.667
    """
    known = np.isfinite(error) & np.isfinite(sd)
    return round(float((np.abs(error[known]) <= _P90_SIGMAS * sd[known]).mean()), 3)


def _errors(name: str, values: F64) -> dict[str, float]:
    size = np.abs(values)
    return {
        f"{name}_mae_deg": round(float(size.mean()), 3),
        f"{name}_median_deg": round(float(np.median(size)), 3),
        f"{name}_p90_deg": round(float(np.quantile(size, 0.9)), 3),
    }
