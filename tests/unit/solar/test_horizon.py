"""The horizon against worked cases and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliopolis.accuracy.horizons import difference, walk
from heliopolis.solar.horizon import ROUND_EARTH, horizon, horizon_of_cells, reach_m
from heliopolis.solar.terrain import terrain_horizon


def brute(dsm: np.ndarray, cell: float, directions: int, reach: float) -> np.ndarray:
    """Walk over the crossings with rows (or columns) of cells, no skipping."""
    height, width = dsm.shape
    out = np.zeros((directions, height, width))
    for k in range(directions):
        north, east = math.cos(2 * math.pi * k / directions), math.sin(2 * math.pi * k / directions)
        larger = max(abs(north), abs(east))
        dy, dx = round(-north / larger, 12), round(east / larger, 12)
        length = math.hypot(dy, dx) * cell
        for r in range(height):
            for c in range(width):
                j = 1
                while j * length <= reach + 1e-6:
                    y, x = r + j * dy, c + j * dx
                    if not (-1e-9 <= y <= height - 1 + 1e-9 and -1e-9 <= x <= width - 1 + 1e-9):
                        break
                    y0, x0 = math.floor(y + 1e-9), math.floor(x + 1e-9)
                    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
                    part = max(y - y0, x - x0, 0.0)
                    other = dsm[y1, x0] if y - y0 > 1e-6 else dsm[y0, x1]
                    level = dsm[y0, x0] + part * (other - dsm[y0, x0])
                    rise = (level - dsm[r, c]) / (j * length)
                    out[k, r, c] = max(out[k, r, c], math.degrees(math.atan(rise)))
                    j += 1
    return out


def blocks(seed: int, shape: tuple[int, int] = (40, 52)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dsm = rng.normal(0, 0.03, shape)
    for _ in range(6):
        r, c = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        dsm[r : r + rng.integers(2, 12), c : c + rng.integers(2, 12)] = rng.uniform(2, 20)
    return dsm.astype("float32")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("reach", [6.0, 100.0])
def test_equals_brute_force(seed: int, reach: float) -> None:
    dsm = blocks(seed)
    found = horizon(dsm, 0.5, 7, reach)
    assert np.abs(found - brute(dsm, 0.5, 7, reach)).max() < 1e-3


def test_far_field_is_close_to_brute_force() -> None:
    dsm = blocks(3, (150, 170))
    found = difference(dsm, 0.5, cells=2000)
    assert found["difference_mean_deg"] < 0.1
    assert found["difference_p99_deg"] < 1.0
    assert abs(found["bias_deg"]) < 0.01


@pytest.mark.parametrize("reach", [5, 17, 60, 200])
@pytest.mark.parametrize("azimuth", [0.0, 45.0, 180.0, 315.0])
def test_hulls_are_exact_on_lines_through_cells(
    monkeypatch: pytest.MonkeyPatch, reach: int, azimuth: float
) -> None:
    monkeypatch.setattr("heliopolis.solar.horizon.NEAR_CELLS", 2)
    dsm = blocks(4, (70, 90))
    rows, cols = np.indices(dsm.shape).reshape(2, -1)
    found = horizon(dsm, 1.0, 8, float(reach))[round(azimuth / 45)]
    true = walk(dsm, 1.0, rows, cols, azimuth, float(reach))
    assert np.allclose(found.ravel(), true, atol=1e-3)


def test_wall_to_the_north_by_hand() -> None:
    dsm = np.zeros((60, 60), dtype="float32")
    dsm[10] = 10.0
    angles = horizon(dsm, 1.0, 4)
    assert angles.dtype == np.float32
    assert angles[0, 30, 30] == pytest.approx(math.degrees(math.atan2(10, 20)), abs=1e-4)
    assert angles[1, 30, 30] == angles[2, 30, 30] == angles[3, 30, 30] == 0
    assert angles[2, 5, 30] == pytest.approx(math.degrees(math.atan2(10, 5)), abs=1e-4)


@pytest.mark.parametrize("near", [3, 64])
def test_an_upright_wall_begins_at_the_side_of_its_cell(
    monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr("heliopolis.solar.horizon.NEAR_CELLS", near)
    dsm = np.zeros((60, 60), dtype="float32")
    dsm[10] = 10.0
    angles = horizon(dsm, 1.0, 4, upright=True)
    assert angles[0, 30, 30] == pytest.approx(math.degrees(math.atan2(10, 19.5)), abs=1e-4)


@pytest.mark.parametrize("pitch_deg", [10.0, 30.0])
def test_a_slope_is_no_wall(pitch_deg: float) -> None:
    slope = math.tan(math.radians(pitch_deg))
    dsm = np.repeat(slope * 0.5 * np.arange(40.0)[:, None], 40, axis=1).astype("float32")
    angles = horizon(dsm, 0.5, 4, observers=dsm + 0.15, upright=True)
    assert angles[2, 5:30].max() <= pitch_deg


def test_cells_that_look_do_not_change_what_they_see() -> None:
    dsm = blocks(8, (150, 170))
    whole = horizon(dsm, 0.5, 9, 60.0)
    where = np.random.default_rng(0).random(dsm.shape) < 0.02
    where[:, :60] = where[:20] = False
    assert np.allclose(horizon_of_cells(dsm, 0.5, where, 9, 60.0), whole[:, where], atol=1e-4)


def test_distance_is_a_limit() -> None:
    dsm = np.zeros((5, 100), dtype="float32")
    dsm[:, 80] = 30.0
    assert horizon(dsm, 1.0, 4, 20.0)[1, 2, 59] == 0
    assert horizon(dsm, 1.0, 4, 20.0)[1, 2, 60] > 50


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_mirror(seed: int) -> None:
    dsm = blocks(seed, (24, 30))
    plain, turned = horizon(dsm, 1.0, 12), horizon(dsm[:, ::-1].copy(), 1.0, 12)
    for k in range(12):
        assert np.allclose(plain[k], turned[-k % 12][:, ::-1], atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 30))
def test_a_taller_neighbour_never_lowers_the_horizon(seed: int, extra: float) -> None:
    dsm = blocks(seed, (24, 30))
    taller = dsm.copy()
    taller[10:14, 10:14] += np.float32(extra)
    where = np.ones(dsm.shape, dtype=bool)
    where[10:14, 10:14] = False
    before, after = (horizon_of_cells(z, 1.0, where, 12) for z in (dsm, taller))
    assert (after >= before - 1e-5).all()


def test_result_does_not_depend_on_the_tile() -> None:
    dsm = blocks(5, (80, 90))
    whole = horizon(dsm, 1.0, 9, 15.0)[:, 30:50, 30:50]
    part = horizon(dsm[13:67, 14:68].copy(), 1.0, 9, 15.0)[:, 17:37, 16:36]
    assert np.allclose(whole, part, atol=1e-5)


def test_parts_of_a_grid_give_what_the_whole_gives() -> None:
    dsm = blocks(6, (230, 240))
    whole = horizon(dsm, 1.0, 9, 90.0)[:, 100:130, 100:140]
    part = horizon(dsm[7:222, 5:235].copy(), 1.0, 9, 90.0, origin=(7, 5))[:, 93:123, 95:135]
    assert np.allclose(whole, part, atol=1e-5)


def test_gaps_hide_nothing_and_see_nothing() -> None:
    dsm = np.zeros((20, 20), dtype="float32")
    dsm[5, :] = np.nan
    dsm[2, :] = 4.0
    angles = horizon(dsm, 1.0, 8)
    assert np.isnan(angles[:, 5]).all()
    assert angles[0, 10, 10] == pytest.approx(math.degrees(math.atan2(4, 8)), abs=1e-4)


def test_observers_above_the_surface_look_over_small_things() -> None:
    dsm = np.zeros((9, 9), dtype="float32")
    dsm[4, 5] = 0.1
    assert horizon(dsm, 0.5, 4)[1, 4, 4] > 10
    assert horizon(dsm, 0.5, 4, observers=dsm + 0.15)[1, 4, 4] == 0


@pytest.mark.parametrize("near", [0, 64])
def test_earth_falls_away_under_the_sight(monkeypatch: pytest.MonkeyPatch, near: int) -> None:
    monkeypatch.setattr("heliopolis.solar.horizon.NEAR_CELLS", near)
    dem = np.zeros((3, 61), dtype="float32")
    dem[:, 50] = 1000.0
    where = np.zeros(dem.shape, dtype=bool)
    where[1, 10] = where[1, 30] = True
    east = horizon_of_cells(dem, 500.0, where, 4, drop=ROUND_EARTH)[1]
    for angle, distance in zip(east, (20_000.0, 10_000.0), strict=True):
        fall = 0.87 * distance**2 / (2 * 6_371_000.0)
        true = math.degrees(math.atan((1000.0 - fall) / distance))
        assert angle == pytest.approx(true, abs=1e-3)


def test_hills_beyond_the_surface_model() -> None:
    dem = np.zeros((40, 80), dtype="float32")
    dem[:, 12] = 500.0
    dem[:, 60:] = 300.0
    rows, cols = np.array([20, 20]), np.array([10, 10])
    found = terrain_horizon(dem, 100.0, rows, cols, np.array([0.0, 100.0]), 4, min_distance_m=1000)
    assert found[1] == pytest.approx(np.degrees(np.arctan([0.06, 0.04])), abs=0.05)
    assert not found[3].any()


def test_reach() -> None:
    assert reach_m(60.0, 5.0) == pytest.approx(685.8, abs=0.1)
    with pytest.raises(ValueError, match="lowest_sun_deg"):
        reach_m(10.0, 0.0)
