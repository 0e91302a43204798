import pytest

from heliopolis.accuracy.band_truth import score_band_truth, simulate_bands
from heliopolis.accuracy.landsat_st import score_rte, score_smw
from heliopolis.accuracy.sharpening import score_muenster, score_zhangye


@pytest.mark.real
def test_inversion_agrees_with_the_official_product_without_a_bias(data_dir):
    scores = score_rte(data_dir)
    for name in ("assets", "assets3"):
        assert scores[name]["rmse_k"] <= 0.16
        assert abs(scores[name]["bias_k"]) <= 0.05
        assert scores[name]["rmse_bar"].startswith("met")
    assert scores["assets4"] is None


@pytest.mark.real
def test_mono_window_is_scored_by_water_vapour(data_dir):
    scores = score_smw(data_dir)
    assert scores["assets"]["water_0_10_mm"]["rmse_k"] < 0.3
    assert "water_40_70_mm" in scores["assets3"]


def test_simulated_air_is_plausible():
    cases = simulate_bands("LANDSAT_8")
    assert cases["transmittance_10"].between(0.4, 0.96).all()
    assert (cases["transmittance_11"] < cases["transmittance_10"]).all()
    dry, wet = cases[cases["tcwv_mm"] < 5], cases[cases["tcwv_mm"] > 45]
    assert (dry["lst_k"] - dry["brightness_10_k"]).abs().max() < 6.0
    hot = wet[wet["lst_k"] - wet["air_k"] == 20]
    assert (hot["lst_k"] - hot["brightness_10_k"]).min() > 10.0


def test_split_window_beats_the_other_set_and_states_its_error():
    scores = score_band_truth()
    ours, du = scores["split_window_landsat_8"], scores["split_window_du_landsat_8"]
    assert ours["rmse_k_below_30_mm"] <= 1.0 < du["rmse_k_below_30_mm"]
    for name in ("smw_landsat_8", "smw_landsat_9"):
        assert 0.63 <= scores[name]["within_1_sigma"] <= 0.73
        assert 0.92 <= scores[name]["within_2_sigma"] <= 0.98
        assert scores[name]["rmse_k_below_30_mm"] < 1.3


@pytest.mark.real
def test_sharpening_beats_interpolation_on_every_date(data_dir):
    scores = score_muenster(data_dir)
    assert len(scores["dates"]) == 10
    for one in scores["dates"].values():
        assert one["rmse_k"] < 0.93 * one["rmse_smooth_k"] < one["rmse_bilinear_k"]
        assert one["mass_residual_k"] < 0.01
    assert scores["summer_ratio"] <= 0.62
    assert scores["dates"]["20250620"]["rmse_ratio"] < 0.60
    assert scores["dates"]["20240625"]["rmse_ratio"] < 0.77
    assert 0.63 <= scores["coverage"] <= 0.73
    # Less is to be had in March, and the held-out test says so.
    march = [one for day, one in scores["dates"].items() if day[4:6] == "03"]
    june = [one for day, one in scores["dates"].items() if day[4:6] == "06"]
    assert min(m["held_out_ratio"] for m in march) > max(j["held_out_ratio"] for j in june)
    for one in scores["dates"].values():
        stated, true = one["effective_resolution_m"], one["true_resolution_m"]
        assert 0.7 < stated / true < 1.4


@pytest.mark.real
def test_sharpening_of_a_hard_place_with_one_predictor(data_dir):
    score = score_zhangye(data_dir)
    assert score["rmse_ratio"] <= 0.62
    assert score["mass_residual_k"] < 0.01
    assert 0.6 < score["coverage"] < 0.8
