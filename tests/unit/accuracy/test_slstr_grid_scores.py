from dataclasses import replace

import numpy as np
import pytest

from heliopolis.accuracy import slstr_grid
from heliopolis.accuracy.slstr_grid import score_slstr_clouds, score_slstr_reference
from heliopolis.errors import InputError


def test_missing_data_are_named(tmp_path):
    with pytest.raises(InputError, match="no granule"):
        score_slstr_reference(tmp_path)


@pytest.mark.real
def test_the_granule_lies_where_the_reference_puts_it(data_dir):
    scores = score_slstr_reference(data_dir)
    assert scores["n_cells"] == scores["n_cells_reference"]
    assert scores["median_absolute_k"] <= 0.05
    assert np.hypot(scores["shift_east_pixel"], scores["shift_south_pixel"]) < 0.3


@pytest.mark.real
def test_a_shift_is_found(data_dir, monkeypatch):
    read = slstr_grid.read_swath

    def moved(*args):
        swath = read(*args)
        return replace(swath, longitude=swath.longitude + 0.5 / 112)

    monkeypatch.setattr(slstr_grid, "read_swath", moved)
    assert score_slstr_reference(data_dir)["shift_east_pixel"] == pytest.approx(0.5, abs=0.15)


@pytest.mark.real
def test_clouds_around_eleven_towns(data_dir):
    scores = score_slstr_clouds(data_dir)
    assert len(slstr_grid.POINTS) == 11
    assert scores["largest_difference"] <= 0.02
