from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from heliopolis.simulate.weather import city_latitude_longitude, weather_year, write_weather


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sum_of_the_year_is_that_of_northern_france(seed):
    year = weather_year(48.8, 2.3, seed, 2025)
    assert len(year) == 8760
    assert 1050 < year["ghi"].sum() / 1000 < 1250
    assert 0.45 < year["dhi"].sum() / year["ghi"].sum() < 0.65
    assert 9 < year["temp_air"].mean() < 14
    assert year["temp_air"].between(-20, 42).all()
    assert year["wind_speed"].between(0, 25).all()


def test_beam_and_diffuse_close_at_the_stamp():
    year = weather_year(48.8, 2.3, 1, 2025)
    sun = pvlib.solarposition.get_solarposition(year.index, 48.8, 2.3)
    beam = year["dni"] * np.cos(np.radians(sun["zenith"]))
    assert np.abs(year["dhi"] + beam - year["ghi"]).max() < 0.1
    assert (year["ghi"][sun["zenith"] > 90] == 0).all()


def test_clouds_have_memory():
    noon = weather_year(48.8, 2.3, 1, 2025)["ghi"].to_numpy().reshape(365, 24)[:, 11]
    season = pd.Series(noon).rolling(31, center=True, min_periods=1).mean()
    rest = noon / season
    assert rest.autocorr(1) > 0.3


def test_file_states_its_time_and_its_origin(tiny_city, tmp_path):
    path = write_weather(tiny_city, tmp_path / "weather.csv")
    text = path.read_text()
    assert "# time_is: middle" in text
    assert "# simulated: yes" in text
    table = pd.read_csv(path, comment="#", parse_dates=["time"], index_col="time")
    assert list(table.columns) == ["ghi", "dni", "dhi", "temp_air", "wind_speed"]
    assert table.index[0] == pd.Timestamp("2025-01-01T00:30:00Z")
    latitude, longitude = city_latitude_longitude(tiny_city)
    assert 48 < latitude < 50 and 1 < longitude < 4
    assert write_weather(tiny_city, tmp_path / "again.csv").read_text() == text
