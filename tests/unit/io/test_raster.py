"""Rasters: mosaics, laziness, whole files."""

from __future__ import annotations

from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from heliopolis.errors import GridError, InputError
from heliopolis.io.atomic import replacing
from heliopolis.io.raster import (
    geobox_of,
    raster_grid,
    read_onto,
    read_raster,
    read_tags,
    write_cog,
)

GRID = GeoBox.from_bbox((650000, 6860000, 656000, 6867000), "EPSG:2154", resolution=10)


def field(grid: GeoBox = GRID) -> xr.DataArray:
    values = np.random.default_rng(1).normal(30, 5, grid.shape).astype("float32")
    values[3:7, 3:9] = np.nan
    array = wrap_xr(values, grid)
    array.attrs["units"] = "degC"
    return array


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", {"lst_c": field(), "n": field() * 0}, tags={"k": "v"})
    back = read_raster(path)
    assert geobox_of(back) == GRID
    assert back["lst_c"].attrs["units"] == "degC"
    assert read_tags(path)["k"] == "v"
    np.testing.assert_array_equal(back["lst_c"], field())
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_lazy_equals_eager_and_computes_nothing_early(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", {"lst_c": field()})

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("computed early")

    with dask.config.set(scheduler=forbidden):
        lazy = read_raster(path, chunks=256)
        warmer = lazy + 1
    eager = read_raster(path)
    xr.testing.assert_identical(lazy.compute(), eager)
    write_cog(tmp_path / "b.tif", warmer)
    np.testing.assert_array_equal(read_raster(tmp_path / "b.tif")["lst_c"], eager["lst_c"] + 1)


def test_bands_of_different_chunks_are_written_together(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(GRID.shape).astype("float32")
    whole = wrap_xr(values, GRID)
    bands = {"a": whole.chunk({"y": 64, "x": 64}), "b": whole.chunk({"y": 100, "x": 100})}
    write_cog(tmp_path / "x.tif", xr.Dataset(bands | {"c": whole}))
    back = read_raster(tmp_path / "x.tif")
    assert all((back[name].to_numpy() == values).all() for name in "abc")


@pytest.mark.parametrize("chunks", [None, 100, 333])
def test_mosaic_equals_the_whole(tmp_path: Path, chunks: int | None) -> None:
    whole = field()
    write_cog(tmp_path / "l.tif", {"v": whole[:, :310]})
    write_cog(tmp_path / "r.tif", {"v": whole[:, 290:]})
    back = read_onto([tmp_path / "l.tif", tmp_path / "r.tif"], GRID, chunks=chunks)
    np.testing.assert_array_equal(back["v"], whole)


def test_beyond_the_edge_is_unknown(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", {"v": field()})
    away = GeoBox.from_bbox((700000, 6860000, 701000, 6861000), "EPSG:2154", resolution=10)
    assert bool(read_onto([tmp_path / "a.tif"], away)["v"].isnull().all())


def test_a_raster_without_crs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plain.tif"
    with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8") as out:
        out.write(np.ones((1, 4, 4), "uint8"))
    with pytest.raises(GridError, match=r"plain\.tif"):
        raster_grid(path)


def test_a_missing_file_or_band_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.tif"):
        read_raster(tmp_path / "absent.tif")
    write_cog(tmp_path / "a.tif", {"v": field()})
    with pytest.raises(InputError, match="no band 'w'"):
        read_raster(tmp_path / "a.tif", ["w"])


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("new, but")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@given(
    st.integers(-20, 40), st.integers(-20, 40), st.integers(1, 50), st.integers(1, 50),
    st.sampled_from(["float32", "int16"]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_cells_on_one_lattice_are_those_of_a_warp(left, top, width, height, kind) -> None:
    numbers = np.arange(40 * 30).reshape(40, 30) % 101
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=30, height=40, count=1, dtype=kind, crs="EPSG:2154",
            transform=from_origin(650_000, 6_860_000, 0.5, 0.5), nodata=7,
        ) as sink:  # fmt: skip
            sink.write(numbers.astype(kind), 1)
            sink.scales, sink.offsets = [0.1], [-3.0]
        origin = from_origin(650_000 + 0.5 * left, 6_860_000 - 0.5 * top, 0.5, 0.5)
        grid = GeoBox((height, width), origin, "EPSG:2154")
        plain = read_onto([memory.name], grid)["band_1"].values
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("heliopolis.io.raster._same_lattice", lambda *_: None)
            warped = read_onto([memory.name], grid)["band_1"].values
    np.testing.assert_array_equal(plain, warped)


def test_bytes_in_steps_are_read_as_values(tmp_path: Path) -> None:
    values = np.linspace(0, 4, 100 * 100, dtype="float32").reshape(100, 100)
    values[0, :5] = np.nan
    band = wrap_xr(values, GeoBox.from_bbox((0, 0, 100, 100), "EPSG:2154", resolution=1))
    band.encoding = {"scale_factor": 4 / 254, "add_offset": -4 / 254}
    write_cog(tmp_path / "b.tif", {"far_m": band}, dtype="uint8")
    read = read_raster(tmp_path / "b.tif")["far_m"].to_numpy()
    np.testing.assert_allclose(read, values, atol=0.5 * 4 / 254 + 1e-5)
    write_cog(tmp_path / "f.tif", {"far_m": band})
    np.testing.assert_array_equal(read_raster(tmp_path / "f.tif")["far_m"], values)
