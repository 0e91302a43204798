"""Places of the study area, read from the user's files and ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.config import Places
from heliopolis.errors import InputError
from heliopolis.heat.places import empty_places, place_table
from heliopolis.io.vector import read_layer
from heliopolis.steps.heat_fields import Fields


def ranked_places(
    files: list[Path],
    options: dict[str, Any],
    fields: Fields,
    zones: gpd.GeoDataFrame,
    area: gpd.GeoDataFrame,
    grid: GeoBox,
) -> gpd.GeoDataFrame:
    """Places that touch the study area, ranked."""
    given = options.get("places") or []
    sections = [
        Places.model_validate(one) for one in (given if isinstance(given, list) else [given])
    ]
    tables = [
        _read_places(path, section, grid) for path, section in zip(files, sections, strict=True)
    ]
    tables = [table for table in tables if len(table)]
    if not tables:
        return empty_places(str(grid.crs))
    table = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=str(grid.crs))
    union = shapely.union_all(np.asarray(area.geometry.array))
    table = table[table.intersects(union)].reset_index(drop=True)
    if table.empty:
        return empty_places(str(grid.crs))
    return place_table(table, fields, zones, affine=grid.affine, shape=(grid.height, grid.width))


def _read_places(path: Path, section: Places, grid: GeoBox) -> gpd.GeoDataFrame:
    table = read_layer(path, section.layer, crs=str(grid.crs))
    table = table[~(table.geometry.isna() | table.geometry.is_empty)].reset_index(drop=True)
    columns: dict[str, Any] = {
        "place_id": _column(table, section.id_field, path),
        "name": _column(table, section.name_field, path),
    }
    if section.kind is not None and section.kind_field not in table.columns:
        columns["kind"] = section.kind
    elif section.kind_field is not None:
        columns["kind"] = _column(table, section.kind_field, path)
    else:
        columns["kind"] = None
    people = {"people": section.people_field, "people_over_65": section.over_65_field,
              "people_under_6": section.under_6_field}  # fmt: skip
    for name, field in people.items():
        columns[name] = np.nan if field is None else _column(table, field, path)
    return gpd.GeoDataFrame(columns, geometry=table.geometry, crs=table.crs)


def _column(table: gpd.GeoDataFrame, name: str, path: Path) -> pd.Series:
    if name not in table.columns:
        fields = ", ".join(str(one) for one in table.columns if one != table.geometry.name)
        raise InputError(
            f"the places have no field {name!r}",
            where=str(path),
            remedy=f"Set places.id_field, name_field or kind_field; its fields are: {fields}",
        )
    return table[name]
