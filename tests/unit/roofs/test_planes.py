from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import affinity

from heliopolis.roofs.plane_fit import Plane, least_squares, orientation_sd, robust_fit
from heliopolis.roofs.plane_outline import cut_sd
from heliopolis.roofs.planes import SCHEMA, Heights, empty_tables, ground_height, roof_planes
from heliopolis.roofs.shift import UNTOLD_SD_M

_spec = importlib.util.spec_from_file_location(
    "roof_scenes", Path(__file__).with_name("roof_scenes.py")
)
assert _spec is not None
assert _spec.loader is not None
scenes = importlib.util.module_from_spec(_spec)
sys.modules["roof_scenes"] = scenes
_spec.loader.exec_module(scenes)

ROOFS: list[Callable[[], Any]] = [
    scenes.gable,
    scenes.hip,
    scenes.shed,
    scenes.flat,
    scenes.parapet,
    scenes.l_shape,
]


def found_on(roof: Any, density: float, seed: int = 0) -> gpd.GeoDataFrame:
    x, y, z = scenes.points_on(roof, density, seed=seed)
    table = scenes.table_of(roof.outline)
    return roof_planes(table, Heights.of(x, y, z), ground_m={"b1": 0.0}).roof_planes


def turned(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


@pytest.mark.parametrize("density", [5, 10])
@pytest.mark.parametrize("make", ROOFS, ids=lambda f: f.__name__)
def test_planes_of_known_roofs(make: Callable[[], Any], density: float) -> None:
    roof = make()
    planes = found_on(roof, density)
    assert len(planes) == len(roof.planes)
    tilts, azimuths = [], []
    for tilt, azimuth, area in roof.planes:
        if math.isnan(azimuth):
            row = planes.iloc[0]
            assert math.isnan(row.azimuth_deg)
        else:
            row = planes.iloc[int(np.argmin([turned(a, azimuth) for a in planes.azimuth_deg]))]
            azimuths.append(turned(row.azimuth_deg, azimuth))
        tilts.append(abs(row.tilt_deg - tilt))
        assert row.footprint_m2 == pytest.approx(area, rel=0.06)
        assert row.area_m2 == pytest.approx(row.footprint_m2 / math.cos(math.radians(row.tilt_deg)))
        assert 0 < row.usable_m2 < row.area_m2
        assert row.fit_rms_m < 0.04
    assert np.median(tilts) <= 1.0
    assert np.median(azimuths or [0.0]) <= 2.0
    assert planes.footprint_m2.sum() == pytest.approx(roof.outline.area, rel=0.03)
    overlap = planes.area.sum() - shapely.union_all(planes.geometry.to_numpy()).area
    assert overlap < 0.01
    assert set(planes.quality) == {"HIGH"}


def test_moved_turned_and_shuffled_roofs_keep_their_planes() -> None:
    roof = scenes.hip()
    x, y, z = scenes.points_on(roof, 8)
    before = found_on(roof, 8)
    order = np.random.default_rng(3).permutation(len(x))
    shuffled = roof_planes(
        scenes.table_of(roof.outline),
        Heights.of(x[order], y[order], z[order]),
        ground_m={"b1": 0.0},
    ).roof_planes
    columns = ["plane_id", "tilt_deg", "azimuth_deg", "usable_m2", "area_m2"]
    assert before[columns].equals(shuffled[columns])
    outline = affinity.translate(
        affinity.rotate(roof.outline, -30, origin=(0, 0)), 652_000, 6_862_000
    )
    c, s = math.cos(math.radians(-30)), math.sin(math.radians(-30))
    moved = roof_planes(
        scenes.table_of(outline),
        Heights.of(c * x - s * y + 652_000, s * x + c * y + 6_862_000, z + 100),
        ground_m={"b1": 100.0},
    ).roof_planes
    assert len(moved) == len(before)
    for row in before.itertuples():
        match = moved.iloc[
            int(np.argmin([turned(a, row.azimuth_deg + 30) for a in moved.azimuth_deg]))
        ]
        assert turned(match.azimuth_deg, row.azimuth_deg + 30) < 0.5
        assert match.tilt_deg == pytest.approx(row.tilt_deg, abs=0.3)
        assert match.area_m2 == pytest.approx(row.area_m2, rel=0.04)
        assert match.height_m == pytest.approx(row.height_m, abs=0.2)


def test_obstacles_reduce_the_usable_area() -> None:
    roof = scenes.flat()
    x, y, z = scenes.points_on(roof, 10)
    table = scenes.table_of(roof.outline)
    free = roof_planes(table, Heights.of(x, y, z), ground_m={"b1": 0.0})
    box = (x > 5) & (x < 7) & (y > 5) & (y < 6)
    raised = np.where(box, z + 1.2, z)
    with_box = roof_planes(table, Heights.of(x, y, raised), ground_m={"b1": 0.0})
    plane = with_box.roof_planes.iloc[0]
    assert free.roof_planes.usable_m2.iloc[0] == pytest.approx(14.4 * 11.4, rel=0.01)
    lost = free.roof_planes.usable_m2.iloc[0] - plane.usable_m2
    assert 2.0 < lost < 2.6 * 1.6 + 0.5
    assert not with_box.usable.geometry.iloc[0].contains(shapely.Point(6, 5.5))
    assert plane.plane_id == with_box.usable.plane_id.iloc[0] == "b1-01"


def test_dormer_becomes_a_plane_of_its_own() -> None:
    roof = scenes.gable(40)
    x, y, z = scenes.points_on(roof, 10)
    dormer = (x > 5) & (x < 8.5) & (y > 0.8) & (y < 3.2)
    z = np.where(dormer, 6 + math.tan(math.radians(40)) * 3.2 + 0.1, z)
    planes = roof_planes(
        scenes.table_of(roof.outline), Heights.of(x, y, z), ground_m={"b1": 0.0}
    ).roof_planes
    assert len(planes) == 3
    dormers = planes[planes.azimuth_deg.isna()]
    assert len(dormers) == 1
    assert dormers.footprint_m2.iloc[0] == pytest.approx(3.5 * 2.4, rel=0.1)


def test_building_without_heights_keeps_its_footprint_and_nothing_else() -> None:
    x, y, z = scenes.points_on(scenes.flat(), 5)
    far = affinity.translate(scenes.flat().outline, 500, 0)
    table = scenes.table_of(scenes.flat().outline, far)
    planes = roof_planes(table, Heights.of(x, y, z), ground_m={"b1": 0.0}).roof_planes
    row = planes.set_index("building_id").loc["b2"]
    assert row.quality == "BASE"
    assert not row.surveyed
    assert row.footprint_m2 == pytest.approx(180)
    assert row[["tilt_deg", "azimuth_deg", "area_m2", "usable_m2", "height_m"]].isna().all()


def test_walls_ground_and_trees_are_no_roof() -> None:
    roof = scenes.gable()
    x, y, z = scenes.points_on(roof, 8)
    rng = np.random.default_rng(5)
    low = rng.uniform([0, 0, 0], [14, 9, 0.1], (300, 3))
    wall = np.column_stack([rng.uniform(0, 14, 300), np.full(300, 0.02), rng.uniform(0, 6, 300)])
    crown = rng.uniform([0, 0, 10], [5, 9, 14], (400, 3))
    extra = np.vstack([low, wall, crown])
    kind = np.r_[np.full(len(x), 6), np.full(300, 2), np.full(300, 1), np.full(400, 5)]
    points = Heights.of(
        np.r_[x, extra[:, 0]],
        np.r_[y, extra[:, 1]],
        np.r_[z, extra[:, 2]],
        kind.astype("uint8"),
    )
    planes = roof_planes(scenes.table_of(roof.outline), points, ground_m={"b1": 0.0}).roof_planes
    assert len(planes) == 2
    assert planes.tilt_deg.to_numpy() == pytest.approx([35, 35], abs=1)


def test_ground_height_from_classes_and_without() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-10, 25, 4000), rng.uniform(-10, 22, 4000)
    roof = scenes.flat()
    z = np.where(shapely.contains_xy(roof.outline, x, y), 7.0, 0.0) + 50
    kind = np.where(z > 55, 6, 2).astype("uint8")
    assert ground_height(Heights.of(x, y, z, kind), roof.outline) == pytest.approx(50)
    assert ground_height(Heights.of(x, y, z), roof.outline) == pytest.approx(50)
    assert math.isnan(ground_height(Heights.of(x[:0], y[:0], z[:0]), roof.outline))


