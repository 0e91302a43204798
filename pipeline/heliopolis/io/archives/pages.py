"""Features page by page: OGC API Features and STAC (links), WFS (numbers)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from heliopolis.io.archives.answers import Question, current, kept, read_json, with_query
from heliopolis.io.remote.client import CorruptError, RemoteError
from heliopolis.io.remote.window import Store

Bounds = tuple[float, float, float, float]
Features = list[dict[str, Any]]
_MOST_PAGES = 10_000


def linked_features(
    store: Store, archive: str, what: str, url: str, *, fresh: bool = False
) -> Features:
    """Features of all pages, following the links ``next``.

    Parameters
    ----------
    store
        Client and cache.
    archive, what
        For the cache and for messages.
    url
        Address of the first page.
    fresh
        Ask again each time; the cache serves offline only.
    """
    found: Features = []
    seen: set[str] = set()
    ask = current if fresh else kept
    following: str | None = url
    while following is not None:
        if following in seen or len(seen) > _MOST_PAGES:
            raise CorruptError("the pages of the answer run in a circle", where=what)
        seen.add(following)
        page = _page(ask(store, _question(archive, what, following)), what)
        found += page["features"]
        following = _next_link(page, following, what)
    return found


@dataclass(frozen=True)
class WfsLayer:
    """A layer of a WFS 2.0 that answers in GeoJSON.

    Attributes
    ----------
    archive, url, layer
        Where it is.
    crs
        CRS asked for, as ``EPSG:2154``; its axes must be east, north.
    id_field
        Property that identifies a feature.
    sort_by
        Property that orders the pages.
    page_size
        Features asked for at once; the server may give fewer.
    block_m
        Side of the squares that are asked for one after the other [m].
    fresh
        Ask again each time; the cache serves offline only.
    """

    archive: str
    url: str
    layer: str
    crs: str
    id_field: str
    sort_by: str
    page_size: int = 1000
    block_m: float = 2000.0
    fresh: bool = False

    def features(self, store: Store, bounds: Bounds) -> Features:
        """Features that touch ``bounds`` (in ``crs``), each once, sorted by id."""
        found: dict[str, dict[str, Any]] = {}
        for block in blocks(bounds, self.block_m):
            found.update(self._block(store, block))
        return [found[key] for key in sorted(found)]

    def _block(self, store: Store, block: Bounds) -> dict[str, dict[str, Any]]:
        what = f"{self.archive} {self.layer}, square " + " ".join(f"{v:g}" for v in block)
        found: dict[str, dict[str, Any]] = {}
        start = 0
        ask = current if self.fresh else kept
        while True:
            page = _page(ask(store, _question(self.archive, what, self._url(block, start))), what)
            features = page["features"]
            _check_crs(page, self.crs, what)
            for feature in features:
                found[_identity(feature, self.id_field, what)] = feature
            start += len(features)
            matched = page.get("numberMatched", page.get("totalFeatures"))
            if not features or (isinstance(matched, int) and start >= matched):
                break
        if isinstance(matched, int) and len(found) < matched:
            raise RemoteError(
                f"the service says that there are {matched} features, but gave {len(found)}",
                where=what,
                remedy="Try again later: the data may have changed between two pages",
            )
        return found

    def _url(self, block: Bounds, start: int) -> str:
        name = self.crs.replace("EPSG:", "urn:ogc:def:crs:EPSG::")
        query = {
            "SERVICE": "WFS",
            "VERSION": "2.0.0",
            "REQUEST": "GetFeature",
            "TYPENAMES": self.layer,
            "OUTPUTFORMAT": "application/json",
            "SRSNAME": self.crs,
            "BBOX": ",".join(f"{v:.12g}" for v in block) + f",{name}",
            "COUNT": self.page_size,
            "STARTINDEX": start,
            "SORTBY": self.sort_by,
        }
        return with_query(self.url, query)


def blocks(bounds: Bounds, side: float) -> Iterator[Bounds]:
    """Squares of a fixed grid that cover ``bounds``, row by row from the south."""
    for row in range(math.floor(bounds[1] / side), math.ceil(bounds[3] / side)):
        for column in range(math.floor(bounds[0] / side), math.ceil(bounds[2] / side)):
            yield column * side, row * side, (column + 1) * side, (row + 1) * side


def _question(archive: str, what: str, url: str) -> Question:
    check: Callable[[bytes], object] = lambda body: _page(body, what)  # noqa: E731
    return Question(archive, what, url, check=check)


def _page(body: bytes, what: str) -> dict[str, Any]:
    page = read_json(body, what)
    if not isinstance(page, dict) or not isinstance(page.get("features"), list):
        raise CorruptError("the answer is no collection of features", where=what)
    return page


def _identity(feature: dict[str, Any], field: str, what: str) -> str:
    value = (feature.get("properties") or {}).get(field)
    if value in (None, ""):
        raise CorruptError(f"a feature has no {field!r}", where=what)
    return str(value)


def _next_link(page: dict[str, Any], url: str, what: str) -> str | None:
    for link in page.get("links", []):
        if link.get("rel") != "next":
            continue
        if str(link.get("method", "GET")).upper() != "GET":
            raise CorruptError("the next page asks for a POST", where=what)
        return urljoin(url, str(link["href"]))
    return None


def _check_crs(page: dict[str, Any], crs: str, what: str) -> None:
    """Refuse coordinates in another CRS than was asked for, where the answer names its own."""
    named = str(((page.get("crs") or {}).get("properties") or {}).get("name", ""))
    code = crs.split(":")[-1]
    if named and not named.endswith((f":{code}", f"/{code}")):
        raise CorruptError(f"the coordinates are in {named}, not in {crs}", where=what)
