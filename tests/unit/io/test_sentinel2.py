from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.boa_offset import metadata_offset
from heliopolis.io.sentinel2 import read_sentinel2
from heliopolis.scene import Scene, Sensor

GRID = GeoBox.from_bbox((0, 0, 200, 200), "EPSG:32631", resolution=10)


def item(properties, offset=None):
    band = {} if offset is None else {"raster:bands": [{"scale": 1e-4, "offset": offset}]}
    return {"id": "S2", "properties": properties, "assets": {"red": {"href": "x", **band}}}


@pytest.mark.parametrize(
    ("properties", "declared", "expected"),
    [
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, -0.1, 0.0),
        ({"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}, -0.1, -0.1),
        ({"s2:processing_baseline": "04.00"}, None, -0.1),
        ({"s2:processing_baseline": "03.01"}, None, 0.0),
        ({"s2:processing_baseline": "02.12"}, -0.1, 0.0),
        ({"processing:version": "05.12"}, -0.1, -0.1),
        ({}, -0.1, -0.1),
    ],
)
def test_the_offset_is_decided_once(properties, declared, expected):
    assert metadata_offset(item(properties, declared), "red") == expected


def test_without_any_word_on_the_offset_nothing_is_assumed():
    with pytest.raises(InputError, match="baseline"):
        metadata_offset(item({}), "red")


def write(path, values, nodata=0):
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=20, count=1, dtype=values.dtype,
        crs="EPSG:32631", transform=GRID.affine, nodata=nodata,
    ) as sink:  # fmt: skip
        sink.write(values, 1)


@pytest.mark.parametrize("chunks", [None, 8])
def test_clear_reflectance(tmp_path, chunks):
    red = np.full((20, 20), 2000, dtype="uint16")
    scl = np.full((20, 20), 4, dtype="uint8")
    scl[:5], scl[5:8], red[:, 19] = 9, 6, 0
    write(tmp_path / "red.tif", red)
    write(tmp_path / "scl.tif", scl)
    record = item({"s2:processing_baseline": "05.00"})
    record["assets"] = {k: {"href": str(tmp_path / f"{k}.tif")} for k in ("red", "scl")}
    scene = Scene("S2", Sensor.SENTINEL2_L2A, datetime(2025, 6, 1, tzinfo=UTC), record)
    read = read_sentinel2(scene, GRID, chunks=chunks)
    assert set(read.data_vars) == {"red", "scl_water"}
    assert (read["red"].chunks is not None) == (chunks is not None)
    values = read["red"].values
    assert np.isnan(values[:5]).all()
    assert np.isnan(values[:, 19]).all()
    np.testing.assert_allclose(values[5:, :18], 0.1, atol=1e-6)
    assert read["scl_water"].values[6, 3] == 1
    assert read["scl_water"].values[12, 3] == 0
