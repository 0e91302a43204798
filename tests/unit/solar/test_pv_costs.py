from __future__ import annotations

import numpy as np
import pytest

from heliopolis.solar.pv_costs import cost_bands, levelised_cost, roof_costs


def test_levelised_cost_is_that_of_its_source():
    """Fraunhofer ISE (2024): 6.3 to 14.4 ct/kWh on small roofs that yield 1280 to 935 kWh/kWp."""
    small = cost_bands()[0]
    low = float(levelised_cost(small.invest_low_eur_kwp, np.array(1280.0), small))
    high = float(levelised_cost(small.invest_high_eur_kwp, np.array(935.0), small))
    assert low == pytest.approx(0.063, abs=0.001)
    assert high == pytest.approx(0.144, abs=0.001)


def test_every_band_names_place_year_and_source():
    bands = cost_bands()
    assert bands[0].from_kwp == 0
    assert [band.from_kwp for band in bands] == sorted(band.from_kwp for band in bands)
    for band in bands:
        assert band.country
        assert band.year > 2000
        assert band.source
        assert band.invest_low_eur_kwp < band.invest_high_eur_kwp


def test_roofs_come_cheapest_first_and_unknown_ones_not_at_all():
    capacity = np.array([10.0, 10.0, 100.0, np.nan, 0.0, 5.0])
    energy = np.array([10_000.0, 8_000.0, 90_000.0, 1.0, 0.0, np.nan])
    table = roof_costs(capacity, energy)
    assert list(table["energy_kwh_year"]) == [90_000.0, 10_000.0, 8_000.0]
    assert (table["cost_low_eur_kwh"] < table["cost_high_eur_kwh"]).all()
    assert list(table["invest_low_eur"]) == [90_000.0, 10_000.0, 10_000.0]


def test_a_roof_at_the_limit_belongs_to_the_larger_band():
    assert roof_costs(np.array([30.0]), np.array([3e4]))["invest_low_eur"][0] == 27_000.0


def test_no_roof_makes_an_empty_table():
    assert roof_costs(np.array([]), np.array([])).empty
