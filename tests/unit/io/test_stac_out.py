from __future__ import annotations

import json

import pystac
import pytest


def test_collection_and_items_are_valid_and_relative(small_results, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    path = small_results / "stac" / "collection.json"
    collection = pystac.Collection.from_file(str(path))
    collection.validate()
    items = list(collection.get_items())
    assert len(items) == 5
    for item in items:
        item.validate()
        assert item.properties["heliopolis:simulated"] is True
        for asset in item.get_assets().values():
            assert asset.href.startswith("../")
            assert (path.parent / item.id / asset.href).resolve().is_file()
    for file in (small_results / "stac").rglob("*.json"):
        for link in json.loads(file.read_text())["links"]:
            assert "://" not in link["href"]
            assert not link["href"].startswith("/")


def test_bands_and_dates_are_told(small_results):
    path = small_results / "stac" / "small-heat" / "small-heat.json"
    item = json.loads(path.read_text())
    bands = {band["name"]: band for band in item["assets"]["lst"]["bands"]}
    assert bands["lst_median_c"]["unit"] == "degC"
    assert item["properties"]["start_datetime"].startswith("2025-06-12")
    assert item["properties"]["end_datetime"].startswith("2025-06-19")


@pytest.mark.parametrize("name", ["small-heat", "small-solar"])
def test_geometry_is_in_degrees(small_results, name):
    item = json.loads((small_results / "stac" / name / f"{name}.json").read_text())
    assert -180 <= item["bbox"][0] < item["bbox"][2] <= 180
    assert 48 < item["bbox"][1] < 50
