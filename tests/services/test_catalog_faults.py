"""Faults of catalogs: all scenes that a catalog without faults names, or a clear error.

A catalog of which a page is lost must never pass for a catalog with fewer scenes. Answers over
plain ``http`` are read until two readings agree; what comes back wrong twice and is still valid
JSON cannot be known as wrong, so wrong bytes are not made permanent here.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from heliopolis.errors import HeliopolisError
from heliopolis.io.catalogs import open_catalog, search
from heliopolis.io.catalogs.query import Query
from heliopolis.io.remote.client import Client, Manners
from tests.services.fault_proxy import (
    WRONG_BYTES,
    Fault,
    FaultProxy,
    Faults,
    FolderOrigin,
    Reply,
    Request,
    serving,
)

pytestmark = pytest.mark.services

DAYS, PAGE = 14, 4
QUERY = Query(
    collections=("sentinel-2-l2a",),
    bounds=(11.30, 46.47, 11.38, 46.52),
    start=date(2025, 7, 1),
    end=date(2025, 7, 31),
)
MANNERS = Manners(attempts=5, first_wait_s=0.01, connect_timeout_s=2.0, read_timeout_s=0.25)
CONFORMANCE = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "scl")
#: Faults that mean nothing for an answer without ranges and versions.
KINDS = tuple(
    kind
    for kind in Fault
    if kind not in (Fault.NO_RANGE, Fault.ELSEWHERE, Fault.FLAPPING, Fault.REPLACED, Fault.EXPIRED)
)
#: Faults that leave other bytes which may still be read as an answer.
UNKNOWABLE = WRONG_BYTES | {Fault.CLIPPED, Fault.UNDECLARED}


def item(day: int) -> dict[str, Any]:
    name = f"S2B_32TPS_202507{day:02d}_0_L2A"
    ring = [[10.9, 45.9], [12.3, 45.9], [12.3, 46.9], [10.9, 46.9], [10.9, 45.9]]
    assets = {
        band: {
            "href": f"https://example.org/{name}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "proj:shape": [10980, 10980],
            "proj:transform": [10, 0, 600000, 0, -10, 5200020],
            "raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": -0.1}],
        }
        for band in BANDS
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": "sentinel-2-l2a",
        "bbox": [10.9, 45.9, 12.3, 46.9],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": f"2025-07-{day:02d}T10:15:59.000000Z",
            "updated": f"2025-07-{day:02d}T22:00:00Z",
            "platform": "sentinel-2b",
            "eo:cloud_cover": float(day),
            "proj:epsg": 32632,
            "s2:processing_baseline": "05.11",
            "s2:product_uri": f"S2B_MSIL2A_202507{day:02d}T101559_N0511_R065_T32TPS.SAFE",
            "earthsearch:boa_offset_applied": True,
        },
        "links": [],
        "assets": assets,
    }


class PagingApi:
    """The least of a STAC API: landing page, collections, search in pages by a token."""

    def __init__(self) -> None:
        self.base = ""
        self.items = [item(day) for day in range(1, DAYS + 1)]

    def __call__(self, request: Request) -> Reply:
        if request.path in ("", "/"):
            return self.told(self.landing())
        if request.path == "/conformance":
            return self.told({"conformsTo": CONFORMANCE})
        if request.path == "/collections":
            return self.told({"collections": [self.collection()], "links": []})
        if request.path == "/collections/sentinel-2-l2a":
            return self.told(self.collection())
        if request.path == "/search":
            asked = json.loads(request.body) if request.method == "POST" else dict(request.query)
            return self.told(self.page(asked, request.method), "application/geo+json")
        return Reply(404, b"{}", {"content-type": "application/json"})

    def told(self, value: object, kind: str = "application/json") -> Reply:
        return Reply(200, json.dumps(value).encode(), {"content-type": kind})

    def landing(self) -> dict[str, Any]:
        pairs = [("self", ""), ("root", ""), ("conformance", "/conformance")]
        links = [{"rel": rel, "href": self.base + path} for rel, path in pairs]
        links.append({"rel": "data", "href": f"{self.base}/collections"})
        for method in ("GET", "POST"):
            links.append(
                {
                    "rel": "search",
                    "href": f"{self.base}/search",
                    "method": method,
                    "type": "application/geo+json",
                }
            )
        head = {"type": "Catalog", "id": "small", "stac_version": "1.0.0", "description": "small"}
        return {**head, "conformsTo": CONFORMANCE, "links": links}

    def collection(self) -> dict[str, Any]:
        extent = {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[None, None]]},
        }
        return {
            "type": "Collection",
            "id": "sentinel-2-l2a",
            "stac_version": "1.0.0",
            "description": "small",
            "license": "other",
            "extent": extent,
            "links": [{"rel": "items", "href": f"{self.base}/collections/sentinel-2-l2a/items"}],
        }

    def page(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        start = int(str(asked.get("token", "next:0")).removeprefix("next:"))
        found = self.items[start : start + PAGE]
        links = []
        if start + PAGE < len(self.items):
            token = f"next:{start + PAGE}"
            link: dict[str, Any] = {"rel": "next", "href": f"{self.base}/search", "method": method}
            if method == "POST":
                link["body"] = {**asked, "token": token}
            else:
                link["href"] += f"?token={token}"
            links.append(link)
        return {
            "type": "FeatureCollection",
            "features": found,
            "links": links,
            "numberMatched": len(self.items),
            "numberReturned": len(found),
        }


def write_static(folder: Path) -> None:
    """A static catalog of the same items."""
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for day in range(1, DAYS + 1):
        record = item(day)
        (folder / f"{record['id']}.json").write_text(json.dumps(record))
        links.append({"rel": "item", "href": f"./{record['id']}.json"})
    head = {"stac_version": "1.0.0", "description": "small", "license": "other"}
    collection = {**head, "type": "Collection", "id": "sentinel-2-l2a", "links": links}
    (folder / "collection.json").write_text(json.dumps(collection))
    child = {"rel": "child", "href": "./collection.json"}
    catalog = {**head, "type": "Catalog", "id": "small", "links": [child]}
    (folder / "catalog.json").write_text(json.dumps(catalog))


@contextmanager
def served(origin: PagingApi | FolderOrigin) -> Iterator[tuple[FaultProxy, str]]:
    proxy = FaultProxy(origin)
    with serving(proxy) as base:
        if isinstance(origin, PagingApi):
            origin.base = base
            yield proxy, base
        else:
            yield proxy, f"{base}/catalog.json"


@pytest.fixture(scope="module", params=["api", "static"])
def catalog(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FaultProxy, str]]:
    if request.param == "static":
        folder = tmp_path_factory.mktemp("static")
        write_static(folder)
        origin: PagingApi | FolderOrigin = FolderOrigin(folder)
    else:
        origin = PagingApi()
    with served(origin) as made:
        yield made


def found_in(address: str, manners: Manners = MANNERS) -> list[dict[str, Any]]:
    client = Client(manners, offline=False, sleep=lambda seconds: None, seed=0)
    return [scene.to_dict() for scene in open_catalog(address, client).search(QUERY)]


def judge(error: HeliopolisError, address: str, proxy: FaultProxy) -> None:
    text = str(error)
    assert proxy.struck(), f"an error though nothing went wrong: {text}"
    assert address.split("/")[2] in text, text
    assert len(text) > 40, text
    causes = r"\d{3}|page|silen|broke|ended|differ|json|answer|bytes|reach|read|redirect|row|field"
    assert re.search(causes, text, re.IGNORECASE), text


@pytest.mark.parametrize("batch", range(4))
def test_no_scene_is_lost(catalog: tuple[FaultProxy, str], batch: int) -> None:
    proxy, address = catalog
    proxy.faults = Faults()
    truth = found_in(address)
    assert len(truth) == DAYS
    outcomes: Counter[str] = Counter()
    for seed in range(batch * 20, batch * 20 + 20):
        source = random.Random(seed)
        kinds = tuple(source.sample(KINDS, source.choice((1, 1, 2, 5, len(KINDS)))))
        permanent = source.random() < 0.2
        if permanent:
            kinds = tuple(kind for kind in kinds if kind not in UNKNOWABLE) or (Fault.BROKEN,)
        share = source.choice((0.1, 0.2, 0.3))
        proxy.faults = Faults(seed, kinds, share, permanent, spared=source.choice((0, 1, 3)))
        try:
            got = found_in(address)
        except HeliopolisError as error:
            judge(error, address, proxy)
            outcomes["error"] += 1
        else:
            assert got == truth, f"seed {seed}: a lie after {dict(proxy.struck())}"
            outcomes["right"] += 1
        finally:
            proxy.faults = Faults()
    assert found_in(address) == truth
    print(dict(outcomes))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in UNKNOWABLE], ids=lambda k: k.name)
def test_catalog_that_stays_broken_is_an_error(
    catalog: tuple[FaultProxy, str], kind: Fault
) -> None:
    proxy, address = catalog
    proxy.faults = Faults()
    truth = found_in(address)
    # The compressed answer is a right one, as nothing asks for a range here.
    for spared in (0, 1, 2, 4):
        proxy.faults = Faults(spared, (kind,), 1.0, True, spared=spared)
        try:
            got = found_in(address, Manners(attempts=2, first_wait_s=0.01, read_timeout_s=0.1))
        except HeliopolisError as error:
            judge(error, address, proxy)
        else:
            assert kind is Fault.GZIPPED, "came through"
            assert got == truth
        finally:
            proxy.faults = Faults()


def test_next_catalog_answers_when_the_first_is_down(
    catalog: tuple[FaultProxy, str], tmp_path: Path
) -> None:
    proxy, address = catalog
    write_static(tmp_path)
    with served(FolderOrigin(tmp_path)) as (_, second):
        for kind in (Fault.BUSY, Fault.DROP, Fault.HTML_200, Fault.STALL, Fault.SHORT):
            proxy.faults = Faults(1, (kind,), 1.0, True)
            manners = Manners(attempts=2, first_wait_s=0.01, read_timeout_s=0.1)
            client = Client(manners, offline=False, sleep=lambda seconds: None, seed=0)
            found = search((address, second), QUERY, client)
            assert len(found) == DAYS
            with pytest.raises(HeliopolisError):
                search((address,), QUERY, client)
    proxy.faults = Faults()


@pytest.mark.parametrize(
    "told",
    [
        {"code": "InternalServerError", "description": "canceling statement due to timeout"},
        {"type": "FeatureCollection", "features": None, "links": []},
        {"message": "Endpoint request timed out"},
        {},
        [],
        None,
        "maintenance",
        {"type": "FeatureCollection", "features": [{}], "links": []},
        {"type": "FeatureCollection", "features": [None], "links": []},
        {"type": "FeatureCollection", "features": ["item"], "links": []},
        {"type": "FeatureCollection", "features": [], "links": None, "numberMatched": DAYS},
    ],
    ids=str,
)
@pytest.mark.parametrize("page", [0, 1])
def test_json_that_is_no_page_of_items_is_an_error(told: object, page: int) -> None:
    """Gateways answer 200 with an error of their own in JSON."""
    api = PagingApi()

    def broken(request: Request) -> Reply:
        reply = api(request)
        first = json.loads(reply.body)["features"][0]["id"] if request.path == "/search" else ""
        return api.told(told) if first == api.items[page * PAGE]["id"] else reply

    proxy = FaultProxy(broken)
    with serving(proxy) as base:
        api.base = base
        with pytest.raises(HeliopolisError) as caught:
            found_in(base)
    assert base.split("/")[2] in str(caught.value)


@pytest.mark.parametrize("way", ["same page", "back to the first"])
def test_pages_without_end_are_an_error(way: str) -> None:
    api = PagingApi()

    def endless(request: Request) -> Reply:
        reply = api(request)
        if request.path != "/search":
            return reply
        page = json.loads(reply.body)
        asked = json.loads(request.body) if request.body else dict(request.query)
        token = asked.get("token", "next:4") if way == "same page" else "next:0"
        if page["numberReturned"] < PAGE or way == "same page":
            link = {"rel": "next", "href": f"{api.base}/search", "method": "POST"}
            page["links"] = [{**link, "body": {**asked, "token": token}}]
        assert len(proxy.log) < 60, "asks for ever"
        return api.told(page)

    proxy = FaultProxy(endless)
    with serving(proxy) as base:
        api.base = base
        try:
            got = found_in(base)
        except HeliopolisError as error:
            text = str(error)
        else:
            text = ""
            assert len({scene["id"] for scene in got}) == DAYS
        assert len(proxy.log) < 50
        assert not text or base.split("/")[2] in text


@pytest.mark.parametrize(
    "hole", ["geometry", "datetime", "links", "bbox", "collection", "properties"]
)
def test_item_that_lacks_something_is_read_or_an_error(hole: str) -> None:
    """Never another kind of exception, and never a scene less without a word."""
    api = PagingApi()
    for number, wrong in enumerate((None, "", [], {})):
        api.items = [item(day) for day in range(1, DAYS + 1)]
        victim = api.items[5]["properties"] if hole == "datetime" else api.items[5]
        victim[hole] = wrong
        if number == 0:
            del victim[hole]
        with serving(FaultProxy(api)) as base:
            api.base = base
            try:
                got = found_in(base)
            except HeliopolisError as error:
                text = str(error)
            else:
                text = api.items[5]["id"]
                assert len(got) >= DAYS - (hole in ("geometry", "bbox", "collection"))
        assert api.items[5]["id"] in text or base in text, text
