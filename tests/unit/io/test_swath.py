from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from heliopolis.io.slstr import product_files, read_swath
from heliopolis.io.swath import Swath, grid_swath

BOX = (500_000, 5_000_000, 520_000, 5_020_000)


def grid(resolution):
    return GeoBox.from_bbox(BOX, "EPSG:32632", resolution=resolution)


@pytest.fixture
def aligned():
    """Samples at the centres of 1 km cells, and two more around."""
    x, y = np.meshgrid(np.arange(498_500, 522_000, 1000.0), np.arange(4_998_500, 5_022_000, 1000.0))
    to_degrees = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x.ravel(), y.ravel())
    rng = np.random.default_rng(1)
    lst = 300.0 + rng.normal(0.0, 3.0, x.size)
    ones = np.ones(x.size)
    return Swath(longitude, latitude, lst, ones, ones.astype(bool),
                 datetime(2025, 6, 21, tzinfo=UTC), 30 * ones,
                 0.3 * ones, 0.5 * ones, 0.4 * ones)  # fmt: skip


def inner(swath):
    values = swath.lst_k.reshape(24, 24)[::-1]
    return values[2:-2, 2:-2]


def test_samples_that_fill_cells_come_through_without_blur(aligned):
    np.testing.assert_allclose(grid_swath(aligned, grid(1000))["lst_k"], inner(aligned), atol=1e-3)


def test_small_cells_hold_their_footprint_and_average_to_it(aligned):
    fine = grid_swath(aligned, grid(250))["lst_k"].values
    np.testing.assert_allclose(fine[1::4, 2::4], inner(aligned), atol=1e-3)
    assert (fine[:4, :4] == fine[0, 0]).all()


def test_wide_cells_average_radiant_power_and_shrink_random_error_alone(aligned):
    made = grid_swath(aligned, grid(5000))
    blocks = inner(aligned).reshape(4, 5, 4, 5)
    np.testing.assert_allclose(made["lst_k"], (blocks**4).mean(axis=(1, 3)) ** 0.25, atol=1e-3)
    np.testing.assert_allclose(made["sd_random_k"], 0.3 / 5, atol=1e-5)
    np.testing.assert_allclose(made["sd_scene_k"], 0.5, atol=1e-5)
    np.testing.assert_allclose(made["sd_systematic_k"], 0.4, atol=1e-5)
    np.testing.assert_allclose(made["sd_k"], np.sqrt(0.06**2 + 0.5**2 + 0.4**2), atol=1e-5)
    np.testing.assert_allclose(made["view_zenith_deg"], 30.0, atol=1e-4)


def test_an_error_that_is_not_told_apart_never_shrinks(aligned):
    made = grid_swath(replace(aligned, sd_random_k=None), grid(5000))
    np.testing.assert_allclose(made["sd_systematic_k"], 1.0, atol=1e-5)
    np.testing.assert_allclose(made["sd_k"], 1.0, atol=1e-5)


