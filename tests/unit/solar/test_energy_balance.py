"""Energy is counted once: sums over cells, planes and months, mirrors, and taller neighbours."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliopolis.solar.horizon import horizon_of_cells
from heliopolis.solar.irradiance import facade_light, shading_of, transpose
from heliopolis.solar.irradiance_map import (
    annual_map,
    by_month,
    irradiation_maps,
    irradiation_of_cells,
    sunshine_quantiles,
)
from heliopolis.solar.mismatch import string_mismatch
from heliopolis.solar.sky import Sky
from heliopolis.solar.yield_ import lifetime_kwh, pv_yield

SHAPE = (26, 30)


def town(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    dsm = np.zeros(SHAPE)
    for _ in range(5):
        r, c = rng.integers(0, 20, 2)
        dsm[r : r + 6, c : c + 7] = rng.uniform(3, 15)
    return dsm.astype("float32")


def mirrored(sky: Sky) -> Sky:
    return dataclasses.replace(sky, azimuth_deg=(360.0 - sky.azimuth_deg) % 360.0)


def test_open_horizontal_cells_get_the_global_irradiation(year_sky: Sky) -> None:
    found = annual_map(np.zeros((4, 4), dtype="float32"), 1.0, year_sky)
    assert found == pytest.approx((year_sky.ghi * year_sky.hours).sum() / 1000.0, rel=0.005)


def test_months_of_cells_add_up_to_the_year(year_sky: Sky) -> None:
    dsm = town(1)
    months = irradiation_maps(dsm, 0.5, by_month(year_sky), directions=12).sum(axis=0)
    assert months.mean() == pytest.approx(
        annual_map(dsm, 0.5, year_sky, directions=12).mean(), rel=0.001
    )


def test_cells_of_a_plane_add_up_to_the_plane(year_sky: Sky) -> None:
    dsm = town(2)
    where = np.ones(SHAPE, dtype=bool)
    cells = where.sum()
    angles = horizon_of_cells(dsm, 0.5, where, 72)
    group = (np.arange(cells) % 3).astype(np.int64)
    tilt, azimuth = np.array([0.0, 30.0, 55.0]), np.array([np.nan, 170.0, 265.0])
    each = irradiation_of_cells(angles, tilt[group], azimuth[group], year_sky)
    shading = shading_of(angles, group, tilt, azimuth)
    plane = transpose(year_sky, tilt, azimuth, shading)
    count = np.bincount(group)
    of_planes = (plane.total @ year_sky.hours) / 1000.0
    assert np.bincount(group, weights=each) / count == pytest.approx(of_planes, rel=0.001)
    months = pv_yield(year_sky, plane, tilt).poa_kwh_m2_month
    assert months.sum(axis=1) == pytest.approx(of_planes, rel=1e-6)
    assert (of_planes * count).sum() == pytest.approx(each.sum(), rel=0.001)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_a_mirrored_town_under_a_mirrored_sun(year_sky: Sky, seed: int) -> None:
    dsm = town(seed)
    plain = annual_map(dsm, 0.5, year_sky, directions=12)
    turned = annual_map(dsm[:, ::-1].copy(), 0.5, mirrored(year_sky), directions=12)
    assert turned[:, ::-1] == pytest.approx(plain, rel=1e-3, abs=0.5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 20), st.booleans(), st.sampled_from([0.0, 0.2, 1.0]))
def test_a_taller_neighbour_never_adds_energy(
    year_sky: Sky, seed: int, extra: float, upright: bool, walls: float
) -> None:
    dsm = town(seed)
    taller = dsm.copy()
    taller[8:14, 8:14] += np.float32(extra)
    where = np.ones(SHAPE, dtype=bool)
    where[7:15, 7:15] = False
    n = int(where.sum())
    tilt, azimuth = np.full(n, 25.0), np.linspace(0.0, 350.0, n)
    before, after = (
        irradiation_of_cells(
            horizon_of_cells(z, 0.5, where, 12, upright=upright),
            *(tilt, azimuth, year_sky),
            facade_albedo=walls,
        )
        for z in (dsm, taller)
    )
    assert (after <= before * (1 + 1e-5)).all()


def test_walls_give_back_a_part_of_what_they_hide(year_sky: Sky) -> None:
    ring, group = np.full((36, 1), 30.0, dtype=np.float32), np.zeros(1, dtype=np.int64)
    tilt, azimuth = np.array([20.0]), np.array([180.0])
    shading = shading_of(ring, group, tilt, azimuth)
    dark, bright = (
        transpose(year_sky, tilt, azimuth, shading, facade_albedo=a).total @ year_sky.hours
        for a in (0.0, 0.3)
    )
    free = transpose(year_sky, tilt, azimuth).total @ year_sky.hours
    assert dark < bright < free
    hidden = 0.5 * (1 + np.cos(np.radians(20.0))) * (1 - shading.sky_view[0])
    walls = (facade_light(year_sky, 0.3, 0.2) * year_sky.hours).sum()
    assert bright - dark == pytest.approx(hidden * walls)
    each = [irradiation_of_cells(ring, tilt, azimuth, year_sky, 0.2, a)[0] for a in (0.0, 0.3)]
    assert each[1] - each[0] == pytest.approx((bright - dark)[0] / 1000.0, rel=1e-4)


def test_far_horizon_hides_beam_and_spares_the_sky(year_sky: Sky) -> None:
    ring, group = np.full((36, 1), 90.0, dtype=np.float32), np.zeros(1, dtype=np.int64)
    tilt, azimuth = np.array([0.0]), np.array([np.nan])
    shading = shading_of(ring, group, tilt, azimuth)
    sky = dataclasses.replace(year_sky, transposition="muneer")
    found = transpose(sky, tilt, azimuth, shading, shade_diffuse=False).total @ sky.hours
    assert found[0] == pytest.approx((sky.dhi * sky.hours).sum(), rel=1e-6)


def test_sunshine_quantiles() -> None:
    energy, group = np.arange(22.0), np.repeat([0, 2], 11)
    found = sunshine_quantiles(energy, group, 3)
    assert found[0] == pytest.approx(np.arange(11.0))
    assert np.isnan(found[1]).all()
    assert (found[2, 0], found[2, 5], found[2, 10]) == (11.0, 16.0, 21.0)


def test_a_string_half_in_the_shade(year_sky: Sky) -> None:
    tilt, azimuth, group = np.array([30.0]), np.array([180.0]), np.zeros(2, dtype=np.int64)
    ring = np.zeros((36, 2), dtype=np.float32)
    ring[:, 1] = 89.0
    free = transpose(year_sky, tilt, azimuth)
    half = transpose(year_sky, tilt, azimuth, shading_of(ring, group, tilt, azimuth))
    kept = string_mismatch(free, half)
    assert (kept <= 1 + 1e-9).all()
    assert (kept >= 0.5).all()
    sunny = free.beam[0] > 500
    best = np.maximum(0.5 * free.beam + 0.5 * (half.sky + half.ground), half.sky + half.ground)
    assert (kept * half.total)[0, sunny] == pytest.approx(best[0, sunny])
    assert string_mismatch(free, free) == pytest.approx(1.0)
    one, other = (pv_yield(year_sky, half, tilt, mismatch=m) for m in (None, kept))
    assert other.energy_kwh_kwp_year < one.energy_kwh_kwp_year


def test_energy_of_a_life() -> None:
    assert lifetime_kwh(np.array(100.0), 25, 0.0) == pytest.approx(2500.0)
    with pytest.raises(ValueError, match="degradation"):
        lifetime_kwh(np.array(1.0), 2, 100.0)
