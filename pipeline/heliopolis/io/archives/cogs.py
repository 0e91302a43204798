"""Rasters out of STAC items: windows of cloud-optimised GeoTIFFs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from heliopolis.errors import NoDataError
from heliopolis.io.archives.answers import with_query
from heliopolis.io.archives.delivery import Order, workshop
from heliopolis.io.archives.mosaic import CONTENTS, paste, write_mosaic
from heliopolis.io.archives.pages import Features, linked_features
from heliopolis.io.remote.window import RemoteAsset, window_recipe

_WORKERS = 4
#: Items a page; swisstopo gives at most 100.
_PAGE = 100


def list_items(order: Order, archive: str, stac_url: str, collection: str) -> Features:
    """STAC items of a collection that touch the area."""
    west, south, east, north = order.bounds("EPSG:4326")
    url = with_query(
        f"{stac_url.rstrip('/')}/collections/{collection}/items",
        {"bbox": f"{west:.7f},{south:.7f},{east:.7f},{north:.7f}", "limit": _PAGE},
    )
    return linked_features(order.store, archive, f"items of {collection}", url, fresh=True)


def remote_asset(
    item: Mapping[str, Any], name: str, asset: Mapping[str, Any], url: str | None = None
) -> RemoteAsset:
    """Asset of a STAC item with what the item says of its grid and version."""
    told = {**item.get("properties", {}), **asset}
    code = told.get("proj:epsg")
    if code is None and str(told.get("proj:code", "")).startswith("EPSG:"):
        code = int(str(told["proj:code"]).removeprefix("EPSG:"))
    version = next(
        (
            str(told[key])
            for key in ("file:checksum", "checksum:multihash", "updated", "created")
            if told.get(key)
        ),
        None,
    )
    shape, transform = told.get("proj:shape"), told.get("proj:transform")
    return RemoteAsset(
        item=str(item["id"]),
        name=name,
        url=url or str(asset["href"]),
        version=version,
        shape=(int(shape[0]), int(shape[1])) if shape else None,
        transform=tuple(float(v) for v in transform[:6]) if transform else None,
        epsg=int(code) if code is not None else None,
        checksum=told.get("file:checksum", told.get("checksum:multihash")),
        size=told.get("file:size"),
    )


def deliver_windows(
    order: Order, archive: str, assets: Sequence[RemoteAsset], native_m: float, source: str
) -> float:
    """Fetch the windows over the area and write them as one raster; return the known share."""
    content = CONTENTS[order.kind]
    grid = order.grid(native_m)
    if not assets:
        raise order.nothing(archive)
    with workshop(order.target) as folder:
        with ThreadPoolExecutor(_WORKERS) as pool:
            pieces = list(
                pool.map(lambda job: _fetch(order, job[1], grid, folder, job[0]), enumerate(assets))
            )
        found = [piece for piece in pieces if piece is not None]
        if not found:
            raise order.nothing(archive)
        natives = paste(found, content, folder)
        share = write_mosaic(order, natives, grid, content, source)
        if share == 0:
            order.target.unlink()
            raise order.nothing(archive)
        return share


def _fetch(
    order: Order, asset: RemoteAsset, grid: GeoBox, folder: Path, number: int
) -> Path | None:
    """Window of one file; None where the file only looked as if it touched."""
    piece = folder / f"window_{number}.tif"
    try:
        recipe = window_recipe(order.store, asset, grid, resolution_m=order.resolution_m)
        recipe.place(piece)
    except NoDataError:
        return None
    return piece
