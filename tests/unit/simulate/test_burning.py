from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from heliopolis.simulate.burning import burn, burn_crowns, burn_discs, burn_planes, cell_centres

GRID = GeoBox.from_bbox((100, 200, 120, 215), "EPSG:2154", resolution=1)


def centres_inside(polygon):
    x, y = cell_centres(GRID)
    xx, yy = np.meshgrid(x, y)
    return shapely.contains(polygon, shapely.points(xx, yy))


coordinate = st.tuples(st.floats(95, 125, width=32), st.floats(195, 220, width=32))


@settings(max_examples=60, deadline=None)
@given(st.lists(coordinate, min_size=3, max_size=7))
def test_cells_whose_centre_is_inside_are_burnt(corners):
    polygon = shapely.MultiPoint(corners).convex_hull
    if polygon.geom_type != "Polygon":
        return
    out = np.zeros(GRID.shape, dtype="uint8")
    burn(out, GRID, np.array([polygon]), 7)
    x, y = cell_centres(GRID)
    points = shapely.points(*np.meshgrid(x, y))
    clear = shapely.distance(polygon.exterior, points) > 1e-6
    assert ((out == 7) == centres_inside(polygon))[clear].all()


def test_holes_stay_empty_and_later_polygons_win():
    ring = shapely.box(101, 201, 115, 213).difference(shapely.box(105, 205, 110, 209))
    out = np.zeros(GRID.shape, dtype="uint8")
    burn(out, GRID, np.array([ring, shapely.box(112, 200, 120, 215)]), [1, 2])
    assert (out == 1).sum() == 11 * 12 - 5 * 4
    assert (out == 2).sum() == 8 * 15
    assert out[7, 7] == 0


def test_polygons_in_several_parts():
    two = shapely.MultiPolygon([shapely.box(101, 201, 103, 203), shapely.box(110, 201, 113, 203)])
    out = np.zeros(GRID.shape, dtype="uint8")
    burn(out, GRID, np.array([two, shapely.box(110, 210, 111, 211)]), [1, 2])
    assert (out == 1).sum() == 4 + 6
    assert (out == 2).sum() == 1


def test_planes_raise_only():
    out = np.full(GRID.shape, 5.0)
    flat_and_slope = np.array([[0, 0, 4.0], [1.0, 0.0, -100.0]])
    burn_planes(out, GRID, np.array([shapely.box(100, 200, 120, 215)] * 2), flat_and_slope)
    x, _ = cell_centres(GRID)
    np.testing.assert_allclose(out[3], np.maximum(5.0, x - 100))


def test_crown_is_highest_in_the_middle_and_discs_are_round():
    one = [np.array([v]) for v in (110.5, 207.5, 4.0, 2.0, 9.0)]
    out = np.zeros(GRID.shape)
    burn_crowns(out, GRID, *one)
    assert out.max() == 9.0
    assert out[7, 10] == 9.0
    disc = np.zeros(GRID.shape, dtype="uint8")
    burn_discs(disc, GRID, one[0], one[1], np.array([4.0]), 1)
    assert disc.sum() == 49
