from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from heliopolis.io.qml import qml
from heliopolis.io.qml_form import form_tabs
from heliopolis.io.qml_raster import band_pipe, band_title
from heliopolis.io.qml_widgets import decimals
from heliopolis.legend import BANDS, SCALES
from heliopolis.variables import layer_fields, layers

DRAWN = [name for name in layers() if name != "fields"]


def parsed(layer, language="en", geometry="polygon"):
    text = qml(layer, language, geometry)
    assert text.startswith("<!DOCTYPE qgis")
    return ET.fromstring(text.split("\n", 1)[1])


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("layer", DRAWN)
def test_style_parses_and_names_every_column(layer, language):
    style = parsed(layer, language)
    aliases = {one.get("field"): one.get("name") for one in style.iter("alias")}
    assert aliases == {k: v.alias(language) for k, v in layer_fields(layer).items()}
    symbols = [one.get("name") for one in style.find("renderer-v2/symbols")]
    rules = list(style.iter("rule"))
    if layer == "buildings":
        ranges = list(style.iter("range"))
        assert [one.get("symbol") for one in ranges] == symbols
        assert [one.get("label") for one in ranges[:-1]] == SCALES[layer].labels(language)[::-1]
        limits = [float(one.get("lower")) for one in ranges[:-2]]
        assert limits == [float(limit) for limit in SCALES[layer].breaks[::-1]]
        assert float(ranges[-1].get("upper")) < float(ranges[-2].get("lower"))
    elif layer in SCALES:
        assert [rule.get("symbol") for rule in rules] == symbols
        assert len(rules) == len(SCALES[layer].colours) + 1
        assert rules[-1].get("filter").endswith("IS NULL")
    else:
        assert symbols == ["0"]


def test_languages_differ_and_units_stand_in_the_legend():
    english, french = (
        [rule.get("label") for rule in parsed("hot_zones", one).iter("rule")]
        for one in ("en", "fr")
    )
    assert english[0] == "below 2 K"
    assert french[0] == "moins de 2 K"


def test_of_too_many_buildings_hectares_are_drawn_first():
    for crowded, limits in ((True, ("30000", "30000")), (False, ("100000000", "0"))):
        roofs, cells = (
            ET.fromstring(qml(layer, crowded=crowded).split("\n", 1)[1])
            for layer in ("buildings", "solar_cells")
        )
        assert (roofs.get("minScale"), cells.get("maxScale")) == limits
        assert roofs.get("hasScaleBasedVisibilityFlag") == str(int(crowded))


def test_large_numbers_are_grouped_in_legends():
    assert SCALES["solar_cells"].labels("en")[1] == "10\u202f000 to 30\u202f000 kWh/year"


def test_styles_are_the_same_in_every_run():
    assert qml("buildings") == qml("buildings")


def test_zones_are_labelled_with_their_rank():
    style = parsed("hot_zones")
    assert style.get("labelsEnabled") == "1"
    assert style.find("labeling/settings/text-style").get("fieldName") == '"rank"'


@pytest.mark.parametrize("layer", layers())
def test_each_field_is_on_one_tab_of_the_form(layer):
    fields = [name for tab in form_tabs(layer).values() for name in tab]
    assert sorted(fields) == sorted(layer_fields(layer))


@pytest.mark.parametrize("layer", ["buildings", "roof_planes", "hot_zones", "places"])
def test_forms_have_tabs_by_theme_in_both_languages(layer):
    forms = [parsed(layer, language).find("attributeEditorForm") for language in ("en", "fr")]
    names = [[tab.get("name") for tab in form] for form in forms]
    assert len(names[0]) == len(set(names[0])) >= 4
    assert len(set(names[0]) & set(names[1])) == 0
    assert [[f.get("name") for f in tab] for tab in forms[0]] == list(form_tabs(layer).values())
    assert parsed(layer).find("editorlayout").text == "tablayout"


def test_a_layer_of_one_theme_has_no_tabs():
    assert parsed("study_area").find("attributeEditorForm") is None


@pytest.mark.parametrize("band", BANDS)
def test_bands_have_a_class_for_every_value_and_a_name_with_unit(band):
    items = list(band_pipe(band, "fr", 3).iter("item"))
    assert [one.get("value") for one in items][-1] == "inf"
    assert len(items) == len(BANDS[band].colours)
    assert band_pipe(band, "fr", 3).find("rasterrenderer").get("band") == "3"
    assert band_title(band, "en") != band_title(band, "fr")


def test_values_are_shown_in_words_and_without_false_decimals():
    fields = {one.get("name"): one for one in parsed("buildings", "fr").iter("field")}
    kinds = {name: one.find("editWidget").get("type") for name, one in fields.items()}
    assert kinds["best_use"] == kinds["existing_pv"] == "ValueMap"
    assert kinds["lst_mean_c"] == "Range"
    precision = fields["lst_mean_c"].find(".//Option[@name='Precision']")
    assert precision.get("value") == "1"
    known = layer_fields("hot_zones")
    assert [decimals(known[n]) for n in ("rank", "area_m2", "p_value", "built_share")] == [
        0, 0, 4, 2
    ]  # fmt: skip


def test_zones_do_not_tint_the_temperature_below_them():
    for symbol in parsed("hot_zones").iter("symbol"):
        assert {
            one.get("value") for one in symbol.iter("Option") if one.get("name") == "style"
        } == {"no"}
