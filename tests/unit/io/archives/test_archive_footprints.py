from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from odc.geo.geom import box

from heliopolis.errors import NoDataError
from heliopolis.io.archives import acquire
from heliopolis.io.archives.ign import Ign
from heliopolis.io.archives.pages import WfsLayer
from heliopolis.io.archives.pdok import Pdok
from heliopolis.io.remote.client import CorruptError, OfflineError, RemoteError

CRS = "EPSG:2154"
AREA = box(652100, 6862100, 652900, 6862900, CRS)


def _buildings(count: int = 250) -> list[dict[str, Any]]:
    """Buildings in a square of 16 x 16 places, every tenth planned only; with heights in z."""
    made = []
    for i in range(count):
        x, y = 652000 + 62.5 * (i % 16), 6862000 + 62.5 * (i // 16)
        ring = [[x, y, 50.0], [x + 20, y, 50.0], [x + 20, y + 10, 50.0], [x, y, 50.0]]
        made.append(
            {
                "type": "Feature",
                "id": f"batiment.{i}",
                "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
                "properties": {
                    "cleabs": f"BATIMENT{i:016d}",
                    "usage_1": "Résidentiel",
                    "hauteur": 7.5 if i % 2 else None,
                    "etat_de_l_objet": "En projet" if i % 10 == 0 else "En service",
                },
            }
        )
    return made


def wfs(features: list[dict[str, Any]], most: int, *, told: bool = True) -> Any:
    """A WFS that gives at most ``most`` features a page, whatever is asked for."""

    def route(asked: Any) -> bytes:
        query = asked.query
        assert query["OUTPUTFORMAT"] == "application/json" and query["SRSNAME"] == CRS
        *values, name = query["BBOX"].split(",")
        assert name == "urn:ogc:def:crs:EPSG::2154"
        window = shapely.box(*(float(v) for v in values))
        inside = [f for f in features if window.intersects(shapely.geometry.shape(f["geometry"]))]
        inside.sort(key=lambda f: f["properties"][query["SORTBY"]])
        start = int(query["STARTINDEX"])
        page = inside[start : start + min(most, int(query["COUNT"]))]
        answer: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": page,
            "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}},
        }
        if told:
            answer |= {"numberMatched": len(inside), "numberReturned": len(page)}
        return json.dumps(answer).encode()

    return route


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("most", [7, 1000])
def test_all_pages_are_read_whatever_the_server_gives_at_once(
    told: bool, most: int, web: Any, store: Any, tmp_path: Path
) -> None:
    web.routes["/wfs"] = wfs(_buildings(), most, told=told)
    target = tmp_path / "buildings.gpkg"
    delivery = acquire("footprints", Ign(wfs_url=f"{web.url}/wfs"), AREA, CRS, target, store)
    frame = gpd.read_file(target, layer="footprints")
    area = AREA.geom
    expected = {
        f["properties"]["cleabs"]
        for f in _buildings()
        if shapely.geometry.shape(f["geometry"]).intersects(area)
        and f["properties"]["etat_de_l_objet"] == "En service"
    }
    assert set(frame["building_id"]) == expected and len(frame) == len(expected)
    assert list(frame["building_id"]) == sorted(expected)
    assert not frame.geometry.has_z.any()
    odd = frame["building_id"].str[-1].astype(int) % 2 == 1
    assert (frame.loc[odd, "height_m"] == 7.5).all()
    assert frame.loc[~odd, "height_m"].isna().all()
    assert "cleabs" in delivery.note and delivery.attribution.startswith("© IGN")


def test_pages_that_lack_a_feature_are_no_answer(web: Any, store: Any, tmp_path: Path) -> None:
    def route(asked: Any) -> bytes:
        page = json.loads(wfs(_buildings(), 1000)(asked))
        page["features"] = page["features"][1:]
        return json.dumps(page).encode()

    web.routes["/wfs"] = route
    with pytest.raises(RemoteError, match="but gave"):
        acquire("footprints", Ign(wfs_url=f"{web.url}/wfs"), AREA, CRS, tmp_path / "b.gpkg", store)
    assert not (tmp_path / "b.gpkg").exists()


