"""Form of the city as predictors: limits and worked examples."""

import math

import numpy as np
import pytest

from heliopolis.thermal.city_form import incidence, predictors, sky_view, standing, sunlit

SIDE = 41


def wall(height_m: float = 20.0) -> np.ndarray:
    """A wall from west to east in the middle row of a plain."""
    dsm = np.zeros((SIDE, SIDE))
    dsm[SIDE // 2] = height_m
    return dsm


@pytest.mark.parametrize(("azimuth", "shaded_below"), [(180.0, False), (0.0, True)])
def test_the_shadow_lies_away_from_the_sun_and_is_as_long_as_the_sun_is_low(azimuth, shaded_below):
    lit = sunlit(wall(), 5.0, 45.0, azimuth)
    middle = SIDE // 2
    away = slice(middle + 1, middle + 5) if shaded_below else slice(middle - 4, middle)
    # 20 m at 45 degrees reach 20 m: the fourth cell is just at the edge.
    assert (lit[away].mean(axis=0) == 0.25).all()
    assert lit.mean() == pytest.approx(1.0 - 3.0 / SIDE)


def test_a_shadow_at_any_azimuth_has_the_length_of_geometry():
    dsm = np.zeros((201, 201))
    dsm[100, 100] = 30.0
    dsm[99:102, 99:102] = 30.0
    for azimuth in (20.0, 110.0, 155.0, 250.0):
        lit = sunlit(dsm, 2.0, 30.0, azimuth)
        rows, columns = np.nonzero(lit == 0.0)
        reach = np.hypot(rows - 100, columns - 100).max() * 2.0
        assert reach == pytest.approx(30.0 / math.tan(math.radians(30.0)), abs=6.0)


def test_a_slope_towards_the_sun_gets_more_and_level_ground_one():
    _, x = np.mgrid[0:SIDE, 0:SIDE] * 5.0
    rise = math.tan(math.radians(20.0)) * x
    east = incidence(rise, 5.0, 50.0, 90.0)[SIDE // 2, SIDE // 2]
    west = incidence(rise, 5.0, 50.0, 270.0)[SIDE // 2, SIDE // 2]
    # The slope rises to the east, so it faces west: 50 + 20 = 70 degrees to the plane.
    assert west == pytest.approx(math.sin(math.radians(70)) / math.sin(math.radians(50)), 0.01)
    assert east == pytest.approx(math.sin(math.radians(30)) / math.sin(math.radians(50)), 0.01)


def test_sky_view_of_a_plain_and_of_a_round_pit():
    assert sky_view(np.zeros((16, 2, 2))) == pytest.approx(1.0)
    assert sky_view(np.full((16, 2, 2), 45.0)) == pytest.approx(0.5)


def test_trees_are_no_buildings_and_unknown_stays_unknown():
    dsm, dtm = np.array([[10.0, 10.0, np.nan]]), np.zeros((1, 3))
    found = standing(dsm, dtm, np.array([[0.0, 1.0, 0.0]]))
    assert found["built_height_m"][0, :2].tolist() == [10.0, 0.0]
    assert found["tall_share"][0, :2].tolist() == [1.0, 0.0]
    assert np.isnan(found["built_height_m"][0, 2])
    assert np.isnan(found["tall_share"][0, 2])


def test_by_night_there_is_no_sunshine_and_gaps_stay_gaps():
    dsm = wall()[:40, :40]
    dsm[0, 0] = np.nan
    heights = {"dsm_m": dsm, "dtm_m": np.zeros_like(dsm), "tree": np.zeros_like(dsm),
               "sky_view": np.ones_like(dsm)}  # fmt: skip
    day, night = (predictors(heights, 5.0, 2, (up, 180.0)) for up in (50.0, -20.0))
    assert set(day) - set(night) == {"sun_incidence", "sunshine"}
    assert all(field.shape == (20, 20) for field in day.values())
    assert np.isnan(day["sunshine"][0, 0])
    assert np.isfinite(day["sunshine"][1:]).all()
    assert day["sunshine"][day["tall_share"] == 0].min() < 0.6
