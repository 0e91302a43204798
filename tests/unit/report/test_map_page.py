from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image

from heliopolis.io.raster import read_raster
from heliopolis.io.vector import read_layer
from heliopolis.legend import SCALES
from heliopolis.report.html import Content
from heliopolis.report.map_data import DETAILS, map_content, pack
from heliopolis.report.map_layers import outlines, pack_layer
from heliopolis.report.map_page import render_map
from heliopolis.report.map_raster import block_mean, class_picture
from heliopolis.report.words import say


@pytest.fixture(scope="module")
def content(small_results):
    roofs, heat = small_results / "rooftop_pv.gpkg", small_results / "hot_zones.gpkg"
    return Content(
        json.loads((small_results / "run.json").read_text()),
        "en",
        read_layer(roofs, "study_area"),
        read_raster(small_results / "lst.tif"),
        read_layer(heat, "hot_zones"),
        read_layer(heat, "places"),
        read_layer(roofs, "buildings"),
        read_layer(roofs, "roof_planes"),
    )


def unpacked(page):
    text = re.search(r'<script type="text/plain" id="content">([^<]*)</script>', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(text)))


def shapes(layer, origin):
    """Outlines as the page rebuilds them: one multipolygon of exteriors by feature."""
    xy = np.cumsum(np.reshape(layer["xy"], (-1, 2)), axis=0) * layer["quantum"] + origin
    rings = np.split(xy, np.cumsum(layer["points"])[:-1])
    owners = np.repeat(np.arange(len(layer["rings"])), layer["rings"])
    return [
        [ring for ring, owner in zip(rings, owners, strict=True) if owner == i]
        for i in range(len(layer["rings"]))
    ]


def test_the_page_holds_what_the_tables_hold(small_results, content):
    found = unpacked((small_results / "map.html").read_text(encoding="utf-8"))
    layers = {layer["key"]: layer for layer in found["layers"]}
    assert set(layers) == {"study_area", "hot_zones", "places", "buildings", "roof_planes"}
    table, columns = content.buildings, layers["buildings"]["columns"]
    assert columns["building_id"]["values"] == list(table["building_id"])
    energy = columns["energy_kwh_year_p50"]
    assert energy["label"] == "Energy, central estimate [kWh/year]"
    known = table["energy_kwh_year_p50"].notna().to_numpy()
    assert [value is not None for value in energy["values"]] == list(known)
    told = np.array([value for value in energy["values"] if value is not None])
    np.testing.assert_allclose(told, table["energy_kwh_year_p50"][known], atol=0.5)
    shown = dict(layers["buildings"]["shown"])
    assert shown["lst_mean_c"] == "lst_sd_c"
    assert columns["zone_id"]["leads"] == "hot_zones"


def test_outlines_are_kept_to_half_a_step(content):
    origin = np.floor(content.area.total_bounds[:2])
    layer = pack_layer("buildings", content.buildings, origin, "en", 0.1)
    for made, true in zip(shapes(layer, origin), content.buildings.geometry, strict=True):
        assert shapely.hausdorff_distance(shapely.Polygon(made[0]), true) <= 0.05 * 2**0.5 + 1e-9


def test_outlines_of_parts_holes_and_points():
    ring = shapely.box(0, 0, 10, 10) - shapely.box(4, 4, 6, 6)
    both = shapely.MultiPolygon([ring, shapely.box(20, 0, 21, 1)])
    zero = np.zeros(2)
    made = outlines(np.array([both, shapely.Point(3, 4), shapely.box(7, 7, 8, 8)]), zero, 1.0)
    assert made["rings"] == [3, 1, 1]
    assert made["points"] == [4, 4, 4, 1, 4]
    rebuilt = shapes({**made, "quantum": 1.0}, zero)
    exterior, hole, other = rebuilt[0]
    assert shapely.Polygon(exterior, [hole]).equals(ring)
    assert shapely.Polygon(other).equals(both.geoms[1])
    assert rebuilt[1][0].tolist() == [[3, 4]]


def test_outlines_smaller_than_a_step_keep_a_corner():
    made = outlines(np.array([shapely.box(0.1, 0.1, 0.2, 0.2)]), np.zeros(2), 1.0)
    assert made == {"rings": [1], "points": [1], "xy": [0, 0]}


