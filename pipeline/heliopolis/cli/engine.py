"""Snakemake as heliopolis runs it: its command, what it tells, and how it ends."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliopolis.errors import ConfigError
from heliopolis.io.remote.hosts import HOSTS_VARIABLE
from heliopolis.steps.cluster import DASK_VARIABLE
from heliopolis.study import RUN_FOLDER

#: Jobs that may talk to archives at the same time; each keeps its own manners besides.
NETWORK_JOBS = 4

_STEP = re.compile(r"(\d+) of (\d+) steps \((\d+)%\) done")
_DONE = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Means:
    """What a run may use."""

    cores: int
    memory_gb: float
    offline: bool = False
    profile: Path | None = None
    more: tuple[str, ...] = ()


@dataclass
class Teller:
    """Progress for people (stderr) or, as one JSON object in a line, for machines (stdout)."""

    machine: bool = False
    started: float = field(default_factory=time.monotonic)

    def __call__(self, line: str, event: str, **facts: Any) -> None:
        """Tell ``line`` to people, ``event`` with its facts to machines."""
        if self.machine:
            seconds = round(time.monotonic() - self.started, 1)
            print(json.dumps({"event": event, "seconds": seconds, **facts}), flush=True)
        elif line:
            print(f"heliopolis: {line}", file=sys.stderr, flush=True)


def command(config: Path, means: Means, *more: str) -> list[str]:
    """The call of Snakemake."""
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(snakefile())),
        *("--configfile", str(config.resolve())),
        *("--cores", str(means.cores), "--resources", f"mem_mb={int(means.memory_gb * 1000)}"),
        f"network={NETWORK_JOBS}",
        # Jobs are many and alike: an optimal choice of the next ones costs more than it gains.
        *("--rerun-incomplete", "--keep-going", "--nocolor", "--scheduler", "greedy"),
        *(("--profile", str(means.profile.resolve())) if means.profile else ()),
        *more,
        *means.more,
    ]


def environment(
    offline: bool, dask: str | None = None, hosts: tuple[str, ...] = ()
) -> dict[str, str]:
    """Environment of Snakemake and its jobs."""
    made = {**os.environ, "PYTHONUNBUFFERED": "1", "GDAL_NUM_THREADS": "2"}
    made[RUN_FOLDER] = str(Path.cwd())
    if offline:
        made["HELIOPOLIS_OFFLINE"] = "1"
    if hosts:
        made[HOSTS_VARIABLE] = ",".join(hosts)
    if dask is not None:
        made[DASK_VARIABLE] = dask
    return made


def snakefile() -> Path:
    """The workflow: beside the package in a checkout, inside it when installed from a wheel."""
    import heliopolis

    package = Path(heliopolis.__file__).parent
    for candidate in (package.parents[1] / "Snakefile", package / "workflow" / "Snakefile"):
        if candidate.is_file():
            return candidate
    raise ConfigError("the workflow file was not installed", remedy="Install heliopolis again")


def follow(
    words: list[str], environment: dict[str, str], log: Path, tell: Teller, held: int
) -> tuple[int, Counter[str]]:
    """Run Snakemake to its end: its exit status, and how many jobs of each rule were done.

    Its output goes to ``log``. It keeps the lock ``held`` as long as it lives, is asked to end
    when this process is, and ends with it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    done: Counter[str] = Counter()
    last = ""
    with (
        log.open("a", encoding="utf-8", buffering=1) as sink,
        subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            errors="replace",
            pass_fds=(held,),
            preexec_fn=_end_with_parent,
        ) as process,
        _passing_on(process),
    ):
        for line in process.stdout or ():
            sink.write(line)
            if found := _DONE.match(line):
                last = found.group(1)
                done[last] += 1
            elif step := _STEP.search(line):
                number, total, share = (int(one) for one in step.groups())
                text = f"[{share:>3}%] {number} of {total}  {last}"
                tell(text, "job", rule=last, done=number, total=total)
            elif line.startswith("heliopolis:") or "Nothing to be done" in line:
                text = line.strip().removeprefix("heliopolis:").strip()
                tell(text, "message", text=text)
    return process.returncode, done


def _end_with_parent() -> None:
    """In the child: ask the kernel for SIGTERM when the parent dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _passing_on(process: subprocess.Popen[str]) -> Iterator[None]:
    """Hand SIGTERM on to ``process``, which then ends its jobs."""

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_snakemake(results: Path) -> bool:
    """Remove the locks of a Snakemake that was killed; true where there were any.

    Only for who holds the folder: no other run of heliopolis can be at work in it.
    """
    locks = list((results / ".snakemake" / "locks").glob("*.lock"))
    for lock in locks:
        lock.unlink(missing_ok=True)
    return bool(locks)
