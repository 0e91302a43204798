"""Bands of a STAC item on a grid, lazily, through odc-stac.

odc-stac lays out the chunks and the graph; the pixels are read by `heliopolis.io.warp`, because
its own reader leaves the positions to GDAL's approximation of each chunk: across UTM zones about
1.5 % of the nearest pixels then hang on the size of the chunks, and so does the width of the
bilinear kernel. It also trusts the item's footprint, which providers simplify.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import odc.stac
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioDriver

from heliopolis.errors import GridError, InputError
from heliopolis.io.limits import reading
from heliopolis.io.raster import open_dataset
from heliopolis.io.warp import touches, warp_part


def load(
    item: Mapping[str, Any],
    bands: Sequence[str],
    grid: GeoBox,
    *,
    resampling: str | Mapping[str, str] = "nearest",
    chunks: int | None = None,
) -> xr.Dataset:
    """Bands of one item on ``grid``, numbers as stored.

    Parameters
    ----------
    item
        STAC item whose assets are local rasters; ``nodata`` is taken from an asset's
        ``raster:bands``, or from the file where the item does not declare it.
    bands
        Keys of the assets; the first band of each is read.
    grid
        Target grid, in any CRS.
    resampling
        A GDAL method, or one for each band.
    chunks
        Side of a Dask chunk in cells; eager when None. The numbers do not hang on it.

    Returns
    -------
    Dataset
        float32 (y, x), scale and offset not applied; NaN where there is no data.

    Raises
    ------
    InputError
        When an asset is missing, or, as soon as it is read, cannot be opened.
    """
    if not bands:
        return xr.Dataset()
    wanted: dict[str, int | Literal["auto"]] | None = None
    if chunks is not None:
        wanted = {"x": chunks, "y": chunks}
    methods = resampling if isinstance(resampling, str) else dict(resampling)
    loaded = odc.stac.load(
        [_plain_item(item, bands, grid)],
        bands=list(bands),
        geobox=grid,
        chunks=wanted,
        resampling=methods,
        dtype="float32",
        nodata=np.nan,
        driver=_Driver(),
    )
    out = loaded.isel(time=0, drop=True)
    for array in out.data_vars.values():
        array.attrs = {}
    return out


def first_valid(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """For each band and cell the value of the first part that has one; attributes of the first."""
    out = parts[0]
    for part in parts[1:]:
        shared = {
            name: array.where(array.notnull(), part[name]) if name in part else array
            for name, array in out.data_vars.items()
        }
        for name, array in shared.items():
            array.attrs = out[name].attrs
        more = {name: part[name] for name in part.data_vars if name not in out}
        out = xr.Dataset({**shared, **more})
    return out


def declared(asset: Mapping[str, Any], key: str) -> float | None:
    """Number that an asset declares for its band: ``scale``, ``offset`` or ``nodata``."""
    told = (asset.get("raster:bands") or [{}])[0].get(key)
    if isinstance(told, str) and told.lower() == "nan":
        return float("nan")
    return float(told) if isinstance(told, int | float) else None


def local_path(href: str) -> str:
    """Path of a local href, which may be a ``file:`` URL."""
    return href.removeprefix("file://")


def _plain_item(item: Mapping[str, Any], bands: Sequence[str], grid: GeoBox) -> pystac.Item:
    """The wanted assets alone, with a footprint that leaves no chunk out."""
    assets = item.get("assets", {})
    around = grid.extent.buffer(4 * abs(grid.resolution.x)).to_crs("EPSG:4326")
    plain = pystac.Item(
        str(item.get("id", "item")), around.json, list(around.boundingbox.bbox),
        datetime(2000, 1, 1, tzinfo=UTC), {},
    )  # fmt: skip
    for name in bands:
        if name not in assets:
            raise InputError(f"the item has no asset {name!r}", where=plain.id,
                             remedy="It has: " + ", ".join(sorted(assets)))  # fmt: skip
        nodata = declared(assets[name], "nodata")
        extra = {} if nodata is None else {"raster:bands": [{"nodata": _json(nodata)}]}
        path = local_path(str(assets[name]["href"]))
        plain.add_asset(name, pystac.Asset(path, media_type="image/tiff", extra_fields=extra))
    return plain


def _json(number: float) -> float | str:
    return "nan" if np.isnan(number) else number


class _Driver(RioDriver):
    """Reader driver of odc-stac that reads by `warp_part`."""

    def open(self, src: RasterSource, ctx: Any) -> Any:
        return _Reader(src, ctx)

    def restore_env(self, env: dict[str, Any], load_state: Any) -> Any:
        return _Grid(load_state.geobox)


class _Grid:
    """What a reader has to know of the load: its whole grid."""

    def __init__(self, geobox: GeoBox) -> None:
        self.geobox = geobox

    def __enter__(self) -> _Grid:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Reader:
    def __init__(self, src: RasterSource, ctx: _Grid) -> None:
        self._source = src
        self._grid = ctx.geobox

    def read(
        self,
        cfg: RasterLoadParams,
        dst_geobox: GeoBox,
        *,
        dst: np.ndarray[Any, Any] | None = None,
        selection: Any = None,
    ) -> tuple[tuple[slice, slice], np.ndarray[Any, Any]]:
        """Pixels of a chunk, and where in the chunk they lie: everywhere, or nowhere."""
        told = self._source.meta.nodata if self._source.meta is not None else None
        with reading("the raster", self._source.uri), open_dataset(self._source.uri) as source:
            if source.crs is None:
                raise GridError("the raster has no coordinate reference system",
                                where=self._source.uri)  # fmt: skip
            if not touches(source, dst_geobox):
                return (slice(0, 0), slice(0, 0)), np.empty((0, 0), dtype="float32")
            nodata = source.nodatavals[self._source.band - 1] if told is None else told
            column, row = ~self._grid.affine * (dst_geobox.affine.c, dst_geobox.affine.f)
            top, left = round(row), round(column)
            part = slice(top, top + dst_geobox.height), slice(left, left + dst_geobox.width)
            (values,) = warp_part(source, self._grid, part, bands=[self._source.band],
                                  resampling=cfg.resampling, nodata=nodata)  # fmt: skip
        if dst is not None:
            dst[:] = values
            values = dst
        return (slice(0, dst_geobox.height), slice(0, dst_geobox.width)), values
