from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter
from scipy.stats import false_discovery_control, norm

from heliopolis.heat import false_discoveries, neighbourhoods
from heliopolis.heat.hotspots import (
    benjamini_hochberg,
    confidence,
    getis_ord,
    hot_spots,
)
from heliopolis.heat.neighbourhoods import disc, neighbourhood_means
from heliopolis.heat.null_field import field_null, noise_null


def holed(seed: int, shape: tuple[int, int] = (17, 23), share: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = 300.0 + rng.gamma(2.0, 3.0, shape)
    field[rng.random(shape) < share] = np.nan
    return field


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("distance_m", [100.0, 150.0, 300.0])
def test_gi_star_equals_esda(seed: int, distance_m: float) -> None:
    esda = pytest.importorskip("esda")
    libpysal = pytest.importorskip("libpysal")
    field = holed(seed)
    y, x = np.nonzero(np.isfinite(field))
    points = np.column_stack([x, y]) * 100.0
    weights = libpysal.weights.DistanceBand(points, distance_m, binary=True, silence_warnings=True)
    peer = esda.G_Local(field[y, x], weights, transform="B", star=True, permutations=0)
    ours = getis_ord(field, 100.0, distance_m)
    assert np.allclose(ours[y, x], peer.Zs, atol=1e-6, rtol=0)
    assert np.isnan(ours[~np.isfinite(field)]).all()


def test_gi_star_by_hand() -> None:
    field = np.array([[1.0, 2.0, 6.0]])
    z = getis_ord(field, 1.0, 1.0)
    # middle cell holds everybody: undefined; right cell: sum 8, mean 3, W = 2, n = 3
    sd = np.sqrt(((field - 3.0) ** 2).mean())
    assert np.isnan(z[0, 1])
    assert z[0, 2] == pytest.approx((8 - 6) / (sd * np.sqrt((3 * 2 - 4) / 2)))


@settings(deadline=None)  # the first call compiles
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([1.0, 1.5, 2.0, 4.3, 20.0]),
    st.integers(0, 99),
)  # fmt: skip
def test_neighbourhoods_equal_a_sum_over_pairs(
    rows: int, cols: int, radius: float, seed: int
) -> None:
    field = holed(seed, (rows, cols), 0.3)
    y, x = np.nonzero(np.isfinite(field))
    near = np.hypot(y[:, None] - y, x[:, None] - x) <= radius + 1e-9
    mean, count = neighbourhood_means(field, radius)
    assert (count[y, x] == near.sum(axis=1)).all()
    assert np.allclose(mean[y, x], near @ field[y, x] / near.sum(axis=1), rtol=1e-12)
    assert np.isnan(mean[np.isnan(field)]).all()


def test_large_rasters_give_the_same_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[:200, :150]
    field = (holed(8, (200, 150)) + 6.0 * (np.hypot(y - 90, x - 70) < 9)).astype("f4")
    small = hot_spots(field, 100.0, 300.0)
    for module in (neighbourhoods, false_discoveries):
        monkeypatch.setattr(module, "DOUBLE_UP_TO", 1000)
    large = hot_spots(field, 100.0, 300.0)
    assert large.gi_z.dtype == large.q_value.dtype == np.dtype("float32")
    assert np.allclose(large.gi_z, small.gi_z, atol=2e-6, equal_nan=True)
    assert np.allclose(large.p_value, small.p_value, atol=1e-6, equal_nan=True)
    known = np.isfinite(large.p_value)
    assert np.allclose(
        large.q_value[known], false_discovery_control(large.p_value[known].astype("f8")), rtol=1e-6
    )


def test_neighbourhood_larger_than_the_field() -> None:
    assert np.isnan(getis_ord(np.arange(12.0).reshape(3, 4), 1.0, 50.0)).all()


def test_gi_star_of_an_offset_field_keeps_its_precision() -> None:
    field = holed(3)
    assert np.allclose(
        getis_ord(field, 1.0, 3.0), getis_ord(field + 1e7, 1.0, 3.0), atol=1e-6, equal_nan=True
    )


