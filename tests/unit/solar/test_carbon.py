"""Carbon that panels save."""

from __future__ import annotations

import numpy as np
import pytest

from heliopolis.solar.assumptions import COLUMNS, default_assumptions, read_assumptions
from heliopolis.solar.carbon import co2_saved, co2_text, grid_carbon

TABLE = default_assumptions()
ENERGY = np.array([1000.0, 0.0, np.nan])


def test_in_france_the_average_method_gives_a_negative_net():
    """RTE 2024: 21.7 g/kWh; panels 32 g/kWh: 10.3 kg lost for each 1000 kWh."""
    saved = co2_saved(ENERGY, TABLE, "FR")
    assert saved.value[0] == pytest.approx(-10.3)
    assert saved.low[0] == pytest.approx(21.7 - 46.0)
    assert saved.high[0] == pytest.approx(56.0 - 30.0)
    assert saved.value[1] == 0
    assert np.isnan(saved.value[2])


def test_the_marginal_method_gives_another_sign_and_the_text_says_which():
    assert co2_saved(ENERGY, TABLE, "FR", "marginal").value[0] == pytest.approx(457.0)
    assert co2_text(TABLE, "FR", "marginal").startswith(
        "marginal, FR: 489 (111 to 489) g/kWh, 2019"
    )
    assert "less the panels: 32 (30 to 46) g/kWh, 2021" in co2_text(TABLE, "FR", "average")


def test_nothing_is_invented():
    for country, method in (("XX", "average"), (None, "average"), ("NL", "residual")):
        assert np.isnan(co2_saved(ENERGY, TABLE, country, method).value).all()
        assert co2_text(TABLE, country, method) is None
        assert grid_carbon(TABLE, country, method) is None


def test_a_residual_mix_can_be_given():
    row = "grid_residual_g_kwh,NL,0,400,350,450,g/kWh,2025,source,A supplier\n"
    own = read_assumptions(",".join(COLUMNS) + "\n" + row)
    saved = co2_saved(ENERGY, TABLE.with_own(own), "NL", "residual")
    assert [end[0] for end in saved] == pytest.approx([359.0, 290.0, 424.0])
