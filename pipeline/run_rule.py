"""The one adapter between Snakemake and the steps: rule name -> step function.

It lies outside the package because Snakemake puts a script's folder on ``sys.path``.
"""

import importlib
import json
import os
import resource
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Threads that have nothing to do sleep, and leave the core to the jobs beside this one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from heliopolis.errors import HeliopolisError
from heliopolis.io.atomic import write_text
from heliopolis.io.power import PowerReading, energy_between, read_power
from heliopolis.steps.cluster import joined

STEPS = {
    "study_area": "search",
    "acquire": "acquire",
    "search": "search",
    "tiles": "search",
    "thermal_scene": "thermal",
    "optical_composite": "optical",
    "city_form": "city_form",
    "sharpen": "thermal",
    "composite": "composite",
    "hot_zones": "heat",
    "roof_probability": "roof_images",
    "roof_outlines": "roof_images",
    "buildings": "roof_images",
    "surface_model": "surface",
    "tallest": "surface",
    "roof_planes": "surface",
    "solar_yield": "solar",
    "rooftop_pv": "publish",
    "publish": "publish",
}


def arguments(job: Any) -> dict[str, Any]:
    """Named inputs, outputs and parameters of a job as keyword arguments of its step.

    A name that ends in ``_list`` in the Snakefile is a list of paths, one that ends in
    ``_or_none`` a path or, where it is an empty list, None.
    """
    found: dict[str, Any] = {}
    for group in (job.input, job.output):
        for name, value in group.items():
            if name.startswith("depends_"):
                continue
            if name.endswith("_list"):
                paths = [value] if isinstance(value, str) else list(value)
                found[name.removesuffix("_list")] = [Path(path) for path in paths]
            elif name.endswith("_or_none"):
                paths = [value] if isinstance(value, str) else list(value)
                found[name.removesuffix("_or_none")] = Path(paths[0]) if paths else None
            else:
                found[name] = Path(value)
    for name, value in job.params.items():
        if name not in ("code", "pinned"):
            found[name] = value
    return found


def record(
    name: str, job: Any, began: tuple[float, PowerReading | None], status: str, error: str = ""
) -> dict[str, Any]:
    """What a job took: time, memory, bytes, energy where it is metered; how it ended."""
    started, power = began
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    energy = energy_between(power, read_power(), cpu)
    sizes = {str(path): Path(path).stat().st_size for path in job.output if Path(path).is_file()}
    counts = {
        key: int(value)
        for key, _, value in (line.partition(":") for line in _lines(Path("/proc/self/io")))
    }
    return {
        "job": name,
        "status": status,
        "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(cpu, 3),
        "peak_memory_mb": round(used.ru_maxrss / 1024, 1),
        "read_bytes": counts.get("rchar"),
        "written_bytes": counts.get("wchar"),
        "output_bytes": sum(sizes.values()),
        "outputs": sizes,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        **({} if energy is None else {"energy_kwh": round(energy, 9)}),
        **({"error": error} if error else {}),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def leave(name: str, told: dict[str, Any]) -> None:
    """Leave the record of a job beside the work, and a line in the log of all jobs."""
    line = json.dumps(told, ensure_ascii=False) + "\n"
    for folder in ("work/jobs", "work/logs"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with Path("work/logs/jobs.jsonl").open("a", encoding="utf-8") as log:
        log.write(line)
    if told["status"] == "done":
        write_text(Path("work/jobs") / f"{name}.json", line)


def main(job: Any) -> None:
    """Run the step of a job; an error on purpose is one paragraph, never a traceback.

    A message in ``work/errors`` that the job will not take away tells that it was killed.
    """
    began = time.perf_counter(), read_power()
    name = ".".join([job.rule, *map(str, job.wildcards)])
    errors = Path("work/errors") / f"{name}.txt"
    write_text(errors, "")
    step = getattr(importlib.import_module(f"heliopolis.steps.{STEPS[job.rule]}"), job.rule)
    try:
        with joined():
            step(**arguments(job))
    except HeliopolisError as error:
        text = f"{name}: {error}"
        write_text(errors, text + "\n")
        leave(name, record(name, job, began, "failed", str(error)))
        print(f"heliopolis: error: {text}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        text = f"an error that is not foreseen: {type(error).__name__}: {error}"
        write_text(errors, f"{name}: {text}\n")
        leave(name, record(name, job, began, "failed", text))
        raise
    errors.unlink(missing_ok=True)
    leave(name, record(name, job, began, "done"))


main(snakemake)  # type: ignore[name-defined]  # noqa: F821
