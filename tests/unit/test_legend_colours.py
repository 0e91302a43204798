"""Colours of the maps in CIELAB, as all readers and those with deuteranopia see them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from heliopolis.legend import SCALES

#: Full deuteranopia on linear RGB: Machado et al. 2009, doi:10.1109/TVCG.2009.113.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
#: Least difference of two classes by CIEDE2000, on which about 1 is just seen side by side:
#: Sharma et al. 2005, doi:10.1002/col.20070.
LEAST = 7.0
HEAT, SOLAR = ("hot_zones", "lst.tif", "places"), ("buildings", "roof_planes")


def seen(layer: str, *, deuteranopia: bool) -> np.ndarray:
    """CIELAB of the classes, (class, L a b)."""
    rgb = np.array(
        [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in SCALES[layer].colours]
    )
    if deuteranopia:
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        linear = np.clip(linear @ DEUTERANOPIA.T, 0, 1)
        rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb[None])[0]


@pytest.mark.parametrize("deuteranopia", [False, True])
@pytest.mark.parametrize("layer", [*HEAT, *SOLAR])
def test_lightness_runs_one_way_in_even_steps(layer: str, deuteranopia: bool) -> None:
    steps = np.diff(seen(layer, deuteranopia=deuteranopia)[:, 0])
    assert (np.sign(steps) == (-1 if layer in HEAT else 1)).all()
    assert np.abs(steps).max() < 1.5 * np.abs(steps).min()


@pytest.mark.parametrize("deuteranopia", [False, True])
def test_anomalies_are_lightest_in_the_middle(deuteranopia: bool) -> None:
    lightness = seen("heat_cells", deuteranopia=deuteranopia)[:, 0]
    middle = len(lightness) // 2
    assert (np.diff(lightness[: middle + 1]) > 0).all()
    assert (np.diff(lightness[middle:]) < 0).all()


@pytest.mark.parametrize("deuteranopia", [False, True])
@pytest.mark.parametrize("layer", SCALES)
def test_neighbouring_classes_can_be_told_apart(layer: str, deuteranopia: bool) -> None:
    colours = seen(layer, deuteranopia=deuteranopia)
    assert deltaE_ciede2000(colours[1:], colours[:-1]).min() > LEAST


@pytest.mark.parametrize("deuteranopia", [False, True])
@pytest.mark.parametrize("solar", SOLAR)
@pytest.mark.parametrize("heat", [*HEAT, "heat_cells"])
def test_no_class_of_heat_looks_like_one_of_solar(
    heat: str, solar: str, deuteranopia: bool
) -> None:
    one, other = (seen(name, deuteranopia=deuteranopia) for name in (heat, solar))
    assert deltaE_ciede2000(one[:, None], other[None]).min() > LEAST
