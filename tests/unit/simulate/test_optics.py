from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from heliopolis.simulate.landsat_mtl import THERMAL
from heliopolis.simulate.optics import (
    CLOUD_HEIGHT_M,
    Sampler,
    atmosphere,
    block_mean,
    blur,
    clouds,
    generator,
    smooth_noise,
)

GRID = GeoBox.from_bbox((650_000, 6_860_000, 654_000, 6_864_000), "EPSG:2154", resolution=10)


@given(
    st.floats(230, 340), st.floats(0.7, 0.99), st.floats(2, 60), st.sampled_from([10, 11]),
    st.sampled_from(["landsat-8", "landsat-9"]),
)  # fmt: skip
def test_radiance_at_the_sensor_inverts_to_the_temperature(kelvin, emissivity, tcwv, band, name):
    k = THERMAL[name][band]
    air = atmosphere(band, k, np.float64(tcwv), 295.0)
    true = np.array([kelvin])
    radiance = air.at_sensor(true, np.array([emissivity]), k)
    # the float32 radiance limits what comes back through thick air
    assert air.surface_temperature(radiance, np.array([emissivity]), k) == pytest.approx(
        true, abs=0.02
    )


def test_atmosphere_lies_where_real_scenes_lie():
    k = THERMAL["landsat-8"][10]
    values = [float(atmosphere(10, k, np.float64(w), 298.0).transmittance) for w in (4, 15, 25, 55)]
    # Real Landsat scenes have 0.968 at 2 mm over ice, 0.81 to 0.86, 0.73 and 0.35 to 0.37; here
    # there is the haze of 23 km of visibility everywhere.
    assert values == pytest.approx([0.93, 0.85, 0.74, 0.37], abs=0.02)
    assert values == sorted(values, reverse=True)
    b11 = atmosphere(11, THERMAL["landsat-8"][11], np.float64(25), 298.0)
    assert float(b11.transmittance) < values[2]


def test_blur_keeps_the_mean_and_spreads_a_point_to_its_width():
    point = np.zeros((201, 201), dtype="float32")
    point[100, 100] = 1.0
    spread = blur(point, 100.0, 10.0)
    assert spread.sum() == pytest.approx(1.0, rel=1e-3)
    assert spread[100, 105] / spread[100, 100] == pytest.approx(0.5, abs=0.01)


def test_sampler_reads_a_plane_exactly_in_another_projection():
    rows, cols = np.indices(GRID.shape)
    x, y = GRID.affine * (cols + 0.5, rows + 0.5)
    box = GRID[100:300, 100:300].footprint("EPSG:32631").boundingbox
    target = GeoBox.from_bbox(box.bbox, "EPSG:32631", resolution=30)
    sampler = Sampler.between(GRID, target)
    assert sampler.inside.all()
    back = Sampler.between(target, GRID)
    plane = (0.01 * (x - 652_000) + 0.02 * (y - 6_862_000)).astype("float32")
    on_target = sampler.read(plane)
    again = back.read(on_target)
    inner = np.zeros(GRID.shape, dtype=bool)
    inner[110:290, 110:290] = True
    np.testing.assert_allclose(again[inner], plane[inner], atol=0.02)


@pytest.mark.parametrize("length", [15.0, 90.0, 700.0])
def test_noise_is_standard_and_as_smooth_as_asked(length):
    noise = smooth_noise((400, 400), length, 10.0, np.random.default_rng(1))
    assert noise.shape == (400, 400)
    assert abs(noise.mean()) < 0.6
    assert 0.5 < noise.std() < 1.3
    step = np.abs(np.diff(noise, axis=1)).mean()
    assert step < 1.5 * 10.0 / length


def test_generator_depends_on_seed_and_purpose_only():
    one = generator(1, "a").standard_normal(3)
    assert np.array_equal(one, generator(1, "a").standard_normal(3))
    assert not np.array_equal(one, generator(1, "b").standard_normal(3))
    assert not np.array_equal(one, generator(2, "a").standard_normal(3))


@pytest.mark.parametrize("cover", [0.05, 0.4, 0.93])
def test_clouds_cover_what_was_asked(cover):
    sky = clouds(GRID, cover, 60.0, 150.0, np.random.default_rng(3))
    assert sky.cloud.mean() == pytest.approx(cover, abs=0.02)
    assert sky.opacity.min() >= 0.0
    assert sky.opacity.max() <= 1.0


def test_no_clouds_and_no_shadow_by_night():
    assert not clouds(GRID, 0.0, 60.0, 150.0, np.random.default_rng(3)).cloud.any()
    assert not clouds(GRID, 0.4, -20.0, 320.0, np.random.default_rng(3)).shadow.any()


def test_shadow_lies_away_from_the_sun():
    # sun in the south at 45 degrees: the shadow is the cloud moved north by its height
    sky = clouds(GRID, 0.3, 45.0, 180.0, np.random.default_rng(5))
    move = round(CLOUD_HEIGHT_M / 10.0)
    np.testing.assert_allclose(sky.shadow[:-move], sky.opacity[move:], atol=1e-6)


def test_block_mean():
    assert block_mean(np.arange(16.0).reshape(4, 4), 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
