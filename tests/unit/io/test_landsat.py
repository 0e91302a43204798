import json

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene, read_mtl
from heliopolis.io.lst_files import day_of, read_lst_file
from heliopolis.io.raster import raster_grid

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
