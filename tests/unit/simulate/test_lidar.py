from __future__ import annotations

import laspy
import numpy as np
import pytest
import shapely

from heliopolis.simulate.lidar import BUILDING, GROUND, NOISE_M, TREE, scan, write_lidar


@pytest.fixture(scope="module")
def cloud(tiny_city, tmp_path_factory):
    path = write_lidar(tiny_city, tmp_path_factory.mktemp("laz") / "points.laz")
    return laspy.read(path)


def test_header_says_what_it_is(cloud, tiny_city):
    assert str(cloud.header.version) == "1.4"
    assert cloud.header.parse_crs().to_epsg() == 2154
    assert "simulated" in cloud.header.system_identifier
    west, south, east, north = tiny_city.core_bounds
    assert west <= cloud.x.min() and cloud.x.max() <= east + 0.01
    assert south <= cloud.y.min() and cloud.y.max() <= north + 0.01


def test_density_and_classes(cloud, tiny_city):
    area = tiny_city.spec.core_m**2
    assert (cloud.return_number == 1).sum() / area == pytest.approx(10, rel=0.03)
    assert set(np.unique(cloud.classification)) == {GROUND, TREE, BUILDING}
    built = tiny_city.buildings.clip(shapely.box(*tiny_city.core_bounds)).area.sum() / area
    assert (cloud.classification == BUILDING).mean() == pytest.approx(built, abs=0.02)


def test_ground_is_the_terrain_within_noise(cloud, tiny_city):
    ground = cloud.classification == GROUND
    off = cloud.z[ground] - tiny_city.landscape.terrain(cloud.x[ground], cloud.y[ground])
    assert abs(off.mean()) < 0.003
    assert off.std() == pytest.approx(NOISE_M, rel=0.1)


def test_points_lie_on_the_roof_planes(cloud, tiny_city):
    roof = np.asarray(cloud.classification == BUILDING)
    x, y, z = (np.asarray(v)[roof] for v in (cloud.x, cloud.y, cloud.z))
    points = shapely.points(x, y)
    planes = tiny_city.planes.sort_values("area_m2", ascending=False).head(10)
    things = shapely.STRtree(tiny_city.obstacles.geometry.to_numpy())
    for plane in planes.itertuples():
        inner = plane.geometry.buffer(-0.4)
        on = shapely.contains(inner, points)
        on[things.query(points, predicate="dwithin", distance=0.3)[0]] = False
        off = z[on] - (plane.a * x[on] + plane.b * y[on] + plane.c)
        if on.sum() > 100:
            assert np.median(np.abs(off)) < 0.03
            assert np.percentile(np.abs(off), 95) < 0.08


def test_crowns_let_light_through(tiny_city):
    points = scan(tiny_city, 4.0)
    tree = points["classification"] == TREE
    assert tree.any()
    second = points["return_number"] == 2
    assert second.any()
    assert (points["classification"][second] == GROUND).all()
    assert points["gps_time"].is_monotonic_increasing
