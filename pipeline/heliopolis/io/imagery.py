"""Aerial images: brightness in 0..1 from whatever a file holds, with or without georeference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.windows import Window

from heliopolis.errors import ConfigError, GridError, InputError
from heliopolis.io.atomic import replacing
from heliopolis.io.raster import PathLike, open_dataset

_LOOK_PX = 512
#: Memory for blocks of files [bytes].
_CACHE = 128 * 1024 * 1024


@dataclass(frozen=True)
class Range:
    """Values of an image that stand for black and white."""

    low: float
    high: float

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Brightness in 0..1; NaN stays."""
        out = np.asarray(values, "float32") - np.float32(self.low)
        out /= np.float32(self.high - self.low)
        return np.clip(out, 0, 1, out=out)


def brightness_range(paths: Sequence[PathLike]) -> Range:
    """0..255 for bytes; else the 1st and 99th percentile over a coarse look at all the files.

    One range for all files and bands: it does not depend on the tile that is worked on.
    """
    looks = []
    for path in paths:
        with open_dataset(path) as source:
            if source.dtypes[0] == "uint8":
                continue
            zoom = max(1.0, max(source.shape) / _LOOK_PX)
            shape = (min(3, source.count), *(max(1, round(n / zoom)) for n in source.shape))
            look = source.read(
                list(range(1, shape[0] + 1)), out_shape=shape, masked=True, out_dtype="float64"
            )
            values = look.compressed()
            looks.append(values[np.isfinite(values)])
    if not looks:
        return Range(0.0, 255.0)
    seen = np.concatenate(looks)
    if seen.size == 0 or seen.min() == seen.max():
        raise InputError("the image holds no picture", where=str(paths[0]), remedy="Look at it")
    low, high = np.percentile(seen, [1, 99])
    return Range(min(float(low), 0.0) if low > 0.3 * high else float(low), float(high))


def colour_indexes(path: PathLike, meaning: Sequence[str] | None = None) -> tuple[int, int, int]:
    """Numbers (from 1) of the red, green and blue bands.

    Taken from ``meaning`` (the bands in order) where given, else from the file's own
    description or colours, else 1, 2, 3.
    """
    with open_dataset(path) as source:
        if source.count < 3:
            raise InputError(
                f"the image has {source.count} band(s); red, green and blue are needed",
                where=str(path),
                remedy="Give a colour image",
            )
        names = [str(text or "").lower() for text in source.descriptions]
        colours = [c.name for c in source.colorinterp if isinstance(c, ColorInterp)]
    for listed in (meaning, names, colours):
        if listed is not None and all(c in listed for c in ("red", "green", "blue")):
            found = tuple(list(listed).index(c) + 1 for c in ("red", "green", "blue"))
            if max(found) <= len(names):
                return (found[0], found[1], found[2])
    if meaning is not None:
        raise ConfigError(
            "imagery.bands must name red, green and blue among the bands that the image has",
            where=f"{path}: {', '.join(meaning)}",
        )
    return (1, 2, 3)


def nir_index(path: PathLike, meaning: Sequence[str] | None = None) -> int | None:
    """Number (from 1) of the near-infrared band; None where nothing says that there is one."""
    with open_dataset(path) as source:
        names = [str(text or "").lower() for text in source.descriptions]
    for listed in (meaning, names):
        if listed is not None and "nir" in listed and list(listed).index("nir") < len(names):
            return list(listed).index("nir") + 1
    return None


def colour_view(
    path: PathLike, indexes: Sequence[int], meaning: Sequence[str] | None = None
) -> str:
    """Name under which GDAL opens the colour bands of an image and what masks them.

    Many files of four bands call the fourth transparency where it is near infrared; where
    ``meaning`` or the file's description says so, it is kept from masking the others.
    """
    with open_dataset(path) as source:
        masking = [i for i, c in enumerate(source.colorinterp) if c == ColorInterp.alpha]
        said = [
            (meaning[i] if meaning is not None and i < len(meaning) else source.descriptions[i])
            or "alpha"
            for i in masking
        ]
    if said and all(text.lower() in ("alpha", "mask", "transparency") for text in said):
        return str(path)
    return f"vrt://{Path(path).resolve()}?bands={','.join(map(str, indexes))}"


@dataclass(frozen=True)
class ImageGrid:
    """Where the pixels of an image lie, in metres.

    Attributes
    ----------
    shape
        Rows, columns.
    affine, crs
        As in the file; ``crs`` is None without georeference.
    gsd_m
        Ground sampling distance along x and along y [m].
    corner_m
        Upper-left corner [m], in units of the CRS times their length.
    """

    shape: tuple[int, int]
    affine: Affine
    crs: str | None
    gsd_m: tuple[float, float]
    corner_m: tuple[float, float]


