import numpy as np
import pytest
import xarray as xr

from heliopolis.thermal.optical import ALBEDO_WEIGHTS, built, indices, water


def scene(**bands):
    return {name: xr.DataArray(np.array(v, dtype="float64"), dims="x") for name, v in bands.items()}


BANDS = scene(
    blue=[0.04, 0.12, 0.06], green=[0.06, 0.14, 0.05], red=[0.04, 0.16, 0.03],
    nir=[0.45, 0.20, 0.02], swir16=[0.20, 0.25, 0.01], swir22=[0.1, 0.22, 0.005],
)  # fmt: skip


def test_indices_of_meadow_roof_and_lake():
    made = indices(BANDS)
    assert made["ndvi"].values[0] > 0.8 > 0.2 > made["ndvi"].values[1]
    assert made["ndbi"].values[1] > 0 > made["ndbi"].values[0]
    want = sum(float(BANDS[name][1]) * w for name, w in ALBEDO_WEIGHTS.items())
    assert made["albedo"].values[1] == pytest.approx(want)
    assert sum(ALBEDO_WEIGHTS.values()) == pytest.approx(1.0)


def test_water_and_built():
    classified = xr.DataArray([0.0, 0.0, 0.2], dims="x")
    wet = water(BANDS, classified)
    assert wet.values.tolist() == [0.0, 0.0, 1.0]
    share = built({**indices(BANDS), "water": wet})
    assert share.values[0] < 0.1
    assert share.values[1] > 0.9
    assert share.values[2] == 0.0


def test_without_short_wave_infrared_there_is_no_albedo():
    some = {name: BANDS[name] for name in ("green", "red", "nir")}
    assert set(indices(some)) == {"ndvi"}
