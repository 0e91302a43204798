from __future__ import annotations

import os
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from heliopolis.errors import GridError, InputError
from heliopolis.io.geopackage import layer_names, read_provenance, write_geopackage
from heliopolis.io.layer_stream import Parts
from heliopolis.io.vector import read_layer
from heliopolis.variables import layer_fields

CRS = "EPSG:2154"


def zones(crs=CRS, shapes=None):
    shapes = shapes or [
        shapely.box(0, 0, 1, 1),
        shapely.MultiPolygon([shapely.box(2, 2, 3, 3), shapely.box(4, 4, 5, 5)]),
    ]
    table = {"zone_id": ["a", "é"], "rank": [1, 2], "anomaly_mean_c": [3.0, np.nan]}
    return gpd.GeoDataFrame(table, geometry=shapes, crs=crs)


def empty():
    return gpd.GeoDataFrame(geometry=[], crs=CRS)


@pytest.fixture
def written(tmp_path):
    layers = {"hot_zones": zones(), "heat_cells": empty(), "places": empty()}
    provenance = {"config_sha256": "ab", "attribution": ["© Ville"]}
    path = tmp_path / "hot_zones.gpkg"
    return write_geopackage(path, layers, language="fr", provenance=provenance)


def rows(path, query):
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as base:
        return base.execute(query).fetchall()


def test_layers_come_back_with_all_columns_and_nulls(written):
    assert set(layer_names(written)) == {
        *("hot_zones", "heat_cells", "places", "fields", "layer_styles")
    }
    back = read_layer(written, "hot_zones")
    assert list(back.columns) == [*layer_fields("hot_zones"), "geometry"]
    assert back["zone_id"].tolist() == ["a", "é"]
    assert set(back.geom_type) == {"MultiPolygon"}
    assert rows(written, "SELECT anomaly_mean_c IS NULL FROM hot_zones") == [(0,), (1,)]
    assert read_layer(written, "heat_cells").empty


def test_styles_fill_every_column_and_parse(written):
    columns = (
        "f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, "
        "styleSLD, useAsDefault, description, owner, ui, update_time, type"
    )
    found = rows(written, f"SELECT {columns} FROM layer_styles")
    assert sorted(row[2] for row in found) == ["heat_cells", "hot_zones", "places"]
    for row in found:
        assert all(value is not None for value in row)
        assert row[3] == "geom"
        assert row[7] == 1
        style = ET.fromstring(row[5].split("\n", 1)[1])
        assert style.find("renderer-v2") is not None
    assert rows(written, "SELECT count(*) FROM layer_styles WHERE styleQML LIKE '%sans valeur%'")


def test_fields_table_documents_every_column_of_every_layer(written):
    table = pyogrio.read_dataframe(written, layer="fields")
    assert list(table.columns) == [
        *("layer", "field", "unit", "meaning_en", "meaning_fr", "source")
    ]
    for layer in ("hot_zones", "heat_cells", "places", "fields"):
        told = set(table.loc[table["layer"] == layer, "field"])
        assert told == set(pyogrio.read_info(written, layer=layer)["fields"])
    assert table[["meaning_en", "meaning_fr", "source"]].notna().all().all()


def test_aliases_and_provenance_stand_in_standard_tables(written):
    titles = dict(rows(written, "SELECT column_name, title FROM gpkg_data_columns"))
    assert titles["anomaly_mean_c"] == "Écart à la référence [K]"
    extensions = {row[0] for row in rows(written, "SELECT extension_name FROM gpkg_extensions")}
    assert {"gpkg_schema", "gpkg_metadata", "gpkg_rtree_index"} <= extensions
    assert read_provenance(written) == {"config_sha256": "ab", "attribution": ["© Ville"]}


