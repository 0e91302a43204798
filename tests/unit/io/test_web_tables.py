from __future__ import annotations

import json
import struct

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from heliopolis.io.web_tables import write_web_tables
from heliopolis.variables import layer_fields


@pytest.fixture(scope="module")
def roofs():
    x = 652000 + 40.0 * np.arange(30)
    return gpd.GeoDataFrame(
        {"building_id": [f"b{i}" for i in range(30)], "energy_kwh_year_p50": [*range(29), np.nan]},
        geometry=shapely.box(x, 6862000, x + 20, 6862015),
        crs="EPSG:2154",
    )


def test_geoparquet_keeps_fields_values_nulls_and_system(roofs, tmp_path):
    (path,) = write_web_tables(tmp_path / "web", {"buildings": roofs}, ["geoparquet"])
    assert path.name == "buildings.parquet"
    back = gpd.read_parquet(path)
    assert set(layer_fields("buildings")) <= set(back.columns)
    assert back["energy_kwh_year_p50"].isna().sum() == 1
    assert back.crs == roofs.crs
    assert back.geometry.geom_equals(roofs.geometry).all()
    told = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert told["version"] == "1.1.0"
    assert "covering" in told["columns"]["geometry"]
    near = gpd.read_parquet(path, bbox=(652000, 6862000, 652030, 6862015))
    assert len(near) == 1


def test_pmtiles_are_version_3_in_place_and_readable(roofs, tmp_path):
    (path,) = write_web_tables(tmp_path / "web", {"buildings": roofs}, ["pmtiles"])
    head = path.read_bytes()[:127]
    assert head[:8] == b"PMTiles\x03"
    least, most = head[100], head[101]
    assert (least, most) == (12, 16)
    west, south, east, north = (value / 1e7 for value in struct.unpack("<4i", head[102:118]))
    expected = roofs.to_crs("EPSG:4326").total_bounds
    assert np.allclose([west, south, east, north], expected, atol=2e-3)
    tiles = pyogrio.read_dataframe(path, layer="buildings")
    assert set(tiles["building_id"]) == set(roofs["building_id"])


def test_what_is_empty_or_not_asked_for_is_not_written(roofs, tmp_path):
    assert write_web_tables(tmp_path / "web", {"buildings": roofs}, []) == []
    assert write_web_tables(tmp_path / "web", {"buildings": roofs[:0]}, ["pmtiles"]) == []
    assert not (tmp_path / "web").exists()
