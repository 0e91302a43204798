"""Weather files of each kind, and where their stamps lie."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest

from heliopolis.errors import InputError
from heliopolis.io.weather import closure, join, read_horizon, read_weather, read_years

SITE = {"latitude": 48.0, "longitude": 2.0}


def table(shift_hours: float = 0.0, days: int = 60) -> pd.DataFrame:
    """Weather whose sun stands where it did ``shift_hours`` after each stamp."""
    stamps = pd.date_range("2021-04-01", periods=24 * days, freq="h", tz="UTC")
    sun = pvlib.solarposition.get_solarposition(stamps + pd.Timedelta(hours=shift_hours), 48.0, 2.0)
    up = np.maximum(np.cos(np.radians(sun["apparent_zenith"].to_numpy())), 0.0)
    dni = np.where(up > 0, 700.0, 0.0)
    return pd.DataFrame(
        {"time": stamps, "ghi": dni * up + 90 * up, "dni": dni, "dhi": 90 * up,
         "temp_air": 10.0, "wind_speed": 2.0}
    )  # fmt: skip


def write(path: Path, frame: pd.DataFrame, comment: str = "") -> Path:
    path.write_text(comment + frame.to_csv(index=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "minutes"), [("start", 30), ("middle", 0), ("end", -30), ("instant", 0)]
)
def test_own_csv_says_where_stamps_lie(tmp_path: Path, kind: str, minutes: int) -> None:
    path = write(tmp_path / "w.csv", table(), f"# time_is: {kind}\n")
    weather = read_weather(path)
    assert weather.time_is == kind
    assert weather.times[0] == weather.data.index[0] + pd.Timedelta(minutes=minutes)
    assert weather.step_hours == 1.0
    assert list(weather.data.columns) == ["ghi", "dni", "dhi", "temp_air", "wind_speed"]


@pytest.mark.parametrize(("shift", "kind"), [(0.5, "start"), (0.0, "instant"), (-0.5, "end")])
def test_silent_csv_is_tested_by_closure(tmp_path: Path, shift: float, kind: str) -> None:
    weather = read_weather(write(tmp_path / "w.csv", table(shift)), **SITE)
    assert weather.time_is == kind
    assert any("does not say" in note for note in weather.warnings)


def test_wrong_stamps_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", table(0.5), "# time_is: end\n")
    weather = read_weather(path, **SITE)
    assert any("shift of +1.00 h" in note for note in weather.warnings)
    found = closure(weather, 48.0, 2.0)
    assert found is not None
    assert found["best_rmse_w_m2"] < 1 < found["rmse_w_m2"]


def test_knmi_style(tmp_path: Path) -> None:
    frame = table(-0.5).rename(
        columns={
            "time": "interval_end_utc",
            "ghi": "ghi_Wm2_measured",
            "dni": "dni_erbs",
            "dhi": "dhi_erbs",
            "temp_air": "temp_air_C",
            "wind_speed": "wind_speed_10m",
        }
    )
    weather = read_weather(write(tmp_path / "k.csv", frame))
    assert weather.time_is == "end"
    assert "temp_air" in weather.data


def test_record_that_never_closes_is_warned_of(tmp_path: Path) -> None:
    frame = table()
    frame["ghi"] *= 0.8
    weather = read_weather(write(tmp_path / "w.csv", frame, "# time_is: instant\n"), **SITE)
    assert any("no shift in time mends it" in note for note in weather.warnings)


def test_knmi_station_file(tmp_path: Path) -> None:
    text = (
        "# SOURCE: ROYAL NETHERLANDS METEOROLOGICAL INSTITUTE\n"
        "# Q : global radiation (J/cm2)\n"
        "# STN,YYYYMMDD,   HH,   FH,    T,    Q\n"
        "  344,20230601,   11,   30,  185,  288\n"
        "  344,20230601,   12,   40,  190,     \n"
        "  344,20230601,   24,   40, -191,    0\n"
    )
    path = tmp_path / "k.txt"
    path.write_text(text, encoding="utf-8")
    weather = read_weather(path)
    assert weather.times[0] == pd.Timestamp("2023-06-01 10:30", tz="UTC")
    assert weather.times[2] == pd.Timestamp("2023-06-01 23:30", tz="UTC")
    assert weather.data["ghi"].iloc[0] == pytest.approx(800.0)
    assert np.isnan(weather.data["ghi"].iloc[1])
    assert weather.data["temp_air"].tolist() == pytest.approx([18.5, 19.0, -19.1])
    assert weather.data["wind_speed"].iloc[0] == 3.0


def test_pvgis_json_and_csv_are_the_same(tmp_path: Path) -> None:
    rows = [
        {"time": f"20200101:{h:02d}10", "Gb(i)": 10.0 * h, "Gd(i)": 5.0, "Gr(i)": 1.0,
         "T2m": 3.0, "WS10m": 2.0}
        for h in range(24)
    ]  # fmt: skip
    place = {"location": {"latitude": 45.0, "longitude": 8.0}}
    record = {"inputs": place, "outputs": {"hourly": rows}}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    head = "Latitude (decimal degrees):\t45.000\nLongitude (decimal degrees):\t8.000\n\n"
    csv = tmp_path / "p.csv"
    csv.write_text(head + pd.DataFrame(rows).to_csv(index=False) + "\nP: power\n", encoding="utf-8")
    one, two = read_weather(path), read_weather(csv)
    pd.testing.assert_frame_equal(one.data, two.data)
    assert one.in_plane
    assert one.time_is == "instant"
    assert (two.latitude, two.longitude) == (45.0, 8.0)
    assert one.times[0].minute == 10


def test_epw_hours_end_in_local_time(tmp_path: Path) -> None:
    head = ["LOCATION,Paris,-,FRA,SRC,071500,48.73,2.4,1.0,96.0"]
    head += [
        "DESIGN",
        "TYPICAL",
        "GROUND",
        "HOLIDAYS",
        "C1",
        "C2",
        "DATA,1,1,Data,Sunday,1/1,12/31",
    ]
    rows = []
    for k in range(48):
        cells = ["2019", "1", str(1 + k // 24), str(1 + k % 24), "60", "?9"] + ["0"] * 29
        cells[6], cells[13], cells[14], cells[15], cells[21] = "5.0", str(k), "1", "2", "3.0"
        rows.append(",".join(cells))
    path = tmp_path / "a.epw"
    path.write_text("\n".join(head + rows) + "\n", encoding="utf-8")
    weather = read_weather(path)
    assert weather.times[0] == pd.Timestamp("2018-12-31 23:30", tz="UTC")
    assert weather.data["ghi"].iloc[5] == 5.0
    assert weather.latitude == pytest.approx(48.73)


def test_dwd_try_beam_is_horizontal(tmp_path: Path) -> None:
    text = (
        "Koordinatensystem : Lambert konform konisch\n\n"
        "     RW      HW MM DD HH     t    p  WR   WG N    x  RF    B    D   A    E IL\n*** \n"
        "3802500 2745500  6  1 12  20.0  997 106  5.5 7  3.0  78  400  200 272 -300  1\n"
        "3802500 2745500  6  1 13  20.0  997 106  5.5 7  3.0  78  410  190 272 -300  1\n"
    )
    path = tmp_path / "t.dat"
    path.write_text(text, encoding="utf-8")
    weather = read_weather(path)
    assert weather.times[0] == pd.Timestamp("2015-06-01 10:30", tz="UTC")
    assert list(weather.data["bhi"]) == [400, 410]
    assert (weather.latitude, weather.longitude) == pytest.approx((51.456, 7.057), abs=1e-3)


def test_several_years_are_joined_in_order(tmp_path: Path) -> None:
    later = table()
    later["time"] += pd.Timedelta(days=365)
    paths = [write(tmp_path / "b.csv", later), write(tmp_path / "a.csv", table())]
    data, times, step = join(read_years(paths, **SITE))
    assert len(data) == 2 * 60 * 24
    assert times.is_monotonic_increasing
    assert step == 1.0


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.csv"):
        read_weather(tmp_path / "no.csv")
    bad = tmp_path / "bad.csv"
    bad.write_text("time,rain\n2020-01-01,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no irradiance"):
        read_weather(bad)
    odd = write(tmp_path / "odd.csv", table(days=1), "# time_is: noon\n")
    with pytest.raises(InputError, match="noon"):
        read_weather(odd)


def test_horizon_file(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text("azimuth_deg,elevation_deg\n360,3\n90,10\n", encoding="utf-8")
    azimuth, elevation = read_horizon(path)
    assert list(azimuth) == [0, 90]
    assert list(elevation) == [3, 10]
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="azimuth_deg"):
        read_horizon(path)
