from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heliopolis.accuracy.hot_spot_rates import SIGMAS, draw_power, score_rates
from heliopolis.heat.null_field import covariance_map, radial
from heliopolis.heat.random_fields import covariance_profile, departure_p, random_fields


def test_random_fields_have_the_covariance_asked_for() -> None:
    profile = 4.0 * np.exp(-np.arange(40) / 5.0)
    draws = random_fields(profile, (150, 170), seed=1)
    found = np.mean([radial(covariance_map([next(draws)], 0.0, 12)) for _ in range(40)], axis=0)
    assert np.allclose(found, profile[:13], rtol=0.1, atol=0.05)


def test_a_mixture_of_grounds_is_no_random_field() -> None:
    profile = np.exp(-np.arange(40) / 4.0)
    field = next(random_fields(profile, (100, 100), seed=2))
    y, x = np.mgrid[:100, :100]
    town = field + 4.0 * (np.hypot(y - 50, x - 50) < 18)
    assert departure_p(town, 3.0) <= 0.025
    draws = random_fields(covariance_profile(town), (100, 100), seed=3)
    assert sum(departure_p(next(draws), 3.0) <= 0.1 for _ in range(10)) <= 4


@pytest.mark.real
def test_rates_on_the_covariance_of_real_scenes(data_dir: Path, tmp_path: Path) -> None:
    values = score_rates(data_dir, fields=6, planted=1)
    assert values["false_alarms_run"] <= 1 / 6
    assert values["false_alarms_command"] <= 1 / 6
    assert values["power_10_sigma"] == 1.0
    assert {f"power_{k}_sigma" for k in SIGMAS} <= set(values)
    draw_power(values, tmp_path / "power.png")
    assert (tmp_path / "power.png").stat().st_size > 5000
