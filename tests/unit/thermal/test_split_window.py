import numpy as np
import xarray as xr

from heliopolis.thermal.split_window import (
    DU_RANGES,
    retrieve_split_window,
    split_window,
    split_window_du,
)


def field(*values):
    return xr.DataArray(np.array(values, dtype="float64"), dims="x")


def test_equal_bands_of_a_black_body_give_its_temperature():
    """Without air and with emissivity 1 only the constant of -0.268 K remains."""
    lst, _ = split_window(field(300.0), field(300.0), field(1.0), field(1.0), 0.0)
    np.testing.assert_allclose(lst, 300.0 - 0.268)


def test_coefficient_of_the_difference_is_the_published_one():
    flat = field(1.0)
    up, down = (split_window(field(300.0 + d), field(300.0 - d), flat, flat, 10.0)[0]
                for d in (0.5, -0.5))  # fmt: skip
    np.testing.assert_allclose(up - down - 1.0, 2 * 1.378)


def test_the_water_vapour_that_is_given_counts():
    e10, e11 = field(0.94), field(0.96)
    dry, wet = (split_window(field(300.0), field(299.0), e10, e11, w)[0] for w in (5.0, 35.0))
    assert abs(float((wet - dry).item())) > 0.5


def test_stray_light_widens_the_error_of_landsat_8_only():
    args = field(303.0), field(301.0), field(0.97), field(0.975), 20.0, 0.005
    old = retrieve_split_window(*args, spacecraft="LANDSAT_8")
    new = retrieve_split_window(*args, spacecraft="LANDSAT_9")
    np.testing.assert_allclose(old["lst_k"], new["lst_k"])
    assert float(old["sd_k"].item()) > float(new["sd_k"].item()) + 0.3


def test_ranges_of_du_are_blended_without_a_jump():
    water = xr.DataArray(np.arange(0.0, 70.0, 0.01), dims="x")
    like = xr.full_like(water, 303.0)
    e10, e11 = xr.full_like(water, 0.97), xr.full_like(water, 0.975)
    lst = split_window_du(like, like - 2.0, e10, e11, water)
    assert float(np.abs(np.diff(lst)).max()) < 0.02
    inside = [10 * (low + high) / 2 for low, high in DU_RANGES]
    assert np.isfinite(lst.sel(x=[round(100 * value) for value in inside])).all()


def test_methods_agree_within_their_errors_where_du_is_within_its_own_bias():
    d = np.arange(0.5, 3.01, 0.5)
    t10 = field(*np.full(d.shape, 303.0))
    e10, e11 = xr.full_like(t10, 0.970), xr.full_like(t10, 0.975)
    found = retrieve_split_window(t10, t10 - field(*d), e10, e11, 15.0)
    du = split_window_du(t10, t10 - field(*d), e10, e11, 15.0)
    assert (np.abs(du - 1.4 - found["lst_k"]) < 2 * found["sd_k"]).all()
