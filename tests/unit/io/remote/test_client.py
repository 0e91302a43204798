"""The client against a small server that misbehaves on purpose."""

from __future__ import annotations

import io
import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliopolis.io.remote.client import (
    JOIN_GAP_BYTES,
    Client,
    CorruptError,
    GoneError,
    Manners,
    OfflineError,
    RemoteError,
    join_ranges,
)
from heliopolis.io.remote.judge import redirected
from heliopolis.io.remote.manners import retry_after_s
from heliopolis.io.remote.progress import Progress
from heliopolis.io.remote.request import Request

DATA = Random(7).randbytes(400_000)
HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
WHAT = "item S2B_T32, asset red"
SECRET = "sig=VERYSECRET"


@dataclass
class Reply:
    """What the server does with one request; None means: as it should."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    promised: int | None = None
    reset: bool = False
    silent_s: float = 0.0
    when: Callable[[BaseHTTPRequestHandler], bool] = lambda handler: True


class Site:
    """Serves DATA under every path; the replies of `script` come first, one for each request."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0
        self.stopped = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                site.answer(self)

            do_HEAD = do_POST = do_GET

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that hang up are part of these tests

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/S2B_T32/red.tif"

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        with self.lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.seen.append((handler.command, handler.path, headers))
            self.bodies.append(handler.rfile.read(size))
            planned = next((r for r in self.script if r.when(handler)), None)
            if planned is not None:
                self.script.remove(planned)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            self._send(handler, planned or Reply(), headers.get("range"))
        finally:
            with self.lock:
                self.busy -= 1

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, span: str | None) -> None:
        self.stopped.wait(reply.silent_s)
        status, body, headers = 200, DATA, {"ETag": '"v1"', "Content-Type": "image/tiff"}
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            stop = min(int(last) + 1, len(DATA))
            body, status = DATA[int(first) : stop], 206
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(DATA)}"
        body = body if reply.body is None else reply.body
        handler.send_response(reply.status or status)
        length = len(body) if reply.promised is None else reply.promised
        for name, value in (headers | {"Content-Length": str(length)} | reply.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        if reply.reset:
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
            handler.connection.close()
            handler.close_connection = True
        elif handler.command != "HEAD":
            handler.wfile.write(body)
            handler.close_connection = length != len(body)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.stop()


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[Client]:
    client = make(clock)
    yield client
    client.close()


def make(clock: Clock, **manners: object) -> Client:
    limits = Manners(read_timeout_s=0.3, **manners)  # type: ignore[arg-type]
    return Client(limits, offline=False, sleep=clock.sleep, clock=clock, seed=1)


FAULTS = {
    "503": Reply(503, body=b"busy"),
    "500 without body": Reply(500, body=b""),
    "429": Reply(429, body=b""),
    "reset mid-body": Reply(reset=True),
    "short body": Reply(body=DATA[:50], promised=100),
    "web page with status 200": Reply(200, {"Content-Type": "text/html"}, HTML),
    "web page that says it is a tiff": Reply(206, {}, HTML),
    "other range": Reply(206, {"Content-Range": f"bytes 5-104/{len(DATA)}"}),
    "no range named": Reply(206, {"Content-Range": ""}),
    "fewer bytes than named": Reply(206, body=DATA[:50]),
    "other version": Reply(206, {"ETag": '"v0"'}),
    "silence": Reply(silent_s=0.6),
}


@pytest.mark.parametrize(
    ("name", "times"),
    [(name, times) for name in FAULTS for times in (1, 3) if (name, times) != ("silence", 3)],
)
def test_passing_fault_leaves_no_trace(site: Site, clock: Clock, name: str, times: int) -> None:
    site.script = [FAULTS[name]] * times
    answer = make(clock).read_range(site.url, 0, 100, what=WHAT, version='W/"v1"')
    assert answer.body == DATA[:100] and answer.status == 206
    assert len(site.seen) == times + 1
    assert len(clock.waits) >= times


@pytest.mark.parametrize("name", [n for n in FAULTS if n != "silence"])
def test_lasting_fault_ends_in_an_error_that_names_item_and_cause(
    site: Site, client: Client, name: str
) -> None:
    site.script = [FAULTS[name]] * 100
    with pytest.raises(RemoteError) as caught:
        client.read_range(f"{site.url}?{SECRET}", 0, 100, what=WHAT, version='"v1"')
    text = str(caught.value)
    assert WHAT in text and site.url in text
    assert SECRET not in text and "VERYSECRET" not in repr(caught.value)
    assert len(site.seen) == client.manners.attempts
    wrong = {"web", "other", "no", "fewer"}
    assert isinstance(caught.value, CorruptError) == (name.split()[0] in wrong)


def test_retry_after_is_the_least_wait(site: Site, client: Client, clock: Clock) -> None:
    site.script = [Reply(429, {"Retry-After": "7"}, b""), Reply(503, {"Retry-After": "9"}, b"")]
    assert client.get(site.url, what=WHAT).body == DATA
    assert sum(clock.waits) >= 16
    assert clock.waits[0] >= 7


def test_retry_after_rests_the_host_for_all_threads(
    site: Site, client: Client, clock: Clock
) -> None:
    site.script = [Reply(429, {"Retry-After": "1000"}, b"")]
    with pytest.raises(RemoteError, match="1000 s of rest"):
        client.get(site.url, what=WHAT)
    hurried = make(clock, attempts=1)
    site.script = [Reply(429, {"Retry-After": "50"}, b"")]
    with pytest.raises(RemoteError, match="429"):
        hurried.get(site.url, what=WHAT)
    begun = clock.now
    hurried.get(site.url, what=WHAT)
    assert clock.now - begun == pytest.approx(50)


def test_retry_after_header() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after_s("120") == 120
    assert retry_after_s(later, now) == 90
    assert retry_after_s(format_datetime(now - timedelta(hours=1), usegmt=True), now) == 0
    assert [retry_after_s(v) for v in (None, "", "soon", "-3", "1e9", "²")] == [0] * 6


def test_back_off_grows_within_its_limits() -> None:
    manners, chance = Manners(first_wait_s=1, longest_wait_s=10), Random(3)
    for failures, top in ((1, 1), (2, 2), (4, 8), (5, 10), (60, 10)):
        waits = [manners.wait_s(failures, chance) for _ in range(300)]
        assert 0 <= min(waits) < 0.1 * top
        assert 0.9 * top < max(waits) <= top


def test_gone_is_final(site: Site, client: Client) -> None:
    for status in (404, 410):
        site.script = [Reply(status, body=b"")]
        with pytest.raises(GoneError, match=str(status)):
            client.get(site.url, what=WHAT)
    assert len(site.seen) == 2


def test_refusal_of_an_api_is_told(site: Site, client: Client) -> None:
    told = b'{"code":"InvalidParameter","description":"bbox is upside down"}'
    site.script = [Reply(400, {"Content-Type": "application/json"}, told)]
    with pytest.raises(RemoteError, match="bbox is upside down"):
        client.post(site.url, b"{}", what="search")
    assert len(site.seen) == 1


def test_breaker_leaves_a_failing_host_alone(site: Site, clock: Clock) -> None:
    client = make(clock, attempts=2, breaker_failures=4, breaker_rest_s=60, first_wait_s=0.1)
    site.script = [Reply(503, body=b"")] * 5
    for _ in range(2):
        with pytest.raises(RemoteError, match="503"):
            client.get(site.url, what=WHAT)
    with pytest.raises(RemoteError, match=r"failed 4 times in a row .* 503"):
        client.get(site.url, what=WHAT)
    assert len(site.seen) == 4
    clock.now += 61
    with pytest.raises(RemoteError):  # one more failure, and it rests again
        client.get(site.url, what=WHAT)
    assert len(site.seen) == 5
    clock.now += 61
    assert client.get(site.url, what=WHAT).body == DATA


def test_failures_at_the_same_time_count_once(site: Site, clock: Clock) -> None:
    client = make(clock, breaker_failures=6, first_wait_s=0.01)
    site.script = [Reply(503, body=b"", silent_s=0.1)] * 8
    ranges = [(i * 40_000, i * 40_000 + 10) for i in range(8)]
    bodies = client.read_ranges(site.url, ranges, what=WHAT)
    assert bodies == [DATA[a:b] for a, b in ranges]


def test_offline_makes_no_call(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOPOLIS_OFFLINE", "1")
    client = Client()
    calls: list[Callable[[], object]] = [
        lambda: client.get(site.url, what=WHAT),
        lambda: client.head(site.url, what=WHAT),
        lambda: client.post(site.url, b"", what=WHAT),
        lambda: client.read_ranges(site.url, [(0, 1), (90_000, 90_001)], what=WHAT),
    ]
    for call in calls:
        with pytest.raises(OfflineError, match=WHAT):
            call()
    assert site.seen == []
    assert Client(offline=False).get(site.url, what=WHAT).body == DATA


def test_confirm_reads_until_two_answers_agree(site: Site, client: Client) -> None:
    wrong = [bytes(100), b"\x01" * 100]
    site.script = [Reply(body=wrong[0]), Reply(body=wrong[1])]
    assert client.read_range(site.url, 0, 100, what=WHAT, confirm=True).body == DATA[:100]
    assert len(site.seen) == 4
    site.script = [Reply(body=bytes([i]) * 100) for i in range(50)]
    with pytest.raises(CorruptError, match="differ"):
        client.read_range(site.url, 0, 100, what=WHAT, confirm=True)
    site.script = [Reply(body=b"[1]"), Reply(body=b"[2]"), Reply(body=b"[1]")]
    assert client.get(site.url, what=WHAT, confirm=True).body == b"[1]"


class Keys:
    """A token in the query and a key in a header."""

    def __init__(self) -> None:
        self.number = 0

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        return f"{url}?token={self.number}&{SECRET}", {"X-Key": f"k{self.number}"}

    def renew(self) -> None:
        self.number += 1


def expired(handler: BaseHTTPRequestHandler) -> bool:
    return "token=0" in handler.path


def test_refused_token_is_renewed_once_for_all(site: Site, client: Client) -> None:
    site.script = [Reply(403, body=b"", silent_s=0.05, when=expired) for _ in range(20)]
    keys = Keys()
    ranges = [(i * 40_000, i * 40_000 + 10) for i in range(8)]
    bodies = client.read_ranges(site.url, ranges, what=WHAT, signer=keys)
    assert bodies == [DATA[a:b] for a, b in ranges]
    assert keys.number == 1


def test_refusal_with_good_tokens_ends(site: Site, client: Client) -> None:
    site.script = [Reply(401, body=b"") for _ in range(9)]
    keys = Keys()
    with pytest.raises(RemoteError, match="401") as caught:
        client.get(site.url, what=WHAT, signer=keys)
    assert keys.number == 2 and len(site.seen) == 3
    assert "VERYSECRET" not in str(caught.value)
    with pytest.raises(RemoteError, match="401"):
        client.get(site.url, what=WHAT)
    assert len(site.seen) == 4


def test_log_holds_no_query(site: Site, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site.script = [Reply(503, body=b""), Reply(302, {"Location": f"/b.tif?{SECRET}"}, b"")]
    client.get(f"{site.url}?{SECRET}", what=WHAT)
    assert "urllib3" in caplog.text
    assert "VERYSECRET" not in caplog.text


def test_unreachable_server_and_wrong_addresses(clock: Clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RemoteError, match="cannot be reached") as caught:
        make(clock).get(f"http://user:pw@127.0.0.1:{port}/x?{SECRET}", what=WHAT)
    assert "VERYSECRET" not in str(caught.value) and "pw" not in str(caught.value)
    for url in (
        "s3://eodata/x",
        "file:///etc/hosts",
        "nonsense",
        "http:///x",
        "http://[/x",
        "http://a:b/",
    ):
        with pytest.raises(RemoteError, match="Not a web address"):
            make(clock).get(url, what=WHAT)


def test_redirect_drops_secrets_at_another_host(site: Site, client: Client) -> None:
    other = Site()
    try:
        site.script = [
            Reply(302, {"Location": "/moved.tif"}, b""),
            Reply(307, {"Location": other.url}, b""),
        ]
        headers = {"Authorization": "Bearer x", "X-Mine": "kept"}
        answer = client.get(site.url, what=WHAT, signer=Keys(), headers=headers)
        assert answer.body == DATA and answer.url == other.url
        assert "authorization" in site.seen[1][2] and "x-key" in site.seen[1][2]
        _, path, sent = other.seen[0]
        assert "?" not in path and "authorization" not in sent and "x-key" not in sent
        assert sent["x-mine"] == "kept"
    finally:
        other.stop()


def test_redirects_that_are_not_followed(site: Site, client: Client) -> None:
    site.script = [Reply(302, {"Location": site.url}, b"") for _ in range(20)]
    with pytest.raises(RemoteError, match="redirects"):
        client.get(site.url, what=WHAT)
    site.script = [Reply(302, {"Location": "http://[/"}, b"")]
    with pytest.raises(RemoteError, match="no address"):
        client.get(site.url, what=WHAT)
    site.script = [Reply(301, {"Location": "/new"}, b"")]
    with pytest.raises(RemoteError, match="moved to"):
        client.post(site.url, b"{}", what="search")


def test_https_is_never_left() -> None:
    request = Request("GET", "https://a.example/x", WHAT)
    assert redirected(request, request.url, "https://b.example/y") == "https://b.example/y"
    assert redirected(request, request.url, "/y") == "https://a.example/y"
    for target in ("http://a.example/x", "ftp://a.example/x", "file:///x"):
        with pytest.raises(RemoteError, match="without encryption"):
            redirected(request, request.url, target)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_certificates_are_checked(
    site: Site, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-keyout", str(key), "-out", str(certificate)]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *files, *name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    url = site.url.replace("http://", "https://")
    with pytest.raises(RemoteError, match="certificate of the server cannot be trusted"):
        make(clock).get(url, what=WHAT)
    assert clock.waits == [] and site.seen == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert make(clock).read_range(url, 5, 50, what=WHAT, confirm=True).body == DATA[5:50]
    assert len(site.seen) == 1, "a second reading is for http alone"


def test_arriving_bytes_are_counted(site: Site, clock: Clock) -> None:
    progress = Progress(io.StringIO())
    client = Client(offline=False, progress=progress, sleep=clock.sleep)
    site.script = [Reply(reset=True)]
    client.read_ranges(site.url, [(0, 60_000), (200_000, 240_000)], what=WHAT)
    assert progress.line().startswith("0.1 MB")


def test_head_falls_back_to_the_first_byte(site: Site, client: Client) -> None:
    assert client.head(site.url, what=WHAT).headers["content-length"] == str(len(DATA))
    for status in (403, 405, 501):
        site.script = [Reply(status, body=b"")]
        answer = client.head(site.url, what=WHAT)
        assert answer.headers["content-length"] == str(len(DATA))
        assert answer.headers["etag"] == '"v1"' and answer.body == b""
    assert site.seen[-1][0] == "GET" and site.seen[-1][2]["range"] == "bytes=0-0"


def test_range_beyond_the_end(site: Site, client: Client) -> None:
    end = len(DATA)
    assert client.read_range(site.url, end - 10, end + 10, what=WHAT).body == DATA[-10:]
    with pytest.raises(CorruptError, match="ends before"):
        client.read_ranges(site.url, [(0, 10), (end - 10, end + 10)], what=WHAT)
    site.script = [Reply(416, body=b"")]
    with pytest.raises(CorruptError, match="no such bytes"):
        client.read_range(site.url, end, end + 1, what=WHAT)


def test_server_without_ranges_is_refused_before_the_body(site: Site, client: Client) -> None:
    site.script = [Reply(200, promised=10**12)]
    with pytest.raises(RemoteError, match="does not serve parts"):
        client.read_range(site.url, 0, 10, what=WHAT)


def test_media_types(site: Site, client: Client) -> None:
    json_body = Reply(200, {"Content-Type": "application/geo+json; charset=utf-8"}, b"{}")
    site.script = [json_body]
    accept = ("application/json", "application/geo+json")
    assert client.get(site.url, what=WHAT, accept=accept).body == b"{}"
    assert site.seen[-1][2]["accept"] == ", ".join(accept)
    with pytest.raises(CorruptError, match="image/tiff instead"):
        client.get(site.url, what=WHAT, accept=accept)
    site.script = [Reply(200, {"Content-Type": "text/html"}, HTML)]
    assert client.get(site.url, what=WHAT, accept=("text/html",)).body == HTML


def test_first_failure_ends_the_rest(site: Site, clock: Clock) -> None:
    client = make(clock)
    site.script = [Reply(404, body=b"", when=lambda h: "=0-" in h.headers["Range"])]
    ranges = [(i * 30_000, i * 30_000 + 10) for i in range(12)]
    with pytest.raises(GoneError):
        client.read_ranges(site.url, ranges, what=WHAT)


def test_connections_and_rate_are_bounded(site: Site, clock: Clock) -> None:
    site.script = [Reply(silent_s=0.03) for _ in range(12)]
    client = make(clock, connections_per_host=3)
    ranges = [(i * 30_000, i * 30_000 + 10) for i in range(12)]
    client.read_ranges(site.url, ranges, what=WHAT)
    assert 2 <= site.most_busy <= 3
    begun = clock.now
    slow = make(clock, requests_per_second=5)
    for _ in range(11):
        slow.read_range(site.url, 0, 10, what=WHAT)
    assert clock.now - begun == pytest.approx(2.0)


def test_known_limits_of_hosts() -> None:
    assert Manners().limits("stac.dataspace.copernicus.eu") == (5.0, 4)
    assert Manners(requests_per_second=2).limits("eodata.dataspace.copernicus.eu") == (2, 4)
    assert Manners().limits("notdataspace.copernicus.eu.example") == (None, 8)


def test_proxy_of_the_environment(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = site.url.replace("http://", "http://me:pw@").removesuffix("/S2B_T32/red.tif")
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert make(clock).get("http://archive.example/a.tif", what=WHAT).body == DATA
    _, path, headers = site.seen[-1]
    assert path == "http://archive.example/a.tif" and headers["proxy-authorization"]
    make(clock).get(site.url, what=WHAT)
    assert site.seen[-1][1] == "/S2B_T32/red.tif"


def test_post_sends_its_body_again(site: Site, client: Client) -> None:
    site.script = [Reply(503, body=b"")]
    client.post(site.url, b'{"limit": 1}', what="search", headers={"Content-Type": "text/plain"})
    assert site.bodies == [b'{"limit": 1}'] * 2


spans = st.tuples(st.integers(0, 300_000), st.integers(0, 60_000)).map(lambda p: (p[0], sum(p)))


@given(st.lists(spans, max_size=12))
def test_joined_ranges_hold_every_range(ranges: list[tuple[int, int]]) -> None:
    limit = 100_000
    pieces, piece_of = join_ranges(ranges, limit=limit)
    for (start, stop), number in zip(ranges, piece_of, strict=True):
        if start == stop:
            assert number is None
        else:
            assert number is not None
            assert pieces[number][0] <= start < stop <= pieces[number][1]
    assert all(last - first <= limit for first, last in pieces)
    asked = sum(stop - start for start, stop in ranges)
    fetched = sum(last - first for first, last in pieces)
    assert fetched <= asked + JOIN_GAP_BYTES * max(0, len(ranges) - 1)


def test_ranges_in_any_order(site: Site, client: Client) -> None:
    ranges = [
        (90_000, 90_100),
        (0, 50),
        (60, 60),
        (40, 20_000),
        (20_100, 20_200),
        (399_990, 400_000),
    ]
    bodies = client.read_ranges(site.url, ranges, what=WHAT, version='"v1"')
    assert bodies == [DATA[a:b] for a, b in ranges]
    assert len(site.seen) == 3
    assert client.read_ranges(site.url, [], what=WHAT) == []
    assert client.read_ranges(site.url, [(5, 5)], what=WHAT) == [b""]
