"""Plainly laid out parts of deflated TIFFs read equal to the same part of the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from heliopolis.io.remote.blocks import DamagedBlockError, fetch_blocks
from heliopolis.io.remote.tiff import read_tiff
from heliopolis.io.remote.tiff_copy import Box, clip
from heliopolis.io.remote.tiff_plain import Plain, plan_plain

HEIGHT, WIDTH = 301, 423
PREDICTED = {"compress": "deflate", "predictor": 2}
TILED = {"tiled": True, "blockxsize": 64, "blockysize": 32}


def write(path: Path, dtype: str = "uint16", count: int = 1, **options) -> Path:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 120, (count, HEIGHT, WIDTH)).cumsum(axis=2).astype(dtype)
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=HEIGHT, width=WIDTH, dtype=dtype,
        crs="EPSG:2154", transform=rasterio.Affine(10, 0, 652000, 0, -10, 6862000), **options,
    ) as target:  # fmt: skip
        target.write(values)
    return path


def planned(source: Path, box: Box) -> tuple[Plain | None, bytes]:
    data = source.read_bytes()
    tiff = read_tiff(lambda start, stop: data[start:stop])
    return plan_plain(tiff, tiff.full, box, file_size=len(data)), data


def check(source: Path, target: Path, box: Box) -> None:
    plan, data = planned(source, box)
    assert plan is not None
    fetch_blocks(plan, target, lambda start, stop, _: data[start:stop], attempts=1)
    assert target.stat().st_size == plan.size
    with rasterio.open(source) as one, rasterio.open(target) as other:
        window = Window(box.col, box.row, box.width, box.height)
        assert other.crs == one.crs and other.dtypes == one.dtypes
        assert other.compression is None and other.interleaving == one.interleaving
        assert other.transform.almost_equals(one.window_transform(window), 1e-9)
        np.testing.assert_equal(other.nodatavals, one.nodatavals)
        np.testing.assert_array_equal(other.read(), one.read(window=window))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("layout", [TILED, {"blockysize": 16}])
def test_every_kind_of_number(tmp_path: Path, dtype: str, predictor: int, layout: dict) -> None:
    options = {"compress": "deflate", "predictor": predictor, "nodata": 7, **layout}
    check(write(tmp_path / "a.tif", dtype, **options), tmp_path / "b.tif", Box(60, 31, 70, 40))


@pytest.mark.parametrize("endianness", ["little", "big"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("bigtiff", ["yes", "no"])
def test_samples_and_orders(tmp_path: Path, endianness: str, interleave: str, bigtiff: str) -> None:
    more = {"endianness": endianness, "interleave": interleave, "bigtiff": bigtiff}
    source = write(tmp_path / "a.tif", count=3, **PREDICTED, **TILED, **more)
    check(source, tmp_path / "b.tif", Box(130, 90, 150, 100))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    col=st.integers(0, WIDTH - 1),
    row=st.integers(0, HEIGHT - 1),
    width=st.integers(1, WIDTH),
    height=st.integers(1, HEIGHT),
    tiled=st.booleans(),
)
def test_any_part(tmp_path: Path, col: int, row: int, width: int, height: int, tiled: bool) -> None:
    source = tmp_path / f"{tiled}.tif"
    if not source.exists():
        rng = np.random.default_rng(1)
        write(source, **PREDICTED, **(TILED if tiled else {"blockysize": 16}))
        with rasterio.open(source, "r+") as file:  # numbers that do not shrink
            file.write(rng.integers(0, 2**16, (1, HEIGHT, WIDTH)).astype("uint16"))
    box = clip(Box(col, row, width, height), WIDTH, HEIGHT)
    check(source, tmp_path / "b.tif", box)


def test_damage_is_found_and_read_again(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", **PREDICTED, **TILED)
    plan, data = planned(source, Box(60, 31, 70, 40))
    assert plan is not None
    bad = bytearray(data)
    bad[plan.blocks[2].source + 30] ^= 1
    asked = []

    def read(start: int, stop: int, confirm: bool) -> bytes:
        asked.append(start)
        return bytes(bad if len(asked) == 1 else data)[start:stop]

    fetch_blocks(plan, tmp_path / "b.tif", read, attempts=3)
    check(source, tmp_path / "c.tif", Box(60, 31, 70, 40))
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "c.tif").read_bytes()
    with pytest.raises(DamagedBlockError):
        fetch_blocks(plan, tmp_path / "d.tif", lambda a, b, _: bytes(bad)[a:b], attempts=3)


def test_what_shrinks_well_and_what_is_not_understood_is_copied(tmp_path: Path) -> None:
    box = Box(0, 0, 300, 300)
    smooth = write(tmp_path / "a.tif", **PREDICTED, **TILED)
    with rasterio.open(smooth, "r+") as file:
        file.write(np.full((1, HEIGHT, WIDTH), 3, "uint16"))
    assert planned(smooth, box)[0] is None
    assert planned(write(tmp_path / "b.tif", compress="lzw", **TILED), box)[0] is None
    assert planned(write(tmp_path / "c.tif", "float32", compress="deflate", predictor=3), box)[
        0
    ] is None  # fmt: skip
