import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from heliopolis.thermal.mono_window import SMW_COEFFICIENTS, retrieve_smw, smw

SATELLITES = sorted(SMW_COEFFICIENTS)
WATER = xr.DataArray(np.arange(0.0, 66.0, 0.02), dims="x")


def lst(brightness, water, spacecraft="LANDSAT_8", emissivity=0.97):
    like = xr.full_like(water, brightness)
    return smw(like, xr.full_like(water, emissivity), water, spacecraft)[0]


@pytest.mark.parametrize("spacecraft", SATELLITES)
@pytest.mark.parametrize("brightness", range(260, 331, 10))
def test_no_jump_between_bins(spacecraft, brightness):
    steps = np.abs(np.diff(lst(float(brightness), WATER, spacecraft)))
    assert steps.max() < 0.1  # for 0.02 mm


@pytest.mark.parametrize("spacecraft", SATELLITES)
def test_at_the_edges_of_bins_the_sides_meet(spacecraft):
    edges = np.arange(6.0, 60.0, 6.0)
    for brightness in (260.0, 295.0, 330.0):
        sides = [
            lst(brightness, xr.DataArray(edges + shift, dims="x"), spacecraft)
            for shift in (-0.01, 0.01)
        ]
        assert float(np.abs(sides[1] - sides[0]).max()) <= 0.2


def test_more_water_vapour_is_a_warmer_ground_where_the_table_is_monotone():
    warm = lst(305.0, xr.DataArray(np.arange(3.0, 45.0, 0.1), dims="x"))
    assert (np.diff(warm) > 0).all()


@pytest.mark.parametrize("spacecraft", SATELLITES)
def test_the_published_dip_between_45_and_51_mm_is_small_and_only_of_hot_surfaces(spacecraft):
    dip = WATER.where((WATER >= 45.0) & (WATER <= 51.0), drop=True)
    assert float(lst(305.0, dip, spacecraft)[-1] - lst(305.0, dip, spacecraft)[0]) > 0
    hot = lst(318.0, dip, spacecraft)
    assert -2.0 < float(hot[-1] - hot[0]) < 0.0


def test_taken_by_bin_it_would_jump():
    a, b = SMW_COEFFICIENTS["LANDSAT_8"][3], SMW_COEFFICIENTS["LANDSAT_8"][4]
    jump = (b[0] * 305 + b[1]) / 0.97 + b[2] - ((a[0] * 305 + a[1]) / 0.97 + a[2])
    assert abs(jump) > 1.0


@given(st.sampled_from(SATELLITES), st.floats(260, 330), st.floats(0, 60), st.floats(0.9, 0.995))
def test_warmer_at_the_sensor_is_warmer_on_the_ground(spacecraft, brightness, water, emissivity):
    tb = xr.DataArray([brightness, brightness + 1.0], dims="x")
    found = smw(tb, xr.full_like(tb, emissivity), water, spacecraft)[0]
    assert found[1] > found[0]


def test_error_of_water_vapour_belongs_to_the_date_and_of_emissivity_to_the_place():
    tb = xr.DataArray([305.0], dims="x")
    e = xr.full_like(tb, 0.97)
    base = retrieve_smw(tb, e, 21.0, "LANDSAT_8", 0.0, 0.0)
    wet = retrieve_smw(tb, e, 21.0, "LANDSAT_8", 0.0, 6.0)
    rough = retrieve_smw(tb, e, 21.0, "LANDSAT_8", 0.02, 0.0)
    assert wet["sd_scene_k"][0] > base["sd_scene_k"][0]
    assert wet["sd_systematic_k"][0] == base["sd_systematic_k"][0]
    assert rough["sd_systematic_k"][0] > base["sd_systematic_k"][0]
    assert rough["sd_scene_k"][0] == base["sd_scene_k"][0]
    # 0.69 K for 0.01 of emissivity in 18 to 24 mm
    error = float((rough["sd_systematic_k"] ** 2 - base["sd_systematic_k"] ** 2)[0]) ** 0.5
    assert error == pytest.approx(2 * 0.69, abs=0.05)


def test_unknown_satellite_is_refused():
    tb = xr.DataArray([305.0], dims="x")
    with pytest.raises(ValueError, match="LANDSAT_3"):
        smw(tb, tb / 310, 20.0, "LANDSAT_3")
