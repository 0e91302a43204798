import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal import retrieval
from heliopolis.thermal.bands import band_of
from heliopolis.thermal.planck import radiance

K1, K2 = 774.8853, 1321.0789
BAND = band_of("LANDSAT_8", 10)


def field(*values):
    return xr.DataArray(np.array(values, dtype="float64"), dims="x")


def seen(kelvin, emissivity, up, down, through):
    return through * (emissivity * BAND.radiance(kelvin) + (1 - emissivity) * down) + up


def test_rte_recovers_what_was_put_in():
    kelvin, emissivity = field(265.0, 300.0, 325.0), field(0.97, 0.95, 0.90)
    air = field(1.0, 2.0, 3.0), field(1.6, 3.2, 4.5), field(0.9, 0.75, 0.6)
    found = retrieval.retrieve_rte(seen(kelvin, emissivity, *air), *air, emissivity, BAND)
    np.testing.assert_allclose(found["lst_k"], kelvin, atol=1e-3)
    assert found["sd_k"].attrs == {"units": "K"}
    assert ((found["sd_k"] > 0.3) & (found["sd_k"] < 6.0)).all()
    assert found["sd_k"][2] > found["sd_k"][0]


def test_rte_by_constants_alone_is_a_tenth_of_a_kelvin_off():
    kelvin, emissivity = field(265.0, 314.0), field(0.99, 0.97)
    air = field(0.5, 2.0), field(0.9, 3.2), field(0.95, 0.75)
    lst, _ = retrieval.rte(seen(kelvin, emissivity, *air), *air, emissivity, K1, K2)
    assert ((lst - kelvin > 0.1) & (lst - kelvin < 0.17)).all()
    lst, _ = retrieval.rte(seen(kelvin, emissivity, *air), *air, emissivity, K1, K2, band=BAND)
    np.testing.assert_allclose(lst, kelvin, atol=1e-3)


def test_rte_sigma_covers_an_emissivity_error_in_the_systematic_part():
    kelvin, e = field(310.0), field(0.96)
    air = field(1.2), field(2.0), field(0.85)
    light = seen(kelvin, e, *air)
    right = retrieval.retrieve_rte(light, *air, e, BAND, 0.02)
    wrong = retrieval.retrieve_rte(light, *air, e - 0.02, BAND, 0.02)
    error = float((wrong["lst_k"] - right["lst_k"]).item())
    assert error == pytest.approx(float(wrong["sd_systematic_k"].item()), rel=0.1)


def test_rte_sigma_of_the_air_is_that_of_a_wrong_optical_depth():
    kelvin, e, depth, mean_air = field(310.0), field(0.96), 0.3, BAND.radiance(285.0)

    def air(scale):
        up = field(mean_air * (1 - np.exp(-depth * scale)))
        return (
            up,
            field(mean_air * (1 - np.exp(-1.66 * depth * scale))),
            field(np.exp(-depth * scale)),
        )

    light = seen(kelvin, e, *air(1.0))
    right = retrieval.retrieve_rte(light, *air(1.0), e, BAND)
    wrong = retrieval.retrieve_rte(light, *air(1.1), e, BAND)
    error = float((wrong["lst_k"] - right["lst_k"]).item())
    part = float(right["sd_scene_k"].item())
    assert 0.4 * part < error < part


def test_cloud_nearby_widens_the_error():
    kelvin, e = field(300.0, 300.0), field(0.97, 0.97)
    air = field(1.2, 1.2), field(2.0, 2.0), field(0.85, 0.85)
    light = seen(kelvin, e, *air)
    found = retrieval.retrieve_rte(light, *air, e, BAND, 0.01, field(0.3, 60.0))
    assert found["sd_k"][0] > found["sd_k"][1] + 1.0
    assert found["sd_systematic_k"][0] == pytest.approx(found["sd_systematic_k"][1])


def test_parts_add_up_and_are_nan_with_the_temperature():
    found = retrieval.retrieve_product(field(300.0, np.nan, 310.0), field(1.1, 1.2, np.nan))
    total = sum(found[name] ** 2 for name in ("sd_random_k", "sd_scene_k", "sd_systematic_k"))
    np.testing.assert_allclose(total, found["sd_k"] ** 2)
    np.testing.assert_allclose(found["sd_k"], [1.1, np.nan, retrieval.PRODUCT_SIGMA_K])
    lst, sd = retrieval.product(field(300.0, np.nan, 310.0), field(1.1, 1.2, np.nan))
    assert np.isnan(lst[1])
    np.testing.assert_allclose(sd, found["sd_k"])


def test_radiance_below_the_air_is_unknown():
    one = field(1.0)
    lst, sd = retrieval.rte(one, field(2.0), one, field(0.8), field(0.97), K1, K2)
    assert np.isnan(lst).all()
    assert np.isnan(sd).all()


def test_constants_are_those_of_the_file():
    """The satellites differ: the constants of one give a wrong temperature on another."""
    light = radiance(field(300.0), 799.0284, 1329.2405)
    air = field(0.0), field(0.0), field(1.0)
    lst, _ = retrieval.rte(light, *air, field(1.0), 799.0284, 1329.2405)
    np.testing.assert_allclose(lst, 300.0)
    wrong, _ = retrieval.rte(light, *air, field(1.0), K1, K2)
    assert abs(float(wrong.item()) - 300.0) > 0.2


def test_methods_stay_lazy():
    brightness = field(295.0, 305.0).chunk({"x": 1})
    e = xr.full_like(brightness, 0.97)
    water = xr.full_like(brightness, 20.0)
    found = (
        retrieval.retrieve_smw(brightness, e, water, "LANDSAT_9"),
        retrieval.retrieve_split_window(brightness, brightness - 1, e, e, water),
        retrieval.retrieve_rte(e * 9, e, e * 2, e * 0.9, e, BAND, 0.01, water),
        retrieval.retrieve_product(brightness, e),
    )
    for values in found:
        assert all(array.chunks is not None for array in values.data_vars.values())
