"""Carbon that panels save."""

from __future__ import annotations

import pytest

from heliopolis.solar.economics import co2_saved_kg, grid_carbon


def test_net_of_the_panels_and_may_be_negative() -> None:
    assert co2_saved_kg(1000.0, "FR") == pytest.approx(15.0)
    swiss = co2_saved_kg(1000.0, "CH")
    assert swiss is not None
    assert swiss < 0


def test_unknown_stays_unknown() -> None:
    assert co2_saved_kg(1000.0, "XX") is None
    assert co2_saved_kg(1000.0, "FR", "marginal") is None
    assert co2_saved_kg(float("nan"), "FR") is None
    assert co2_saved_kg(1000.0, "FR", "marginal", grid_g_per_kwh=441.0) == pytest.approx(400.0)
    held = grid_carbon("nl")
    assert held is not None
    assert held.year == 2023
