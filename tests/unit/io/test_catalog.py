"""Finding scenes in static catalogs and in files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pystac
import pytest

from heliopolis.errors import InputError
from heliopolis.io.catalog import is_day, lst_file_scenes, search_catalog

BOX = (2.0, 48.0, 2.1, 48.1)


def catalog(folder: Path, items: list[tuple[str, datetime, float, float]]) -> str:
    root = pystac.Catalog("root", "test")
    collection = pystac.Collection(
        "landsat-c2-l2",
        "test",
        pystac.Extent(
            pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]])
        ),
    )
    root.add_child(collection)
    for name, moment, west, cloud in items:
        ring = [(west, 48), (west + 1, 48), (west + 1, 49), (west, 49), (west, 48)]
        item = pystac.Item(
            name,
            {"type": "Polygon", "coordinates": [ring]},
            [west, 48, west + 1, 49],
            moment,
            {"eo:cloud_cover": cloud, "platform": "landsat-9"},
        )
        item.add_asset("lwir11", pystac.Asset(f"{name}.tif"))
        collection.add_item(item)
    root.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    return str(folder / "catalog.json")


def search(path: str, **change: object) -> list[str]:
    wanted = {
        "bounds": BOX,
        "start": date(2025, 6, 1),
        "end": date(2025, 8, 31),
        "max_cloud_percent": 50.0,
        **change,
    }
    return [s.id for s in search_catalog(path, ["landsat-c2-l2"], **wanted)]  # type: ignore[arg-type]


def test_place_time_and_cloud(tmp_path: Path) -> None:
    noon = datetime(2025, 6, 21, 10, 30, tzinfo=UTC)
    path = catalog(
        tmp_path,
        [
            ("right", noon, 1.5, 10),
            ("elsewhere", noon, 9.0, 10),
            ("cloudy", noon, 1.5, 80),
            ("winter", datetime(2025, 1, 21, 10, 30, tzinfo=UTC), 1.5, 0),
            ("last_day", datetime(2025, 8, 31, 23, 0, tzinfo=UTC), 1.5, 0),
        ],
    )
    assert search(path) == ["right", "last_day"]
    assert search(path, max_cloud_percent=5.0) == ["last_day"]


def test_assets_are_absolute(tmp_path: Path) -> None:
    path = catalog(tmp_path, [("right", datetime(2025, 6, 21, 10, tzinfo=UTC), 1.5, 10)])
    [scene] = search_catalog(
        path,
        ["landsat-c2-l2"],
        bounds=BOX,
        start=date(2025, 6, 1),
        end=date(2025, 6, 30),
        max_cloud_percent=100,
    )
    assert Path(scene.href("lwir11")).is_absolute()


def test_a_catalog_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        search(str(tmp_path / "catalog.json"))


def test_dates_of_files(tmp_path: Path) -> None:
    names = ["LC08_L2SP_196024_20240626_20240709_02_T1_ST_B10.TIF", "lst_20230701.tif"]
    files = [tmp_path / name for name in names]
    for file in files:
        file.touch()
    settings = {"longitude": 7.6, "unit": "degC", "native_resolution_m": 100, "sigma_k": 1.5}
    scenes = lst_file_scenes(files, **settings)  # type: ignore[arg-type]
    assert [s.acquired.date().isoformat() for s in scenes] == ["2023-07-01", "2024-06-26"]
    assert all(is_day(s.acquired, 7.6) for s in scenes)
    with pytest.raises(InputError, match="no date"):
        lst_file_scenes([tmp_path / "lst.tif"], **settings)  # type: ignore[arg-type]


def test_night_is_told_by_the_sun_not_by_utc() -> None:
    moment = datetime(2025, 6, 21, 22, tzinfo=UTC)
    assert not is_day(moment, 2.0)
    assert is_day(moment, -120.0)
