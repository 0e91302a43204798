"""The last results of a study that is run again and again, and the log of its runs."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from heliopolis.io.atomic import replacing

#: What is kept of a result.
KEPT = ("lst.tif", "hot_zones.gpkg", "rooftop_pv.gpkg", "run.json", "changes.gpkg")
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


def kept(results: Path) -> list[Path]:
    """Folders of the results that are kept, oldest first."""
    found = (results / "history").glob("*")
    return sorted(path for path in found if path.is_dir() and _NAME.fullmatch(path.name))


def keep(results: Path) -> Path | None:
    """Copy the result into ``history/<time it was made>``, unless it is there; None without one."""
    record = run_record(results)
    if record is None:
        return None
    made = datetime.fromisoformat(record["created"]).astimezone(UTC)
    target = results / "history" / f"{made:%Y%m%dT%H%M%SZ}"
    if target.is_dir():
        return target
    with replacing(target) as temporary:
        temporary.mkdir()
        for name in KEPT:
            if (results / name).is_file():
                shutil.copy2(results / name, temporary / name)
    return target


def prune(results: Path, number: int) -> list[str]:
    """Remove all but the last ``number`` results; names of those removed."""
    old = kept(results)[: -number or None]
    for path in old:
        shutil.rmtree(path)
    return [path.name for path in old]


def run_record(results: Path) -> dict[str, Any] | None:
    """``run.json`` of a result; None where there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads((results / "run.json").read_text(encoding="utf-8"))
        datetime.fromisoformat(found["created"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def used_dates(record: dict[str, Any] | None) -> set[str]:
    """Scenes that count in the composite of a result."""
    scenes = (record or {}).get("scenes") or []
    return {str(one["id"]) for one in scenes if one["role"] == "thermal" and one.get("used")}


def shared_dates(before: dict[str, Any] | None, after: dict[str, Any] | None) -> float:
    """Share of the scenes of the smaller result that both have; 0 where either has none."""
    one, two = used_dates(before), used_dates(after)
    return len(one & two) / min(len(one), len(two)) if one and two else 0.0


def log_line(results: Path, **facts: Any) -> str:
    """Append one line to ``schedule.log``: time, then ``key=value``; returns it."""
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    words = [f"{key}={_word(value)}" for key, value in facts.items() if value not in (None, "")]
    line = " ".join([now, *words])
    results.mkdir(parents=True, exist_ok=True)
    with (results / "schedule.log").open("a", encoding="utf-8") as log:
        log.write(line + "\n")
    return line


def _word(value: Any) -> str:
    text = " ".join(str(value).split())
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
