import json
from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy import ndimage

from heliopolis.errors import ConfigError, GridError, NoDataError
from heliopolis.grid import coarsen
from heliopolis.io.raster import read_onto, read_raster, read_tags, write_cog
from heliopolis.scene import Scene, Sensor, pattern_dates
from heliopolis.steps.composite import composite
from heliopolis.steps.landsat_lst import write_landsat_lst
from heliopolis.steps.optical import optical_composite
from heliopolis.steps.sharpen_files import sharpen_files
from heliopolis.steps.thermal import sharpen, thermal_scene
from heliopolis.thermal.planck import coarsen_mean_k

BOUNDS = [650_000, 6_860_000, 652_000, 6_862_000]
GRID = GeoBox.from_bbox(BOUNDS, "EPSG:2154", resolution=10)
OPTIONS = {
    "grid": {"crs": "EPSG:2154", "resolution_m": 10.0, "bounds": BOUNDS},
    "thermal": {"sources": [{"kind": "lst_files", "files": ["x"]}]},
    "optical": {},
    "heat": {},
    "period": {"start": "2025-06-01", "end": "2025-08-31"},
}
DAYS = ("20250610", "20250701", "20250715")


@pytest.fixture(scope="module")
def ground():
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(GRID.shape), 12)
    return (noise > 0).astype("float32")


def raster(path, values, units, name="lst"):
    band = wrap_xr(values.astype("float32"), GRID)
    band.attrs = {"units": units}
    write_cog(path, xr.Dataset({name: band}))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, ground):
    """The whole chain on three dates, the last of which is nearly all cloud."""
    folder = tmp_path_factory.mktemp("run")
    truth = 24.0 + 8.0 * ground
    scenes = []
    for index, day in enumerate(DAYS):
        values = truth + 2.0 * index
        if index == 2:
            values[:, 20:] = np.nan
        path = raster(folder / f"lst_{day}.tif", values, "degC")
        item = {
            "id": f"lst_{day}",
            "assets": {"lst": {"href": str(path)}},
            "properties": {"heliopolis:unit": "degC", "heliopolis:native_resolution_m": 100.0,
                           "heliopolis:sigma_k": 1.0, "heliopolis:overpass": "day"},
        }  # fmt: skip
        when = datetime.strptime(day, "%Y%m%d").replace(hour=10, tzinfo=UTC)
        scenes.append(Scene(f"lst_{day}", Sensor.LST_RASTER, when, item).to_dict())
    (folder / "scenes.json").write_text(json.dumps({"thermal": scenes, "optical": []}))
    cover = raster(folder / "cover.tif", np.where(ground > 0, 1, 4), "1", "class")
    options = {
        **OPTIONS,
        "land_cover": {"file": str(cover), "classes": {"built": [1], "field": [4]}},
    }
    optical_composite(
        scenes=folder / "scenes.json", optical=folder / "optical.tif", options=options
    )
    for day in DAYS:
        home = folder / day
        thermal_scene(scenes=folder / "scenes.json", coarse=home / "coarse.tif",
                      scene=f"lst_{day}", options=options)  # fmt: skip
        sharpen(coarse=home / "coarse.tif", optical=folder / "optical.tif", lst=home / "lst.tif",
                report=home / "sharpen.json", options=options)  # fmt: skip
    composite(lsts=[folder / d / "lst.tif" for d in DAYS],
              reports=[folder / d / "sharpen.json" for d in DAYS],
              optical=folder / "optical.tif", lst=folder / "lst.tif", options=options)  # fmt: skip
    return folder


def test_coarse_cells_are_the_mean_of_t4(run, ground):
    coarse = read_raster(run / DAYS[0] / "coarse.tif")
    kelvin = xr.DataArray(24.0 + 8.0 * ground + 273.15, dims=("y", "x"))
    np.testing.assert_allclose(
        coarse["lst_c"].values, coarsen_mean_k(kelvin, 10).values - 273.15, atol=2e-3
    )
    assert coarse["lst_c"].attrs["units"] == "degC"
    tags = read_tags(run / DAYS[2] / "coarse.tif")
    assert float(tags["clear_share"]) == pytest.approx(0.1)
    assert tags["native_resolution_m"] == "100"


def test_sharpening_finds_the_buildings_and_reports(run, ground):
    report = json.loads((run / DAYS[0] / "sharpen.json").read_text())
    assert report["method"] != "smooth"
    assert report["mass_residual_k"] < 0.01
    assert report["simulated"] == "false"
    fine = read_raster(run / DAYS[0] / "lst.tif")["lst_c"].values
    assert np.corrcoef(fine.ravel(), ground.ravel())[0, 1] > 0.9
    tags = read_tags(run / DAYS[0] / "lst.tif")
    assert {"acquired", "sensor", "clear_share", "simulated", "method"} <= set(tags)


