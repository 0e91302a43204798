from __future__ import annotations

import numpy as np
import pytest

from heliopolis.heat.cells import block_mean, block_sum, disc_mean, spread_linear
from heliopolis.heat.greening import plantable_share
from heliopolis.heat.suhi import intensity


def test_block_mean_of_valid_cells() -> None:
    field = np.array([[1.0, 3.0, 5.0], [np.nan, 4.0, np.nan], [np.nan, np.nan, np.nan]])
    assert block_mean(field, 2)[0, 0] == pytest.approx(8 / 3)
    assert np.isnan(block_mean(field, 2)[1]).all()
    assert np.isnan(block_mean(field, 2, min_share=0.5)[0, 1])
    assert block_sum(field, 2)[0].tolist() == [8.0, 5.0]


def test_interpolation_keeps_a_plane_and_gaps() -> None:
    y, x = np.mgrid[:6, :8].astype(float)
    cells = 2 * x - y
    fine = spread_linear(cells, 4, (24, 32))
    assert np.allclose(block_mean(fine, 4)[1:-1, 1:-1], cells[1:-1, 1:-1])
    cells[2, 3] = np.nan
    assert np.isnan(spread_linear(cells, 4, (24, 32))[8:12, 12:16]).all()
    assert np.isfinite(spread_linear(cells, 4, (24, 32))[:8]).all()


def test_disc_mean_of_a_constant_with_gaps_is_the_constant() -> None:
    field = np.full((20, 30), 42.0)
    field[5:9, 5:9] = np.nan
    assert np.allclose(disc_mean(field, 4.0), field, equal_nan=True)


def test_plantable_is_neither_green_nor_roof_nor_water() -> None:
    ndvi = np.array([0.1, 0.8, 0.1, 0.1, 0.35, 0.1, np.nan])
    roof = np.array([0.0, 0.0, 1.0, 0.4, 0.0, 0.0, 0.0])
    water = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    share = plantable_share(ndvi, roof, water=water)
    assert share[:6].tolist() == pytest.approx([1.0, 0.0, 0.0, 0.6, 0.75, 0.0])
    assert np.isnan(share[6])
    street = plantable_share(ndvi, roof, water=water, roads=np.full(7, 0.3))
    assert street[:6].tolist() == pytest.approx([0.7, 0.0, 0.0, 0.3, 0.45, 0.0])
    farmland = plantable_share(ndvi, roof, excluded=np.ones(7))
    assert farmland[:6].tolist() == [0.0] * 6


def test_heat_island_is_the_difference_with_an_uncertainty_that_falls_with_size() -> None:
    rng = np.random.default_rng(0)
    lst = rng.normal(30.0, 1.0, (200, 200))
    place = np.zeros((200, 200), dtype=bool)
    place[:100] = True
    lst[place] += 5.0
    sd = np.full(lst.shape, 1.0)
    found = intensity(lst, sd, place, ~place, cell_m=100.0, effective_resolution_m=100.0)
    assert found.intensity_k == pytest.approx(5.0, abs=0.05)
    assert found.sd_k == pytest.approx(np.sqrt(2 * 2.0 / 20_000), rel=0.05)
    blurred = intensity(lst, sd, place, ~place, cell_m=100.0, effective_resolution_m=1000.0)
    assert blurred.sd_k == pytest.approx(10 * found.sd_k, rel=1e-6)
    assert np.isnan(
        intensity(lst, sd, place, place & ~place, cell_m=1.0, effective_resolution_m=1.0).sd_k
    )
