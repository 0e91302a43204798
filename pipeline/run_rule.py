"""The one adapter between Snakemake and the steps: rule name -> step function.

It lies outside the package because Snakemake puts a script's folder on ``sys.path``.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from heliopolis.errors import HeliopolisError

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
    "roof_planes": "surface",
    "horizon": "solar",
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


def measure(name: str, started: float) -> None:
    """Leave time and peak memory of this job beside the work, for the record of the run."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    record = {
        "job": name,
        "seconds": round(time.perf_counter() - started, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_memory_mb": round(used.ru_maxrss / 1024, 1),
    }
    folder = Path("work/jobs")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")


def main(job: Any) -> None:
    """Run the step of a job; an error on purpose is one paragraph, never a traceback."""
    started = time.perf_counter()
    name = ".".join([job.rule, *map(str, job.wildcards)])
    step = getattr(importlib.import_module(f"heliopolis.steps.{STEPS[job.rule]}"), job.rule)
    try:
        step(**arguments(job))
    except HeliopolisError as error:
        text = f"{name}: {error}"
        errors = Path("work/errors")
        errors.mkdir(parents=True, exist_ok=True)
        (errors / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
        print(f"heliopolis: error: {text}", file=sys.stderr)
        sys.exit(1)
    measure(name, started)


main(snakemake)  # type: ignore[name-defined]  # noqa: F821
