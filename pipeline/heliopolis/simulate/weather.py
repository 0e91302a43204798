"""An hourly year of weather for the simulated city."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
from pyproj import Transformer
from scipy import special

from heliopolis.io.atomic import write_text
from heliopolis.simulate.burning import F64
from heliopolis.simulate.city import City

#: Mean share of the clear-sky irradiation that arrives, January to December, of the order found
#: in northern France (about 1150 kWh m-2 a year on the horizontal).
CLEARNESS = (0.52, 0.57, 0.64, 0.70, 0.70, 0.71, 0.73, 0.73, 0.69, 0.61, 0.53, 0.49)
#: Least and greatest share in an hour.
_LOW, _HIGH = 0.10, 1.04


def write_weather(city: City, path: Path, year: int = 2025) -> Path:
    """Write the year as CSV with pvlib's names, stamped at the middle of each hour, in UTC."""
    latitude, longitude = city_latitude_longitude(city)
    data = weather_year(latitude, longitude, city.spec.seed, year)
    lines = [
        "# Simulated weather, no measurement",
        "# simulated: yes",
        "# time_is: middle",
        f"# latitude: {latitude:.5f}",
        f"# longitude: {longitude:.5f}",
    ]
    table = data.round(3)
    table.insert(0, "time", pd.DatetimeIndex(data.index).strftime("%Y-%m-%dT%H:%M:%SZ"))
    write_text(path, "\n".join(lines) + "\n" + table.to_csv(index=False, lineterminator="\n"))
    return path


def city_latitude_longitude(city: City) -> tuple[float, float]:
    """Latitude and longitude of the centre of the city [deg]."""
    to_degrees = Transformer.from_crs(city.spec.crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(*city.landscape.centre)
    return float(latitude), float(longitude)


def weather_year(latitude: float, longitude: float, seed: int, year: int) -> pd.DataFrame:
    """Hourly ``ghi, dni, dhi`` [W m-2], ``temp_air`` [degC], ``wind_speed`` [m s-1].

    Clear-sky irradiance (Ineichen and Perez 2002, doi:10.1016/S0038-092X(02)00045-2) times a
    random clearness with memory; beam and diffuse after Erbs et al. 1982
    (doi:10.1016/0038-092X(82)90302-4), so that ghi = dhi + dni cos(zenith) at the middle of the
    hour.
    """
    rng = np.random.default_rng([seed, 61])
    hours = pd.date_range(f"{year}-01-01", f"{year}-12-31 23:00", freq="h", tz="UTC")
    middle = hours + pd.Timedelta(minutes=30)
    sun = pvlib.solarposition.get_solarposition(middle, latitude, longitude)
    month = middle.month.to_numpy()
    turbidity = 3.2 - 0.6 * np.cos(2 * np.pi * (middle.dayofyear.to_numpy() - 15) / 365)
    air_mass = pvlib.atmosphere.get_absolute_airmass(
        pvlib.atmosphere.get_relative_airmass(sun["apparent_zenith"])
    )
    clear = pvlib.clearsky.ineichen(
        sun["apparent_zenith"], air_mass, pd.Series(turbidity, middle),
        dni_extra=pvlib.irradiance.get_extra_radiation(middle),
    )  # fmt: skip
    memory = _memory(rng, len(middle), 0.985) * 0.85 + _memory(rng, len(middle), 0.7) * 0.53
    clearness = _clearness(memory, np.array(CLEARNESS)[month - 1])
    ghi = clear["ghi"].fillna(0.0) * clearness
    ghi = ghi.where(sun["zenith"] < 90, 0.0)
    parts = pvlib.irradiance.erbs(ghi, sun["zenith"], middle)
    return pd.DataFrame(
        {
            "ghi": ghi,
            "dni": parts["dni"],
            "dhi": parts["dhi"],
            "temp_air": _temperature(rng, middle, longitude, clearness),
            "wind_speed": 3.3 * np.exp(0.38 * _memory(rng, len(middle), 0.95) - 0.1),
        },
        index=middle,
    )


def _memory(rng: np.random.Generator, count: int, correlation: float) -> F64:
    """Standard normal noise with a correlation from one hour to the next."""
    noise = rng.normal(0, np.sqrt(1 - correlation**2), count)
    out = np.empty(count)
    value = rng.normal()
    for k in range(count):
        value = correlation * value + noise[k]
        out[k] = value
    return out


def _clearness(memory: F64, mean: F64) -> F64:
    """Share of the clear-sky irradiance: a power of a uniform variable with the wanted mean."""
    power = (_HIGH - mean) / (mean - _LOW)
    return np.asarray(_LOW + (_HIGH - _LOW) * special.ndtr(memory) ** power)


def _temperature(
    rng: np.random.Generator, time: pd.DatetimeIndex, longitude: float, clearness: F64
) -> F64:
    """Air temperature: year, day (larger under clear skies), and spells of a few days."""
    season = np.cos(2 * np.pi * (time.dayofyear.to_numpy() - 200) / 365)
    solar_hour = time.hour.to_numpy() + 0.5 + longitude / 15
    day = np.cos(2 * np.pi * (solar_hour - 15) / 24)
    swing = (2.0 + 3.5 * clearness) * (0.65 + 0.35 * season)
    return np.asarray(11.5 + 7.5 * season + swing * day + 3 * _memory(rng, len(time), 0.99))
