"""Best use of a roof by weighted points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from heliopolis.solar.roof_use import LEAST_SCORE, best_use, criteria, load_class, roof_uses


def roofs(**columns):
    base = {
        "specific_yield_kwh_kwp": [1000.0, 1000.0, 500.0, 500.0, 500.0, np.nan],
        "capacity_kwp": [9.0, 9.0, 9.0, 9.0, 9.0, np.nan],
        "flat_share": [1.0, 0.0, 1.0, 0.0, 0.0, np.nan],
        "zone_id": ["z", "z", "z", "z", None, "z"],
        "anomaly_c": [4.0, 4.0, 4.0, 4.0, 0.0, 4.0],
        "load_class": ["heavy", "light", "heavy", "light", "light", None],
    }
    return pd.DataFrame({**base, **columns})


def test_each_use_has_its_roof():
    found = best_use(roofs())
    expected = ["pv_and_green", "pv", "green_roof", "cool_roof", "none", None]
    assert found["best_use"].tolist() == expected
    assert found["score_pv"].iloc[0] == pytest.approx(1.0 - 0.2)
    assert found["score_pv_and_green"].iloc[0] == pytest.approx(1.0 + 0.6 + 0.3 - 0.8)
    assert found["use_grade"].tolist()[:2] == ["clear", "clear"]
    assert found["use_grade"].iloc[2] == "close"


def test_a_roof_that_carries_little_gets_no_green():
    found = best_use(roofs(load_class=["light"] * 6))
    assert found["best_use"].tolist()[:3] == ["pv", "pv", "cool_roof"]
    assert found["score_green_roof"].isna().all()
    bare = best_use(roofs(load_class=["none"] * 6))
    assert set(bare["best_use"][:4]) == {"cool_roof"}


def test_heat_outside_zones_counts_by_degrees():
    heat = criteria(roofs(zone_id=[None] * 6, anomaly_c=[-2.0, 0.0, 3.0, 6.0, 9.0, np.nan]))["heat"]
    assert heat.tolist()[:5] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert np.isnan(heat.iloc[5])


def test_without_heat_only_panels_are_judged():
    found = best_use(roofs(zone_id=[None] * 6, anomaly_c=[np.nan] * 6))
    assert found["best_use"].tolist() == ["pv", "pv", None, None, None, None]
    assert found["use_grade"].tolist()[:2] == ["heat_unknown"] * 2
    assert found["score_cool_roof"].isna().all()


def test_weights_decide():
    cool = best_use(roofs(), {"energy": 0.0})
    assert cool["best_use"].tolist()[1] == "cool_roof"
    dear = best_use(roofs(), {"cost": 10.0})
    assert set(dear["best_use"].dropna()) == {"none"}


def test_shade_takes_panels_away():
    sunny = best_use(roofs(specific_yield_kwh_kwp=[1000.0] * 5 + [np.nan]))
    assert sunny["best_use"].iloc[4] == "pv"
    assert best_use(roofs())["best_use"].iloc[4] == "none"


def test_load_by_form_and_as_given():
    flat, area, height = (np.array(v) for v in (
        [0.0, 1.0, 1.0, 1.0, np.nan], [90.0, 90.0, 4000.0, 4000.0, 90.0],
        [6.0, 9.0, 8.0, 30.0, 6.0]))  # fmt: skip
    found = load_class(flat, area, height)
    assert found["load_class"].tolist() == ["light", "heavy", "light", "heavy", None]
    assert found["load_grade"].tolist() == ["guess"] * 4 + [None]
    known = load_class(flat, area, height, pd.Series([None, "none", "what", None, "heavy"]))
    assert known["load_class"].tolist() == ["light", "none", "light", "heavy", "heavy"]
    assert known["load_grade"].tolist() == ["guess", "given", "guess", "guess", "given"]


def test_points_and_loads_are_plausible():
    for use in roof_uses():
        assert min(use.energy, use.cooling, use.greening, use.cost) >= 0
        assert max(use.energy, use.cooling, use.greening, use.cost) <= 1
        assert use.needs_flat == (use.greening > 0)
    assert LEAST_SCORE > 0
