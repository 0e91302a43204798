"""Roof probability on the image's grid."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from heliopolis.roofs.probability import (
    HALO_M,
    WORKING_GSD_M,
    answers,
    kernel,
    load_net,
    resample,
    roof_probability,
)
from roofnet.predict import TILE_PX


@pytest.fixture(scope="module")
def net():
    return load_net(threads=1)


def street(size: int, gsd_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Red-roofed houses with shade and ridge on a lawn along a grey street, and their mask."""
    rng = np.random.default_rng(8)
    x = (np.arange(size) + 0.5) * gsd_m
    east, south = np.meshgrid(x, x)
    image = np.stack([np.full_like(east, v) for v in (0.36, 0.43, 0.26)])
    image += rng.normal(0, 0.025, (1, size, size))
    road = np.abs(south - 30) < 4
    image[:, road] = np.array([[0.45], [0.45], [0.46]])
    roof = np.zeros((size, size), bool)
    for left in np.arange(6, x[-1] - 12, 18.0):
        for top in (10.0, 40.0):
            house = (east > left) & (east < left + 10) & (south > top) & (south < top + 9)
            shade = (east > left) & (east < left + 11) & (south > top + 9) & (south < top + 12)
            image[:, shade] *= 0.45
            light = np.where(south < top + 4.5, 0.72, 1.05)
            tiles = np.stack([v * light for v in (0.66, 0.38, 0.28)])
            image[:, house] = tiles[:, house] + rng.normal(0, 0.02, house.sum())
            roof |= house
    return np.clip(image, 0, 1).astype("float32"), roof


def test_halo_covers_a_tile() -> None:
    assert HALO_M >= (TILE_PX + 4) * WORKING_GSD_M


def test_kernel_keeps_a_constant_and_the_mean() -> None:
    for to_m, count in ((0.25, 40), (0.1, 100), (0.4, 25)):
        rows = kernel(0.0, to_m, count, 0.2, 50)
        out = resample(np.full((1, 50, 50), 3.0), rows, rows)
        np.testing.assert_allclose(out, 3.0, rtol=1e-5)


def test_same_grid_is_left_as_it_is() -> None:
    values = np.random.default_rng(0).random((12, 12)).astype("float32")
    same = kernel(0.0, 0.25, 12, 0.25, 12)
    np.testing.assert_array_equal(resample(values[None], same, same)[0], values)


@pytest.mark.parametrize("gsd_m", [0.25, 0.2])
def test_tiling_does_not_change_the_answer(net, gsd_m: float) -> None:
    size = round(340 / gsd_m)
    image, _ = street(size, gsd_m)
    corner = (652_000.4, 6_862_100.2)
    halo = int(np.ceil(HALO_M / gsd_m)) + 2
    row, column, n = halo + 17, halo + 31, 60
    core = (slice(row, row + n), slice(column, column + n))
    whole = answers(image, gsd_m, corner_m=corner, core=core, net=net)
    top, left = row - halo, column - halo
    part = image[:, top : row + n + halo, left : column + n + halo]
    again = answers(
        part,
        gsd_m,
        corner_m=(corner[0] + left * gsd_m, corner[1] - top * gsd_m),
        core=(slice(halo, halo + n), slice(halo, halo + n)),
        net=net,
    )
    np.testing.assert_array_equal(again, whole)


def test_shipped_net_finds_roofs(net) -> None:
    image, roof = street(320, 0.25)
    chance = answers(image, 0.25, net=net)[0]
    found = chance >= net.weights.threshold
    assert (found & roof).sum() / (found | roof).sum() > 0.5


def test_dims_attrs_and_missing(net) -> None:
    image, _ = street(120, 0.3)
    image[:, :10] = np.nan
    array = xr.DataArray(
        image, dims=("band", "y", "x"), coords={"y": np.arange(120.0), "x": np.arange(120.0)}
    )
    chance = roof_probability(array, 0.3, net=net)
    assert chance.dims == ("y", "x")
    assert chance.attrs["units"] == "1"
    assert np.isnan(chance.values[:10]).all()
    assert np.isfinite(chance.values[12:]).all()


def test_too_few_bands(net) -> None:
    with pytest.raises(ValueError, match="3 bands"):
        answers(np.zeros((1, 20, 20)), 0.3, net=net)
