from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from heliopolis.simulate import landsat_mtl, landsat_scene, satellites, slstr_scene
from heliopolis.simulate.city import TINY, build_city
from heliopolis.simulate.heat_truth import ground
from heliopolis.simulate.optics import Atmosphere, Sampler, blur
from heliopolis.simulate.overpass import View, encode

CLEAR_DAY = "LC09_L2SP_199026_20250621_02_T1"
CLOUDY_DAY = "LC08_L2SP_199026_20250723_02_T1"
SOME_CLOUD = "LC09_L2SP_199026_20250707_02_T1"


@pytest.fixture(scope="module")
def city():
    return build_city(TINY)


@pytest.fixture(scope="module")
def over(city):
    return ground(city)


@pytest.fixture(scope="module")
def out(city, tmp_path_factory):
    folder = tmp_path_factory.mktemp("satellites")
    satellites.write_satellites(city, folder)
    return folder


def _view(over, scene) -> View:
    plan = satellites.overpasses(over)
    found = [one for group in plan.values() for one in group if one.scene_id == scene]
    return View(found[0], over)


def _item(out: Path, collection: str, scene: str) -> pystac.Item:
    return pystac.Item.from_file(str(out / "catalog" / collection / scene / f"{scene}.json"))


def _numbers(item: pystac.Item, key: str):
    with rasterio.open(item.assets[key].get_absolute_href()) as source:
        grid = GeoBox(source.shape, source.transform, str(source.crs))
        return source.read(1), source.nodata, grid


def _physical(item: pystac.Item, key: str):
    numbers, nodata, grid = _numbers(item, key)
    band = item.assets[key].extra_fields["raster:bands"][0]
    values = numbers * band.get("scale", 1.0) + band.get("offset", 0.0)
    return np.where(numbers == nodata, np.nan, values), grid


