"""Roofs of the core in detail: planes, obstacles, panels that already lie there."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from heliopolis.simulate.burning import F64
from heliopolis.simulate.roof_geometry import Part, Roof, build_roof

#: Share of the roofs in the core that carry panels already.
PV_SHARE = 0.12


def detail_core(
    records: pd.DataFrame, buildings: gpd.GeoDataFrame, seed: int
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Planes, obstacles and existing panels of the detailed buildings."""
    planes: list[dict[str, Any]] = []
    obstacles: list[dict[str, Any]] = []
    panels: list[dict[str, Any]] = []
    for i in np.flatnonzero(buildings["detailed"].to_numpy()):
        r, b = records.iloc[i], buildings.iloc[i]
        rng = np.random.default_rng([seed, 11, int(i)])
        wing = (r["wing_x_m"], r["wing_w_m"], r["wing_l_m"])
        roof = build_roof(
            rng, r["roof"], r["length_m"], r["width_m"], r["pitch_deg"], wing, r["ring_m"],
            r["strips"],
        )  # fmt: skip
        pose = (float(r["x"]), float(r["y"]), float(r["theta"]), b["base_z_m"] + b["eaves_m"])
        mine = [
            _row(part, pose, b["building_id"], k) | {"material": b["material"]}
            for k, part in enumerate(roof.planes)
        ]
        planes += mine
        obstacles += [
            _row(part, pose, b["building_id"], k) for k, part in enumerate(roof.obstacles)
        ]
        if r["use"] not in ("garage", "annex") and rng.random() < PV_SHARE:
            panels += _panels(rng, roof, mine, b["building_id"])
    return (
        _planes(planes, str(buildings.crs)),
        _table(obstacles, ["building_id", "part", "a", "b", "c"], str(buildings.crs)),
        _table(panels, ["pv_id", "building_id", "plane_id", "area_m2"], str(buildings.crs)),
    )


def _row(
    part: Part, pose: tuple[float, float, float, float], building_id: str, k: int
) -> dict[str, Any]:
    polygon, a, b, c = part.to_world(*pose)
    return {
        "plane_id": f"{building_id}-{k + 1:02d}",
        "building_id": building_id,
        "part": part.part,
        "a": a,
        "b": b,
        "c": c,
        "geometry": polygon,
    }


def _planes(rows: list[dict[str, Any]], crs: str) -> gpd.GeoDataFrame:
    names = ["plane_id", "building_id", "part", "material", "a", "b", "c"]
    table = _table(rows, names, crs)
    slope = np.hypot(table["a"], table["b"])
    azimuth = np.degrees(np.arctan2(-table["a"], -table["b"])) % 360.0
    table["tilt_deg"] = np.degrees(np.arctan(slope))
    table["azimuth_deg"] = azimuth.where(slope > 1e-6)
    table["area_m2"] = table.geometry.area * np.sqrt(1 + slope**2)
    return table


def _table(rows: list[dict[str, Any]], names: list[str], crs: str) -> gpd.GeoDataFrame:
    data = {name: [row[name] for row in rows] for name in names}
    geometry = [row["geometry"] for row in rows]
    return gpd.GeoDataFrame(data | {"simulated": [True] * len(rows)}, geometry=geometry, crs=crs)


def _panels(
    rng: np.random.Generator, roof: Roof, planes: list[dict[str, Any]], building_id: str
) -> list[dict[str, Any]]:
    """One rectangle of modules on the best plane, clear of edges and obstacles."""
    best = max(planes, key=_suitability)
    if _suitability(best) < 12:
        return []
    polygon: shapely.Polygon = best["geometry"]
    a, b = float(best["a"]), float(best["b"])
    if np.hypot(a, b) > 1e-6:
        turn = np.arctan2(a, -b)
    else:
        xy = shapely.get_coordinates(polygon.minimum_rotated_rectangle)
        turn = np.arctan2(*(xy[1] - xy[0])[::-1])
    free = polygon.buffer(-0.35, join_style="mitre")
    steep = float(np.sqrt(1 + a * a + b * b))
    centre = shapely.get_coordinates(polygon.representative_point())[0]
    for columns, rows in ((16, 4), (12, 3), (10, 3), (8, 2), (6, 2), (4, 2), (3, 2), (4, 1)):
        shape = _rectangle(centre, float(turn), columns * 1.05, rows * 1.75 / steep)
        if free.contains(shape) and rng.random() < 0.75:
            return [
                {
                    "pv_id": f"{building_id}-pv",
                    "building_id": building_id,
                    "plane_id": best["plane_id"],
                    "area_m2": shape.area * steep,
                    "geometry": shape,
                }
            ]
    return []


def _suitability(plane: dict[str, Any]) -> float:
    """Area of a plane seen from above, weighted by how much it faces south."""
    polygon: shapely.Polygon = plane["geometry"]
    if plane["part"] != "main":
        return 0.0
    slope = float(np.hypot(plane["a"], plane["b"]))
    south = float(plane["b"]) / slope if slope > 1e-6 else 0.7
    return float(polygon.area) * max(0.0, south)


def _rectangle(centre: F64, turn: float, width: float, height: float) -> shapely.Polygon:
    e = np.array([np.cos(turn), np.sin(turn)]) * width / 2
    n = np.array([-np.sin(turn), np.cos(turn)]) * height / 2
    return shapely.Polygon([centre - e - n, centre + e - n, centre + e + n, centre - e + n])
