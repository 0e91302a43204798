import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from heliopolis.errors import GridError
from heliopolis.thermal.conserve import Nesting, crop_to, fill_gaps


def box(west, south, east, north, cell, crs="EPSG:2154"):
    return GeoBox.from_bbox((west, south, east, north), crs, resolution=cell)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(100, 10), (90, 30), (100, 30), (1000, 70)]))
def test_smooth_field_has_exactly_the_given_means(seed, cells):
    coarse_m, fine_m = cells
    rng = np.random.default_rng(seed)
    coarse = box(0, 0, 9 * coarse_m, 7 * coarse_m, coarse_m)
    rows, columns = int(7 * coarse_m // fine_m), int(9 * coarse_m // fine_m)
    fine = GeoBox(
        (rows, columns), coarse.affine * coarse.affine.scale(fine_m / coarse_m), coarse.crs
    )
    nest = Nesting.between(coarse, fine)
    values = 300 + 5 * rng.standard_normal(coarse.shape)
    np.testing.assert_allclose(nest.mean(nest.smooth(values)), values, atol=1e-8)


def test_means_are_weighted_by_overlap():
    nest = Nesting.between(box(0, 0, 20, 10, 10), box(0, 0, 20, 8, 4))
    row = np.tile(np.arange(5.0), (2, 1))
    np.testing.assert_allclose(nest.mean(row)[0], [(0 * 4 + 1 * 4 + 2 * 2) / 10, 3.2])


def test_constant_stays_constant_and_gaps_are_filled():
    nest = Nesting.between(box(0, 0, 500, 500, 100), box(0, 0, 500, 500, 10))
    np.testing.assert_allclose(nest.smooth(np.full((5, 5), 300.0)), 300.0)
    holed = np.full((5, 5), 290.0)
    holed[2, 2] = np.nan
    np.testing.assert_allclose(fill_gaps(holed), 290.0)
    assert np.isnan(holed[2, 2])


def test_grids_that_do_not_fit_are_refused():
    with pytest.raises(GridError, match="overlap"):
        crop_to(box(0, 0, 500, 500, 100), box(900, 0, 1000, 100, 10))
    with pytest.raises(GridError, match="EPSG"):
        crop_to(box(0, 0, 500, 500, 100), box(0, 0, 100, 100, 10, "EPSG:32631"))
    with pytest.raises(GridError, match="coarser"):
        crop_to(box(0, 0, 500, 500, 10), box(0, 0, 500, 500, 100))
