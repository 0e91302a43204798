import dask
import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal.composite import composite, vegetation_reference

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
