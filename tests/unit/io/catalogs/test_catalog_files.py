"""Static catalogs, and products as their makers pack them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from tests.unit.io.catalogs.items import AREA, Api, landsat

from heliopolis.errors import InputError
from heliopolis.io.catalogs import SENSORS, Query, is_day, lst_file_scenes, open_catalog, search
from heliopolis.io.catalogs.static import FilesCatalog, StaticCatalog
from heliopolis.io.remote.client import Client
from heliopolis.scene import Scene, Sensor

OFFLINE = Client(offline=True)


def query(*collections: str, **change: Any) -> Query:
    wanted: dict[str, Any] = {"bounds": AREA, "start": date(2010, 1, 1), "end": date(2030, 1, 1)}
    return Query(collections=collections or ("landsat-c2-l2",), **{**wanted, **change})


def found(path: Path | str, *collections: str, **change: Any) -> list[Scene]:
    return search([str(path)], query(*collections, **change), OFFLINE)


def static(folder: Path) -> Path:
    root = pystac.Catalog("root", "test")
    extent = pystac.Extent(
        pystac.SpatialExtent([[-180, -90, 180, 90]]), pystac.TemporalExtent([[None, None]])
    )
    for name in ("landsat-c2-l2", "sentinel-2-l2a"):
        collection = pystac.Collection(name, "test", extent)
        root.add_child(collection)
        record = landsat(f"{name}-1", "2025-06-21T10:30:00Z")
        record |= {"collection": name, "assets": {"lwir11": {"href": "./st.tif"},
                                                  "red": {"href": "./red.tif"}}}  # fmt: skip
        collection.add_item(pystac.Item.from_dict(record))
    root.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


def test_static_catalog(tmp_path: Path) -> None:
    catalog = static(tmp_path)
    (scene,) = found(catalog)
    assert scene.id == "landsat-c2-l2-1"
    assert Path(scene.href("lwir11")).is_absolute()
    assert scene.properties["heliopolis:provider"] == str(catalog)
    assert [s.sensor for s in found(catalog, "sentinel-2-l2a")] == [Sensor.SENTINEL2_L2A]
    # By another name of the same product, and by its folder.
    assert len(found(tmp_path, "sentinel-2-c1-l2a")) == 1
    assert isinstance(open_catalog(str(tmp_path), OFFLINE), StaticCatalog)


def test_items_of_other_collections_are_not_even_read(tmp_path: Path) -> None:
    catalog = static(tmp_path)
    (other,) = tmp_path.glob("sentinel-2-l2a/*/*.json")
    other.unlink()
    assert len(found(catalog)) == 1
    with pytest.raises(InputError, match="cannot be read"):
        found(catalog, "sentinel-2-l2a")


def test_a_catalog_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        found(tmp_path / "catalog.json")
    with pytest.raises(InputError, match="no product"):
        found(tmp_path / "nothing" / "*")
    (tmp_path / "catalog.json").write_text("[]")
    with pytest.raises(InputError, match="not a JSON object"):
        found(tmp_path / "catalog.json")


def test_a_static_catalog_on_the_web_cannot_point_at_this_machine(tmp_path: Path) -> None:
    api = Api([])
    link = {"rel": "item", "href": f"file://{tmp_path}/item.json"}
    head = {"type": "Collection", "id": "landsat-c2-l2", "stac_version": "1.0.0"}
    api.landing = lambda: {**head, "links": [link]}  # type: ignore[method-assign]
    with api.serving() as url, pytest.raises(InputError, match="not on the web"):
        search([f"{url}/catalog.json"], query(), Client(offline=False))


def test_items_in_a_folder_and_by_a_glob(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        item = landsat(f"LC09_L2SP_{day}", f"2025-07-0{day}T10:30:00Z")
        item["assets"]["lwir11"]["href"] = "st.tif"
        del item["collection"]
        folder = tmp_path / f"{day}"
        folder.mkdir()
        (folder / "item.json").write_text(json.dumps(item))
    (tmp_path / "notes.json").write_text("{}")
    whole = found(tmp_path)
    assert [scene.id for scene in whole] == ["LC09_L2SP_1", "LC09_L2SP_2", "LC09_L2SP_3"]
    assert whole[1].href("lwir11") == str(tmp_path.resolve() / "2" / "st.tif")
    assert [s.id for s in found(tmp_path / "[12]" / "*.json")] == ["LC09_L2SP_1", "LC09_L2SP_2"]
    assert [s.id for s in found(tmp_path / "3" / "item.json")] == ["LC09_L2SP_3"]


def test_the_first_list_that_holds_a_collection_is_asked(tmp_path: Path) -> None:
    """Products of several kinds in several folders, one collection in each."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, name in ((first, "LC09_L2SP_1"), (second, "LC09_L1TP_1")):
        folder.mkdir()
        key = "lwir11"
        item = landsat(name, "2025-07-01T10:30:00Z", assets=(key,))
        item["collection"] = "landsat-c2-l2" if "L2" in name else "landsat-c2-l1"
        (folder / "item.json").write_text(json.dumps(item))
    asked = query("landsat-c2-l1", "landsat-c2-l2")
    scenes = search([str(first), str(second)], asked, OFFLINE)
    assert {scene.id for scene in scenes} == {"LC09_L2SP_1", "LC09_L1TP_1"}


