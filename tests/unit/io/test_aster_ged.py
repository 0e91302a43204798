"""ASTER GED: tiles in the archive's layout, joined, scaled and interpolated."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.aster_ged import read_aster_ged
from heliopolis.io.raster import write_cog

CELLS = 1000


def plane(latitude, longitude):
    """A field that is linear in place: bilinear interpolation gives it back exactly."""
    return 0.90 + 0.04 * (latitude - 45.5) + 0.06 * (longitude - 6.5)


def tile(folder: Path, north: int, west: int, hole: bool = False) -> Path:
    """A tile as the archive lays it out; the position of a cell is its north-west corner."""
    latitude, longitude = np.meshgrid(
        north - np.arange(CELLS) / CELLS, west + np.arange(CELLS) / CELLS, indexing="ij"
    )
    middle = plane(latitude - 0.0005, longitude + 0.0005)
    bands = np.round(1000 * np.stack([middle - 0.02] * 3 + [middle, middle + 0.01]))
    if hole:
        bands[:, 500:520, 500:520] = -9999
    path = folder / f"AG100.v003.{north}.{west:03d}.0001.h5"
    with h5py.File(path, "w") as file:
        file["Emissivity/Mean"] = bands.astype("int16")
        file["Emissivity/SDev"] = np.full(bands.shape, 123, dtype="int16")
        file["NDVI/Mean"] = np.full(bands.shape[1:], 37, dtype="int16")
        file["Geolocation/Latitude"] = latitude.astype("float32")
        file["Geolocation/Longitude"] = longitude.astype("float32")
    return path


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ged")
    return [tile(folder, 46, 6, hole=True), tile(folder, 46, 7)]


def place_of(grid: GeoBox):
    lonlat = wrap_xr(np.zeros(grid.shape, dtype="float32"), grid)
    from pyproj import Transformer

    back = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    x, y = np.meshgrid(lonlat["x"], lonlat["y"])
    return back.transform(x, y)


def test_two_tiles_are_one_field_without_a_seam(tiles):
    grid = GeoBox.from_bbox((338_000, 5_050_000, 350_000, 5_056_000), "EPSG:32632", resolution=60)
    longitude, latitude = place_of(grid)
    assert longitude.min() < 7.0 < longitude.max()
    read = read_aster_ged(tiles, grid)
    expected = plane(latitude, longitude)
    np.testing.assert_allclose(read["emissivity_13"], expected, atol=6e-4)
    np.testing.assert_allclose(read["emissivity_14"], expected + 0.01, atol=6e-4)
    np.testing.assert_allclose(read["ndvi"], 0.37, atol=1e-6)
    np.testing.assert_allclose(read["emissivity_sd"], 0.0123, atol=1e-6)


def test_a_part_of_the_grid_gets_the_same_values(tiles):
    grid = GeoBox.from_bbox((338_000, 5_050_000, 350_000, 5_056_000), "EPSG:32632", resolution=60)
    whole = read_aster_ged(tiles, grid)["emissivity_13"].values
    part = read_aster_ged(tiles, grid[20:60, 50:120])["emissivity_13"].values
    np.testing.assert_array_equal(part, whole[20:60, 50:120])


def test_what_the_archive_lacks_stays_unknown(tiles):
    grid = GeoBox.from_bbox((6.501, 45.481, 6.519, 45.499), "EPSG:4326", resolution=0.001)
    assert read_aster_ged(tiles, grid)["emissivity_13"].isnull().all()


def test_rasters_with_the_archives_band_names_are_scaled_by_their_values(tmp_path):
    grid = GeoBox.from_bbox((330_000, 5_050_000, 333_000, 5_053_000), "EPSG:32632", resolution=100)

    def full(value):
        return wrap_xr(np.full(grid.shape, value, dtype="float32"), grid)

    raw = {"emissivity_band13": 951, "emissivity_band14": 962, "ndvi": 37}
    own = {"emissivity_band13": 0.951, "emissivity_band14": 0.962, "ndvi": 0.37}
    for name, values in (("raw.tif", raw), ("own.tif", own)):
        write_cog(tmp_path / name, xr.Dataset({k: full(v) for k, v in values.items()}), tags={})
        read = read_aster_ged([tmp_path / name], grid)
        np.testing.assert_allclose(read["emissivity_13"], 0.951, atol=1e-6)
        np.testing.assert_allclose(read["ndvi"], 0.37, atol=1e-6)
        assert "emissivity_sd" not in read


def test_errors_name_the_file_and_the_remedy(tiles, tmp_path):
    far = GeoBox.from_bbox((10.0, 50.0, 10.1, 50.1), "EPSG:4326", resolution=0.001)
    with pytest.raises(NoDataError, match=r"50\.00 to 50\.10 N"):
        read_aster_ged(tiles, far)
    broken = tmp_path / "AG100.v003.46.006.0001.h5"
    broken.write_bytes(b"not a tile")
    near = GeoBox.from_bbox((6.5, 45.5, 6.6, 45.6), "EPSG:4326", resolution=0.001)
    with pytest.raises(InputError, match="no tile of ASTER GED"):
        read_aster_ged([broken], near)
    with pytest.raises(InputError, match="partly"):
        read_aster_ged([tiles[0], tmp_path / "a.tif"], near)