def image_grid(path: PathLike, gsd_m: float | None = None) -> ImageGrid:
    """Grid of an image; ``gsd_m`` serves, and is needed, where it has no CRS.

    An image in degrees is measured at its centre.
    """
    with open_dataset(path) as source:
        affine, shape, crs = source.transform, source.shape, source.crs
        centre_y = (source.bounds.top + source.bounds.bottom) / 2
    if crs is None:
        if gsd_m is None:
            raise GridError(
                "the image has no coordinate reference system",
                where=str(path),
                remedy="Say how large a pixel is on the ground: --gsd 0.2",
            )
        plain = Affine(gsd_m, 0, 0, 0, -gsd_m, shape[0] * gsd_m)
        return ImageGrid(shape, plain, None, (gsd_m, gsd_m), (0.0, shape[0] * gsd_m))
    if affine.b or affine.d or affine.e > 0:
        raise GridError(
            "the image is rotated or upside down",
            where=str(path),
            remedy="Warp it to a north-up grid, for instance with gdalwarp",
        )
    unit = _unit_m(crs, centre_y)
    gsd = (abs(affine.a) * unit[0], abs(affine.e) * unit[1])
    return ImageGrid(shape, affine, str(crs), gsd, (affine.c * unit[0], affine.f * unit[1]))


def _unit_m(crs: Any, y: float) -> tuple[float, float]:
    """Length of the CRS's unit along x and y [m]."""
    if crs.is_geographic:
        return (111_320.0 * math.cos(math.radians(y)), 110_574.0)
    factor = float(crs.linear_units_factor[1])
    return (factor, factor)


def read_colours(
    path: PathLike, indexes: Sequence[int], rows: tuple[int, int], columns: tuple[int, int]
) -> NDArray[np.float32]:
    """Window of an image (band, y, x) as it is stored; NaN beyond the image and where masked."""
    out = np.full(
        (len(indexes), rows[1] - rows[0], columns[1] - columns[0]), np.nan, dtype="float32"
    )
    with open_dataset(path) as source:
        top, below = max(0, rows[0]), min(source.height, rows[1])
        left, right = max(0, columns[0]), min(source.width, columns[1])
        window = Window(left, top, right - left, below - top)
        values = source.read(list(indexes), window=window, out_dtype="float32")
        masked = any(MaskFlags.all_valid not in flags for flags in source.mask_flag_enums)
        if masked:
            values[:, source.dataset_mask(window=window) == 0] = np.nan
    inside = (slice(top - rows[0], below - rows[0]), slice(left - columns[0], right - columns[0]))
    out[:, inside[0], inside[1]] = values
    return out


def seen_part(path: PathLike, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a window that lies within an image holds a picture (y, x)."""
    window = Window(columns[0], rows[0], columns[1] - columns[0], rows[1] - rows[0])
    with open_dataset(path) as source:
        if all(MaskFlags.all_valid in flags for flags in source.mask_flag_enums):
            return np.ones((rows[1] - rows[0], columns[1] - columns[0]), "bool")
        return np.asarray(source.dataset_mask(window=window) > 0)


def new_plain(path: Path, grid: ImageGrid, names: Sequence[str], dtype: str) -> None:
    """Empty tiled GeoTIFF on an image's grid, georeferenced or not, to be filled by windows."""
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": len(names),
        "dtype": dtype,
        "nodata": np.nan if np.dtype(dtype).kind == "f" else 255,
        "transform": grid.affine,
        "crs": grid.crs,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "sparse_ok": True,
        "BIGTIFF": "IF_SAFER",
    }
    with rasterio.open(path, "w", **profile) as sink:
        for number, name in enumerate(names, start=1):
            sink.set_band_description(number, name)
            sink.set_band_unit(number, "1")


def write_window(path: Path, values: NDArray[Any], top: int, left: int) -> None:
    """Write (band, y, x) into a file of `new_plain`."""
    window = Window(left, top, values.shape[2], values.shape[1])
    with rasterio.Env(GDAL_CACHEMAX=_CACHE), rasterio.open(path, "r+") as sink:
        sink.write(values, window=window)


def read_window(path: Path, rows: slice, columns: slice) -> NDArray[Any]:
    """Window (band, y, x) of a file of `new_plain`, as it is stored."""
    window = Window(columns.start, rows.start, columns.stop - columns.start,
                    rows.stop - rows.start)  # fmt: skip
    with rasterio.Env(GDAL_CACHEMAX=_CACHE), rasterio.open(path) as source:
        return np.asarray(source.read(window=window))


def as_cog(whole: Path, out: Path) -> Path:
    """Copy a file of `new_plain` to a cloud-optimised GeoTIFF, whole or not at all."""
    with replacing(out) as target, rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_NUM_THREADS="2"):
        rasterio.shutil.copy(
            whole,
            target,
            driver="COG",
            compress="ZSTD",
            level=1,
            predictor="YES",
            overview_resampling=Resampling.average.name,
        )
    return out