def test_empty_tables_have_the_schema() -> None:
    tables = empty_tables("EPSG:2154")
    assert list(SCHEMA) == [c for c in tables.roof_planes.columns if c != "geometry"]
    assert len(tables.roof_planes) == len(tables.usable) == 0


@pytest.mark.parametrize(
    ("slope", "azimuth"),
    [((0, 1), 180), ((0, -1), 0), ((1, 0), 270), ((-1, 0), 90), ((-1, -1), 45)],
)
def test_azimuth_is_where_the_plane_falls(slope: tuple[float, float], azimuth: float) -> None:
    assert Plane(0, *slope, 0, 0).azimuth_deg == pytest.approx(azimuth)


def test_outliers_do_not_turn_the_fit() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 5, 200), rng.uniform(0, 5, 200)
    z = 3 + 0.5 * x + rng.normal(0, 0.02, 200)
    z[:25] += 0.5
    assert robust_fit(x, y, z).slope_x == pytest.approx(0.5, abs=0.01)
    assert least_squares(x[:1], y[:1], z[:1]).tilt_deg == 0


def test_stated_errors_cover_the_true_ones() -> None:
    rng = np.random.default_rng(4)
    tilt, azimuth = [], []
    for _ in range(150):
        x, y = rng.uniform(0, 4, 60), rng.uniform(0, 3, 60)
        z = 0.6 * x + rng.normal(0, 0.04, 60)
        plane = least_squares(x, y, z)
        tilt_sd, azimuth_sd = orientation_sd(plane, x, y, z)
        tilt.append((plane.tilt_deg - math.degrees(math.atan(0.6))) / tilt_sd)
        azimuth.append((plane.azimuth_deg - 270) / azimuth_sd)
    assert 0.55 < np.mean(np.abs(tilt) < 1) < 0.9
    assert 0.55 < np.mean(np.abs(azimuth) < 1) < 0.9


