"""Outlines: true to the probability, whole, with their courtyards."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import Polygon, affinity, box, hausdorff_distance

from heliopolis.roofs.outline import outlines_and_originals
from heliopolis.roofs.regularise import MAX_AREA_CHANGE, MAX_DISTANCE_M, regularised

CELL = 0.25


def outlines(*args: Any, **settings: Any) -> gpd.GeoDataFrame:
    """The outlines alone."""
    return outlines_and_originals(*args, **settings)[0]


def grid(rows: int, columns: int) -> GeoBox:
    return GeoBox.from_bbox(
        (1000, 2000 - rows * CELL, 1000 + columns * CELL, 2000), "EPSG:2154", resolution=CELL
    )


def field(rows: int, columns: int, *blocks: tuple[int, int, int, int]) -> np.ndarray:
    out = np.full((rows, columns), 0.05, "float32")
    for top, left, below, right in blocks:
        out[top:below, left:right] = 0.95
    return out


def test_rectangle_has_its_area_and_place() -> None:
    found = outlines(field(200, 200, (40, 60, 80, 140)), grid(200, 200), 0.5, 10)
    assert len(found) == 1
    assert found.crs.to_epsg() == 2154
    assert found["footprint_m2"].iloc[0] == pytest.approx(200, rel=0.02)
    np.testing.assert_allclose(found.total_bounds, (1015, 1980, 1035, 1990), atol=0.15)
    assert found["regular"].iloc[0]
    assert found["probability_mean"].iloc[0] == pytest.approx(0.95, abs=0.01)


def test_courtyard_is_kept_and_small_one_filled() -> None:
    chance = field(200, 200, (20, 20, 160, 160))
    chance[60:100, 60:100] = 0.02
    chance[130:134, 130:134] = 0.02
    found = outlines(chance, grid(200, 200), 0.5, 10)
    assert len(found) == 1
    assert len(found.geometry.iloc[0].interiors) == 1
    assert found["footprint_m2"].iloc[0] == pytest.approx(35**2 - 100, rel=0.02)


def test_island_in_a_courtyard() -> None:
    chance = field(200, 200, (10, 10, 190, 190))
    chance[40:160, 40:160] = 0.02
    chance[80:120, 80:120] = 0.95
    found = outlines(chance, grid(200, 200), 0.5, 10)
    assert sorted(found["footprint_m2"].round(-1)) == [100, pytest.approx(1130, abs=20)]


def test_narrow_neck_is_parted_without_overlap() -> None:
    chance = field(120, 240, (30, 20, 90, 100), (30, 110, 90, 200), (56, 100, 62, 110))
    whole = outlines(chance, grid(120, 240), 0.5, 10, neck_m=None)
    parted = outlines(chance, grid(120, 240), 0.5, 10, neck_m=2.0)
    assert len(whole) == 1
    assert len(parted) == 2
    one, other = parted.geometry
    assert one.intersection(other).area < 0.3


def test_l_shape_is_one_building() -> None:
    chance = field(160, 160, (20, 20, 140, 60), (100, 20, 140, 140))
    assert len(outlines(chance, grid(160, 160), 0.5, 10)) == 1


def test_small_and_missing_are_left_out() -> None:
    chance = field(100, 100, (10, 10, 18, 18))
    chance[50:90, 50:90] = np.nan
    assert outlines(chance, grid(100, 100), 0.5, 10).empty
    assert list(outlines(chance, grid(100, 100), 0.5, 10)) == [
        "outline_id",
        "footprint_m2",
        "probability_mean",
        "regular",
        "area_change",
        "distance_m",
        "geometry",
    ]


def test_faint_patches_are_left_out() -> None:
    chance = field(100, 100, (10, 10, 50, 50))
    chance[60:90, 60:90] = 0.55
    assert len(outlines(chance, grid(100, 100), 0.5, 10)) == 2
    assert len(outlines(chance, grid(100, 100), 0.5, 10, min_probability=0.6)) == 1


def test_building_at_the_edge_of_the_mosaic_is_closed() -> None:
    found = outlines(field(60, 60, (0, 0, 30, 30)), grid(60, 60), 0.5, 10)
    assert found["footprint_m2"].iloc[0] == pytest.approx(7.5**2, rel=0.06)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(4, 40),
    st.floats(4, 40),
    st.floats(0, 180),
    st.floats(0, 0.3),
    st.integers(0, 10_000),
)
def test_regularisation_keeps_its_bounds(w, h, turn, rough, seed) -> None:
    shape = affinity.rotate(box(0, 0, w, h).difference(box(w * 0.6, h * 0.6, w, h)), turn)
    dense = np.asarray(shape.segmentize(0.5).exterior.coords)[:-1]
    dense = dense + np.random.default_rng(seed).normal(0, rough, dense.shape)
    raw = Polygon(dense)
    if not raw.is_valid:
        raw = raw.buffer(0)
    if raw.geom_type != "Polygon" or raw.is_empty:
        return
    made, _ = regularised(raw, 0.5)
    assert made.is_valid
    assert abs(made.area - raw.area) <= MAX_AREA_CHANGE * raw.area + 1e-9
    assert hausdorff_distance(made, raw, densify=0.1) <= MAX_DISTANCE_M + 1e-9


def test_regularised_corners_are_right() -> None:
    shape = affinity.rotate(box(0, 0, 20, 12), 33)
    noisy = Polygon(
        np.asarray(shape.segmentize(0.4).exterior.coords)[:-1]
        + np.random.default_rng(1).normal(0, 0.1, (160, 2))[
            : len(shape.segmentize(0.4).exterior.coords) - 1
        ]
    ).buffer(0)
    made, regular = regularised(noisy, 0.5)
    assert regular
    edges = np.diff(np.asarray(made.exterior.coords), axis=0)
    edges /= np.hypot(*edges.T)[:, None]
    turn = np.abs(np.sum(edges * np.roll(edges, 1, axis=0), axis=1))
    assert turn.max() < 0.02
    assert made.symmetric_difference(shape).area < 0.05 * shape.area


def test_round_building_is_not_squared() -> None:
    from shapely import Point

    tank = Point(0, 0).buffer(12)
    made, _ = regularised(tank, 0.5)
    assert made.symmetric_difference(tank).area < 0.06 * tank.area


def test_original_is_kept_beside_each_outline_with_its_distance() -> None:
    chance = field(200, 200, (20, 20, 100, 140), (130, 40, 170, 90))
    made, originals = outlines_and_originals(chance, grid(200, 200), 0.5, 10)
    assert made["outline_id"].tolist() == originals["outline_id"].tolist() == [1, 2]
    for shape, raw, told in zip(made.geometry, originals.geometry, made["distance_m"], strict=True):
        exact = hausdorff_distance(shape.boundary, raw.boundary, densify=0.01)
        assert exact <= told <= exact + 0.26
    np.testing.assert_allclose(made.area / originals.area - 1, made["area_change"], atol=1e-12)
    assert made["area_change"].abs().max() <= MAX_AREA_CHANGE