def test_no_write_ahead_log_and_a_read_only_folder_opens(written):
    assert rows(written, "PRAGMA journal_mode") == [("delete",)]
    assert rows(written, "PRAGMA integrity_check") == [("ok",)]
    assert rows(written, "PRAGMA user_version") == [(10200,)]
    assert os.listdir(written.parent) == [written.name]
    written.chmod(0o444)
    written.parent.chmod(0o555)
    try:
        assert len(read_layer(written, "hot_zones")) == 2
        assert os.listdir(written.parent) == [written.name]
    finally:
        written.parent.chmod(0o755)


def test_broken_geometry_is_repaired(tmp_path):
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    path = tmp_path / "z.gpkg"
    write_geopackage(path, {"hot_zones": zones(shapes=[bow, shapely.box(5, 5, 6, 6)])})
    assert read_layer(path, "hot_zones").is_valid.all()


def test_a_failure_leaves_the_old_file_and_nothing_else(written):
    before = written.read_bytes()
    with pytest.raises(InputError, match="odd_column"):
        write_geopackage(written, {"hot_zones": zones().assign(odd_column=1)})
    with pytest.raises(ValueError, match="JSON"):
        write_geopackage(written, {"hot_zones": zones()}, provenance={"x": float("nan")})
    assert written.read_bytes() == before
    assert os.listdir(written.parent) == [written.name]


def test_layers_without_or_with_different_systems_are_refused(tmp_path):
    with pytest.raises(GridError, match="no coordinate reference system"):
        write_geopackage(tmp_path / "a.gpkg", {"hot_zones": zones(crs=None)})
    with pytest.raises(GridError, match="different"):
        write_geopackage(
            tmp_path / "a.gpkg", {"hot_zones": zones(), "heat_cells": zones("EPSG:32631")[[
                "zone_id", "geometry"]]}
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_points_get_a_marker_style(tmp_path):
    places = gpd.GeoDataFrame(
        {"place_id": ["p"], "name": ["n"]}, geometry=[shapely.Point(1, 1)], crs=CRS
    )
    path = write_geopackage(tmp_path / "p.gpkg", {"places": places})
    ((text, kind),) = rows(path, "SELECT styleQML, type FROM layer_styles")
    assert 'type="marker"' in text
    assert kind == "Point"


def test_outer_rings_run_counter_clockwise_and_holes_clockwise(tmp_path):
    hole = shapely.box(1, 1, 2, 2).exterior.coords
    shape = shapely.Polygon(shapely.box(0, 0, 4, 4, ccw=False).exterior.coords, [hole])
    path = write_geopackage(tmp_path / "x.gpkg", {"hot_zones": zones(shapes=[shape, shape])})
    back = read_layer(path, "hot_zones").geometry
    assert all(one.exterior.is_ccw and not one.interiors[0].is_ccw for one in back)
    assert back.area.tolist() == [15, 15]


def test_a_layer_in_parts_is_the_layer(tmp_path):
    whole = gpd.GeoDataFrame(
        {"panel_id": [f"p{i}" for i in range(7)], "rank": range(1, 8)},
        geometry=[shapely.box(i, 0, i + 1, 2) for i in range(7)],
        crs=CRS,
    )
    parts = Parts(whole.crs, (whole.iloc[rows] for rows in (slice(0, 4), slice(4, 4), slice(4, 7))))
    for name, layer in (("whole", whole), ("parts", parts)):
        write_geopackage(tmp_path / f"{name}.gpkg", {"panels": layer})
    one, two = (read_layer(tmp_path / f"{name}.gpkg", "panels") for name in ("whole", "parts"))
    assert_geodataframe_equal(one, two)
    none = Parts(whole.crs, [whole.iloc[:0]])
    assert read_layer(write_geopackage(tmp_path / "n.gpkg", {"panels": none}), "panels").empty
    odd = Parts(whole.crs, [whole, whole.assign(odd_column=1)])
    with pytest.raises(InputError, match="odd_column"):
        write_geopackage(tmp_path / "odd.gpkg", {"panels": odd})
    assert not (tmp_path / "odd.gpkg").exists()
