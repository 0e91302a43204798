"""Local copies of what a run needs of a scene."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from odc.geo.geobox import GeoBox

from heliopolis.area import safe_name
from heliopolis.errors import NoDataError
from heliopolis.io.raster import raster_grid
from heliopolis.io.remote.blocks import THREADS
from heliopolis.io.remote.tokens import signer_for
from heliopolis.io.remote.window import (
    RemoteAsset,
    Store,
    file_recipe,
    window_recipe,
)
from heliopolis.scene import Scene

_WHOLE = frozenset({".nc", ".json", ".xml", ".txt", ".csv", ".h5", ".zip", ".gpkg", ".parquet"})
_RASTER = frozenset({".tif", ".tiff", ".jp2", ".j2k"})
#: Fields that are true of the remote file and not of its local part.
_OF_REMOTE = ("file:size", "file:checksum", "alternate", "storage:refs", "auth:refs")
_ASSETS_AT_ONCE = 4


def localise(
    scene: Scene,
    grid: GeoBox,
    assets: Sequence[str],
    store: Store,
    folder: Path,
    *,
    resolution_m: float | None = None,
    pad: int = 8,
) -> Scene:
    """Bring what a grid needs of a scene onto this machine.

    Parameters
    ----------
    scene
        The scene; all its items are looked at.
    grid
        Where pixels are needed, in any CRS.
    assets
        Keys of the assets wanted; those that an item lacks are passed over.
    store
        Client and cache.
    folder
        Where the files go, one folder for each item. They are hard links from the cache, which
        may forget its own afterwards.
    resolution_m, pad
        As in `heliopolis.io.remote.window.fetch_window`.

    Returns
    -------
    Scene
        The same scene with the addresses of these assets replaced by paths; rasters are cut to
        the grid, other files are whole. Paths are left as they are. Items that lie wholly
        outside the grid are left out.

    Raises
    ------
    NoDataError
        Where every item lies outside.
    RemoteError
        Where an archive does not give a file, naming item and asset.
    """
    found = _localised([(scene, folder)], grid, assets, store, resolution_m, pad)
    if not found:
        raise NoDataError("the scene lies wholly outside the area", where=scene.id)
    return found[0]


def localise_all(
    scenes: Sequence[Scene],
    grid: GeoBox,
    assets: Sequence[str],
    store: Store,
    folder: Path,
    *,
    resolution_m: float | None = None,
    pad: int = 8,
) -> list[Scene]:
    """Bring several scenes at the same time, each into the folder named by its id.

    As `localise`, which waits for one scene before the next; scenes that lie wholly outside the
    grid are left out.
    """
    places = [(scene, folder / scene.id) for scene in scenes]
    return _localised(places, grid, assets, store, resolution_m, pad)


def _localised(
    places: Sequence[tuple[Scene, Path]],
    grid: GeoBox,
    assets: Sequence[str],
    store: Store,
    resolution_m: float | None,
    pad: int,
) -> list[Scene]:
    with (
        ThreadPoolExecutor(THREADS, "blocks") as workers,
        ThreadPoolExecutor(_ASSETS_AT_ONCE, "assets") as pool,
    ):
        fetch = _Fetch(store, grid, resolution_m, pad, workers)
        jobs = [
            _Job(place, number, name, item, folder, fetch)
            for place, (scene, folder) in enumerate(places)
            for number, item in enumerate(scene.items)
            for name in dict.fromkeys(assets)
            if is_remote(item.get("assets", {}).get(name, {}).get("href"))
        ]
        found = _outcomes({pool.submit(job.run): job for job in jobs})
    kept = []
    for place, (scene, _) in enumerate(places):
        items = _with_files(scene.items, place, found)
        if items:
            kept.append(replace(scene, item=items[0], parts=tuple(items[1:])))
        if store.client.progress is not None:
            store.client.progress.scene_done(scene.id)
    return kept


def is_remote(href: object) -> bool:
    """Whether an address has to be fetched, and is no path of this machine."""
    return isinstance(href, str) and urlsplit(href).scheme in ("http", "https", "s3")


def is_raster(name: str, asset: Mapping[str, Any]) -> bool:
    """Whether an asset is an image whose part can be cut out; other files are taken whole."""
    suffix = Path(urlsplit(str(asset.get("href", name))).path).suffix.lower()
    if suffix in _WHOLE or suffix in _RASTER:
        return suffix in _RASTER
    return str(asset.get("type", "")).startswith(("image/tiff", "image/jp2", "image/vnd.stac"))


def remote_asset(
    item: Mapping[str, Any], name: str, store: Store, *, whole: bool = False
) -> RemoteAsset:
    """Asset of a STAC item with what the item says about it."""
    record: Mapping[str, Any] = item["assets"][name]
    properties: Mapping[str, Any] = item.get("properties", {})
    told = {**properties, **record}
    href = str(record["href"])
    checksum = record.get("file:checksum")
    updated = record.get("updated") or properties.get("updated")
    signer = told.get("heliopolis:signer")
    shape, transform = told.get("proj:shape"), told.get("proj:transform")
    if whole:
        told, shape, transform = {}, None, None
    return RemoteAsset(
        item=str(item.get("id")),
        name=name,
        url=href,
        version=str(checksum or updated) if checksum or updated else None,
        signer=signer_for(str(signer) if signer else href, store.client),
        checksum=str(checksum) if checksum else None,
        size=int(record["file:size"]) if record.get("file:size") else None,
        shape=(int(shape[0]), int(shape[1])) if shape else None,
        transform=tuple(float(number) for number in transform) if transform else None,
        epsg=_epsg(told),
    )


def _epsg(told: Mapping[str, Any]) -> int | None:
    if told.get("proj:epsg"):
        return int(told["proj:epsg"])
    match = re.fullmatch(r"EPSG:(\d+)", str(told.get("proj:code", "")))
    return int(match[1]) if match else None


@dataclass(frozen=True)
class _Fetch:
    """What all assets have in common."""

    store: Store
    grid: GeoBox
    resolution_m: float | None
    pad: int
    workers: Executor


@dataclass(frozen=True)
class _Job:
    """One asset of one item of one scene."""

    scene: int
    number: int
    name: str
    item: Mapping[str, Any]
    folder: Path
    fetch: _Fetch

    def run(self) -> Path:
        fetch = self.fetch
        raster = is_raster(self.name, self.item["assets"][self.name])
        asset = remote_asset(self.item, self.name, fetch.store, whole=not raster)
        if raster:
            recipe = window_recipe(
                fetch.store,
                asset,
                fetch.grid,
                resolution_m=fetch.resolution_m,
                pad=fetch.pad,
                workers=fetch.workers,
            )
        else:
            recipe = file_recipe(fetch.store, asset)
        name = local_name(self.name) + recipe.suffix
        target = self.folder / local_name(str(self.item.get("id"))) / name
        recipe.place(target)
        return target


def local_name(name: str) -> str:
    """``name`` where it is safe in a path, else a safe one that is as good as unique.

    >>> local_name("nir")
    'nir'
    >>> local_name("../../etc/passwd")
    'etc_passwd-3754d6cb'
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:60]
    if plain != name:
        plain = f"{plain or 'file'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return safe_name(plain)


