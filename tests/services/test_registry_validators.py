"""Files of a run before validators from the registry: of GeoPackages and of COGs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.services.desktop import PYTHON, made_up_results

ENVIRONMENT = Path(__file__).parents[2] / ".venv-validators"
#: What one publisher asks beyond the standard: no layer is empty (an empty one says that nothing
#: was found), a reference system of its own country, and a row in sqlite_sequence, which a table
#: gets with its first feature.
PUBLISHER = {"RQ2", "RQ22", "RC25"}
pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ENVIRONMENT / "bin" / "rio").exists():
        pytest.skip("the validators are missing: run tests/services/install.sh")
    return made_up_results(tmp_path_factory.mktemp("validated"))


@pytest.mark.parametrize("name", ["hot_zones.gpkg", "rooftop_pv.gpkg"])
def test_geopackage_keeps_requirements_and_recommendations(results: Path, name: str) -> None:
    packages = next(ENVIRONMENT.glob("lib/python3*/site-packages"))
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    bindings = [PYTHON, "-c", "import osgeo.ogr, geopackage_validator.cli"]
    if subprocess.run(bindings, capture_output=True, env=environment, check=False).returncode:
        pytest.skip("Debian's Python does not load GDAL beside the validator")
    command = ["-m", "geopackage_validator.cli", "validate", "--gpkg-path"]
    found = subprocess.run(
        [PYTHON, *command, str(results / name)],
        capture_output=True, text=True, check=False, env=environment, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert {"RQ7", "RQ9", "RQ10", "RQ15", "RQ23", "RC20"} <= set(told["validations_executed"])
    faults = [one for one in told["results"] if one["validation_code"] not in PUBLISHER]
    assert faults == []


def test_rasters_are_strictly_cloud_optimised(results: Path) -> None:
    files = [results / "lst.tif", *sorted(results.glob("scenes/*/lst.tif"))]
    assert len(files) > 1
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for file in files:
        found = subprocess.run(
            [ENVIRONMENT / "bin" / "rio", "cogeo", "validate", "--strict", str(file)],
            capture_output=True, text=True, check=False, env=environment, timeout=120,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        assert "is a valid cloud optimized GeoTIFF" in found.stdout