# ------------------------------------------------------------------------------ catalog
def test_catalog_opens_validates_and_every_file_is_there(out):
    catalog = pystac.Catalog.from_file(str(out / "catalog" / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert len(items) == 6 + 6 + 3 + 3
    validator = JsonSchemaSTACValidator()
    for thing in (catalog, *catalog.get_children(), *items):
        content = thing.to_dict()
        validator.validate_core(content, thing.STAC_OBJECT_TYPE, content["stac_version"])
    for item in items:
        assert item.properties["heliopolis:simulated"] is True
        assert "imulated" in item.properties["title"]
        for asset in item.assets.values():
            assert Path(asset.get_absolute_href()).is_file()


def test_nothing_in_the_catalog_names_a_folder_of_this_machine(out):
    for path in (out / "catalog").rglob("*.json"):
        assert str(out) not in path.read_text(encoding="utf-8")


def test_collections_and_asset_keys_are_those_of_the_providers(out):
    keys = set(_item(out, "landsat-c2-l2", CLEAR_DAY).assets)
    thermal = {"lwir11", "qa", "trad", "urad", "drad", "atran", "emis", "emsd", "cdist"}
    optical = {"blue", "green", "red", "nir08", "swir16", "swir22"}
    assert keys == thermal | optical | {"qa_pixel", "mtl.json", "mtl.txt"}
    level1 = _item(out, "landsat-c2-l1", CLEAR_DAY.replace("L2SP", "L1TP"))
    assert {"lwir11", "lwir12", "red", "nir08", "qa_pixel", "mtl.json"} <= set(level1.assets)
    optical = _item(out, "sentinel-2-l2a", "S2B_31UDQ_20250813_0_L2A")
    assert set(optical.assets) == {"blue", "green", "red", "nir", "swir16", "swir22", "scl"}
    assert optical.properties["s2:processing_baseline"] == "05.11"
    assert optical.properties["earthsearch:boa_offset_applied"] is False


# ------------------------------------------------------------------------------ Landsat
def test_encode_never_uses_nodata_for_a_value():
    fill = np.array([False, True, False])
    numbers = encode(
        np.array([149.0, 300.0, 1e9]), 0.00341802, 149.0, "uint16", fill=fill, nodata=0
    )
    assert numbers.tolist() == [1, 0, 65535]
    numbers = encode(np.array([-1.0, 3.0, 9.0]), 0.001, 0.0, "int16", fill=fill, nodata=-9999)
    assert numbers.tolist() == [0, -9999, 9000]


def test_radiances_close_with_the_true_temperature(out, over):
    item, view = _item(out, "landsat-c2-l2", CLEAR_DAY), _view(over, CLEAR_DAY)
    parts = {key: _physical(item, key)[0] for key in ("trad", "urad", "drad", "atran")}
    grid = _physical(item, "trad")[1]
    mtl = json.loads(Path(item.assets["mtl.json"].get_absolute_href()).read_text("utf-8"))
    constants = mtl["LANDSAT_METADATA_FILE"]["LEVEL1_THERMAL_CONSTANTS"]
    assert float(constants["K1_CONSTANT_BAND_10"]) == 799.0284
    k = landsat_mtl.THERMAL["landsat-9"][10]
    sampler = Sampler.between(view.grid, grid)
    emissivity = sampler.read(blur(view.emissivity(10), 100.0, 10.0))
    true = sampler.read(blur(view.lst_k, 100.0, 10.0))
    air = Atmosphere(parts["atran"], parts["urad"], parts["drad"])
    error = (air.surface_temperature(parts["trad"], emissivity, k) - true)[6:-6, 6:-6]
    assert abs(np.nanmean(error)) < 0.15
    assert np.nanstd(error) < 0.4
    assert np.nanpercentile(np.abs(error), 99) < 1.5  # what 100 m sampling leaves at edges


def test_surface_temperature_is_near_the_truth_and_its_error_is_admitted(out, over):
    item, view = _item(out, "landsat-c2-l2", CLEAR_DAY), _view(over, CLEAR_DAY)
    kelvin, grid = _physical(item, "lwir11")
    sigma, _ = _physical(item, "qa")
    true = Sampler.between(view.grid, grid).read(blur(view.lst_k, 100.0, 10.0))
    error = (kelvin - true)[6:-6, 6:-6]
    assert 0.1 < np.nanstd(error) < 1.6
    assert 0.5 < np.nanmedian(sigma) < 3.0


def test_truth_file_is_the_view(out, over):
    with rasterio.open(out / "truth" / "scenes" / f"{CLEAR_DAY}_lst.tif") as source:
        assert source.descriptions == ("lst_c",)
        assert source.units == ("degC",)
        np.testing.assert_allclose(source.read(1), _view(over, CLEAR_DAY).lst_k - 273.15, atol=1e-3)


def test_quality_bits_agree_with_the_clouds(out, over):
    for scene in (CLEAR_DAY, SOME_CLOUD, CLOUDY_DAY):
        item, view = _item(out, "landsat-c2-l2", scene), _view(over, scene)
        bits, _, grid = _numbers(item, "qa_pixel")
        sampler = Sampler.between(view.grid, grid)
        cloud = sampler.read(view.clouds.opacity) > 0.1
        inside = sampler.inside
        assert ((bits == 1) == ~inside).all()
        assert (((bits & (1 << 3)) > 0) == cloud)[inside].all()
        assert not ((bits & (1 << 6)) > 0)[cloud & inside].any()
        share = 100.0 * cloud[inside].mean()
        assert item.properties["eo:cloud_cover"] == pytest.approx(share, abs=0.01)
    assert share > 85.0


def test_quality_words_are_those_of_real_files(out):
    seen = set()
    for scene in (CLEAR_DAY, SOME_CLOUD):
        seen |= set(np.unique(_numbers(_item(out, "landsat-c2-l2", scene), "qa_pixel")[0]).tolist())
    # clear, clear water, dilated cloud, cloud, shadow as in Collection 2 products
    assert {1, 21824, 21952, 21762, 22280, 23888} <= seen


def test_level1_numbers_become_the_radiance_of_level2(out):
    level2 = _item(out, "landsat-c2-l2", CLEAR_DAY)
    level1 = _item(out, "landsat-c2-l1", CLEAR_DAY.replace("L2SP", "L1TP"))
    text = Path(level1.assets["mtl.txt"].get_absolute_href()).read_text("utf-8")
    assert "RADIANCE_MULT_BAND_10 = 3.8000E-04" in text
    radiance = _physical(level1, "lwir11")[0]
    np.testing.assert_allclose(radiance, _physical(level2, "trad")[0], atol=0.0008)
    warm = landsat_mtl.THERMAL["landsat-9"]
    t10 = warm[10].temperature(radiance)
    t11 = warm[11].temperature(_physical(level1, "lwir12")[0])
    assert np.nanmean(t10 - t11) > 0.3  # more water vapour is seen at 12 um


def test_landsat_grid_has_the_corners_of_the_real_one(out):
    grid = _numbers(_item(out, "landsat-c2-l2", CLEAR_DAY), "lwir11")[2]
    assert str(grid.crs) == "EPSG:32631"
    assert grid.affine.c % 30 == 15
    assert grid.affine.f % 30 == 15


# ------------------------------------------------------------------------------ Sentinel-2
def test_sentinel2_numbers_become_the_true_reflectance(out, over):
    scene = "S2B_31UDQ_20250813_0_L2A"
    item, view = _item(out, "sentinel-2-l2a", scene), _view(over, scene)
    for key, index, limit in (("red", 2, 0.03), ("nir", 3, 0.03), ("swir16", 4, 0.05)):
        numbers, nodata, grid = _numbers(item, key)
        true = Sampler.between(view.grid, grid).read(view.reflectance(index))
        error = np.where(numbers == nodata, np.nan, (numbers - 1000.0) / 10000.0) - true
        assert abs(np.nanmean(error)) < 0.003
        assert np.nanstd(error) < limit


def test_scene_classification_marks_the_clouds(out, over):
    scene = "S2B_31UDQ_20250714_0_L2A"
    item, view = _item(out, "sentinel-2-l2a", scene), _view(over, scene)
    scl, _, grid = _numbers(item, "scl")
    cloud = Sampler.between(view.grid, grid).read(view.clouds.opacity) > 0.1
    marked = np.isin(scl, (8, 9))
    assert marked[cloud & (scl > 0)].all()
    assert {0, 3, 4, 5, 6, 8, 9} == set(np.unique(scl).tolist())


# ------------------------------------------------------------------------------ SLSTR
def _slstr(out: Path):
    catalog = pystac.Catalog.from_file(str(out / "catalog" / "catalog.json"))
    collection = catalog.get_child("sentinel-3-slstr-lst-l2-netcdf")
    return sorted(collection.get_items(), key=lambda item: item.datetime)


def _open(item: pystac.Item, key: str) -> xr.Dataset:
    return xr.open_dataset(item.assets[key].get_absolute_href(), engine="h5netcdf")


def test_slstr_has_the_files_flags_and_types_of_real_granules(out):
    item = _slstr(out)[0]
    lst, flags = _open(item, "lst-in"), _open(item, "slstr-flags-in")
    assert lst["LST"].dims == ("rows", "columns")
    assert lst["LST"].encoding["dtype"] == np.dtype("int16")
    assert lst["LST"].attrs["units"] == "K"
    words = flags["confidence_in"].attrs["flag_meanings"].split()
    masks = dict(zip(words, flags["confidence_in"].attrs["flag_masks"].tolist(), strict=False))
    assert masks["summary_cloud"] == 16384
    cloud = (flags["confidence_in"].values & masks["summary_cloud"]) > 0
    assert ((flags["bayes_in"].values > 0) == cloud).all()
    assert np.isfinite(lst["LST"].values[cloud]).all()
    assert np.isnan(lst["LST"].values[lst["exception"].values == 128]).all()
    assert Path(item.assets["lst-in"].get_absolute_href()).parent.name.endswith("_004.SEN3")


def test_slstr_tie_points_lead_to_the_pixels(out):
    item = _slstr(out)[0]
    full, ties = _open(item, "slstr-geodetic-in"), _open(item, "slstr-geodetic-tx")
    column = np.arange(full.sizes["columns"])
    at = ties.attrs["track_offset"] + (column - full.attrs["track_offset"]) / 16.0
    for name in ("latitude", "longitude"):
        row = ties[f"{name}_tx"].values[7]
        between = np.interp(at, np.arange(row.size), row)
        np.testing.assert_allclose(between, full[f"{name}_in"].values[7], atol=2e-4)


def test_slstr_position_is_true_to_a_fifth_of_a_pixel(over, tmp_path):
    overpass = replace(satellites.overpasses(over)["slstr"][0], cloud_cover=0.0)
    view = View(overpass, over)
    x0, y0 = view.grid.affine * (view.grid.width * 0.45, view.grid.height * 0.56)
    cols, rows = np.meshgrid(np.arange(view.grid.width), np.arange(view.grid.height))
    x, y = view.grid.affine * (cols + 0.5, rows + 0.5)
    spot = 40.0 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 350.0**2))
    view.__dict__["lst_k"] = (290.0 + spot).astype("float32")
    item = slstr_scene.write_lst_product(view, tmp_path)
    kelvin = _open(item, "lst-in")["LST"].values
    place = _open(item, "slstr-geodetic-in")
    px, py = Transformer.from_crs("EPSG:4326", "EPSG:2154", always_xy=True).transform(
        place["longitude_in"].values, place["latitude_in"].values
    )
    near = np.hypot(px - x0, py - y0) < 3000.0
    weight = np.clip(kelvin[near] - np.nanmedian(kelvin) - 1.0, 0.0, None)
    shift = np.hypot((weight * (px[near] - x0)).sum(), (weight * (py[near] - y0)).sum())
    assert shift / weight.sum() < 200.0


