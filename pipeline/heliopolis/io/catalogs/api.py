"""Catalogs behind a STAC API, asked by pystac-client in our manners."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pystac
import pystac_client
import pystac_client.errors
from pystac.link import Link
from pystac_client.stac_api_io import StacApiIO

from heliopolis.errors import InputError
from heliopolis.io.catalogs.door import enter, from_network, is_item
from heliopolis.io.catalogs.providers import PROVIDERS, SENSORS, Provider, own_names
from heliopolis.io.catalogs.query import Query
from heliopolis.io.catalogs.selection import choose
from heliopolis.io.remote.client import Client, CorruptError, OfflineError, RemoteError, bare
from heliopolis.scene import Scene, Sensor

_LOG = logging.getLogger(__name__)
_JSON = {"accept": "application/geo+json, application/json"}
#: Footprints of Sentinel-3 are wrong by up to the width of a granule: a service that compares
#: them with the area is asked for this much more around it [deg].
_SWATH_DEG = 5.0
#: Pages in a row without an item after which a service is taken to have nothing more.
_EMPTY_PAGES = 3


#: What pystac and pystac-client raise at a landing page that is none.
_NOT_STAC = (
    pystac.STACError,
    pystac_client.errors.ClientTypeError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)


class ClientIO(StacApiIO):
    """Lets pystac-client speak through a `Client`: its retries, limits, breaker, offline mode."""

    def __init__(self, client: Client, catalog: str) -> None:
        super().__init__(max_retries=None)
        self._client, self._what = client, f"catalog {catalog}"

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Body of the answer to one question."""
        sent = {**_JSON, **(headers or {})}
        if (method or "GET").upper() == "POST":
            sent["content-type"] = "application/json"
            body = json.dumps(parameters or {}).encode()
            answer = self._client.post(href, body, what=self._what, headers=sent, confirm=True)
        else:
            url = href
            if parameters:
                url += ("&" if "?" in href else "?") + urlencode(parameters, doseq=True)
            answer = self._client.get(url, what=self._what, headers=sent, confirm=True)
        try:
            return answer.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._not_json(answer.url) from error

    def json_loads(self, txt: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Parse an answer; `CorruptError` where it is not a JSON object."""
        try:
            found = json.loads(txt)
        except ValueError as error:
            raise self._not_json("") from error
        if not isinstance(found, dict):
            raise self._not_json("")
        return found

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Pages of a search; an empty page in between does not end it, a circle does."""
        page = self._page(self.read_json(url, method=method, parameters=parameters), url)
        seen: set[str] = set()
        empty = 0
        while True:
            yield page
            following = next((k for k in page.get("links", []) if _leads_on(k)), None)
            empty = 0 if page.get("features") else empty + 1
            if following is None or empty == _EMPTY_PAGES:
                return
            mark = json.dumps([following.get(k) for k in ("href", "body")], sort_keys=True)
            if mark in seen:
                raise RemoteError(
                    "The pages of the answer go round in a circle",
                    where=f"{self._what}, {bare(url)}",
                    remedy="Use another catalog, and tell the keeper of this one",
                )
            seen.add(mark)
            page = self._page(self.read_json(Link.from_dict(following), parameters=parameters), url)

    def _page(self, page: dict[str, Any], url: str) -> dict[str, Any]:
        """A page of items, whole; an answer of another kind must not pass for an empty one."""
        items = page.get("features")
        whole = (
            isinstance(items, list)
            and isinstance(page.get("links", []), list)
            and page.get("numberReturned", len(items)) == len(items)
            and all(is_item(item) for item in items)
        )
        if not whole:
            raise CorruptError(
                "A page of the answer is not whole, or one of its items lacks fields",
                where=f"{self._what}, {bare(url)}",
                remedy="Try again later, or use another catalog",
            )
        return page

    def _not_json(self, url: str) -> CorruptError:
        return CorruptError(
            "The answer is not JSON",
            where=f"{self._what}, {url}".rstrip(", "),
            remedy="Check that the address is that of a STAC service",
        )


class ApiCatalog:
    """A catalog behind a STAC API.

    Parameters
    ----------
    name
        Name for messages, and for ``heliopolis:provider`` of the items.
    url
        Address of the landing page.
    client
        What asks.
    provider
        Where the catalog is one of those known by name.
    page_items
        Items asked for at a time.
    """

    def __init__(
        self,
        name: str,
        url: str,
        client: Client,
        provider: Provider | None = None,
        *,
        page_items: int = 100,
    ) -> None:
        self.name, self._page_items = name, page_items
        self._url, self._provider = url, provider
        self._io = ClientIO(client, name)
        self._service: pystac_client.Client | None = None

    @classmethod
    def known(cls, name: str, client: Client) -> ApiCatalog:
        """The catalog of a provider known by name."""
        provider = PROVIDERS[name]
        return cls(name, provider.url, client, provider)

    def holds(self, collection: str) -> bool:
        """Whether it has, or may have, a collection or its like."""
        return self._provider is None or bool(self._names(collection))

    def search(self, query: Query) -> list[Scene]:
        """Scenes that answer ``query``, see `heliopolis.io.catalogs.selection.choose`.

        Raises
        ------
        RemoteError
            Where the service is down or its answers cannot be right.
        InputError
            Where the service cannot search items, or an item points at this machine.
        """

        def through(item: Mapping[str, Any], sensor: Sensor) -> Mapping[str, Any]:
            return enter(item, sensor, catalog=self.name, resolve=from_network(catalog=self._url))

        return choose(self.items(query), query, through)

    def items(self, query: Query) -> list[dict[str, Any]]:
        """What the service answers, unjudged: it may hold more than fits, never less.

        Raises as `search` does.
        """
        return [
            item
            for collection in query.collections
            for first, last in query.intervals()
            for item in self._found(query, collection, first, last)
        ]

    def _names(self, collection: str) -> tuple[str, ...]:
        if self._provider is None:
            return (collection,)
        held = self._provider.collections.get(SENSORS[collection], ())
        return own_names(collection, held)

    def _found(
        self, query: Query, collection: str, first: date, last: date
    ) -> list[dict[str, Any]]:
        """Items of a search; what a filter leaves empty is asked once more without it."""
        question: dict[str, Any] = {
            "collections": list(self._names(collection)),
            "bbox": _asked_bounds(query, SENSORS[collection]),
            "datetime": f"{first}T00:00:00Z/{last}T23:59:59.999Z",
            "limit": self._page_items,
        }
        service = self._open()
        methods = {k.extra_fields.get("method", "GET") for k in service.get_links("search")}
        question["method"] = "POST" if "POST" in methods else "GET"
        if _has(service, "item-search#sort"):
            question["sortby"] = ["properties.datetime", "id"]
        wanted = _cloud_filter(query)
        if wanted is not None and question["method"] == "POST" and _filters(service):
            try:
                found = self._all_pages(service, {**question, "filter": wanted})
            except OfflineError:
                raise
            except RemoteError as error:
                _LOG.info("%s refuses to filter: %s", self.name, error.what)
                found = []
            if found:
                return found
        return self._all_pages(service, question)

    def _all_pages(
        self, service: pystac_client.Client, question: dict[str, Any]
    ) -> list[dict[str, Any]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = service.search(**question)
        # Its own loop over the pages takes an empty one for the last.
        pages = self._io.get_pages(asked.url, asked.method, asked.get_parameters())
        return [item for page in pages for item in page["features"]]

    def _open(self) -> pystac_client.Client:
        if self._service is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    service = pystac_client.Client.open(self._url, stac_io=self._io)
                except _NOT_STAC as error:
                    raise self._no_service("its landing page is not that of a STAC API") from error
            if not (service.has_conforms_to() and _has(service, "item-search")):
                raise self._no_service("it does not name the conformance class 'item-search'")
            self._service = service
        return self._service

    def _no_service(self, cause: str) -> InputError:
        return InputError(
            f"the catalog cannot be searched: {cause}",
            where=f"catalog {self.name}, {self._url.split('?')[0]}",
            remedy="Give the landing page of a STAC API with item search, or the catalog.json of "
            "a static catalog",
        )


def _has(service: pystac_client.Client, conformance: str) -> bool:
    """Whether the service names a class of the STAC API, such as ``item-search#sort``."""
    return any(
        uri.startswith("https://api.stacspec.org/v1.") and uri.endswith("/" + conformance)
        for uri in service.get_conforms_to()
    )


def _filters(service: pystac_client.Client) -> bool:
    """Whether the service takes a filter in JSON that can ask for unknown values."""
    named = service.get_conforms_to()
    told = {uri.rsplit("/", 1)[-1] for uri in named}
    return _has(service, "item-search#filter") and {"cql2-json", "basic-cql2"} <= told


def _cloud_filter(query: Query) -> dict[str, Any] | None:
    """Cloud cover at most so much, or unknown, in CQL2; None where all is wanted."""
    if query.max_cloud_percent >= 100:
        return None
    cloud = {"property": "eo:cloud_cover"}
    return {
        "op": "or",
        "args": [
            {"op": "<=", "args": [cloud, query.max_cloud_percent]},
            {"op": "isNull", "args": [cloud]},
        ],
    }


def _asked_bounds(query: Query, sensor: Sensor) -> list[float]:
    west, south, east, north = query.bounds
    if sensor is not Sensor.SLSTR_LST:
        return [west, south, east, north]
    near = (max(west - _SWATH_DEG, -180.0), max(south - _SWATH_DEG, -90.0))
    return [*near, min(east + _SWATH_DEG, 180.0), min(north + _SWATH_DEG, 90.0)]


def _leads_on(link: object) -> bool:
    return isinstance(link, dict) and link.get("rel") == "next" and bool(link.get("href"))
