import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_reproject

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.raster import raster_grid, read_raster
from heliopolis.io.slstr import (
    FILES,
    Swath,
    grid_swath,
    item_files,
    product_files,
    read_swath,
    read_swaths,
)

GRID = GeoBox.from_bbox((500_000, 5_000_000, 520_000, 5_020_000), "EPSG:32632", resolution=1000)


def swath(lst, clear=None):
    """A swath of 1 km samples, turned by 12 degrees against the grid, beyond it on all sides."""
    from pyproj import Transformer

    a = np.radians(12.0)
    u, v = np.meshgrid(np.arange(-20, 20) * 1000.0, np.arange(-20, 20) * 1000.0)
    x, y = 510_000 + u * np.cos(a) - v * np.sin(a), 5_010_000 + u * np.sin(a) + v * np.cos(a)
    lon, lat = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(x, y)
    values = lst(x, y).ravel()
    good = np.ones(values.shape, dtype=bool) if clear is None else clear(x, y).ravel()
    return Swath(lon.ravel(), lat.ravel(), values, np.full(values.shape, 0.8), good,
                 datetime(2025, 6, 21, tzinfo=UTC))  # fmt: skip


def test_a_plane_is_gridded_in_place():
    made = grid_swath(swath(lambda x, y: 300 + (x - 510_000) / 1000 + (y - 5_010_000) / 2000), GRID)
    j, i = np.meshgrid(np.arange(20) + 0.5, np.arange(20) + 0.5)
    x, y = GRID.affine * (j, i)
    want = 300 + (x - 510_000) / 1000 + (y - 5_010_000) / 2000
    assert np.abs(made["lst_k"].values - want).max() < 0.35
    assert abs(float((made["lst_k"] - want).mean())) < 0.03
    np.testing.assert_allclose(made["sd_k"], 0.8, atol=1e-5)


def test_clouds_are_masked_though_their_values_are_there():
    west = lambda x, y: x > 510_000  # noqa: E731
    made = grid_swath(swath(lambda x, y: np.where(x > 510_000, 300.0, 260.0), west), GRID)
    values = made["lst_k"].values
    assert np.isnan(values[:, :8]).all()
    np.testing.assert_allclose(values[:, 12:], 300.0, atol=0.01)
    assert np.nanmin(values) > 299.9


def test_cells_off_the_swath_are_empty():
    far = GeoBox.from_bbox((600_000, 5_000_000, 605_000, 5_005_000), "EPSG:32632", resolution=1000)
    assert np.isnan(grid_swath(swath(lambda x, y: x * 0 + 300.0), far)["lst_k"]).all()


def test_an_incomplete_product_is_named(tmp_path):
    with pytest.raises(InputError, match=r"LST_in\.nc"):
        product_files(tmp_path)


def granule(data_dir):
    return next((data_dir / "satellite" / "s3a-slstr-lst-20240129").glob("*.SEN3"))


@pytest.mark.real
def test_a_real_granule_lies_where_another_gridding_puts_it(data_dir):
    product = granule(data_dir)
    reference = product.parent / "sentinel3_edge_ref.tif"
    grid = raster_grid(reference)
    seen = read_swath(product_files(product), grid.boundingbox.bbox)
    every = Swath(seen.longitude, seen.latitude, seen.lst_k, seen.sd_k,
                  np.isfinite(seen.lst_k), seen.acquired)  # fmt: skip
    utm = GeoBox.from_bbox(
        grid.extent.to_crs("EPSG:32633").boundingbox.bbox, "EPSG:32633", resolution=1000
    )
    made = xr_reproject(grid_swath(every, utm)["lst_k"], grid, resampling="bilinear").values
    truth = read_raster(reference)["band_1"].values
    error = made - truth
    assert np.isfinite(error).sum() > 4000
    assert abs(np.nanmedian(error)) < 0.2
    assert np.nanmedian(np.abs(error)) < 0.8
    moved = [np.nanstd(np.roll(made, shift, axis) - truth) for shift in (-1, 1) for axis in (0, 1)]
    assert np.nanstd(error) < min(moved)


@pytest.mark.real
def test_real_flags_and_places(data_dir, tmp_path):
    product = granule(data_dir)
    swath = read_swath(product_files(product), (11.0, 46.2, 11.8, 46.8))
    assert swath.acquired.date().isoformat() == "2024-01-29"
    assert 0 < swath.clear.mean() < 1
    with pytest.raises(NoDataError, match="does not touch"):
        read_swath(product_files(product), (100.0, 0.0, 101.0, 1.0))
    shutil.copy(product / "LST_in.nc", tmp_path)
    shutil.copy(product / "flags_in.nc", tmp_path)
    with pytest.raises(InputError, match="geodetic"):
        product_files(tmp_path)


@pytest.mark.real
def test_granules_of_one_overpass_are_joined(data_dir):
    product = granule(data_dir)
    assets = {key: {"href": f"file://{product / name}"} for key, name in FILES.items()
              if (product / name).is_file()}  # fmt: skip
    item = {"id": "granule", "assets": assets}
    assert item_files(item) == product_files(product)
    bounds = (11.0, 46.2, 11.8, 46.8)
    one = read_swath(item_files(item), bounds)
    two = read_swaths([item, item], bounds)
    assert len(two.lst_k) == 2 * len(one.lst_k)
    assert two.acquired == one.acquired
    with pytest.raises(NoDataError, match="does not touch"):
        read_swaths([item, item], (100.0, 0.0, 101.0, 1.0))
