from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile

import pytest

from heliopolis.report.qgis_project import ProjectLayer, write_project


def project(path):
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        assert name == "heliopolis.qgs"
        return archive.read(name).decode()


def parsed(path):
    return ET.fromstring(project(path).split("\n", 1)[1])


def test_all_sources_are_relative_and_exist(small_results):
    root = parsed(small_results / "heliopolis.qgz")
    sources = [one.text for one in root.iter("datasource")]
    assert len(sources) == 10 + 3, "ten layers and the maps of three dates"
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
