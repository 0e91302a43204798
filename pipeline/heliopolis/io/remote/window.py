"""Parts of remote rasters, and whole remote files, as verified local files in the cache."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from heliopolis.errors import InputError, NoDataError
from heliopolis.io.remote.blocks import DamagedBlockError, fetch_blocks
from heliopolis.io.remote.cache import Cache, Key, Reference
from heliopolis.io.remote.client import Client, CorruptError, Signer
from heliopolis.io.remote.tiff import Image, Tiff, TiffError, UnsupportedTiffError, read_tiff
from heliopolis.io.remote.tiff_copy import Box, clip, level_transform, plan_copy, snap
from heliopolis.io.remote.tiff_plain import plan_plain

#: Bytes that the directory of a cloud-optimised GeoTIFF usually fits into.
HEADER_BYTES = 32 * 1024
_JP2 = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_EDGE_POINTS = 65
#: A pixel more or less between catalog and file is a convention; this is another file.
_LARGEST_SHIFT_PIXELS = 0.75
_METRES_PER_DEGREE = 111_320.0
#: Codes of the hashes of a multihash: name and length in bytes.
_MULTIHASH = {"1220": ("sha256", 32), "1340": ("sha512", 64), "1114": ("sha1", 20),
              "d50110": ("md5", 16)}  # fmt: skip
_PART_BYTES = 4 * 2**20


@dataclass(frozen=True)
class RemoteAsset:
    """A file at an archive, and what its item says about it.

    Attributes
    ----------
    item, name
        Id of the item and key of the asset.
    url
        Its address, not signed.
    version
        What changes when the file does: ``file:checksum``, or ``updated`` of the item. None: the
        server is asked.
    shape, transform, epsg
        Rows and columns, affine transform (6 or 9 numbers) and CRS that the item promises; None
        where it says nothing.
    signer
        Adds token or key.
    checksum
        ``file:checksum``, a multihash in hexadecimal.
    size
        ``file:size`` [bytes].
    """

    item: str
    name: str
    url: str
    version: str | None = None
    shape: tuple[int, int] | None = None
    transform: Sequence[float] | None = None
    epsg: int | None = None
    signer: Signer | None = None
    checksum: str | None = None
    size: int | None = None

    @property
    def what(self) -> str:
        """Item and asset, for messages."""
        return f"item {self.item}, asset {self.name}"

    @property
    def where(self) -> str:
        """Item, asset and address without its query, which may hold a token."""
        return f"{self.what}, {self.url.partition('?')[0]}"

    @property
    def suffix(self) -> str:
        """Ending of the file's name; empty where there is none that is safe."""
        found = re.search(r"\.[A-Za-z0-9]{1,8}$", urlsplit(self.url).path)
        return found.group().lower() if found else ""


@dataclass(frozen=True)
class Store:
    """How files are fetched and where they are kept."""

    client: Client
    cache: Cache


@dataclass(frozen=True)
class Recipe:
    """A content of the cache: its name, and how it is made where it is absent."""

    store: Store
    reference: Reference
    version: str | None
    suffix: str
    write: Callable[[Path], None]

    def fetch(self) -> Path:
        """Path in the cache."""
        found = self.store.cache.find(self.reference, self.version)
        if found is None:
            self._make()
            found = self.store.cache.find(self.reference, self.version)
        if found is None:
            raise InputError(
                "the cache lost a file at once",
                where=str(self.store.cache.folder),
                remedy="Give the cache more space: HELIOPOLIS_CACHE_GB",
            )
        return found

    def place(self, target: Path) -> None:
        """Put the content at ``target``, where it stays whatever the cache forgets."""
        if not self.store.cache.take(self.reference, self.version, target):
            self._make(target)

    def _make(self, target: Path | None = None) -> None:
        key = Key(self.reference, self.version or f"read {datetime.now(UTC).isoformat()}")
        with self.store.cache.publish(key, self.suffix, target) as path:
            self.write(path)


def fetch_window(
    store: Store,
    asset: RemoteAsset,
    region: GeoBox,
    *,
    resolution_m: float | None = None,
    pad: int = 8,
) -> Path:
    """Local GeoTIFF with the part of a remote raster that covers a region.

    The pixels keep their own grid. Of a TIFF with deflated blocks they are laid out plainly; else
    the compressed blocks are copied as they are, each checked. A mask comes along, overviews do
    not. Other formats are decoded and stored losslessly. The file is the same to the last byte
    whatever happened on the way.

    Parameters
    ----------
    store
        Client and cache.
    asset
        The raster.
    region
        Region to cover, in any CRS.
    resolution_m
        Where overviews exist, the coarsest one whose pixels are not larger is taken [m]; full
        resolution by default.
    pad
        Further pixels on all sides.

    Raises
    ------
    NoDataError
        Where the raster lies wholly outside the region.
    RemoteError
        Where the archive does not give it; `CorruptError` where what it gives cannot be right
        or is not the file that the item describes.
    """
    return window_recipe(store, asset, region, resolution_m=resolution_m, pad=pad).fetch()


