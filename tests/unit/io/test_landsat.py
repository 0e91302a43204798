import json

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene, read_mtl
from heliopolis.io.lst_files import day_of, read_lst_file
from heliopolis.io.raster import raster_grid
from heliopolis.quality import landsat_clear, qa_bit

GRID = GeoBox.from_bbox((0, 0, 300, 300), "EPSG:32631", resolution=30)
NAME = "LC09_L2SP_199026_20250621_20250622_02_T1"


def write(path, values, nodata=None, dtype="uint16"):
    with rasterio.open(
        path, "w", driver="GTiff", width=10, height=10, count=1, dtype=dtype,
        crs="EPSG:32631", transform=GRID.affine, nodata=nodata,
    ) as sink:  # fmt: skip
        sink.write(np.asarray(values, dtype=dtype), 1)


@pytest.fixture
def folder(tmp_path):
    numbers = np.full((10, 10), 44000)
    numbers[0, 0] = 0
    write(tmp_path / f"{NAME}_ST_B10.TIF", numbers)
    write(tmp_path / f"{NAME}_QA_PIXEL.TIF", np.full((10, 10), 21824), nodata=1)
    (tmp_path / f"{NAME}_MTL.txt").write_text(
        'GROUP = A\n  SPACECRAFT_ID = "LANDSAT_9"\n  K1_CONSTANT_BAND_10 = 799.0284\n'
        "  K2_CONSTANT_BAND_10 = 1329.2405\nEND_GROUP = A\nEND\n"
    )
    return tmp_path


def test_surface_temperature_is_scaled_once_and_fill_is_nan(folder):
    scene = LandsatScene.from_folder(folder)
    lst = scene.read(["lwir11"], scene.grid)["lwir11"]
    assert float(lst[5, 5]) == pytest.approx(44000 * 0.00341802 + 149.0, abs=1e-3)
    assert np.isnan(lst[0, 0])
    assert lst.attrs == {"units": "K"}
    assert scene.read(["lwir11"], scene.grid, chunks=4)["lwir11"].chunks is not None


def test_constants_come_from_the_metadata(folder):
    scene = LandsatScene.from_folder(folder)
    assert scene.thermal_constants(10) == (799.0284, 1329.2405)
    assert scene.spacecraft == "LANDSAT_9"
    (folder / "x_MTL.json").write_text(json.dumps({"R": {"G": {"K1": "1.5"}}}))
    assert read_mtl(folder / "x_MTL.json") == {"K1": "1.5"}


def test_radiance_formulas_are_refused_on_surface_temperature(folder):
    scene = LandsatScene.from_folder(folder)
    with pytest.raises(InputError, match="surface temperature already"):
        scene.require(["trad", "atran"], "the method 'rte'")


def test_an_item_reads_like_the_folder(folder):
    assets = {
        "lwir11": {
            "href": str(folder / f"{NAME}_ST_B10.TIF"),
            "raster:bands": [{"scale": 0.00341802, "offset": 149.0, "nodata": 0}],
        },
        "qa_pixel": {"href": "file://" + str(folder / f"{NAME}_QA_PIXEL.TIF")},
        "mtl": {"href": str(folder / f"{NAME}_MTL.txt")},
    }
    scene = LandsatScene.from_item({"id": "x", "assets": assets, "properties": {}})
    other = LandsatScene.from_folder(folder)
    for key in ("lwir11", "qa_pixel"):
        a, b = (s.read([key], s.grid)[key].values for s in (scene, other))
        np.testing.assert_array_equal(a, b)


def test_folder_without_a_scene(tmp_path):
    with pytest.raises(InputError, match="USGS"):
        LandsatScene.from_folder(tmp_path)


def test_lst_files(tmp_path):
    path = tmp_path / f"{NAME}_ST_B10.TIF"
    values = np.full((10, 10), 31.5)
    values[3, 3] = -9999
    write(path, values, dtype="float32")
    assert day_of(path).date().isoformat() == "2025-06-21"
    assert day_of(tmp_path / "lst_20240105.tif").date().isoformat() == "2024-01-05"
    with pytest.raises(InputError, match="no date"):
        day_of(tmp_path / "lst.tif")
    read = read_lst_file(path, raster_grid(path), sigma_k=1.5)
    assert float(read["lst_k"][0, 0]) == pytest.approx(304.65)
    assert np.isnan(read["lst_k"][3, 3])
    assert np.isnan(read["sd_k"][3, 3])
    assert float(read["sd_k"][0, 0]) == 1.5
    kelvin = read_lst_file(path, raster_grid(path), unit="K")
    assert not np.isfinite(kelvin["lst_k"]).any()


