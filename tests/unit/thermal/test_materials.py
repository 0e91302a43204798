import numpy as np
import pytest
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.thermal.materials import LOW_SHARE, MATERIALS, OUTDOORS_SD, mixed


def row(*values):
    return xr.DataArray(np.array([values], dtype="float64"), dims=("y", "x"))


def test_mixture_by_hand():
    made = mixed({"roof_tile": row(0.5, 0.0, np.nan), "metal": row(0.1, 0.0, np.nan)})
    # (0.5 x 0.946 + 0.1 x 0.804) / 0.6; sqrt((0.006^2 + 0.0269^2) / 0.6^2 + 0.01^2)
    assert made["emissivity"].values[0, 0] == pytest.approx(0.922333, abs=1e-6)
    assert made["emissivity_sd"].values[0, 0] == pytest.approx(0.047011, abs=1e-5)
    assert made["known"].values[0].tolist() == pytest.approx([0.6, 0.0, 0.0])
    assert made["low"].values[0].tolist() == pytest.approx([0.1, 0.0, 0.0])
    assert np.isnan(made["emissivity"].values[0, 1:]).all()


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="kryptonite"):
        mixed({"kryptonite": row(1.0)})


def test_metal_is_the_only_mirror_and_is_uncertain():
    low = {name for name, material in MATERIALS.items() if material.low_emissivity}
    assert low == {"metal", "metal_bare"}
    for name, material in MATERIALS.items():
        for band in (10, 11):
            assert 0.1 < material.emissivity[band] < 1.0
            assert material.sd[band] > (0.1 if name in low else 0.002)
    assert mixed({"metal": row(LOW_SHARE)})["low"].item() >= LOW_SHARE
    assert mixed({"granite": row(1.0)})["emissivity_sd"].item() > OUTDOORS_SD
