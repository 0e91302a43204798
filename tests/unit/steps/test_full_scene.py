import numpy as np
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import read_raster, read_tags, write_cog
from heliopolis.steps.landsat_lst import write_landsat_lst

SIDE = 700
GRID = GeoBox.from_bbox((0, 0, SIDE * 30, SIDE * 30), "EPSG:32632", resolution=30)
NAME = "LC09_L2SP_199026_20250621_20250622_02_T1"
MIDDLE = {"ST_TRAD": 9600, "ST_URAD": 1500, "ST_DRAD": 2500, "ST_ATRAN": 8000, "ST_EMIS": 9700,
          "ST_EMSD": 60, "ST_CDIST": 900, "ST_QA": 150}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(5)
    profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "tiled": True,
               "blockxsize": 256, "blockysize": 256, "crs": "EPSG:32632",
               "transform": GRID.affine}  # fmt: skip

    def write(suffix, values, dtype, nodata):
        path = folder / f"{NAME}_{suffix}.TIF"
        with rasterio.open(path, "w", dtype=dtype, nodata=nodata, **profile) as sink:
            sink.write(values.astype(dtype), 1)

    for suffix, middle in MIDDLE.items():
        values = middle * (1.0 + 0.01 * rng.standard_normal((SIDE, SIDE)))
        values[rng.random((SIDE, SIDE)) < 0.001] = -9999
        write(suffix, values, "int16", -9999)
    words = np.where(rng.random((SIDE, SIDE)) < 0.0005, 22280, 21824)
    write("QA_PIXEL", words, "uint16", 1)
    write("ST_B10", np.full((SIDE, SIDE), 44000), "uint16", 0)
    (folder / f"{NAME}_MTL.txt").write_text(
        'SPACECRAFT_ID = "LANDSAT_9"\nK1_CONSTANT_BAND_10 = 799.0284\n'
        "K2_CONSTANT_BAND_10 = 1329.2405\nEND\n"
    )
    return folder


def test_chunks_do_not_show_in_the_temperature(scene, tmp_path):
    made = []
    for chunk in (96, 256, 512, SIDE):
        write_landsat_lst(scene, tmp_path / f"{chunk}.tif", method="rte", chunks=chunk)
        made.append(read_raster(tmp_path / f"{chunk}.tif"))
    assert 0.5 < float(np.isfinite(made[0]["lst_c"]).mean()) < 0.999
    for other in made[1:]:
        xr.testing.assert_identical(other, made[0])


def test_writing_computes_every_chunk_once(tmp_path):
    grid = GeoBox.from_bbox((0, 0, 15_000, 15_000), "EPSG:32632", resolution=10)
    calls = []

    def seen(block):
        calls.append(block.shape)
        return block + 1.0

    lazy = wrap_xr(np.zeros(grid.shape, "float32"), grid).chunk(y=1024, x=1024)
    band = lazy.copy(data=lazy.data.map_blocks(seen, meta=np.empty((0, 0), "float32")))
    path = write_cog(tmp_path / "out.tif", {"one": band})
    assert len(calls) == 4
    assert (read_raster(path)["one"] == 1.0).all()


def test_water_vapour_is_told_where_it_was_not_given(scene, tmp_path):
    write_landsat_lst(scene, tmp_path / "own.tif", method="smw")
    assert read_tags(tmp_path / "own.tif")["water_vapour"] == "transmittance (ST_ATRAN)"
    dry = tmp_path / "dry"
    dry.mkdir()
    for path in scene.iterdir():
        if not path.name.endswith("ST_ATRAN.TIF"):
            (dry / path.name).symlink_to(path)
    write_landsat_lst(dry, tmp_path / "climate.tif", method="smw")
    told = read_tags(tmp_path / "climate.tif")["water_vapour"]
    assert told.startswith("climatology of latitude and month")
    write_landsat_lst(scene, tmp_path / "given.tif", method="smw", tcwv_mm=15.0)
    own, climate, given = (
        read_raster(tmp_path / f"{name}.tif") for name in ("own", "climate", "given")
    )
    wider = float(climate["lst_sd_c"].median()) > float(given["lst_sd_c"].median())
    assert wider and np.isfinite(own["lst_sd_c"]).any()
