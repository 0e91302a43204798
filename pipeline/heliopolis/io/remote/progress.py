"""How far a download is: bytes, scenes, rate, time left."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_LINE_EVERY_S = 10.0
_BAR_EVERY_S = 0.2
_RATE_OVER_S = 30.0


class Progress:
    """Counts what arrives and tells it: a bar on a terminal, else a line now and then.

    Safe to use from several threads. Nothing is shown where nothing is fetched.

    Parameters
    ----------
    stream
        Where to; None is the standard error.
    clock
        Seconds of a clock that never goes back.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = self._scenes = self._bytes_expected = self._scenes_expected = 0
        self._latest: deque[tuple[float, int]] = deque()
        self._told_at: float | None = None
        self._untold = False
        self._live: Live | None = None

    def expect(self, bytes: int, scenes: int) -> None:
        """Add to what is still to come; 0 where not known."""
        with self._lock:
            self._bytes_expected += bytes
            self._scenes_expected += scenes

    def add_bytes(self, count: int) -> None:
        """Count bytes that arrived."""
        with self._lock:
            self._bytes += count
            now = self._clock()
            self._latest.append((now, count))
            while self._latest[0][0] < now - _RATE_OVER_S:
                self._latest.popleft()
            self._tell(now)

    def scene_done(self, name: str) -> None:
        """Count a scene that is complete."""
        with self._lock:
            self._scenes += 1
            self._tell(self._clock(), name)

    def close(self) -> None:
        """Tell the last state and give the terminal back."""
        with self._lock:
            if self._untold:
                self._show(self._clock(), "")
            if self._live is not None:
                self._live.stop()
                self._live = None
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rate(self) -> float | None:
        """Bytes per second over the last half minute; None before it can be known."""
        now = self._clock()
        if not self._latest or now - self._latest[0][0] < 1:
            return None
        # What came first took its time before the first moment that is known.
        arrived = sum(count for _, count in self._latest) - self._latest[0][1]
        return arrived / (now - self._latest[0][0])

    def line(self) -> str:
        """The state in words."""
        told = [
            _of(_megabytes(self._bytes), self._bytes_expected and _megabytes(self._bytes_expected))
        ]
        if self._scenes or self._scenes_expected:
            told.append(f"{_of(str(self._scenes), str(self._scenes_expected or ''))} scenes")
        rate = self.rate()
        if rate:
            told.append(f"{rate / 1e6:.1f} MB/s")
            left = self._bytes_expected - self._bytes
            if left > 0:
                told.append(f"{_duration(left / rate)} left")
        return ", ".join(told)

    def _tell(self, now: float, name: str = "") -> None:
        self._untold = True
        if self._told_at is None:
            self._told_at = now
            atexit.register(self.close)
            if not self._stream.isatty():
                return
        every = _BAR_EVERY_S if self._stream.isatty() else _LINE_EVERY_S
        if now - self._told_at >= every:
            self._show(now, name)

    def _show(self, now: float, name: str) -> None:
        self._told_at, self._untold = now, False
        text = f"fetched {self.line()}" + (f" ({name})" if name else "")
        if not self._stream.isatty():
            print(text, file=self._stream, flush=True)
            return
        if self._live is None:
            console = Console(file=self._stream)
            self._live = Live(console=console, auto_refresh=False, transient=False)
            self._live.start()
        row = Table.grid(padding=(0, 1))
        total = max(self._bytes_expected, self._bytes) if self._bytes_expected else None
        row.add_row(ProgressBar(total, self._bytes, width=30, pulse=total is None), Text(text))
        self._live.update(row, refresh=True)


def _of(part: str, whole: str | int) -> str:
    return f"{part} of {whole}" if whole else part


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
