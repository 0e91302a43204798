from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.accuracy.planes import score_delft, score_zurich


@pytest.mark.real
def test_known_faces_of_zurich_are_found(data_dir: Path) -> None:
    score = score_zurich(data_dir)
    print(score)
    assert score["recall"] > 0.9
    assert score["recall_area"] > 0.95
    assert score["tilt_median_deg"] < 0.3
    assert score["azimuth_median_deg"] < 0.3
    assert abs(score["area_bias"]) < 0.01
    assert score["tilt_within_2_sd"] > 0.9
    assert score["tilt_p10_p90_cover"] == pytest.approx(0.8, abs=0.05)
    assert score["azimuth_p10_p90_cover"] == pytest.approx(0.8, abs=0.05)


@pytest.mark.real
def test_laser_scan_of_delft_is_explained(data_dir: Path) -> None:
    score = score_delft(data_dir)
    print(score)
    assert score["buildings_with_planes"] >= 155
    assert score["explained_share"] > 0.9
    assert score["fit_rms_mean_m"] < 0.04
    assert score["delimited_share"] > 0.97
