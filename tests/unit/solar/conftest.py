"""A small clear-and-cloudy year, made by rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from heliopolis.solar.sky import Sky, make_sky

LATITUDE, LONGITUDE = 48.0, 2.0


@pytest.fixture(scope="session")
def year_weather() -> pd.DataFrame:
    """Hourly ghi, dni, dhi, temp_air, wind_speed at mid-interval times."""
    times = pd.date_range("2021-01-01 00:30", periods=8760, freq="h", tz="UTC")
    sun = pvlib.solarposition.get_solarposition(times, LATITUDE, LONGITUDE)
    up = np.maximum(np.cos(np.radians(sun["apparent_zenith"].to_numpy())), 0.0)
    day = np.arange(8760) // 24
    clear = 0.5 + 0.5 * np.sin(2.4 * day)
    dni = np.where(up > 0.02, 900 * clear * up / (up + 0.15), 0.0)
    dhi = (80 + 140 * (1 - clear)) * up / (up + 0.1)
    temp = 11 - 9 * np.cos(2 * np.pi * day / 365)
    return pd.DataFrame(
        {
            "ghi": dni * up + dhi,
            "dni": dni,
            "dhi": dhi,
            "temp_air": temp,
            "wind_speed": np.full(8760, 3.0),
        },
        index=times,
    )


@pytest.fixture(scope="session")
def year_sky(year_weather: pd.DataFrame) -> Sky:
    """Sky of that year."""
    index = pd.DatetimeIndex(year_weather.index)
    return make_sky(year_weather, index, 1.0, LATITUDE, LONGITUDE)
