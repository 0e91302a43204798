from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from heliopolis.io.provenance import baseline, energy_used, licences, tile_records, versions
from heliopolis.scene import Scene, Sensor


def scene(sensor, **properties):
    when = datetime(2024, 7, 1, 10, tzinfo=UTC)
    return Scene("s1", sensor, when, {"properties": properties, "assets": {}})


def test_credits_name_the_year_and_stand_once():
    found = licences([scene(Sensor.SENTINEL2_L2A), scene(Sensor.SENTINEL2_L2A)])
    assert [one["attribution"] for one in found] == [
        "Contains modified Copernicus Sentinel data 2024"
    ]
    assert "U.S. Geological Survey" in licences([scene(Sensor.LANDSAT_L2)])[0]["attribution"]


def test_simulated_scenes_credit_no_satellite():
    found = licences([scene(Sensor.LANDSAT_L2, **{"heliopolis:simulated": True})])
    assert "Simulated" in found[0]["attribution"]


def test_rasters_of_the_user_claim_no_credit():
    assert licences([scene(Sensor.LST_RASTER)])[0]["attribution"] == ""


def test_baseline_is_found_or_none():
    assert baseline(scene(Sensor.SENTINEL2_L2A, **{"s2:processing_baseline": "05.11"})) == "05.11"
    assert baseline(scene(Sensor.LANDSAT_L2)) is None


def test_energy_is_unknown_and_not_zero_without_measurements():
    assert energy_used([])["energy_kwh"] is None
    assert energy_used([{"cpu_seconds": 3600}])["energy_kwh"] == pytest.approx(0.012)


def test_versions_name_what_numbers_depend_on():
    assert {"python", "gdal", "numpy", "heliopolis"} <= set(versions())


def test_tiles_tell_their_status(tmp_path):
    tiles = [{"id": name, "work": name != "d"} for name in "abcd"]
    (tmp_path / "tiles.json").write_text(json.dumps(tiles))
    (tmp_path / "solar").mkdir()
    (tmp_path / "solar" / "a.gpkg").write_text("")
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors" / "roof_planes.b.txt").write_text("no points\n")
    found = {one["id"]: one for one in tile_records(tmp_path)}
    assert [found[name]["status"] for name in "abcd"] == ["done", "failed", "missing", "no work"]
    assert found["b"]["error"] == "no points"
