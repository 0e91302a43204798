"""Items of all providers come in with the same names, encodings and grids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.io.catalogs.items import landsat

from heliopolis.errors import InputError
from heliopolis.io.catalogs.door import (
    ASSETS,
    enter,
    from_disk,
    from_network,
    multihash,
    own_assets,
    sensor_of,
)
from heliopolis.io.landsat import BANDS
from heliopolis.scene import Sensor

REFLECTANCE = ("blue", "green", "red", "nir", "swir16", "swir22")
TEMPERATURE = tuple(k for k in BANDS if not k.startswith("l1_"))


def through(item: dict[str, Any], catalog: str = "x", **change: Any) -> dict[str, Any]:
    sensor = sensor_of(item)
    assert sensor is not None
    return enter(item, sensor, catalog=catalog, **{"resolve": from_network(), **change})


@pytest.fixture
def recorded(data_dir: Path) -> Any:
    """Reads a recorded item by provider and the beginning of its name."""

    def read(name: str) -> dict[str, Any]:
        (file,) = (data_dir / "satellite" / "stac-items").glob(f"{name}*.json")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    return read


def encoding(item: dict[str, Any], asset: str) -> tuple[float, float, float]:
    (band,) = item["assets"][asset]["raster:bands"]
    return band["scale"], band["offset"], band["nodata"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "catalog", "offset", "folder", "signer", "size"),
    [
        # The offset is declared, and taken off already.
        ("earth-search/sentinel-2-l2a/S2A_13TDE", "earth-search", 0.0,
         "https://sentinel-cogs.s3.us-west-2.amazonaws.com/", None, None),
        ("earth-search/sentinel-2-c1-l2a/S2B_T24MVV", "earth-search", -0.1,
         "https://e84-earth-search-sentinel-data.s3", None, 70765784),
        # Nothing is declared: baseline 02.12, before the offset.
        ("pc/sentinel-2-l2a/S2A_MSIL2A_20190101T000001_R116_T59VND", "planetary-computer", 0.0,
         "https://sentinel2l2a01.blob.core.windows.net/", "planetary-computer", None),
        ("cdse/sentinel-2-l2a/S2C_MSIL2A", "copernicus", -0.1,
         "s3://eodata/", "copernicus-s3", None),
        # A day before the offset, processed again after it.
        ("cdse/sentinel-2-l2a/S2B_MSIL2A_20200322", "copernicus", -0.1,
         "s3://eodata/", "copernicus-s3", 127466004),
    ],
)  # fmt: skip
def test_sentinel2(
    recorded: Any, name: str, catalog: str, offset: float, folder: str, signer: str | None,
    size: int | None,
) -> None:  # fmt: skip
    source = recorded(name)
    item = through(source, catalog)
    assert set(item["assets"]) == {*REFLECTANCE, "scl"}
    for band in REFLECTANCE:
        assert encoding(item, band) == (1e-4, offset, 0)
        fine = band not in ("swir16", "swir22")
        asset = item["assets"][band]
        side, cell = (10980, 10) if fine else (5490, 20)
        assert asset["proj:shape"] == [side, side]
        assert asset["proj:transform"][0] == cell and len(asset["proj:transform"]) == 6
        assert asset["href"].startswith(folder)
        assert ("B02", "B03", "B04", "B08", "B11", "B12")[REFLECTANCE.index(band)] in asset["href"]
    assert encoding(item, "scl") == (1.0, 0.0, 0)
    assert "SCL" in item["assets"]["scl"]["href"]
    assert item["assets"]["red"]["proj:epsg"] == item["properties"]["proj:epsg"]
    assert item["properties"]["heliopolis:provider"] == catalog
    assert item["properties"].get("heliopolis:signer") == signer
    assert item["properties"]["s2:processing_baseline"][2] == "."
    assert (item["id"], item["geometry"]) == (source["id"], source["geometry"])
    assert size is None or item["assets"]["red"]["file:size"] == size


@pytest.mark.real
def test_copernicus_details(recorded: Any) -> None:
    item = through(recorded("cdse/sentinel-2-l2a/S2C_MSIL2A"), "copernicus")
    blue = item["assets"]["blue"]
    assert item["properties"]["s2:processing_baseline"] == "05.12"
    assert blue["proj:epsg"] == 32655
    assert blue["file:size"] == 133423574
    assert blue["file:checksum"].startswith("16204ac2245e")
    assert blue["alternate"]["https"]["href"].startswith("https://download.dataspace.copernicus.eu")
    assert blue["heliopolis:source_name"] == "B02_10m"
    assert item["stac_version"] == "1.0.0"
    # An order of magnitude less than what came in.
    assert len(json.dumps(item)) < 15_000


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "catalog", "signer"),
    [
        ("earth-search/landsat-c2-l2/LC08", "earth-search", "aws-requester-pays"),
        ("pc/landsat-c2-l2/LC09_L2SP_084069", "planetary-computer", "planetary-computer"),
    ],
)
def test_landsat(recorded: Any, name: str, catalog: str, signer: str) -> None:
    source = recorded(name)
    item = through(source, catalog)
    assert set(item["assets"]) == {*TEMPERATURE, "mtl"}
    for key in TEMPERATURE:
        band = BANDS[key]
        assert encoding(item, key) == (band.scale, band.offset, band.nodata), key
        assert item["assets"][key]["href"].endswith(f"_{band.suffix}.TIF")
        assert item["assets"][key]["proj:shape"] == source["properties"]["proj:shape"]
        assert item["assets"][key]["proj:epsg"] == source["properties"]["proj:epsg"]
    assert item["assets"]["mtl"]["href"].endswith("_MTL.json")
    assert "raster:bands" not in item["assets"]["mtl"]
    assert item["properties"]["heliopolis:signer"] == signer


@pytest.mark.real
def test_landsat_without_temperature(recorded: Any) -> None:
    item = through(recorded("pc/landsat-c2-l2/LC09_L2SR_084073"))
    assert "lwir11" not in item["assets"] and "red" in item["assets"]


@pytest.mark.real
def test_slstr(recorded: Any) -> None:
    source = recorded("stactools/S3A_SL_2_LST")
    assert sensor_of(source) is Sensor.SLSTR_LST
    base = "https://example.org/a/b/item.json"
    item = through(source, resolve=from_network(base))
    assert set(item["assets"]) == {
        "lst", "flags", "geodetic", "geodetic_tie", "geometry", "ancillary",
    }  # fmt: skip
    lst = item["assets"]["lst"]
    assert lst["href"].startswith("https://example.org/a/tests/data-files/S3A_SL_2_LST")
    assert lst["href"].endswith("/LST_in.nc") and lst["file:size"] == 790066
    assert lst["file:checksum"] == "d50110c8052a87ba971ffd2fac11848fae8046"
    assert "raster:bands" not in lst
    # The same item from a service would point at this machine.
    with pytest.raises(InputError, match="asset lst-in"):
        through(source)


@pytest.mark.real
def test_all_recorded_items_come_in(data_dir: Path) -> None:
    count = 0
    for file in sorted((data_dir / "satellite" / "stac-items").glob("*/*-l2*/*.json")):
        item = json.loads(file.read_text())
        sensor = sensor_of(item)
        assert sensor is not None, file
        found = through(item)
        needed = {"blue", "scl"} if sensor is Sensor.SENTINEL2_L2A else {"blue", "qa_pixel"}
        assert needed <= set(found["assets"]) <= set(ASSETS[sensor])
        for asset in found["assets"].values():
            assert "heliopolis:source_name" in asset
        count += 1
    assert count > 30


def test_names_of_a_level_1_item() -> None:
    item = landsat("LC09_L1TP_1", "2025-06-21T10:40:00Z", assets=("red", "lwir11", "qa_pixel"))
    item["collection"] = "landsat-c2-l1"
    item["assets"]["lwir11"]["raster:bands"] = [{"scale": 0.00038, "offset": 0.1, "nodata": 0}]
    found = through(item)
    assert set(found["assets"]) == {"l1_red", "l1_b10", "qa_pixel"}
    # The constants of Level 1 are those of the MTL file: not applied twice.
    assert encoding(found, "l1_b10") == (1.0, 0.0, 0)


def test_names_told_by_the_files() -> None:
    item = landsat("LC08_L2SP_1", "2025-06-21T10:40:00Z", assets=())
    base = "https://example.org/LC08_L2SP_199026_20250621_20250622_02_T1"
    item["assets"] = {"one": {"href": f"{base}_ST_B10.TIF?sig=x"}, "two": {"href": f"{base}.jpg"}}
    assert own_assets(item, Sensor.LANDSAT_L2) == {"lwir11": "one"}


@pytest.mark.parametrize(
    ("properties", "declared", "offset"),
    [
        ({"s2:processing_baseline": "05.11"}, -0.1, -0.1),
        ({"s2:processing_baseline": "05.11"}, None, -0.1),
        ({"s2:processing_baseline": "03.01"}, None, 0.0),
        ({"s2:processing_baseline": "03.01"}, -0.1, 0.0),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": True}, -0.1, 0.0),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}, 0, -0.1),
        ({"processing:version": "05.12"}, None, -0.1),
        ({"s2:product_uri": "S2A_MSIL2A_20200101T1_N0500_R001_T31UDQ_20230101T1.SAFE"}, 0, -0.1),
        ({}, -0.1, -0.1),
        ({}, None, None),
    ],
)
def test_offset_of_sentinel2(
    properties: dict[str, Any], declared: float | None, offset: float | None
) -> None:
    item = landsat("S2A_X_L2A", "2025-06-21T10:40:00Z", assets=("red",), **properties)
    item["collection"] = "sentinel-2-l2a"
    if declared is not None:
        item["assets"]["red"]["raster:bands"] = [{"scale": 1e-4, "offset": declared}]
    (band,) = through(item)["assets"]["red"]["raster:bands"]
    assert band.get("offset") == offset


def test_grid_from_the_bounds() -> None:
    item = landsat("x", "2025-06-21T10:40:00Z")
    item["assets"]["lwir11"] |= {
        "proj:code": "EPSG:32631", "proj:shape": [2, 4], "proj:bbox": [0, 0, 40, 20],
    }  # fmt: skip
    asset = through(item)["assets"]["lwir11"]
    assert asset["proj:transform"] == [10, 0, 0, 0, -10, 20]
    assert asset["proj:epsg"] == 32631


def test_files_beside_an_item_of_ones_own(tmp_path: Path) -> None:
    resolve = from_disk(tmp_path)
    assert resolve("./a/../B04.tif") == str(tmp_path.resolve() / "B04.tif")
    assert resolve(f"file://{tmp_path}/B04.tif") == str(tmp_path.resolve() / "B04.tif")
    assert resolve("https://example.org/B04.tif") == "https://example.org/B04.tif"


def test_items_of_the_web_stay_on_the_web() -> None:
    resolve = from_network("https://example.org/a/b/item.json")
    assert resolve("./B04.tif") == "https://example.org/a/b/B04.tif"
    assert resolve("/etc/passwd") == "https://example.org/etc/passwd"
    with pytest.raises(ValueError):
        resolve("file:///etc/passwd")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1220" + "ab" * 32, "1220" + "ab" * 32),
        ("AB" * 16, "d50110" + "ab" * 16),
        ("d50120" + "ab" * 32, None),
        ("1220ab", None),
        ("", None),
        ("sha256:abc", None),
    ],
)
def test_checksums(text: str, found: str | None) -> None:
    assert multihash(text) == found
