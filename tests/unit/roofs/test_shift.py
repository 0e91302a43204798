from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import translate

from heliopolis.roofs.plane_outline import cut_sd
from heliopolis.roofs.planes import BUILDING, GROUND, Heights, roof_planes
from heliopolis.roofs.shift import LONGEST_M, REACH_M, STEP_M, footprint_shifts, roof_shift

HOUSE = shapely.box(100.0, 200.0, 110.0, 208.0)


def survey(roofs, density=8.0, margin=12.0, seed=0):
    """Points on flat roofs and on the ground around them."""
    rng = np.random.default_rng(seed)
    west, south, east, north = shapely.union_all(roofs).buffer(margin).bounds
    count = round((east - west) * (north - south) * density)
    xy = np.column_stack([rng.uniform(west, east, count), rng.uniform(south, north, count)])
    on = np.any([shapely.contains_xy(roof, *xy.T) for roof in roofs], axis=0)
    return xy[on], xy[~on]


@given(
    st.floats(-1.6, 1.6),
    st.floats(-1.6, 1.6),
    st.integers(0, 5),
)
@settings(max_examples=25, deadline=None)
def test_a_house_is_brought_under_its_roof(east, north, seed):
    found = roof_shift(translate(HOUSE, -east, -north), *survey([HOUSE], seed=seed))
    assert found == pytest.approx((east, north), abs=0.3)


def test_a_footprint_that_lies_well_stays():
    assert roof_shift(HOUSE, *survey([HOUSE])) == pytest.approx((0.0, 0.0), abs=STEP_M / 2)


def test_few_points_tell_nothing():
    roof, bare = survey([HOUSE])
    assert roof_shift(HOUSE, roof[:10], bare) is None
    assert roof_shift(HOUSE, roof, bare[:10]) is None


def test_a_sliver_tells_nothing():
    sliver = shapely.box(104.01, 203.01, 104.02, 203.02)
    assert roof_shift(sliver, *survey([HOUSE])) is None


def test_a_row_moves_as_one():
    row = [translate(HOUSE, 10.0 * k) for k in range(4)]
    given_ = {f"h{k}": translate(house, 1.0, 0.75) for k, house in enumerate(row)}
    found = footprint_shifts(given_, ["h1", "h2"], *survey(row))
    assert set(found) == {"h1", "h2"}
    assert found["h1"] == found["h2"] == pytest.approx((-1.0, -0.75), abs=0.26)


def test_the_wanted_ones_do_not_change_what_is_found():
    row = [translate(HOUSE, 10.0 * k) for k in range(3)] + [translate(HOUSE, 0, 30)]
    given_ = {f"h{k}": translate(house, -0.5, 0.0) for k, house in enumerate(row)}
    roof, bare = survey(row)
    whole = footprint_shifts(given_, list(given_), roof, bare)
    one_by_one = {}
    for key in given_:
        one_by_one |= footprint_shifts(given_, [key], roof[::-1], bare[::-1])
    assert one_by_one == whole


def test_a_long_block_stays():
    row = [translate(HOUSE, 10.0 * k) for k in range(math.ceil(LONGEST_M / 10.0) + 1)]
    given_ = {f"h{k}": translate(house, 0.0, 1.0) for k, house in enumerate(row)}
    assert footprint_shifts(given_, list(given_), *survey(row)) == {}


def test_no_shift_goes_beyond_its_reach():
    far = translate(HOUSE, 3.5, 0.0)
    found = roof_shift(far, *survey([HOUSE]))
    assert found is not None
    assert max(map(abs, found)) <= REACH_M


def test_planes_lie_where_the_survey_sees_the_roof():
    roof, bare = survey([HOUSE])
    xy = np.concatenate([roof, bare])
    kind = np.repeat([BUILDING, GROUND], [len(roof), len(bare)]).astype("uint8")
    z = np.where(kind == BUILDING, 6.0, 0.0) + np.random.default_rng(1).normal(0, 0.02, len(xy))
    table = gpd.GeoDataFrame(
        {"building_id": ["h"]}, geometry=[translate(HOUSE, 1.25, 0.0)], crs="EPSG:2154"
    )
    planes = roof_planes(table, Heights.of(*xy.T, z, kind)).roof_planes
    assert planes.geometry.union_all().symmetric_difference(HOUSE).area < 0.08 * HOUSE.area
    assert planes["footprint_shift_m"].tolist() == pytest.approx([1.25], abs=0.26)
    unclassified = roof_planes(table, Heights.of(*xy.T, z)).roof_planes
    assert unclassified["footprint_shift_m"].isna().all()


def test_what_a_shift_cuts_off_one_side_it_adds_on_the_other():
    half = shapely.box(100.0, 200.0, 110.0, 204.0)
    assert cut_sd(HOUSE, HOUSE, 0.3) == pytest.approx(0.0)
    assert cut_sd(half, HOUSE, 0.3) == pytest.approx(3.0)
