"""Copies of parts of TIFFs read equal to the same part of the source, whatever its layout."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import tifffile
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.remote.tiff import TiffError, UnsupportedTiffError, read_tiff
from heliopolis.io.remote.tiff_copy import Box, clip, level_transform, plan_copy, snap

HEIGHT, WIDTH = 301, 423
TRANSFORM = Affine(10.0, 0, 652000.0, 0, -10.0, 6862000.0)


def picture(count: int = 1, dtype: str = "uint16", height: int = HEIGHT, width: int = WIDTH):
    rng = np.random.default_rng(7)
    row, col = np.mgrid[:height, :width]
    base = 1000 + 3 * row + 2 * col
    bands = [base * (band + 1) + rng.integers(0, 50, base.shape) for band in range(count)]
    values = np.stack(bands)
    return (values % 251 if dtype == "uint8" else values).astype(dtype)


def write(path: Path, values: np.ndarray, overviews: tuple[int, ...] = (), **options) -> Path:
    profile = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype.name,
        "crs": "EPSG:2154",
        "transform": TRANSFORM,
        **options,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values)
    if overviews:
        with rasterio.open(path, "r+") as target:
            target.build_overviews(list(overviews))
    return path


def reader(path: Path):
    data = path.read_bytes()
    return lambda start, stop: data[start:stop]


def copy(source: Path, target: Path, box: Box, level: int = 0) -> Box:
    """Write the part of ``source`` that covers ``box`` and return what was written."""
    read = reader(source)
    tiff = read_tiff(read)
    image = tiff.levels[level]
    mask = tiff.mask_of(image)
    box = snap(clip(box, image.width, image.height), [image] if mask is None else [image, mask])
    plan = plan_copy(tiff, image, box, file_size=source.stat().st_size)
    with target.open("wb") as stream:
        stream.write(plan.head)
        for block in plan.blocks:
            assert stream.tell() == block.target
            stream.write(read(block.source, block.source + block.count))
        assert stream.tell() == plan.size
    return box


def check(source: Path, target: Path, box: Box, level: int = 0) -> None:
    box = copy(source, target, box, level)
    options = {"overview_level": level - 1} if level else {}
    with rasterio.open(source, **options) as one, rasterio.open(target) as other:
        window = Window(box.col, box.row, box.width, box.height)
        assert other.crs == one.crs
        assert other.dtypes == one.dtypes and other.colorinterp == one.colorinterp
        assert (other.width, other.height) == (box.width, box.height)
        assert other.transform.almost_equals(one.window_transform(window), 1e-9)
        np.testing.assert_equal(other.nodatavals, one.nodatavals)
        assert other.scales == one.scales and other.offsets == one.offsets
        assert other.units == one.units and other.descriptions == one.descriptions
        np.testing.assert_array_equal(other.read(), one.read(window=window))
        np.testing.assert_array_equal(other.read_masks(), one.read_masks(window=window))


MIDDLE = Box(130, 90, 150, 100)
LAYOUTS = {
    "strips": {},
    "strips deflate": {"compress": "deflate", "predictor": 2, "blockysize": 16},
    "one strip": {"blockysize": HEIGHT},
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32},
    "deflate": {"compress": "deflate", "predictor": 2},
    "lzw": {"compress": "lzw", "predictor": 2},
    "zstd": {"compress": "zstd"},
    "lzma": {"compress": "lzma"},
    "lerc": {"compress": "lerc"},
    "big": {"compress": "deflate", "bigtiff": "yes"},
    "big endian": {"compress": "deflate", "endianness": "big", "predictor": 2},
    "both big": {"compress": "deflate", "endianness": "big", "bigtiff": "yes"},
    "plain big endian": {"endianness": "big"},
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_copy_reads_equal(tmp_path: Path, name: str, interleave: str, count: int) -> None:
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    options = {} if "strip" in name else options
    options |= LAYOUTS[name]
    source = write(tmp_path / "a.tif", picture(count), interleave=interleave, **options)
    check(source, tmp_path / "b.tif", MIDDLE)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    col=st.integers(-50, WIDTH + 10),
    row=st.integers(-50, HEIGHT + 10),
    width=st.integers(1, 500),
    height=st.integers(1, 400),
    tiled=st.booleans(),
)
def test_any_window(tmp_path: Path, col: int, row: int, width: int, height: int, tiled: bool):
    source = tmp_path / f"{tiled}.tif"
    if not source.exists():
        layout = {"tiled": True, "blockxsize": 64, "blockysize": 32} if tiled else {}
        write(source, picture(2), compress="deflate", **layout)
    box = Box(col, row, width, height)
    if col >= WIDTH or row >= HEIGHT or col + width <= 0 or row + height <= 0:
        with pytest.raises(NoDataError):
            copy(source, tmp_path / "b.tif", box)
    else:
        check(source, tmp_path / "b.tif", box)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_overviews_keep_their_place(tmp_path: Path, level: int) -> None:
    source = write(tmp_path / "a.tif", picture(), (2, 4), compress="deflate", tiled=True,
                   blockxsize=32, blockysize=32, nodata=0)  # fmt: skip
    size = 2**level
    check(source, tmp_path / "b.tif", Box(130 // size, 90 // size, 50, 30), level)


@pytest.mark.parametrize("driver", [{}, {"overviews": "none"}])
def test_cog_driver(tmp_path: Path, driver: dict[str, str]) -> None:
    plain = write(tmp_path / "plain.tif", picture(1, "int16"), nodata=-9999)
    rasterio.shutil.copy(plain, tmp_path / "a.tif", driver="COG", blocksize=128, compress="deflate",
                         predictor="yes", **driver)  # fmt: skip
    check(tmp_path / "a.tif", tmp_path / "b.tif", MIDDLE)


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_jpeg_tables_and_mask(tmp_path: Path, photometric: str) -> None:
    source = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8",
               "crs": "EPSG:2154", "transform": TRANSFORM, "compress": "jpeg", "tiled": True,
               "blockxsize": 64, "blockysize": 64, "photometric": photometric}  # fmt: skip
    shown = np.full((HEIGHT, WIDTH), 255, "uint8")
    shown[100:140, 200:] = 0
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(source, "w", **profile) as target,
    ):
        target.write(picture(3, "uint8"))
        target.write_mask(shown)
    with rasterio.open(source, "r+") as target:
        target.build_overviews([2])
    check(source, tmp_path / "b.tif", MIDDLE)
    with rasterio.open(tmp_path / "b.tif") as found:
        assert not found.read_masks(1).all()
    check(source, tmp_path / "c.tif", Box(60, 40, 80, 40), 1)


def test_meaning_of_the_numbers_is_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", picture(2, "int16"), nodata=-32768, tiled=True,
                   blockxsize=64, blockysize=64)  # fmt: skip
    with rasterio.open(source, "r+") as target:
        target.scales, target.offsets, target.units = (1e-4, 2e-4), (-0.1, 0.3), ("1", "K")
        target.descriptions = ("red", "nir & more")
        target.update_tags(1, STATISTICS_MEAN="5", KEPT="yes")
        target.update_tags(AREA_OR_POINT="Area", WHERE="here")
    check(source, tmp_path / "b.tif", MIDDLE)
    with rasterio.open(tmp_path / "b.tif") as found:
        assert found.tags(1) == {"KEPT": "yes"}
        assert found.tags()["WHERE"] == "here"


def test_nan_floats_with_predictor(tmp_path: Path) -> None:
    values = picture(1, "float32")
    values[:, 100:120, 140:180] = np.nan
    source = write(tmp_path / "a.tif", values, nodata=np.nan, compress="deflate", predictor=3,
                   tiled=True, blockxsize=64, blockysize=64)  # fmt: skip
    check(source, tmp_path / "b.tif", MIDDLE)


@pytest.mark.parametrize("nodata", [None, 7])
def test_sparse_blocks_stay_absent(tmp_path: Path, nodata: int | None) -> None:
    source = tmp_path / "a.tif"
    extra = {} if nodata is None else {"nodata": nodata}
    with rasterio.open(
        source, "w", driver="GTiff", count=1, height=256, width=256, dtype="uint16",
        crs="EPSG:2154", transform=TRANSFORM, tiled=True, blockxsize=64, blockysize=64,
        sparse_ok=True, compress="deflate", **extra,
    ) as target:  # fmt: skip
        target.write(np.full((1, 64, 64), 9, "uint16"), window=Window(64, 64, 64, 64))
    check(source, tmp_path / "b.tif", Box(30, 30, 120, 120))
    assert len(plan_copy(read_tiff(reader(source)), read_tiff(reader(source)).full,
                         Box(0, 0, 256, 256)).blocks) == 1  # fmt: skip


@pytest.mark.parametrize(("dtype", "extra"), [("uint8", {"nbits": 1}), ("uint16", {"nbits": 12})])
def test_odd_bits(tmp_path: Path, dtype: str, extra: dict[str, int]) -> None:
    values = picture(1, dtype) % (2 ** extra["nbits"])
    source = write(tmp_path / "a.tif", values.astype(dtype), tiled=True, blockxsize=64,
                   blockysize=64, compress="deflate", **extra)  # fmt: skip
    check(source, tmp_path / "b.tif", MIDDLE)


def test_palette(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", picture(1, "uint8"), tiled=True, blockxsize=64,
                   blockysize=64, photometric="palette")  # fmt: skip
    with rasterio.open(source, "r+") as target:
        target.write_colormap(1, {0: (1, 2, 3, 255), 4: (9, 8, 7, 255)})
    check(source, tmp_path / "b.tif", MIDDLE)
    with rasterio.open(source) as one, rasterio.open(tmp_path / "b.tif") as other:
        assert one.colormap(1) == other.colormap(1)


@pytest.mark.parametrize("level", [0, 1])
def test_pixel_is_point(tmp_path: Path, level: int) -> None:
    source = write(tmp_path / "a.tif", picture(), tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(source, "r+") as target:
        target.update_tags(AREA_OR_POINT="Point")
        target.transform = TRANSFORM
    with rasterio.open(source, "r+") as target:
        target.build_overviews([2])
    assert read_tiff(reader(source)).pixel_is_point
    check(source, tmp_path / "b.tif", Box(64, 40, 80, 60), level)


def test_rotated_and_foreign_crs(tmp_path: Path) -> None:
    turned = TRANSFORM * Affine.rotation(20)
    foreign = "+proj=laea +lat_0=50 +lon_0=8 +ellps=WGS84 +units=m"
    source = write(tmp_path / "a.tif", picture(), transform=turned, tiled=True, blockxsize=64,
                   blockysize=64, crs=foreign)  # fmt: skip
    tiff = read_tiff(reader(source))
    assert tiff.epsg is None
    assert level_transform(tiff, tiff.full).almost_equals(turned, 1e-6)
    check(source, tmp_path / "b.tif", MIDDLE)


def test_writer_other_than_gdal(tmp_path: Path) -> None:
    values = picture(1)[0]
    tifffile.imwrite(
        tmp_path / "a.tif", values, byteorder=">", tile=(64, 64), compression="zlib",
        extratags=[(33550, 12, 3, (10.0, 10.0, 0.0), True),
                   (33922, 12, 6, (2.0, 3.0, 0.0, 652000.0, 6862000.0, 0.0), True),
                   (34735, 3, 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 2154), True)],
    )  # fmt: skip
    assert read_tiff(reader(tmp_path / "a.tif")).epsg == 2154
    check(tmp_path / "a.tif", tmp_path / "b.tif", MIDDLE)


def test_only_the_directory_is_looked_at(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.tif", picture(1, "uint16", 2000, 2000))
    rasterio.shutil.copy(plain, tmp_path / "a.tif", driver="COG", blocksize=128)
    asked = 0
    read = reader(tmp_path / "a.tif")

    def counted(start: int, stop: int) -> bytes:
        nonlocal asked
        asked = max(asked, stop)
        return read(start, stop)

    tiff = read_tiff(counted)
    plan_copy(tiff, tiff.full, snap(Box(900, 900, 200, 200), [tiff.full]))
    assert asked < 16 * 1024


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_directories_are_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    source = tmp_path / "a.tif"
    if not source.exists():
        write(source, picture(2, "uint8", 64, 64), tiled=True, blockxsize=16, blockysize=16)
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 500))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, 600)))
    bytes_ = bytes(content[:cut])
    try:
        tiff = read_tiff(lambda start, stop: bytes_[start:stop])
        image = tiff.full
        plan_copy(tiff, image, snap(Box(0, 0, 20, 20), [image]), file_size=len(bytes_))
    except InputError:
        return


@pytest.mark.parametrize(
    "content",
    [b"", b"II", b"<!doctype html><html>", b"\0" * 100, b"II*\0\x08\0\0\0\0\0\0\0\0\0",
     b"II*\0\0\0\0\0", b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 256, 3, 1, 5, 8)],
)  # fmt: skip
def test_what_is_no_tiff(content: bytes) -> None:
    with pytest.raises(TiffError):
        read_tiff(lambda start, stop: content[start:stop])


def test_without_georeference(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture()[0])
    with pytest.raises(UnsupportedTiffError):
        _ = read_tiff(reader(tmp_path / "a.tif")).transform
