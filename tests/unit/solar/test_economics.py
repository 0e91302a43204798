"""Levelised cost, self-consumption, payback, arrays of panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heliopolis.solar.assumptions import default_assumptions
from heliopolis.solar.economics import (
    Systems,
    configurations,
    finances,
    floor_area,
    levelised_cost,
    payback_years,
)
from heliopolis.solar.self_consumption import household_profile, self_consumption, sun_profile

TABLE = default_assumptions()
MONTHS = np.array([30, 50, 85, 115, 130, 135, 140, 120, 90, 55, 30, 20.0])


def test_levelised_cost_is_that_of_its_source():
    """Fraunhofer ISE (2024): 6.3 to 14.4 ct/kWh on small roofs that yield 1280 to 935 kWh/kWp."""
    of = {name: TABLE.find(name, None).value for name in ("discount_rate", "lifetime_years")}
    running, lost = (TABLE.find(n, None).value for n in ("running_eur_kwp_year", "degradation"))
    band = TABLE.find("invest_eur_kwp", None)
    low = levelised_cost(np.array(band.low), np.array(1280.0), running, degradation=lost, **of)
    high = levelised_cost(np.array(band.high), np.array(935.0), running, degradation=lost, **of)
    assert float(low) == pytest.approx(0.063, abs=0.001)
    assert float(high) == pytest.approx(0.144, abs=0.001)


def test_levelised_cost_sums_year_by_year():
    t = np.arange(1, 26)
    paid = 9000 + (100 / 1.04**t).sum()
    yielded = (6000 * 0.995 ** (t - 1) / 1.04**t).sum()
    found = levelised_cost(
        np.array(9000.0), np.array(6000.0), 100.0,
        discount_rate=0.04, lifetime_years=25.0, degradation=0.005,
    )  # fmt: skip
    assert float(found) == pytest.approx(paid / yielded, rel=1e-12)


def test_payback_by_hand():
    """6 kWp for 9000 EUR; 6600 kWh, 40 % used at 0.20, the rest sold at 0.04; 156 EUR a year."""
    income = 6600 * (0.4 * 0.20 + 0.6 * 0.04)
    found = payback_years(np.array([9000.0]), np.array([income]), 156.0)
    assert found[0] == pytest.approx(9000 / (income - 156))
    fading = payback_years(np.array([250.0]), np.array([100.0]), degradation=0.1)
    assert fading[0] == pytest.approx(2 + (250 - 190) / 81)


def test_payback_beyond_the_life_is_infinite_and_of_the_unknown_unknown():
    found = payback_years(np.array([9000.0, np.nan, 0.0]), np.array([200.0, 1.0, 5.0]))
    assert np.isinf(found[0])
    assert np.isnan(found[1])
    assert found[2] == 0


def test_profiles_share_out_the_whole():
    days = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    assert household_profile().sum(axis=1) @ days == pytest.approx(1.0)
    assert sun_profile(-33.0).sum(axis=1) == pytest.approx(np.ones(12))
    light = (sun_profile(60.0) > 1e-6).sum(axis=1)
    assert light[5] > 16 > 8 > light[11]


@settings(max_examples=25, deadline=None)
@given(st.floats(100, 50_000), st.floats(100, 50_000), st.floats(-60, 60))
@example(105.0, 812.0, 2.0)
def test_self_consumption_falls_with_yield_and_rises_with_demand(energy, demand, latitude):
    def of(kwh, used):
        month = (MONTHS / MONTHS.sum() * kwh)[None]
        return float(self_consumption(month, np.array([used]), latitude)[0])

    share = of(energy, demand)
    assert 0 < share <= 1
    assert share * energy <= demand * (1 + 1e-9)
    assert of(2 * energy, demand) <= share + 1e-12
    assert of(energy, 2 * demand) >= share - 1e-12


def test_a_house_uses_a_third_of_what_it_yields():
    """Luthander et al. (2015): households with as much yield as demand use 17 to 44 %."""
    month = (MONTHS * 5)[None]
    share = self_consumption(month, np.array([month.sum()]), 48.0)[0]
    assert 0.17 < share < 0.44


def test_ranges_hold_the_central_value():
    systems = Systems(
        np.array([3.0, 9.0, 120.0, 0.0, np.nan]),
        np.array([3.0, 9.0, 120.0, 0.0, np.nan])[:, None] * MONTHS[None],
        np.array([100.0, 400.0, 3000.0, 50.0, 80.0]),
    )
    money = finances(systems, TABLE, "FR", 48.0)
    for name in ("invest_eur", "lcoe_eur_kwh", "self_consumption"):
        low, mid, high = (money[f"{name}{end}"][:3] for end in ("_low", "", "_high"))
        assert (low <= mid).all()
        assert (mid <= high).all()
        assert money[name][3:].isna().all()
    assert (money["payback_years_low"] <= money["payback_years"])[:2].all()
    assert money["invest_eur"][0] == 4500.0
    elsewhere = finances(systems, TABLE, "NL", 48.0)
    assert elsewhere["payback_years"].isna().all()
    assert elsewhere["lcoe_eur_kwh"][:3].notna().all()


def test_floors_follow_the_height():
    area = floor_area(np.array([100.0, 100.0, 100.0]), np.array([2.0, 9.2, np.nan]), TABLE)
    assert area[:2].tolist() == [100.0, 300.0]
    assert np.isnan(area[2])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1, 900), min_size=1, max_size=30))
def test_arrays_gain_energy_and_lose_specific_yield(energies):
    best = sorted(energies, reverse=True)
    panels = pd.DataFrame(
        {"building_id": "a", "rank": range(1, len(best) + 1), "power_w": 430.0}
        | {"energy_kwh_year": best}
    ).sample(frac=1.0, random_state=1)
    arrays = configurations(panels).loc[panels.sort_values("rank").index]
    assert arrays.iloc[:3].isna().all().all()
    rest = arrays.iloc[3:]
    assert (np.diff(rest["array_kwh_year"]) > 0).all()
    assert (np.diff(rest["array_kwh_kwp"]) <= 1e-9).all()
    if len(rest):
        assert rest["array_kwh_year"].iloc[-1] == pytest.approx(sum(energies))


def test_arrays_of_different_buildings_do_not_mix():
    panels = pd.DataFrame(
        {"building_id": list("abababab"), "rank": [1, 1, 2, 2, 3, 3, 4, 4]}
        | {"power_w": 500.0, "energy_kwh_year": [4.0, 40, 3, 30, 2, 20, 1, 10]}
    )
    assert configurations(panels)["array_kwh_year"].dropna().tolist() == [10.0, 100.0]