def fetch_file(store: Store, asset: RemoteAsset) -> Path:
    """Local copy of a whole remote file; size and checksum are compared where they are known.

    Raises
    ------
    RemoteError
        Where the archive does not give it; `CorruptError` where it is not what the item says.
    """
    return file_recipe(store, asset).fetch()


def window_recipe(
    store: Store,
    asset: RemoteAsset,
    region: GeoBox,
    *,
    resolution_m: float | None = None,
    pad: int = 8,
    workers: Executor | None = None,
) -> Recipe:
    """Recipe of `fetch_window`; ``workers`` are threads to fetch blocks with."""
    if region.crs is None:
        raise InputError("the region has no coordinate reference system", where=asset.what)
    grid = (str(region.crs), tuple(region.shape), tuple(float(v) for v in region.affine[:6]))
    digest = hashlib.sha256(repr((grid, resolution_m, pad)).encode()).hexdigest()[:32]
    reference = _reference(asset, kind="window", window=digest)
    version = _version(store, asset)

    def write(path: Path) -> None:
        write_window(store.client, asset, region, path, resolution_m, pad, workers)

    return Recipe(store, reference, version, ".tif", write)


def file_recipe(store: Store, asset: RemoteAsset) -> Recipe:
    """Recipe of `fetch_file`."""
    reference = _reference(asset, kind="file")
    version = _version(store, asset)
    return Recipe(
        store, reference, version, asset.suffix, lambda path: write_file(store.client, asset, path)
    )


def _reference(asset: RemoteAsset, **more: str) -> Reference:
    path = urlsplit(asset.url).path
    pairs = {"item": asset.item, "asset": asset.name, "path": path, **more}
    return tuple(sorted(pairs.items()))


def _version(store: Store, asset: RemoteAsset) -> str | None:
    """Version of the asset; None finds the newest content, or none at all where online."""
    if asset.version is not None or store.client.offline:
        return asset.version
    headers = store.client.head(asset.url, what=asset.what, signer=asset.signer).headers
    if headers.get("etag"):
        return headers["etag"]
    if headers.get("last-modified"):
        return f"{headers['last-modified']} {headers.get('content-length', '')}"
    return f"read {datetime.now(UTC).isoformat()}"


def write_window(
    client: Client,
    asset: RemoteAsset,
    region: GeoBox,
    path: Path,
    resolution_m: float | None = None,
    pad: int = 8,
    workers: Executor | None = None,
) -> None:
    """Write the window that `fetch_window` describes to ``path``."""
    header = _Header(client, asset)
    try:
        magic = header(0, 12)
        if magic.startswith(_JP2):
            raise UnsupportedTiffError("JPEG 2000")
        tiff = read_tiff(header)
        check_promise(asset, tiff.full.width, tiff.full.height, tiff.transform, tiff.epsg)
        crs = _tiff_crs(tiff)
        level = choose_level(tiff, crs, resolution_m)
        mask = tiff.mask_of(level)
        images = [level] if mask is None else [level, mask]
        to_pixels = ~level_transform(tiff, level)
        box = pixel_box(region, crs, to_pixels, (level.height, level.width), pad)
        size = header.size
        plan = plan_plain(tiff, level, box, file_size=size) or plan_copy(
            tiff, level, snap(box, images), file_size=size
        )
    except UnsupportedTiffError:
        from heliopolis.io.remote.decode import write_decoded

        write_decoded(client, asset, region, path, resolution_m, pad)
        return
    except NoDataError as error:
        raise NoDataError(error.what, where=asset.where) from None
    except TiffError as error:
        raise _corrupt(asset, error.what) from error
    try:
        fetch_blocks(plan, path, header.read, attempts=client.manners.attempts, workers=workers)
    except DamagedBlockError as error:
        raise _corrupt(asset, str(error)) from error


