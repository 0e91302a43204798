"""Mistakes known from other code for Landsat temperature; ours must not make them."""

import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal import retrieval
from heliopolis.thermal.bands import band_of
from heliopolis.thermal.planck import C2_UM_K, brightness_temperature, emissivity_corrected

K8, K9 = (774.8853, 1321.0789), (799.0284, 1329.2405)


def field(*values):
    return xr.DataArray(np.array(values, dtype="float64"), dims="x")


def test_unit_of_the_wavelength():
    """In metres beside a constant in um K the emissivity has no effect: 3.0 K at 310 K."""
    assert emissivity_corrected(310.0, 0.96) == pytest.approx(313.00, abs=0.01)
    metres = 310.0 / (1.0 + 0.0000115 * 310.0 / 14380.0 * np.log(0.96))
    assert metres == pytest.approx(310.0, abs=1e-4)
    assert pytest.approx(14387.8, abs=0.1) == C2_UM_K


@pytest.mark.parametrize("method", ["rte", "smw", "split-window"])
def test_emissivity_has_its_effect_in_every_method(method):
    tb, one = field(310.0), field(1.0)

    def lst(e):
        if method == "smw":
            return float(retrieval.smw(tb, one * e, 10.0, "LANDSAT_8")[0].item())
        if method == "split-window":
            found = retrieval.split_window(tb, tb - 1.0, one * e, one * e, 10.0)
            return float(found[0].item())
        band = band_of("LANDSAT_8", 10)
        light = band.radiance(tb)
        return float(retrieval.rte(light, one * 0, one * 0, one, one * e, *K8, band=band)[0].item())

    assert 1.5 < lst(0.96) - lst(1.0) < 4.0


def test_first_coefficient_of_the_split_window():
    one = field(1.0)
    lst, _ = retrieval.split_window(field(301.0), field(300.0), one, one, 20.0)
    assert float(lst.item()) == pytest.approx(301.0 + 1.378 + 0.183 - 0.268)


def test_water_vapour_is_not_fixed():
    tb, e = field(305.0), field(0.97)
    dry, wet = (retrieval.smw(tb, e, w, "LANDSAT_8")[0] for w in (5.0, 35.0))
    assert abs(float((wet - dry).item())) > 3.0
    args = tb, tb - 1.0, e, e + 0.02
    dry, wet = (retrieval.split_window(*args, w)[0] for w in (0.13, 40.0))
    assert abs(float((wet - dry).item())) > 0.5


def test_constants_of_the_scene_are_used():
    """Landsat 9 read with the constants of Landsat 8 is 0.2 K off at 300 K."""
    light = field(9.6)
    here, there = brightness_temperature(light, *K9), brightness_temperature(light, *K8)
    assert abs(float((here - there).item())) > 0.2
    nine, eight = band_of("LANDSAT_9", 10, *K9), band_of("LANDSAT_8", 10, *K8)
    assert float(abs(nine.temperature(light) - here).item()) < 0.2
    assert float(abs(eight.temperature(light) - there).item()) < 0.2


def test_missing_values_stay_missing():
    """``x != nan`` is true of NaN too."""
    tb = field(np.nan, 300.0)
    e = field(0.97, np.nan)
    for lst, sd in (
        retrieval.smw(tb, e, 20.0, "LANDSAT_8"),
        retrieval.split_window(tb, tb, e, e, 20.0),
        retrieval.product(field(np.nan, np.nan)),
    ):
        assert np.isnan(lst).all()
        assert np.isnan(sd).all()


def test_hot_roofs_are_kept():
    """Nothing is cut off at 56.7 degC: 75 degC roofs are what the map is for."""
    hot = field(348.15)
    band = band_of("LANDSAT_8", 10)
    through, up, down, e = field(0.8), field(1.5), field(2.5), field(0.93)
    light = through * (e * band.radiance(hot) + (1 - e) * down) + up
    found = retrieval.retrieve_rte(light, up, down, through, e, band)
    assert float(found["lst_k"].item()) == pytest.approx(348.15, abs=0.01)
    assert np.isfinite(found["sd_k"]).all()
    tb = band.temperature(light)
    assert float(retrieval.smw(tb, e, 15.0, "LANDSAT_8")[0].item()) > 340.0
    assert float(retrieval.product(hot)[0].item()) == 348.15
