"""GeoPackages that a desktop GIS opens with names, units, legends and provenance in place."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio

from heliopolis.errors import GridError
from heliopolis.io.atomic import replacing
from heliopolis.io.layer_stream import Layer, Parts, append_layer
from heliopolis.io.qml import CROWD, Geometry, qml
from heliopolis.variables import Variable, codes, layer_fields

_FIELDS_COLUMNS = ["layer", "field", "unit", "meaning_en", "meaning_fr", "source"]

_STYLES_TABLE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
  f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
  useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')), type TEXT)
"""
_METADATA_TABLES = """
CREATE TABLE IF NOT EXISTS gpkg_metadata (
  id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL,
  md_scope TEXT NOT NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL,
  mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS gpkg_metadata_reference (
  reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
  timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
  CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
  CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
CREATE TABLE IF NOT EXISTS gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT,
  mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE IF NOT EXISTS gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT,
  min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
CREATE TABLE IF NOT EXISTS gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
  scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
"""
_SPEC = "http://www.geopackage.org/spec121/"
_PROVENANCE_URI = "urn:heliopolis:provenance"


def write_geopackage(
    path: Path,
    layers: Mapping[str, Layer],
    *,
    language: str = "en",
    provenance: Mapping[str, Any] | None = None,
    styles: Mapping[str, str] | None = None,
) -> Path:
    """Write result layers, whole or not at all.

    Every layer is brought into its declared form (`heliopolis.variables.conform`), repaired,
    promoted to multipolygons where polygons are mixed, indexed, styled and documented; a
    ``fields`` table explains every column. The file is left without a write-ahead log, so that
    it opens from a read-only folder.

    Parameters
    ----------
    path
        Target, ``*.gpkg``.
    layers
        Layer name to features, whole or in `Parts`; names as in the dictionary of variables;
        may be empty; all in one CRS.
    language
        ``en`` or ``fr``: of legends and column aliases.
    provenance
        Plain JSON types (configuration hash, inputs, attribution...), kept in the metadata
        tables.
    styles
        Layer name to QML; by default the style of `heliopolis.io.qml.qml`.

    Returns
    -------
    Path
        ``path``.
    """
    _one_crs(layers, path)
    with replacing(path) as target:
        for name, table in layers.items():
            append_layer(target, name, table)
        _append_fields(target, list(layers))
        with closing(sqlite3.connect(target)) as base, base:
            base.executescript(_METADATA_TABLES)
            _write_styles(base, layers, language, styles)
            _write_aliases(base, layers, language)
            _write_provenance(base, provenance)
        with closing(sqlite3.connect(target)) as base:
            base.execute("PRAGMA journal_mode=DELETE")
            base.execute("VACUUM")
    return path


def _one_crs(tables: Mapping[str, Layer], path: Path) -> None:
    """Refuse layers without a CRS or in different ones."""
    systems = {name: table.crs for name, table in tables.items()}
    for name, crs in systems.items():
        if crs is None:
            raise GridError(
                "the layer has no coordinate reference system", where=f"{path.name}: {name}"
            )
    if len({crs.to_wkt() for crs in systems.values()}) > 1:
        raise GridError("the layers are in different coordinate reference systems", where=str(path))


def fields_table(names: list[str]) -> pd.DataFrame:
    """One row for each field of each layer: layer, field, unit, meanings, source."""
    rows: list[Variable] = [one for name in names for one in layer_fields(name).values()]
    return pd.DataFrame(
        [[getattr(one, column) for column in _FIELDS_COLUMNS] for one in rows],
        columns=_FIELDS_COLUMNS,
    )


def _append_fields(target: Path, names: list[str]) -> None:
    pyogrio.write_dataframe(
        fields_table([*names, "fields"]),
        target,
        layer="fields",
        driver="GPKG",
        append=target.exists(),
        dataset_options={"VERSION": "1.2"},
        layer_options={"FID": "fid"},
    )