def check_promise(
    asset: RemoteAsset, width: int, height: int, transform: Affine, epsg: int | None
) -> None:
    """Compare a file with what its item says; raises `CorruptError` where it is another one."""
    if asset.shape is not None and tuple(asset.shape) != (height, width):
        raise _corrupt(
            asset, f"the file has {height} x {width} pixels, the catalog says {asset.shape}"
        )
    if asset.epsg is not None and epsg is not None and asset.epsg != epsg:
        raise _corrupt(asset, f"the file is in EPSG:{epsg}, the catalog says EPSG:{asset.epsg}")
    if asset.transform is not None:
        promised = Affine(*[float(value) for value in tuple(asset.transform)[:6]])
        corners = np.array([(0, 0), (width, 0), (0, height)], dtype=float)
        found = [~transform * (promised * tuple(corner)) for corner in corners]
        if not np.abs(np.array(found) - corners).max() <= _LARGEST_SHIFT_PIXELS:
            raise _corrupt(asset, "the file lies elsewhere than the catalog says")


def choose_level(tiff: Tiff, crs: CRS, resolution_m: float | None) -> Image:
    """The coarsest image whose pixels are not larger than ``resolution_m`` [m]."""
    chosen = tiff.full
    if resolution_m is None:
        return chosen
    size_m = pixel_size_m(tiff.transform, crs)
    for level in tiff.levels:
        if size_m * tiff.full.width / level.width <= resolution_m * 1.001:
            chosen = level
    return chosen


def pixel_size_m(transform: Affine, crs: CRS) -> float:
    """Side of a pixel [m]; along a meridian where the coordinates are degrees."""
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    metres = _METRES_PER_DEGREE if crs.is_geographic else unit
    return math.sqrt(abs(transform.determinant)) * metres


def pixel_box(region: GeoBox, crs: CRS, to_pixels: Affine, shape: tuple[int, int], pad: int) -> Box:
    """Pixels of an image that cover a region.

    Parameters
    ----------
    region
        Region in any CRS.
    crs
        CRS of the image.
    to_pixels
        From coordinates to pixel corners of the image.
    shape
        Rows and columns of the image.
    pad
        Further pixels on all sides.

    Raises
    ------
    NoDataError
        Where none of the image lies in the region.
    """
    rows, cols = region.shape
    ahead = np.linspace(0.0, 1.0, _EDGE_POINTS)
    ends = np.zeros_like(ahead), np.ones_like(ahead)
    u = np.concatenate([ahead, ahead, *ends]) * cols
    v = np.concatenate([*ends, ahead, ahead]) * rows
    a = region.affine
    x, y = a.a * u + a.b * v + a.c, a.d * u + a.e * v + a.f
    x, y = _transformer(str(region.crs), crs).transform(x, y)
    t = to_pixels
    col, row = t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
    if not (np.isfinite(col).all() and np.isfinite(row).all()):
        raise NoDataError("the area lies outside the image")
    left, right = math.floor(col.min() + 1e-6), math.ceil(col.max() - 1e-6)
    top, bottom = math.floor(row.min() + 1e-6), math.ceil(row.max() - 1e-6)
    clip(Box(left, top, right - left, bottom - top), shape[1], shape[0])
    grown = Box(left - pad, top - pad, right - left + 2 * pad, bottom - top + 2 * pad)
    return clip(grown, shape[1], shape[0])


@lru_cache(maxsize=64)
def _transformer(source: str, target: CRS) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=64)
def _crs(code: int) -> CRS:
    return CRS.from_epsg(code)


def _tiff_crs(tiff: Tiff) -> CRS:
    """CRS of a TIFF; by GDAL where it is more than a code."""
    if tiff.epsg is not None:
        return _crs(tiff.epsg)
    box = snap(Box(0, 0, 1, 1), [tiff.full])
    with rasterio.MemoryFile(plan_copy(tiff, tiff.full, box).head) as memory, memory.open() as file:
        if file.crs is None:
            raise UnsupportedTiffError("the TIFF has no coordinate reference system")
        return CRS.from_wkt(file.crs.to_wkt())