def test_blocks_are_asked_for_once_and_serve_offline(
    web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    web.routes["/wfs"] = wfs(_buildings(), 1000)
    ign = Ign(wfs_url=f"{web.url}/wfs")
    acquire("footprints", ign, AREA, CRS, tmp_path / "a.gpkg", store)
    web.forget()
    small = box(652300, 6862300, 652500, 6862500, CRS)
    acquire("footprints", ign, small, CRS, tmp_path / "b.gpkg", offline)
    assert not web.asked
    far = box(752300, 6862300, 752500, 6862500, CRS)
    with pytest.raises(OfflineError):
        acquire("footprints", ign, far, CRS, tmp_path / "c.gpkg", offline)


def test_other_coordinates_than_asked_for_are_refused(web: Any, store: Any) -> None:
    def route(asked: Any) -> bytes:
        page = json.loads(wfs(_buildings(), 1000)(asked))
        page["crs"]["properties"]["name"] = "urn:ogc:def:crs:EPSG::4326"
        return json.dumps(page).encode()

    web.routes["/wfs"] = route
    layer = WfsLayer("ign", f"{web.url}/wfs", "l", CRS, "cleabs", "cleabs")
    with pytest.raises(CorruptError, match="4326"):
        layer.features(store, (652000, 6862000, 653000, 6863000))


def _bag(asked: Any) -> list[dict[str, Any]]:
    west, south, east, north = (float(v) for v in asked.query["BBOX"].split(","))
    assert asked.query["CRS"] == asked.query["BBOX-CRS"]
    assert asked.query["CRS"].endswith("/EPSG/0/28992")
    made = []
    for i in range(25):
        x, y = 85010 + 30 * (i % 5), 446010 + 30 * (i // 5)
        if not (west <= x < east and south <= y < north):
            continue
        status = "Bouwvergunning verleend" if i == 3 else "Pand in gebruik"
        shape = shapely.box(x, y, x + 10, y + 8)
        told = {"identificatie": f"0503100000{i:06d}", "status": status, "bouwjaar": 1930}
        made.append(
            {"type": "Feature", "geometry": shapely.geometry.mapping(shape), "properties": told}
        )
    return made


def test_dutch_buildings_follow_the_links_and_keep_their_ids(
    web: Any, store: Any, tmp_path: Path
) -> None:
    def items(asked: Any) -> bytes:
        start, count = int(asked.query.get("CURSOR", 0)), int(asked.query["LIMIT"])
        found = _bag(asked)
        page: dict[str, Any] = {"type": "FeatureCollection", "links": []}
        page["features"] = found[start : start + count]
        if start + count < len(found):
            query = "&".join(f"{k.lower()}={v}" for k, v in asked.query.items() if k != "CURSOR")
            page["links"] = [
                {"rel": "next", "href": f"{asked.path}?{query}&cursor={start + count}"}
            ]
        return json.dumps(page).encode()

    web.routes["/bag/collections/pand/items"] = items
    pdok = Pdok(bag_url=f"{web.url}/bag", page_size=4)
    area = box(85000, 446000, 85200, 446200, "EPSG:28992")
    acquire("footprints", pdok, area, "EPSG:28992", tmp_path / "b.gpkg", store)
    frame = gpd.read_file(tmp_path / "b.gpkg")
    assert len(frame) == 24 and "0503100000000003" not in set(frame["building_id"])
    assert web.count("/bag") == 7
    np.testing.assert_allclose(frame.area, 80)


def test_dutch_buildings_in_degrees_are_refused(web: Any, store: Any, tmp_path: Path) -> None:
    shape = shapely.geometry.mapping(shapely.box(4.3, 52.0, 4.31, 52.01))
    told = {"identificatie": "1", "status": "Pand in gebruik"}
    page = {"features": [{"geometry": shape, "properties": told}]}
    web.routes["/bag"] = lambda _: json.dumps(page).encode()
    area = box(85000, 446000, 85200, 446200, "EPSG:28992")
    with pytest.raises(CorruptError, match="degrees"):
        acquire(
            "footprints", Pdok(bag_url=f"{web.url}/bag"), area, "EPSG:28992", tmp_path / "b", store
        )


def test_no_building_is_told(web: Any, store: Any, tmp_path: Path) -> None:
    web.routes["/wfs"] = wfs([], 1000)
    with pytest.raises(NoDataError, match="no footprints"):
        acquire("footprints", Ign(wfs_url=f"{web.url}/wfs"), AREA, CRS, tmp_path / "b.gpkg", store)
