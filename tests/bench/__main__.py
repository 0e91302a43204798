"""Run every benchmark, print a table and write ``results/bench.json``.

Usage: ``python -m tests.bench [OUTPUT.json]``
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from heliopolis.io.atomic import write_json
from tests.bench import (
    archives,
    city_roofs,
    drawing,
    full_scene,
    geopackages,
    heat_step,
    horizons,
    hot_spots,
    rasters,
    roof_outlines,
    sharpening,
    surface_temperature,
)
from tests.bench.measure import Row

OUTPUT = Path(__file__).parents[2] / "results" / "bench.json"
_LIBRARIES = ("heliopolis", "numpy", "scipy", "numba", "rasterio", "scikit-learn", "esda")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "versions": {name: version(name) for name in _LIBRARIES},
    }


def table(rows: list[Row]) -> Table:
    """The rows to read."""
    shown = Table(title="heliopolis beside its peers", pad_edge=False)
    for name in ("what", "ours s", "peer", "peer s", "peer / ours", "MiB", "peer MiB", "note"):
        shown.add_column(name, justify="left" if name in ("what", "peer", "note") else "right")
    for row in rows:
        memory = ["-" if m is None else f"{m:.0f}" for m in (row.ours_mib, row.peer_mib)]
        times = f"{row.ours_s:.3g}", row.peer, f"{row.peer_s:.3g}", f"{row.ratio:.2g}"
        shown.add_row(row.what, *times, *memory, row.note)
    return shown


def main(output: Path = OUTPUT) -> None:
    """Measure, print, write."""
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    record = machine()
    rows = [*hot_spots.run(), *horizons.run(), *sharpening.run(), *rasters.run(), *archives.run()]
    rows += [*surface_temperature.run(), *full_scene.run(), *roof_outlines.run()]
    rows += [*heat_step.run(), *geopackages.run(), *drawing.run(), *city_roofs.run()]
    record["seconds"] = round(time.perf_counter() - start, 1)
    record["rows"] = [row.record() for row in rows]
    write_json(output, record)
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table(rows))
    console.print(f"{record['seconds']} s in all; written to {output}")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:2]))
