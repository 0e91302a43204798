"""Fusion of footprints and roofs found in images."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize
from shapely import MultiPolygon, affinity, box

from heliopolis.roofs.field import RoofRaster
from heliopolis.roofs.fusion import fuse, measured, position_id
from heliopolis.roofs.registration import Shift, estimate_shifts

CRS = "EPSG:2154"
GRID = GeoBox.from_bbox((0, 0, 200, 200), CRS, resolution=0.5)


def frame(shapes: list, **columns: list) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=CRS)


def roof_of(shapes: list, grid: GeoBox = GRID) -> RoofRaster:
    mask = rasterize(Geometry(MultiPolygon(shapes), CRS), grid).to_numpy()
    return RoofRaster.whole(np.where(mask, 0.9, 0.02).astype("float32"), grid, 0.5)


A, B, C, NEW = (
    box(10, 10, 30, 30),
    box(50, 10, 70, 30),
    box(90, 10, 91, 11),
    box(100, 100, 120, 115),
)


def test_rules_of_source_and_change() -> None:
    footprints = frame([A, B], building_id=["a", "b"])
    made = fuse(footprints, frame([A, NEW]), roof_of([A, NEW])).set_index("building_id")
    assert made.loc["a", ["source", "change"]].tolist() == ["both", "none"]
    assert made.loc["b", ["source", "change"]].tolist() == ["cadastre", "gone"]
    assert made.loc["cnn-110-107", ["source", "change"]].tolist() == ["cnn", "new"]
    assert len(made) == 3
    assert made.loc["a"].geometry.equals(A)
    assert made.loc["a", "probability_mean"] == pytest.approx(0.9, abs=0.01)
    assert made.loc["cnn-110-107", "footprint_m2"] == pytest.approx(300)


def test_half_hidden_footprint_is_uncertain_and_small_one_never_gone() -> None:
    half = box(10, 10, 30, 17)
    made = fuse(frame([A, C], building_id=["a", "c"]), None, roof_of([half])).set_index(
        "building_id"
    )
    assert made.loc["a", "change"] == "uncertain"
    assert made.loc["c", "change"] == "uncertain"


def test_without_image_nothing_is_said() -> None:
    made = fuse(frame([A], building_id=["a"]), None, None)
    assert made["source"].tolist() == ["cadastre"]
    assert made["change"].tolist() == [None]
    assert made["probability_mean"].isna().all()
    beyond = fuse(frame([box(500, 500, 520, 520)], building_id=["x"]), None, roof_of([A]))
    assert beyond["change"].tolist() == [None]
    assert beyond["probability_mean"].isna().all()


def test_without_footprints_outlines_are_the_buildings() -> None:
    made = fuse(None, frame([A, NEW]), roof_of([A, NEW]))
    assert made["source"].tolist() == ["cnn", "cnn"]
    assert made["building_id"].tolist() == ["cnn-110-107", "cnn-20-20"]


def test_order_does_not_matter_and_ids_are_stable() -> None:
    footprints = frame([A, B], building_id=["a", None])
    found = frame([NEW, affinity.translate(NEW, 30, 0)])
    one = fuse(footprints, found, roof_of([A, NEW]))
    other = fuse(footprints.iloc[::-1], found.iloc[::-1], roof_of([A, NEW]))
    assert one.drop(columns="geometry").equals(other.drop(columns="geometry"))
    assert "fp-60-20" in one["building_id"].tolist()
    grown = fuse(footprints, frame([NEW.buffer(0.3)]), roof_of([A, NEW]))
    assert "cnn-110-107" in grown["building_id"].tolist()


def test_duplicates_are_dropped_and_repeated_ids_parted() -> None:
    made = fuse(frame([A, A.buffer(0.1), B], building_id=["a", "a2", "a"]), None, None)
    assert sorted(made["building_id"]) == ["a", "fp-60-20"]


def test_overhang_of_an_outline_is_no_building_but_an_extension_is() -> None:
    footprints = frame([A], building_id=["a"])
    overhang = fuse(footprints, frame([A.buffer(1.0)]), roof_of([A]))
    assert overhang["building_id"].tolist() == ["a"]
    longer = box(10, 10, 50, 30)
    made = fuse(footprints, frame([longer]), roof_of([longer]))
    extra = made[made["source"] == "cnn"]
    assert len(extra) == 1
    assert extra["change"].tolist() == ["uncertain"]
    assert extra["footprint_m2"].iloc[0] == pytest.approx(400, rel=0.02)


def test_overlapping_outlines_do_not_share_ground() -> None:
    made = fuse(None, frame([box(0, 0, 20, 20), box(18, 0, 30, 20)]), None)
    one, other = made.geometry
    assert one.intersection(other).area == pytest.approx(0, abs=1e-9)
    assert made["footprint_m2"].sum() == pytest.approx(600)


def test_shift_is_found_and_undone() -> None:
    shapes = [box(x, y, x + 9, y + 7) for x in range(15, 180, 22) for y in range(20, 180, 31)]
    footprints = frame(shapes, building_id=[str(i) for i in range(len(shapes))])
    seen = [affinity.translate(s, 2.5, -1.5) for s in shapes]
    roof = roof_of(seen)
    shift, _ = estimate_shifts(footprints, roof)
    assert shift is not None
    assert (shift.x_m, shift.y_m) == (pytest.approx(2.5, abs=0.2), pytest.approx(-1.5, abs=0.2))
    made = fuse(footprints, frame(seen), roof, shift=shift)
    assert set(made["source"]) == {"both"}
    assert made["probability_mean"].min() > 0.85


def test_no_shift_without_resemblance() -> None:
    shapes = [box(x, 20, x + 9, 29) for x in range(15, 180, 18)]
    noise = np.random.default_rng(0).random(GRID.shape).astype("float32")
    roof = RoofRaster.whole(noise, GRID, 0.5)
    assert estimate_shifts(frame(shapes), roof)[0] is None
    assert estimate_shifts(frame(shapes[:3]), roof)[0] is None


def test_identifier_of_negative_coordinates() -> None:
    assert position_id(box(-10, -10, -5, -5), "cnn") == "cnn-m8-m8"
    assert isinstance(Shift(0, 0, 1).x_m, int | float)


@given(seed=st.integers(0, 10_000), side_m=st.sampled_from([7.0, 60.0, 1e4]))
@settings(max_examples=20, deadline=None)
def test_measures_do_not_depend_on_what_is_read_together(seed: int, side_m: float) -> None:
    draw = np.random.default_rng(seed)
    chance = draw.random(GRID.shape)
    chance[draw.random(GRID.shape) < 0.1] = np.nan
    west, south = draw.uniform(-30, 200, (2, 12))
    side = draw.uniform(1, 60, 12)
    table = frame(list(shapely.box(west, south, west + side, south + side)))
    roof = RoofRaster.whole(chance, GRID, 0.5)
    told = measured(table, roof)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("heliopolis.roofs.fusion._TOGETHER_M", side_m)
        again = measured(table, roof)
    columns = ["probability_mean", "roof_share", "image_share"]
    np.testing.assert_allclose(told[columns], again[columns], atol=1e-6)
