"""A result of a million buildings opened and drawn by QGIS, styled from the file.

At full extent hectares are drawn, as no building of so many can be seen; from 1:30,000 on the
buildings are, which is told too.

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
from heliopolis.steps.solar_cells import solar_cells
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
for view in ("whole", "whole", "whole", "near", "near", "bare", "bare"):
    start, cpu = time.perf_counter(), time.process_time()
    layers = [QgsVectorLayer(path + "|layername=" + name, name, "ogr")
              for name in ("buildings", "solar_cells")]
    if view == "bare":
        layers = layers[:1]
        kind = layers[0].geometryType()
        layers[0].setRenderer(QgsSingleSymbolRenderer(QgsSymbol.defaultSymbol(kind)))
        layers[0].setScaleBasedVisibility(False)
    else:
        for layer in layers:
            layer.loadDefaultStyle()
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(layers[0].crs())
    settings.setOutputSize(QSize(1600, 1000))
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setExtent(layers[0].extent())
    settings.setFlag(QgsMapSettings.UseRenderingOptimization, True)
    if view == "near":
        extent = settings.extent()
        extent.scale(29_900 / settings.scale())
        settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    found.append({"view": view, "scale": settings.scale(), "errors": len(job.errors()),
                  "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu})
    if view != "bare":
        job.renderedImage().save(picture.replace(".png", "-" + view + ".png"))
print(json.dumps(found))
"""


def drawn(number: int = NUMBER, picture: Path | None = None) -> Row | None:
    """Opening and drawing the full extent; None without QGIS."""
    if lacks("qgis.core"):
        return None
    with TemporaryDirectory() as name:
        folder = Path(name)
        table = buildings(number)
        layers = {"buildings": table, "solar_cells": solar_cells(table)}
        write_geopackage(folder / "ours.gpkg", layers)
        del table, layers
        words = [PYTHON, "-c", _DRAW, str(folder / "ours.gpkg")]
        target = picture or folder / "picture.png"
        done = subprocess.run([*words, str(target)], check=True, capture_output=True, text=True)
    times = json.loads(done.stdout.splitlines()[-1])
    ours, near, bare = (_best(times[1:], view) for view in ("whole", "near", "bare"))
    return compare(
        f"{number:,} buildings opened and drawn in QGIS at full extent",
        Measured(None, ours["seconds"], 2, None),
        "all buildings in one colour",
        Measured(None, bare["seconds"], 2, None),
        f"bar {BAR_S:.0f} s: {'met' if ours['seconds'] <= BAR_S else 'NOT MET'}; "
        f"1:{ours['scale']:,.0f}, {ours['cpu_s']:.1f} s of processor time; the buildings at "
        f"1:{near['scale']:,.0f} in {near['seconds']:.1f} s",
    )


def _best(times: list[dict[str, Any]], view: str) -> dict[str, Any]:
    return min((one for one in times if one["view"] == view), key=lambda one: one["seconds"])


def run() -> list[Row]:
    """The comparison."""
    row = drawn()
    return [] if row is None else [row]


if __name__ == "__main__":
    given = sys.argv[1:]
    row = drawn(int(given[0]) if given else NUMBER, Path(given[1]) if len(given) > 1 else None)
    Console().print("QGIS is not installed" if row is None else row.record())
