"""A web server on the loopback interface that answers as a test says, and a store to use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from heliopolis.io.remote.cache import Cache
from heliopolis.io.remote.client import Client
from heliopolis.io.remote.manners import Manners
from heliopolis.io.remote.window import Store

QUICK = Manners(attempts=2, first_wait_s=0.001, longest_wait_s=0.002, read_timeout_s=10)


@dataclass
class Asked:
    """One request: query names in capitals, first value each."""

    path: str
    query: dict[str, str]
    body: bytes
    range: tuple[int, int] | None


@dataclass
class Web:
    """What the server knows: functions of a request by the beginning of its path, and files."""

    url: str = ""
    routes: dict[str, Callable[[Asked], bytes | tuple[int, bytes]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0

    def count(self, start: str) -> int:
        """Number of requests whose path begins so."""
        return sum(a.path.startswith(start) for a in self.asked)

    def forget(self) -> None:
        self.asked.clear()
        self.sent = 0


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])))

        def _answer(self, body: bytes = b"") -> None:
            parts = urlsplit(self.path)
            query = {k.upper(): v[0] for k, v in parse_qs(parts.query).items()}
            asked = Asked(unquote(parts.path), query, body, _span(self.headers.get("range")))
            web.asked.append(asked)
            status, content, extra = self._find(asked)
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                web.sent += len(content)
                self.wfile.write(content)

        def _find(self, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
            whole = web.files.get(asked.path)
            if whole is not None:
                kind = {"accept-ranges": "bytes", "etag": f'"{len(whole)}"'}
                if asked.range is None:
                    return 200, whole, kind
                start, stop = asked.range[0], min(asked.range[1], len(whole) - 1)
                kind["content-range"] = f"bytes {start}-{stop}/{len(whole)}"
                return 206, whole[start : stop + 1], kind
            for start, route in web.routes.items():
                if asked.path.startswith(start):
                    made = route(asked)
                    status, content = made if isinstance(made, tuple) else (200, made)
                    return status, content, {}
            return 404, b"nothing here", {}

    return Handler


def _span(header: str | None) -> tuple[int, int] | None:
    if header is None:
        return None
    start, _, stop = header.removeprefix("bytes=").partition("-")
    return int(start), int(stop) if stop else 1 << 62


@pytest.fixture
def web() -> Iterator[Web]:
    known = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(known))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    yield known
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(client=Client(QUICK, offline=False), cache=Cache(tmp_path / "cache"))


@pytest.fixture
def offline(store: Store) -> Store:
    """The same cache without a network."""
    return Store(client=Client(QUICK, offline=True), cache=store.cache)
