"""A web server on loopback that breaks its answers on purpose, by a seed.

The honest answers come from an *origin*: the built-in server of a folder (`FolderOrigin`), a real
server behind it (`RelayOrigin`, nginx in the suites), or any callable from `Request` to `Reply`.
Which request breaks, and how, is drawn from the seed, the path, the range asked for and how often
that very range was asked for before; never from the clock or the order of the threads.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import mimetypes
import random
import re
import select
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Fault(StrEnum):
    """What may happen to one answer."""

    TOO_MANY = "429 with Retry-After"
    BUSY = "burst of 503"
    BROKEN = "500, 502 or 504"
    RESET = "connection reset mid-body"
    DROP = "connection closed without an answer"
    SHORT = "truncated body with right length header"
    CLIPPED = "fewer bytes than asked for, honestly declared"
    ELSEWHERE = "other range than asked for, honestly declared"
    FLIP = "random bits flipped"
    ZERO = "span of zeros"
    SHIFT = "data shifted"
    STALL = "30 s stall"
    EXPIRED = "expired token"
    GONE = "asset is gone"
    HTML_200 = "HTML with status 200"
    HTML_206 = "HTML with status 206"
    HTML_LIE = "HTML that says it is the data"
    LOGIN = "redirect to a login page"
    FLAPPING = "entity tag differs between answers"
    REPLACED = "file replaced mid-download"
    NO_RANGE = "range ignored, 200 with all"
    GZIPPED = "content encoding nobody asked for"
    UNDECLARED = "truncated body without a length header"
    CUT = "file that ends too early, and says so"


WRONG_BYTES = frozenset({Fault.FLIP, Fault.ZERO, Fault.SHIFT, Fault.HTML_LIE, Fault.CUT})


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def range(self) -> tuple[int, int] | None:
        """Start and stop (exclusive) of a simple byte range."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "").strip())
        if not found:
            return None
        return int(found[1]), int(found[2]) + 1 if found[2] else 2**62


@dataclass(frozen=True)
class Reply:
    """One answer before it is broken; header names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def having(self, **headers: str) -> Reply:
        """The same with further headers (underscores stand for hyphens)."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})


Origin = Callable[[Request], Reply]


