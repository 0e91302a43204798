from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from odc.geo.geom import box

from heliopolis.errors import ConfigError
from heliopolis.io.archives import acquire, open_archive
from heliopolis.io.archives.pvgis import Pvgis
from heliopolis.io.remote.client import CorruptError
from heliopolis.io.weather import read_weather

AREA = box(7.9951, 44.9951, 8.0051, 45.0051, "EPSG:4326")
METEO = {"radiation_db": "PVGIS-SARAH3", "year_min": 2005, "year_max": 2023}


def _tmy(rows: list[dict[str, Any]], offset: float = 0.0) -> bytes:
    place = {"latitude": 45.0, "longitude": 8.0, "elevation": 250.0}
    record = {
        "inputs": {
            "location": {**place, "irradiance_time_offset": offset},
            "meteo_data": METEO,
        },
        "outputs": {"months_selected": [], "tmy_hourly": rows},
        "meta": {},
    }
    return json.dumps(record).encode()


def _made_up() -> list[dict[str, Any]]:
    times = pd.date_range("2018-01-01", periods=8760, freq="h").strftime("%Y%m%d:%H%M")
    return [
        {"time(UTC)": t, "T2m": 12.0, "RH": 60.0, "G(h)": 0.0, "Gb(n)": 0.0, "Gd(h)": 0.0,
         "IR(h)": 300.0, "WS10m": 2.0, "WD10m": 0.0, "SP": 99870.0}
        for t in times
    ]  # fmt: skip


def test_the_year_is_asked_for_once_and_read_as_it_came(
    web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    body = _tmy(_made_up())
    web.routes["/api/v5_3/tmy"] = lambda _: body
    archive = Pvgis(api_url=f"{web.url}/api/v5_3")
    target = tmp_path / "weather.json"
    delivery = acquire("weather", archive, AREA, "EPSG:32632", target, store)
    assert target.read_bytes() == body
    assert len(read_weather(target).data) == 8760
    assert web.asked[0].query == {
        "LAT": "45.00", "LON": "8.00", "OUTPUTFORMAT": "json", "USEHORIZON": "0"
    }  # fmt: skip
    assert delivery.year == 2023 and "PVGIS-SARAH3" in delivery.note
    nearby = box(7.9961, 44.9971, 8.0059, 45.0061, "EPSG:4326")
    acquire("weather", archive, nearby, "EPSG:32632", tmp_path / "again.json", offline)
    assert web.count("/api") == 1


def test_hours_of_chosen_years(web: Any, store: Any, tmp_path: Path) -> None:
    times = pd.date_range("2020-01-01 00:10", periods=8784, freq="h").strftime("%Y%m%d:%H%M")
    rows = [
        {"time": t, "Gb(i)": 300.0, "Gd(i)": 100.0, "Gr(i)": 0.0, "H_sun": 30.0, "T2m": 10.0,
         "WS10m": 3.0, "Int": 0.0}
        for t in times
    ]  # fmt: skip
    record = {
        "inputs": {
            "location": {"latitude": 45.0, "longitude": 8.0},
            "meteo_data": METEO,
            "mounting_system": {"fixed": {"slope": {"value": 0, "optimal": False}}},
        },
        "outputs": {"hourly": rows},
    }
    web.routes["/api/v5_3/seriescalc"] = lambda _: json.dumps(record).encode()
    settings = {
        "api_url": f"{web.url}/api/v5_3",
        "product": "hourly",
        "start_year": 2020,
        "end_year": 2020,
    }
    archive = open_archive("pvgis", settings)
    acquire("weather", archive, AREA, "EPSG:32632", tmp_path / "h.json", store)
    asked = web.asked[0].query
    assert (asked["STARTYEAR"], asked["ENDYEAR"], asked["COMPONENTS"]) == ("2020", "2020", "1")
    weather = read_weather(tmp_path / "h.json")
    assert len(weather.data) == 8784 and weather.times[0].minute == 10
    # On a plane of slope 0: beam, diffuse and global of the horizontal.
    first = weather.data.iloc[0]
    assert (first["bhi"], first["dhi"], first["ghi"]) == (300.0, 100.0, 400.0)
    assert not weather.in_plane


def test_hours_without_years_are_refused(store: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start_year"):
        acquire("weather", Pvgis(product="hourly"), AREA, "EPSG:32632", tmp_path / "w", store)


@pytest.mark.parametrize("body", [_tmy(_made_up()[:5000]), b'{"message": "over the sea"}'])
def test_less_than_a_year_is_no_weather(body: bytes, web: Any, store: Any, tmp_path: Path) -> None:
    web.routes["/v5_3"] = lambda _: body
    with pytest.raises(CorruptError, match="no whole year"):
        acquire(
            "weather", Pvgis(api_url=f"{web.url}/v5_3"), AREA, "EPSG:32632", tmp_path / "w", store
        )


@pytest.mark.real
def test_a_recorded_year_gives_the_same_weather_as_its_csv(
    web: Any, store: Any, tmp_path: Path, data_dir: Path
) -> None:
    recorded = next((data_dir / "solar" / "pvgis-tmy-45n8e").glob("tmy_*.csv"))
    lines = recorded.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("time(UTC)"))
    rows = [
        {k: v if k == "time(UTC)" else float(v) for k, v in row.items()}
        for row in csv.DictReader(lines[first : first + 8761])
    ]
    web.routes["/v5_3/tmy"] = lambda _: _tmy(rows, 0.1761)
    target = tmp_path / "w.json"
    acquire("weather", Pvgis(api_url=f"{web.url}/v5_3"), AREA, "EPSG:32632", target, store)
    made, told = read_weather(target), read_weather(recorded)
    pd.testing.assert_frame_equal(made.data, told.data)
    pd.testing.assert_index_equal(made.times, told.times)
    assert made.data["ghi"].sum() / 1000 == pytest.approx(1436, abs=1)
