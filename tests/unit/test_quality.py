import dask.array as da
import numpy as np
import pytest
import xarray as xr

from heliopolis.errors import InputError
from heliopolis.quality import (
    dilate,
    dilate_m,
    flag_set,
    landsat_clear,
    landsat_cloud,
    qa_bit,
    scl_clear,
    slstr_clear,
)


def test_qa_pixel_words_of_the_product_guide():
    # 21824 clear, 21952 clear over water, 22280 high-confidence cloud, 23888 cloud shadow,
    # 21826 dilated cloud, 54596 cirrus, 30048 clear over snow, 1 fill.
    words = xr.DataArray([21824, 21952, 22280, 23888, 21826, 54596, 30048, 1], dims="x") * 1.0
    assert landsat_clear(words).values.tolist() == [True, True] + [False] * 4 + [True, False]
    assert qa_bit(words, "water").values.tolist()[:3] == [False, True, False]
    assert landsat_cloud(words).values.tolist()[2:6] == [True, True, False, True]


def test_scene_classes_keep_dark_streets_and_drop_clouds():
    scl = xr.DataArray(np.array([*range(12), np.nan]), dims="x")
    kept = np.flatnonzero(scl_clear(scl).values)
    assert kept.tolist() == [2, 4, 5, 6, 7]


def test_flags_are_read_by_meaning_and_not_by_position():
    flags = xr.DataArray(
        np.array([0, 1, 2, 3], dtype="uint16"),
        dims="x",
        attrs={"flag_meanings": "summary_cloud unfilled", "flag_masks": np.array([2, 1])},
    )
    assert flag_set(flags, "summary_cloud").values.tolist() == [False, False, True, True]
    assert slstr_clear(flags).values.tolist() == [True, False, False, False]
    with pytest.raises(InputError, match="summary_cloud"):
        flag_set(flags, "snow")


def test_enumerated_flags():
    flags = xr.DataArray(
        np.array([1, 2, 3], dtype="uint8"),
        dims="x",
        attrs={"flag_meanings": "a b c", "flag_values": np.array([1, 2, 3])},
    )
    assert flag_set(flags, "c").values.tolist() == [False, False, True]


def test_dilation_does_not_depend_on_chunks():
    mask = np.zeros((40, 50), dtype=bool)
    mask[19, 24] = mask[0, 0] = True
    eager = dilate(xr.DataArray(mask, dims=("y", "x")), 3)
    lazy = dilate(xr.DataArray(da.from_array(mask, chunks=(20, 25)), dims=("y", "x")), 3)
    assert lazy.chunks is not None
    assert eager.values.sum() == 49 + 16
    np.testing.assert_array_equal(lazy.values, eager.values)


@pytest.mark.parametrize("cells", [3, 20, 60])
def test_surroundings_may_be_wider_than_the_array(cells):
    mask = xr.DataArray(np.random.default_rng(1).random((17, 40)) > 0.98, dims=("y", "x"))
    eager = dilate_m(mask, 10.0 * cells, 10.0)
    lazy = dilate_m(mask.chunk({"y": 5, "x": 9}), 10.0 * cells, 10.0)
    np.testing.assert_array_equal(lazy.values, eager.values)
