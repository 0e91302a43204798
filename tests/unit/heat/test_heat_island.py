from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from heliopolis.heat.suhi_dates import (
    LAPSE_K_M,
    Date,
    at_one_level,
    heat_wave_difference,
    persistence,
    rural_reference,
    trend,
    urban_core,
)

Y, X = np.mgrid[:200, :200]
BUILT = (np.hypot(Y - 60, X - 60) < 25).astype("float64") + (np.hypot(Y - 160, X - 160) < 6)


def test_core_is_the_largest_group_and_the_reference_is_away_from_anything_built() -> None:
    core = urban_core(BUILT, 50.0)
    assert core[60, 60]
    assert not core[160, 160]
    vegetated = BUILT == 0
    found = rural_reference(vegetated, BUILT, core, cell_m=50.0)
    assert not found[np.hypot(Y - 60, X - 60) < 30].any()
    assert not found[np.hypot(Y - 160, X - 160) < 9].any()
    assert found[100, 20]
    height = 2.0 * X.astype("float64")
    level = rural_reference(vegetated, BUILT, core, cell_m=50.0, height_m=height)
    assert level.any()
    assert (np.abs(height[level] - 120.0) <= 50.0).all()
    assert not urban_core(np.zeros((50, 50)), 50.0).any()


def test_height_is_taken_out() -> None:
    core = urban_core(BUILT, 50.0)
    height = 3.0 * Y + X
    flat = at_one_level(30.0 - LAPSE_K_M * height, core, height_m=height)
    assert np.ptp(flat) == pytest.approx(0.0, abs=1e-9)
    for hemisphere in (1.0, -1.0):
        latitude = hemisphere * (40.0 + Y / 10)
        level = at_one_level(
            30.0 - 0.5 * np.abs(latitude), core, latitude_deg=latitude, per_degree_k=0.5
        )
        assert np.ptp(level) == pytest.approx(0.0, abs=1e-9)


def dates(rise_k_year: float, seed: int = 0) -> list[Date]:
    rng = np.random.default_rng(seed)
    start = datetime(2013, 5, 1, 10, tzinfo=UTC)
    at = [start + timedelta(days=int(d)) for d in np.sort(rng.choice(3650, 60, replace=False))]
    season = [2.0 * np.sin(2 * np.pi * one.timetuple().tm_yday / 365.25) for one in at]
    years = [(one - start).days / 365.25 for one in at]
    values = 4.0 + np.array(season) + rise_k_year * np.array(years) + rng.normal(0, 0.3, len(at))
    return [Date(one, "day", float(value), 0.3) for one, value in zip(at, values, strict=True)]


def test_trend_without_the_season() -> None:
    rising = trend(dates(0.1))
    assert rising is not None
    assert rising.low_k_year < 0.1 < rising.high_k_year
    assert rising.high_k_year - rising.low_k_year < 0.1
    assert rising.p_value < 0.01
    flat = trend(dates(0.0, seed=1))
    assert flat is not None
    assert flat.low_k_year < 0.0 < flat.high_k_year
    assert trend(dates(0.1)[:5]) is None
    assert trend(dates(0.1)[:11]) is None, "spring against summer is no trend"


def test_trend_covers_the_truth_as_often_as_it_says() -> None:
    found = [trend(dates(0.1, seed)) for seed in range(60)]
    assert sum(one is not None and one.low_k_year <= 0.1 <= one.high_k_year for one in found) >= 52


def test_heat_waves_against_other_summer_days() -> None:
    days = [datetime(2022, 7, day, 10, tzinfo=UTC) for day in range(1, 21)]
    noise = np.random.default_rng(2).normal(0, 0.5, 20)
    values = [
        Date(d, "day", 4.0 + (2.0 if d.day > 12 else 0.0) + float(e), 0.3)
        for d, e in zip(days, noise, strict=True)
    ]
    wave = [f"2022-07-{day}" for day in range(13, 21)]
    here = {"latitude_deg": 52.0, "longitude_deg": 7.6}
    found = heat_wave_difference(values, wave, **here)
    assert found is not None
    assert found.low_k < 2.0 < found.high_k
    assert (found.n_wave, found.n_other) == (8, 12)
    assert heat_wave_difference(values, [], **here) is None


def test_summer_and_day_are_those_of_the_place() -> None:
    january = [
        Date(datetime(2022, 1, day, 23, 30, tzinfo=UTC), "day", 4.0 + 2.0 * (day > 5), 0.3)
        for day in range(1, 11)
    ]
    wave = [f"2022-01-{day:02d}" for day in range(7, 12)]
    sydney = heat_wave_difference(january, wave, latitude_deg=-33.9, longitude_deg=151.2)
    assert sydney is not None
    assert (sydney.n_wave, sydney.n_other, sydney.difference_k) == (5, 5, 2.0)
    assert heat_wave_difference(january, wave, latitude_deg=52.0, longitude_deg=151.2) is None


def test_season_across_new_year_is_one_season() -> None:
    december = [datetime(2015 + y, 12, 20, tzinfo=UTC) for y in range(4)]
    january = [datetime(2016 + y, 1, 20, tzinfo=UTC) for y in range(4)]
    found = trend([
        Date(at, "day", 3.0 + 0.2 * (at - december[0]).days / 365.25, 0.3)
        for at in sorted(december + january)
    ])  # fmt: skip
    assert found is not None
    assert found.slope_k_year == pytest.approx(0.2, rel=1e-2)


def test_persistence_counts_dates_beyond_their_uncertainty() -> None:
    at = datetime(2022, 7, 1, 10, tzinfo=UTC)
    values = [(3.0, 0.5)] * 6 + [(0.4, 0.5), (-0.2, 0.5), (5.0, float("nan"))]
    found = persistence([Date(at, "day", value, sd) for value, sd in values])
    assert found is not None
    assert (found.share_of_dates, found.n_dates) == (0.75, 8)
    assert (found.low, found.high) == pytest.approx((0.4093, 0.9285), abs=1e-4)
    assert persistence([Date(at, "day", float("nan"), 0.5)]) is None
