"""One question to a server and its answer, judged before it is believed."""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version as installed_version
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    LocationValueError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as Silence

from heliopolis.errors import HeliopolisError
from heliopolis.io.remote.manners import PASSING_STATUSES, Host, Manners, Resting, retry_after_s

_REDIRECTS = 5
_SECRET_HEADERS = frozenset({"authorization", "cookie", "x-api-key", "ocp-apim-subscription-key"})
_HTML = re.compile(rb"\s*(<!doctype\s+html|<html[\s>])", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})
_UNTYPED = ("application/octet-stream", "binary/octet-stream")
_NO_ADDRESS = "Not a web address that can be called"
_LATER = "Try again later; what was read until now is kept in the cache"


class RemoteError(HeliopolisError):
    """A remote archive did not give what was asked of it."""


class OfflineError(RemoteError):
    """A network call was wanted while working offline."""


class GoneError(RemoteError):
    """The archive no longer has it (404, 410)."""


class CorruptError(RemoteError):
    """The bytes that came cannot be right."""


class Signer(Protocol):
    """Adds what a private archive asks for to each request."""

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Address to call and headers to add; called just before each request."""

    def renew(self) -> None:
        """Forget the token: the server refused it."""


@dataclass(frozen=True)
class Answer:
    """What a server answered: header names in lower case, ``url`` without its query."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str


@dataclass(frozen=True)
class Request:
    """A question: what is asked, and what the answer must be like.

    Parameters
    ----------
    method, url, headers, body
        As sent; ``url`` before it is signed.
    what
        Item and asset, for messages.
    signer
        Adds token or key.
    accept
        Beginnings of the media types that can be right; empty takes all but HTML.
    span
        Half-open range of bytes.
    version
        ETag that the answer must carry.
    confirm
        Over plain ``http``, read until two answers agree.
    stopped
        Whether the answer is no longer wanted.
    """

    method: str
    url: str
    what: str
    signer: Signer | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    accept: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    version: str | None = None
    confirm: bool = False
    stopped: Callable[[], bool] = lambda: False

    @property
    def where(self) -> str:
        """Item, asset and address, without secrets."""
        return f"{self.what}, {bare(self.url)}"


class Again(Exception):
    """An attempt failed; the next one may not. ``ill``: the host itself seems to be in trouble."""

    def __init__(self, error: RemoteError, least_wait_s: float = 0.0, *, ill: bool = True) -> None:
        super().__init__(error)
        self.error, self.least_wait_s, self.ill = error, least_wait_s, ill


class Refused(Exception):
    """The server wants other credentials, or (HEAD) another method."""

    def __init__(self, error: RemoteError, status: int) -> None:
        super().__init__(error)
        self.error, self.status = error, status


