from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import geopandas as gpd
import pytest
import shapely
from odc.geo.geom import box

from heliopolis.io.archives import acquire
from heliopolis.io.archives.osm import Osm
from heliopolis.io.remote.client import RemoteError

AREA = box(2.351, 48.851, 2.359, 48.857, "EPSG:4326")
CRS = "EPSG:2154"


def _ring(west: float, south: float, side: float) -> list[dict[str, float]]:
    corners = [(0, 0), (side, 0), (side, side), (0, side), (0, 0)]
    return [{"lon": west + x, "lat": south + y} for x, y in corners]


def _element(kind: str, number: int, tags: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": number, "tags": tags, **more}


SCHOOL = _element(
    "way", 10, {"amenity": "school", "name": "École Curie"}, geometry=_ring(2.354, 48.853, 0.001)
)
CLINIC = _element("node", 11, {"amenity": "clinic"}, lat=48.854, lon=2.356)
OUTSIDE = _element("node", 12, {"amenity": "school"}, lat=48.8599, lon=2.3599)
OUTER = _ring(2.353, 48.855, 0.001)
COURTYARD = _element(
    "relation",
    20,
    {"type": "multipolygon", "building": "apartments", "building:levels": "5"},
    members=[
        # The outer ring in two pieces, as mappers draw it.
        {"type": "way", "ref": 1, "role": "outer", "geometry": OUTER[:3]},
        {"type": "way", "ref": 2, "role": "outer", "geometry": OUTER[2:]},
        {"type": "way", "ref": 3, "role": "inner", "geometry": _ring(2.3533, 48.8553, 0.0004)},
    ],
)
HOUSE = _element(
    "way", 21, {"building": "yes", "height": "8.5 m"}, geometry=_ring(2.357, 48.852, 0.0003)
)
SITE = _element("way", 22, {"building": "construction"}, geometry=_ring(2.358, 48.852, 0.0003))


def _overpass(elements: list[dict[str, Any]], seen: list[str], **more: Any) -> Any:
    def route(asked: Any) -> bytes:
        seen.append(parse_qs(asked.body.decode())["data"][0])
        return json.dumps({"version": 0.6, "elements": elements, **more}).encode()

    return route


def test_places_have_names_kinds_and_their_own_ground(
    web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    seen: list[str] = []
    web.routes["/api"] = _overpass([SCHOOL, CLINIC, OUTSIDE], seen)
    osm = Osm(overpass_url=f"{web.url}/api")
    delivery = acquire("places", osm, AREA, CRS, tmp_path / "p.gpkg", store)
    frame = gpd.read_file(tmp_path / "p.gpkg", layer="places")
    assert list(frame["place_id"]) == ["node/11", "way/10"]
    assert list(frame["kind"]) == ["clinic", "school"]
    assert frame["name"].isna().tolist() == [True, False]
    assert frame.crs == CRS and frame.geometry[1].area == pytest.approx(73 * 111, rel=0.02)
    assert "OpenStreetMap contributors" in delivery.attribution
    assert "out geom" in seen[0] and "(48.850000,2.350000,48.860000,2.360000)" in seen[0]
    web.forget()
    acquire("places", osm, AREA, CRS, tmp_path / "q.gpkg", offline)
    assert not web.asked


def test_buildings_keep_courtyards_and_leave_out_what_does_not_stand(
    web: Any, store: Any, tmp_path: Path
) -> None:
    web.routes["/api"] = _overpass([COURTYARD, HOUSE, SITE], [])
    osm = Osm(overpass_url=f"{web.url}/api")
    acquire("footprints", osm, AREA, CRS, tmp_path / "b.gpkg", store)
    frame = gpd.read_file(tmp_path / "b.gpkg").set_index("building_id")
    assert sorted(frame.index) == ["relation/20", "way/21"]
    court = frame.loc["relation/20"]
    assert shapely.get_num_interior_rings(shapely.get_parts(court.geometry)[0]) == 1
    assert court.height_m == 15.0 and court.use == "apartments"
    assert frame.loc["way/21"].height_m == 8.5


def test_a_query_that_ran_out_of_time_is_no_empty_answer(
    web: Any, store: Any, tmp_path: Path
) -> None:
    web.routes["/api"] = _overpass([SCHOOL], [], remark="runtime error: Query timed out")
    with pytest.raises(RemoteError, match="timed out"):
        acquire("places", Osm(overpass_url=f"{web.url}/api"), AREA, CRS, tmp_path / "p.gpkg", store)
    assert store.cache.size_bytes() == 0
