"""Modules inside the usable part, without overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import Polygon, box

from heliopolis.solar.layout import mount, place_modules, row_shading

W, H = 1.134, 1.762


def check(modules: list[Polygon], usable: Polygon, plan_m2: float) -> None:
    for module in modules:
        assert module.difference(usable).area < 1e-4
        assert module.area == pytest.approx(plan_m2, rel=1e-6)
    total = shapely.union_all(modules).area
    assert total == pytest.approx(plan_m2 * len(modules), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 359), st.floats(10, 50), st.floats(3, 15), st.floats(2, 9), st.floats(-80, 80))
def test_inside_and_apart(
    azimuth: float, tilt: float, width: float, depth: float, turn: float
) -> None:
    usable = affinity.rotate(box(0, 0, width, depth).difference(box(1, 1, 2, 1.5)), turn)
    usable = affinity.translate(usable, 650_000, 6_860_000)
    how = mount(usable, tilt, azimuth, 12.0, 48.0)
    found = place_modules(usable, how, W, H)
    check(found.modules, usable, W * H * math.cos(math.radians(tilt))) if found.modules else None


def test_as_many_as_a_person_would_place() -> None:
    tilt = 35.0
    usable = box(0, 0, 5 * (W + 0.02), 2 * (H + 0.02) * math.cos(math.radians(tilt)))
    found = place_modules(usable, mount(usable, tilt, 180.0, 12.0, 48.0), W, H)
    assert len(found.modules) == 10
    assert found.orientation == "portrait"


def test_flat_roof_gets_rows_that_clear_the_winter_sun() -> None:
    roof = affinity.rotate(box(0, 0, 20, 12), 20)
    how = mount(roof, 0.4, math.nan, 12.0, 52.0)
    assert how.racked
    assert abs((how.azimuth_deg - 180 + 180) % 360 - 180) <= 45
    assert how.azimuth_deg == pytest.approx(160.0, abs=1e-6)
    noon = 90 - 52 - 23.44
    lit, sky = row_shading(np.array([90.0 - noon]), np.array([how.azimuth_deg]), how)
    assert lit[0] == pytest.approx(1.0, abs=1e-6)
    low, _ = row_shading(np.array([90.0 - noon / 2]), np.array([how.azimuth_deg]), how)
    assert 0 < low[0] < 1
    behind, _ = row_shading(np.array([80.0]), np.array([how.azimuth_deg + 180]), how)
    assert behind[0] == 1
    assert 0.95 < sky < 1
    found = place_modules(roof, how, W, H)
    check(found.modules, roof, W * H * math.cos(math.radians(12.0)))
    assert 0.2 < len(found.modules) * W * H / roof.area < 0.6


def test_southern_hemisphere_faces_north() -> None:
    assert mount(box(0, 0, 9, 9), 0.0, math.nan, 10.0, -33.0).azimuth_deg % 360 == 0


def test_nothing_fits_on_nothing() -> None:
    how = mount(box(0, 0, 1, 1), 30.0, 180.0, 12.0, 48.0)
    assert place_modules(box(0, 0, 1, 1), how).modules == []
    assert place_modules(Polygon(), how).modules == []


def test_rows_part_at_an_obstacle_and_stay_in_line() -> None:
    """A chimney 0.2 m wide in a row of 12 m: five modules on either side of it."""
    roof = box(0, 0, 12, 2 * H + 0.02 + 2e-5).difference(box(5.9, 0.5, 6.1, 0.9))
    how = mount(roof, 0.0, math.nan, 0.0, 48.0)
    flat = type(how)(0.0, 180.0, False, 1.0)
    found = place_modules(roof, flat, W, H)
    check(found.modules, roof, W * H)
    assert len(found.modules) == 10 + 10
    straight = box(0.07, 0, 12, 1.77).union(box(0, 1.77, 11.9, 3.55))
    lefts = {round(one.bounds[0] % (W + 0.02), 3) for one in place_modules(straight, flat).modules}
    assert len(lefts) == 1


def test_pieces_of_a_plane_are_filled_one_by_one() -> None:
    flat = type(mount(box(0, 0, 1, 1), 0.0, math.nan, 0.0, 48.0))(0.0, 180.0, False, 1.0)
    pieces = [box(0, 0, 3 * (W + 0.02), H), box(20.3, 0.9, 20.3 + 2 * (W + 0.02), 0.9 + H)]
    whole = shapely.MultiPolygon(pieces)
    alone = [len(place_modules(one, flat, W, H).modules) for one in pieces]
    assert alone == [3, 2]
    assert len(place_modules(whole, flat, W, H).modules) == 5


@settings(max_examples=25, deadline=None)
@given(st.floats(4, 15), st.floats(4, 12), st.floats(1, 3), st.floats(0.5, 2))
def test_a_hole_never_makes_room(width: float, depth: float, x: float, size: float) -> None:
    hole = box(x, 1.5, x + size, 1.5 + size)
    flat = type(mount(hole, 0.0, math.nan, 0.0, 48.0))(0.0, 180.0, False, 1.0)
    whole = place_modules(box(0, 0, width, depth), flat, W, H).modules
    cut = place_modules(box(0, 0, width, depth).difference(hole), flat, W, H).modules
    assert len(cut) <= len(whole)
    check(cut, box(0, 0, width, depth).difference(hole), W * H) if cut else None
