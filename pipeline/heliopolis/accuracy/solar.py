"""Scores of the solar half against published and measured references.

Each function takes the folder of the real data and returns plain numbers: ``value``,
``reference`` and their difference, in percent where the name says so.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from heliopolis.io.weather import Weather, read_weather
from heliopolis.solar import pvwatts
from heliopolis.solar.diffuse import Transposition
from heliopolis.solar.irradiance import PlaneIrradiance, cos_incidence, transpose
from heliopolis.solar.sky import Sky, make_sky
from heliopolis.solar.yield_ import (
    Model,
    Mounting,
    behind_glass,
    cell_temperature,
    module_power,
    pv_yield,
)

_PVGIS = "solar/pvgis-hourly-48n17e/Timeseries_48.172_17.181_SA2_500kWp_crystSi_14_38deg_"
_PVGIS_FILE = _PVGIS + "-2deg_2005_2020.csv.gz"
#: Array types of the PVWatts runs.
_DENVER: dict[str, Mounting] = {"rackmount": "free", "roofmount": "building"}
#: Name, model and cooling (None: as the reference's array) of the chains that are compared.
_CHAINS: tuple[tuple[str, Model, Mounting | None], ...] = (
    ("pvwatts", "pvwatts", None),
    ("huld", "huld", "free"),
    ("huld_as_mounted", "huld", None),
)
#: References of the KNMI years, 35 deg, 14 % losses [kWh/kWp], by azimuth.
_KNMI_2023 = {"south": (180.0, 996.0), "east": (90.0, 784.0), "west": (270.0, 799.0)}
_TRY_SOUTH = 917.0


def score_pvgis(data_dir: Path) -> dict[str, float]:
    """Power chain on PVGIS's own in-plane irradiance, 16 years hourly, 38 deg south.

    Returns
    -------
    dict
        ``annual_error_percent``; ``hourly_nrmse_percent``: RMSE over daylight hours and nominal
        power; both yields [kWh/kWp].
    """
    nominal_kw = 500.0
    weather = read_weather(data_dir / _PVGIS_FILE, latitude=48.172, longitude=17.181)
    data = weather.data
    stand_in = data.assign(ghi=data[["gb_i", "gd_i", "gr_i"]].sum(axis=1), dni=0.0, dhi=0.0)
    sky = make_sky(stand_in, weather.times, 1.0, 48.172, 17.181, transposition="perez")
    day = stand_in["ghi"].to_numpy() > 0
    tilt, azimuth = np.array([38.0]), np.array([178.0])
    beam, diffuse, ground = (data[n].to_numpy()[None, day] for n in ("gb_i", "gd_i", "gr_i"))
    cosine = cos_incidence(sky.zenith_deg, sky.azimuth_deg, tilt, azimuth)
    plane = PlaneIrradiance(beam, diffuse, ground, cosine)
    truth = data["power_w"].to_numpy()[day] / 1000.0 / nominal_kw
    modelled = _hourly(sky, plane, tilt)
    years = len(data) / 8766.0
    return {
        "yield_kwh_kwp": float(modelled.sum() / years),
        "reference_kwh_kwp": float(truth.sum() / years),
        "annual_error_percent": 100.0 * float(modelled.sum() / truth.sum() - 1.0),
        "hourly_nrmse_percent": 100.0 * float(np.sqrt(np.mean((modelled - truth) ** 2))),
    }


def _hourly(sky: Sky, plane: PlaneIrradiance, tilt: Any) -> Any:
    """Hourly power over nominal power with 14 % losses."""
    cell = cell_temperature(sky, plane.total, "free")
    return module_power(behind_glass(plane, tilt), cell)[0] * 0.86


def score_denver(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Whole chain against PVWatts, Denver, 20 deg south, 14.08 % losses, inverter 96 %.

    The model ``pvwatts`` (that of the reference) is compared; beside it ``huld``, the default,
    free-standing as in PVGIS and as the array is mounted;
    ``steps_to_default_percent`` tells how far each part of the default chain moves the yield when
    it takes the place of PVWatts's, one after the other.
    """
    scores: dict[str, dict[str, Any]] = {}
    for kind, mounting in _DENVER.items():
        table = _pvwatts(data_dir / "solar" / "pvwatts-denver" / f"pvwatts_8760_{kind}.csv")
        times = pd.DatetimeIndex(table.index)
        sky = make_sky(table, times, 1.0, 39.73, -105.18)
        tilt, azimuth = np.array([20.0]), np.array([180.0])
        plane = transpose(sky, tilt, azimuth)
        reference = float(table["ac_w"].sum() / 4000.0)
        score: dict[str, Any] = {"reference_kwh_kwp": reference}
        for name, model, cooling in _CHAINS:
            found = pv_yield(
                sky,
                plane,
                tilt,
                mounting=cooling or mounting,
                losses_percent={"system": 14.08},
                model=model,
            ).energy_kwh_kwp_year[0]
            score[f"{name}_kwh_kwp"] = float(found)
            score[f"{name}_error_percent"] = 100.0 * float(found / reference - 1.0)
        poa = float((plane.total @ sky.hours)[0]) / 1000.0
        score["poa_error_percent"] = 100.0 * (poa / float(table["poa"].sum() / 1000.0) - 1.0)
        score["steps_to_default_percent"] = _steps(sky, plane, tilt, mounting)
        scores[kind] = score
    return scores


