"""Weather files: own CSV, KNMI, PVGIS (CSV, JSON), EPW and DWD TRY, as one kind of table."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pvlib
from pyproj import Transformer

from heliopolis.errors import InputError
from heliopolis.io.limits import LARGEST_TEXT, LONGEST_LINE, guarded, parse_json, too_large

TimeIs = Literal["start", "middle", "end", "instant"]

#: What a column may be called, in lower case, and its pvlib name.
_NAMES = {
    "ghi": ("ghi", "g(h)", "ghi_wm2_measured", "ghi_wm2", "global_irradiance"),
    "dni": ("dni", "gb(n)", "dni_erbs", "dni_wm2"),
    "dhi": ("dhi", "gd(h)", "dhi_erbs", "dhi_wm2", "diffuse_irradiance"),
    "gb_i": ("gb_i", "gb(i)"),
    "gd_i": ("gd_i", "gd(i)"),
    "gr_i": ("gr_i", "gr(i)"),
    "temp_air": ("temp_air", "t2m", "temp_air_c", "temperature"),
    "wind_speed": ("wind_speed", "ws10m", "wind_speed_10m"),
    "power_w": ("p",),
}
_TIME_COLUMNS = {"time": None, "time(utc)": None, "interval_end_utc": "end", "timestamp": None}
#: Error of closure beyond which a record is warned of [W m-2].
_CLOSURE_W_M2 = 15.0
_STRIDES = (1, 5, 7, 11, 13, 17, 23, 47, 61)
_SHIFT = {"start": 0.5, "middle": 0.0, "end": -0.5, "instant": 0.0}


@dataclass(frozen=True)
class Weather:
    """A weather record of one site.

    Attributes
    ----------
    data
        Index: the stamps of the file, UTC. Columns as far as the file has them: ``ghi, dni,
        dhi`` (``bhi``: beam on the horizontal; or ``gb_i, gd_i, gr_i`` in a plane) [W m-2],
        ``temp_air`` [degC], ``wind_speed`` [m s-1].
    time_is
        Where in its interval a stamp lies.
    step_hours
        Length of an interval.
    offset_hours
        How much later than its stamp a value was measured (PVGIS), beside ``time_is``.
    latitude, longitude
        Site, where the file names it [deg].
    warnings
        What a reader of the results should know.
    """

    data: pd.DataFrame
    time_is: TimeIs
    step_hours: float
    offset_hours: float = 0.0
    latitude: float | None = None
    longitude: float | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def times(self) -> pd.DatetimeIndex:
        """Middle of each interval, for which the sun's position holds."""
        shift = _SHIFT[self.time_is] * self.step_hours + self.offset_hours
        return pd.DatetimeIndex(self.data.index) + pd.Timedelta(hours=shift)

    @property
    def in_plane(self) -> bool:
        """Whether the file holds plane-of-array components."""
        return {"gb_i", "gd_i", "gr_i"} <= set(self.data.columns)


@guarded("the weather file")
def read_weather(
    path: Path, *, latitude: float | None = None, longitude: float | None = None
) -> Weather:
    """Read a weather file of any known kind.

    Parameters
    ----------
    path
        CSV (own, KNMI style, PVGIS), JSON (PVGIS), EPW, or DWD TRY (``.dat``); gzip allowed.
    latitude, longitude
        Site [deg]; with it a file that does not say where its stamps lie is tested for it.

    Raises
    ------
    InputError
        If the file is missing, of an unknown kind, or lacks irradiance.
    """
    text = _text(path)
    weather = _reader(path, text)(path, text)
    if latitude is not None and longitude is not None:
        weather = replace(weather, latitude=latitude, longitude=longitude)
    return _settle(weather, path)


def read_years(
    paths: Sequence[Path], *, latitude: float | None = None, longitude: float | None = None
) -> list[Weather]:
    """Read several weather files of one site, in the order of their names."""
    if not paths:
        raise InputError("no weather file was given", remedy="Name at least one weather file")
    return [
        read_weather(path, latitude=latitude, longitude=longitude)
        for path in sorted(paths, key=lambda p: p.name)
    ]


