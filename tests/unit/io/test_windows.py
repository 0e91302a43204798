import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.errors import InputError
from heliopolis.io.raster import read_onto, write_cog
from heliopolis.io.windows import ClassWindows, Joined, RasterWindows

OWN = GeoBox.from_bbox((650_000, 6_860_000, 650_900, 6_860_700), "EPSG:2154", resolution=10)


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    rng = np.random.default_rng(1)
    values = rng.random(OWN.shape).astype("float32")
    values[10:20, 30:50] = np.nan
    path = tmp_path_factory.mktemp("windows") / "bands.tif"
    codes = rng.integers(1, 4, OWN.shape).astype("float32")
    write_cog(path, xr.Dataset({"a": wrap_xr(values, OWN), "c": wrap_xr(codes, OWN)}))
    write_cog(path.with_name("codes.tif"), {"c": wrap_xr(codes, OWN)}, dtype="uint8",
              overview_resampling="mode")  # fmt: skip
    return path


GRIDS = {
    "same": OWN,
    "shifted, partly outside": GeoBox.from_bbox((649_803, 6_860_107, 650_503, 6_860_807),
                                                "EPSG:2154", resolution=7),
    "coarser": GeoBox.from_bbox((650_000, 6_860_000, 650_900, 6_860_690), "EPSG:2154",
                                resolution=30),
    "another CRS": GeoBox.from_bbox((450_700, 5_410_000, 451_300, 5_410_500), "EPSG:32631",
                                    resolution=10),
}  # fmt: skip


@pytest.mark.parametrize("name", GRIDS)
def test_windows_are_cut_from_the_whole(raster, name):
    grid = GRIDS[name]
    if name == "another CRS":
        box = OWN.extent.to_crs("EPSG:32631").boundingbox
        grid = GeoBox.from_bbox(box.bbox, "EPSG:32631", resolution=10)
    source = RasterWindows([raster], grid)
    height, width = source.shape
    whole = source.window(slice(0, height), slice(0, width))
    assert whole.shape == (2, *grid.shape)
    part = source.window(slice(5, 15), slice(3, 18))
    np.testing.assert_array_equal(part, whole[:, 5:15, 3:18])
    if name == "same":
        expected = read_onto([raster], grid).to_array().values
        np.testing.assert_array_equal(whole, expected)
    assert np.isfinite(whole).mean() > 0.5


def test_class_shares_add_up_and_too_many_classes_are_refused(raster):
    coarse = GRIDS["coarser"]
    source = Joined([ClassWindows(raster.with_name("codes.tif"), coarse)])
    shares = source.window(slice(0, 20), slice(0, 30))
    assert source.names == ["class_1", "class_2", "class_3"]
    np.testing.assert_allclose(np.nansum(shares, axis=0), 1.0, atol=1e-5)
    assert set(np.unique(np.round(shares * 9, 4))) <= set(range(10))
    with pytest.raises(InputError, match="different values"):
        ClassWindows(raster, coarse)