def bare(url: str) -> str:
    """``url`` without query, fragment, user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _readable(url: str) -> bool:
    try:
        return urlsplit(url).port != -1
    except ValueError:
        return False


class Wire:
    """Connections to all hosts; makes one attempt at a time for each request.

    Parameters
    ----------
    manners
        Limits kept to for each host.
    sleep, clock
        Waiting and time.
    """

    def __init__(
        self,
        manners: Manners,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manners, self._sleep, self._clock = manners, sleep, clock
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}
        self._managers: dict[str | None, urllib3.PoolManager] = {}

    def attempt(self, request: Request) -> Answer:
        """Ask once, following redirects.

        Raises
        ------
        Again
            Where another attempt may succeed.
        Refused
            Where the server wants other credentials.
        GoneError, CorruptError, RemoteError
            Where it is no use to ask again.
        """
        if not _readable(request.url):
            raise _error(request, _NO_ADDRESS)
        url, secrets = request.signer.sign(request.url) if request.signer else (request.url, {})
        headers = {"user-agent": _user_agent(), "accept-encoding": "gzip", **request.headers}
        if request.span:
            headers["range"] = f"bytes={request.span[0]}-{request.span[1] - 1}"
            headers["accept-encoding"] = "identity"
        headers |= secrets
        secret_names = _SECRET_HEADERS | {name.lower() for name in secrets}
        for _ in range(_REDIRECTS + 1):
            found = self._ask(request, url, headers)
            if isinstance(found, Answer):
                return found
            target = _redirected(request, url, found)
            if urlsplit(target).netloc != urlsplit(url).netloc:
                headers = {k: v for k, v in headers.items() if k.lower() not in secret_names}
            url = target
        raise _error(request, f"More than {_REDIRECTS} redirects one after the other")

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            managers, self._managers = self._managers, {}
        for manager in managers.values():
            manager.clear()

    def _ask(self, request: Request, url: str, headers: Mapping[str, str]) -> Answer | str:
        """Answer, or the address to go to instead."""
        host = self._host(request, url)
        try:
            with host.turn() as begun:
                try:
                    found = self._exchange(request, url, headers)
                except Again as again:
                    if again.least_wait_s:
                        host.pause(again.least_wait_s)
                    if again.ill:
                        host.failed(begun, again.error.what)
                    raise
                except (Refused, RemoteError):
                    host.succeeded()
                    raise
        except Resting as rest:
            cause = (
                f"{urlsplit(url).hostname} failed {rest.failures} times in a row and is left alone"
                f" for {rest.seconds:.0f} s; the last time: {rest.cause}"
            )
            raise _error(request, cause, remedy=_LATER) from None
        host.succeeded()
        return found

    def _exchange(self, request: Request, url: str, headers: Mapping[str, str]) -> Answer | str:
        response = None
        try:
            response = self._manager(url).urlopen(
                request.method,
                url,
                body=request.body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                return str(response.headers["location"])
            self._judge_head(request, response)
            body = response.read(decode_content=request.span is None)
            return _judged_body(request, response, body, bare(url))
        except HTTPError as error:
            raise _network_failure(request, error) from None
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _judge_head(self, request: Request, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if 200 <= status < 300:
            _judge_type(request, response.headers.get("content-type", ""))
            _judge_range(request, response)
            _judge_version(request, response.headers.get("etag"))
        elif status in PASSING_STATUSES:
            told = f"The server answered {status} {_reason(status)}"
            least = retry_after_s(response.headers.get("retry-after"))
            if least > self._manners.longest_retry_after_s:
                raise _error(request, f"{told} and asks for {least:.0f} s of rest", _LATER)
            raise Again(_error(request, told, _LATER), least, ill=status != 429)
        else:
            raise _final(request, response)

    def _host(self, request: Request, url: str) -> Host:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _error(request, _NO_ADDRESS)
        with self._lock:
            if parts.netloc not in self._hosts:
                new = Host(parts.hostname, self._manners, self._sleep, self._clock)
                self._hosts[parts.netloc] = new
            return self._hosts[parts.netloc]

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = _proxy(url)
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = _new_manager(proxy, self._manners)
            return self._managers[proxy]


def _proxy(url: str) -> str | None:
    """Address of the proxy that the environment names for ``url``."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _new_manager(proxy: str | None, manners: Manners) -> urllib3.PoolManager:
    silence = urllib3.Timeout(connect=manners.connect_timeout_s, read=manners.read_timeout_s)
    size = manners.connections_per_host
    if proxy is None:
        return urllib3.PoolManager(
            50, maxsize=size, block=True, timeout=silence, cert_reqs="CERT_REQUIRED"
        )
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    user, at, _ = urlsplit(proxy).netloc.rpartition("@")
    login = urllib3.make_headers(proxy_basic_auth=unquote(user)) if at else None
    return urllib3.proxy_from_url(
        bare(proxy),
        num_pools=50,
        maxsize=size,
        block=True,
        timeout=silence,
        cert_reqs="CERT_REQUIRED",
        proxy_headers=login,
    )


def _user_agent() -> str:
    return f"heliopolis/{installed_version('heliopolis')}"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _error(
    request: Request, what: str, remedy: str = "", kind: type[RemoteError] = RemoteError
) -> RemoteError:
    return kind(what, where=request.where, remedy=remedy)


def _redirected(request: Request, url: str, location: str) -> str:
    if not _readable(location):
        raise _error(request, "The server redirects to what is no address")
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise _error(request, "The server redirects from https to an address without encryption")
    if request.method == "POST":
        raise _error(request, f"The service has moved to {bare(target)}", "Use that address")
    return target


def _network_failure(request: Request, error: HTTPError) -> Exception:
    """What to raise for a failure below HTTP; its own text may hold the address and is not kept."""
    if isinstance(error, LocationValueError):
        return _error(request, _NO_ADDRESS)
    if isinstance(error, SSLError):
        reason = error.args[0] if error.args else None
        if isinstance(reason, ssl.SSLCertVerificationError):
            return _error(
                request,
                f"The certificate of the server cannot be trusted: {reason.verify_message}",
                "Check the clock, and SSL_CERT_FILE where a proxy has its own certificate",
            )
        return Again(_error(request, "The encrypted connection failed", _LATER))
    for kind, what in _FAILURES:
        if isinstance(error, kind):
            return Again(_error(request, what, "Check the connection, then try again"))
    return Again(_error(request, f"The connection failed ({type(error).__name__})", _LATER))


