"""Best use of a roof by weighted points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from heliopolis.solar.roof_use import LEAST_SCORE, best_use, load_class, roof_uses, sun_score


def roofs(**columns):
    base = {
        "sun_score": [1.0, 1.0, 0.0, 0.0, 0.0, np.nan],
        "heat_score": [1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        "flat_share": [1.0, 0.0, 1.0, 0.0, 0.0, np.nan],
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


def test_sun_is_that_of_the_best_plane_against_the_area():
    best = pd.Series([1000.0, 1000.0, 750.0, 400.0, np.nan, np.nan])
    capacity = pd.Series([9.0, 9.0, 9.0, 9.0, 0.4, np.nan])
    assert sun_score(best, capacity).tolist()[:5] == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert np.isnan(sun_score(best, capacity).iloc[5])


def test_without_heat_only_panels_are_judged():
    found = best_use(roofs(heat_score=[np.nan] * 6))
    assert found["best_use"].tolist() == ["pv", "pv", None, None, None, None]
    assert found["use_grade"].tolist()[:2] == ["heat_unknown"] * 2
    assert found["score_cool_roof"].isna().all()


def test_weights_decide():
    cool = best_use(roofs(), {"energy": 0.0})
    assert cool["best_use"].tolist()[1] == "cool_roof"
    dear = best_use(roofs(), {"cost": 10.0})
    assert set(dear["best_use"].dropna()) == {"none"}


def test_shade_takes_panels_away():
    sunny = best_use(roofs(sun_score=[1.0] * 5 + [np.nan]))
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
