import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from heliopolis.errors import InputError
from heliopolis.io.stac_load import first_valid, load

SIDE = 600
SOURCE = GeoBox.from_bbox((499_980, 5_400_000, 505_980, 5_406_000), "EPSG:32632", resolution=10)
WEST, SOUTH = 499_980, 5_400_000


@pytest.fixture(scope="module")
def numbers():
    values = np.random.default_rng(1).integers(1, 9000, (SIDE, SIDE)).astype("uint16")
    values[200:230, 300:380] = 0
    return values


@pytest.fixture(scope="module")
def item(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("tile") / "red.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16",
        crs="EPSG:32632", transform=SOURCE.affine, tiled=True, blockxsize=128, blockysize=128,
    ) as sink:  # fmt: skip
        sink.write(numbers, 1)
    # The footprint is wrong on purpose: only the pixels count.
    wrong = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    return {
        "id": "tile",
        "geometry": wrong,
        "assets": {"red": {"href": f"file://{path}", "raster:bands": [{"nodata": 0}]}},
    }


def neighbour_zone(resolution=10):
    west, south, _, north = SOURCE.extent.to_crs("EPSG:32631").boundingbox.bbox
    box = (round(west, -2) - 700, round(south, -2) + 900, round(west, -2) + 4300,
           round(north, -2) + 300)  # fmt: skip
    return GeoBox.from_bbox(box, "EPSG:32631", resolution=resolution)


def positions(grid):
    """Fractional column and row in the tile of the centres of the cells, without GDAL."""
    j, i = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    x, y = grid.affine * (j, i)
    if str(grid.crs) != "EPSG:32632":
        there = Transformer.from_crs(str(grid.crs), "EPSG:32632", always_xy=True)
        x, y = there.transform(x, y)
    return (x - WEST) / 10, (SOUTH + 10 * SIDE - y) / 10


def nearest(grid, numbers):
    column, row = positions(grid)
    inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    found = numbers[
        np.clip(np.floor(row).astype(int), 0, SIDE - 1),
        np.clip(np.floor(column).astype(int), 0, SIDE - 1),
    ].astype("float32")
    return np.where(inside & (found > 0), found, np.nan)


def at_borders(grid, width=0.002):
    """Cells whose centre lies within ``width`` pixels of a border between two pixels."""
    column, row = positions(grid)
    return (np.abs(column - np.round(column)) < width) | (np.abs(row - np.round(row)) < width)


GRIDS = {
    "inside": GeoBox.from_bbox((501_000, 5_401_000, 504_000, 5_404_000), "EPSG:32632",
                               resolution=10),
    "shifted": GeoBox.from_bbox((501_003, 5_401_003, 504_003, 5_404_003), "EPSG:32632",
                                resolution=10),
    "over the edge": GeoBox.from_bbox((498_000, 5_404_000, 501_000, 5_407_000), "EPSG:32632",
                                      resolution=10),
    "other zone": neighbour_zone(),
}  # fmt: skip


@pytest.mark.parametrize("name", GRIDS)
def test_nearest_pixels_are_those_of_exact_positions(item, numbers, name):
    grid = GRIDS[name]
    read = load(item, ["red"], grid)["red"]
    assert read.dims == ("y", "x")
    assert read.dtype == "float32"
    assert read.odc.geobox == grid
    differs = ~np.isclose(read.values, nearest(grid, numbers), equal_nan=True)
    # A position is good to a thousandth of a pixel.
    assert not (differs & ~at_borders(grid)).any()


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_numbers_do_not_hang_on_the_chunks(item, name, resampling):
    grid = GRIDS[name]
    whole = load(item, ["red"], grid, resampling=resampling)["red"].values
    for chunks in (97, 256, 1000):
        lazy = load(item, ["red"], grid, resampling=resampling, chunks=chunks)["red"]
        assert lazy.chunks is not None
        np.testing.assert_array_equal(lazy.values, whole)


def test_larger_cells_are_blurred_alike_in_all_chunks(item):
    grid = neighbour_zone(resolution=30)
    whole = load(item, ["red"], grid, resampling="bilinear")["red"].values
    lazy = load(item, ["red"], grid, resampling="bilinear", chunks=50)["red"].values
    np.testing.assert_array_equal(lazy, whole)
    assert np.nanstd(whole) < 0.5 * 9000 / np.sqrt(12)