_FAILURES: tuple[tuple[type[HTTPError], str], ...] = (
    (NewConnectionError, "The server cannot be reached"),
    (Silence, "The server kept silent for too long"),
    (IncompleteRead, "The answer ended before its end"),
    (ProtocolError, "The connection broke off"),
)


def _final(request: Request, response: urllib3.BaseHTTPResponse) -> Exception:
    status = response.status
    told = f"The server answered {status} {_reason(status)}".rstrip()
    if status in (404, 410):
        remedy = "The item may have been withdrawn or reprocessed: search again"
        return _error(request, told, remedy, GoneError)
    if status == 416:
        remedy = "The file at the archive is shorter than it should be: search again"
        return _error(request, f"{told}: no such bytes", remedy, CorruptError)
    if status in (401, 403):
        remedy = "Check the keys of this provider in the environment or the keyring"
        return Refused(_error(request, told, remedy), status)
    if request.method == "HEAD" and status in (405, 501):
        return Refused(_error(request, told), status)
    return _error(request, told + _explanation(request, response))


def _explanation(request: Request, response: urllib3.BaseHTTPResponse) -> str:
    """Beginning of what an API says about a refusal; never where a secret could be echoed."""
    if request.signer is not None or "json" not in response.headers.get("content-type", ""):
        return ""
    text = response.read(400, decode_content=True).decode("utf-8", "replace")
    return ": " + re.sub(r"\?\S+", "?...", " ".join(text.split()))[:300]


def _judge_type(request: Request, media_type: str) -> None:
    kind = media_type.split(";")[0].strip().lower()
    html = kind in ("text/html", "application/xhtml+xml")
    wrong = request.accept and kind and not kind.startswith((*request.accept, *_UNTYPED))
    if wrong or (html and not kind.startswith(tuple(request.accept))):
        what = f"The server sent {'a web page' if html else kind} instead of the data"
        remedy = (
            "The service is down, or a login page stands between: open the address in a browser"
        )
        raise Again(_error(request, what, remedy, CorruptError))


def _judge_range(request: Request, response: urllib3.BaseHTTPResponse) -> None:
    if request.span is None:
        return
    if response.status != 206:
        remedy = "Download the file by other means and give its path"
        raise _error(request, "The server does not serve parts of a file", remedy)
    told = response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(told.strip())
    first, last = (int(match[1]), int(match[2])) if match else (-1, -1)
    total = int(match[3]) if match and match[3].isdigit() else None
    start, stop = request.span
    ends = last + 1 == (stop if total is None else min(stop, total))
    if first != start or not ends:
        what = f"The server sent other bytes ({told or 'not named'}) than {start}-{stop - 1}"
        raise Again(_error(request, what, _LATER, CorruptError))
    if response.headers.get("content-encoding", "").lower() in _COMPRESSED:
        raise _error(request, "The server compresses parts of a file", kind=CorruptError)


def _judge_version(request: Request, etag: str | None) -> None:
    if request.version is not None and _strong(etag) != _strong(request.version):
        what = f"The file is no longer the same (ETag {etag}, was {request.version})"
        error = _error(request, what, "It was changed meanwhile: run again", CorruptError)
        raise Again(error, ill=False)


def _strong(etag: str | None) -> str | None:
    return etag.strip().removeprefix("W/").strip('"') if etag is not None else None


def _judged_body(
    request: Request, response: urllib3.BaseHTTPResponse, body: bytes, url: str
) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if request.span:
        match = _CONTENT_RANGE.fullmatch(headers["content-range"].strip())
        if match and len(body) != int(match[2]) - int(match[1]) + 1:
            what = f"The answer has {len(body)} bytes, not those it names"
            raise Again(_error(request, what, _LATER, CorruptError))
    if _HTML.match(body) and not any(kind.startswith("text/html") for kind in request.accept):
        what = "The server sent a web page instead of the data"
        remedy = (
            "The service is down, or a login page stands between: open the address in a browser"
        )
        raise Again(_error(request, what, remedy, CorruptError))
    return Answer(response.status, headers, body, url)


class _WithoutQuery(logging.Filter):
    """Takes the query, which may be a token, out of the log of the connections."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\?[^\s\"']+", "?...", record.getMessage())
        record.args = ()
        return True


for _name in ("urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_WithoutQuery())
