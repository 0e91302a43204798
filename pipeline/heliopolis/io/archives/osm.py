"""OpenStreetMap through the Overpass API: buildings; schools, hospitals and their like.

Query language: https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL. A query that ran
out of time or memory is answered with status 200, what was found so far, and a ``remark``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from heliopolis.io.archives.answers import Question, kept, read_json
from heliopolis.io.archives.delivery import Delivery, Order
from heliopolis.io.archives.layers import deliver_layer, number
from heliopolis.io.archives.pages import Bounds, blocks
from heliopolis.io.remote.client import CorruptError, RemoteError

#: Values of ``amenity`` and the kind of place they make.
PLACE_KINDS = {
    "school": "school",
    "kindergarten": "kindergarten",
    "college": "college",
    "university": "university",
    "hospital": "hospital",
    "clinic": "clinic",
    "nursing_home": "nursing_home",
    "social_facility": "social_facility",
}
#: Values of ``building`` of what does not stand or has no roof.
ABSENT = ("no", "construction", "proposed", "planned", "demolished", "razed", "ruins", "collapsed")
_STOREY_M = 3.0


@dataclass(frozen=True)
class Osm:
    """OpenStreetMap.

    Attributes
    ----------
    overpass_url
        Address of an Overpass API.
    timeout_s
        Time that a query may take on the server [s].
    block_deg
        Side of the squares in which buildings are asked for [deg].
    """

    overpass_url: str = "https://overpass-api.de/api/interpreter"
    timeout_s: int = 180
    block_deg: float = 0.05
    name: str = "osm"
    kinds: tuple[str, ...] = ("footprints", "places")

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        bounds = order.bounds("EPSG:4326")
        if order.kind == "places":
            chosen = "|".join(PLACE_KINDS)
            # Whole hundredths of a degree, so that a slightly other area asks the same.
            area = next(iter(_rounded(bounds, 0.01)))
            found = self._elements(order, f'nwr["amenity"~"^({chosen})$"]', area)
            records = [_place(element) for element in found]
            note = "schools, kindergartens, colleges, universities and places of care"
        else:
            found = [
                element
                for block in blocks(bounds, self.block_deg)
                for element in self._elements(order, 'wr["building"]', block)
            ]
            records = [_building(e) for e in found if e["tags"].get("building") not in ABSENT]
            note = "building_id is the kind and number of the element; heights as far as tagged"
        deliver_layer(order, self.name, [r for r in records if r is not None], "EPSG:4326")
        return Delivery(
            "© OpenStreetMap contributors", "Open Database License 1.0", None, f"{note}; as mapped"
        )

    def _elements(self, order: Order, selection: str, area: Bounds) -> list[dict[str, Any]]:
        west, south, east, north = (f"{v:.6f}" for v in area)
        query = (
            f"[out:json][timeout:{self.timeout_s}];"
            f"({selection}({south},{west},{north},{east}););out geom;"
        )
        what = f"Overpass, {selection}, {west} {south} {east} {north}"
        question = Question(
            self.name,
            what,
            self.overpass_url,
            body=urlencode({"data": query}).encode(),
            headers=(("content-type", "application/x-www-form-urlencoded"),),
            check=lambda body: _checked(body, what),
        )
        return _checked(kept(order.store, question), what)


def _checked(body: bytes, what: str) -> list[dict[str, Any]]:
    record = read_json(body, what)
    if not isinstance(record, dict) or not isinstance(record.get("elements"), list):
        raise CorruptError("the answer holds no elements", where=what)
    if record.get("remark"):
        raise RemoteError(
            f"the query was not answered in full: {record['remark']}",
            where=what,
            remedy="Try again later, or with a smaller area",
        )
    return [e for e in record["elements"] if e.get("tags")]


def _rounded(bounds: Bounds, step: float) -> Iterator[Bounds]:
    west, south = (np.floor(v / step) * step for v in bounds[:2])
    east, north = (np.ceil(v / step) * step for v in bounds[2:])
    yield float(west), float(south), float(east), float(north)


def _place(element: dict[str, Any]) -> dict[str, Any] | None:
    tags = element["tags"]
    shape = _shape(element)
    if shape is None or shape.is_empty:
        return None
    return {
        "place_id": f"{element['type']}/{element['id']}",
        "name": tags.get("name") or tags.get("name:en") or tags.get("official_name"),
        "kind": PLACE_KINDS[tags["amenity"]],
        "geometry": shape,
    }


def _building(element: dict[str, Any]) -> dict[str, Any] | None:
    tags = element["tags"]
    shape = _shape(element)
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
        return None
    height = number(tags.get("height"))
    if np.isnan(height):
        height = number(tags.get("building:levels")) * _STOREY_M
    use = tags["building"]
    return {
        "building_id": f"{element['type']}/{element['id']}",
        "height_m": height,
        "use": None if use == "yes" else use,
        "geometry": shape,
    }


def _shape(element: dict[str, Any]) -> BaseGeometry | None:
    """Geometry of an element of ``out geom``; closed ways and multipolygons are areas."""
    if element["type"] == "node":
        return shapely.Point(element["lon"], element["lat"])
    if element["type"] == "way":
        line = _line(element.get("geometry") or [])
        if line is None:
            return None
        return shapely.Polygon(line) if line.is_closed and len(line.coords) > 3 else line
    members = element.get("members") or []
    outer = _rings(m for m in members if m.get("role") != "inner")
    inner = _rings(m for m in members if m.get("role") == "inner")
    if not outer:
        return None
    return shapely.difference(shapely.union_all(outer), shapely.union_all(inner))


def _rings(members: Iterator[dict[str, Any]]) -> Sequence[BaseGeometry]:
    """Areas that the ways of a relation enclose together."""
    lines = [_line(m.get("geometry") or []) for m in members if m.get("type") == "way"]
    joined = shapely.union_all([line for line in lines if line is not None])
    return list(shapely.get_parts(shapely.polygonize(list(shapely.get_parts(joined)))))


def _line(points: list[dict[str, float] | None]) -> shapely.LineString | None:
    known = [(p["lon"], p["lat"]) for p in points if p is not None]
    return shapely.LineString(known) if len(known) > 1 else None
