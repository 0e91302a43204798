"""One run at a time in a folder of results."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from heliopolis.errors import HeliopolisError


class BusyError(HeliopolisError):
    """Another run works in the same folder."""

    exit_code = 4


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the folder of a run; yields the descriptor that keeps it held.

    The lock is one of the kernel (``flock``): it ends with the last process that holds the
    descriptor, however that process dies, so that a lock never outlives its run. Hand the
    descriptor on (``pass_fds``) to children that must not be overtaken. The file says who holds it.

    Raises
    ------
    BusyError
        When a living run holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _busy(path) from error
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        try:
            yield descriptor
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def last_owner(folder: Path) -> dict[str, Any] | None:
    """Who held the folder and did not give it back: the run was killed; None where it ended."""
    try:
        found = json.loads((folder / "run.lock").read_text(encoding="utf-8") or "null")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _busy(path: Path) -> BusyError:
    owner = last_owner(path.parent) or {}
    who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
    return BusyError(
        f"another run works in this folder ({who}, since {owner.get('since', '?')})",
        where=str(path.parent.parent),
        remedy="Wait for it, or end that process, and run the same command again",
    )


def _now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()