def test_slstr_night_is_cooler_and_says_so(out):
    items = _slstr(out)
    day, night = items[0], items[1]
    assert night.datetime.hour == 20
    assert np.nanmean(_open(night, "lst-in")["LST"]) < np.nanmean(_open(day, "lst-in")["LST"]) - 5
    assert not (_open(night, "slstr-flags-in")["confidence_in"].values & 1024).any()
    assert night.properties["sat:orbit_state"] == "ascending"


# ------------------------------------------------------------------------------ truth, seed
def test_summer_truth_and_hot_zones(out):
    with rasterio.open(out / "truth" / "lst_summer.tif") as source:
        assert source.descriptions == ("lst_c", "anomaly_c")
        anomaly = source.read(2)
    with rasterio.open(out / "truth" / "hot_zones.tif") as source:
        assert "standard deviation" in source.tags()["definition"]
        hot = source.read(1)
    assert set(np.unique(hot)) == {0, 1}
    assert 0.02 < hot.mean() < 0.35
    assert anomaly[hot == 1].mean() > anomaly[hot == 0].mean() + 2.0


def test_same_seed_same_files(out, over, tmp_path):
    landsat_scene.write_level2(_view(over, SOME_CLOUD), tmp_path)
    for path in (tmp_path / SOME_CLOUD).glob("*.TIF"):
        with (
            rasterio.open(path) as one,
            rasterio.open(out / "catalog" / "landsat-c2-l2" / SOME_CLOUD / path.name) as two,
        ):
            assert np.array_equal(one.read(), two.read())
    other = View(_view(over, SOME_CLOUD).overpass, replace(over, seed=over.seed + 1))
    assert not np.array_equal(other.clouds.opacity, _view(over, SOME_CLOUD).clouds.opacity)