def _write_styles(
    base: sqlite3.Connection,
    tables: Mapping[str, Layer],
    language: str,
    styles: Mapping[str, str] | None,
) -> None:
    base.execute(_STYLES_TABLE)
    buildings = tables.get("buildings")
    crowded = isinstance(buildings, gpd.GeoDataFrame) and len(buildings) > CROWD
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    for name, table in tables.items():
        kind = _style_geometry(table)
        text = (
            styles.get(name) if styles is not None else qml(name, language, kind, crowded=crowded)
        )
        if text is None:
            continue
        base.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
            "ui, update_time, type) VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, 'heliopolis', '', "
            "?, ?)",
            (name, name, text, f"heliopolis: {name}", now, kind.capitalize()),
        )
    base.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles')"
    )


def _style_geometry(table: Layer) -> Geometry:
    if isinstance(table, Parts):
        return "polygon"
    kinds = set(table.geom_type.dropna().unique())
    return "point" if kinds and kinds <= {"Point", "MultiPoint"} else "polygon"


def _write_aliases(base: sqlite3.Connection, tables: Mapping[str, Layer], language: str) -> None:
    """Titles, meanings and codes of columns, in the schema extension that GDAL and QGIS read."""
    for name in tables:
        for one in layer_fields(name).values():
            known = codes(name, one.field, language) if one.dtype == "text" else {}
            constraint = f"{name}_{one.field}" if known else None
            base.execute(
                "INSERT OR REPLACE INTO gpkg_data_columns (table_name, column_name, name, title, "
                "description, constraint_name) VALUES (?, ?, ?, ?, ?, ?)",
                (name, one.field, one.field, one.alias(language), one.meaning(language),
                 constraint),
            )  # fmt: skip
            base.executemany(
                "INSERT INTO gpkg_data_column_constraints "
                "(constraint_name, constraint_type, value, description) VALUES (?, 'enum', ?, ?)",
                [(constraint, code, text) for code, text in known.items()],
            )
    for table in ("gpkg_data_columns", "gpkg_data_column_constraints"):
        _register(base, table, "gpkg_schema", _SPEC + "#extension_schema")


def _write_provenance(base: sqlite3.Connection, provenance: Mapping[str, Any] | None) -> None:
    """Provenance as JSON in the metadata extension, with reference to the whole file."""
    if provenance is not None:
        text = json.dumps(provenance, ensure_ascii=False, allow_nan=False)
        cursor = base.execute(
            "INSERT INTO gpkg_metadata (md_scope, md_standard_uri, mime_type, metadata) "
            "VALUES ('dataset', ?, 'application/json', ?)",
            (_PROVENANCE_URI, text),
        )
        base.execute(
            "INSERT INTO gpkg_metadata_reference (reference_scope, md_file_id) "
            "VALUES ('geopackage', ?)",
            (cursor.lastrowid,),
        )
    for table in ("gpkg_metadata", "gpkg_metadata_reference"):
        _register(base, table, "gpkg_metadata", _SPEC + "#extension_metadata")


def _register(base: sqlite3.Connection, table: str, extension: str, definition: str) -> None:
    base.execute(
        "INSERT OR IGNORE INTO gpkg_extensions VALUES (?, NULL, ?, ?, 'read-write')",
        (table, extension, definition),
    )


def layer_names(path: Path) -> list[str]:
    """Names of the layers and tables of a vector file."""
    return [str(row[0]) for row in pyogrio.list_layers(path)]


def read_provenance(path: Path) -> dict[str, Any]:
    """Provenance that `write_geopackage` stored; empty where there is none."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as base:
        try:
            row = base.execute(
                "SELECT metadata FROM gpkg_metadata WHERE md_standard_uri = ?", (_PROVENANCE_URI,)
            ).fetchone()
        except sqlite3.DatabaseError:
            return {}
    found: dict[str, Any] = json.loads(row[0]) if row else {}
    return found
