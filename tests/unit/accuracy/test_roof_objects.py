"""Buildings are counted one to one."""

from __future__ import annotations

import numpy as np
import pytest

from heliopolis.accuracy.roof_objects import matches, painted
from heliopolis.roofs.outline import Rules

CELL = 0.25


def test_objects_match_one_to_one_at_half_overlap() -> None:
    truth = np.zeros((80, 120), int)
    truth[10:40, 10:40], truth[10:40, 60:90] = 7, 9
    assert matches(truth, truth, CELL).tolist() == [2, 2, 2]
    joined = truth.copy()
    joined[10:40, 10:90] = 1  # one over both: IoU with each is below one half
    assert matches(joined, truth, CELL).tolist() == [0, 1, 2]
    assert matches(np.zeros_like(truth), truth, CELL).tolist() == [0, 0, 2]
    assert matches(truth, np.zeros_like(truth), CELL).tolist() == [0, 2, 0]


def test_small_buildings_are_not_counted() -> None:
    truth = np.zeros((80, 80), int)
    truth[10:20, 10:20] = 1  # 6.25 m2
    assert matches(truth, truth, CELL).tolist() == [0, 0, 0]


def test_outlines_are_painted_where_the_roof_is() -> None:
    chance = np.full((120, 160), 0.05, "float32")
    chance[20:60, 30:90] = chance[80:110, 100:150] = 0.95
    made = painted(chance[None], CELL, Rules(0.5, 12.0))
    assert sorted(np.unique(made)) == [0, 1, 2]
    assert (made > 0)[chance > 0.5].mean() > 0.99
    assert (made > 0)[chance < 0.5].mean() < 0.01
    assert matches(made, np.where(chance > 0.5, made, 0), CELL) == pytest.approx([2, 2, 2])
