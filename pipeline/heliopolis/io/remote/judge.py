"""Whether an answer can be believed: status, type, range, version, length."""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

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

from heliopolis.io.remote.hosts import is_internal
from heliopolis.io.remote.manners import PASSING_STATUSES, retry_after_s
from heliopolis.io.remote.request import (
    Again,
    Answer,
    CorruptError,
    GoneError,
    Refused,
    Request,
    bare,
    readable,
)

NO_ADDRESS = "Not a web address that can be called"
LATER = "Try again later; what was read until now is kept in the cache"
_WEB_PAGE = "The service is down, or a login page stands between: open the address in a browser"

_HTML = re.compile(rb"\s*(<!doctype\s+html|<html[\s>])", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})
_UNTYPED = ("application/octet-stream", "binary/octet-stream")


def judge_head(
    request: Request, response: urllib3.BaseHTTPResponse, longest_retry_after_s: float
) -> None:
    """Raise unless status and headers promise what was asked for."""
    status = response.status
    if 200 <= status < 300:
        _judge_type(request, response.headers.get("content-type", ""))
        _judge_range(request, response)
        _judge_version(request, response.headers.get("etag"))
    elif status in PASSING_STATUSES:
        told = f"The server answered {status} {_reason(status)}"
        least = retry_after_s(response.headers.get("retry-after"))
        if least > longest_retry_after_s:
            raise request.failure(f"{told} and asks for {least:.0f} s of rest", LATER)
        raise Again(request.failure(told, LATER), least, ill=status != 429)
    else:
        raise _final(request, response)


def judged_body(
    request: Request, response: urllib3.BaseHTTPResponse, body: bytes, url: str
) -> Answer:
    """Answer with ``body``, unless it is not what the headers promised."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if request.span:
        match = _CONTENT_RANGE.fullmatch(headers["content-range"].strip())
        if match and len(body) != int(match[2]) - int(match[1]) + 1:
            what = f"The answer has {len(body)} bytes, not those it names"
            raise Again(request.failure(what, LATER, CorruptError))
    if _HTML.match(body) and not any(kind.startswith("text/html") for kind in request.accept):
        what = "The server sent a web page instead of the data"
        raise Again(request.failure(what, _WEB_PAGE, CorruptError))
    return Answer(response.status, headers, body, url)


def redirected(request: Request, url: str, location: str) -> str:
    """Address that a redirect leads to."""
    if not readable(location):
        raise request.failure("The server redirects to what is no address")
    target = urljoin(url, location)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise request.failure("The server redirects from https to an address without encryption")
    if is_internal(target) and not is_internal(url):
        raise request.failure("The server redirects to an address of the inner network")
    if request.method == "POST":
        raise request.failure(f"The service has moved to {bare(target)}", "Use that address")
    return target


def network_failure(request: Request, error: HTTPError) -> Exception:
    """What to raise for a failure below HTTP; its own text may hold the address and is not kept."""
    if isinstance(error, LocationValueError):
        return request.failure(NO_ADDRESS)
    if isinstance(error, SSLError):
        reason = error.args[0] if error.args else None
        if isinstance(reason, ssl.SSLCertVerificationError):
            return request.failure(
                f"The certificate of the server cannot be trusted: {reason.verify_message}",
                "Check the clock, and SSL_CERT_FILE where a proxy has its own certificate",
            )
        return Again(request.failure("The encrypted connection failed", LATER))
    for kind, what in _FAILURES:
        if isinstance(error, kind):
            return Again(request.failure(what, "Check the connection, then try again"))
    return Again(request.failure(f"The connection failed ({type(error).__name__})", LATER))


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
        return request.failure(told, remedy, GoneError)
    if status == 416:
        remedy = "The file at the archive is shorter than it should be: search again"
        return request.failure(f"{told}: no such bytes", remedy, CorruptError)
    if status in (401, 403):
        remedy = "Check the keys of this provider in the environment or the keyring"
        return Refused(request.failure(told, remedy), status)
    if request.method == "HEAD" and status in (405, 501):
        return Refused(request.failure(told), status)
    return request.failure(told + _explanation(request, response))


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
        raise Again(request.failure(what, _WEB_PAGE, CorruptError))


def _judge_range(request: Request, response: urllib3.BaseHTTPResponse) -> None:
    if request.span is None:
        return
    if response.status != 206:
        remedy = "Download the file by other means and give its path"
        raise request.failure("The server does not serve parts of a file", remedy)
    told = response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(told.strip())
    first, last = (int(match[1]), int(match[2])) if match else (-1, -1)
    total = int(match[3]) if match and match[3].isdigit() else None
    start, stop = request.span
    ends = last + 1 == (stop if total is None else min(stop, total))
    if first != start or not ends:
        what = f"The server sent other bytes ({told or 'not named'}) than {start}-{stop - 1}"
        raise Again(request.failure(what, LATER, CorruptError))
    if response.headers.get("content-encoding", "").lower() in _COMPRESSED:
        raise request.failure("The server compresses parts of a file", kind=CorruptError)


def _judge_version(request: Request, etag: str | None) -> None:
    if request.version is not None and _strong(etag) != _strong(request.version):
        what = f"The file is no longer the same (ETag {etag}, was {request.version})"
        error = request.failure(what, "It was changed meanwhile: run again", CorruptError)
        raise Again(error, ill=False)


def _strong(etag: str | None) -> str | None:
    return etag.strip().removeprefix("W/").strip('"') if etag is not None else None


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
