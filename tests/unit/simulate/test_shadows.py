from __future__ import annotations

import numpy as np
import pytest

from heliopolis.simulate.shadows import cast_shadow


def tower(height=10.0):
    top = np.zeros((61, 61), dtype="float32")
    top[29:32, 29:32] = height
    return top


@pytest.mark.parametrize(
    ("azimuth", "row", "col"),
    [(180, -1, 0), (0, 1, 0), (90, 0, -1), (270, 0, 1), (135, -1, -1), (225, -1, 1)],
)
def test_shadow_points_away_from_the_sun(azimuth, row, col):
    """A tower of 10 m under a sun at 45 degrees throws a shadow of 10 m."""
    shadow = cast_shadow(tower(), 1.0, azimuth, 45.0)
    reach = 10 / np.hypot(row, col)
    near, far = int(0.6 * reach) + 1, int(1.4 * reach) + 3
    assert shadow[30 + row * near, 30 + col * near]
    assert not shadow[30 + row * far, 30 + col * far]
    assert not shadow[30 - row * near, 30 - col * near]
    assert not shadow[29:32, 29:32].any()


def test_length_follows_elevation_and_cell_size():
    for elevation, step in ((30.0, 1.0), (60.0, 1.0), (45.0, 0.5)):
        column = cast_shadow(tower(8.0), step, 180.0, elevation)[:29, 30]
        assert column.sum() * step == pytest.approx(
            8 / np.tan(np.radians(elevation)), abs=1.5 * step
        )


def test_a_plane_has_no_shadow():
    assert not cast_shadow(np.full((20, 30), 3.0, dtype="float32"), 1.0, 140, 20).any()