def test_the_stated_tilt_of_level_planes_covers_their_true_one() -> None:
    rng = np.random.default_rng(7)
    inside = []
    for _ in range(400):
        x, y, z = rng.uniform(0, 5, 80), rng.uniform(0, 4, 80), rng.normal(0, 0.03, 80)
        plane = least_squares(x, y, z)
        tilt_sd, azimuth_sd = orientation_sd(plane, x, y, z)
        inside.append(plane.tilt_deg <= 1.2816 * tilt_sd)
        assert math.isnan(azimuth_sd)
    assert 0.75 < np.mean(inside) < 0.92


def test_what_is_newer_than_the_survey_is_flagged_and_not_modelled() -> None:
    rng = np.random.default_rng(8)
    x, y, z = scenes.points_on(scenes.flat(), 5)
    new = affinity.translate(scenes.flat().outline, 40, 0)
    u, v = rng.uniform(36, 60, 2400), rng.uniform(-4, 18, 2400)
    ground = rng.normal(0, 0.05, 2400)
    cars = rng.random(2400) < 0.05
    points = (np.r_[x, u], np.r_[y, v], np.r_[z, ground + 1.5 * cars])
    kind = np.r_[np.full(len(x), 6), np.where(cars, 1, 2)].astype("uint8")
    for heights in (Heights.of(*points, kind), Heights.of(*points)):
        planes = roof_planes(scenes.table_of(scenes.flat().outline, new), heights).roof_planes
        row = planes.set_index("building_id").loc["b2"]
        assert not row.surveyed
        assert row.quality == "BASE"
        assert row[["tilt_deg", "area_m2", "area_sd_m2", "usable_m2", "height_m"]].isna().all()
        assert planes.set_index("building_id").loc["b1", "surveyed"]


def test_walls_take_nothing_from_the_explained_share() -> None:
    roof = scenes.gable()
    x, y, z = scenes.points_on(roof, 10)
    rng = np.random.default_rng(9)
    u = rng.uniform(0, 14, 250)
    wall = np.column_stack([u, np.full(250, 0.03), rng.uniform(2.6, 5.2, 250)])
    street = np.column_stack([rng.uniform(0, 14, 300), rng.uniform(-0.5, 0, 300), np.zeros(300)])
    both = np.vstack([np.column_stack([x, y, z]), wall, street]).T
    kind = np.r_[np.full(len(x) + 250, 6), np.full(300, 2)].astype("uint8")
    planes = roof_planes(
        scenes.table_of(roof.outline), Heights.of(*both, kind), ground_m={"b1": 0.0}
    ).roof_planes
    assert len(planes) == 2
    assert (planes["explained_share"] > 0.97).all()


def test_areas_are_better_known_from_more_points() -> None:
    roof = scenes.gable()
    borders = []
    for density in (2.0, 20.0):
        planes = found_on(roof, density)
        cut = planes.geometry.map(lambda one: cut_sd(one, roof.outline, UNTOLD_SD_M))
        cut = cut * planes.area_m2 / planes.geometry.area
        assert (planes.area_sd_m2 > cut).all()
        borders.append(np.sqrt(planes.area_sd_m2**2 - cut**2))
    few, many = borders
    assert (few > 1.5 * many.max()).all()
    assert (many < 0.03 * planes.area_m2).all()


def test_a_building_newer_than_the_survey_does_not_get_the_old_roof() -> None:
    roof = scenes.gable()
    heights = Heights.of(*scenes.points_on(roof, 5))
    planes = roof_planes(scenes.table_of(roof.outline), heights, unseen={"b1"}).roof_planes
    assert planes["quality"].tolist() == ["BASE"]
    assert not planes["surveyed"].any()
