"""A small archive of remote files of all kinds, and the deeds that fetch from it.

Every deed is a plain function of a store and an address; its result is a mapping of names to
bytes, so that two runs can be compared to the last byte.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin

from heliopolis.io.remote.cache import Cache
from heliopolis.io.remote.client import Client, Manners, Signer
from heliopolis.io.remote.localise import localise
from heliopolis.io.remote.window import RemoteAsset, Store, fetch_file, fetch_window
from heliopolis.scene import Scene, Sensor

ITEM = "S2B_T32TPS_20250713T101559_L2A"
UPDATED = "2025-07-14T03:11:22Z"
SIZE, CELL_M, EPSG = 640, 10.0, 32632
WEST, NORTH = 676000.0, 5152000.0

REGION = GeoBox.from_bbox(
    (WEST + 1500, NORTH - 3500, WEST + 3500, NORTH - 1500), "EPSG:32632", resolution=10
)
FAR = GeoBox.from_bbox((11.33, 46.478, 11.352, 46.492), "EPSG:4326", resolution=0.0002)

CREATION: Mapping[str, Mapping[str, object]] = {
    "deflate": {"driver": "COG", "compress": "DEFLATE", "predictor": "YES"},
    "zstd": {"driver": "COG", "compress": "ZSTD"},
    "lzw": {"driver": "COG", "compress": "LZW"},
    "plain": {"driver": "COG", "compress": "NONE"},
    "big": {"driver": "COG", "compress": "DEFLATE", "BIGTIFF": "YES"},
    "jpeg": {"driver": "COG", "compress": "JPEG", "quality": 80},
    "sparse": {"driver": "COG", "compress": "DEFLATE", "SPARSE_OK": "TRUE"},
}


def _pixels(seed: int, bands: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    smooth = 1500 + 400 * np.sin(row / 60) + 300 * np.cos(column / 45)
    noise = draw.normal(0, 250, (bands, SIZE, SIZE))
    return np.clip(smooth + noise, 1, 10000)


def _write_tiff(path: Path, kind: str, seed: int) -> None:
    bands, dtype = (3, "uint8") if kind == "jpeg" else (1, "uint16")
    pixels = _pixels(seed, bands)
    pixels = (pixels / 40).clip(0, 255) if kind == "jpeg" else pixels
    if kind == "sparse":
        pixels[:, :200, :] = 0
    profile = {
        "driver": "GTiff",
        "width": SIZE,
        "height": SIZE,
        "count": bands,
        "dtype": dtype,
        "crs": f"EPSG:{EPSG}",
        "transform": from_origin(WEST, NORTH, CELL_M, CELL_M),
        "nodata": None if kind == "jpeg" else 0,
    }
    if kind == "strips":
        profile |= {"compress": "DEFLATE", "predictor": 2, "blockysize": 16, "ENDIANNESS": "BIG"}
        with rasterio.open(path, "w", **profile) as target:
            target.write(pixels.astype(dtype))
        return
    plain = path.with_suffix(".plain")
    with rasterio.open(plain, "w", **profile, SPARSE_OK="TRUE") as target:
        target.write(pixels.astype(dtype))
        if kind != "jpeg":
            target.scales, target.offsets = (0.0001,), (-0.1,)
    options = {"blocksize": 128, "overview_resampling": "average", **CREATION[kind]}
    copy_raster(plain, path, **options)
    plain.unlink()


def _write_jp2(path: Path, seed: int) -> None:
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=SIZE,
        height=SIZE,
        count=1,
        dtype="uint16",
        crs=f"EPSG:{EPSG}",
        transform=from_origin(WEST, NORTH, CELL_M, CELL_M),
        QUALITY="25",
        blockxsize=128,
        blockysize=128,
    ) as target:
        target.write(_pixels(seed, 1).astype("uint16"))


def write_archive(folder: Path, seed: int) -> None:
    """Write all files; another seed gives other pixels on the same grid, and a later date."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate((*CREATION, "strips")):
        _write_tiff(folder / f"{kind}.tif", kind, 100 * seed + number)
    _write_jp2(folder / "wavelet.jp2", 100 * seed + 50)
    draw = np.random.default_rng(100 * seed + 60)
    (folder / "granule.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + draw.bytes(300_000))
    (folder / "loose.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + draw.bytes(200_000))
    text = "\n".join(f"RADIANCE_MULT_BAND_{n} = {draw.random():.6f}" for n in range(200))
    (folder / "mtl.txt").write_text("GROUP = LANDSAT_METADATA_FILE\n" + text + "\n")
    for path in folder.iterdir():
        os.utime(path, (1.7e9 + seed * 86400, 1.7e9 + seed * 86400))


def checksum(path: Path) -> str:
    """Multihash (sha2-256) of a file, as in ``file:checksum``."""
    return "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Site:
    """Where the archive is served, what is known of it, and how it is called."""

    base: str
    folder: Path
    signer: Signer | None = None


Act = Callable[[Store, Site, Path], dict[str, bytes]]


@dataclass(frozen=True)
class Deed:
    """One thing that the product does with remote files.

    ``checked`` tells whether wrong bytes that come back the same every time can be known as such.
    """

    name: str
    assets: tuple[str, ...]
    paths: tuple[str, ...]
    act: Act = field(repr=False)
    checked: bool = False
    signed: bool = True


def _asset(site: Site, name: str, file: str, *, known: bool) -> RemoteAsset:
    raster = file.endswith(("tif", "jp2"))
    return RemoteAsset(
        item=ITEM,
        name=name,
        url=f"{site.base}/{file}",
        version=checksum(site.folder / file) if known else UPDATED,
        shape=(SIZE, SIZE) if raster else None,
        transform=tuple(from_origin(WEST, NORTH, CELL_M, CELL_M))[:6] if raster else None,
        epsg=EPSG if raster else None,
        signer=site.signer,
    )


def _window(name: str, file: str, region: GeoBox, resolution_m: float | None) -> Act:
    def act(store: Store, site: Site, folder: Path) -> dict[str, bytes]:
        asset = _asset(site, name, file, known=False)
        path = fetch_window(store, asset, region, resolution_m=resolution_m)
        return {path.suffix: path.read_bytes()}

    return act


def _file(name: str, file: str, *, known: bool) -> Act:
    def act(store: Store, site: Site, folder: Path) -> dict[str, bytes]:
        path = fetch_file(store, _asset(site, name, file, known=known))
        return {path.suffix: path.read_bytes()}

    return act


def scene_of(site: Site, files: Mapping[str, str]) -> Scene:
    """A scene whose assets are files of the archive."""
    transform = list(from_origin(WEST, NORTH, CELL_M, CELL_M))[:6]
    projection = {"proj:epsg": EPSG, "proj:shape": [SIZE, SIZE], "proj:transform": transform}
    assets = {
        name: {
            "href": f"{site.base}/{file}",
            **(projection if file.endswith(("tif", "jp2")) else {}),
            "file:size": (site.folder / file).stat().st_size,
        }
        for name, file in files.items()
    }
    item = {
        "type": "Feature",
        "id": ITEM,
        "properties": {"updated": UPDATED, "datetime": "2025-07-13T10:15:59Z"},
        "assets": assets,
    }
    return Scene(ITEM, Sensor.SENTINEL2_L2A, datetime(2025, 7, 13, 10, 15, 59, tzinfo=UTC), item)


def _localise(files: Mapping[str, str]) -> Act:
    def act(store: Store, site: Site, folder: Path) -> dict[str, bytes]:
        local = localise(scene_of(site, files), REGION, [*files, "absent"], store, folder)
        return {name: Path(local.href(name)).read_bytes() for name in files}

    return act


def _deed_of_window(kind: str, region: GeoBox = REGION, resolution_m: float | None = None) -> Deed:
    file = "wavelet.jp2" if kind == "wavelet" else f"{kind}.tif"
    name = f"window {kind}" + ("" if resolution_m is None else " overview")
    act = _window("red", file, region, resolution_m)
    checked = kind in ("deflate", "big", "sparse", "strips")
    return Deed(name, ("red",), (f"/{file}",), act, checked)


SCENE = {"red": "deflate.tif", "nir": "zstd.tif", "scl": "plain.tif", "mtl": "mtl.txt"}

DEEDS: dict[str, Deed] = {
    deed.name: deed
    for deed in (
        _deed_of_window("deflate"),
        _deed_of_window("deflate", FAR, 40.0),
        _deed_of_window("zstd"),
        _deed_of_window("lzw"),
        _deed_of_window("plain"),
        _deed_of_window("big"),
        _deed_of_window("jpeg"),
        _deed_of_window("sparse"),
        _deed_of_window("strips"),
        _deed_of_window("wavelet"),
        Deed(
            "file with checksum",
            ("lst",),
            ("/granule.nc",),
            _file("lst", "granule.nc", known=True),
            checked=True,
        ),
        Deed("file", ("flags",), ("/loose.nc",), _file("flags", "loose.nc", known=False)),
        Deed(
            "localise",
            tuple(SCENE),
            tuple(f"/{file}" for file in SCENE.values()),
            _localise(SCENE),
            signed=False,
        ),
    )
}

MANNERS = Manners(attempts=5, first_wait_s=0.01, connect_timeout_s=2.0, read_timeout_s=0.25)
PATIENT = Manners(attempts=5, first_wait_s=0.01, read_timeout_s=20.0)


def store_at(folder: Path, manners: Manners = PATIENT, limit_bytes: int = 10**9) -> Store:
    """A store with a cache in ``folder`` that does not wait between its attempts."""
    client = Client(manners, offline=False, sleep=lambda seconds: None, seed=0)
    return Store(client, Cache(folder, limit_bytes))
