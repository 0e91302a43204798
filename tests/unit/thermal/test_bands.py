import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from heliopolis.thermal import bands
from heliopolis.thermal.spectral_response import RESPONSES

BANDS = sorted(RESPONSES)
KELVIN = np.arange(200.0, 370.1, 0.5)
K8 = (774.8853, 1321.0789)


@pytest.mark.parametrize("key", BANDS)
def test_temperature_is_that_of_the_integral_over_the_response(key):
    band = bands.band_of(*key)
    exact = bands.integrated_radiance(KELVIN, RESPONSES[key])
    np.testing.assert_allclose(band.temperature(exact), KELVIN, atol=1e-3)
    np.testing.assert_allclose(band.radiance(KELVIN), exact, rtol=2e-5)


@pytest.mark.parametrize("key", BANDS)
def test_rises_with_radiance_even_far_out(key):
    band = bands.band_of(*key)
    radiance = band.radiance(np.arange(160.0, 450.0, 1.0))
    assert (np.diff(radiance) > 0).all()
    assert (np.diff(band.temperature(radiance)) > 0).all()


@given(st.sampled_from(BANDS), st.floats(200.0, 370.0))
def test_round_trip(key, kelvin):
    band = bands.band_of(*key)
    assert band.temperature(band.radiance(kelvin)) == pytest.approx(kelvin, abs=1e-3)


@given(st.sampled_from(BANDS), st.floats(220.0, 350.0))
def test_slope_is_the_derivative(key, kelvin):
    band = bands.band_of(*key)
    step = band.radiance(kelvin + 0.05) - band.radiance(kelvin - 0.05)
    assert band.slope(kelvin) == pytest.approx(step / 0.1, rel=0.01)


def test_figures_of_the_provider_at_two_temperatures():
    """Radiances of the USGS tables of Landsat 8 (band 10, 11), 5 (6) and 7 (6)."""
    for key, kelvin, expected in PROVIDER:
        found = bands.band_of(*key).temperature(expected)
        assert found == pytest.approx(kelvin, abs=0.02), key


PROVIDER = (
    (("LANDSAT_8", 10), 265.0, 5.34649),
    (("LANDSAT_8", 10), 300.0, 9.61388),
    (("LANDSAT_8", 11), 265.0, 5.23660),
    (("LANDSAT_8", 11), 300.0, 8.95116),
    (("LANDSAT_5", 6), 265.0, 5.29486),
    (("LANDSAT_5", 6), 300.0, 9.28370),
    (("LANDSAT_7", 6), 265.0, 5.30530),
    (("LANDSAT_7", 6), 300.0, 9.38740),
    (("LANDSAT_4", 6), 265.0, 5.32475),
    (("LANDSAT_4", 6), 300.0, 9.46573),
)


def test_constants_of_the_mtl_read_a_tenth_of_a_kelvin_warm_in_tirs():
    for number, constants in ((10, K8), (11, (480.8883, 1201.1442))):
        radiance = bands.band_of("LANDSAT_8", number).radiance(300.0)
        warm = bands.constants_band(*constants).temperature(radiance) - 300.0
        assert warm == pytest.approx(0.12, abs=0.02)


def test_constants_decide_where_the_band_is_unknown_or_another():
    unknown = bands.band_of("LANDSAT_12", 10, *K8)
    assert (unknown.k1, unknown.k2) == K8
    assert unknown.sigma_k > bands.band_of("LANDSAT_8", 10, *K8).sigma_k
    other = bands.band_of("LANDSAT_8", 10, 480.8883, 1201.1442)
    assert (other.k1, other.k2) == (480.8883, 1201.1442)
    with pytest.raises(ValueError, match="LANDSAT_12"):
        bands.band_of("LANDSAT_12", 10)


def test_keeps_laziness_nan_and_single_precision():
    radiance = xr.DataArray(np.array([[9.6, np.nan]], "float32"), dims=("y", "x")).chunk()
    kelvin = bands.band_of("LANDSAT_9", 10).temperature(radiance)
    assert kelvin.chunks is not None
    assert kelvin.dtype == "float32"
    assert np.isnan(kelvin.compute()[0, 1])
    assert radiance.compute()[0, 0] == np.float32(9.6)
