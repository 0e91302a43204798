from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest
from pyproj import CRS, Transformer

from heliopolis.errors import GridError, InputError
from heliopolis.io.pointcloud import UNITS_M, has_ground, points_crs, read_points

WEST, SOUTH = 652_000.0, 6_862_000.0


def write(path: Path, x, y, z, kind, crs: str | None) -> Path:
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = [0.001] * 3, [np.floor(np.min(x)), np.floor(np.min(y)), 0]
    if crs is not None:
        header.add_crs(CRS.from_user_input(crs))
    las = laspy.LasData(header)
    las.x, las.y, las.z = x, y, z
    las.classification = np.asarray(kind, dtype="uint8")
    las.write(str(path))
    return path


@pytest.fixture
def cloud() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    x, y = WEST + rng.uniform(0, 100, 500), SOUTH + rng.uniform(0, 100, 500)
    z = rng.uniform(40, 60, 500)
    return x, y, z, np.resize([2, 6, 5, 7, 18], 500)


def test_noise_is_dropped_and_bounds_hold(tmp_path: Path, cloud: tuple[np.ndarray, ...]) -> None:
    path = write(tmp_path / "a.laz", *cloud, "EPSG:2154")
    bounds = (WEST + 20, SOUTH + 30, WEST + 60, SOUTH + 90)
    points = read_points([path], crs="EPSG:2154", bounds=bounds)
    x, y, z, kind = cloud
    want = (kind < 7) & (x >= bounds[0]) & (x <= bounds[2]) & (y >= bounds[1]) & (y <= bounds[3])
    assert len(points) == want.sum()
    assert np.allclose(points.z, z[want], atol=0.001)
    assert set(points.classification) == {2, 5, 6}
    assert has_ground([path])
    assert points_crs(path).to_epsg() == 2154
    far = read_points([path], crs="EPSG:2154", bounds=(0, 0, 1, 1))
    assert len(far) == 0


def test_missing_crs_is_asked_for(tmp_path: Path, cloud: tuple[np.ndarray, ...]) -> None:
    path = write(tmp_path / "a.las", *cloud, None)
    with pytest.raises(GridError, match=r"elevation\.crs.*--crs"):
        read_points([path], crs="EPSG:2154")
    assert len(read_points([path], crs="EPSG:2154", source_crs="EPSG:2154")) == 300


@pytest.mark.parametrize(("code", "unit"), [("EPSG:2994", "foot"), ("EPSG:2263", "us_survey_foot")])
def test_feet_become_metres(tmp_path: Path, code: str, unit: str) -> None:
    place = {"EPSG:2994": (-123.07, 44.06, 32610), "EPSG:2263": (-73.9, 40.7, 32618)}[code]
    x0, y0 = Transformer.from_crs(4326, code, always_xy=True).transform(*place[:2])
    x, y, z = x0 + np.array([0, 100.0, 0]), y0 + np.array([0, 0, 100.0]), np.array([0, 30, 60.0])
    path = write(tmp_path / "f.laz", x, y, z, [2, 2, 2], code)
    points = read_points([path], crs=f"EPSG:{place[2]}")
    foot = UNITS_M[unit]
    assert np.hypot(np.diff(points.x)[0], np.diff(points.y)[0]) == pytest.approx(
        100 * foot, rel=2e-3
    )
    assert points.z == pytest.approx(z * foot, abs=1e-3)


def test_given_unit_overrides_that_of_the_crs(
    tmp_path: Path, cloud: tuple[np.ndarray, ...]
) -> None:
    x, y, z, kind = cloud
    path = write(tmp_path / "f.laz", x / 0.3048, y / 0.3048, z / 0.3048, kind, None)
    points = read_points([path], crs="EPSG:2154", source_crs="EPSG:2154", unit="foot")
    assert np.allclose(points.x, x[kind < 7], atol=0.001)
    assert np.allclose(points.z, z[kind < 7], atol=0.001)
    with pytest.raises(GridError, match="yard"):
        read_points([path], crs="EPSG:2154", source_crs="EPSG:2154", unit="yard")


def test_heights_in_metres_over_a_map_in_feet(tmp_path: Path) -> None:
    compound = "EPSG:2263+5703"
    path = write(
        tmp_path / "c.laz",
        np.array([1e6, 1e6 + 1]),
        np.array([2e5, 2e5]),
        np.array([10.0, 20.0]),
        [2, 2],
        compound,
    )
    assert read_points([path], crs="EPSG:32618").z == pytest.approx([10, 20])


def test_points_are_reprojected(tmp_path: Path, cloud: tuple[np.ndarray, ...]) -> None:
    path = write(tmp_path / "a.laz", *cloud, "EPSG:2154")
    move = Transformer.from_crs(2154, 32631, always_xy=True)
    x, y = move.transform(cloud[0][0], cloud[1][0])
    near = read_points([path], crs="EPSG:32631", bounds=(x - 0.01, y - 0.01, x + 0.01, y + 0.01))
    assert len(near) == 1
    assert near.x[0] == pytest.approx(x, abs=0.002)


def test_what_is_no_point_cloud_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.laz"
    with pytest.raises(InputError, match=r"a\.laz"):
        read_points([path], crs="EPSG:2154")
    path.write_bytes(b"no points")
    with pytest.raises(InputError, match=r"a\.laz"):
        read_points([path], crs="EPSG:2154")
