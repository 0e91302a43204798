"""The project opens in a real QGIS; needs python3-qgis for /usr/bin/python3."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.services.desktop import PYTHON, lacks, made_up_results

SCRIPT = Path(__file__).with_name("render_project.py")


def shut(folder: Path) -> None:
    """Take away the right to write, as on a share that everyone may read."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def nobody() -> dict[str, Any]:
    """Whom QGIS runs as: root would write what nobody may write."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


@pytest.fixture(scope="module")
def rendered() -> Iterator[dict[str, tuple[dict[str, Any], Path]]]:
    """Report of the renderer for each language."""
    if lacks("qgis.core"):
        pytest.skip("QGIS is missing: install python3-qgis and qgis-providers")
    found = {}
    # Not in pytest's folder, which its owner alone may enter.
    with TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        script = base / SCRIPT.name
        script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
        for language in ("en", "fr"):
            folder = made_up_results(base / f"qgis_{language}", language)
            pictures, home = base / f"pictures_{language}", base / f"home_{language}"
            for own in (pictures, home):
                own.mkdir()
                own.chmod(0o777)
            before = sorted(folder.rglob("*"))
            shut(folder)
            environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(home)}
            for one in ("PYTHONPATH", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
                environment.pop(one, None)
            done = subprocess.run(
                [PYTHON, str(script), str(folder / "heliopolis.qgz"), str(pictures)],
                capture_output=True,
                text=True,
                env=environment,
                cwd=home,
                timeout=300,
                check=False,
                **nobody(),
            )
            assert done.returncode == 0, done.stderr[-2000:]
            assert sorted(folder.rglob("*")) == before
            found[language] = (json.loads(done.stdout.strip().splitlines()[-1]), pictures)
        yield found


@pytest.mark.services
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_layer_is_valid_styled_and_drawn(rendered, language):
    told, pictures = rendered[language]
    assert told["crs"] == "EPSG:2154"
    assert len(told["layers"]) == 18
    assert told["warnings"] == []
    for key, layer in told["layers"].items():
        assert layer["valid"], key
        if "renderer" in layer:
            known = ("RuleRenderer", "graduatedSymbol", "singleSymbol", "singlebandpseudocolor")
            assert layer["renderer"] in known
            assert layer["loose"] == layer["renderer"], f"{key}: the file brings its style"
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
    assert len(told["tree"]) == 4


@pytest.mark.services
@pytest.mark.parametrize(("language", "first"), [("en", "Overview"), ("fr", "Aperçu")])
def test_forms_have_tabs(rendered, language, first):
    told, pictures = rendered[language]
    assert len(told["forms"]) >= 6
    for tabs in told["forms"].values():
        assert tabs[0] == first
        assert len(tabs) >= 2
    assert len(list(pictures.glob("form-*.png"))) == sum(map(len, told["forms"].values()))


@pytest.mark.services
@pytest.mark.parametrize("language", ["en", "fr"])
def test_layouts_are_exported_and_places_marked(rendered, language):
    told, pictures = rendered[language]
    assert [one["failed"] for one in told["layouts"].values()] == [[], [], []]
    assert list(told["layouts"].values())[2]["pages"] > 1
    for kind in ("png", "pdf"):
        files = list(pictures.glob(f"layout-*.{kind}"))
        assert len(files) == 3
        assert all(file.stat().st_size > 5000 for file in files)
    assert len(told["bookmarks"]) == 4
    assert told["days"] == ["2025-06-03", "2025-06-12", "2025-06-19"]
    assert told["actions"] == 4
    assert told["value_maps"] > 5
