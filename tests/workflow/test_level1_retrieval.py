"""Retrieval from the Level-1 scenes of the simulated city, against its truth."""

import pytest

from heliopolis.accuracy.level1 import BAR_K, score_simulated_level1


@pytest.fixture(scope="module")
def scores(city):
    return score_simulated_level1(city)


@pytest.mark.parametrize("method", ["smw", "split_window"])
def test_within_a_kelvin_where_the_ground_is_known(scores, method):
    figures = scores["materials"][method]["all_but_metal"]["below_30_mm"]
    assert figures["n_cells"] > 1000
    assert figures["rmse_k"] <= BAR_K
    assert figures["within_2_sigma"] >= 0.92


@pytest.mark.parametrize("method", ["smw", "split_window"])
def test_emissivity_from_ndvi_thresholds_costs_more_than_the_method(scores, method):
    by_ndvi, known = (
        scores[ground][method]["all_but_metal"]["below_30_mm"]["rmse_k"]
        for ground in ("ndvi_thresholds", "materials")
    )
    assert by_ndvi > 1.3 * known
