"""Time and memory of a call, and the row of the table that comes of two of them."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A call is repeated until it has taken this long in all [s], and at most so many times.
REPEAT_UNTIL_S = 2.0
REPEAT_AT_MOST = 5
_PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class Measured(Generic[T]):
    """Outcome of a call.

    Attributes
    ----------
    value
        What the call returned.
    seconds
        Median wall time of the repetitions [s].
    repetitions
        Their number.
    peak_mib
        Most memory that the process held at once beyond what it held before the call [MiB];
        None where the system does not tell.
    """

    value: T
    seconds: float
    repetitions: int
    peak_mib: float | None


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    what
        The task.
    ours_s, peer_s
        Median wall time [s].
    peer
        What it is compared with.
    ours_mib, peer_mib
        Peak memory [MiB], see `Measured`.
    note
        What else is to be said of the two, such as how far they agree.
    figures
        The same as numbers.
    """

    what: str
    ours_s: float
    peer: str
    peer_s: float
    ours_mib: float | None
    peer_mib: float | None
    note: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Time of the peer over ours (1): above 1 ours is faster."""
        return self.peer_s / self.ours_s

    def record(self) -> dict[str, Any]:
        """The row for JSON."""
        return {**asdict(self), "ratio": self.ratio}


def compare(
    what: str,
    ours: Measured[Any],
    peer: str,
    theirs: Measured[Any],
    note: str = "",
    figures: dict[str, float] | None = None,
) -> Row:
    """Row of two measured calls."""
    return Row(
        what=what,
        ours_s=ours.seconds,
        peer=peer,
        peer_s=theirs.seconds,
        ours_mib=ours.peak_mib,
        peer_mib=theirs.peak_mib,
        note=note,
        figures=figures or {},
    )


def measured(call: Callable[[], T], at_most: int = REPEAT_AT_MOST) -> Measured[T]:
    """Run ``call``, again if it is quick, and return its last value with time and memory.

    ``at_most`` is 1 where a second call would find what the first one left.
    """
    _give_back_memory()
    before = _status_mib("VmRSS") if _forget_peak() else None
    taken: list[float] = []
    while not taken or (sum(taken) < REPEAT_UNTIL_S and len(taken) < at_most):
        start = time.perf_counter()
        value = call()
        taken.append(time.perf_counter() - start)
    peak = None if before is None else max(0.0, _status_mib("VmHWM") - before)
    return Measured(value, statistics.median(taken), len(taken), peak)


def _give_back_memory() -> None:
    """Return what earlier calls freed to the system, so that it is not used again unseen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    """Let the kernel's high-water mark of this process start anew; False where it cannot."""
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status_mib(key: str) -> float:
    """An entry of the process status [MiB]."""
    for line in (_PROCESS / "status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)
