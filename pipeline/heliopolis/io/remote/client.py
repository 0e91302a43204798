"""Calls to remote archives: patient, polite, and never trusting an answer that cannot be right."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliopolis.io.remote.exchange import Wire
from heliopolis.io.remote.manners import Manners
from heliopolis.io.remote.request import (
    Again,
    Answer,
    CorruptError,
    GoneError,
    OfflineError,
    Refused,
    RemoteError,
    Request,
    Signer,
    bare,
)

if TYPE_CHECKING:
    from heliopolis.io.remote.progress import Progress

__all__ = [
    "Answer",
    "Client",
    "CorruptError",
    "GoneError",
    "Manners",
    "OfflineError",
    "RemoteError",
    "Signer",
    "bare",
    "join_ranges",
]

#: Ranges with a smaller gap between them are read as one.
JOIN_GAP_BYTES = 16 * 1024
#: Ranges are not joined beyond this, so that several connections share the work.
JOIN_LIMIT_BYTES = 8 * 1024**2

_RENEWALS = 2
_NO_HEAD = frozenset({403, 405, 501})


class Client:
    """Reads from web servers; safe to use from several threads.

    Parameters
    ----------
    manners
        Limits kept to for each host.
    offline
        Make no call at all; None asks the environment (``HELIOPOLIS_OFFLINE=1``).
    progress
        Told about the bytes that arrive.
    sleep, clock, seed
        Waiting, time, and the chance in the waits; to be replaced in tests.

    Notes
    -----
    Certificates are always checked. Proxies are taken from ``HTTP_PROXY``, ``HTTPS_PROXY`` and
    ``NO_PROXY``. No message and no log record holds the query of an address.
    """

    def __init__(
        self,
        manners: Manners = Manners(),  # noqa: B008 (frozen)
        *,
        offline: bool | None = None,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        seed: int | None = None,
    ) -> None:
        self.manners = manners
        self.offline = os.environ.get("HELIOPOLIS_OFFLINE") == "1" if offline is None else offline
        self.progress = progress
        self.signers: dict[str, Signer] = {}
        self._wire = Wire(manners, sleep, clock)
        self._sleep = sleep
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._renewing = threading.RLock()
        self._generations: dict[int, int] = {}
        self._workers: ThreadPoolExecutor | None = None

    def get(
        self,
        url: str,
        *,
        what: str,
        signer: Signer | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[str, ...] = (),
        confirm: bool = False,
    ) -> Answer:
        """Read a whole resource.

        Parameters
        ----------
        url
            The address.
        what
            Item and asset, for messages: ``"item S2B_..., asset red"``.
        signer
            Adds token or key.
        headers
            More headers.
        accept
            Beginnings of the media types that can be right; empty takes all but HTML.
        confirm
            Over plain ``http``, read until two answers agree.

        Raises
        ------
        GoneError, CorruptError, OfflineError, RemoteError
        """
        wanted = {"accept": ", ".join(accept)} if accept else {}
        sent = {**wanted, **(headers or {})}
        request = Request("GET", url, what, signer, sent, accept=accept, confirm=confirm)
        return self._call(request)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        what: str,
        headers: Mapping[str, str] | None = None,
        signer: Signer | None = None,
        confirm: bool = False,
    ) -> Answer:
        """Send ``body`` and read the answer; only for questions, as it may be sent again."""
        return self._call(Request("POST", url, what, signer, headers or {}, body, confirm=confirm))

    def head(self, url: str, *, what: str, signer: Signer | None = None) -> Answer:
        """Headers of a resource; ``content-length`` is its size, absent where not known.

        Where the server refuses HEAD the first byte is read instead.
        """
        try:
            answer = self._call(Request("HEAD", url, what, signer))
        except Refused:
            answer = self._call(Request("GET", url, what, signer, span=(0, 1)))
            size = answer.headers["content-range"].rpartition("/")[2]
            dropped = ("content-range", "content-length")
            kept = {name: v for name, v in answer.headers.items() if name not in dropped}
            known = {"content-length": size} if size.isdigit() else {}
            answer = replace(answer, status=200, headers={**kept, **known}, body=b"")
        return answer

    def read_range(
        self,
        url: str,
        start: int,
        stop: int,
        *,
        what: str,
        signer: Signer | None = None,
        version: str | None = None,
        confirm: bool = False,
    ) -> Answer:
        """Read the bytes ``start`` to ``stop - 1``.

        Shorter only where the server says that the resource ends before ``stop``.

        Parameters
        ----------
        url, what, signer, confirm
            As in `get`.
        start, stop
            Half-open range of bytes, not empty.
        version
            ETag that the answer must carry; strong and weak ones compare equal.

        Raises
        ------
        GoneError, CorruptError, OfflineError, RemoteError
        """
        if not 0 <= start < stop:
            raise ValueError(f"no such range of bytes: {start} to {stop}")
        span = (start, stop)
        return self._call(
            Request("GET", url, what, signer, span=span, version=version, confirm=confirm)
        )

    def read_ranges(
        self,
        url: str,
        ranges: Sequence[tuple[int, int]],
        *,
        what: str,
        signer: Signer | None = None,
        version: str | None = None,
        confirm: bool = False,
    ) -> list[bytes]:
        """Read several ranges at the same time, in the order given; neighbours are joined.

        Parameters
        ----------
        url, what, signer, version, confirm
            As in `read_range`.
        ranges
            Half-open ranges of bytes; they may be empty, overlap, and come in any order.

        Raises
        ------
        CorruptError
            Also where a range reaches beyond the end of the resource.
        GoneError, OfflineError, RemoteError
        """
        pieces, piece_of = join_ranges(ranges)
        halt = threading.Event()
        blank = Request("GET", url, what, signer, version=version, confirm=confirm)
        asked = [replace(blank, span=piece, stopped=halt.is_set) for piece in pieces]
        bodies = self._together(asked, halt)
        for (first, last), body in zip(pieces, bodies, strict=True):
            if len(body) != last - first:
                raise CorruptError(
                    f"The file ends before byte {last}",
                    where=blank.where,
                    remedy="The file at the archive is shorter than it should be: search again",
                )
        found = []
        for (start, stop), piece in zip(ranges, piece_of, strict=True):
            offset = start - pieces[piece][0] if piece is not None else 0
            found.append(
                bodies[piece][offset : offset + stop - start] if piece is not None else b""
            )
        return found

    def close(self) -> None:
        """Give connections and threads back."""
        with self._lock:
            workers, self._workers = self._workers, None
        if workers:
            workers.shutdown(cancel_futures=True)
        self._wire.close()

    def _together(self, requests: Sequence[Request], halt: threading.Event) -> list[bytes]:
        if len(requests) < 2:
            return [self._call(request).body for request in requests]
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(4 * self.manners.connections_per_host, "remote")
            futures = [self._workers.submit(self._call, request) for request in requests]
        try:
            failed = next(
                (f for f in wait(futures, return_when=FIRST_EXCEPTION).done if f.exception()), None
            )
            return [future.result().body for future in ([failed] if failed else futures)]
        finally:
            halt.set()
            for future in futures:
                future.cancel()

    def _call(self, request: Request) -> Answer:
        if self.offline:
            raise OfflineError(
                "Not in the cache, and heliopolis works offline",
                where=request.where,
                remedy="Run once without --offline, or set HELIOPOLIS_CACHE to a cache that has it",
            )
        answer = self._patiently(request)
        if not request.confirm or urlsplit(request.url).scheme != "http":
            return answer
        seen = [answer.body]
        for _ in range(self.manners.attempts):
            answer = self._patiently(request)
            if answer.body in seen:
                return answer
            seen.append(answer.body)
        raise CorruptError(
            f"{len(seen)} readings of the same bytes all differ",
            where=request.where,
            remedy="The connection changes what it carries: use an https address",
        )

    def _patiently(self, request: Request) -> Answer:
        """Ask until there is an answer, no hope, or no attempt left."""
        failures = renewals = 0
        while True:
            generation = self._generations.get(id(request.signer), 0)
            try:
                answer = self._wire.attempt(request)
            except Refused as refused:
                if request.method == "HEAD" and refused.status in _NO_HEAD:
                    raise
                renewals += 1
                if request.signer is None or renewals > _RENEWALS:
                    raise refused.error from None
                self._renew(request.signer, generation)
            except Again as again:
                failures += 1
                if failures >= self.manners.attempts or request.stopped():
                    raise again.error from None
                self._sleep(max(again.least_wait_s, self._back_off_s(failures)))
            else:
                if self.progress is not None:
                    self.progress.add_bytes(len(answer.body))
                return answer

    def _back_off_s(self, failures: int) -> float:
        with self._lock:
            return self.manners.wait_s(failures, self._chance)

    def _renew(self, signer: Signer, generation: int) -> None:
        """Renew once for all requests that were refused with the same token."""
        with self._renewing:
            if self._generations.get(id(signer), 0) == generation:
                self._generations[id(signer)] = generation + 1
                signer.renew()


def join_ranges(
    ranges: Sequence[tuple[int, int]],
    gap: int = JOIN_GAP_BYTES,
    limit: int = JOIN_LIMIT_BYTES,
) -> tuple[list[tuple[int, int]], list[int | None]]:
    """Join ranges that lie close together.

    Parameters
    ----------
    ranges
        Half-open ranges, any order.
    gap
        Ranges less than this apart are joined.
    limit
        Longest joined range, bytes; a single range may be longer.

    Returns
    -------
    tuple
        Joined ranges in rising order, and for each range the number of the joined one that
        holds it (None for an empty one).
    """
    pieces: list[tuple[int, int]] = []
    piece_of: list[int | None] = [None] * len(ranges)
    for index in sorted(range(len(ranges)), key=ranges.__getitem__):
        start, stop = ranges[index]
        if start >= stop:
            continue
        if pieces:
            first, last = pieces[-1]
            near = start < last + gap and max(stop, last) - first <= limit
            if near or stop <= last:
                pieces[-1] = (first, max(stop, last))
                piece_of[index] = len(pieces) - 1
                continue
        pieces.append((start, stop))
        piece_of[index] = len(pieces) - 1
    return pieces, piece_of
