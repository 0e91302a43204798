from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from urllib.parse import parse_qs

import pytest

from heliopolis.report.base_maps import BASE_MAPS
from heliopolis.report.project_layer import ProjectLayer
from heliopolis.report.qgis_project import write_project


def project(path, inside="heliopolis.qgs"):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [inside]
        return archive.read(inside).decode()


def parsed(path, inside="heliopolis.qgs"):
    return ET.fromstring(project(path, inside).split("\n", 1)[1])


def test_all_sources_are_relative_and_exist(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    sources = [one.text for one in root.iter("datasource")]
    assert len(sources) == 11 + 4 + 3, "layers, bands that tell how sure, maps of three dates"
    for source in sources:
        assert source.startswith("./")
        assert (small_results / source.split("|")[0]).is_file()
    text = project(small_results / "heliopolis.qgz")
    assert str(small_results) not in text
    assert "/tmp/" not in text
    assert root.find("properties/Paths/Absolute").text == "false"


def test_groups_names_and_themes_follow_the_language(small_results, small_results_fr):
    for folder, heat, solar in (
        (small_results, "Heat", "Solar"),
        (small_results_fr, "Chaleur", "Solaire"),
    ):
        root = parsed(folder / "heliopolis.qgz")
        groups = [one.get("name") for one in root.find("layer-tree-group")]
        assert groups.count(heat) == groups.count(solar) == 1
        themes = [one.get("name") for one in root.iter("visibility-preset")]
        assert themes[:2] == [heat, solar]
        assert len(themes) == 3


@pytest.mark.parametrize("crowded", [False, True])
def test_hectares_are_in_the_themes_of_a_large_city_alone(tmp_path, crowded):
    layers = [
        ProjectLayer("hot_zones", "hot_zones.gpkg", "heat"),
        *(
            ProjectLayer(layer, "rooftop_pv.gpkg", "solar", bounds=(0, 0, 9, 9), crowded=crowded)
            for layer in ("buildings", "solar_cells")
        ),
    ]
    root = parsed(write_project(tmp_path / "heliopolis.qgz", layers, title="t", crs="EPSG:2154"))
    shown = {
        preset.get("name"): "solar_cells_rooftop_pv" in [one.get("id") for one in preset]
        for preset in root.iter("visibility-preset")
    }
    assert shown == {"Heat": False, "Solar": crowded, "Heat and solar": crowded}


def test_tree_layers_and_project_layers_agree(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    ids = [one.find("id").text for one in root.iter("maplayer")]
    assert len(ids) == len(set(ids))
    assert {one.get("id") for one in root.iter("layer-tree-layer")} == set(ids)
    shown = {layer.get("id") for preset in root.iter("visibility-preset") for layer in preset}
    assert shown <= set(ids)


def test_temperature_has_fixed_classes_in_degrees_celsius(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    items = next(root.iter("colorrampshader")).findall("item")
    assert [one.get("value") for one in items][-1] == "inf"
    assert all("°C" in one.get("label") for one in items)


def test_crs_extent_and_credits_are_kept(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    assert root.find("projectCrs/spatialrefsys/authid").text == "EPSG:2154"
    box = root.find("ProjectViewSettings/DefaultViewExtent")
    assert float(box.get("xmin")) < 652000 < 653200 < float(box.get("xmax"))
    assert "Mairie & Cie" in [one.text for one in root.find("projectMetadata")]


def test_same_layers_give_the_same_bytes(tmp_path):
    layers = [ProjectLayer("buildings", "rooftop_pv.gpkg", "solar", bounds=(0, 0, 9, 9))]
    made = [
        write_project(tmp_path / f"{n}" / "heliopolis.qgz", layers, title="t", crs="EPSG:32632")
        for n in "ab"
    ]
    assert made[0].read_bytes() == made[1].read_bytes()
    themes = [one.get("name") for one in parsed(made[0]).iter("visibility-preset")]
    assert themes == ["Solar"]


@pytest.mark.parametrize("title", ["Saint-Étienne & <fils>", 'a "b"'])
def test_titles_are_escaped(tmp_path, title):
    path = write_project(tmp_path / "heliopolis.qgz", [], title=title, crs="EPSG:2154")
    assert parsed(path).find("title").text == title


def test_a_base_map_is_there_only_when_asked_for_and_lies_below_everything(tmp_path):
    bare = ProjectLayer("buildings", "rooftop_pv.gpkg", "solar", bounds=(0, 0, 9, 9))
    below = ProjectLayer("base_map", "", "", "raster", base_map=BASE_MAPS["ign_plan"])
    path = write_project(tmp_path / "a.qgz", [bare, below], title="t", crs="EPSG:2154")
    root = parsed(path, "a.qgs")
    last = root.findall("projectlayers/maplayer")[-1]
    assert last.find("provider").text == "wms"
    assert last.find("srs/spatialrefsys/authid").text == "EPSG:3857"
    source = parse_qs(last.find("datasource").text)
    (url,) = source["url"]
    assert source["type"] == ["xyz"]
    assert all(part in url for part in ("={z}", "={x}", "={y}", "LAYER=GEOGRAPHICALGRID"))
    assert BASE_MAPS["ign_plan"].credit in [one.text for one in root.find("projectMetadata")]
    assert "© IGN" in project(path, "a.qgs").split("<Layouts>")[1]


def test_nothing_is_asked_of_the_network_by_default(small_results):
    assert not [one for one in parsed(small_results / "heliopolis.qgz").iter("provider")
                if one.text == "wms"]  # fmt: skip


def test_every_raster_has_its_style_beside_it(small_results):
    rasters = [small_results / "lst.tif", *small_results.glob("scenes/*/lst.tif")]
    assert len(rasters) == 4
    for raster in rasters:
        style = ET.fromstring(raster.with_suffix(".qml").read_text().split("\n", 1)[1])
        assert style.find("pipe/rasterrenderer").get("type") == "singlebandpseudocolor"


def test_each_theme_is_printed_under_its_own_title_and_caution(small_results, tmp_path):
    whole = parsed(small_results / "heliopolis.qgz")
    assert [one.get("name") for one in whole.iter("Layout")] == [
        *("City: heat, A3", "City: solar, A3", "Atlas of districts, A4")
    ]
    roofs = ProjectLayer("buildings", "rooftop_pv.gpkg", "solar", bounds=(0, 0, 9, 9))
    root = parsed(write_project(tmp_path / "heliopolis.qgz", [roofs], title="t", crs="EPSG:2154"))
    (layout,) = root.iter("Layout")
    texts = [one.get("labelText") for one in layout.iter("LayoutItem") if one.get("labelText")]
    assert "[% @project_title %] – Solar" in texts
    assert not [text for text in texts if "emperature" in text]


def test_legends_run_from_the_lowest_class_up(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    nodes = {one.get("id"): one for one in root.find("layer-tree-group").iter("layer-tree-layer")}
    order = nodes["buildings_rooftop_pv"].find(".//Option[@name='legend/node-order']")
    assert order.get("value") == "5,4,3,2,1,0,6"


def test_a_sheet_shows_the_extent_of_its_own_theme(tmp_path):
    layers = [
        ProjectLayer("study_area", "hot_zones.gpkg", "", bounds=(0, 0, 9000, 9000)),
        ProjectLayer("hot_zones", "hot_zones.gpkg", "heat", bounds=(0, 0, 9000, 9000)),
        ProjectLayer("buildings", "rooftop_pv.gpkg", "solar", bounds=(10, 10, 90, 90)),
    ]
    root = parsed(write_project(tmp_path / "heliopolis.qgz", layers, title="t", crs="EPSG:2154"))
    extents = [one.find("LayoutItem/Extent") for one in root.iter("Layout")]
    wide = [float(one.get("xmax")) - float(one.get("xmin")) for one in extents]
    assert wide[0] > 9000
    assert 80 < wide[1] < 200


def test_on_a_page_of_the_atlas_the_temperature_ends_at_the_border_of_the_place(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    (clip,) = root.iter("atlasClippingSettings")
    assert (clip.get("enabled"), clip.get("restrictLayers")) == ("1", "1")
    assert [one.text for one in clip.iter("Layer")] == ["lst_tif_lst"]
