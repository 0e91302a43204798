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


def scene_of(*records):
    return Scene("S2", Sensor.SENTINEL2_L2A, datetime(2025, 6, 1, tzinfo=UTC), records[0],
                 tuple(records[1:]))  # fmt: skip


def tile(folder, name, baseline, red, scl):
    folder.mkdir()
    write(folder / "red.tif", red.astype("uint16"))
    write(folder / "scl.tif", scl.astype("uint8"))
    return {
        "id": name,
        "properties": {"s2:processing_baseline": baseline},
        "assets": {key: {"href": str(folder / f"{key}.tif")} for key in ("red", "scl")},
    }


@pytest.mark.parametrize("chunks", [None, 7])
def test_tiles_of_one_overpass_are_joined_each_with_its_own_offset(tmp_path, chunks):
    red, scl = np.full((20, 20), 2000), np.full((20, 20), 5)
    red[:, 12:], scl[:, 12:] = 0, 0
    scl[0, 0] = 9
    one = tile(tmp_path / "a", "A", "05.11", red, scl)
    two = tile(tmp_path / "b", "B", "03.01", np.full((20, 20), 1500), np.full((20, 20), 6))
    read = read_sentinel2(scene_of(one, two), GRID, chunks=chunks)
    values = read["red"].values
    # Cloud of the first tile is not filled from its neighbour: both saw the same sky.
    assert np.isnan(values[0, 0])
    np.testing.assert_allclose(values[1:, :12], 0.10, atol=1e-6)
    np.testing.assert_allclose(values[:, 12:], 0.15, atol=1e-6)
    np.testing.assert_array_equal(read["scl_water"].values[1:, :12], 0)
    np.testing.assert_array_equal(read["scl_water"].values[:, 12:], 1)
    turned = read_sentinel2(scene_of(two, one), GRID, chunks=chunks)["red"].values
    np.testing.assert_allclose(turned, 0.15, atol=1e-6)


def test_pixels_that_contradict_the_baseline_decide(tmp_path, caplog):
    plants = tile(tmp_path / "a", "A", "05.11", np.full((20, 20), 300), np.full((20, 20), 4))
    read = read_sentinel2(scene_of(plants), GRID)
    np.testing.assert_allclose(read["red"], 0.03, atol=1e-6)
    assert read.attrs["boa_offset_from"] == "pixels"
    assert read["red"].attrs["boa_offset_from"] == "pixels"
    assert "A" in caplog.text


def test_offset_does_not_hang_on_the_bands_asked_for(tmp_path):
    plants = tile(tmp_path / "a", "A", "05.11", np.full((20, 20), 300), np.full((20, 20), 4))
    write(tmp_path / "a" / "nir.tif", np.full((20, 20), 4000, dtype="uint16"))
    plants["assets"]["nir"] = {"href": str(tmp_path / "a" / "nir.tif")}
    read = read_sentinel2(scene_of(plants), GRID, bands=["nir"])
    assert set(read.data_vars) == {"nir", "scl_water"}
    np.testing.assert_allclose(read["nir"], 0.4, atol=1e-6)


def test_other_scales_are_refused(tmp_path):
    record = tile(tmp_path / "a", "A", "05.11", np.full((20, 20), 300), np.full((20, 20), 4))
    record["assets"]["red"]["raster:bands"] = [{"scale": 1.0}]
    with pytest.raises(InputError, match="scaled by 1"):
        read_sentinel2(scene_of(record), GRID)
