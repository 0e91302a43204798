"""Layers written in slices, so that a layer of millions of features takes little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely

from heliopolis.errors import HeliopolisError
from heliopolis.variables import conform, layer_fields

#: Features that are held in their written form at once.
SLICE = 50_000
#: Layers whose polygons are multi-part whatever they hold.
_MULTI = ("study_area",)
_ARROW = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
_GEOMETRY = "geom"
_SINGLE, _PARTS = "Polygon", "MultiPolygon"


@dataclass(frozen=True)
class Parts:
    """A layer of polygons that comes part by part, such as the panels of one tile after another.

    Attributes
    ----------
    crs
        Coordinate reference system of all parts.
    frames
        The parts, gone through once, at least one, which may be empty.
    """

    crs: Any
    frames: Iterable[gpd.GeoDataFrame]


Layer: TypeAlias = gpd.GeoDataFrame | Parts


def append_layer(target: Path, name: str, table: Layer) -> None:
    """Append a layer in its declared form to a GeoPackage, with a spatial index.

    Geometries are repaired, polygons become multi-part where both kinds are mixed, outer rings
    run counter-clockwise and holes clockwise, as OGC 06-103r4, 6.1.11 wants them.

    Parameters
    ----------
    target
        GeoPackage; made where it is not there.
    name
        Declared layer.
    table
        Features with a CRS; may be empty. Of `Parts` one is held at a time.

    Raises
    ------
    InputError
        Where the table does not fit the declaration (`heliopolis.variables.conform`).
    """
    kind = _SINGLE if isinstance(table, Parts) else _kind(name, table)
    schema = _schema(name)
    refused: list[HeliopolisError] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for frame in table.frames if isinstance(table, Parts) else [table]:
                for part in _slices(name, frame):
                    yield _batch(part, name, kind, schema)
        except HeliopolisError as error:
            refused.append(error)  # The writer forgets what went wrong in a stream.
            raise

    try:
        _write(target, name, kind, pa.RecordBatchReader.from_batches(schema, batches()), table.crs)
    except RuntimeError:
        if refused:
            raise refused[0] from None
        raise


def _write(target: Path, name: str, kind: str, stream: pa.RecordBatchReader, crs: Any) -> None:
    pyogrio.write_arrow(
        stream,
        target,
        layer=name,
        driver="GPKG",
        geometry_name=_GEOMETRY,
        geometry_type=kind,
        crs=crs.to_wkt(),
        append=target.exists(),
        dataset_options={"VERSION": "1.2"},
        layer_options={"SPATIAL_INDEX": "YES", "GEOMETRY_NAME": _GEOMETRY, "FID": "fid"},
    )


def _schema(name: str) -> pa.Schema:
    wkb = {b"ARROW:extension:name": b"geoarrow.wkb"}
    fields = [(one.field, _ARROW[one.dtype]) for one in layer_fields(name).values()]
    return pa.schema([*fields, pa.field(_GEOMETRY, pa.binary(), metadata=wkb)])


def _kind(name: str, table: gpd.GeoDataFrame) -> str:
    """Geometry type of the written layer."""
    geometry = np.asarray(table.geometry.array)
    broken = _broken(geometry)
    repaired = shapely.make_valid(geometry[broken], method="structure")
    sound = geometry if not broken.any() else geometry[~broken]
    numbers = np.union1d(shapely.get_type_id(sound), shapely.get_type_id(repaired))
    kinds = {shapely.GeometryType(number).name for number in numbers if number >= 0}
    names = {_NAMES[kind] for kind in kinds}
    if names == {_SINGLE, _PARTS} or (name in _MULTI and names <= {_SINGLE, _PARTS}):
        return _PARTS
    if len(names) > 1:
        return "Unknown"
    return names.pop() if names else _SINGLE


_NAMES = {
    "POINT": "Point", "MULTIPOINT": "MultiPoint", "LINESTRING": "LineString",
    "MULTILINESTRING": "MultiLineString", "POLYGON": _SINGLE, "MULTIPOLYGON": _PARTS,
    "LINEARRING": "LineString", "GEOMETRYCOLLECTION": "GeometryCollection",
}  # fmt: skip


def _broken(geometry: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    return ~(shapely.is_valid(geometry) | shapely.is_missing(geometry))


def _slices(name: str, table: gpd.GeoDataFrame) -> Iterator[gpd.GeoDataFrame]:
    """Declared form of the table, slice by slice; at least one, for an empty table."""
    whole = any(
        one.dtype == "text" and one.field in table and pd.api.types.is_float_dtype(table[one.field])
        for one in layer_fields(name).values()
    )
    # Numbers that become text are judged together: 2.0 is "2" where all of them are whole.
    step = max(1, len(table)) if whole else SLICE
    for start in range(0, max(1, len(table)), step):
        yield conform(name, table.iloc[start : start + step])


def _batch(part: gpd.GeoDataFrame, name: str, kind: str, schema: pa.Schema) -> pa.RecordBatch:
    geometry = np.asarray(part.geometry.array)
    broken = _broken(geometry)
    if broken.any():
        geometry = geometry.copy()
        geometry[broken] = shapely.make_valid(geometry[broken], method="structure")
    if kind == _PARTS:
        single = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
        geometry = geometry.copy()
        geometry[single] = shapely.multipolygons(geometry[single][:, None])
    shapes = shapely.to_wkb(shapely.orient_polygons(geometry), include_srid=False)
    columns = [pa.array(part[one], type=schema.field(one).type, from_pandas=True)
               for one in layer_fields(name)]  # fmt: skip
    return pa.record_batch([*columns, pa.array(shapes, type=pa.binary())], schema=schema)
