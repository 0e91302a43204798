"""Made-up items and a small STAC service on loopback, for the tests of catalogs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Item = dict[str, Any]
CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
FILTER = [
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
]
#: Middle of the made-up area, and the area.
AREA = (2.0, 48.0, 2.1, 48.1)


def ring(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}


def landsat(name: str, moment: str, **change: Any) -> Item:
    """Landsat Level 2 over the area; ``box``, ``cloud``, ``assets`` and properties by name."""
    bounds = change.pop("box", (1.0, 47.0, 3.0, 49.0))
    assets = change.pop("assets", ("lwir11", "qa_pixel"))
    properties = {
        "datetime": moment,
        "platform": "landsat-9",
        "eo:cloud_cover": change.pop("cloud", 10.0),
        **change,
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "landsat-c2-l2",
        "geometry": ring(*bounds),
        "bbox": list(bounds),
        "properties": {k: v for k, v in properties.items() if v is not None},
        "assets": {key: {"href": f"https://example.org/{name}/{key}.tif"} for key in assets},
        "links": [],
    }


class Api:
    """The least of a STAC API; remembers what it was asked.

    Parameters
    ----------
    items
        Its items; all match, unless ``matches`` says which.
    conformance
        Classes it names, None to name none at all.
    page
        Items in a page.
    """

    def __init__(
        self,
        items: list[Item],
        *,
        conformance: list[str] | None = None,
        page: int = 2,
        methods: tuple[str, ...] = ("GET", "POST"),
        matches: Callable[[Item, dict[str, Any]], bool] = lambda item, asked: True,
    ) -> None:
        self.items, self.page, self.methods, self.matches = items, page, methods, matches
        self.conformance = [CORE, SEARCH] if conformance is None else conformance
        self.asked: list[dict[str, Any]] = []
        self.down = False
        self.base = ""

    def landing(self) -> dict[str, Any]:
        links = [
            {"rel": "search", "href": f"{self.base}/search", "method": method,
             "type": "application/geo+json"}
            for method in self.methods
        ]  # fmt: skip
        links.append({"rel": "root", "href": self.base, "type": "application/json"})
        head = {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x"}
        return {**head, "conformsTo": self.conformance, "links": links}

    def search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        self.asked.append(asked)
        found = [item for item in self.items if self.matches(item, asked)]
        start = int(asked.get("token", 0))
        shown = found[start : start + self.page]
        answer: dict[str, Any] = {"type": "FeatureCollection", "features": shown, "links": []}
        if start + self.page < len(found):
            link: dict[str, Any] = {"rel": "next", "href": f"{self.base}/search", "method": method}
            if method == "POST":
                link |= {"body": {**asked, "token": start + self.page}}
            else:
                link["href"] += f"?token={start + self.page}"
            answer["links"].append(link)
        return answer

    @contextmanager
    def serving(self) -> Iterator[str]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                asked = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
                self.tell(service.search(asked, "GET") if path == "/search" else service.landing())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.tell(service.search(json.loads(body), "POST"))

            def tell(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(503 if service.down else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self.base
        finally:
            server.shutdown()
            server.server_close()
