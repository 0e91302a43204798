"""What `plan` said beside what the run took: ``python -m tests.bench.forecasts CONFIG...``.

The runs must lie in their results folders, made in one call on two cores. Prints one JSON line
for each, with the ratio of plan to run.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from heliopolis.steps.forecast import forecast
from heliopolis.study import Study

CORES = 2
_LINES = {
    "minutes": r"^time +about ([\d.]+) minutes",
    "memory_mb": r"^memory +about ([\d.]+) GB",
    "disk_mb": r"^disk +about ([\d.]+) MB",
}


def planned(study: Study) -> dict[str, float]:
    """Figures of the plan."""
    text = "\n".join(forecast(study, cores=CORES, memory_gb=64.0))
    found = {name: re.search(line, text, flags=re.MULTILINE) for name, line in _LINES.items()}
    told = {name: float(match[1]) for name, match in found.items() if match}
    return told | {"memory_mb": 1000 * told["memory_mb"]}


def taken(results: Path) -> dict[str, float]:
    """Figures of the run: from the start of its first job to the end of its last."""
    lines = (results / "work" / "logs" / "jobs.jsonl").read_text().splitlines()
    jobs: list[dict[str, Any]] = [json.loads(line) for line in lines]
    ended = [datetime.fromisoformat(job["ended"]).timestamp() for job in jobs]
    began = [end - job["seconds"] for end, job in zip(ended, jobs, strict=True)]
    files = (path for path in results.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        "minutes": (max(ended) - min(began)) / 60.0,
        "memory_mb": max(job["peak_memory_mb"] for job in jobs),
        "disk_mb": sum(path.stat().st_size for path in files) / 1e6,
    }


def main(paths: list[str]) -> None:
    """Print the comparison of each configuration."""
    for path in paths:
        study = Study.load(Path(path))
        plan, run = planned(study), taken(study.results)
        row = {
            name: {"plan": plan[name], "run": round(run[name], 1), "ratio": plan[name] / run[name]}
            for name in run
        }
        print(json.dumps({"run": study.config.name, **row}))


if __name__ == "__main__":
    main(sys.argv[1:])
