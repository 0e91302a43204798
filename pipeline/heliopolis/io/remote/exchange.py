"""Connections to archives: one attempt at a time for each request."""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from heliopolis.io.remote.hosts import is_allowed
from heliopolis.io.remote.judge import (
    LATER,
    NO_ADDRESS,
    judge_head,
    judged_body,
    network_failure,
    redirected,
)
from heliopolis.io.remote.manners import Host, Manners, Resting
from heliopolis.io.remote.request import (
    Again,
    Answer,
    Refused,
    RemoteError,
    Request,
    bare,
    readable,
)

_REDIRECTS = 5
_SECRET_HEADERS = frozenset({"authorization", "cookie", "x-api-key", "ocp-apim-subscription-key"})


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
        self._proxies = urllib.request.getproxies()

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
        if not readable(request.url):
            raise request.failure(NO_ADDRESS)
        url, secrets = _signed(request)
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
            target = redirected(request, url, found)
            if urlsplit(target).netloc != urlsplit(url).netloc:
                headers = {k: v for k, v in headers.items() if k.lower() not in secret_names}
            url = target
        raise request.failure(f"More than {_REDIRECTS} redirects one after the other")

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
            raise request.failure(cause, remedy=LATER) from None
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
            judge_head(request, response, self._manners.longest_retry_after_s)
            body = response.read(decode_content=request.span is None)
            return judged_body(request, response, body, bare(url))
        except HTTPError as error:
            raise network_failure(request, error) from None
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _host(self, request: Request, url: str) -> Host:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise request.failure(NO_ADDRESS)
        if not is_allowed(url):
            raise request.failure(
                f"{parts.hostname} is not a host that the configuration allows",
                "Add it to network.hosts if you trust it",
            )
        with self._lock:
            if parts.netloc not in self._hosts:
                new = Host(parts.hostname, self._manners, self._sleep, self._clock)
                self._hosts[parts.netloc] = new
            return self._hosts[parts.netloc]

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxy(url)
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = _new_manager(proxy, self._manners)
            return self._managers[proxy]

    def _proxy(self, url: str) -> str | None:
        """Address of the proxy that the environment names for ``url``."""
        parts = urlsplit(url)
        if not self._proxies or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        return self._proxies.get(parts.scheme)


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


def _signed(request: Request) -> tuple[str, Mapping[str, str]]:
    """Address and headers with token or key; a failure names what was to be read with it."""
    if request.signer is None:
        return request.url, {}
    try:
        return request.signer.sign(request.url)
    except RemoteError as error:
        where = f"{request.where}, for the {error.where}"
        raise type(error)(error.what, where=where, remedy=error.remedy) from None


@functools.cache
def _user_agent() -> str:
    return f"heliopolis/{installed_version('heliopolis')}"


class _WithoutQuery(logging.Filter):
    """Takes the query, which may be a token, out of the log of the connections."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\?[^\s\"']+", "?...", record.getMessage())
        record.args = ()
        return True


for _name in ("urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_WithoutQuery())
