"""From irradiance to electricity."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from heliopolis.solar.irradiance import transpose
from heliopolis.solar.sky import Sky
from heliopolis.solar.yield_ import pv_yield, yearly_sigma

TILT, AZIMUTH = np.array([35.0, 10.0]), np.array([180.0, np.nan])


def test_months_add_up_and_losses_multiply(year_sky: Sky) -> None:
    found = pv_yield(year_sky, transpose(year_sky, TILT, AZIMUTH), TILT)
    assert found.energy_kwh_kwp_month.sum(axis=1) == pytest.approx(found.energy_kwh_kwp_year)
    kept = np.ones(2)
    for name, percent in found.losses_percent.items():
        if name != "total":
            kept *= 1 - np.asarray(percent) / 100
    assert kept == pytest.approx(found.energy_kwh_kwp_year / found.poa_kwh_m2_year, rel=1e-6)
    assert (found.energy_kwh_kwp_month > 0).all()


def test_cooler_modules_produce_more(year_sky: Sky) -> None:
    plane = transpose(year_sky, TILT, AZIMUTH)
    mixed = pv_yield(year_sky, plane, TILT, mounting=["free", "building"])
    free = pv_yield(year_sky, plane, TILT, mounting="free")
    assert mixed.energy_kwh_kwp_year[0] == free.energy_kwh_kwp_year[0]
    assert mixed.energy_kwh_kwp_year[1] < free.energy_kwh_kwp_year[1]


def test_losses_scale_without_inverter(year_sky: Sky) -> None:
    plane = transpose(year_sky, TILT, AZIMUTH)
    none, some = (
        pv_yield(year_sky, plane, TILT, losses_percent={"system": x}, inverter_efficiency=None)
        for x in (0.0, 14.0)
    )
    assert some.energy_kwh_kwp_year == pytest.approx(0.86 * none.energy_kwh_kwp_year)


def test_a_month_that_is_not_covered_is_unknown(year_sky: Sky) -> None:
    keep = year_sky.month != 3
    cut = {
        f.name: getattr(year_sky, f.name)[keep]
        for f in dataclasses.fields(year_sky)
        if getattr(getattr(year_sky, f.name), "shape", None) == year_sky.month.shape
    }
    sky = dataclasses.replace(year_sky, **cut, missing_months=(3,))
    found = pv_yield(sky, transpose(sky, TILT, AZIMUTH), TILT)
    assert np.isnan(found.energy_kwh_kwp_month[:, 3]).all()
    assert np.isnan(found.energy_kwh_kwp_year).all()
    assert np.isfinite(np.delete(found.energy_kwh_kwp_month, 3, axis=1)).all()


def test_temperature_must_be_known(year_sky: Sky) -> None:
    sky = dataclasses.replace(year_sky, temp_air_c=np.full_like(year_sky.temp_air_c, np.nan))
    with pytest.raises(ValueError, match="air temperature"):
        pv_yield(sky, transpose(sky, TILT, AZIMUTH), TILT)


def test_spread_of_years() -> None:
    assert yearly_sigma(np.array([1000.0, 1100.0])) == 0.05
    assert yearly_sigma(np.array([900.0, 1000, 1000, 1000, 1100])) == pytest.approx(
        0.0707, abs=1e-4
    )
