"""Outlines: true to the probability, whole, with their courtyards."""

from __future__ import annotations

import itertools
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely import Polygon, affinity, box, hausdorff_distance

from heliopolis.roofs.connected import connected_roofs
from heliopolis.roofs.field import Whole
from heliopolis.roofs.outline import Rules, outlines_and_originals
from heliopolis.roofs.regularise import MAX_AREA_CHANGE, MAX_DISTANCE_M, regularised
from roofnet.layers import distance_to_edge

CELL = 0.25


def both(
    chance: np.ndarray, where: GeoBox, threshold: float, min_area_m2: float, **more: Any
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Outlines and originals of a probability alone, or of layers."""
    layers = chance if chance.ndim == 3 else chance[None]
    block = {"block_px": more.pop("block_px")} if "block_px" in more else {}
    return outlines_and_originals(
        Whole(layers, where), Rules(threshold, min_area_m2, **more), **block
    )


def outlines(*args: Any, **settings: Any) -> gpd.GeoDataFrame:
    """The outlines alone."""
    return both(*args, **settings)[0]


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
    made, originals = both(chance, grid(200, 200), 0.5, 10)
    assert made["outline_id"].tolist() == originals["outline_id"].tolist() == [1, 2]
    for shape, raw, told in zip(made.geometry, originals.geometry, made["distance_m"], strict=True):
        exact = hausdorff_distance(shape.boundary, raw.boundary, densify=0.01)
        assert exact <= told <= exact + 0.26
    np.testing.assert_allclose(made.area / originals.area - 1, made["area_change"], atol=1e-12)
    assert made["area_change"].abs().max() <= MAX_AREA_CHANGE


def row_of_houses() -> np.ndarray:
    """Four houses of 6 by 10 m wall to wall, and one further off: roof, edge, inside [m]."""
    roof = field(160, 240, (60, 40, 100, 136), (20, 180, 60, 220))
    layers = np.stack([roof, np.zeros_like(roof), np.zeros_like(roof)])
    house = np.zeros(roof.shape, int)
    for k in range(4):
        house[60:100, 40 + 24 * k : 64 + 24 * k] = k + 1
    house[20:60, 180:220] = 5
    layers[2] = np.where(house > 0, np.minimum(distance_to_edge(house) * CELL, 4), 0)
    layers[1] = np.where((layers[2] < 0.6) & (house > 0), 0.8, 0.1)
    return layers


def test_houses_wall_to_wall_are_parted_along_straight_walls() -> None:
    layers = row_of_houses()
    assert len(outlines(layers[:1], grid(160, 240), 0.5, 10)) == 2
    made, _ = both(layers, grid(160, 240), 0.5, 10)
    assert len(made) == 5
    assert made["regular"].all()
    np.testing.assert_allclose(np.sort(made.area), [60, 60, 60, 60, 100], rtol=0.03)
    assert all(len(shape.exterior.coords) == 5 for shape in made.geometry)
    for one, other in itertools.combinations(made.geometry, 2):
        assert one.intersection(other).area < 1e-6
    assert made["distance_m"].max() <= MAX_DISTANCE_M


@pytest.mark.parametrize("block_px", [40, 97, 512])
def test_no_building_is_cut_or_doubled_by_blocks(block_px: int) -> None:
    layers = row_of_houses()
    whole, raw = both(layers, grid(160, 240), 0.5, 10, block_px=4096)
    made, again = both(layers, grid(160, 240), 0.5, 10, block_px=block_px)
    assert made.to_wkb().equals(whole.to_wkb())
    assert again.to_wkb().equals(raw.to_wkb())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([16, 37, 64]))
def test_connected_roofs_come_once_and_whole(seed: int, block_px: int) -> None:
    rng = np.random.default_rng(seed)
    chance = ndimage.gaussian_filter(rng.normal(size=(150, 130)), 3)
    chance = (chance - chance.min()) / np.ptp(chance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heliopolis.roofs.connected._MARGIN_PX", 8)
        found = list(connected_roofs(Whole(chance[None], grid(150, 130)), 0.55, block_px))
    labels, count = ndimage.label(chance >= 0.55)
    assert len(found) == count
    painted = np.zeros_like(labels)
    for number, roof in enumerate(found, start=1):
        row, column = roof.corner
        height, width = roof.mask.shape
        painted[row : row + height, column : column + width][roof.mask] = number
        assert np.array_equal(roof.layers[0], chance[row : row + height, column : column + width])
    assert np.array_equal(painted > 0, labels > 0)
    assert len(set(zip(labels.ravel(), painted.ravel(), strict=True))) == count + (
        (labels == 0).any()
    )
