"""Files of a run before validators that are not ours: GDAL's, for GeoPackages and COGs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services.desktop import PYTHON, lacks, made_up_results

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if lacks("osgeo_utils.samples.validate_gpkg") or shutil.which("ogrinfo") is None:
        pytest.skip("GDAL's tools are missing: install gdal-bin and python3-gdal")
    return made_up_results(tmp_path_factory.mktemp("validated"), language="fr")


def told(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", ["hot_zones.gpkg", "rooftop_pv.gpkg"])
def test_geopackage_keeps_every_requirement_of_the_standard(results: Path, name: str) -> None:
    found = told(PYTHON, "-m", "osgeo_utils.samples.validate_gpkg", str(results / name))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("name", ["hot_zones.gpkg", "rooftop_pv.gpkg"])
def test_ogrinfo_reads_every_layer_without_a_warning(results: Path, name: str) -> None:
    found = told("ogrinfo", "-ro", "-al", "-so", str(results / name))
    assert found.returncode == 0
    assert found.stderr == ""
    assert "Layer name: study_area" in found.stdout
    assert not list(results.glob("*-wal"))


def test_rasters_are_cloud_optimised(results: Path) -> None:
    files = [results / "lst.tif", *sorted(results.glob("scenes/*/lst.tif"))]
    assert len(files) > 1
    for file in files:
        found = told(
            PYTHON, "-m", "osgeo_utils.samples.validate_cloud_optimized_geotiff", str(file)
        )
        assert found.returncode == 0, found.stdout + found.stderr
        assert "is a valid cloud optimized GeoTIFF" in found.stdout
