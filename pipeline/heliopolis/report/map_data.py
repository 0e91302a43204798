"""What the web map carries: outlines and values, rounded, packed and kept within a size."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from heliopolis.report.html import Content
from heliopolis.report.map_layers import pack_layer
from heliopolis.report.map_raster import pack_raster
from heliopolis.report.words import say

#: Largest packed content of the page [bytes]; detail is taken away until it fits.
MAX_BYTES = 12_000_000
#: Most outlines of roofs that a detail is tried with: more of them never fit.
_MOST_OUTLINES = 250_000


@dataclass(frozen=True)
class Detail:
    """How much of the roofs is kept.

    Attributes
    ----------
    quantum_m
        Step to which corners are rounded [m].
    planes
        Whether roof planes are there.
    boxes
        Whether a building is only the box around it.
    most
        Most buildings, those that yield most; None for all.
    note
        Key of the text that tells the reader what is missing, empty where nothing is.
    """

    quantum_m: float = 0.1
    planes: bool = True
    boxes: bool = False
    most: int | None = None
    note: str = ""


DETAILS = (
    Detail(),
    Detail(planes=False, note="map_no_planes"),
    Detail(0.5, planes=False, note="map_coarse"),
    Detail(0.5, planes=False, boxes=True, note="map_boxes"),
    Detail(0.5, planes=False, boxes=True, most=200_000, note="map_best"),
    Detail(0.5, planes=False, boxes=True, most=50_000, note="map_best"),
)


@dataclass(frozen=True)
class Packed:
    """Content of the page as base64 of gzip of JSON, and what had to be left out."""

    base64: str
    layers: tuple[str, ...]
    detail: Detail


def pack(content: Content, max_bytes: int = MAX_BYTES) -> Packed:
    """The content of the map with as much detail as fits into ``max_bytes``."""
    for detail in DETAILS:
        if detail.most is None and _outlines(content, detail) > _MOST_OUTLINES:
            continue
        record = map_content(content, detail)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        packed = base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")
        if len(packed) <= max_bytes:
            break
    return Packed(packed, tuple(one["key"] for one in record["layers"]), detail)


def _outlines(content: Content, detail: Detail) -> int:
    planes = content.roof_planes if detail.planes else None
    return sum(len(table) for table in (content.buildings, planes) if table is not None)


def map_content(content: Content, detail: Detail) -> dict[str, Any]:
    """Everything that the page shows; lengths in metres from a corner of the area."""
    origin = np.floor(content.area.total_bounds[:2])
    tables = {
        "study_area": content.area,
        "hot_zones": content.hot_zones,
        "places": content.places,
        "buildings": _buildings(content.buildings, detail),
        "roof_planes": content.roof_planes if detail.planes else None,
    }
    layers = [
        pack_layer(name, table, origin, content.language, detail.quantum_m)
        for name, table in tables.items()
        if table is not None and len(table)
    ]
    words = ("also", "unknown", "hits", "no_hit", "ground", "mean_over")
    bounds = _extent(content) - np.tile(origin, 2)
    return {
        "language": content.language,
        "bounds": [float(value) for value in bounds],
        "layers": layers,
        "raster": None
        if content.lst is None
        else pack_raster(content.lst, origin, content.language),
        "words": {key: say(f"map_{key}", content.language, n="{n}") for key in words},
    }


def _extent(content: Content) -> NDArray[Any]:
    """What the page shows at first: the area, or the buildings where there is no heat."""
    heat = content.lst is not None or content.hot_zones is not None
    roofs = content.buildings
    shown = content.area if heat or roofs is None or roofs.empty else roofs
    bounds: NDArray[Any] = shown.total_bounds
    return bounds


def _buildings(table: gpd.GeoDataFrame | None, detail: Detail) -> gpd.GeoDataFrame | None:
    if table is None:
        return None
    if detail.most is not None and len(table) > detail.most:
        order = table["energy_kwh_year_p50"].fillna(-1).sort_values(ascending=False, kind="stable")
        table = table.loc[order.index[: detail.most]].sort_index()
    return table.set_geometry(shapely.envelope(table.geometry.array)) if detail.boxes else table