class FolderOrigin:
    """Serve a folder: ranges, strong entity tags, If-Match; files are read once and kept."""

    def __init__(self, folder: Path, *, tags: bool = True) -> None:
        self.folder, self.tags = folder, tags
        self._kept: dict[str, tuple[bytes, str]] = {}

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path not in self._kept:
            path = self.folder / request.path.lstrip("/")
            if not path.is_file():
                return Reply(404, b"<html>Not Found</html>", {"content-type": "text/html"})
            content = path.read_bytes()
            self._kept[request.path] = content, f'"{hashlib.md5(content).hexdigest()}"'
        content, tag = self._kept[request.path]
        kind = mimetypes.guess_type(request.path)[0] or "application/octet-stream"
        headers = {"content-type": kind, "accept-ranges": "bytes"}
        if self.tags:
            headers["etag"] = tag
            if request.headers.get("if-match", tag) not in (tag, "*"):
                return Reply(412, b"", headers)
        if request.range is None:
            return Reply(200, content, headers)
        start, stop = request.range[0], min(request.range[1], len(content))
        if start >= stop:
            return Reply(416, b"", headers).having(content_range=f"bytes */{len(content)}")
        headers["content-range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        return Reply(206, content[start:stop], headers)


class RelayOrigin:
    """Pass requests on to a real server at ``base`` (http); one connection for each thread."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host, self._prefix = parts.netloc, parts.path.rstrip("/")
        self._local = threading.local()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        passed = ("range", "if-match", "if-none-match", "if-range", "content-type", "accept")
        headers = {name: request.headers[name] for name in passed if name in request.headers}
        method = "GET" if request.method == "HEAD" else request.method
        for attempt in (0, 1):
            line = getattr(self._local, "line", None)
            if line is None:
                line = self._local.line = http.client.HTTPConnection(self._host, timeout=30)
            try:
                line.request(method, self._prefix + request.path, request.body or None, headers)
                answer = line.getresponse()
                body = answer.read()
            except (http.client.HTTPException, OSError):
                line.close()
                self._local.line = None
                if attempt:
                    raise
                continue
            dropped = ("connection", "content-length", "transfer-encoding", "date", "server")
            kept = {n.lower(): v for n, v in answer.getheaders() if n.lower() not in dropped}
            return Reply(answer.status, body, kept)
        raise AssertionError("unreachable")


@dataclass(frozen=True)
class Faults:
    """What breaks how often.

    Attributes
    ----------
    seed
        Fixes every draw.
    kinds
        Faults to choose from, evenly.
    probability
        Share of the requests that break.
    permanent
        Whether a range that broke once breaks in the same way ever after.
    only
        Regular expression: paths that may break.
    spared
        So many first requests pass unharmed.
    """

    seed: int = 0
    kinds: tuple[Fault, ...] = ()
    probability: float = 0.0
    permanent: bool = False
    only: str = ""
    spared: int = 0


@dataclass(frozen=True)
class Logged:
    """One request as the server saw it."""

    method: str
    path: str
    range: tuple[int, int] | None
    fault: Fault | None
    sent: int


class FaultProxy:
    """The server; use `serving` to start one.

    Attributes
    ----------
    faults
        May be set at any time; draws start anew.
    token
        None, or the value that the query parameter ``sig`` must have.
    open_paths
        None, or a regular expression: paths that need no token.
    bytes_per_second
        None, or the rate of each connection.
    """

    stall_s = 30.0

    def __init__(self, origin: Origin, replacement: Origin | None = None) -> None:
        self.origin, self.replacement = origin, replacement
        self.token: str | None = None
        self.tokens_given: list[str] = []
        self.open_paths: str | None = None
        self.bytes_per_second: float | None = None
        self.log: list[Logged] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self.faults = Faults()

    @property
    def faults(self) -> Faults:
        """What breaks at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._lock:
            self._faults = faults
            self._asked: Counter[object] = Counter()
            self._requests = 0
            self._busy_left = 0
            self._replaced: set[str] = set()
            self.log = []

    @property
    def bytes_sent(self) -> int:
        """Bytes of bodies since the faults were set."""
        return sum(one.sent for one in self.log)

    def struck(self) -> Counter[Fault]:
        """How often each fault happened since the faults were set."""
        return Counter(one.fault for one in list(self.log) if one.fault is not None)

    def rotate_token(self) -> str:
        """A new token; the old one is refused from now on."""
        number = len(self.tokens_given) + 1
        self.token = f"SECRET{number}x{hashlib.sha1(str(number).encode()).hexdigest()[:12]}"
        self.tokens_given.append(self.token)
        return self.token

    def draw(self, request: Request) -> tuple[Fault | None, random.Random]:
        """Which fault strikes this request, and the random source for its details."""
        with self._lock:
            faults = self._faults
            key = request.method, request.path, request.headers.get("range", ""), request.body
            count = 0 if faults.permanent else self._asked[key]
            self._asked[key] += 1
            self._requests += 1
            source = random.Random(f"{faults.seed}|{key}|{count}")
            strikes = source.random() < faults.probability
            kind = source.choice(faults.kinds) if faults.kinds else None
            if self._busy_left > 0:
                self._busy_left -= 1
                return Fault.BUSY, source
            if not strikes or kind is None or self._requests <= faults.spared:
                return None, source
            if not re.search(faults.only, request.path):
                return None, source
            if kind is Fault.EXPIRED and self.token is None:
                return None, source
            if kind is Fault.BUSY:
                self._busy_left = source.randint(0, 4)
            if kind is Fault.REPLACED:
                self._replaced.add(request.path)
            if kind is Fault.EXPIRED:
                self.rotate_token()
            return kind, source

    def honest(self, request: Request) -> Reply:
        """The answer without a fault (but with a replaced file where that has happened)."""
        if request.path in self._replaced and self.replacement is not None:
            return self.replacement(request)
        return self.origin(request)

    def refuses(self, request: Request) -> bool:
        """Whether the token of the request is missing or old."""
        if self.token is None or (self.open_paths and re.search(self.open_paths, request.path)):
            return False
        return request.query.get("sig") != self.token

    def note(self, request: Request, fault: Fault | None, sent: int) -> None:
        """Write to the log."""
        with self._lock:
            self.log.append(Logged(request.method, request.path, request.range, fault, sent))


def _page(source: random.Random, length: int | None = None) -> bytes:
    """A page for people, as a portal would send it, padded or cut to ``length``."""
    text = (
        "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>"
        f"<body><p>Request {source.getrandbits(64):016x} could not be served.</p></body></html>\n"
    ).encode()
    if length is None:
        return text
    return (text + b" " * length)[:length]


def _refusal(request: Request, source: random.Random) -> Reply:
    """Answer to an old token; storage services repeat the signature in their text."""
    told = f"<?xml version='1.0'?><Error><Sig>{request.query.get('sig', '')}</Sig></Error>"
    kind = {"content-type": "application/xml"}
    return Reply(source.choice((401, 403)), told.encode(), kind)


def _wrong(fault: Fault, body: bytes, source: random.Random) -> bytes:
    """Bytes of the same length that are not the right ones (unless the span was zero before)."""
    if not body:
        return body
    wrong = bytearray(body)
    if fault is Fault.FLIP:
        for _ in range(source.choice((1, 1, 2, 8))):
            wrong[source.randrange(len(wrong))] ^= 1 << source.randrange(8)
    elif fault is Fault.ZERO:
        start = source.randrange(len(wrong))
        stop = min(len(wrong), start + source.choice((1, 4, 64, 4096, len(wrong))))
        wrong[start:stop] = bytes(stop - start)
    else:
        start, step = source.randrange(len(wrong)), source.randint(1, 64)
        wrong[start:] = (bytes(step) + wrong[start:])[: len(wrong) - start]
    return bytes(wrong)


def broken(fault: Fault | None, reply: Reply, request: Request, source: random.Random) -> Reply:
    """The answer as the fault leaves it; faults of the connection itself leave it as it is."""
    if fault is Fault.TOO_MANY:
        return Reply(429, b"slow down", {"retry-after": source.choice(("0", "1", "2"))})
    if fault is Fault.BUSY:
        return Reply(503, _page(source), {"content-type": "text/html"})
    if fault is Fault.BROKEN:
        return Reply(source.choice((500, 502, 504)), b"")
    if fault is Fault.EXPIRED:
        return _refusal(request, source)
    if fault is Fault.GONE:
        return Reply(source.choice((404, 404, 410)), _page(source), {"content-type": "text/html"})
    if fault is Fault.HTML_200:
        return Reply(200, _page(source), {"content-type": "text/html; charset=utf-8"})
    if fault is Fault.LOGIN:
        return Reply(302, b"", {"location": "/login"})
    if reply.status not in (200, 206):
        return reply
    return _spoiled(fault, reply, request, source)


def _spoiled(fault: Fault | None, reply: Reply, request: Request, source: random.Random) -> Reply:
    """Faults that need the right answer to start from."""
    if fault is Fault.HTML_206:
        spoiled = replace(reply, body=_page(source, len(reply.body)))
        return spoiled.having(content_type="text/html")
    if fault is Fault.HTML_LIE:
        return replace(reply, body=_page(source, len(reply.body)))
    if fault in (Fault.FLIP, Fault.ZERO, Fault.SHIFT):
        return replace(reply, body=_wrong(fault, reply.body, source))
    if fault is Fault.FLAPPING:
        return reply.having(etag=f'"{source.getrandbits(64):016x}"')
    if fault is Fault.GZIPPED:
        return replace(reply, body=gzip.compress(reply.body, 1)).having(content_encoding="gzip")
    place = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("content-range", ""))
    if not place and fault in (Fault.CUT, Fault.CLIPPED):
        return replace(reply, body=reply.body[: source.randrange(1 + len(reply.body) // 2)])
    if place and fault in (Fault.CLIPPED, Fault.ELSEWHERE, Fault.CUT):
        start, last, total = (int(part) for part in place.groups())
        if fault in (Fault.CLIPPED, Fault.CUT) and last > start:
            last = source.randrange(start, last)
            body = reply.body[: last - start + 1]
            total = last + 1 if fault is Fault.CUT else total
        else:
            step = source.randint(1, 512)
            start, last = start + step, last + step
            body = (reply.body + bytes(step))[step:]
        declared = f"bytes {start}-{last}/{total}"
        return replace(reply, body=body).having(content_range=declared)
    return reply


class _Handler(socketserver.BaseRequestHandler):
    """One connection, kept alive."""

    server: _Server

    def handle(self) -> None:
        """Answer until either side hangs up."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pending = b""
        while not self.server.proxy.stopped.is_set():
            try:
                while b"\r\n\r\n" not in pending:
                    got = self.request.recv(65536)
                    if not got:
                        return
                    pending += got
                head, pending = pending.split(b"\r\n\r\n", 1)
                request, length = _parsed(head)
                while len(pending) < length:
                    got = self.request.recv(65536)
                    if not got:
                        return
                    pending += got
                request, pending = replace(request, body=pending[:length]), pending[length:]
                if not self.answer(request):
                    return
            except OSError:
                return

    def answer(self, request: Request) -> bool:
        """Answer one request; returns whether the connection goes on."""
        proxy = self.server.proxy
        if request.path == "/login":
            page = Reply(200, _page(random.Random(0)), {"content-type": "text/html"})
            return self.send(request, page, None)
        fault, source = proxy.draw(request)
        if fault is not Fault.EXPIRED and proxy.refuses(request):
            return self.send(request, _refusal(request, source), Fault.EXPIRED)
        if fault is Fault.DROP:
            proxy.note(request, fault, 0)
            return False
        if fault is Fault.NO_RANGE:
            kept = {name: value for name, value in request.headers.items() if name != "range"}
            reply = proxy.honest(replace(request, headers=kept))
        else:
            reply = proxy.honest(request)
        reply = broken(fault, reply, request, source)
        if fault in (Fault.RESET, Fault.SHORT, Fault.STALL, Fault.UNDECLARED):
            return self.abandon(request, reply, fault, source)
        return self.send(request, reply, fault)

    def send(self, request: Request, reply: Reply, fault: Fault | None) -> bool:
        """Send all of an answer."""
        self.server.proxy.note(request, fault, len(reply.body))
        body = b"" if request.method == "HEAD" else reply.body
        rate = self.server.proxy.bytes_per_second
        if rate is None:
            self.request.sendall(_head(reply) + body)
            return True
        self.request.sendall(_head(reply))
        for start in range(0, len(body), 4096):
            time.sleep(min(4096, len(body) - start) / rate)
            self.request.sendall(body[start : start + 4096])
        return True

    def abandon(self, request: Request, reply: Reply, fault: Fault, source: random.Random) -> bool:
        """Send a part of an answer only."""
        body = b"" if request.method == "HEAD" else reply.body
        kept = source.randrange(len(body)) if body else 0
        self.server.proxy.note(request, fault, kept)
        if fault is Fault.STALL and source.random() < 0.5:
            self.wait()  # not even a head
            return False
        self.request.sendall(_head(reply, declared=fault is not Fault.UNDECLARED) + body[:kept])
        if fault is Fault.STALL:
            self.wait()
        elif fault is Fault.RESET:
            time.sleep(0.001)  # what was sent shall arrive before the reset
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()  # lingering for no time: the other side gets RST, not FIN
        return False

    def wait(self) -> None:
        """Stall until the other side hangs up, at most ``stall_s``."""
        end = time.monotonic() + self.server.proxy.stall_s
        while time.monotonic() < end and not self.server.proxy.stopped.is_set():
            if select.select([self.request], [], [], 0.25)[0]:
                return


def _parsed(head: bytes) -> tuple[Request, int]:
    """Request line and headers, and the length of the body to come."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    parts = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Request(method, parts.path, query, headers), int(headers.get("content-length", 0))


def _head(reply: Reply, *, declared: bool = True) -> bytes:
    reason = http.client.responses.get(reply.status, "")
    end = f"content-length: {len(reply.body)}" if declared else "connection: close"
    lines = [f"HTTP/1.1 {reply.status} {reason}", end]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def serving(proxy: FaultProxy) -> Iterator[str]:
    """Run ``proxy`` on a free port of loopback; yields its address, without a slash."""
    server = _Server(proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        proxy.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


class QuerySigner:
    """Puts the token of a proxy into the query string, as a shared access signature is.

    ``stuck`` never learns a new token: an account that was closed.
    """

    def __init__(self, proxy: FaultProxy, *, stuck: bool = False) -> None:
        self._proxy, self._stuck = proxy, stuck
        self._token = proxy.token
        self.renewals = 0

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """The address to call and further headers."""
        if self._token is None:
            self._token = self._proxy.token
        return f"{url}{'&' if '?' in url else '?'}sig={self._token}", {}

    def renew(self) -> None:
        """Forget the token."""
        self.renewals += 1
        if not self._stuck:
            self._token = None