def _steps(sky: Sky, plane: PlaneIrradiance, tilt: Any, mounting: Mounting) -> dict[str, float]:
    """Change of the modules' energy as glass, cell temperature and module become the default's."""
    wind = sky.wind_m_s
    glass = pvwatts.behind_glass(plane), behind_glass(plane, tilt)
    cell = (
        pvwatts.cell_temperature(sky, plane.total, tilt, mounting, wind),
        cell_temperature(sky, plane.total, mounting),
    )
    chain = (
        pvwatts.module_power(glass[0], cell[0]),
        pvwatts.module_power(glass[1], cell[0]),
        pvwatts.module_power(glass[1], cell[1]),
        module_power(glass[1], cell[1]),
    )
    energy = [float((power @ sky.hours)[0]) for power in chain]
    names = ("glass", "cell_temperature", "module")
    return {name: 100.0 * (energy[i + 1] / energy[i] - 1.0) for i, name in enumerate(names)}


def _pvwatts(path: Path) -> pd.DataFrame:
    """Hourly output of PVWatts 5: local standard time, stamps at the beginning of the hour."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("Month,Day,Hour"))
    rows = [line for line in lines[header + 1 :] if line[:1].isdigit()]
    names = ["month", "day", "hour", "dni", "dhi", "temp_air", "wind_speed", "poa", "cell"]
    table = pd.read_csv(io.StringIO("\n".join(rows)), names=[*names, "dc_w", "ac_w"], dtype=float)
    local = pd.to_datetime(table[["month", "day", "hour"]].astype(int).assign(year=2015))
    middle = pd.DatetimeIndex(local) + pd.Timedelta(hours=7.5)
    return table.set_index(middle.tz_localize("UTC"))


def score_knmi(data_dir: Path) -> dict[str, dict[str, float]]:
    """Rotterdam 2023, measured global irradiance: 35 deg, 14 % losses, three directions."""
    path = data_dir / "solar" / "knmi" / "rotterdam344_2023_utc.csv"
    weather = read_weather(path, latitude=51.96, longitude=4.45)
    scores = {}
    for name, (azimuth, reference) in _KNMI_2023.items():
        scores[name] = _compare(_specific(weather, 51.96, 4.45, 35.0, azimuth), reference)
    return scores


def score_try(data_dir: Path) -> dict[str, dict[str, float]]:
    """DWD test reference year, Essen: 35 deg south, 14 % losses.

    Once with the sky model that the product chooses, once with Hay and Davies', which the
    reference seems to have used.
    """
    folder = data_dir / "solar" / "dwd-try"
    weather = read_weather(folder / "region05_TRY2015_514562070568_Jahr.dat")
    if weather.latitude is None or weather.longitude is None:
        return {}
    place = weather.latitude, weather.longitude
    simple = _specific(weather, *place, 35.0, 180.0, transposition="hay-davies")
    return {
        "south": _compare(_specific(weather, *place, 35.0, 180.0), _TRY_SOUTH),
        "south_hay_davies": _compare(simple, _TRY_SOUTH),
    }


def _specific(
    weather: Weather,
    latitude: float,
    longitude: float,
    tilt_deg: float,
    azimuth_deg: float,
    transposition: Transposition | None = None,
) -> float:
    """Specific yield [kWh/kWp] of free-standing modules with 14 % losses."""
    sky = make_sky(
        weather.data,
        weather.times,
        weather.step_hours,
        latitude,
        longitude,
        transposition=transposition,
    )
    tilt = np.array([tilt_deg])
    plane = transpose(sky, tilt, np.array([azimuth_deg]))
    found = pv_yield(
        sky,
        plane,
        tilt,
        losses_percent={"system": 14.0},
        inverter_efficiency=None,
    )
    return float(found.energy_kwh_kwp_year[0])


def _compare(value: float, reference: float) -> dict[str, float]:
    return {
        "yield_kwh_kwp": value,
        "reference_kwh_kwp": reference,
        "error_percent": 100.0 * (value / reference - 1.0),
    }
