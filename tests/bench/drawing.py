"""A million buildings opened and drawn by QGIS, styled from the file.

Usage: ``python -m tests.bench.drawing [NUMBER [PICTURE]]``. Needs Debian's QGIS, which runs in a
process of its own: once to warm the disk, then twice, the faster of which counts. The peer is the
same file in one colour: what the geometry alone costs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from heliopolis.io.geopackage import write_geopackage
from tests.bench.geopackages import NUMBER, buildings
from tests.bench.measure import Measured, Row, compare
from tests.services.desktop import PYTHON, lacks

#: What has to hold [s].
BAR_S = 5.0
_DRAW = """
import json, os, sys, time
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings,
                       QgsSingleSymbolRenderer, QgsSymbol, QgsVectorLayer)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
path, picture = sys.argv[1:3]
app = QgsApplication([], False)
app.initQgis()
found = []
for styled in (True, True, True, False, False):
    start, cpu = time.perf_counter(), time.process_time()
    layer = QgsVectorLayer(path + "|layername=buildings", "buildings", "ogr")
    if styled:
        layer.loadDefaultStyle()
    else:
        layer.setRenderer(QgsSingleSymbolRenderer(QgsSymbol.defaultSymbol(layer.geometryType())))
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setOutputSize(QSize(1600, 1000))
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setExtent(layer.extent())
    settings.setFlag(QgsMapSettings.UseRenderingOptimization, True)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    found.append({"styled": styled, "renderer": layer.renderer().type(),
                  "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu})
    if styled:
        job.renderedImage().save(picture)
print(json.dumps(found))
"""


def drawn(number: int = NUMBER, picture: Path | None = None) -> Row | None:
    """Opening and drawing the full extent; None without QGIS."""
    if lacks("qgis.core"):
        return None
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_geopackage(folder / "ours.gpkg", {"buildings": buildings(number)})
        words = [PYTHON, "-c", _DRAW, str(folder / "ours.gpkg")]
        target = picture or folder / "picture.png"
        done = subprocess.run([*words, str(target)], check=True, capture_output=True, text=True)
    times = json.loads(done.stdout.splitlines()[-1])
    ours, bare = (_best(times[1:], styled) for styled in (True, False))
    return compare(
        f"{number:,} buildings opened and drawn in QGIS at full extent",
        Measured(None, ours["seconds"], 2, None),
        "the same without classes",
        Measured(None, bare["seconds"], 2, None),
        f"bar {BAR_S:.0f} s: {'met' if ours['seconds'] <= BAR_S else 'NOT MET'}; "
        f"{ours['cpu_s']:.1f} s of processor time, renderer {ours['renderer']}",
    )


def _best(times: list[dict[str, Any]], styled: bool) -> dict[str, Any]:
    return min((one for one in times if one["styled"] is styled), key=lambda one: one["seconds"])


def run() -> list[Row]:
    """The comparison."""
    row = drawn()
    return [] if row is None else [row]


if __name__ == "__main__":
    given = sys.argv[1:]
    row = drawn(int(given[0]) if given else NUMBER, Path(given[1]) if len(given) > 1 else None)
    Console().print("QGIS is not installed" if row is None else row.record())
