from datetime import UTC, datetime

import dask
import numpy as np
import pytest
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.thermal.composite import (
    composite,
    solar_hour,
    vegetation_reference,
    within_hours,
)
from heliopolis.thermal.composite_error import RANDOM_K, split_sigma

WEATHER = np.array([-6.0, -2.0, 0.0, 3.0, 7.0])


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(3)
    place = 300.0 + 4.0 * np.sin(np.arange(90)[:, None] / 9) + 3.0 * np.cos(np.arange(120) / 11)
    lst = place + WEATHER[:, None, None] + 0.3 * rng.standard_normal((5, 90, 120))
    lst[0, :40, :50] = np.nan
    lst[3, 60:, 70:] = np.nan
    lst[:, 0, 0] = np.nan
    data = xr.DataArray(lst.astype("float32"), dims=("time", "y", "x"))
    return place, data, xr.full_like(data, 1.5).where(data.notnull())


def run(lst, sd, **more):
    return composite(lst, sd, [50.0, 60.0, 70.0, 80.0, 90.0], **more)


def test_known_median_in_spite_of_clouds_and_weather(stack):
    place, lst, sd = stack
    made = run(lst, sd)
    error = made["lst_median"].values - place
    assert abs(np.nanmedian(error)) < 0.1
    assert np.nanstd(error) < 0.3
    # Under the clouds of the coldest date the plain median would be about 1.5 K too high.
    assert abs(np.nanmedian(error[1:40, 1:50])) < 0.15
    assert made["n_obs"].values[10, 10] == 4
    assert made["n_obs"].values[0, 0] == 0
    assert np.isnan(made["lst_median"].values[0, 0])
    assert np.isnan(made["lst_sd"].values[0, 0])


def test_result_does_not_depend_on_chunks_and_stays_lazy(stack):
    _, lst, sd = stack
    eager = run(lst, sd)
    for chunks in ({"time": 1, "y": 30, "x": 40}, {"time": 5, "y": 90, "x": 17}):
        with dask.config.set(scheduler=_forbidden):
            lazy = run(lst.chunk(chunks), sd.chunk(chunks))
            assert all(lazy[name].chunks is not None for name in eager)
        for name in eager:
            np.testing.assert_array_equal(lazy[name].values, eager[name].values, err_msg=name)
            assert lazy[name].attrs == eager[name].attrs


def _forbidden(*args, **kwargs):
    raise AssertionError("computed in library code")


def test_anomaly_is_zero_on_the_reference(stack):
    place, lst, sd = stack
    mask = xr.DataArray(place < 297.0, dims=("y", "x"))
    made = run(lst, sd, reference=mask)
    assert abs(float(made["anomaly"].where(mask).median())) < 0.1
    assert float(made["anomaly"].mean()) > 2.0


def test_error_shrinks_with_dates_but_never_below_the_common_part(stack):
    _, lst, sd = stack
    many = run(lst, sd, correlated_share=0.5)["lst_sd"].values
    assert (many[50:60, 60:] > 1.5 * 0.5**0.5).all()
    assert (many[50:60, 60:] < 1.5).all()
    one = composite(lst[:1], sd[:1], [50.0])["lst_sd"].values
    np.testing.assert_allclose(one[60:, 60:], 1.5, rtol=1e-5)


def test_persistence_counts_hot_dates(stack):
    place, lst, sd = stack
    made = run(lst, sd)["persistence"].values
    assert made[place > 305.5].mean() > 0.95
    assert made[place < 300.0].mean() < 0.02


def test_reference_is_vegetation_of_the_outskirts():
    built = np.zeros((200, 200))
    built[50:150, 50:150] = 0.9
    water = np.zeros_like(built)
    water[:20] = 1.0
    green = built < 0.5
    built[95:105, 95:105] = 0.0
    green[95:105, 95:105] = True
    mask, text = vegetation_reference(green, water, built, 10.0)
    assert mask is not None
    assert mask[190, 190]
    assert not mask[5, 100]
    assert not mask[100, 100]
    assert "vegetation" in text
    nothing, text = vegetation_reference(green & False, water, built, 10.0)
    assert nothing is None
    assert "whole area" in text


def _errors(lst, random, systematic):
    like = xr.ones_like(lst)
    return {"sd_random_k": like * random, "sd_systematic_k": like * systematic}


