from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, GridError
from heliopolis.simulate.city import TINY, CitySpec, build_city
from heliopolis.simulate.materials import BY_CODE, CODE, MATERIALS, OPTICAL_BANDS, table


def grid_of(bounds, resolution):
    return GeoBox.from_bbox(bounds, TINY.crs, resolution=resolution)


def test_same_seed_same_city_other_seed_another(tiny_city):
    again = build_city(TINY)
    for name in ("buildings", "planes", "obstacles", "existing_pv", "trees", "places"):
        left, right = getattr(tiny_city, name), getattr(again, name)
        assert left.drop(columns="geometry").equals(right.drop(columns="geometry")), name
        assert (shapely.to_wkb(left.geometry) == shapely.to_wkb(right.geometry)).all(), name
    other = build_city(replace(TINY, seed=2))
    assert len(other.buildings) != len(tiny_city.buildings)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_core_has_every_roof_and_a_school(seed):
    city = build_city(replace(TINY, seed=seed))
    core = shapely.box(*city.core_bounds)
    inside = city.buildings[city.buildings.within(core)]
    roofs = set(inside["roof"])
    assert {"gable", "hip", "flat", "sawtooth"} <= roofs
    touching = city.buildings[city.buildings.intersects(core)]
    assert touching["roof"].isin(["ell", "courtyard", "flat_courtyard"]).any()
    schools = city.places[city.places["kind"] == "school"]
    assert schools.intersects(core).any()


def test_demo_core_is_large_enough(demo_city):
    city = demo_city
    inside = city.buildings.within(shapely.box(*city.core_bounds))
    assert inside.sum() >= 250
    assert {"ell", "courtyard", "shed"} <= set(city.buildings["roof"][inside])
    assert set(city.places["kind"]) == {"district", "school", "college", "hospital"}


def test_planes_tile_the_roofs(tiny_city):
    """Planes and parapets of a roof cover its outline once, without gap or overlap."""
    detailed = tiny_city.buildings[tiny_city.buildings["detailed"]].set_index("building_id")
    planes = tiny_city.planes.geometry.area.groupby(tiny_city.planes["building_id"]).sum()
    parapets = tiny_city.obstacles[tiny_city.obstacles["part"] == "parapet"]
    rims = parapets.geometry.area.groupby(parapets["building_id"]).sum()
    covered = planes.add(rims, fill_value=0).reindex(detailed.index)
    np.testing.assert_allclose(covered, detailed.geometry.area, rtol=1e-6)
    union = tiny_city.planes.geometry.union_all().area
    assert union == pytest.approx(tiny_city.planes.geometry.area.sum(), rel=1e-4)


def test_planes_agree_with_the_surface(tiny_city):
    """Height of the surface on a plane is that of its equation, to the centimetre."""
    grid = grid_of(tiny_city.core_bounds, 0.5)
    surface = tiny_city.surface(grid)
    x = grid.affine.c + 0.5 * (np.arange(grid.width) + 0.5)
    y = grid.affine.f - 0.5 * (np.arange(grid.height) + 0.5)
    things = tiny_city.obstacles.geometry.union_all().buffer(0.01)
    checked = 0
    for plane in tiny_city.planes.itertuples():
        west, south, east, north = plane.geometry.bounds
        cols = np.flatnonzero((x > west) & (x < east))
        rows = np.flatnonzero((y > south) & (y < north))
        if not len(cols) or not len(rows):
            continue
        xx, yy = np.meshgrid(x[cols], y[rows])
        points = shapely.points(xx, yy)
        on = shapely.contains(plane.geometry.buffer(-0.01), points)
        on &= ~shapely.intersects(things, points)
        expected = plane.a * xx + plane.b * yy + plane.c
        got = surface[np.ix_(rows, cols)]
        assert np.abs(got[on] - expected[on]).max(initial=0) < 0.01
        checked += on.sum()
    assert checked > 10_000


def test_tilt_and_azimuth_follow_from_the_equation(tiny_city):
    planes = tiny_city.planes
    flat = planes["azimuth_deg"].isna()
    assert (planes["tilt_deg"][flat] < 1e-3).all()
    assert (planes["tilt_deg"][~flat] > 4).all()
    downhill = np.radians(planes["azimuth_deg"][~flat])
    drop = planes["a"][~flat] * np.sin(downhill) + planes["b"][~flat] * np.cos(downhill)
    slope = np.tan(np.radians(planes["tilt_deg"][~flat]))
    np.testing.assert_allclose(drop, -slope, atol=1e-9)


