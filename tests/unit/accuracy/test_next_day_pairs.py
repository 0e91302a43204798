import numpy as np
import pytest

from heliopolis.accuracy.next_day_pairs import _pair, score_next_day_pairs
from heliopolis.errors import InputError


def test_a_pair_of_known_noise():
    rng = np.random.default_rng(4)
    place = 300.0 + 5.0 * rng.standard_normal((200, 200))
    looks = [place + level + 0.4 * rng.standard_normal(place.shape) for level in (0.0, 3.0)]
    looks[0][:20] = np.nan
    one = _pair(looks[0], looks[1], 0.4)
    assert one["n_cells"] == 180 * 200
    assert one["bias_k"] == pytest.approx(3.0, abs=0.02)
    assert one["spread_k"] == pytest.approx(0.566, abs=0.01)
    assert one["spread_robust_k"] == pytest.approx(0.566, abs=0.01)
    assert one["within_1_sigma"] == pytest.approx(0.683, abs=0.01)


def test_without_scenes(tmp_path):
    with pytest.raises(InputError, match="20220308"):
        score_next_day_pairs(tmp_path)


@pytest.mark.real
def test_pairs_of_muenster_agree_with_the_stated_random_part(data_dir):
    found = score_next_day_pairs(data_dir)
    assert 0.67 <= found["ratio"] <= 1.5
    assert all(one["n_cells"] > 30_000 for one in found["pairs"].values())