def test_a_cell_half_cloudy_is_the_mean_of_its_clear_half(aligned):
    cloud = aligned.lst_k > np.median(aligned.lst_k)
    made = grid_swath(replace(aligned, clear=~cloud), grid(2000))
    share = (~cloud).reshape(24, 24)[::-1][2:-2, 2:-2].reshape(10, 2, 10, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(made["clear_share"], share, atol=1e-6)
    assert (np.isfinite(made["lst_k"].values) == (share >= 0.5)).all()
    assert np.nanmax(made["lst_k"]) <= np.median(aligned.lst_k) + 1e-3


def test_parts_of_a_grid_are_the_same_as_the_whole(aligned, monkeypatch):
    whole = grid_swath(aligned, grid(700))
    monkeypatch.setattr("heliopolis.io.swath._AT_ONCE", 500)
    xr.testing.assert_identical(grid_swath(aligned, grid(700)), whole)


def bits(*meanings):
    masks = (1 << np.arange(len(meanings))).astype("uint16")
    return {"flag_meanings": " ".join(meanings), "flag_masks": masks}


@pytest.fixture
def granule(tmp_path):
    """4 rows, 6 columns and 2 orphans a row, the second of them empty."""
    both = ("rows", "columns"), ("rows", "orphan_pixels")
    times = {"start_time": "2024-06-01T10:00:00Z", "stop_time": "2024-06-01T10:03:00Z"}
    steps = {"resolution": "[ 1000 1000 ]", "track_offset": 3, **times}
    latitude, longitude = np.mgrid[46.0:46.04:4j, 11.0:11.06:6j]
    empty = np.array([[0.0, np.nan]] * 4)
    names = ("random", "locATM", "locSF", "sys")

    def write(name, attrs, **arrays):
        fields = {key: (both["orphan" in key], *value) for key, value in arrays.items()}
        xr.Dataset(fields, attrs=attrs).to_netcdf(tmp_path / name, engine="h5netcdf")

    write("LST_in.nc", steps, LST=(latitude + 254,), LST_orphan=(280 + empty,),
          LST_uncertainty=(latitude * 0 + 1,), LST_uncertainty_orphan=(1 + empty,))  # fmt: skip
    word = np.zeros((4, 6), "uint16")
    confidence, bayes = word.copy(), word.copy()
    confidence[0, 0], confidence[0, 1], bayes[0, 2], bayes[0, 3] = 2, 1, 2, 1
    told = bits("unfilled", "summary_cloud", "snow", "ocean", "inland_water")
    seen = bits("single_low", "single_moderate")
    write("flags_in.nc", {}, confidence_in=(confidence, told), bayes_in=(bayes, seen),
          confidence_orphan_in=(np.full((4, 2), 2, "uint16"), told),
          bayes_orphan_in=(np.zeros((4, 2), "uint16"), seen))  # fmt: skip
    write("geodetic_in.nc", {}, latitude_in=(latitude,), longitude_in=(longitude,),
          latitude_orphan_in=(46.02 + empty,), longitude_orphan_in=(11.02 + empty,))  # fmt: skip
    parts = {f"LST_uncertainty_{n}": 0.3 + i for i, n in enumerate(names)}
    write("LST_ancillary_ds.nc", {},
          **{name: (latitude * 0 + value,) for name, value in parts.items()},
          **{f"{name}_orphan": (value + empty,) for name, value in parts.items()})  # fmt: skip
    zenith = np.tile([10.0, 10.0, 26.0], (4, 1))
    write("geometry_tn.nc", {"resolution": "[ 16000 1000 ]", "track_offset": 1},
          sat_zenith_tn=(zenith,))  # fmt: skip
    return tmp_path


def test_orphans_flags_angle_and_parts_of_a_granule(granule):
    swath = read_swath(product_files(granule))
    assert len(swath.lst_k) == 4 * 6 + 4
    np.testing.assert_allclose(swath.lst_k[24:], 280.0)
    assert not swath.clear[24:].any()
    assert swath.clear[:24].tolist() == [False] * 3 + [True] * 21
    np.testing.assert_allclose(swath.view_zenith_deg[:6], [10, 10, 10, 10, 11, 12])
    assert np.isnan(swath.view_zenith_deg[24:]).all()
    np.testing.assert_allclose(swath.sd_random_k, 0.3)
    np.testing.assert_allclose(swath.sd_scene_k, 1.3)
    np.testing.assert_allclose(swath.sd_systematic_k, np.hypot(2.3, 3.3))


def test_a_granule_without_its_optional_files(granule):
    for name in ("LST_ancillary_ds.nc", "geometry_tn.nc"):
        (granule / name).unlink()
    swath = read_swath(product_files(granule))
    assert swath.sd_random_k is None and swath.view_zenith_deg is None
    random, _, systematic = swath.parts()
    assert (random == 0).all() and (systematic == 1).all()
