from __future__ import annotations

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from PIL import Image

from heliopolis.simulate.materials import CODE
from heliopolis.simulate.render import Look, render
from heliopolis.simulate.training_images import samples, write_training_images


@pytest.fixture(scope="module")
def scene(tiny_city):
    west, south, _, _ = tiny_city.core_bounds
    grid = GeoBox.from_bbox((west, south, west + 160, south + 160), "EPSG:2154", resolution=0.4)
    return grid, render(tiny_city, grid, Look(), 1)


def test_picture_shows_what_is_there(tiny_city, scene):
    grid, picture = scene
    cover = tiny_city.landcover(grid)
    roof = tiny_city.built_height(grid) > 1.5
    assert (roof == picture.roof).mean() > 0.998
    assert picture.image.shape == (4, 400, 400)
    assert picture.image.min() >= 1
    red, _, _, nir = picture.image.astype("float64")
    lush = np.isin(cover, [CODE["tree"]]) & ~picture.roof
    assert np.median(nir[lush] - red[lush]) > 40
    assert np.median(nir[picture.roof] - red[picture.roof]) < 10


def test_north_slopes_are_darker(tiny_city, scene):
    grid, picture = scene
    planes = tiny_city.planes
    steep = planes[(planes["tilt_deg"] > 25) & (planes["material"] == "roof_tile")]
    from heliopolis.simulate.burning import burn

    side = np.zeros(grid.shape, dtype="uint8")
    azimuth = steep["azimuth_deg"]
    code = np.where((azimuth - 145).abs() < 60, 1, np.where((azimuth - 325).abs() < 60, 2, 0))
    burn(side, grid, steep.geometry.to_numpy(), code)
    red = picture.image[0].astype("float64")
    assert red[side == 1].mean() > red[side == 2].mean() + 15


def test_same_seed_same_picture(tiny_city, scene):
    grid, picture = scene
    assert (render(tiny_city, grid, Look(), 1).image == picture.image).all()


def test_lean_moves_roofs_by_their_height(tiny_city, scene):
    grid, picture = scene
    leaning = render(tiny_city, grid, Look(lean=(0.05, 0.0)), 1)
    assert 0.95 < (leaning.roof == picture.roof).mean() < 0.999
    assert leaning.roof.mean() == pytest.approx(picture.roof.mean(), rel=0.03)


def test_training_images(tmp_path):
    write_training_images(tmp_path, 3, seed=5)
    image = np.asarray(Image.open(tmp_path / "image" / "002.png"))
    mask = np.asarray(Image.open(tmp_path / "mask" / "002.png"))
    assert image.shape == (256, 256, 3)
    assert set(np.unique(mask)) <= {0, 255}
    again = [sample.image for sample in samples(3, 5)]
    assert (again[2] == image).all()
