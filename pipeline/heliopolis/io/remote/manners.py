"""How a host is treated: how often, how many at a time, and when it is left alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Requests per second and connections at a time that a host allows, by the end of its name.
#: Copernicus Data Space (4 connections, 2000 requests a minute; the rate here stays well below):
#: https://documentation.dataspace.copernicus.eu/Quotas.html
#: Geoplateforme (WMS raster: 40 requests a second from one address; well below it here):
#: https://ignf.github.io/cartes.gouv.fr-documentation/
KNOWN_LIMITS = {"dataspace.copernicus.eu": (5.0, 4), "data.geopf.fr": (10.0, 4)}

#: Answers that may be better the next time (RFC 9110, RFC 6585).
PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Manners:
    """Limits that a client keeps to, for each host.

    Parameters
    ----------
    connections_per_host
        Most requests under way at the same time; fewer where the host is known to allow fewer.
    requests_per_second
        Most requests begun in a second; None takes the published limit of the host, if any.
    attempts
        Most tries of one request.
    first_wait_s, longest_wait_s
        Upper end of the random wait after the first failure; it doubles up to the longest.
    longest_retry_after_s
        A server that asks for a longer rest than this is taken as unavailable.
    connect_timeout_s, read_timeout_s
        Longest silence while connecting, and between two pieces of an answer.
    breaker_failures, breaker_rest_s
        After so many failures one after the other a host is left alone for so long.
    """

    connections_per_host: int = 8
    requests_per_second: float | None = None
    attempts: int = 6
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    longest_retry_after_s: float = 600.0
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    breaker_failures: int = 10
    breaker_rest_s: float = 60.0

    def wait_s(self, failures: int, chance: random.Random) -> float:
        """Exponential back-off with full jitter: uniform from 0 to the doubled wait."""
        return chance.uniform(0, min(self.longest_wait_s, self.first_wait_s * 2 ** (failures - 1)))

    def limits(self, host: str) -> tuple[float | None, int]:
        """Requests per second (None: no limit) and connections at a time for ``host``."""
        for end, (rate, connections) in KNOWN_LIMITS.items():
            if host == end or host.endswith("." + end):
                return self.requests_per_second or rate, min(self.connections_per_host, connections)
        return self.requests_per_second, self.connections_per_host


class Resting(Exception):
    """The host failed so often in a row that it is left alone for now."""

    def __init__(self, seconds: float, failures: int, cause: str) -> None:
        super().__init__(seconds, failures, cause)
        self.seconds, self.failures, self.cause = seconds, failures, cause


class Host:
    """Schedule and circuit breaker of one host; safe to use from several threads.

    Parameters
    ----------
    name
        Host name, without port.
    manners
        The limits.
    sleep, clock
        Seconds to wait, and the time in seconds, of a clock that never goes back.
    """

    def __init__(
        self,
        name: str,
        manners: Manners,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rate, connections = manners.limits(name)
        self._step_s = 1 / rate if rate else 0.0
        self._manners, self._sleep, self._clock = manners, sleep, clock
        self._places = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._next = self._rest_until = self._counted = float("-inf")
        self._failures = 0
        self._cause = ""

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for a free connection and the next slot; yield the time the request begins.

        Raises
        ------
        Resting
            Where the host is left alone.
        """
        with self._places:
            self._check_rest()
            with self._lock:
                now = self._clock()
                begin = max(now, self._next)
                self._next = begin + self._step_s
            if begin > now:
                self._sleep(begin - now)
                self._check_rest()
            yield max(begin, self._clock())

    def _check_rest(self) -> None:
        with self._lock:
            left = self._rest_until - self._clock()
            if left > 0:
                raise Resting(left, self._failures, self._cause)

    def pause(self, seconds: float) -> None:
        """No request at all for ``seconds``: the host asked for it."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)

    def succeeded(self) -> None:
        """Forget earlier failures."""
        with self._lock:
            self._failures = 0

    def failed(self, begun: float, cause: str) -> None:
        """Count a failure of a request that began at ``begun``.

        Requests that were under way together fail together: they count once. After its rest
        a host gets a single failure's grace.
        """
        with self._lock:
            if begun < self._counted:
                return
            self._counted = self._clock()
            self._failures += 1
            self._cause = cause
            if self._failures >= self._manners.breaker_failures:
                self._rest_until = self._counted + self._manners.breaker_rest_s


def retry_after_s(value: str | None, now: datetime | None = None) -> float:
    """Seconds that a ``Retry-After`` header asks for (number or HTTP date); 0 where unreadable."""
    if value is None:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