def test_detail_goes_until_the_page_is_small_enough(content):
    whole = pack(content)
    assert whole.detail == DETAILS[0]
    smaller = pack(content, max_bytes=len(whole.base64) - 1)
    assert smaller.detail.note
    assert "roof_planes" not in smaller.layers
    assert len(smaller.base64) < len(whole.base64)
    page = render_map(content, smaller)
    assert say(smaller.detail.note, "en", n="") in page
    assert 'value="roof_planes"' not in page


def test_the_last_detail_keeps_the_roofs_that_yield_most(content):
    few = map_content(content, replace(DETAILS[-1], most=7))
    layer = next(one for one in few["layers"] if one["key"] == "buildings")
    best = content.buildings.nlargest(7, "energy_kwh_year_p50")["building_id"]
    assert set(layer["columns"]["building_id"]["values"]) == set(best)


def test_the_policy_names_the_very_script_and_style(small_results):
    page = (small_results / "map.html").read_text(encoding="utf-8")
    rules = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = rules.replace("&#39;", "'")
    assert "default-src 'none'" in rules
    assert "connect-src 'none'" in rules
    assert "unsafe" not in rules
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in rules


def test_legends_show_the_fixed_classes_in_both_languages(small_results, small_results_fr):
    for folder, language in ((small_results, "en"), (small_results_fr, "fr")):
        page = (folder / "map.html").read_text(encoding="utf-8")
        for layer, scale in SCALES.items():
            if layer in ("heat_cells", "solar_cells"):
                continue  # cells are not on the page
            for colour, label in zip(scale.colours, scale.labels(language), strict=True):
                assert colour in page
                assert label in page
    assert "Hot zones" not in (small_results_fr / "map.html").read_text(encoding="utf-8")


def test_names_cannot_leave_the_data(content):
    places = content.places.assign(name="</script><script>alert(1)</script>")
    page = render_map(replace(content, places=places))
    assert "alert(1)" not in page
    named = {layer["key"]: layer for layer in unpacked(page)["layers"]}["places"]
    assert named["columns"]["name"]["values"][0].startswith("</script>")


def test_either_half_makes_a_page(content):
    solar = replace(content, lst=None, hot_zones=None, places=None)
    page = render_map(solar)
    assert 'value="lst"' not in page
    assert say("map_not_air", "en") not in page
    west, south, east, north = unpacked(page)["bounds"]
    origin = np.floor(content.area.total_bounds[:2])
    shown = np.array([west, south, east, north]) + np.tile(origin, 2)
    np.testing.assert_allclose(shown, content.buildings.total_bounds)
    heat = replace(content, buildings=None, roof_planes=None)
    assert 'value="buildings"' not in render_map(heat)
    assert say("map_not_air", "en") in render_map(heat)


def test_equal_results_make_equal_pages(content):
    assert render_map(content) == render_map(content)


def test_picture_has_one_colour_for_each_class():
    values = np.array([[19.9, 20.0, np.nan], [47.9, 48.0, 60.0]])
    image = Image.open(io.BytesIO(class_picture(values))).convert("RGBA")
    pixels = np.asarray(image)
    colours = SCALES["lst.tif"].colours
    told = ["#" + bytes(pixel[:3]).hex() for pixel in pixels.reshape(-1, 4)]
    assert [told[i] for i in (0, 1, 3, 4, 5)] == [colours[i] for i in (0, 1, 7, 8, 8)]
    assert pixels[0, 2, 3] == 0
    assert pixels[0, 0, 3] == 255


def test_block_means_leave_out_what_is_not_known():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(block_mean(values, 2), [[3.0, np.nan]])


def test_unknown_words_of_a_user_are_shown_as_they_are():
    area = gpd.GeoDataFrame(
        {"building_id": ["a", "b"], "best_use": ["pv", "garden"], "source": ["survey", None]},
        geometry=[shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)],
        crs=2154,
    ).assign(specific_yield_kwh_kwp=[899.9, None])
    layer = pack_layer("buildings", area, np.zeros(2), "fr", 0.1)
    columns = layer["columns"]
    assert columns["best_use"]["values"] == ["Panneaux", "garden"]
    assert columns["source"]["values"] == ["survey", None]
    assert columns["specific_yield_kwh_kwp"]["values"] == [900, None]
    assert layer["classes"] == [3, -1]
    assert SCALES["buildings"].labels("en")[3] == "800 to 900 kWh/kWp"
