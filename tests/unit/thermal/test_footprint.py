import dask
import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from heliopolis.thermal.footprint import footprint_sd, restored, seen_by_sensor


def grid(values):
    return xr.DataArray(np.asarray(values, dtype="float64"), dims=("y", "x"))


def test_a_slope_has_no_footprint_error_and_an_edge_has():
    rows, columns = np.indices((30, 40))
    slope = footprint_sd(grid(300.0 + 0.5 * rows + 0.2 * columns)).values
    np.testing.assert_allclose(slope[3:-3, 3:-3], 0.0, atol=1e-6)
    edge = footprint_sd(grid(np.where(columns < 20, 300.0, 304.0))).values
    assert edge[15, 5] == pytest.approx(0.0, abs=1e-6)
    # Two columns of five differ by 1 K from the mean of their neighbours.
    assert 0.5 < edge[15, 20] / (2 / 5) ** 0.5 < 1.4


def test_clouds_leave_the_rest_known():
    rng = np.random.default_rng(2)
    lst = 300.0 + rng.standard_normal((40, 50))
    lst[:, 10:20] = np.nan
    lst[20, 15] = 301.0
    made = footprint_sd(grid(lst)).values
    np.testing.assert_array_equal(np.isnan(made), np.isnan(lst))
    assert made[20, 15] > 0.5
    # Noise alone, nothing of it larger than a cell: the differences are all error, and more.
    assert 1.25**0.5 < np.nanmean(made) < 1.5


@pytest.mark.parametrize("slope", [1.0, 1.5])
def test_land_of_natural_spectrum_seen_by_the_sensor(slope):
    """Another realisation than those the factors come from, with its own chain."""
    rng = np.random.default_rng(77)
    size, factor = 600, 10
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(size, 10.0), np.fft.fftfreq(size, 10.0)))
    amplitude = np.where(k > 0, np.maximum(k, 1 / 3000.0) ** -slope, 0.0)
    land = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * amplitude).real
    land *= 3.0 / land.std()
    blurred = seen_by_sensor(grid(land), 10.0).values

    def cells(field):
        return field.reshape(size // factor, factor, size // factor, factor).mean(axis=(1, 3))

    z, seen, better = [], [], []
    for row, column in (
        (0, 4),
        (2, 8),
        (5, 1),
        (7, 6),
        (9, 3),
    ):  # where the sensor's pixels lie in the cells
        at = np.arange(size) / 10.0
        where = np.meshgrid(at - row / 10.0, at - column / 10.0, indexing="ij")
        picture = ndimage.map_coordinates(
            blurred[row::10, column::10], where, order=3, mode="nearest"
        )
        sd = footprint_sd(grid(cells(picture))).values
        error = restored(grid(cells(picture))).values - cells(land)
        z.append((np.abs(error) / sd)[4:-4, 4:-4])
        seen.append((cells(picture) - cells(land))[4:-4, 4:-4])
        better.append(error[4:-4, 4:-4])
    assert np.std(better) < 0.85 * np.std(seen)
    assert 0.63 < (np.array(z) < 1).mean() < 0.73
    assert 0.92 < (np.array(z) < 2).mean() < 0.98


def test_what_is_restored_keeps_the_mean_and_sharpens_the_peak():
    rows, columns = np.indices((31, 31))
    peak = grid(300.0 + 5.0 * np.exp(-((rows - 15.0) ** 2 + (columns - 15.0) ** 2) / 4.0))
    made = restored(peak)
    assert float(made.mean()) == pytest.approx(float(peak.mean()), abs=1e-3)
    assert float(made[15, 15]) > float(peak[15, 15]) + 0.5
    lone = grid(np.full((3, 3), np.nan))
    lone[1, 1] = 310.0
    np.testing.assert_array_equal(restored(lone).values, lone.values)


def test_lazy_is_eager():
    rng = np.random.default_rng(3)
    lst = grid(300.0 + rng.standard_normal((60, 70)))
    lst = lst.where(rng.random(lst.shape) > 0.2)
    for function in (footprint_sd, restored, lambda a: seen_by_sensor(a, 30.0)):
        eager = function(lst)
        for cut in ({"y": 20, "x": 23}, {"y": 60, "x": 9}):
            with dask.config.set(scheduler=_forbidden):
                lazy = function(lst.chunk(cut))
                assert lazy.chunks is not None
            np.testing.assert_array_equal(lazy.values, eager.values)


def _forbidden(*args, **kwargs):
    raise AssertionError("computed in library code")


def test_blur_keeps_what_is_even():
    even = seen_by_sensor(grid(np.full((20, 20), 0.97)), 30.0)
    np.testing.assert_allclose(even, 0.97)
