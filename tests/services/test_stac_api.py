"""Searches of a real STAC API (pgstac) that holds recorded real items and a simulated city's.

What has to come back is worked out here from the files of the items alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box, shape

from heliopolis.io.catalogs import SENSORS, Query, open_catalog, search
from heliopolis.io.catalogs.api import ApiCatalog
from heliopolis.io.catalogs.selection import fits
from heliopolis.io.remote.client import Client
from heliopolis.scene import Scene, Sensor
from tests.services import pgstac

pytestmark = [pytest.mark.services, pytest.mark.real]

Item = dict[str, Any]
WORLD = (-180.0, -90.0, 180.0, 90.0)
LONG = (date(2015, 1, 1), date(2030, 1, 1))
#: Collections, as recorded.
RECORDED = ("earth-search/sentinel-2-l2a", "earth-search/sentinel-2-c1-l2a",
            "pc/landsat-c2-l2", "pc/sentinel-2-l2a", "earth-search/landsat-c2-l2",
            "cdse/sentinel-2-l2a")  # fmt: skip
SLSTR = "sentinel-3-slstr-lst-l2-netcdf"


def recorded_items(folder: Path) -> list[Item]:
    """Recorded answers of Earth Search, Planetary Computer, Copernicus Data Space."""
    files = [file for name in RECORDED for file in sorted((folder / name).glob("*.json"))]
    found = [json.loads(file.read_text()) for file in files]
    (granule,) = (folder / "stactools").glob("S3A_SL_2_LST*.json")
    slstr = json.loads(granule.read_text())
    for asset in slstr["assets"].values():
        asset["href"] = "https://example.org/" + asset["href"].rsplit("/", 1)[-1]
    return [*found, {**slstr, "collection": SLSTR}]


def city_items(catalog: Path) -> list[Item]:
    """The simulated city's items, their files said to lie on a web server."""
    found = []
    for file in sorted(catalog.glob("*/*/*.json")):
        item = json.loads(file.read_text())
        if item.get("type") != "Feature":
            continue
        for asset in item["assets"].values():
            asset["href"] = f"https://example.org/{item['id']}/{Path(asset['href']).name}"
        found.append({**item, "links": []})
    return found


def collections(folder: Path, items: list[Item]) -> list[Item]:
    """Recorded collections, and minimal ones where none was recorded."""
    named: dict[str, Item] = {}
    for place in ("earth-search", "pc"):
        for file in sorted((folder / place / "collections").glob("*.json")):
            record = json.loads(file.read_text())
            named.setdefault(record["id"], record)
    extent = {"spatial": {"bbox": [list(WORLD)]}, "temporal": {"interval": [[None, None]]}}
    bare = {"type": "Collection", "stac_version": "1.0.0", "description": "x", "license": "other"}
    wanted = sorted({item["collection"] for item in items})
    return [named.get(n) or {**bare, "id": n, "extent": extent, "links": []} for n in wanted]


