"""Rasters: lazy reading onto a grid, and cloud-optimised GeoTIFFs that appear whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from heliopolis.errors import GridError, InputError
from heliopolis.io.atomic import replacing
from heliopolis.io.limits import MOST_CELLS, guarded, too_large

if TYPE_CHECKING:
    import dask.array as da

PathLike = str | Path
_BLOCK = 512


def geobox_of(data: xr.DataArray | xr.Dataset) -> GeoBox:
    """GeoBox of a georeferenced array; raises `GridError` where there is none."""
    box = data.odc.geobox
    if not isinstance(box, GeoBox) or box.crs is None:
        raise GridError("the raster has no coordinate reference system or no regular grid")
    return box


def open_dataset(path: PathLike) -> Any:
    """Open a raster for reading; a clear `InputError` names the file when that fails."""
    try:
        return rasterio.open(path)
    except RasterioIOError as error:
        raise InputError(
            "the raster cannot be opened",
            where=str(path),
            remedy=f"Check that the file is there and is a raster that GDAL reads: {error}",
        ) from error


@guarded("the raster")
def raster_grid(path: PathLike) -> GeoBox:
    """GeoBox of a file; raises `GridError` when it has no CRS."""
    with open_dataset(path) as source:
        if source.crs is None:
            raise GridError(
                "the raster has no coordinate reference system",
                where=str(path),
                remedy="Assign one, for instance with gdal_edit.py -a_srs EPSG:2154",
            )
        return GeoBox(source.shape, source.transform, str(source.crs))


@guarded("the raster")
def band_names(path: PathLike) -> list[str]:
    """Band descriptions, ``band_1``, ``band_2``... where a band has none."""
    with open_dataset(path) as source:
        return _names(source)


@guarded("the raster")
def read_tags(path: PathLike) -> dict[str, str]:
    """Metadata tags of the dataset."""
    with open_dataset(path) as source:
        return dict(source.tags())


def read_raster(
    path: PathLike, bands: Sequence[str] | None = None, *, chunks: int | None = None
) -> xr.Dataset:
    """Read a raster as a Dataset, one variable for each band, dims (y, x).

    Nodata becomes NaN (float32), scale and offset of the file are applied, ``units`` are taken
    from the band.

    Parameters
    ----------
    path
        Any raster that GDAL reads, with a CRS.
    bands
        Names of the bands wanted; all by default.
    chunks
        Side of a Dask chunk in pixels; eager when None.
    """
    return read_onto([path], raster_grid(path), bands=bands, resampling="nearest", chunks=chunks)


@guarded("the raster")
def read_onto(
    paths: Sequence[PathLike],
    grid: GeoBox,
    *,
    bands: Sequence[str] | None = None,
    resampling: str = "nearest",
    chunks: int | None = None,
) -> xr.Dataset:
    """Mosaic one or more files onto ``grid``; the first file with a valid value wins.

    Parameters
    ----------
    paths
        Rasters with the same bands, in any CRS, that may lie partly or wholly outside ``grid``.
    grid
        Target grid.
    bands
        Names of the bands wanted; by default all bands of the first file.
    resampling
        A GDAL resampling method: nearest, bilinear, cubic, average, mode...
    chunks
        Side of a Dask chunk in pixels; eager when None.

    Returns
    -------
    Dataset
        float32 variables, dims (y, x), NaN where no file has a value.
    """
    if not paths:
        raise InputError("no raster was given to read")
    if chunks is None and grid.shape[0] * grid.shape[1] > MOST_CELLS:
        cells = f"{grid.shape[0] * grid.shape[1]:.1e} cells"
        raise too_large("the raster", paths[0], cells, f"{MOST_CELLS:.0e} cells")
    with open_dataset(paths[0]) as first:
        names = _names(first)
        units = {name: unit for name, unit in zip(names, first.units, strict=True) if unit}
    wanted = list(bands) if bands is not None else names
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(
            f"the raster has no band {missing[0]!r}",
            where=str(paths[0]),
            remedy="Its bands are: " + ", ".join(names),
        )
    if chunks is None:
        block = _read_block([str(p) for p in paths], grid, wanted, resampling)
        arrays: Any = list(block)
    else:
        arrays = _lazy(paths, grid, wanted, resampling, chunks)
    variables = {}
    for name, values in zip(wanted, arrays, strict=True):
        array = wrap_xr(values, grid)
        array.attrs = {"units": units[name]} if name in units else {}
        variables[name] = array
    return xr.Dataset(variables)


def write_cog(
    path: Path,
    bands: xr.Dataset | Mapping[str, xr.DataArray],
    *,
    tags: Mapping[str, str] | None = None,
    dtype: str = "float32",
    overview_resampling: str = "average",
) -> Path:
    """Write a cloud-optimised GeoTIFF, whole or not at all, in memory that does not grow.

    Bands are named after the variables, their ``units`` and ``long_name`` attributes become
    the band's unit and a band tag; statistics are stored. Lazy arrays are computed stripe by
    stripe. Nodata is NaN for floats; for integer types it is 0 if ``dtype`` is unsigned and
    -9999 otherwise, and NaN in the input becomes it. A variable's encoding may hold
    ``scale_factor`` and ``add_offset``: integers are then stored in those steps.
    """
    dataset = bands if isinstance(bands, xr.Dataset) else xr.Dataset(dict(bands))
    grid = geobox_of(dataset)
    nodata: float = np.nan if np.dtype(dtype).kind == "f" else (0 if dtype[0] == "u" else -9999)
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": len(dataset.data_vars),
        "dtype": dtype,
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "zstd",
        "zstd_level": 1,
        "num_threads": "2",
        "BIGTIFF": "IF_SAFER",
        # Else the fourth band of bytes would be taken for transparency.
        "ALPHA": "NO",
    }
    with replacing(path) as target:
        stripes = target.with_suffix(".stripes.tif")
        try:
            with rasterio.open(stripes, "w", **profile) as sink:
                _describe(sink, dataset, tags or {})
                _write_stripes(sink, dataset, grid, nodata)
            _to_cog(stripes, target, np.dtype(dtype), overview_resampling)
        finally:
            stripes.unlink(missing_ok=True)
            stripes.with_name(stripes.name + ".aux.xml").unlink(missing_ok=True)
    return path


def _describe(sink: Any, dataset: xr.Dataset, tags: Mapping[str, str]) -> None:
    for index, (name, array) in enumerate(dataset.data_vars.items(), start=1):
        sink.set_band_description(index, str(name))
        sink.set_band_unit(index, str(array.attrs.get("units", "")))
        if "long_name" in array.attrs:
            sink.update_tags(index, long_name=str(array.attrs["long_name"]))
    # Floats are kept as they are, whatever the file that they come from did.
    whole = np.dtype(sink.dtypes[0]).kind in "iu"
    encodings = [array.encoding if whole else {} for array in dataset.data_vars.values()]
    sink.scales = [float(one.get("scale_factor", 1.0)) for one in encodings]
    sink.offsets = [float(one.get("add_offset", 0.0)) for one in encodings]
    sink.update_tags(**{key: str(value) for key, value in tags.items()})


def _to_cog(source: Path, target: Path, dtype: np.dtype[Any], overview_resampling: str) -> None:
    rasterio.shutil.copy(
        source,
        target,
        driver="COG",
        compress="DEFLATE",
        level="1",
        predictor="YES",
        blocksize=str(_BLOCK),
        overview_resampling=overview_resampling,
        num_threads="2",
        statistics="YES",
        bigtiff="IF_SAFER",
    )


def _write_stripes(sink: Any, dataset: xr.Dataset, grid: GeoBox, nodata: float) -> None:
    """Compute and write the arrays one stripe of blocks after another.

    A stripe is as high as the arrays' chunks, so that none of them is computed twice.
    """
    down = dataset.odc.spatial_dims[0]
    heights = [max(array.chunksizes.get(down, (_BLOCK,))) for array in dataset.data_vars.values()]
    step = -(-max(heights) // _BLOCK) * _BLOCK
    for top in range(0, grid.height, step):
        rows = slice(top, min(top + step, grid.height))
        window = Window(0, top, grid.width, rows.stop - rows.start)
        stripe = dataset.isel({dataset.odc.spatial_dims[0]: rows}).compute()
        for index, array in enumerate(stripe.data_vars.values(), start=1):
            values = array.values
            scale, offset = sink.scales[index - 1], sink.offsets[index - 1]
            if (scale, offset) != (1.0, 0.0):
                values = np.rint((values - offset) / scale)
            if not np.isnan(nodata):
                values = np.where(np.isfinite(values), values, nodata)
            sink.write(values.astype(sink.dtypes[index - 1]), index, window=window)


def _names(source: Any) -> list[str]:
    return [text or f"band_{i}" for i, text in enumerate(source.descriptions, start=1)]


def _read_block(
    paths: Sequence[str], grid: GeoBox, bands: Sequence[str], resampling: str
) -> np.ndarray[Any, Any]:
    """Mosaic of ``bands`` on ``grid``: float32 (band, y, x), NaN where there is nothing."""
    out = np.full((len(bands), *grid.shape), np.nan, dtype="float32")
    for path in paths:
        with open_dataset(path) as source:
            if source.crs is None:
                raster_grid(path)
            if not _touches(source, grid):
                continue
            indexes = [_names(source).index(name) + 1 for name in bands]
            target = out
            windows = _same_lattice(source, grid) if resampling == "nearest" else None
            if windows is None:
                values = _warp(source, grid, indexes, resampling)
            else:
                here, there = windows
                values = _plain(source, here, indexes)
                target = out[(slice(None), *there.toslices())]
        hole = np.isnan(target)
        target[hole] = values[hole]
        if not np.isnan(out).any():
            break
    return out


def _touches(source: Any, grid: GeoBox) -> bool:
    here = (
        grid.boundingbox.to_crs(str(source.crs)).bbox
        if str(grid.crs) != str(source.crs)
        else (grid.boundingbox.bbox)
    )
    west, south, east, north = here
    box = source.bounds
    return bool(west < box.right and east > box.left and south < box.top and north > box.bottom)


def _same_lattice(source: Any, grid: GeoBox) -> tuple[Window, Window] | None:
    """Common part as windows of the file and of the grid, where their cells are the same."""
    theirs, ours = source.transform, grid.affine
    if str(grid.crs) != str(source.crs) or theirs.b or theirs.d or ours.b or ours.d:
        return None
    if not np.allclose((theirs.a, theirs.e), (ours.a, ours.e), rtol=1e-9, atol=0.0):
        return None
    left, top = (ours.c - theirs.c) / theirs.a, (ours.f - theirs.f) / theirs.e
    column, row = round(left), round(top)
    if max(abs(left - column), abs(top - row)) > 1e-4:
        return None
    first_col, first_row = max(column, 0), max(row, 0)
    width = min(column + grid.width, source.width) - first_col
    height = min(row + grid.height, source.height) - first_row
    if width <= 0 or height <= 0:
        return None
    return (
        Window(first_col, first_row, width, height),
        Window(first_col - column, first_row - row, width, height),
    )


def _plain(source: Any, window: Window, indexes: list[int]) -> np.ndarray[Any, Any]:
    """Cells as they stand in the file: float32 (band, y, x), NaN where there is nothing."""
    values = source.read(indexes, window=window, out_dtype="float32")
    if source.nodata is not None and not np.isnan(source.nodata):
        values[values == np.float32(source.nodata)] = np.nan
    return _scaled(source, values, indexes)


def _warp(source: Any, grid: GeoBox, indexes: list[int], resampling: str) -> np.ndarray[Any, Any]:
    with WarpedVRT(
        source,
        crs=str(grid.crs),
        transform=grid.affine,
        width=grid.width,
        height=grid.height,
        resampling=Resampling[resampling],
        dtype="float32",
        nodata=np.nan,
        src_nodata=source.nodata,
    ) as view:
        values = view.read(indexes, out_dtype="float32")
    return _scaled(source, values, indexes)


def _scaled(source: Any, values: np.ndarray[Any, Any], indexes: list[int]) -> np.ndarray[Any, Any]:
    """Stored values as physical ones, in place."""
    for row, index in zip(values, indexes, strict=True):
        scale, offset = source.scales[index - 1], source.offsets[index - 1]
        if (scale, offset) != (1.0, 0.0):
            row *= scale
            row += offset
    return np.asarray(values)


def _lazy(
    paths: Sequence[PathLike], grid: GeoBox, bands: Sequence[str], resampling: str, chunks: int
) -> list[da.Array]:
    """One Dask array for each band; a chunk reads only its own window.

    Paths are made absolute: the chunk may be read by a worker that stands in another folder.
    """
    # Not at the top: most jobs read at once, and do without its half second.
    import dask.array as da
    from dask.delayed import delayed

    plan = [str(p) if "://" in str(p) else os.path.abspath(p) for p in paths]
    rows = []
    for top in range(0, grid.height, chunks):
        row = []
        for left in range(0, grid.width, chunks):
            part = grid[top : min(top + chunks, grid.height), left : min(left + chunks, grid.width)]
            block = delayed(_read_block, pure=True)(plan, part, tuple(bands), resampling)
            row.append(da.from_delayed(block, (len(bands), *part.shape), dtype="float32"))
        rows.append(da.concatenate(row, axis=2))
    stack = da.concatenate(rows, axis=1)
    return [stack[i] for i in range(len(bands))]
