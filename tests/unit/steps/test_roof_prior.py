from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from heliopolis.steps.building_table import MONTHS
from heliopolis.steps.roof_prior import measured_roofs, prior_of, with_priors

RATIOS = ("usable_m2", "capacity_kwp", "energy_kwh_year_p50")


def city(count=200, seed=3):
    """Roofs with one plane each, whose yield for each square metre varies by a fifth."""
    rng = np.random.default_rng(seed)
    area = np.exp(rng.uniform(np.log(60.0), np.log(900.0), count))
    energy = area * 90.0 * np.exp(rng.normal(0.0, 0.2, count))
    planes = pd.DataFrame(
        {
            "building_id": [f"b{i:04d}" for i in range(count)],
            "quality": "HIGH",
            "tilt_deg": 30.0,
            "usable_m2": 0.6 * area,
            "capacity_kwp": 0.1 * area,
            "n_panels": 1.0,
            "energy_kwh_year_p50": energy,
            "energy_kwh_year_p90": 0.93 * energy,
            "energy_kwh_year_p10": 1.07 * energy,
            "specific_yield_kwh_kwp": energy / (0.1 * area),
            **dict.fromkeys(MONTHS, energy / 12),
        }
    )
    return planes, pd.Series(area, index=planes["building_id"])


def without_heights(planes, keys):
    """The same, with nothing known of some roofs."""
    hidden = planes["building_id"].isin(keys)
    made = planes.copy()
    made.loc[hidden, made.columns.difference(["building_id", "quality"])] = np.nan
    made.loc[hidden, "quality"] = "BASE"
    return made


def test_a_roof_without_heights_yields_what_its_peers_do():
    planes, area = city()
    found = with_priors(without_heights(planes, ["b0007"]), area).iloc[7]
    assert found["energy_kwh_year_p50"] == pytest.approx(90.0 * area["b0007"], rel=0.1)
    assert found["capacity_kwp"] == pytest.approx(0.1 * area["b0007"])
    assert found["energy_kwh_year_p90"] < 0.85 * found["energy_kwh_year_p50"]
    assert found["energy_kwh_year_p10"] > 1.15 * found["energy_kwh_year_p50"]
    assert found[list(MONTHS)].sum() == pytest.approx(found["energy_kwh_year_p50"])
    assert found["quality"] == "BASE"
    assert np.isnan(found["tilt_deg"])
    assert np.isnan(found["n_panels"])


def test_measured_roofs_are_left_as_they_are():
    planes, area = city()
    hidden = without_heights(planes, ["b0007"])
    found = with_priors(hidden, area)
    keep = hidden["quality"] == "HIGH"
    pd.testing.assert_frame_equal(found[keep], hidden[keep])


def test_buildings_that_are_gone_get_nothing():
    planes, area = city()
    found = with_priors(without_heights(planes, ["b0007", "b0008"]), area, {"b0007"})
    assert found["energy_kwh_year_p50"].isna().tolist().count(True) == 1
    assert np.isnan(found["energy_kwh_year_p50"].iloc[7])


def test_few_measured_roofs_tell_nothing():
    planes, area = city(count=30)
    found = with_priors(without_heights(planes, ["b0007"]), area)
    assert np.isnan(found["energy_kwh_year_p50"].iloc[7])


def test_order_of_the_planes_does_not_show():
    planes, area = city()
    hidden = without_heights(planes, ["b0007", "b0100"])
    turned = with_priors(hidden.iloc[::-1], area).sort_index()
    pd.testing.assert_frame_equal(with_priors(hidden, area), turned)


def test_the_range_holds_four_roofs_of_five():
    planes, area = city(count=2000)
    planes["energy_kwh_year_p90"] = planes["energy_kwh_year_p50"]
    peers = measured_roofs(planes, area)
    found = prior_of(peers["footprint_m2"].to_numpy(), peers, leave_out=True)
    true = planes["energy_kwh_year_p50"].to_numpy()
    held = (true >= found["energy_kwh_year_p90"]) & (true <= found["energy_kwh_year_p10"])
    assert held.mean() == pytest.approx(0.8, abs=0.03)
