"""What is wrong with the inputs is said at once, in one paragraph, with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from rasterio.transform import from_origin

from heliopolis.cli import main

BOX = [650000, 6860000, 651000, 6861000]


def raster(path: Path, crs: str | None = "EPSG:2154", west: float = 649000) -> Path:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": 100,
        "height": 100,
        "count": 1,
        "dtype": "float32",
        "transform": from_origin(west, 6862000, 30, 30),
        "nodata": -9999,
    }
    with rasterio.open(path, "w", crs=crs, **profile) as out:
        out.write(np.full((1, 100, 100), 30, "float32"))
    return path


def footprints(path: Path, crs: str | None = "EPSG:2154", degrees: bool = False) -> Path:
    box = shapely.box(2.0, 48.0, 2.001, 48.001) if degrees else shapely.box(*BOX)
    gpd.GeoDataFrame({"building_id": ["a"]}, geometry=[box], crs=crs).to_file(path)
    return path


def heat(folder: Path, **change: Any) -> dict[str, Any]:
    raster(folder / "lst_20250621.tif")
    return {
        "name": "town",
        "area": {"bbox": BOX, "bbox_crs": "EPSG:2154", "crs": "EPSG:2154"},
        "period": {"start": "2025-06-01", "end": "2025-08-31"},
        "thermal": {"sources": [{"kind": "lst_files", "files": "lst_*.tif"}]},
        **change,
    }


def solar(folder: Path, **change: Any) -> dict[str, Any]:
    raster(folder / "dsm.tif")
    footprints(folder / "footprints.gpkg")
    (folder / "weather.csv").write_text("time,ghi\n")
    return {
        "name": "town",
        "area": {"bbox": BOX, "bbox_crs": "EPSG:2154", "crs": "EPSG:2154"},
        "footprints": {"file": "footprints.gpkg"},
        "elevation": {"dsm": "dsm.tif", "dtm": "dsm.tif"},
        "weather": {"files": "weather.csv"},
        **change,
    }


def refused(
    folder: Path, record: dict[str, Any], capsys: pytest.CaptureFixture[str], command: str = "check"
) -> tuple[int, str]:
    file = folder / "town.yaml"
    file.write_text(yaml.safe_dump(record))
    with pytest.raises(SystemExit) as stop:
        main([command, str(file)])
    text = capsys.readouterr().err
    assert text.startswith("heliopolis: error: ")
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1
    return int(stop.value.code or 0), text


def test_a_sound_configuration_passes(tmp_path: Path) -> None:
    for record in (heat(tmp_path), solar(tmp_path)):
        file = tmp_path / "town.yaml"
        file.write_text(yaml.safe_dump(record))
        with pytest.raises(SystemExit) as stop:
            main(["check", str(file)])
        assert not stop.value.code


def test_a_typo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = refused(tmp_path, heat(tmp_path, thremal={}), capsys)
    assert code == 2
    assert "thremal" in text


def test_every_missing_file_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = solar(tmp_path, footprints={"file": "absent.gpkg"}, weather={"files": "absent.csv"})
    code, text = refused(tmp_path, record, capsys)
    assert code == 2
    assert "absent.gpkg" in text
    assert "absent.csv" in text


def test_a_raster_without_crs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = heat(tmp_path)
    raster(tmp_path / "lst_20250621.tif", crs=None)
    code, text = refused(tmp_path, record, capsys)
    assert code == 2
    assert "lst_20250621.tif" in text
    assert "no coordinate reference system" in text


def test_footprints_in_degrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = solar(tmp_path)
    footprints(tmp_path / "footprints.gpkg", crs="EPSG:4326", degrees=True)
    code, text = refused(tmp_path, record, capsys)
    assert code == 2
    assert "in degrees" in text
    assert "reproject" in text


def test_degrees_that_claim_to_be_metres(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = solar(tmp_path)
    footprints(tmp_path / "footprints.gpkg", degrees=True)
    assert "coordinates are degrees" in refused(tmp_path, record, capsys)[1]


def test_footprints_without_crs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = solar(tmp_path, footprints={"file": "bare.shp"})
    footprints(tmp_path / "bare.shp", crs=None)
    assert "no coordinate reference system" in refused(tmp_path, record, capsys)[1]


def test_an_empty_area(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = gpd.GeoDataFrame(geometry=[shapely.LineString([(0, 0), (1, 1)])], crs="EPSG:2154")
    empty.to_file(tmp_path / "line.gpkg")
    record = heat(tmp_path, area={"boundary": "line.gpkg", "crs": "EPSG:2154"})
    code, text = refused(tmp_path, record, capsys)
    assert code == 2
    assert "empty" in text


def test_an_area_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = heat(tmp_path, area={"bbox": [7.5, 51.9, 7.7, 52.0], "crs": "EPSG:2154"})
    assert "no raster touches" in refused(tmp_path, record, capsys)[1]


def test_a_working_system_in_degrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    area = {"bbox": BOX, "bbox_crs": "EPSG:2154", "crs": "EPSG:4326"}
    assert "not a metric" in refused(tmp_path, heat(tmp_path, area=area), capsys)[1]


def test_no_scene_in_the_period(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = heat(tmp_path, period={"start": "2024-06-01", "end": "2024-08-31"})
    code, text = refused(tmp_path, record, capsys, "plan")
    assert code == 1
    assert "no thermal scene was found" in text
    assert "Widen period" in text
