"""Ratios of yields over tilt, azimuth and horizon against 160 answers of PVGIS.

The weather behind the answers is not given. Hours of another place of the same latitude are
scaled, month by month, so that the two horizontal cases, free and with all beam hidden, agree;
the other 120 cases (tilts of 30, 60 and 90 deg) and the other horizons of the horizontal then
say how light is laid on planes and taken away by horizons.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from heliopolis.io.weather import join, read_years
from heliopolis.solar.diffuse import Transposition
from heliopolis.solar.irradiance import Shading, shading_of, transpose
from heliopolis.solar.sky import Sky, make_sky, sun_position
from heliopolis.solar.yield_ import pv_yield

_LATITUDE, _LONGITUDE = 51.711, -1.978
#: Place of the hours that are scaled.
_HOURS_LONGITUDE, _HOURS_LATITUDE = 4.45, 51.96
_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_ROUNDS = 6
_FLAT = np.zeros(1)


def score_pvgis_grid(data_dir: Path) -> dict[str, Any]:
    """Differences of the ratio to the free horizontal plane, in points of a per cent.

    Returns
    -------
    dict
        For the sky of PVGIS (Muneer) with horizons that hide beam and circumsolar light, for our
        sky (Hay and Davies) with the same horizons, and for our sky where they hide the sky too:
        mean and greatest absolute difference, share within 3 points, and rank correlation.
    """
    cases = pd.read_csv(data_dir / "solar" / "pvgis-grid-51n2w" / "pvcalc_grid.csv")
    free = (cases["horizon"] == "h_none") & (cases["tilt_deg"] == 0)
    reference = cases["E_y_kWh_per_kWp"].to_numpy()
    reference = reference / reference[free].mean()
    scores: dict[str, Any] = {}
    for name, model, shade_diffuse in (
        ("beam_muneer", "muneer", False),
        ("beam_hay_davies", "hay-davies", False),
        ("sky_view_hay_davies", "hay-davies", True),
    ):
        kind: Transposition = "muneer" if model == "muneer" else "hay-davies"
        found = _yields(cases, _scaled_sky(data_dir, cases, kind), shade_diffuse)
        scores[name] = _compare(found / found[free].mean(), reference)
    return scores


def _compare(found: Any, reference: Any) -> dict[str, float]:
    off = 100.0 * (found - reference)
    ranks = pd.Series(found).corr(pd.Series(reference), method="spearman")
    return {
        "difference_mean_points": float(np.abs(off).mean()),
        "difference_max_points": float(np.abs(off).max()),
        "bias_points": float(off.mean()),
        "share_within_3_points": float((np.abs(off) <= 3.0).mean()),
        "rank_correlation": float(ranks),
    }


def _yields(cases: pd.DataFrame, sky: Sky, shade_diffuse: bool) -> Any:
    """Yield of a year of each case, without losses [kWh/kWp]."""
    rings = cases[[f"hor_{a}" for a in range(0, 360, 45)]].to_numpy(dtype=float)
    looks, ring = np.arange(0.0, 360.0, 45.0), np.arange(360.0)
    angles = np.stack([np.interp(ring, looks, r, period=360.0) for r in rings], axis=1)
    tilt = cases["tilt_deg"].to_numpy(dtype=float)
    azimuth = cases["azimuth_deg_cw_from_N"].to_numpy(dtype=float)
    shading = shading_of(angles, np.arange(len(cases)), tilt, azimuth)
    return _months(sky, tilt, azimuth, shading, shade_diffuse).sum(axis=1)


def _months(
    sky: Sky, tilt: Any, azimuth: Any, shading: Shading | None, shade_diffuse: bool = False
) -> Any:
    plane = transpose(sky, tilt, azimuth, shading, shade_diffuse=shade_diffuse)
    found = pv_yield(sky, plane, tilt, losses_percent={}, inverter_efficiency=None)
    return found.energy_kwh_kwp_month


def _scaled_sky(data_dir: Path, cases: pd.DataFrame, model: Transposition) -> Sky:
    """Sky with the beam and diffuse light, month by month, of PVGIS's two horizontal cases."""
    folder = data_dir / "solar" / "knmi"
    files = [folder / f"rotterdam344_{year}_utc.csv" for year in (2022, 2023)]
    years = read_years(files, latitude=_HOURS_LATITUDE, longitude=_HOURS_LONGITUDE)
    data, times, step = join(years)
    times = times + pd.Timedelta(hours=(_HOURS_LONGITUDE - _LONGITUDE) / 15.0)
    zenith = sun_position(times, _LATITUDE, _LONGITUDE)["zenith_deg"].to_numpy()
    up = np.maximum(np.cos(np.radians(zenith)), 0.0)
    month = np.asarray((times + pd.Timedelta(hours=_LONGITUDE / 15.0)).month) - 1
    wanted = cases[cases["tilt_deg"] == 0].groupby("horizon")
    daily = wanted[[f"E_d_{m:02d}" for m in range(1, 13)]].mean()
    free, dark = (daily.loc[name].to_numpy() * _DAYS for name in ("h_none", "h_blocked"))
    blocked = shading_of(np.full((36, 1), 90.0), np.zeros(1, dtype=np.int64), _FLAT, _FLAT)
    data = data.set_axis(times, axis=0)
    for _ in range(_ROUNDS):
        sky = make_sky(data, times, step, _LATITUDE, _LONGITUDE, transposition=model)
        whole = _months(sky, _FLAT, _FLAT, None)[0]
        rest = _months(sky, _FLAT, _FLAT, blocked)[0]
        dni = data["dni"] * ((free - dark) / (whole - rest))[month]
        dhi = data["dhi"] * (dark / rest)[month]
        data = data.assign(dni=dni, dhi=dhi, ghi=dni * up + dhi)
    return make_sky(data, times, step, _LATITUDE, _LONGITUDE, transposition=model)