def test_stated_sigma_of_a_composite_is_that_of_its_errors():
    rng = np.random.default_rng(8)
    shape = (100, 120)
    place = 300.0 + 4.0 * rng.standard_normal(shape)
    answer = 0.8 * rng.standard_normal((7, *shape))  # how a place answers to each day: real
    true = place + WEATHER[[0, 1, 2, 3, 4, 1, 3], None, None] + answer
    seen = true + 0.6 * rng.standard_normal(true.shape) + 0.5 * rng.standard_normal(shape)
    clouds = rng.random(true.shape) < 0.35
    lst = xr.DataArray(np.where(clouds, np.nan, seen), dims=("time", "y", "x"))
    made = composite(lst, None, [90.0] * 7, **_errors(lst, 0.6, 0.5))
    level = np.median(true - np.median(true, axis=0), axis=(1, 2))
    target = np.median(true - level[:, None, None], axis=0)
    error = (made["lst_median"].values - target) - np.nanmedian(made["lst_median"].values - target)
    sigma = made["lst_sd"].values
    for count in (1, 2, 3, 4, 5, 6, 7):
        here = made["n_obs"].values == count
        if here.sum() < 800:
            continue
        z = np.abs(error[here]) / sigma[here]
        assert 0.63 < np.mean(z < 1) < 0.74, count
        assert 0.92 < np.mean(z < 2) < 0.98, count
    season = composite(lst, None, [90.0] * 7, represents="season", **_errors(lst, 0.6, 0.5))
    full = made["n_obs"].values == 7
    assert (season["lst_sd"].values[full] > sigma[full]).all()
    np.testing.assert_allclose(made["lst_sd_systematic"].values[full], 0.5, rtol=1e-5)


def test_errors_come_whole_or_in_two_parts(stack):
    _, lst, sd = stack
    whole = run(lst, sd, correlated_share=0.5)
    parts = run(lst, None, **_errors(lst, 1.5 * 0.5**0.5, 1.5 * 0.5**0.5))
    np.testing.assert_allclose(whole["lst_sd"], parts["lst_sd"], rtol=1e-4)
    for wrong in ({"sd_random_k": sd}, {"sd_systematic_k": sd}, {}):
        with pytest.raises(InputError, match="two parts"):
            run(lst, None, **wrong)
    with pytest.raises(InputError, match="two parts"):
        run(lst, sd, sd_random_k=sd)
    random, systematic = split_sigma(sd)
    np.testing.assert_allclose(random**2 + systematic**2, sd**2, rtol=1e-5)
    assert float(random.max()) == pytest.approx(RANDOM_K)
    assert float(split_sigma(sd * 0.1)[1].max()) == 0.0


def test_day_and_night_are_never_mixed(stack):
    _, lst, sd = stack
    with pytest.raises(InputError, match="day and night"):
        run(lst, sd, overpass=["day", "day", "night", "day", "day"])
    assert run(lst, sd, overpass=["night"] * 5)["n_obs"].max() == 5


def test_mean_keeps_the_energy():
    values = np.array([280.0, 320.0])[:, None, None] * np.ones((2, 4, 4))
    values[:, 0, 0] = 320.0, 280.0
    lst = xr.DataArray(values, dims=("time", "y", "x"))
    made = composite(lst, xr.ones_like(lst), [1.0, 1.0], statistic="mean")
    # The corner had the weather the other way round: 340 and 260 K once the levels are out.
    warm, cold = 340.0, 260.0
    assert made["lst_median"].values[0, 0] == pytest.approx(((warm**4 + cold**4) / 2) ** 0.25)
    assert made["lst_median"].values[2, 2] == pytest.approx(300.0)


def test_hours():
    at = datetime(2025, 6, 21, 10, 40, tzinfo=UTC)
    assert solar_hour(at, 7.5) == pytest.approx(11.1667, abs=1e-3)
    assert solar_hour(datetime(2025, 6, 21, 23, 30, tzinfo=UTC), 15.0) == pytest.approx(0.5)
    assert within_hours([9.0, 10.5, 13.0], (10.0, 12.0)) == [1]
    assert within_hours([23.0, 1.0, 12.0], (22.0, 4.0)) == [0, 1]


def test_error_of_the_air_goes_with_the_middle_date_and_not_into_the_anomaly(stack):
    _, lst, _ = stack
    rng = np.random.default_rng(6)
    parts = _errors(lst, 0.3, 0.4)
    made = run(lst, None, **parts, sd_scene_k=xr.ones_like(lst) * 0.8)
    assert made["lst_sd"].values[50, 60] == pytest.approx(
        (0.8**2 + made["anomaly_sd"].values[50, 60] ** 2) ** 0.5, rel=1e-4
    )
    without = run(lst, None, **parts)
    np.testing.assert_allclose(made["anomaly_sd"], without["lst_sd"], rtol=1e-5)
    levels, moved = [], []
    for _ in range(60):
        air = xr.DataArray(0.8 * rng.standard_normal(5), dims="time")
        again = run(lst + air, None, **parts)
        levels.append(float(again["lst_median"].values[50, 60]))
        moved.append(float(again["anomaly"].values[50, 60]))
    assert np.std(levels) == pytest.approx(0.8, abs=0.25)
    assert np.std(moved) < 0.1