def test_translation_and_rotation_change_nothing() -> None:
    field = holed(4)
    moved = np.full((30, 40), np.nan)
    moved[8:25, 11:34] = field
    here, there = (hot_spots(one, 100.0, 300.0) for one in (field, moved))
    for name in ("gi_z", "p_value", "q_value"):
        one, other = getattr(here, name), getattr(there, name)[8:25, 11:34]
        assert np.allclose(one, other, atol=1e-8, equal_nan=True)
    turned = hot_spots(np.rot90(field), 100.0, 300.0)
    assert np.allclose(np.rot90(here.q_value), turned.q_value, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize(
    "field", [np.full((5, 5), 7.0), np.full((5, 5), np.nan), np.array([[1.0, np.nan, 2.0]])]
)
def test_nothing_to_say_is_nan(field: np.ndarray) -> None:
    spots = hot_spots(field, 100.0, 300.0)
    assert np.isnan(spots.gi_z).all()
    assert np.isnan(spots.q_value).all()
    assert spots.critical_z(0.05) == np.inf


@given(
    hnp.arrays("float64", hnp.array_shapes(max_dims=2, max_side=8), elements=st.floats(0.0, 1.0))
)
def test_benjamini_hochberg_equals_scipy(p: np.ndarray) -> None:
    assert np.allclose(benjamini_hochberg(p).ravel(), false_discovery_control(p.ravel()))


def test_benjamini_hochberg_leaves_out_what_was_not_tested() -> None:
    p = np.array([[0.001, np.nan], [0.02, 0.5]])
    q = benjamini_hochberg(p)
    assert np.isnan(q[0, 1])
    assert np.allclose(q[[0, 1, 1], [0, 0, 1]], false_discovery_control([0.001, 0.02, 0.5]))


def test_confidence_has_the_sign_of_z() -> None:
    q = np.array([0.01, 0.05, 0.1, 0.11, np.nan])
    assert confidence(q, -np.ones(5))[:4].tolist() == [-99.0, -95.0, -90.0, 0.0]
    assert np.isnan(confidence(q, np.ones(5))[4])


def test_planted_hot_and_cold_spots_are_found() -> None:
    field = np.random.default_rng(5).standard_normal((80, 90))
    y, x = np.mgrid[:80, :90]
    hot, cold = np.hypot(y - 20, x - 25) < 8, np.hypot(y - 60, x - 60) < 8
    spots = hot_spots(field + 4.0 * hot - 4.0 * cold, 100.0, 300.0)
    found = (spots.q_value <= 0.05) & (spots.gi_z > 0)
    assert found[hot].mean() > 0.9
    assert found[~hot].mean() < 0.02
    assert (spots.gi_z[cold] < 0).all()
    assert ((spots.q_value <= 0.05) & (spots.gi_z < 0))[cold].mean() > 0.9


@pytest.mark.parametrize(
    ("blur", "noise_range_m"), [(0.0, None), (1.0, None), (2.0, None), (6.0, None), (4.0, 450.0)]
)
def test_correlated_noise_is_rarely_hot(blur: float, noise_range_m: float | None) -> None:
    """The rate of fields with any discovery stays near the false discovery rate."""
    naive = found = 0
    for seed in range(20):
        noise = gaussian_filter(np.random.default_rng(seed).standard_normal((60, 60)), blur)
        spots = hot_spots(noise, 100.0, 300.0, noise_range_m)
        found += bool((spots.q_value <= 0.05).any())
        plain = benjamini_hochberg(2 * norm.sf(np.abs(spots.gi_z)))
        naive += bool((plain <= 0.05).any())
    assert found <= 3
    assert naive == 20 or blur == 0.0


def test_variance_of_a_neighbourhood_is_that_of_its_covariance() -> None:
    rng = np.random.default_rng(6)
    white = rng.standard_normal((300, 300))
    for null in (field_null([white], 3.0), noise_null([white], 3.0, 8.0, 0.0)):
        assert null.inflation == pytest.approx(1.0, abs=0.15)
    blurred = gaussian_filter(white, 1.0, mode="wrap", truncate=8)
    kernel = disc(3.0)
    cells = np.argwhere(kernel > 0)
    lag2 = ((cells[:, None] - cells[None]) ** 2).sum(axis=2)
    expected = np.exp(-lag2 / 4.0).sum() / kernel.sum()  # correlation of noise blurred by 1 cell
    for null in (field_null([blurred], 3.0), noise_null([blurred], 3.0, 8.0, 0.0)):
        assert null.inflation == pytest.approx(expected, rel=0.1)
    null = field_null([blurred], 3.0)
    means, members = neighbourhood_means(blurred, 3.0)
    scaled = (means - null.mean) / null.sd_of(members)
    assert scaled.std() == pytest.approx(1.0, abs=0.05)
    edge = np.r_[scaled[0], scaled[-1], scaled[:, 0], scaled[:, -1]]
    assert 0.8 < edge.std() < 1.15


def test_q_between_cells_follows_the_cells() -> None:
    field = np.random.default_rng(7).standard_normal((40, 40))
    spots = hot_spots(field, 100.0, 300.0)
    assert np.allclose(spots.q_at(spots.z_effective), spots.q_value)
