"""A run from its start to its end: lock, Snakemake, what failed, and runs on a schedule."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heliopolis.cli.engine import Means, Teller, command, environment, follow, free_snakemake
from heliopolis.errors import ConfigError, HeliopolisError
from heliopolis.io.lock import last_owner, locked
from heliopolis.steps.changes import changes
from heliopolis.steps.cluster import cluster
from heliopolis.steps.failures import Failure, damaged, failures, leave_out, left_out
from heliopolis.steps.history import keep, kept, log_line, prune, run_record, shared_dates
from heliopolis.study import Study

#: A search over the network is repeated when the last one is older than this [s].
_SEARCH_AGE_S = 12 * 3600
#: Rules that bring nothing new by themselves.
_ROUTINE = {"all", "search", "study_area", "tiles"}
#: As often a run goes on without what failed, before it gives up.
_ROUNDS = 6


class PartialError(HeliopolisError):
    """Some scenes or tiles failed; the rest was delivered."""

    exit_code = 3


@contextmanager
def held(study: Study, tell: Teller) -> Iterator[int]:
    """Hold the folder of the results for one run, and tidy up after one that was killed."""
    work = study.results / "work"
    work.mkdir(parents=True, exist_ok=True)
    dead = last_owner(work)
    with locked(work) as descriptor:
        if free_snakemake(study.results) or dead:
            who = f"process {dead['pid']}, begun {dead['since']}" if dead else "of Snakemake"
            text = f"the run before did not end ({who}); its lock is taken over"
            tell(text, "stale_lock", owner=dead)
        yield descriptor


def complete(
    study: Study, means: Means, tell: Teller, lock: int, *, again: bool, search: bool = False
) -> Counter[str]:
    """Run what is not done; deliver the rest where scenes or tiles fail.

    ``again`` tells to run only what failed before, ``search`` to ask the archives in any case.
    Returns the number of jobs of each rule.
    """
    work = study.results / "work"
    if again and not (work / "failed.json").is_file() and not failures(work):
        raise ConfigError(
            "nothing failed in the last run: there is nothing to redo", where=str(study.results)
        )
    for path in damaged(study.results):
        name = str(path.relative_to(study.results))
        tell(f"{name} is not as it was written: it is made again", "damaged", file=name)
        path.unlink()
    (work / "failed.json").unlink(missing_ok=True)
    shutil.rmtree(work / "errors", ignore_errors=True)
    log = work / "logs" / "snakemake.log"
    log.unlink(missing_ok=True)
    more = () if again or means.offline else _search_again(study, always=search)
    done: Counter[str] = Counter()
    with cluster(study.config.dask) as address:
        for _ in range(_ROUNDS):
            words = command(study.config_path, means, *more)
            around = environment(means.offline, address, study.config.network.hosts)
            status, jobs = follow(words, around, log, tell, lock)
            done += jobs
            found = failures(work)
            reach = study.config.solar.horizon_distance_m + 100
            if status == 0 or not leave_out(work, found, reach):
                break
            more = ()
            count = sum(map(len, left_out(work).values()))
            tell(f"{len(found)} failed; going on without {count} scenes or tiles", "left_out")
    if status != 0:
        raise _failed(found, log)
    if any(left_out(work).values()):
        raise _partial(study.results, found)
    return done


def _search_again(study: Study, *, always: bool) -> tuple[str, ...]:
    """Ask the archives for new scenes, unless that was done a short while ago."""
    pinned = study.results / "work" / "scenes.json"
    if not study.asks_archives or not pinned.is_file():
        return ()
    old = always or time.time() - pinned.stat().st_mtime > _SEARCH_AGE_S
    return ("--forcerun", "search") if old else ()


def _failed(found: list[Failure], log: Path) -> HeliopolisError:
    if found:
        text = " | ".join(f"{one.job}: {one.cause}" for one in found)
        return HeliopolisError(
            f"{len(found)} job{'s' if len(found) > 1 else ''} failed: {text}",
            remedy="Mend the cause and run the same command again: it goes on where it stopped",
        )
    return HeliopolisError(
        "the workflow failed",
        where=str(log),
        remedy="The log tells the cause; run the same command again to go on where it stopped",
    )


def _partial(results: Path, found: list[Failure]) -> PartialError:
    text = " | ".join(f"{one.job}: {one.cause}" for one in found)
    return PartialError(
        f"{len(found)} job{'s' if len(found) > 1 else ''} failed, the rest was delivered; "
        f"run.json tells which scenes and tiles are missing: {text}",
        where=str(results),
        remedy="Mend the cause and run with --redrive: it redoes only what failed",
    )


def scheduled(study: Study, means: Means, tell: Teller, lock: int) -> None:
    """One run of a schedule: new and changed scenes, what changed, the last results, the log."""
    started = time.monotonic()
    results = study.results
    seen = _scenes(results)
    keep(results)
    before = kept(results)[-1:]
    try:
        done = complete(study, means, tell, lock, again=False, search=True)
    except HeliopolisError as error:
        status = "partial" if isinstance(error, PartialError) else "failed"
        log_line(results, status=status, seconds=_since(started), error=error)
        if isinstance(error, PartialError):
            keep(results)
            prune(results, study.config.schedule.keep)
        raise
    jobs = sum(number for rule, number in done.items() if rule not in _ROUTINE)
    if not jobs:
        log_line(results, status="nothing_new", seconds=_since(started))
        tell("nothing new: no scene and no input changed since the last run", "nothing_new")
        return
    found = _compare(study, before[0]) if before else {}
    new = _scenes(results)
    scenes = {
        "new_scenes": len(set(new) - set(seen)),
        "withdrawn_scenes": len(set(seen) - set(new)),
        "changed_scenes": sum(new[name] != seen[name] for name in set(new) & set(seen)),
    }
    _forget(results, set(new))
    keep(results)
    gone = prune(results, study.config.schedule.keep)
    facts = {**scenes, "jobs": jobs, **found, "removed_results": len(gone)}
    line = log_line(results, status="done", seconds=_since(started), **facts)
    tell(line.split(" ", 1)[1], "changes", **facts)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _compare(study: Study, before: Path) -> dict[str, int]:
    results = study.results
    return changes(
        before=before,
        after=results,
        shared_dates=shared_dates(run_record(before), run_record(results)),
        alpha=study.config.heat.alpha,
        target=results / "changes.gpkg",
        options={"language": study.config.report.language, "provenance": study.provenance},
    )


def _scenes(results: Path) -> dict[str, str]:
    """Pinned scenes and what is known of each, as text."""
    try:
        pinned = json.loads((results / "work" / "scenes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {one["id"]: json.dumps(one, sort_keys=True) for part in pinned.values() for one in part}


def _forget(results: Path, scenes: set[str]) -> None:
    """Remove what was made of scenes that the archives withdrew."""
    for folder in (results / "scenes", results / "work" / "scenes"):
        for path in folder.glob("*"):
            if path.name not in scenes and path.is_dir():
                shutil.rmtree(path)