@pytest.mark.parametrize("chunks", [None, 100, 37])
@pytest.mark.parametrize("offset", [0, 4, -2500, 5500])
@pytest.mark.parametrize("cell", [2.5, 10, 20, 30])
def test_cells_of_other_sizes_take_the_pixel_of_their_centre(item, numbers, cell, offset, chunks):
    west, south = WEST + offset, SOUTH + 1000 + offset
    grid = GeoBox.from_bbox((west, south, west + 600, south + 300), "EPSG:32632", resolution=cell)
    read = load(item, ["red"], grid, chunks=chunks)["red"].values
    column, row = positions(grid)
    inside = (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)
    np.testing.assert_array_equal(np.isfinite(read[~inside]), False)
    np.testing.assert_array_equal(read, nearest(grid, numbers))


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_a_raster_with_its_south_up_is_turned(tmp_path, item, numbers, resampling):
    path = tmp_path / "up.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16", nodata=0,
        crs="EPSG:32632", transform=rasterio.Affine(10, 0, WEST, 0, 10, SOUTH),
    ) as sink:  # fmt: skip
        sink.write(numbers[::-1], 1)
    grid = GRIDS["inside"]
    turned = load({"assets": {"red": {"href": str(path)}}}, ["red"], grid, resampling=resampling)
    straight = load(item, ["red"], grid, resampling=resampling)
    np.testing.assert_array_equal(turned["red"], straight["red"])


def test_bilinear_across_zones_follows_a_plane(tmp_path):
    j, i = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    path = tmp_path / "plane.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16",
        crs="EPSG:32632", transform=SOURCE.affine,
    ) as sink:  # fmt: skip
        sink.write((1000 + 10 * j + 5 * i).astype("uint16"), 1)
    grid = neighbour_zone()
    read = load({"assets": {"red": {"href": str(path)}}}, ["red"], grid, resampling="bilinear")
    column, row = positions(grid)
    want = 1000 + 10 * (column - 0.5) + 5 * (row - 0.5)
    deep = (column > 1) & (column < SIDE - 1) & (row > 1) & (row < SIDE - 1)
    assert np.abs(read["red"].values - want)[deep].max() < 0.02


def test_a_tile_elsewhere_gives_nothing(item):
    far = GeoBox.from_bbox((700_000, 5_400_000, 701_000, 5_401_000), "EPSG:32632", resolution=10)
    assert np.isnan(load(item, ["red"], far)["red"]).all()
    assert np.isnan(load(item, ["red"], far, chunks=64)["red"].values).all()


def test_nodata_of_the_item_and_of_the_file(item, numbers):
    grid = GRIDS["inside"]
    bare = {"assets": {"red": {"href": item["assets"]["red"]["href"]}}}
    assert float(load(bare, ["red"], grid)["red"].min()) == 0.0
    assert float(load(item, ["red"], grid)["red"].min()) > 0.0
    other = {"href": item["assets"]["red"]["href"], "raster:bands": [{"nodata": 77}]}
    read = load({"assets": {"red": other}}, ["red"], grid)["red"].values
    assert not (read == 77).any()
    assert np.isnan(read).sum() == (numbers[200:500, 102:402] == 77).sum()


def test_missing_assets_and_files_are_named(item, tmp_path):
    with pytest.raises(InputError, match=r"no asset 'nir'.*It has: red"):
        load(item, ["nir"], GRIDS["inside"])
    gone = {"assets": {"red": {"href": str(tmp_path / "gone.tif")}}}
    lazy = load(gone, ["red"], GRIDS["inside"], chunks=100)
    with pytest.raises(InputError, match=r"gone\.tif"):
        lazy.compute()


@settings(max_examples=8, deadline=None)
@given(top=st.integers(0, 250), left=st.integers(0, 250), side=st.integers(1, 200))
def test_any_chunking_of_any_window(item, top, left, side):
    grid = GRIDS["other zone"][top : top + 150, left : left + 150]
    whole = load(item, ["red"], grid, resampling="bilinear")["red"].values
    chunked = load(item, ["red"], grid, resampling="bilinear", chunks=max(side, 30))["red"]
    np.testing.assert_array_equal(chunked.values, whole)


def test_first_valid_value_wins(item):
    whole = load(item, ["red"], GRIDS["over the edge"])
    first = whole.where(whole["x"] < 500_500)
    first["red"].attrs = {"units": "1"}
    merged = first_valid([first, whole + 1, whole + 2])["red"]
    west = merged.where(merged["x"] < 500_500, drop=True)
    east = merged.where(merged["x"] > 500_500, drop=True)
    np.testing.assert_array_equal(west, whole["red"].sel(x=west["x"]))
    np.testing.assert_array_equal(east, whole["red"].sel(x=east["x"]) + 1)
    assert merged.attrs == {"units": "1"}