def test_a_sharp_date_is_carried_to_another_with_its_own_skill(run, tmp_path):
    first, second, cloudy = (run / day for day in DAYS)
    for patterns, named in (([cloudy / "lst.tif", second / "lst.tif"], f"pattern_lst_{DAYS[1]}"),
                            ([cloudy / "lst.tif"], None)):  # fmt: skip
        sharpen(coarse=first / "coarse.tif", optical=None, lst=tmp_path / "lst.tif",
                report=tmp_path / "r.json", options=OPTIONS, patterns=patterns)  # fmt: skip
        report = json.loads((tmp_path / "r.json").read_text())
        if named is None:
            assert "pattern" not in report["skill"]
        else:
            assert report["predictors"] == [named]
            assert report["skill"]["pattern"]["used"]
            assert report["skill"]["pattern"]["skill"] > 0.3


def test_patterns_are_of_landsat_of_the_same_time_of_day_and_before_and_nearest_first():
    def scene(name, sensor, day, overpass="day"):
        when = datetime(2025, 6, day, 10, tzinfo=UTC)
        return Scene(name, sensor, when, {"properties": {"heliopolis:overpass": overpass}})

    every = [scene("s3", Sensor.SLSTR_LST, 20), scene("a", Sensor.LANDSAT_L2, 1),
             scene("b", Sensor.LANDSAT_L1, 18), scene("c", Sensor.LANDSAT_L2, 20, "night"),
             scene("d", Sensor.SLSTR_LST, 21), scene("e", Sensor.LANDSAT_L2, 21)]  # fmt: skip
    assert [one.id for one in pattern_dates(every, "s3")] == ["b", "a"]
    assert pattern_dates(every, "a") == []


def test_composite_leaves_the_cloudy_date_out_and_says_so(run, ground):
    tags = read_tags(run / "lst.tif")
    assert "lst_20250715" in json.loads(tags["left_out"])
    assert tags["scenes"] == "lst_20250610,lst_20250701"
    made = read_raster(run / "lst.tif")
    one = read_raster(run / DAYS[0] / "lst.tif")
    parts = [one[name].values ** 2 for name in ("sd_random_k", "sd_scene_k", "sd_systematic_k")]
    np.testing.assert_allclose(sum(parts), one["lst_sd_c"].values ** 2, rtol=1e-3)
    # What comes back on every date does not shrink with the number of dates.
    assert (made["lst_sd_c"].values >= one["sd_systematic_k"].values * 0.99).all()
    assert (made["anomaly_sd_c"].values <= made["lst_sd_c"].values + 1e-6).all()
    assert list(made.data_vars)[:6] == ["lst_median_c", "lst_sd_c", "anomaly_c", "n_obs",
                                        "effective_resolution_m", "persistence"]  # fmt: skip
    assert (made["n_obs"].values == 2).all()
    assert "vegetation" in tags["reference"]
    assert float(tags["reference_mean_c"]) == pytest.approx(25.0, abs=1.0)
    hot = made["anomaly_c"].values[ndimage.minimum_filter(ground, 15) > 0]
    assert np.median(hot) == pytest.approx(8.0, abs=1.2)


def test_what_is_not_to_be_trusted_stays_marked(run, tmp_path):
    """Metal in sight on one of two dates is metal in the composite; unknown stays unknown."""
    for day, metal in ((DAYS[0], True), (DAYS[1], False)):
        one = read_raster(run / day / "lst.tif")
        mark = xr.zeros_like(one["lst_c"])
        mark[:20, :20] = 1.0
        tags = read_tags(run / day / "lst.tif")
        own = one.assign(untrusted=mark) if metal else one
        write_cog(tmp_path / f"{day}.tif", own, tags=tags)
    assert "untrusted" not in read_raster(run / "lst.tif")
    composite(lsts=[tmp_path / f"{day}.tif" for day in DAYS[:2]], reports=[], optical=None,
              lst=tmp_path / "lst.tif", options=OPTIONS)  # fmt: skip
    made = read_raster(tmp_path / "lst.tif")["untrusted"].values
    assert made[:20, :20].all()
    assert made.sum() == 400


def test_all_cloud_is_an_error_that_names_the_scenes(run):
    with pytest.raises(NoDataError, match="lst_20250715") as caught:
        composite(lsts=[run / DAYS[2] / "lst.tif"], reports=[], optical=None,
                  lst=run / "never.tif", options=OPTIONS)  # fmt: skip
    assert "min_clear_share" in caught.value.remedy
    assert not (run / "never.tif").exists()


