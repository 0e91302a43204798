import pytest

from heliopolis.accuracy.landsat_st import score_rte
from heliopolis.accuracy.sharpening import score_muenster


@pytest.mark.real
def test_rte_reproduces_the_official_product(data_dir):
    scores = score_rte(data_dir)
    assert scores["assets4"] is None
    for name in ("assets", "assets3"):
        assert scores[name]["rmse_k"] < 0.2
        assert 0.05 < scores[name]["bias_k"] < 0.2


@pytest.mark.real
def test_sharpening_beats_interpolation_on_every_date(data_dir):
    scores = score_muenster(data_dir)
    assert len(scores["dates"]) == 10
    for one in scores["dates"].values():
        assert one["rmse_k"] < 0.93 * one["rmse_smooth_k"] < one["rmse_bilinear_k"]
        assert one["mass_residual_k"] < 0.01
    assert scores["dates"]["20250621"]["rmse_k"] < 1.4
    assert 0.55 < scores["coverage"] < 0.85
