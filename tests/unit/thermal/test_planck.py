import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from heliopolis.thermal import planck

K = (774.8853, 1321.0789)


@given(st.floats(220, 360))
def test_round_trips(kelvin):
    assert planck.brightness_temperature(planck.radiance(kelvin, *K), *K) == pytest.approx(kelvin)
    back = planck.spectral_temperature(planck.spectral_radiance(kelvin, 10.9), 10.9)
    assert back == pytest.approx(kelvin)
    assert planck.from_linear(planck.to_linear(kelvin)) == pytest.approx(kelvin)


def test_band_constants_agree_with_planck_at_the_effective_wavelength():
    assert planck.spectral_radiance(300.0, 10.895) == pytest.approx(
        planck.radiance(300.0, *K), 0.01
    )


def test_emissivity_worked_value():
    assert planck.emissivity_corrected(310.0, 0.96) == pytest.approx(313.00, abs=0.01)


def test_mean_conserves_exitance_and_needs_half_of_the_cell():
    field = xr.DataArray(np.full((4, 4), 300.0), dims=("y", "x"))
    field[:2, :2] = [[280.0, 320.0], [280.0, 320.0]]
    field[2:, 2:] = [[np.nan, np.nan], [np.nan, 310.0]]
    mean = planck.coarsen_mean_k(field, 2)
    assert float(mean[0, 0]) == pytest.approx(((280.0**4 + 320.0**4) / 2) ** 0.25)
    assert float(mean[0, 0]) > 300.0
    assert np.isnan(mean[1, 1])
    assert float(mean[0, 1]) == pytest.approx(300.0)