def test_sharpen_files_conserves_and_keeps_the_predictors_grid(tmp_path, ground):
    kelvin = xr.DataArray(24.0 + 8.0 * ground + 273.15, dims=("y", "x"))
    coarse = wrap_xr(coarsen_mean_k(kelvin, 10).values.astype("float32"), coarsen(GRID, 100))
    coarse.attrs = {"units": "K"}
    write_cog(tmp_path / "coarse.tif", xr.Dataset({"lst": coarse}))
    predictor = raster(tmp_path / "p.tif", ground, "1", "p")
    told = sharpen_files(tmp_path / "coarse.tif", [predictor], tmp_path / "fine.tif",
                         report=tmp_path / "r.json")  # fmt: skip
    fine = read_raster(tmp_path / "fine.tif")
    assert fine.odc.geobox == GRID
    assert told["mass_residual_k"] < 0.01
    again = coarsen_mean_k(fine["lst_c"] + 273.15, 10).values
    np.testing.assert_allclose(again, coarse.values, atol=0.02)
    assert json.loads((tmp_path / "r.json").read_text())["skill"]["skill_vs_bilinear"] > 0.5
    told = sharpen_files(
        tmp_path / "coarse.tif", [predictor], tmp_path / "f50.tif", resolution_m=50
    )
    assert read_raster(tmp_path / "f50.tif")["lst_c"].shape == (40, 40)


def test_a_method_that_is_not_known(tmp_path):
    with pytest.raises(ConfigError, match="not known"):
        write_landsat_lst(tmp_path, tmp_path / "x.tif", method="magic")


def strange_inputs(folder, ground):
    """Coarse cells, and predictors of another CRS, off the cells and partly outside them."""
    kelvin = xr.DataArray(24.0 + 8.0 * ground + 273.15, dims=("y", "x"))
    coarse = wrap_xr(coarsen_mean_k(kelvin, 10).values.astype("float32"), coarsen(GRID, 100))
    coarse.attrs = {"units": "K"}
    write_cog(folder / "coarse.tif", xr.Dataset({"lst": coarse}))
    box = GRID.boundingbox
    west, north = box.left - 333.0, box.top + 207.0
    off = GeoBox.from_bbox((west, north - 2000, west + 2000, north), str(GRID.crs), resolution=20)
    degrees = GRID.extent.to_crs("EPSG:4326").boundingbox
    lonlat = GeoBox.from_bbox(degrees.bbox, "EPSG:4326", resolution=0.00012)
    field = xr.Dataset({"p": wrap_xr(ground.astype("float32"), GRID)})
    write_cog(folder / "source.tif", field)
    for name, grid in (("off", off), ("lonlat", lonlat)):
        read = read_onto([folder / "source.tif"], grid, resampling="bilinear")
        write_cog(folder / f"{name}.tif", read)
    return coarse


@pytest.mark.parametrize("name", ["off", "lonlat"])
def test_sharpen_files_takes_what_does_not_fit(tmp_path, ground, name):
    coarse = strange_inputs(tmp_path, ground)
    told = sharpen_files(tmp_path / "coarse.tif", [tmp_path / f"{name}.tif"],
                         tmp_path / "fine.tif", classes=tmp_path / "source.tif")  # fmt: skip
    fine = read_raster(tmp_path / "fine.tif")
    grid = fine.odc.geobox
    assert list(fine.data_vars) == ["lst_c", "lst_sd_c", "flags"]
    assert grid.crs == GRID.crs
    inside, whole = grid.boundingbox, GRID.boundingbox
    assert inside.left >= whole.left - 1e-6
    assert inside.top <= whole.top + 1e-6
    assert told["mass_residual_k"] < 0.02
    assert told["method"] != "smooth"
    truth = read_onto([tmp_path / "source.tif"], grid, resampling="average")["p"].values
    seen = fine["lst_c"].values
    good = np.isfinite(seen) & np.isfinite(truth)
    assert good.mean() > 0.9
    assert np.corrcoef(seen[good], truth[good])[0, 1] > 0.9
    assert read_tags(tmp_path / "fine.tif")["resolution"].endswith("m real")
    assert coarse.shape[0] == 20


def test_sharpen_files_says_when_nothing_overlaps(tmp_path, ground):
    strange_inputs(tmp_path, ground)
    far = GeoBox.from_bbox((0, 6_000_000, 2000, 6_002_000), str(GRID.crs), resolution=10)
    write_cog(tmp_path / "far.tif", xr.Dataset({"p": wrap_xr(ground.astype("float32"), far)}))
    with pytest.raises(GridError, match="overlap"):
        sharpen_files(tmp_path / "coarse.tif", [tmp_path / "far.tif"], tmp_path / "fine.tif")