def join(years: Sequence[Weather]) -> tuple[pd.DataFrame, pd.DatetimeIndex, float]:
    """Rows, mid-interval times and step of several records, first come first kept."""
    steps = {w.step_hours for w in years}
    if len(steps) > 1:
        raise InputError(
            f"the weather files have different steps: {sorted(steps)} h",
            remedy="Give files with one and the same step",
        )
    frames = [w.data.set_axis(w.times, axis=0) for w in years]
    data = pd.concat(frames)
    data = data[~data.index.duplicated()]
    return data, pd.DatetimeIndex(data.index), years[0].step_hours


def closure(weather: Weather, latitude: float, longitude: float) -> dict[str, float] | None:
    """How well global agrees with beam and diffuse, and with what shift of time it would best.

    Returns
    -------
    dict or None
        ``rmse_w_m2`` and ``bias_w_m2`` of ``dni cos(zenith) + dhi - ghi`` at ``times``, over
        hours with the sun above 5 deg; ``best_shift_hours`` and ``best_rmse_w_m2``: the shift of
        ``times`` within an hour that makes it least. None where a component is not given.
    """
    data = weather.data
    if not {"ghi", "dni", "dhi"} <= set(data.columns):
        return None
    # Strides that are prime to 24 and 96 take every time of the day.
    stride = next((n for n in _STRIDES if len(data) / n <= 3000), _STRIDES[-1])
    sample = slice(None, None, stride)
    ghi, dni, dhi = (data[c].to_numpy(dtype=float)[sample] for c in ("ghi", "dni", "dhi"))
    times = weather.times[sample]

    def error(shift: float) -> tuple[float, float]:
        moved = times + pd.Timedelta(hours=shift)
        found = pvlib.solarposition.get_solarposition(moved, latitude, longitude)
        elevation = found["apparent_elevation"].to_numpy()
        good = (elevation > 5.0) & (ghi > 0) & np.isfinite(ghi + dni + dhi)
        rest = dni * np.sin(np.radians(elevation)) + dhi - ghi
        if not good.any():
            return float("nan"), float("nan")
        return float(np.sqrt(np.mean(rest[good] ** 2))), float(rest[good].mean())

    shifts = [round(0.125 * k, 3) for k in range(-8, 9)]
    scores = {shift: error(shift)[0] for shift in shifts}
    best = min(shifts, key=lambda s: (scores[s], abs(s)))
    rmse, bias = error(0.0)
    return {
        "rmse_w_m2": rmse,
        "bias_w_m2": bias,
        "best_shift_hours": best,
        "best_rmse_w_m2": scores[best],
    }


