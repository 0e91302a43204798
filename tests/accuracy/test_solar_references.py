"""The yield against published and computed references on real weather."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.accuracy.pvgis_grid import score_pvgis_grid
from heliopolis.accuracy.solar import score_denver, score_knmi, score_pvgis, score_try
from heliopolis.io.weather import closure, read_weather

pytestmark = pytest.mark.real


def test_pvgis(data_dir: Path) -> None:
    score = score_pvgis(data_dir)
    assert abs(score["annual_error_percent"]) <= 0.7
    assert score["hourly_nrmse_percent"] <= 0.5


def test_denver(data_dir: Path) -> None:
    for score in score_denver(data_dir).values():
        assert abs(score["poa_error_percent"]) <= 0.1
        assert abs(score["pvwatts_error_percent"]) <= 1.0
        assert abs(score["huld_error_percent"]) <= 2.1


def test_order_and_ratios_of_pvgis(data_dir: Path) -> None:
    scores = score_pvgis_grid(data_dir)
    same = scores["beam_muneer"]
    assert same["difference_mean_points"] <= 3.0
    assert same["share_within_3_points"] >= 0.9
    assert same["rank_correlation"] >= 0.99
    assert scores["sky_view_hay_davies"]["bias_points"] < -10.0


def test_rotterdam_and_essen(data_dir: Path) -> None:
    for score in score_knmi(data_dir).values():
        assert abs(score["error_percent"]) <= 1.0
    essen = score_try(data_dir)
    assert abs(essen["south"]["error_percent"]) <= 3.5
    assert abs(essen["south_hay_davies"]["error_percent"]) <= 1.0


def test_offset_of_a_pvgis_tmy(data_dir: Path) -> None:
    weather = read_weather(data_dir / "solar/pvgis-tmy-45n8e/tmy_45.000_8.000_2005_2023.csv")
    found = closure(weather, 45.0, 8.0)
    assert found is not None
    assert found["rmse_w_m2"] < 1.0
    assert found["best_shift_hours"] == 0
