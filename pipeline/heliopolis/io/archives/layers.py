"""Layers of buildings and of places as heliopolis reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from heliopolis.io.archives.delivery import Order
from heliopolis.io.vector import write_layers

FOOTPRINT_FIELDS = ("building_id", "height_m", "use")
PLACE_FIELDS = ("place_id", "name", "kind")


def deliver_layer(
    order: Order, archive: str, records: Iterable[Mapping[str, Any]], crs: str
) -> gpd.GeoDataFrame:
    """Write the records that touch the area as one layer, named after the kind.

    Parameters
    ----------
    order
        Kind ``footprints`` or ``places``.
    archive
        For messages.
    records
        Fields of `FOOTPRINT_FIELDS` or `PLACE_FIELDS`, and ``geometry`` (shapely) in ``crs``.
        Of records with the same id the first counts.
    crs
        CRS of the geometries.

    Returns
    -------
    GeoDataFrame
        What was written, in the CRS ordered, sorted by id.
    """
    fields = FOOTPRINT_FIELDS if order.kind == "footprints" else PLACE_FIELDS
    unique: dict[str, Mapping[str, Any]] = {}
    for record in records:
        unique.setdefault(str(record[fields[0]]), record)
    rows = [unique[key] for key in sorted(unique)]
    shapes = np.array([row["geometry"] for row in rows], dtype=object)
    shapes = shapely.force_2d(shapes) if len(rows) else shapes
    frame = gpd.GeoDataFrame(
        {field: [row.get(field) for row in rows] for field in fields}, geometry=shapes, crs=crs
    )
    if order.kind == "footprints":
        frame["height_m"] = frame["height_m"].astype(float)
        frame = frame[_polygons(frame)]
    area = order.region(crs).geom
    shapely.prepare(area)
    frame = frame[shapely.intersects(np.asarray(frame.geometry.array), area)]
    if frame.empty:
        raise order.nothing(archive)
    frame = frame.to_crs(order.crs).reset_index(drop=True)
    write_layers(order.target, {order.kind: frame})
    return frame


def _polygons(frame: gpd.GeoDataFrame) -> Any:
    """Rows that are areas; what is not valid is made so first."""
    broken = ~frame.geometry.is_valid
    if broken.any():
        made = shapely.make_valid(np.asarray(frame.geometry.array)[broken])
        frame.loc[broken, frame.geometry.name] = [_areas(shape) for shape in made]
    return frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"]) & ~frame.geometry.is_empty


def _areas(shape: BaseGeometry) -> BaseGeometry:
    """The areas among the parts of a shape."""
    parts = [p for p in shapely.get_parts(shape) if p.geom_type in ("Polygon", "MultiPolygon")]
    return shape if shape.geom_type.endswith("Polygon") else shapely.union_all(parts)


def number(value: Any) -> float:
    """A number that a source may write as text, NaN where it is none."""
    try:
        return float(str(value).removesuffix("m").strip()) if value is not None else float("nan")
    except ValueError:
        return float("nan")
