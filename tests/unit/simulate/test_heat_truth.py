from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from heliopolis.simulate import heat_truth
from heliopolis.simulate.city import TINY, build_city
from heliopolis.simulate.heat_truth import Weather
from heliopolis.simulate.materials import CODE
from heliopolis.simulate.satellites import hot_zones

NOON = Weather(datetime(2025, 6, 21, 10, 40, tzinfo=UTC), 22.5, 7.5, 2.4, 15.0, 22.0, 0.8)
NIGHT = replace(NOON, acquired=datetime(2025, 6, 21, 21, 30, tzinfo=UTC))


@pytest.fixture(scope="module")
def tiny():
    return heat_truth.ground(build_city(TINY))


def _sun(ground, weather):
    return heat_truth.sun(weather, ground.latitude_deg, ground.longitude_deg)


@pytest.fixture(scope="module")
def noon_k(tiny):
    return heat_truth.surface_temperature(tiny, NOON, _sun(tiny, NOON), "noon")


def _mean_c(ground, kelvin, name):
    return float(kelvin[ground.code == CODE[name]].mean()) - 273.15


def test_harmonics_add_up_to_the_signal():
    hours = np.arange(48) / 2.0
    signal = 10.0 + 3.0 * np.cos(2 * np.pi * (hours - 15.0) / 24.0) + np.sin(np.pi * hours / 6.0)
    total = [heat_truth._harmonics(signal, hour).real.sum() for hour in hours]
    np.testing.assert_allclose(total, signal, atol=1e-9)


def test_air_is_warmest_at_fifteen_hours():
    assert heat_truth.air_temperature(NOON, 15.0) == pytest.approx(273.15 + 30.0)
    assert heat_truth.air_temperature(NOON, 3.0) == pytest.approx(273.15 + 15.0)


def test_clear_sky_radiates_less_than_the_air():
    # Prata 1996 at 295 K and 15 hPa: emissivity 1 - 3.364 exp(-sqrt(8.293))
    assert heat_truth.sky_radiation(295.0, 15.0) / (5.670374e-8 * 295.0**4) == pytest.approx(
        0.811, abs=0.002
    )


def test_no_admittance_gives_the_instantaneous_balance(tiny, monkeypatch):
    table = heat_truth.lookup

    def thin(attribute):
        values = table(attribute)
        return values * 0.0 if attribute == "thermal_admittance" else values

    monkeypatch.setattr(heat_truth, "lookup", thin)
    sun = _sun(tiny, NOON)
    response = heat_truth._response(NOON, sun)
    h = 1.6 * 0.9 * (5.7 + 3.8 * 2.4)
    radiative = 4 * 0.95 * 5.670374419e-8 * 295.65**3
    level = sun.beam_w_m2 * np.sin(np.radians(sun.elevation_deg)) + sun.diffuse_w_m2
    expected = level / (h + radiative)
    assert response.sunshine[CODE["asphalt"], 0] == pytest.approx(expected, rel=0.05)
    assert response.air[CODE["asphalt"], 0] == pytest.approx(0.0)
    assert response.sunshine[CODE["grass"], 100] == pytest.approx(0.0)


def test_summer_day_has_the_order_of_real_scenes(tiny, noon_k):
    order = ["forest", "crop", "stubble", "roof_bitumen"]
    means = [_mean_c(tiny, noon_k, name) for name in order]
    assert means == sorted(means)
    assert 6.0 < _mean_c(tiny, noon_k, "asphalt") - _mean_c(tiny, noon_k, "forest") < 20.0
    assert 3.0 < _mean_c(tiny, noon_k, "grass") - _mean_c(tiny, noon_k, "tree") < 10.0
    assert np.isfinite(noon_k).all()
    assert noon_k.min() - 273.15 > 15.0
    assert noon_k.max() - 273.15 < 70.0


def test_streets_stay_warm_and_thin_roofs_cool_by_night(tiny):
    kelvin = heat_truth.surface_temperature(tiny, NIGHT, _sun(tiny, NIGHT), "night")
    assert _mean_c(tiny, kelvin, "asphalt") > _mean_c(tiny, kelvin, "grass") + 1.0
    assert _mean_c(tiny, kelvin, "asphalt") > _mean_c(tiny, kelvin, "roof_bitumen") + 1.0


def test_truth_depends_on_the_seed_and_the_scene_only(tiny, noon_k):
    sun = _sun(tiny, NOON)
    again = heat_truth.surface_temperature(tiny, NOON, sun, "noon")
    assert np.array_equal(noon_k, again)
    other = heat_truth.surface_temperature(tiny, NOON, sun, "another")
    assert 0.2 < float((noon_k - other).std()) < 1.5


def test_a_tower_throws_its_shadow_away_from_the_sun(tiny):
    sun = replace(_sun(tiny, NOON), elevation_deg=45.0, azimuth_deg=180.0)
    height = np.zeros((41, 41), dtype="float32")
    height[20, 20] = 30.0
    seen = heat_truth.lit(replace(tiny, dsm=height), sun)
    shaded = np.argwhere(~seen)
    assert (shaded[:, 1] == 20).all()
    assert shaded[:, 0].min() == 15  # 25 m to the north at cells of 5 m; 30 m just touches
    assert shaded[:, 0].max() == 19


def test_open_level_ground_gets_the_whole_sun_and_slopes_more_or_less(tiny):
    sun = replace(_sun(tiny, NOON), azimuth_deg=180.0)
    shape = (60, 60)
    flat = np.zeros(shape, dtype="float32")
    south = np.repeat(np.arange(60, dtype="float32")[::-1, None], 60, axis=1) * 1.0
    open_sky = {"code": np.zeros(shape, "uint8"), "sky_view": np.ones(shape, "float32")}
    level = heat_truth.sun_factor(replace(tiny, dtm=flat, dsm=flat, **open_sky), sun)
    tilted = heat_truth.sun_factor(replace(tiny, dtm=south, dsm=south, **open_sky), sun)
    np.testing.assert_allclose(level, 1.0, atol=1e-5)
    assert (tilted[20:40, 20:40] > 1.03).all()


def test_crops_ripen_and_trees_stay_green():
    code = np.array([[CODE["crop"], CODE["tree"], CODE["asphalt"]]], dtype="uint8")
    still = np.zeros(code.shape, dtype="float32")
    june, august = (heat_truth.greenness(code, still, day)[0] for day in (160, 225))
    assert june[0] > 0.8
    assert august[0] < 0.5
    assert june[1] == august[1] > 0.9
    assert june[2] == 0.0


def test_hot_zones_are_large_and_well_above_the_rest():
    anomaly = np.random.default_rng(0).normal(0.0, 0.3, (200, 200)).astype("float32")
    anomaly[40:80, 40:80] += 6.0
    anomaly[150:153, 150:153] += 6.0
    hot = hot_zones(anomaly, 10.0)
    assert hot[50:70, 50:70].all()
    assert not hot[140:165, 140:165].any()


def test_radiant_mean_is_the_mean_of_the_fourth_power():
    mixed = np.array([[280.0, 320.0], [280.0, 320.0]], dtype="float32")
    expected = ((280.0**4 + 320.0**4) / 2) ** 0.25
    assert heat_truth.radiant_mean(mixed, 2)[0, 0] == pytest.approx(expected)