_Outcome = dict[tuple[int, int], dict[str, Path | None]]


def _outcomes(futures: Mapping[Future[Path], _Job]) -> _Outcome:
    """Files by item and asset, None where the asset lies outside the area; the first error."""
    found: _Outcome = {}
    left = set(futures)
    try:
        while left:
            done, left = wait(left, return_when=FIRST_EXCEPTION)
            for future in sorted(done, key=lambda one: (futures[one].scene, futures[one].number)):
                job = futures[future]
                try:
                    path: Path | None = future.result()
                except NoDataError:
                    path = None
                found.setdefault((job.scene, job.number), {})[job.name] = path
    finally:
        for future in left:
            future.cancel()
    return found


def _with_files(
    items: Sequence[Mapping[str, Any]], scene: int, found: _Outcome
) -> list[Mapping[str, Any]]:
    kept: list[Mapping[str, Any]] = []
    for number, item in enumerate(items):
        files = found.get((scene, number), {})
        if None in files.values():
            continue
        record = copy.deepcopy(dict(item)) if files else dict(item)
        for name, path in files.items():
            if path is not None:
                record["assets"][name] = _local_asset(record["assets"][name], path)
        kept.append(record)
    return kept


def _local_asset(asset: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """An asset whose file lies here, with the grid that the file has."""
    local = {key: value for key, value in asset.items() if key not in _OF_REMOTE}
    local["href"] = str(path.resolve())
    if path.suffix == ".tif":
        box = raster_grid(path)
        local["proj:shape"] = list(box.shape)
        local["proj:transform"] = [float(value) for value in box.affine[:6]]
        local.pop("proj:bbox", None)
        local.pop("proj:geometry", None)
    return local
