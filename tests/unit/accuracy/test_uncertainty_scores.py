import numpy as np
import pytest

from heliopolis.accuracy.uncertainty import _coverage, score_uncertainty
from heliopolis.errors import InputError


def test_coverage_of_a_normal_error():
    rng = np.random.default_rng(9)
    sigma = rng.uniform(0.5, 2.0, (200, 200))
    error = sigma * rng.standard_normal(sigma.shape)
    error[:10] = np.nan
    mask = np.ones(sigma.shape, dtype=bool)
    mask[:, :20] = False
    one = _coverage([(error, sigma)], mask)
    assert one["n"] == 190 * 180
    assert one["within_1_sigma"] == pytest.approx(0.683, abs=0.01)
    assert one["within_2_sigma"] == pytest.approx(0.954, abs=0.01)
    assert one["rmse_k"] == pytest.approx(one["stated_k"], rel=0.02)
    assert _coverage([(error, sigma)], mask & False) == {"n": 0}


def test_without_a_city(tmp_path):
    with pytest.raises(InputError, match="simulated city"):
        score_uncertainty(tmp_path)
