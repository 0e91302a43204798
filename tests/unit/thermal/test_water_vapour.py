import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal import water_vapour


def test_climatology_meets_its_reference_atmospheres():
    for latitude, month, expected in ((15, 3, 41.1), (45, 7, 29.2), (45, 1, 8.6), (60, 7, 20.8)):
        assert water_vapour.climatology(latitude, month)[0] == pytest.approx(expected, abs=0.1)
    assert water_vapour.climatology(-35.0, 1)[0] > water_vapour.climatology(-35.0, 7)[0]
    assert water_vapour.climatology(90.0, 1)[0] > 0
    with pytest.raises(ValueError, match="month"):
        water_vapour.climatology(45.0, 13)


@pytest.mark.parametrize("spacecraft", ["LANDSAT_4", "LANDSAT_5", "LANDSAT_7", "LANDSAT_9"])
def test_transmittance_gives_its_water_vapour_back(spacecraft):
    water = [2.0, 15.0, 30.0, 50.0]
    through = [water_vapour.transmittance(value, spacecraft) for value in water]
    back, sigma = water_vapour.from_transmittance(
        xr.DataArray([*through, 1.0, np.nan], dims="x"), spacecraft
    )
    np.testing.assert_allclose(back, [*water, 0.0, np.nan], atol=1e-6)
    assert (sigma[:5] >= 1.5).all()


def grid(values, y, x):
    return xr.DataArray(values, coords={"y": y, "x": x}, dims=("y", "x"))


def test_array_is_interpolated_and_kept_at_the_rim():
    coarse = grid([[10.0, 20.0], [30.0, 40.0]], [1.0, 0.0], [0.0, 1.0])
    value, sigma = water_vapour.from_array(coarse, grid(np.zeros((2, 2)), [1.2, 0.5], [-0.5, 0.5]))
    np.testing.assert_allclose(value, [[10.0, 15.0], [20.0, 25.0]])
    assert (sigma > 1.5).all()


def test_a_negative_value_is_missing():
    value, sigma = water_vapour.from_array(grid([[-9999.0, 3.0]], [0.0], [0.0, 1.0]))
    assert np.isnan(value[0, 0])
    assert np.isnan(sigma[0, 0])
