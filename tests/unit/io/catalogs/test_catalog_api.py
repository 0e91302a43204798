"""Questions to a STAC API, and what becomes of its answers."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.unit.io.catalogs.items import AREA, CORE, FILTER, SEARCH, Api, Item, landsat

from heliopolis.errors import InputError
from heliopolis.io.catalogs import PROVIDERS, Query, open_catalog, search
from heliopolis.io.catalogs.api import ApiCatalog
from heliopolis.io.remote.client import Client, CorruptError, Manners, OfflineError, RemoteError

SORT = "https://api.stacspec.org/v1.0.0/item-search#sort"


def client(**change: Any) -> Client:
    manners = Manners(attempts=2, first_wait_s=0.001, connect_timeout_s=1.0)
    return Client(manners, offline=False, sleep=lambda seconds: None, seed=1, **change)


def query(**change: Any) -> Query:
    wanted: dict[str, Any] = {
        "collections": ("landsat-c2-l2",),
        "bounds": AREA,
        "start": date(2025, 6, 1),
        "end": date(2025, 8, 31),
        **change,
    }
    return Query(**wanted)


def days(count: int) -> list[Item]:
    return [landsat(f"scene-{d:02d}", f"2025-07-{d:02d}T10:30:00Z") for d in range(1, count + 1)]


@pytest.mark.parametrize("methods", [("GET",), ("POST",), ("GET", "POST")])
@pytest.mark.parametrize("page", [1, 3, 50])
def test_all_pages_are_read(methods: tuple[str, ...], page: int) -> None:
    api = Api(days(10), page=page, methods=methods)
    with api.serving() as url:
        found = search([url], query(), client())
    assert [scene.id for scene in found] == [f"scene-{d:02d}" for d in range(1, 11)]
    assert found[0].properties["heliopolis:provider"] == url


def test_season_is_asked_in_runs_of_months() -> None:
    api = Api([])
    with api.serving() as url:
        asked = query(start=date(2023, 6, 10), end=date(2025, 7, 20), months=(6, 7, 8))
        assert search([url], asked, client()) == []
    # Over plain http each question is asked twice, until two answers agree.
    assert [a["datetime"] for a in api.asked[::2]] == [
        "2023-06-10T00:00:00Z/2023-08-31T23:59:59.999Z",
        "2024-06-01T00:00:00Z/2024-08-31T23:59:59.999Z",
        "2025-06-01T00:00:00Z/2025-07-20T23:59:59.999Z",
    ]


@pytest.mark.parametrize("conformance", [[], [CORE], [CORE, SEARCH + "#filter"]])
def test_a_service_that_cannot_search_is_refused(conformance: list[str]) -> None:
    api = Api(days(1), conformance=conformance)
    with api.serving() as url:
        with pytest.raises(InputError, match="item-search"):
            search([url], query(), client())
        # It is no reason to go on to the next catalog without a word.
        with pytest.raises(InputError, match="item-search"):
            search([url, "earth-search"], query(), client())
    assert not api.asked


def test_what_is_no_service_is_refused() -> None:
    api = Api([])
    api.landing = lambda: {"hello": "world"}  # type: ignore[method-assign]
    with api.serving() as url, pytest.raises(InputError, match="STAC"):
        search([url], query(), client())


def test_cloud_is_sorted_out_here_where_the_service_does_not_filter() -> None:
    items = [
        landsat("clear", "2025-07-01T10:30:00Z", cloud=5.0),
        landsat("cloudy", "2025-07-09T10:30:00Z", cloud=60.0),
        landsat("unknown", "2025-07-17T10:30:00Z", cloud=None),
    ]
    for conformance in ([CORE, SEARCH], [CORE, SEARCH, *FILTER[:2]], [CORE, SEARCH, FILTER[0]]):
        api = Api(items, conformance=conformance)
        with api.serving() as url:
            found = search([url], query(max_cloud_percent=50.0), client())
        assert [scene.id for scene in found] == ["clear", "unknown"]
        assert not any("filter" in asked or "query" in asked for asked in api.asked)


def cloud_at_most(item: Item, asked: dict[str, Any]) -> bool:
    if "filter" not in asked:
        return True
    limit, unknown = asked["filter"]["args"]
    assert (limit["op"], unknown["op"]) == ("<=", "isNull")
    cloud = item["properties"].get("eo:cloud_cover")
    return cloud is None or cloud <= limit["args"][1]


def test_a_service_that_filters_is_asked_to() -> None:
    items = [
        landsat("clear", "2025-07-01T10:30:00Z", cloud=5.0),
        landsat("cloudy", "2025-07-09T10:30:00Z", cloud=60.0),
        landsat("unknown", "2025-07-17T10:30:00Z", cloud=None),
    ]
    api = Api(items, conformance=[CORE, SEARCH, SORT, *FILTER], matches=cloud_at_most)
    with api.serving() as url:
        catalog = ApiCatalog("x", url, client())
        asked = query(max_cloud_percent=50.0)
        assert [item["id"] for item in catalog.items(asked)] == ["clear", "unknown"]
        assert all("filter" in one and one["filter-lang"] == "cql2-json" for one in api.asked)
        api.asked.clear()
        catalog.items(query())
        assert not any("filter" in one for one in api.asked)
        assert all(one["sortby"] for one in api.asked)


def test_an_empty_filtered_answer_is_not_believed() -> None:
    """Some servers name the class and answer nothing, without an error."""
    api = Api(days(3), conformance=[CORE, SEARCH, *FILTER],
              matches=lambda item, asked: "filter" not in asked)  # fmt: skip
    with api.serving() as url:
        found = search([url], query(max_cloud_percent=50.0), client())
    assert len(found) == 3


def test_pages_that_go_in_a_circle() -> None:
    api = Api(days(3), page=1)
    api.search = lambda asked, method: {  # type: ignore[method-assign]
        "type": "FeatureCollection", "features": days(1),
        "links": [{"rel": "next", "href": f"{api.base}/search", "method": "GET"}],
    }  # fmt: skip
    with api.serving() as url, pytest.raises(RemoteError, match="circle"):
        search([url], query(), client())


def test_an_empty_page_in_between_does_not_end_the_search() -> None:
    api = Api(days(4), page=2)
    whole = api.search

    def with_hole(asked: dict[str, Any], method: str) -> dict[str, Any]:
        if asked.get("token") or asked.get("second"):
            return whole(asked, method)
        link = {"rel": "next", "href": f"{api.base}/search", "method": "POST"}
        body = {**asked, "second": True}
        return {"type": "FeatureCollection", "features": [], "links": [{**link, "body": body}]}

    api.search = with_hole  # type: ignore[method-assign]
    with api.serving() as url:
        assert len(search([url], query(), client())) == 4


def test_the_next_catalog_is_asked_when_one_is_down(tmp_path: Path) -> None:
    first, second = Api(days(3)), Api(days(5))
    first.down = True
    with first.serving() as a, second.serving() as b:
        found = search([a, b], query(), client())
        assert len(found) == 5
        assert {scene.properties["heliopolis:provider"] for scene in found} == {b}
        first.down = False
        assert len(search([a, b], query(), client())) == 3


def test_a_catalog_that_has_nothing_is_believed() -> None:
    first, second = Api([]), Api(days(5))
    with first.serving() as a, second.serving() as b:
        assert search([a, b], query(), client()) == []
    assert not second.asked


def test_all_catalogs_down_is_an_error_that_names_them() -> None:
    first, second = Api([]), Api([])
    first.down = second.down = True
    with first.serving() as a, second.serving() as b, pytest.raises(RemoteError) as caught:
        search([a, b], query(), client())
    assert a in str(caught.value) and b in str(caught.value) and "503" in str(caught.value)


def test_offline_makes_no_call() -> None:
    api = Api(days(1))
    with api.serving() as url:
        for catalogs in ([url], [url, "earth-search"]):
            with pytest.raises(OfflineError, match="offline"):
                search(catalogs, query(), Client(offline=True))
    assert not api.asked


@pytest.mark.parametrize(
    "href", ["file:///etc/passwd", "/etc/passwd", "../secret.tif", "ftp://x/y.tif", "https:///x"]
)
def test_a_service_cannot_point_at_this_machine(href: str) -> None:
    item = landsat("trap", "2025-07-01T10:30:00Z")
    item["assets"]["lwir11"]["href"] = href
    with Api([item]).serving() as url, pytest.raises(InputError, match="trap, asset lwir11"):
        search([url], query(), client())
    # What is not used is not looked at.
    item["assets"]["thumbnail"] = item["assets"].pop("lwir11")
    item["assets"]["lwir11"] = {"href": "s3://bucket/x.tif"}
    with Api([item]).serving() as url:
        assert len(search([url], query(), client())) == 1


def test_an_answer_that_is_not_json() -> None:
    api = Api([])
    api.search = lambda asked, method: "nonsense"  # type: ignore[assignment,method-assign]
    with api.serving() as url, pytest.raises(CorruptError, match="JSON"):
        search([url], query(), client())


def test_a_collection_that_nobody_holds() -> None:
    asked = query(collections=("landsat-c2-l1",))
    with pytest.raises(InputError, match="no catalog holds"):
        search(["copernicus", "earth-search"], asked, Client(offline=True))
    with pytest.raises(InputError, match="heliopolis reads"):
        query(collections=("modis",))


def test_providers_are_asked_for_their_own_names() -> None:
    names = {
        name: open_catalog(name, Client(offline=True))._names("sentinel-3-slstr-lst-l2-netcdf")  # type: ignore[attr-defined]
        for name in PROVIDERS
    }
    assert names["planetary-computer"] == ("sentinel-3-slstr-lst-l2-netcdf",)
    assert names["copernicus"] == ("sentinel-3-sl-2-lst-ntc", "sentinel-3-sl-2-lst-nrt")
    assert names["earth-search"] == ()


def test_swaths_are_asked_for_in_a_wider_area() -> None:
    api = Api([])
    with api.serving() as url:
        search([url], query(collections=("sentinel-3-slstr-lst-l2-netcdf",)), client())
        assert api.asked[-1]["bbox"] == [-3.0, 43.0, 7.1, 53.1]
        search([url], query(), client())
        assert api.asked[-1]["bbox"] == list(AREA)
