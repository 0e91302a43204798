from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.safe import safe_item
from heliopolis.io.sentinel2 import read_sentinel2
from heliopolis.scene import Scene, Sensor

NAME = "S2B_MSIL2A_20250714T104629_N0511_R051_T31UDQ_20250714T130211.SAFE"
METADATA = f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-15.sentinel2.eo.esa.int/x.xsd"><General_Info>
<PRODUCT_START_TIME>2025-07-14T10:46:29.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{NAME}</PRODUCT_URI><PROCESSING_BASELINE>05.11</PROCESSING_BASELINE>
<SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET_VALUES_LIST><BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET>
<BOA_ADD_OFFSET band_id="8">-1000</BOA_ADD_OFFSET></BOA_ADD_OFFSET_VALUES_LIST>
</General_Info></n1:Level-2A_User_Product>"""
WEST, NORTH = 449_000, 5_412_000


def write(folder, band, cell, value, dtype="uint16"):
    path = (
        folder
        / f"GRANULE/L2A_T31UDQ_A1/IMG_DATA/R{cell}m/T31UDQ_20250714T104629_{band}_{cell}m.jp2"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    side = 1200 // cell
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=side, height=side, count=1, dtype=dtype,
        crs="EPSG:32631", transform=rasterio.Affine(cell, 0, WEST, 0, -cell, NORTH),
        QUALITY=100, REVERSIBLE="YES",
    ) as sink:  # fmt: skip
        sink.write(np.full((side, side), value, dtype=dtype), 1)


@pytest.fixture
def product(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "MTD_MSIL2A.xml").write_text(METADATA)
    write(folder, "B04", 10, 1300)
    write(folder, "B04", 60, 1999)
    write(folder, "B8A", 20, 4500)
    write(folder, "SCL", 20, 5, "uint8")
    return folder


def test_the_item_of_a_product(product):
    item = safe_item(product)
    properties, assets = item["properties"], item["assets"]
    assert item["id"] == NAME.removesuffix(".SAFE")
    assert properties["s2:processing_baseline"] == "05.11"
    assert properties["grid:code"] == "MGRS-31UDQ"
    assert properties["datetime"] == "2025-07-14T10:46:29.024Z"
    assert set(assets) == {"red", "nir", "scl"}
    assert assets["red"]["href"].endswith("R10m/T31UDQ_20250714T104629_B04_10m.jp2")
    assert assets["red"]["raster:bands"] == [
        {"nodata": 0, "spatial_resolution": 10, "scale": 1e-4, "offset": -0.1}
    ]
    assert assets["nir"]["eo:bands"] == [{"name": "B8A"}]
    assert assets["nir"]["raster:bands"][0]["offset"] == -0.1
    assert assets["scl"]["proj:transform"] == [20.0, 0.0, WEST, 0.0, -20.0, NORTH]
    west, south, east, north = item["bbox"]
    assert 2.2 < west < east < 2.4
    assert 48.8 < south < north < 49.0


def test_a_product_is_read(product):
    scene = Scene("S2", Sensor.SENTINEL2_L2A, datetime(2025, 7, 14, tzinfo=UTC), safe_item(product))
    grid = GeoBox.from_bbox((WEST, NORTH - 1200, WEST + 1200, NORTH), "EPSG:32631", resolution=10)
    read = read_sentinel2(scene, grid, chunks=64)
    np.testing.assert_allclose(read["red"], 0.03, atol=1e-6)
    np.testing.assert_allclose(read["nir"], 0.35, atol=1e-6)
    assert read["nir"].attrs["source_band"] == "B8A"
    assert read["red"].attrs["source_band"] == "B04"
    assert float(read["scl_water"].max()) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        METADATA.replace("?>", '?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', 1),
        METADATA.replace("05.11", "&a;"),
        METADATA[:300],
        METADATA.replace("PROCESSING_BASELINE", "OTHER"),
    ],
)
def test_metadata_that_are_unsafe_or_broken_are_refused(product, text):
    (product / "MTD_MSIL2A.xml").write_text(text)
    with pytest.raises(InputError, match="MTD_MSIL2A"):
        safe_item(product)


def test_other_encodings_hide_nothing(product):
    evil = METADATA.replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>', 1).replace("UTF-8", "UTF-16")
    (product / "MTD_MSIL2A.xml").write_bytes(evil.encode("utf-16"))
    with pytest.raises(InputError, match="cannot be read"):
        safe_item(product)


def test_an_empty_product(tmp_path):
    (tmp_path / "MTD_MSIL2A.xml").write_text(METADATA)
    with pytest.raises(InputError, match="0 tiles"):
        safe_item(tmp_path)
    (tmp_path / "GRANULE/L2A_T31UDQ_A1/IMG_DATA").mkdir(parents=True)
    with pytest.raises(InputError, match="no band"):
        safe_item(tmp_path)
