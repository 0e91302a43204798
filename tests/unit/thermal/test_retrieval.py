import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal import retrieval
from heliopolis.thermal.emissivity import ndvi, ndvi_threshold
from heliopolis.thermal.planck import radiance

K1, K2 = 774.8853, 1321.0789


def field(*values):
    return xr.DataArray(np.array(values, dtype="float64"), dims="x")


def test_rte_recovers_what_was_put_in():
    kelvin, emissivity = field(280.0, 300.0, 325.0), field(0.97, 0.95, 0.90)
    up, down, through = field(1.0, 2.0, 3.0), field(1.6, 3.2, 4.5), field(0.9, 0.75, 0.6)
    seen = through * (emissivity * radiance(kelvin, K1, K2) + (1 - emissivity) * down) + up
    lst, sd = retrieval.rte(seen, up, down, through, emissivity, K1, K2)
    np.testing.assert_allclose(lst, kelvin, atol=1e-9)
    assert lst.attrs == sd.attrs == {"units": "K"}
    assert ((sd > 0.3) & (sd < 6.0)).all()
    assert sd[2] > sd[0]


def test_rte_sigma_covers_an_emissivity_error():
    kelvin, e = field(310.0), field(0.96)
    up, down, through = field(1.2), field(2.0), field(0.85)
    seen = through * (e * radiance(kelvin, K1, K2) + (1 - e) * down) + up
    right, _ = retrieval.rte(seen, up, down, through, e, K1, K2, 0.02)
    wrong, sd = retrieval.rte(seen, up, down, through, e - 0.02, K1, K2, 0.02)
    assert 0.5 < (wrong - right).item() < sd.item()


@pytest.mark.parametrize(
    ("tcwv", "expected"),
    [
        (3.0, (297.01, 307.06, 317.11)),
        (21.0, (299.13, 310.76, 322.39)),
        (33.0, (300.08, 313.70, 327.31)),
    ],
)  # fmt: skip
def test_smw_reference_table_at_the_bin_centres(tcwv, expected):
    brightness = field(295.0, 305.0, 315.0)
    lst, _ = retrieval.smw(brightness, field(0.97, 0.97, 0.97), tcwv, "LANDSAT_8")
    np.testing.assert_allclose(lst, expected, atol=0.006)


def test_smw_has_no_jump_between_bins():
    vapour = xr.DataArray(np.arange(1.0, 60.0, 0.05), dims="x")
    lst, _ = retrieval.smw(
        xr.full_like(vapour, 305.0), xr.full_like(vapour, 0.97), vapour, "LANDSAT_8"
    )
    assert float(np.abs(np.diff(lst)).max()) < 0.05


def test_split_window_states_an_error_that_holds_du_2015():
    """Two published sets of coefficients, fitted apart, differ by 1.2 to 2.3 K."""
    b = (-0.41165, 1.00522, 0.14543, -0.27297, 4.06655, -6.92512, -18.27461, 0.24468)
    d = np.arange(0.5, 3.01, 0.5)
    t10, e10, e11 = np.full(d.shape, 303.0), 0.970, 0.975
    t11, mean, gap = t10 - d, (e10 + e11) / 2, e10 - e11
    left, right = (1 - mean) / mean, gap / mean**2
    du = (
        b[0]
        + (b[1] + b[2] * left + b[3] * right) * (t10 + t11) / 2
        + (b[4] + b[5] * left + b[6] * right) * (t10 - t11) / 2
        + b[7] * (t10 - t11) ** 2
    )
    like = field(*t10)
    lst, sd = retrieval.split_window(
        like, field(*t11), xr.full_like(like, e10), xr.full_like(like, e11), 15.0
    )
    assert (np.abs(lst - du) < sd).all()
    assert (sd < 3.0).all()


def test_product_keeps_its_own_error_and_nan():
    lst, sd = retrieval.product(field(300.0, np.nan, 310.0), field(1.1, 1.2, np.nan))
    assert np.isnan(lst[1])
    np.testing.assert_allclose(sd, [1.1, np.nan, retrieval.PRODUCT_SIGMA_K])


def test_methods_stay_lazy():
    brightness = field(295.0, 305.0).chunk({"x": 1})
    lst, sd = retrieval.smw(brightness, xr.full_like(brightness, 0.97), 20.0, "LANDSAT_9")
    assert lst.chunks is not None
    assert sd.chunks is not None


def test_emissivity_thresholds():
    index = ndvi(field(0.1, 0.2, 0.05, 0.0), field(0.5, 0.22, 0.02, 0.0))
    value = ndvi_threshold(index, field(0.1, 0.2, 0.05, 0.0))
    assert float(value[0]) == pytest.approx(0.9863, abs=1e-4)
    assert float(value[1]) == pytest.approx(0.973 - 0.047 * 0.2)
    assert float(value[2]) == 0.99
    assert np.isnan(value[3])