@pytest.mark.real
def test_real_safe(data_dir: Path) -> None:
    (scene,) = found(data_dir / "satellite" / "s2-l2a-T29UNU-60m", "sentinel-2-l2a",
                     bounds=(-8.5, 52.5, -8.3, 52.6))  # fmt: skip
    assert scene.sensor is Sensor.SENTINEL2_L2A
    assert scene.acquired.date() == date(2022, 10, 5)
    assert {"blue", "green", "red", "swir16", "swir22", "scl"} <= set(scene.item["assets"])
    (band,) = scene.item["assets"]["red"]["raster:bands"]
    assert (band["scale"], band["offset"], band["nodata"]) == (1e-4, -0.1, 0)
    assert scene.properties["eo:cloud_cover"] == pytest.approx(59.769726)
    assert Path(scene.href("red")).is_file()


@pytest.mark.real
def test_real_landsat(data_dir: Path) -> None:
    folder = data_dir / "satellite" / "landsat-c2l2-st-intermediates"
    (scene,) = found(folder, bounds=(-75.5, 1.0, -75.0, 1.2))
    assert scene.id == "LC08_L2SP_008059_20191201_20200825_02_T1"
    assert scene.acquired == datetime(2019, 12, 1, 15, 13, 51, 861099, tzinfo=UTC)
    assert scene.href("mtl").endswith("_MTL.json")
    assert all(Path(scene.href(name)).is_file() for name in scene.item["assets"])
    assert {"lwir11", "trad", "urad", "drad", "emis", "atran", "qa_pixel"} <= set(
        scene.item["assets"]
    )
    held = FilesCatalog(str(folder))
    assert held.holds("landsat-c2-l2") and not held.holds("landsat-c2-l1")
    assert len(found(folder, bounds=(-180, -90, 180, 90))) == 3


@pytest.mark.real
def test_real_level_1(data_dir: Path) -> None:
    folder = data_dir / "satellite" / "marburg-landsat8-l1"
    (scene,) = found(folder, "landsat-c2-l1", bounds=(8.7, 50.7, 8.8, 50.8))
    # The same image before the collections lies beside it: the newer version counts.
    assert scene.id == "LC08_L1TP_195025_20130707_20170503_01_T1"
    assert scene.sensor is Sensor.LANDSAT_L1
    assert {"l1_b10", "l1_b11", "l1_red", "l1_nir", "qa_pixel", "mtl"} == set(scene.item["assets"])


@pytest.mark.real
def test_real_granule(data_dir: Path) -> None:
    pattern = data_dir / "satellite" / "s3a-slstr-lst-20240129" / "*.SEN3"
    (scene,) = found(pattern, "sentinel-3-slstr-lst-l2-netcdf", bounds=(6.0, 48.0, 6.2, 48.1))
    assert scene.id == "S3A_SL_2_LST_20240129T100540_20240129T100840_0179_108_236_2160"
    assert set(scene.item["assets"]) == {"lst", "flags", "geodetic_tie", "geometry"}
    assert scene.properties["sat:relative_orbit"] == 236
    assert found(pattern, "sentinel-3-slstr-lst-l2-netcdf", bounds=(40, 48, 41, 49)) == []


@pytest.mark.real
def test_recorded_manifest(data_dir: Path, tmp_path: Path) -> None:
    (file,) = (data_dir / "satellite" / "stac-items" / "s3-slstr-manifest").glob("*.xml")
    folder = tmp_path / (file.name.split(".SEN3")[0] + ".SEN3")
    folder.mkdir()
    (folder / "xfdumanifest.xml").write_bytes(file.read_bytes())
    (folder / "LST_in.nc").touch()
    (scene,) = found(tmp_path, "sentinel-3-slstr-lst-l2-netcdf", bounds=(-35, -12, -34, -11))
    assert scene.properties["eo:cloud_cover"] == pytest.approx(57.378222)
    assert scene.properties["sat:orbit_state"] == "ascending"
    assert scene.item["bbox"] == pytest.approx([-41.5076, -18.6129, -25.5773, -5.0127], abs=1e-3)


def test_dates_of_files(tmp_path: Path) -> None:
    names = ["LC08_L2SP_196024_20240626_20240709_02_T1_ST_B10.TIF", "lst_20230701.tif"]
    files = [tmp_path / name for name in names]
    for file in files:
        file.touch()
    settings: dict[str, Any] = {
        "longitude": 7.6, "unit": "degC", "native_resolution_m": 100, "sigma_k": 1.5,
    }  # fmt: skip
    scenes = lst_file_scenes(files, **settings)
    assert [s.acquired.date().isoformat() for s in scenes] == ["2023-07-01", "2024-06-26"]
    assert all(is_day(s.acquired, 7.6) for s in scenes)
    with pytest.raises(InputError, match="no date"):
        lst_file_scenes([tmp_path / "lst.tif"], **settings)


def test_every_sensor_of_a_collection_is_known() -> None:
    assert set(SENSORS.values()) | {Sensor.LST_RASTER} == set(Sensor)
