"""The project opens in a real QGIS; needs python3-qgis for /usr/bin/python3."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("render_project.py")


def qgis_is_missing() -> bool:
    try:
        found = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    except OSError:
        return True
    return found.returncode != 0


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory):
    """Report of the renderer for each language."""
    if qgis_is_missing():
        pytest.skip("QGIS is missing: install python3-qgis and qgis-providers")
    path = SCRIPT.parents[1] / "unit" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_results", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for language in ("en", "fr"):
        folder = tmp_path_factory.mktemp(f"qgis_{language}")
        module.run_last_steps(folder, language=language)
        pictures = folder / "pictures"
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            [PYTHON, str(SCRIPT), str(folder / "heliopolis.qgz"), str(pictures)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found[language] = (json.loads(done.stdout.strip().splitlines()[-1]), pictures)
    return found


@pytest.mark.services
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_layer_is_valid_styled_and_drawn(rendered, language):
    told, pictures = rendered[language]
    assert told["crs"] == "EPSG:2154"
    assert len(told["layers"]) == 10
    for key, layer in told["layers"].items():
        assert layer["valid"], key
        if "renderer" in layer:
            known = ("RuleRenderer", "graduatedSymbol", "singleSymbol", "singlebandpseudocolor")
            assert layer["renderer"] in known
            assert layer["drawn"] > 0.001, key
            assert (pictures / f"layer-{key}.png").stat().st_size > 1000
    assert told["extent"] != "Empty"


@pytest.mark.services
@pytest.mark.parametrize(
    ("language", "themes"),
    [
        ("en", {"Heat", "Solar", "Heat and solar"}),
        ("fr", {"Chaleur", "Solaire", "Chaleur et solaire"}),
    ],
)
def test_themes_and_groups(rendered, language, themes):
    told, _ = rendered[language]
    assert set(told["themes"]) == themes
    assert all(theme["drawn"] > 0.01 for theme in told["themes"].values())
    assert len(told["tree"]) == 2