def test_landcover_agrees_with_buildings(tiny_city):
    grid = grid_of(tiny_city.core_bounds, 1.0)
    cover = tiny_city.landcover(grid)
    roofs = np.isin(cover, [m.code for m in MATERIALS if m.is_roof])
    built = tiny_city.built_height(grid) > 1.5
    assert (roofs == built).mean() > 0.999
    area = tiny_city.buildings.clip(shapely.box(*tiny_city.core_bounds)).area.sum()
    assert roofs.sum() == pytest.approx(area, rel=0.01)
    assert set(np.unique(cover)) <= set(BY_CODE)
    panels = (tiny_city.landcover(grid_of(tiny_city.core_bounds, 0.2)) == CODE["pv_panel"]).sum()
    inside = tiny_city.existing_pv.clip(shapely.box(*tiny_city.core_bounds)).area.sum()
    assert panels * 0.04 == pytest.approx(inside, rel=0.05)


def test_products_do_not_depend_on_the_grid_extent(tiny_city):
    whole = grid_of(tiny_city.core_bounds, 2.0)
    part = whole[20:70, 30:90]
    assert (tiny_city.landcover(whole)[20:70, 30:90] == tiny_city.landcover(part)).all()
    np.testing.assert_array_equal(tiny_city.surface(whole)[20:70, 30:90], tiny_city.surface(part))


def test_a_part_shows_what_the_whole_shows(tiny_city):
    west, south, _, _ = tiny_city.core_bounds
    bounds = (west + 20, south + 20, west + 120, south + 110)
    grid, part = grid_of(bounds, 0.5), tiny_city.part(bounds)
    assert 0 < len(part.buildings) < len(tiny_city.buildings)
    assert (part.surface(grid) == tiny_city.surface(grid)).all()
    assert (part.landcover(grid) == tiny_city.landcover(grid)).all()


def test_extent_is_covered_and_has_town_and_country(tiny_city):
    cover = tiny_city.landcover(grid_of(tiny_city.bounds, 10.0))
    assert (cover > 0).all()
    share = {m.name: (cover == m.code).mean() for m in MATERIALS}
    for name in ("asphalt", "grass", "crop", "forest", "water", "roof_tile", "roof_metal"):
        assert share[name] > 0.003, name


def test_no_building_stands_on_another_and_no_tree_in_a_house(tiny_city):
    outlines = tiny_city.buildings.geometry.to_numpy()
    i, j = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    i, j = i[i < j], j[i < j]
    assert shapely.area(shapely.intersection(outlines[i], outlines[j])).max() < 0.05
    hits = tiny_city.trees.sindex.query(outlines, predicate="intersects")
    assert hits.shape[1] == 0


def test_terraced_houses_touch(tiny_city):
    rows = tiny_city.buildings[tiny_city.buildings["use"] == "terraced"]
    near = rows.sindex.query(rows.geometry, predicate="dwithin", distance=1e-6)
    assert near.shape[1] > 2 * len(rows)


def test_districts_tile_the_extent(tiny_city):
    districts = tiny_city.places[tiny_city.places["kind"] == "district"]
    assert districts.area.sum() == pytest.approx(TINY.size_m**2)
    assert districts.union_all().area == pytest.approx(TINY.size_m**2)
    assert tiny_city.places["place_id"].is_unique


def test_existing_panels_lie_on_their_plane(tiny_city):
    planes = tiny_city.planes.set_index("plane_id").geometry
    for panel in tiny_city.existing_pv.itertuples():
        assert planes[panel.plane_id].contains(panel.geometry)


def test_wrong_core_and_wrong_grid_are_refused(tiny_city):
    with pytest.raises(ConfigError, match="does not fit"):
        CitySpec(size_m=1000, core_m=900)
    with pytest.raises(GridError, match="EPSG:2154"):
        tiny_city.landcover(GeoBox.from_bbox((2, 48, 3, 49), "EPSG:4326", resolution=0.1))


def test_materials_are_physical():
    values = table()
    bands = values[list(OPTICAL_BANDS)]
    assert ((bands > 0) & (bands < 1)).all().all()
    for name in ("emissivity_b10", "emissivity_b11"):
        assert ((values[name] + values["emissivity_spread"]) < 1.0).all()
        assert (values[name] > 0.3).all()
    assert values.loc[CODE["white_roof"], "albedo"] == values["albedo"].max()
    ndvi = (bands["nir"] - bands["red"]) / (bands["nir"] + bands["red"])
    green = [m.code for m in MATERIALS if m.is_vegetation]
    assert (ndvi[green] > 0.7).all()
    assert (ndvi.drop(green) < 0.3).all()