class _Header:
    """First bytes of a file, and any others that are asked for, each read once and confirmed."""

    def __init__(self, client: Client, asset: RemoteAsset) -> None:
        self._client, self._asset = client, asset
        self._pieces: dict[int, bytes] = {}
        self.etag: str | None = None
        self.size: int | None = None

    def __call__(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop - 1``; fewer at the end of the file."""
        if not self._pieces:
            self._fetch(0, 1)
        if self.size is not None:
            stop = min(stop, self.size)
        if start >= stop:
            return b""
        first, last = start // HEADER_BYTES, (stop - 1) // HEADER_BYTES
        missing = [number for number in range(first, last + 1) if number not in self._pieces]
        if missing:
            self._fetch(missing[0], missing[-1] + 1)
        data = b"".join(self._pieces.get(number, b"") for number in range(first, last + 1))
        return data[start - first * HEADER_BYTES : stop - first * HEADER_BYTES]

    def read(self, start: int, stop: int, confirm: bool) -> bytes:
        """Bytes ``start`` to ``stop - 1`` of the same version of the file."""
        asset = self._asset
        answer = self._client.read_range(
            asset.url,
            start,
            stop,
            what=asset.what,
            signer=asset.signer,
            version=self.etag,
            confirm=confirm,
        )
        if self.size is None:
            total = answer.headers.get("content-range", "").rpartition("/")[2]
            self.size = int(total) if total.isdigit() else None
            self.etag = answer.headers.get("etag")
        return answer.body

    def _fetch(self, first: int, stop: int) -> None:
        start, end = first * HEADER_BYTES, stop * HEADER_BYTES
        data = self.read(start, end if self.size is None else min(end, self.size), True)
        for number in range(first, stop):
            at = (number - first) * HEADER_BYTES
            self._pieces[number] = data[at : at + HEADER_BYTES]


def write_file(client: Client, asset: RemoteAsset, path: Path) -> None:
    """Write the whole file that `fetch_file` describes to ``path``."""
    known = _hash_of(asset.checksum) or _hash_of(asset.version)
    given: dict[str, Any] = {"what": asset.what, "signer": asset.signer}
    headers = client.head(asset.url, **given).headers
    length = headers.get("content-length", "")
    size = int(length) if length.isdigit() else None
    if asset.size is not None and size is not None and size != asset.size:
        raise _corrupt(asset, f"the file has {size} bytes, the catalog says {asset.size}")
    in_parts = headers.get("accept-ranges") == "bytes" and size is not None and size > 0
    if in_parts and known is None and asset.size is None:
        _check_size(client, asset, size, headers.get("etag"))
    for confirm in (False, True) if known else (True,):
        if in_parts and size is not None:
            _write_parts(client, asset, path, size, headers.get("etag"), confirm)
        else:
            path.write_bytes(client.get(asset.url, confirm=confirm, **given).body)
        if known is None or _digest_of(path, known[0]) == known[1]:
            break
    else:
        raise _corrupt(asset, "the file does not agree with its checksum in the catalog")
    promised = size if asset.size is None else asset.size
    if promised is not None and path.stat().st_size != promised:
        found, who = path.stat().st_size, "server" if asset.size is None else "catalog"
        raise _corrupt(asset, f"the file has {found} bytes, the {who} says {promised}")


def _check_size(client: Client, asset: RemoteAsset, size: int | None, etag: str | None) -> None:
    """Ask for the size once more, where nothing else tells a file that was cut short."""
    given: dict[str, Any] = {"what": asset.what, "signer": asset.signer, "version": etag}
    told = client.read_range(asset.url, 0, 1, **given).headers["content-range"]
    total = told.rpartition("/")[2]
    if total.isdigit() and int(total) != size:
        raise _corrupt(asset, f"the server names two sizes, {size} and {total} bytes")


def _digest_of(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, name).hexdigest()


def _write_parts(
    client: Client, asset: RemoteAsset, path: Path, size: int, etag: str | None, confirm: bool
) -> None:
    """Fetch a file in parts at the same time, a few of them held at once."""
    threads = client.manners.connections_per_host
    starts = range(0, size, _PART_BYTES)
    given: dict[str, Any] = {"what": asset.what, "signer": asset.signer, "version": etag}
    with path.open("wb") as stream:
        for at in range(0, len(starts), threads):
            some = [(start, min(start + _PART_BYTES, size)) for start in starts[at : at + threads]]
            for body in client.read_ranges(asset.url, some, confirm=confirm, **given):
                stream.write(body)


def _hash_of(multihash: str | None) -> tuple[str, str] | None:
    """Name and digest of a multihash that can be checked here."""
    text = (multihash or "").lower()
    for code, (name, length) in _MULTIHASH.items():
        if re.fullmatch(f"{code}[0-9a-f]{{{2 * length}}}", text):
            return name, text.removeprefix(code)
    return None


def _corrupt(asset: RemoteAsset, what: str) -> CorruptError:
    return CorruptError(
        what, where=asset.where, remedy="Search again; if it stays, the archive holds a bad file"
    )
