"""Windows of remote rasters that have to be decoded: JPEG 2000, and TIFFs out of the ordinary."""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import Any

import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.windows import Window

from heliopolis.errors import GridError, HeliopolisError, NoDataError
from heliopolis.io.remote.client import Client, CorruptError
from heliopolis.io.remote.remote_file import GdalFile, RemotePieces
from heliopolis.io.remote.window import RemoteAsset, check_promise, pixel_box, pixel_size_m

_BLOCK = 512
_ROWS_AT_ONCE = 1024
#: Nothing beside the file is looked for, and nothing of it outlives the reading. Threads of GDAL
#: do not find the opener, which belongs to the thread that registered it: blocks would be empty.
_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_NUM_THREADS": "1",
}


def write_decoded(
    client: Client,
    asset: RemoteAsset,
    region: GeoBox,
    path: Path,
    resolution_m: float | None = None,
    pad: int = 8,
) -> None:
    """Write the pixels of a remote raster that cover ``region`` as a lossless GeoTIFF.

    Parameters are those of `heliopolis.io.remote.window.fetch_window`. Its mask is not kept.
    """
    pieces = RemotePieces(client, asset.url, what=asset.what, signer=asset.signer)
    name = f"{uuid.uuid4().hex}{asset.suffix or '.tif'}"

    def opener(wanted: str, mode: str = "rb", **_: Any) -> GdalFile:
        if Path(wanted).name != name:
            raise FileNotFoundError(wanted)
        return GdalFile(client, asset.url, what=asset.what, pieces=pieces)

    try:
        with rasterio.Env(**_OPTIONS):
            level = _level(name, opener, asset, resolution_m)
            options = {} if level is None else {"overview_level": level}
            with rasterio.open(name, opener=opener, sharing=False, **options) as source:
                _write_part(source, asset, region, path, pad)
    except (RasterioError, HeliopolisError) as error:
        if pieces.error is not None:
            raise pieces.error from None
        if isinstance(error, HeliopolisError):
            raise
        raise CorruptError(
            "the file cannot be decoded",
            where=asset.where,
            remedy="Search again; if it stays, the archive holds a bad file",
        ) from error
    if pieces.error is not None:
        raise pieces.error


def _level(name: str, opener: Any, asset: RemoteAsset, resolution_m: float | None) -> int | None:
    """Check the file; number of the overview to read, None for full resolution."""
    with rasterio.open(name, opener=opener, sharing=False) as source:
        if source.crs is None or source.transform.is_identity:
            raise GridError(
                "the raster has no georeference",
                where=asset.where,
                remedy="Download it by other means and assign one, for instance with gdal_edit.py",
            )
        epsg = source.crs.to_epsg()
        check_promise(asset, source.width, source.height, source.transform, epsg)
        if resolution_m is None:
            return None
        size_m = pixel_size_m(source.transform, CRS.from_wkt(source.crs.to_wkt()))
        fits = [
            number
            for number, factor in enumerate(source.overviews(1))
            if size_m * factor <= resolution_m * 1.001
        ]
        return max(fits, default=None)


def _write_part(source: Any, asset: RemoteAsset, region: GeoBox, path: Path, pad: int) -> None:
    crs = CRS.from_wkt(source.crs.to_wkt())
    try:
        box = pixel_box(region, crs, ~source.transform, (source.height, source.width), pad)
    except NoDataError as error:
        raise NoDataError(error.what, where=asset.where) from None
    profile = {
        "driver": "GTiff",
        "width": box.width,
        "height": box.height,
        "count": source.count,
        "dtype": source.dtypes[0],
        "crs": source.crs,
        "transform": source.transform * Affine.translation(box.col, box.row),
        "nodata": source.nodata,
        "interleave": "band",
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "predictor": 3 if source.dtypes[0].startswith("float") else 2,
    }
    with rasterio.open(path, "w", **profile) as target:
        target.scales, target.offsets = source.scales, source.offsets
        for number in range(math.ceil(box.height / _ROWS_AT_ONCE)):
            top = number * _ROWS_AT_ONCE
            rows = min(_ROWS_AT_ONCE, box.height - top)
            values = source.read(window=Window(box.col, box.row + top, box.width, rows))
            target.write(values, window=Window(0, top, box.width, rows))
