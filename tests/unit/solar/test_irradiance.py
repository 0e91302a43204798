"""Irradiance on planes, shaded and not, and on maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliopolis.solar.diffuse import brightness, is_decomposed, perez_brightness
from heliopolis.solar.irradiance import lit_share, shading_of, transpose
from heliopolis.solar.irradiance_map import annual_map, slopes, sun_patches
from heliopolis.solar.sky import (
    Sky,
    make_sky,
    mean_year_hours,
    sky_view,
    tree_transmissivity,
)

TILT = np.array([0.0, 35.0, 35.0, 35.0, 90.0])
AZIMUTH = np.array([np.nan, 180.0, 90.0, 270.0, 0.0])


def annual(sky: Sky, *args: object, **kwargs: object) -> np.ndarray:
    return transpose(sky, *args, **kwargs).total @ sky.hours / 1000.0  # type: ignore[arg-type]


def test_horizontal_plane_gives_back_global(year_sky: Sky, year_weather: pd.DataFrame) -> None:
    whole = year_weather["ghi"].sum() / 1000.0
    assert annual(year_sky, TILT, AZIMUTH)[0] == pytest.approx(whole, rel=0.005)


def test_same_as_pvlib(year_sky: Sky, year_weather: pd.DataFrame) -> None:
    keep = (year_weather["ghi"] > 0).to_numpy()
    extra = pvlib.irradiance.get_extra_radiation(year_weather.index)[keep].to_numpy()
    airmass = pvlib.atmosphere.get_relative_airmass(year_sky.zenith_deg)
    found = transpose(year_sky, TILT, AZIMUTH)
    up = year_sky.zenith_deg < 89.0
    for i, azimuth in enumerate(np.nan_to_num(AZIMUTH, nan=180.0)):
        peer = pvlib.irradiance.get_total_irradiance(
            TILT[i], azimuth, year_sky.zenith_deg, year_sky.azimuth_deg, year_sky.dni,
            year_sky.ghi, year_sky.dhi, dni_extra=extra, airmass=airmass, albedo=0.2,
            model="perez",
        )  # fmt: skip
        assert np.allclose(found.total[i, up], peer["poa_global"][up], atol=0.5)


def test_hay_davies_is_pvlibs(year_sky: Sky) -> None:
    extra = np.full(year_sky.dni.size, 1361.0)
    f1, f2 = brightness("hay-davies", year_sky.dni, year_sky.dhi, year_sky.zenith_deg, extra)
    up = year_sky.zenith_deg < 90.0
    assert np.allclose(f1[up], year_sky.dni[up] / 1361.0)
    assert not f2.any()


def test_brightness_is_nought_without_sun() -> None:
    night = perez_brightness(np.zeros(1), np.zeros(1), np.array([100.0]), np.array([1361.0]))
    assert night[0][0] == night[1][0] == 0


def test_split_of_erbs_is_recognised(year_weather: pd.DataFrame) -> None:
    index = pd.DatetimeIndex(year_weather.index)
    zenith = pvlib.solarposition.get_solarposition(index, 48.0, 2.0)["apparent_zenith"].to_numpy()
    ghi = year_weather["ghi"].to_numpy()
    split = pvlib.irradiance.erbs(ghi, zenith, index)
    assert is_decomposed(pd.DataFrame({"ghi": ghi, "dhi": split["dhi"]}), index, zenith, ghi)
    assert is_decomposed(pd.DataFrame({"ghi": ghi}), index, zenith, ghi)
    assert not is_decomposed(year_weather, index, zenith, ghi)


@pytest.mark.parametrize("lost", ["dni", "dhi", "ghi"])
def test_two_components_give_the_third(year_weather: pd.DataFrame, lost: str) -> None:
    index = pd.DatetimeIndex(year_weather.index)
    sky = make_sky(year_weather.drop(columns=lost), index, 1.0, 48.0, 2.0, transposition="perez")
    whole = make_sky(year_weather, index, 1.0, 48.0, 2.0, transposition="perez")
    assert annual(sky, TILT, AZIMUTH) == pytest.approx(annual(whole, TILT, AZIMUTH), rel=0.01)


def test_mean_year_of_gaps_and_leap_years() -> None:
    local = pd.date_range("2019-01-01", "2022-12-31 23:00", freq="h", tz="UTC")
    known = np.ones(len(local), dtype=bool)
    known[100:400] = False
    hours, missing = mean_year_hours(local, known, 1.0)
    assert missing == ()
    assert hours.sum() == pytest.approx(8766.0)
    hours, missing = mean_year_hours(local, known & (local.month != 6), 1.0)
    assert missing == (5,)


def test_sky_view_of_an_even_ring() -> None:
    ring = np.full((36, 2), 20.0, dtype=np.float32)
    view = sky_view(ring, np.array([0.0, 35.0]), np.array([0.0, 180.0]))
    assert view[0] == pytest.approx(np.cos(np.radians(20.0)) ** 2, abs=1e-6)
    assert 0 < view[1] < 1
    free = sky_view(ring * 0, np.array([0.0, 35.0]), np.array([0.0, 180.0]))
    assert free == pytest.approx(1.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 60), min_size=36, max_size=36), st.integers(0, 35), st.floats(0.6, 25))
def test_an_obstacle_never_adds_light(
    year_sky: Sky, ring: list[float], k: int, extra: float
) -> None:
    before = np.array(ring, dtype=np.float32)[:, None]
    after = before.copy()
    after[k] = after[k] + extra
    tilt, azimuth = np.array([30.0]), np.array([200.0])
    group = np.zeros(1, dtype=np.int64)
    low = transpose(year_sky, tilt, azimuth, shading_of(before, group, tilt, azimuth)).total
    high = transpose(year_sky, tilt, azimuth, shading_of(after, group, tilt, azimuth)).total
    assert (high <= low + 1e-6).all()


def test_mirror_of_obstacles_mirrors_east_and_west(year_sky: Sky) -> None:
    ring = np.zeros((36, 1), dtype=np.float32)
    ring[3:12] = 30.0
    tilt, group = np.array([30.0]), np.zeros(1, dtype=np.int64)
    east = shading_of(ring, group, tilt, np.array([110.0]))
    west = shading_of(np.roll(ring[::-1], 1, axis=0), group, tilt, np.array([250.0]))
    assert east.sky_view[0] == pytest.approx(west.sky_view[0])
    sun = np.array([40.0, 75.0]), np.array([10.0, 29.0])
    assert lit_share(east.lit, *sun) == pytest.approx(lit_share(west.lit, 360.0 - sun[0], sun[1]))


def test_lit_share_of_half_a_plane() -> None:
    angles = np.zeros((36, 2), dtype=np.float32)
    angles[:, 1] = 40.0
    half = shading_of(angles, np.zeros(2, dtype=np.int64), np.array([0.0]), np.array([np.nan]))
    found = lit_share(half.lit, np.array([5.0, 5.0, 5.0]), np.array([0.0, 20.0, 60.0]))
    assert found[0] == pytest.approx([0.5, 0.5, 1.0])


def test_trees_let_winter_sun_through(year_sky: Sky) -> None:
    trees = np.full((36, 1), 25.0, dtype=np.float32)
    tilt, azimuth, group = np.array([35.0]), np.array([180.0]), np.zeros(1, dtype=np.int64)
    shading = shading_of(trees, group, tilt, azimuth, np.zeros_like(trees))
    through = tree_transmissivity(year_sky.month, 48.0)
    opaque = annual(year_sky, tilt, azimuth, shading)[0]
    leafy = annual(year_sky, tilt, azimuth, shading, through)[0]
    free = annual(year_sky, tilt, azimuth)[0]
    assert opaque < leafy < free
    assert tree_transmissivity(np.array([0]), -35.0) < tree_transmissivity(np.array([6]), -35.0)


def test_map_agrees_with_planes(year_sky: Sky) -> None:
    _, x = np.mgrid[:24, :24]
    for azimuth, slope in ((90.0, -1.0), (270.0, 1.0)):
        surface = (slope * x * 0.5 * np.tan(np.radians(35.0))).astype("float32")
        tilt, facing = slopes(surface, 0.5)
        assert (tilt[12, 12], facing[12, 12]) == pytest.approx((35.0, azimuth), abs=1e-3)
        plane = annual(year_sky, np.array([35.0]), np.array([azimuth]))[0]
        assert annual_map(surface, 0.5, year_sky)[12, 12] == pytest.approx(plane, rel=0.005)


def test_map_lies_in_the_shade_of_a_tower(year_sky: Sky) -> None:
    surface = np.zeros((60, 60), dtype="float32")
    surface[28:32, 28:32] = 20.0
    found = annual_map(surface, 1.0, year_sky)
    assert found[35, 30] > found[24, 30]
    assert found[2, 2] == pytest.approx(annual(year_sky, TILT, AZIMUTH)[0], rel=0.03)
    gap = surface.copy()
    gap[0, 0] = np.nan
    assert np.isnan(annual_map(gap, 1.0, year_sky)[0, 0])


def test_patches_keep_the_energy(year_sky: Sky) -> None:
    patches = sun_patches(year_sky, np.full(year_sky.hours.size, 0.25))
    up = year_sky.zenith_deg < 90
    whole = (year_sky.beam_normal * year_sky.hours)[up].sum() / 1000.0
    assert patches.energy_kwh_m2.sum() == pytest.approx(whole)
    assert patches.through_trees_kwh_m2.sum() == pytest.approx(whole / 4)
