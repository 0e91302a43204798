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