@guarded("the horizon file")
def read_horizon(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Azimuths and elevations [deg] of a horizon file (``azimuth_deg,elevation_deg``), sorted."""
    try:
        table = pd.read_csv(path, comment="#")
        azimuth = table["azimuth_deg"].to_numpy(dtype=float) % 360.0
        elevation = table["elevation_deg"].to_numpy(dtype=float)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            "the horizon file cannot be read",
            where=str(path),
            remedy="Give a CSV with the columns azimuth_deg, elevation_deg",
        ) from error
    if azimuth.size == 0 or not np.isfinite(azimuth + elevation).all():
        raise InputError("the horizon file is empty or has gaps", where=str(path))
    order = np.argsort(azimuth, kind="stable")
    return azimuth[order], elevation[order]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_TEXT:
            size = f"{path.stat().st_size / 1e6:.0f} MB"
            raise too_large("the weather file", path, size, f"{LARGEST_TEXT / 1e6:.0f} MB")
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(raw)) as packed:
                raw = packed.read(LARGEST_TEXT + 1)
            if len(raw) > LARGEST_TEXT:
                limit = f"{LARGEST_TEXT / 1e6:.0f} MB"
                raise too_large("the weather file", path, "more when unpacked", limit)
    except OSError as error:
        raise InputError(
            "the weather file cannot be read", where=str(path), remedy="Check the path"
        ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    # What is packed into one line is JSON; in a table no number is that long.
    longest = max(map(len, text.splitlines()), default=0)
    if longest > LONGEST_LINE and not text.lstrip().startswith("{"):
        found = f"a line of {longest} characters"
        raise too_large("the weather file", path, found, f"{LONGEST_LINE} characters")
    return text


def _reader(path: Path, text: str) -> Callable[[Path, str], Weather]:
    head = text[:6000]
    if text.startswith("LOCATION,"):
        return _read_epw
    if head.lstrip().startswith("{"):
        return _read_pvgis_json
    if "\n***" in head:
        return _read_try
    if re.search(r"^#?\s*STN\s*,\s*YYYYMMDD\s*,\s*HH\b", text, flags=re.MULTILINE):
        return _read_knmi
    return _read_csv


def _read_epw(path: Path, text: str) -> Weather:
    """EnergyPlus weather; hours 1 to 24 of local standard time, at their end."""
    data, meta = pvlib.iotools.read_epw(io.StringIO(text))
    # The library sets the stamps back to the beginning of the hour.
    data.index = pd.DatetimeIndex(data.index).tz_convert("UTC")
    wanted = ["ghi", "dni", "dhi", "temp_air", "wind_speed"]
    return Weather(
        data[wanted].astype(float),
        "start",
        1.0,
        latitude=float(meta["latitude"]),
        longitude=float(meta["longitude"]),
    )


def _read_pvgis_json(path: Path, text: str) -> Weather:
    """PVGIS hourly or TMY, JSON; hours on a plane of slope 0 are those of the horizontal."""
    try:
        record = parse_json(text, path, what="the weather file")
        outputs = record["outputs"]
        rows = outputs.get("hourly", outputs.get("tmy_hourly"))
        place = record["inputs"]["location"]
        table = pd.DataFrame(rows)
    except (ValueError, KeyError) as error:
        raise _unknown(path, "it is not PVGIS JSON of an hourly series or a TMY") from error
    offset = float(place.get("irradiance_time_offset", 0.0))
    weather = _pvgis(path, table, place.get("latitude"), place.get("longitude"), offset)
    fixed = record["inputs"].get("mounting_system", {}).get("fixed", {})
    if weather.in_plane and fixed.get("slope", {}).get("value") == 0:
        flat = weather.data.rename(columns={"gb_i": "bhi", "gd_i": "dhi"}).drop(columns="gr_i")
        weather = replace(weather, data=flat.assign(ghi=flat["bhi"] + flat["dhi"]))
    return weather


def _read_csv(path: Path, text: str) -> Weather:
    """CSV with a header line after optional comments or PVGIS metadata."""
    lines = text.splitlines()
    header = next((i for i, line in enumerate(lines) if _is_header(line)), None)
    if header is None:
        raise _unknown(path, "no header line with a time column was found")
    comments = "\n".join(lines[:header])
    body = [lines[header]]
    for line in lines[header + 1 :]:
        if line.startswith("#"):
            continue
        if not line[:1].isdigit():
            break
        body.append(line)
    table = pd.read_csv(io.StringIO("\n".join(body)))
    latitude, longitude = _number(comments, "latitude"), _number(comments, "longitude")
    first = str(table.iloc[0, 0]) if len(table) else ""
    if re.fullmatch(r"\d{8}:\d{4}", first):
        offset = _number(comments, r"irradiance time offset[^:]*") or 0.0
        return _pvgis(path, table, latitude, longitude, offset)
    named = re.search(r"time_is:\s*(\w+)", comments)
    if named and named[1] not in _SHIFT:
        raise _unknown(path, f"time_is: {named[1]} is none of start, middle, end, instant")
    index, said = _stamps(path, table)
    time_is: Any = named[1] if named else said
    data = _columns(path, table).set_axis(index, axis=0)
    step = _step_hours(index)
    return Weather(data, time_is, step, latitude=latitude, longitude=longitude)


def _is_header(line: str) -> bool:
    cells = [cell.strip().lower() for cell in line.split(",")]
    return len(cells) > 1 and (any(c in _TIME_COLUMNS for c in cells) or cells[:3] == _YMD)


_YMD = ["year", "month", "day"]


def _stamps(path: Path, table: pd.DataFrame) -> tuple[pd.DatetimeIndex, str | None]:
    """UTC stamps of a CSV, and where the name of their column says that they lie."""
    lower = {str(c).strip().lower(): c for c in table.columns}
    try:
        for name, said in _TIME_COLUMNS.items():
            if name in lower:
                return pd.DatetimeIndex(pd.to_datetime(table[lower[name]], utc=True)), said
        parts = {k: table[lower[k]] for k in [*_YMD, "hour", "minute"] if k in lower}
        return pd.DatetimeIndex(pd.to_datetime(pd.DataFrame(parts), utc=True)), None
    except (ValueError, TypeError) as error:
        raise _unknown(path, f"its times cannot be understood: {error}") from error


def _pvgis(path: Path, table: pd.DataFrame, lat: Any, lon: Any, offset: float) -> Weather:
    """PVGIS rows: instants ``YYYYMMDD:HHMM`` UTC, with an offset that a TMY names apart."""
    times = table.iloc[:, [str(c).lower().startswith("time") for c in table.columns].index(True)]
    index = pd.DatetimeIndex(pd.to_datetime(times, format="%Y%m%d:%H%M", utc=True))
    data = _columns(path, table).set_axis(index, axis=0)
    return Weather(
        data,
        "instant",
        1.0,
        offset_hours=offset,
        latitude=None if lat is None else float(lat),
        longitude=None if lon is None else float(lon),
    )


def _read_try(path: Path, text: str) -> Weather:
    """DWD test reference year: hours 1 to 24 of UTC+1, at their end; B is on the horizontal."""
    lines = text.splitlines()
    star = next(i for i, line in enumerate(lines) if line.startswith("***"))
    names = next(line for line in reversed(lines[:star]) if line.strip()).split()
    table = pd.read_csv(io.StringIO("\n".join(lines[star + 1 :])), sep=r"\s+", names=names)
    try:
        frame = pd.DataFrame({"year": 2015, "month": table["MM"], "day": table["DD"]})
        index = pd.to_datetime(frame) + pd.to_timedelta(table["HH"] - 1.0, unit="h")
        data = pd.DataFrame(
            {
                "bhi": table["B"].astype(float),
                "dhi": table["D"].astype(float),
                "temp_air": table["t"].astype(float),
                "wind_speed": table["WG"].astype(float),
            }
        ).set_axis(pd.DatetimeIndex(index).tz_localize("UTC"), axis=0)
        east, north = float(table["RW"].iloc[0]), float(table["HW"].iloc[0])
    except (KeyError, ValueError) as error:
        raise _unknown(path, f"it is not a DWD TRY file: {error}") from error
    longitude, latitude = Transformer.from_crs(3034, 4326, always_xy=True).transform(east, north)
    return Weather(data, "end", 1.0, latitude=latitude, longitude=longitude)


def _read_knmi(path: Path, text: str) -> Weather:
    """Hourly file of a KNMI station: hours 1 to 24 UTC at their end, Q in J/cm2, T in 0.1 degC."""
    lines = [line.lstrip("# ") for line in text.splitlines() if line.strip()]
    first = next(i for i, line in enumerate(lines) if re.match(r"STN\s*,\s*YYYYMMDD", line))
    names = [name.strip() for name in lines[first].split(",")]
    rows = [line for line in lines[first + 1 :] if line[:1].isdigit()]
    table = pd.read_csv(
        io.StringIO("\n".join(rows)), names=names, skipinitialspace=True, index_col=False
    )
    try:
        day = pd.to_datetime(table["YYYYMMDD"].astype(str), format="%Y%m%d", utc=True)
        index = pd.DatetimeIndex(day + pd.to_timedelta(table["HH"], unit="h"))
        joules, tenths, wind = (
            pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
            for name in ("Q", "T", "FH")
        )
    except (KeyError, ValueError) as error:
        raise _unknown(path, f"it is not an hourly KNMI file with Q, T and FH: {error}") from error
    data = {"ghi": joules * 1e4 / 3600.0, "temp_air": tenths / 10.0, "wind_speed": wind / 10.0}
    return Weather(pd.DataFrame(data, index=index), "end", 1.0)


def _columns(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Known columns under their pvlib names."""
    lower = {str(c).strip().lower(): c for c in table.columns}
    found: dict[str, pd.Series] = {}
    for name, aliases in _NAMES.items():
        column = next((lower[a] for a in aliases if a in lower), None)
        if column is not None:
            found[name] = pd.to_numeric(table[column], errors="coerce")
    if not ({"ghi", "gb_i"} & found.keys() or {"dni", "dhi"} <= found.keys()):
        raise _unknown(path, "it has no irradiance: ghi, or dni and dhi, or gb_i, gd_i, gr_i")
    return pd.DataFrame({k: v.to_numpy(dtype=float) for k, v in found.items()})


def _step_hours(index: pd.DatetimeIndex) -> float:
    if len(index) < 2:
        return 1.0
    return float(np.median(np.diff(index.asi8.astype(float)))) * _unit_hours(index)


def _unit_hours(index: pd.DatetimeIndex) -> float:
    return pd.Timedelta(1, unit=index.unit).total_seconds() / 3600.0


def _number(text: str, name: str) -> float | None:
    found = re.search(rf"{name}[^:\n]*:\s*(-?\d+(?:\.\d+)?)", text, flags=re.IGNORECASE)
    return float(found[1]) if found else None


def _unknown(path: Path, why: str) -> InputError:
    return InputError(
        f"the weather file is of no kind that is known: {why}",
        where=str(path),
        remedy="Give a CSV with the columns time (UTC), ghi, dni, dhi, temp_air, wind_speed, or "
        "an EPW, PVGIS or DWD TRY file",
    )


def _settle(weather: Weather, path: Path) -> Weather:
    """Find out what the file does not say: where stamps lie; and test its closure."""
    notes: list[str] = []
    site = weather.latitude, weather.longitude
    if weather.time_is is None:
        weather = replace(weather, time_is="instant")
        kind: TimeIs = "instant"
        if site[0] is not None and site[1] is not None:
            kind = _best_kind(weather, site[0], site[1])
        weather = replace(weather, time_is=kind)
        notes.append(f"{path.name}: does not say where its stamps lie; taken as {kind}")
    if site[0] is not None and site[1] is not None:
        found = closure(weather, site[0], site[1])
        if found and found["rmse_w_m2"] > _CLOSURE_W_M2:
            notes.append(f"{path.name}: {_told(found)}")
    return replace(weather, warnings=tuple(notes))


def _told(found: dict[str, float]) -> str:
    """What a reader should know of a record that does not close."""
    note = f"ghi and dni cos(zenith) + dhi differ by {found['rmse_w_m2']:.0f} W/m2 (RMS)"
    shift, best = found["best_shift_hours"], found["best_rmse_w_m2"]
    if abs(shift) > 0.1 and best < 0.8 * found["rmse_w_m2"]:
        return f"{note}; a shift of {shift:+.2f} h would make it {best:.0f}"
    return f"{note}, {found['bias_w_m2']:+.0f} on average, and no shift in time mends it"


def _best_kind(weather: Weather, latitude: float, longitude: float) -> TimeIs:
    """The place of the stamps with the least error of closure; instants where it is a tie."""
    kinds: tuple[TimeIs, ...] = ("instant", "start", "end")
    scores = []
    for kind in kinds:
        found = closure(replace(weather, time_is=kind), latitude, longitude)
        scores.append(found["rmse_w_m2"] if found else 0.0)
    best = int(np.argmin(scores))
    return kinds[best] if scores[best] < 0.8 * scores[0] else "instant"
