from __future__ import annotations

import pandas as pd
import pytest

from heliopolis.legend import SCALES, Scale, word
from heliopolis.variables import find

VALUES = [-1e3, -4, -0.1, 0, 1.9, 2, 47.9, 48, 599, 600, 1e5]


@pytest.mark.parametrize("layer", SCALES)
def test_scales_are_complete_and_their_field_is_declared(layer):
    scale = SCALES[layer]
    assert len(scale.colours) == len(scale.breaks) + 1
    assert list(scale.breaks) == sorted(scale.breaks)
    assert find(scale.field, layer).layer == layer
    assert word(layer, "en") != word(layer, "fr")


@pytest.mark.parametrize("layer", SCALES)
def test_each_value_is_in_exactly_one_class(layer):
    scale = SCALES[layer]
    table = pd.DataFrame({scale.field: VALUES})
    hits = sum(
        table.eval(text.replace('"', "").replace(" AND ", " and ")).astype(int)
        for text in scale.filters()
    )
    assert (hits == 1).all()


def test_labels_carry_unit_and_language():
    scale = Scale("x", (0.5, 2), ("#000000", "#777777", "#ffffff"), "K")
    assert scale.labels("fr") == ["moins de 0,5 K", "0,5 à 2 K", "2 K et plus"]


def test_darker_is_hotter_on_every_heat_map():
    def light(colour):
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.3, 1), (0.59, 3), (0.11, 5)))

    for layer in ("hot_zones", "lst.tif", "places"):
        levels = [light(colour) for colour in SCALES[layer].colours]
        assert levels == sorted(levels, reverse=True)
    levels = [light(colour) for colour in SCALES["buildings"].colours]
    assert levels == sorted(levels)