@pytest.fixture(scope="module")
def items(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    from heliopolis.simulate.export import simulate

    city = Path(simulate(tmp_path_factory.mktemp("stac") / "city", preset="tiny", seed=1))
    return [
        *recorded_items(data_dir / "satellite" / "stac-items"),
        *city_items(city / "catalog"),
    ]


@pytest.fixture(scope="module")
def service(data_dir: Path, items: list[Item]) -> Iterator[pgstac.Service]:
    held = collections(data_dir / "satellite" / "stac-items", items)
    with pgstac.serving(held, copy.deepcopy(items)) as running:
        yield running


def moment(item: Item) -> datetime:
    return datetime.fromisoformat(item["properties"]["datetime"]).astimezone(UTC)


def expected(items: list[Item], query: Query) -> set[str]:
    """Ids of the items that fit, by their files alone."""
    area = box(*query.bounds)
    found = set()
    for item in items:
        cloud = item["properties"].get("eo:cloud_cover")
        near = shape(item["geometry"]).intersects(area)
        if item["collection"] == SLSTR:
            near = near or box(*item["bbox"]).intersects(area)
        if (
            item["collection"] in query.collections
            and near
            and query.start <= moment(item).date() <= query.end
            and moment(item).month in query.months
            and (cloud is None or cloud <= query.max_cloud_percent)
        ):
            found.add(item["id"])
    return found


def client() -> Client:
    return Client(offline=False)


def ids(found: list[Item]) -> list[str]:
    return [item["id"] for item in found]


def query(*names: str, **change: Any) -> Query:
    wanted = {"bounds": WORLD, "start": LONG[0], "end": LONG[1], **change}
    return Query(collections=names, **wanted)


ALL = ("landsat-c2-l2", "landsat-c2-l1", "sentinel-2-l2a", "sentinel-2-c1-l2a", SLSTR)
CITY = (2.32, 48.84, 2.35, 48.86)
CEARA = (-39.5, -4.8, -38.6, -4.6)
SOLOMONS = (163.7, -12.5, 165.0, -12.2)
QUERIES = [
    query(*ALL),
    query(*ALL, bounds=CITY),
    query(*ALL, bounds=CEARA),
    query(*ALL, bounds=SOLOMONS),
    query(*ALL, bounds=(-105.0, 39.9, -104.9, 40.0)),
    query(*ALL, bounds=(34.9, 2.0, 35.0, 2.1)),
    query(*ALL, bounds=(100.0, 0.0, 101.0, 1.0)),
    query(*ALL, start=date(2025, 7, 22), end=date(2025, 7, 31)),
    query(*ALL, start=date(2025, 7, 22), end=date(2025, 7, 22)),
    query(*ALL, months=(6, 7)),
    query(*ALL, months=(1, 5, 10)),
    query(*ALL, max_cloud_percent=15.0),
    query(*ALL, bounds=CITY, max_cloud_percent=5.0, months=(6, 7, 8)),
    query("sentinel-2-l2a", max_cloud_percent=25.342679),
    query("landsat-c2-l2", bounds=(150.0, -40.0, 175.0, 10.0), max_cloud_percent=12.0),
    query(SLSTR, bounds=(-41.4, -18.5, -41.3, -18.4)),
]


@pytest.mark.parametrize("asked", QUERIES, ids=lambda q: f"{QUERIES.index(q)}")
@pytest.mark.parametrize("page", [3, 100])
def test_the_right_items_come_back(
    service: pgstac.Service, items: list[Item], asked: Query, page: int
) -> None:
    catalog = ApiCatalog("test", service.url, client(), page_items=page)
    asked = replace(asked, surface_temperature=False)
    for name in asked.collections:
        one = replace(asked, collections=(name,))
        found, wanted = catalog.items(one), expected(items, one)
        assert len(found) == len(set(ids(found)))
        assert {i["id"] for i in found if fits(i, SENSORS[name], one)} == wanted
        # What the service leaves over is exact too, but for two cases: granules are asked for
        # in a wider area, and a filter that leaves nothing is not believed.
        if name != SLSTR and wanted:
            assert set(ids(found)) == wanted


def test_queries_are_no_empty_questions(items: list[Item]) -> None:
    counts = [len(expected(items, asked)) for asked in QUERIES]
    assert counts[0] == len(items) >= 50
    assert counts[6] == 0
    assert all(0 < count < len(items) for i, count in enumerate(counts) if i not in (0, 6))


@pytest.mark.parametrize("page", [1, 4, 100])
def test_items_are_sorted_by_the_service(service: pgstac.Service, page: int) -> None:
    catalog = ApiCatalog("test", service.url, client(), page_items=page)
    found = catalog.items(query("sentinel-2-l2a"))
    assert len(found) > 15
    assert [(moment(i), i["id"]) for i in found] == sorted((moment(i), i["id"]) for i in found)


def test_scenes_of_the_city(service: pgstac.Service, items: list[Item]) -> None:
    asked = query(*ALL, bounds=CITY, start=date(2025, 6, 1), end=date(2025, 9, 30))
    scenes = search([service.url], asked, client())
    assert [(s.acquired, s.id) for s in scenes] == sorted((s.acquired, s.id) for s in scenes)
    assert {s.id for s in scenes} == expected(items, asked)
    assert all(not s.parts and s.simulated for s in scenes)
    again = search([service.url], asked, client())
    assert [s.to_dict() for s in again] == [s.to_dict() for s in scenes]


def test_tiles_of_one_overpass_become_one_scene(service: pgstac.Service) -> None:
    (scene,) = search([service.url], query("sentinel-2-c1-l2a", bounds=CEARA), client())
    assert len(scene.items) == 2
    assert {str(item["id"])[:10] for item in scene.items} == {"S2B_T24MVV", "S2B_T24MWV"}
    rows = search([service.url], query("landsat-c2-l2", bounds=SOLOMONS), client())
    assert [len(scene.items) for scene in rows] == [2]


def test_landsat_without_temperature_is_left_out(
    service: pgstac.Service, items: list[Item]
) -> None:
    asked = query("landsat-c2-l2", bounds=(150.0, -40.0, 175.0, 10.0))
    found = search([service.url], asked, client())
    shown = {str(item["id"]) for scene in found for item in scene.items}
    assert shown == {i for i in expected(items, asked) if "_L2SP_" in i}
    assert any("_L2SR_" in i for i in expected(items, asked))


def test_items_come_back_as_they_were_loaded(service: pgstac.Service, items: list[Item]) -> None:
    """What leaves the door is the same as from the files, asset by asset."""
    from heliopolis.io.catalogs.door import enter, from_network

    for scene in search([service.url], query(*ALL), client()):
        for got in scene.items:
            (file,) = (
                i for i in items
                if (i["id"], i["collection"]) == (got["id"], got["collection"])
            )  # fmt: skip
            own = enter(
                file, scene.sensor, catalog=service.url, resolve=from_network(catalog=service.url)
            )
            assert got["assets"] == own["assets"]
            assert got["properties"]["datetime"][:19] == own["properties"]["datetime"][:19]


def test_service_without_extensions(service: pgstac.Service, items: list[Item]) -> None:
    """Neither filter nor sort is asked of a service that does not name them."""
    with pgstac.api(service, extensions="pagination") as url:
        asked = query(*ALL, max_cloud_percent=15.0)
        plain, whole = ([scene_ids(s) for s in search([u], asked, client())]
                        for u in (url, service.url))  # fmt: skip
        assert plain == whole
        assert {name for names in plain for name in names} <= expected(items, asked)
        raw = ApiCatalog("test", url, client(), page_items=7).items(asked)
        assert len(raw) == len([i for i in items if i["collection"] in ALL])


def scene_ids(scene: Scene) -> list[str]:
    return [str(item["id"]) for item in scene.items]


def test_it_is_opened_by_its_address(service: pgstac.Service) -> None:
    catalog = open_catalog(service.url, client())
    assert isinstance(catalog, ApiCatalog)
    scenes = catalog.search(query("landsat-c2-l1", bounds=CITY))
    assert len(scenes) == 6
    for scene in scenes:
        assert scene.sensor is Sensor.LANDSAT_L1
        assert scene.properties["heliopolis:provider"] == service.url
