from __future__ import annotations

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from heliopolis.roofs.ground import fill_terrain, ground_mask
from heliopolis.roofs.surface_model import (
    crop,
    reach_m,
    surface_from_points,
    surface_from_rasters,
    with_halo,
)

CRS = "EPSG:2154"


def town(side: float, density: float = 6, seed: int = 0, origin: tuple[float, float] = (0, 0)):
    """Sloping ground, blocks of 7 m on a lattice of 40 m, trees between them."""
    rng = np.random.default_rng(seed)
    count = int(side**2 * density)
    x, y = (
        origin[0] + rng.uniform(0, side, (1, count)),
        origin[1] + rng.uniform(0, side, (1, count)),
    )
    x, y = x.ravel(), y.ravel()
    u, v = x % 40, y % 40
    house = (u > 10) & (u < 22) & (v > 10) & (v < 25)
    tree = (u - 32) ** 2 + (v - 32) ** 2 < 9
    ground = 100 + 0.02 * x + 0.01 * y
    z = np.where(house, ground + 7, np.where(tree, ground + rng.uniform(3, 8, count), ground))
    kind = np.where(house, 6, np.where(tree, 5, 2)).astype("uint8")
    return x, y, z + rng.normal(0, 0.02, count), kind


@pytest.mark.parametrize("classified", [True, False])
def test_surface_terrain_and_trees_of_a_town(classified: bool) -> None:
    x, y, z, kind = town(120)
    grid = GeoBox.from_bbox((0, 0, 120, 120), CRS, resolution=0.5)
    codes = kind if classified else np.zeros_like(kind)
    made = surface_from_points(x, y, z, codes, grid, classified=classified)
    xx, yy = np.meshgrid(made.x.values, made.y.values)
    u, v = xx % 40, yy % 40
    ground = 100 + 0.02 * xx + 0.01 * yy
    house = (u > 10) & (u < 22) & (v > 10) & (v < 25)
    inner = (u > 11) & (u < 21) & (v > 11) & (v < 24)
    crown = (u - 32) ** 2 + (v - 32) ** 2 < 4
    open_ = ~house & ((u - 32) ** 2 + (v - 32) ** 2 > 16)
    assert np.isfinite(made.dsm_m.values).mean() > 0.999
    assert np.abs(made.dtm_m.values - ground).max() < (0.3 if classified else 0.6)
    assert np.abs(made.dsm_m.values - ground - 7)[inner].max() < 0.2
    assert made.tree.values[crown].mean() > 0.9
    assert made.tree.values[inner].mean() == 0
    assert made.tree.values[open_].mean() < 0.01


def test_edges_of_roofs_stay_sharp() -> None:
    x, y, z, kind = town(80, density=3)
    grid = GeoBox.from_bbox((0, 0, 80, 80), CRS, resolution=0.5)
    dsm = surface_from_points(x, y, z, kind, grid, classified=True).dsm_m
    xx, yy = np.meshgrid(dsm.x.values, dsm.y.values)
    above = dsm.values - (100 + 0.02 * xx + 0.01 * yy)
    quiet = ((xx % 40 - 32) ** 2 + (yy % 40 - 32) ** 2) > 16
    between = (above > 0.3) & (above < 6.7) & quiet
    assert between.mean() < 1e-3


def test_large_holes_stay_unknown() -> None:
    x, y, z, kind = town(60)
    keep = ~((x > 20) & (x < 32) & (y > 30) & (y < 42))
    grid = GeoBox.from_bbox((0, 0, 60, 60), CRS, resolution=0.5)
    made = surface_from_points(x[keep], y[keep], z[keep], kind[keep], grid, classified=True)
    assert np.isnan(made.dsm_m.sel(x=26.25, y=36.25))
    assert np.isnan(made.tree.sel(x=26.25, y=36.25))
    assert np.isfinite(made.dtm_m.sel(x=26.25, y=36.25))


@pytest.mark.parametrize("classified", [True, False])
def test_tiles_equal_the_whole(classified: bool) -> None:
    west, south = 652_000.0, 6_862_000.0
    x, y, z, kind = town(300, density=2, origin=(west, south))
    if not classified:
        kind = np.zeros_like(kind)

    def made(bounds: tuple[float, float, float, float], halo: float):
        tile = GeoBox.from_bbox(bounds, CRS, resolution=1.0)
        wide = with_halo(tile, halo) if halo else tile
        box = wide.boundingbox
        near = (x >= box.left) & (x <= box.right) & (y >= box.bottom) & (y <= box.top)
        whole = surface_from_points(
            x[near], y[near], z[near], kind[near], wide, classified=classified
        )
        return crop(whole, tile)

    a, b, c, d = west + 100, south + 100, west + 150, south + 150
    small = made((a, b, c, d), reach_m(classified))
    large = made((west - 50, south - 50, west + 250, south + 250), reach_m(classified))
    part = large.sel(x=slice(a, c), y=slice(d, b))
    for name in ("dsm_m", "dtm_m", "tree"):
        assert np.array_equal(small[name].values, part[name].values, equal_nan=True), name


def test_rasters_of_heights() -> None:
    grid = GeoBox.from_bbox((0, 0, 60, 60), CRS, resolution=0.5)
    x, y, z, kind = town(60, density=12)
    made = surface_from_points(x, y, z, kind, grid, classified=True)
    dsm, dtm = made.dsm_m.values, made.dtm_m.values
    again = surface_from_rasters(dsm, dtm, grid)
    assert np.allclose(again.dsm_m.values, dsm, equal_nan=True)
    assert np.allclose(again.dtm_m.values, dtm)
    assert (again.tree.values == made.tree.values).mean() > 0.97
    found = surface_from_rasters(dsm, None, grid)
    assert np.abs(found.dtm_m.values - dtm).max() < 0.6


def test_ground_filter_keeps_a_hillside_and_closes_a_pit() -> None:
    _, xx = np.mgrid[0:200, 0:400].astype("float64")
    hill = 0.15 * xx
    surface = hill.copy()
    surface[80:110, 90:120] += 6
    surface[40, 40] -= 10
    mask = ground_mask(surface, 1.0)
    assert not mask[80:110, 90:120].any()
    assert not mask[40, 40]
    mask[80:110, 90:120] = True
    assert mask[30:170, 30:330].mean() > 0.99


def test_filling_is_exact_on_a_plane_inside_and_leaves_the_far_unknown() -> None:
    yy, xx = np.mgrid[0:256, 0:256].astype("float64")
    plane = 5 + 0.05 * xx - 0.02 * yy
    gap = plane.copy()
    gap[100:130, 100:130] = np.nan
    filled = fill_terrain(gap, 0.5, 0, 0)
    assert np.abs(filled - plane).max() < 0.2
    assert np.array_equal(filled[np.isfinite(gap)], plane[np.isfinite(gap)])
    assert np.isnan(fill_terrain(np.full((8, 8), np.nan), 0.5, 0, 0)).all()