def test_rows_of_one_overpass_are_joined(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("row")
    write(other / "x_ST_B10.TIF", np.full((10, 10), 40000))
    write(other / "x_QA_PIXEL.TIF", np.full((10, 10), 22280), nodata=1)
    items = [
        {"id": name, "assets": {"lwir11": {"href": str(home / f"{stem}_ST_B10.TIF")},
                                "qa_pixel": {"href": str(home / f"{stem}_QA_PIXEL.TIF")}}}
        for name, home, stem in (("a", folder, NAME), ("b", other, "x"))
    ]  # fmt: skip
    for chunks in (None, 3):
        read = LandsatScene.from_items(items).read(["lwir11", "qa_pixel"], GRID, chunks=chunks)
        lst = read["lwir11"].values
        assert lst[0, 0] == pytest.approx(40000 * 0.00341802 + 149.0, abs=1e-3)
        assert lst[5, 5] == pytest.approx(44000 * 0.00341802 + 149.0, abs=1e-3)
        np.testing.assert_array_equal(read["qa_pixel"], 21824)
    with pytest.raises(InputError, match="ST_QA"):
        LandsatScene.from_items([{**items[0]}, items[1]]).require(["qa"], "this")


def test_encoding_of_the_item_is_the_one_that_counts(folder):
    asset = {
        "href": str(folder / f"{NAME}_ST_B10.TIF"),
        "raster:bands": [{"scale": 0.01, "offset": 10.0, "nodata": 44000}],
    }
    scene = LandsatScene.from_item({"id": "x", "assets": {"lwir11": asset}})
    lst = scene.read(["lwir11"], GRID)["lwir11"].values
    assert lst[0, 0] == pytest.approx(10.0)
    assert np.isnan(lst[5, 5])


def test_level_1_radiances_are_not_taken_for_surface_reflectance(folder):
    assets = {
        key: {"href": str(folder / f"{NAME}_ST_B10.TIF")}
        for key in ("red", "nir08", "lwir11", "l1_b10", "qa_pixel")
    }
    item = {"id": "x", "assets": assets, "properties": {"landsat:correction": "L1TP"}}
    assert set(LandsatScene.from_item(item).files) == {"l1_b10", "qa_pixel"}


def quality(tmp_path, name, words):
    write(tmp_path / f"{name}_B10.TIF", np.full((10, 10), 25000))
    write(tmp_path / f"{name}_BQA.TIF", words)
    return LandsatScene.from_folder(tmp_path)


def test_quality_of_collection_1_is_told_in_the_bits_of_collection_2(tmp_path):
    words = np.full((10, 10), 2720)
    # fill; cloud; high confidence of cloud, of shadow, of snow, of cirrus; medium of cloud
    words[0, :7] = (1, 2720 | 16, 2720 | 96, 2720 | 384, 2720 | 1536, 2720 | 6144, 2752)
    scene = quality(tmp_path, "LC08_L1TP_195025_20130707_20170503_01_T1", words)
    read = scene.read(["qa_pixel"], GRID)["qa_pixel"]
    clear = landsat_clear(read).values
    assert clear[0, :8].tolist() == [False, False, False, False, True, False, True, True]
    assert clear[1:].all()
    assert qa_bit(read, "cloud").values[0, :4].tolist() == [False, True, True, False]
    assert qa_bit(read, "cloud_shadow").values[0, 3]
    assert qa_bit(read, "snow").values[0, 4]
    assert qa_bit(read, "cirrus").values[0, 5]


def test_quality_before_collection_1_is_refused(tmp_path):
    scene = quality(tmp_path, "LC81950252013188LGN00", np.full((10, 10), 20480))
    assert np.isfinite(scene.read(["l1_b10"], GRID)["l1_b10"]).all()
    with pytest.raises(InputError, match="older than Collection 1"):
        scene.read(["qa_pixel"], GRID)


def test_old_quality_of_an_item_is_known_by_its_asset(tmp_path):
    write(tmp_path / "copy.tif", np.full((10, 10), 2720))
    item = {
        "id": "LC08_L1TP_195025_20130707_20170503_01_T1",
        "properties": {"landsat:correction": "L1TP"},
        "assets": {"bqa": {"href": str(tmp_path / "copy.tif")}},
    }
    read = LandsatScene.from_item(item).read(["qa_pixel"], GRID)["qa_pixel"]
    assert landsat_clear(read).all()
    with pytest.raises(InputError, match="older than Collection 1"):
        LandsatScene.from_item({**item, "id": "LC81950252013188LGN00"}).read(["qa_pixel"], GRID)
