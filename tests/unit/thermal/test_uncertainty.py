import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal.uncertainty import (
    UNEXPLAINED_K,
    by_date,
    cloud_sigma,
    mean_sigma,
    retrieved,
    unexplained_sigma,
)


def field(*values):
    return xr.DataArray(np.array(values, dtype="float64"), dims="x")


def test_published_figures_at_the_centres_of_their_classes():
    near = unexplained_sigma(field(0.5, 3.0, 82.5, 500.0), field(0.425, 0.625, 0.925, 0.99))
    np.testing.assert_allclose(near, [2.3749, 1.6789, 0.3125, UNEXPLAINED_K[-1][-1]])


def test_cloud_term_vanishes_far_away_and_ends_at_the_published_extremes():
    sigma = cloud_sigma(field(0.1, 100.0), field(0.95, 0.95))
    assert sigma[0] == pytest.approx((2.1131**2 - 0.3125**2) ** 0.5)
    assert sigma[1] == 0.0
    assert np.isnan(cloud_sigma(field(np.nan)))


def test_common_error_does_not_shrink_with_dates():
    one = retrieved(field(300.0), random=(0.3,), scene=(0.4,), systematic=(1.2,))
    rng = np.random.default_rng(5)
    shape, n = (4000, 9), 9
    errors = (
        rng.normal(0, 0.3, shape) + rng.normal(0, 0.4, shape) + rng.normal(0, 1.2, (shape[0], 1))
    ).mean(axis=1)
    assert errors.std() == pytest.approx(float(mean_sigma(one, n).item()), rel=0.05)
    assert float(by_date(one).item()) == pytest.approx(0.5)
