"""A graduated style puts each value where the legend says, in a real QGIS."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from heliopolis.io.qml import qml
from heliopolis.legend import SCALES
from tests.services.desktop import PYTHON, lacks


@pytest.mark.services
def test_a_value_on_a_limit_is_in_the_upper_class_and_null_is_drawn(tmp_path):
    if lacks("qgis.core"):
        pytest.skip("QGIS is missing: install python3-qgis and qgis-providers")
    scale = SCALES["buildings"]
    style = tmp_path / "buildings.qml"
    style.write_text(qml("buildings"), encoding="utf-8")
    values = [None, 0, *scale.breaks, *(limit - 0.01 for limit in scale.breaks), 5000]
    script = f"""
import json
from qgis.core import *
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer("Polygon?field={scale.field}:double", "x", "memory")
layer.loadNamedStyle({str(style)!r})
renderer, context = layer.renderer(), QgsRenderContext()
context.expressionContext().setFields(layer.fields())
renderer.startRender(context, layer.fields())
found = []
for value in {values!r}:
    feature = QgsFeature(layer.fields())
    feature.setAttribute(0, value)
    context.expressionContext().setFeature(feature)
    found.append(renderer.symbolForFeature(feature, context).color().name())
print(json.dumps(found))
"""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [PYTHON, "-c", script], capture_output=True, text=True, env=environment, check=True,
        timeout=60,
    )  # fmt: skip
    colours = scale.colours
    expected = ["#d9d9d9", colours[0], *colours[1:], *colours[:-1], colours[-1]]
    assert json.loads(done.stdout.strip().splitlines()[-1]) == expected
