"""Results of real runs open in a real QGIS, where they lie in ``results``.

The demo's are there after ``make demo``, the others after the runs that the README names.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.services.desktop import PYTHON, lacks

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("render_project.py")


@pytest.fixture(scope="module", params=["demo", "muenster", "delft"])
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """What QGIS says of a project, and the folder of its pictures."""
    project = ROOT / "results" / request.param / "heliopolis.qgz"
    if lacks("qgis.core"):
        pytest.skip("QGIS is missing: install python3-qgis and qgis-providers")
    if not project.is_file():
        pytest.skip(f"there is no result of {request.param}: run it first")
    pictures = tmp_path_factory.mktemp(request.param)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [PYTHON, str(SCRIPT), str(project), str(pictures)],
        capture_output=True, text=True, env=environment, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1]), pictures


@pytest.mark.services
def test_every_layer_is_valid_and_nothing_warns(drawn: tuple[dict[str, Any], Path]) -> None:
    told, _ = drawn
    assert told["warnings"] == []
    assert all(layer["valid"] for layer in told["layers"].values())
    for key, layer in told["layers"].items():
        if "renderer" in layer:
            assert layer["loose"] == layer["renderer"], f"{key}: the file brings its style"


@pytest.mark.services
def test_themes_and_layouts_are_exported(drawn: tuple[dict[str, Any], Path]) -> None:
    told, pictures = drawn
    assert told["themes"]
    assert told["layouts"]
    assert all(layout["failed"] == [] for layout in told["layouts"].values())
    assert len(list(pictures.glob("theme-*.png"))) == len(told["themes"])
    assert len(list(pictures.glob("layout-*.pdf"))) == len(told["layouts"])
