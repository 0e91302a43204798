"""swisstopo: SWISSIMAGE 10 cm, swissSURFACE3D (raster and points), swissALTI3D.

The geoportal's STAC API lists one item for each square kilometre and year, named
``<product>_<year>_<east km>-<north km>``, with assets in several cell sizes
(https://www.geo.admin.ch/en/rest-interface-stac-api).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from heliopolis.errors import ConfigError
from heliopolis.io.archives.cogs import deliver_windows, list_items, remote_asset
from heliopolis.io.archives.delivery import Delivery, Order, remote_stream, workshop
from heliopolis.io.archives.points import PointTile, deliver_points, unzip_las
from heliopolis.io.remote.window import RemoteAsset, file_recipe

_ID = re.compile(r"_(?P<year>\d{4})_(?P<east>\d{4})-(?P<north>\d{4})$")
_GSD = re.compile(r"_(?P<gsd>\d+(?:\.\d+)?)_2056(?:_5728)?\.tif$")
_CRS = "EPSG:2056"


@dataclass(frozen=True)
class _Tile:
    """The newest item of a square kilometre that has an asset of the wanted sort."""

    year: int
    east_m: float
    north_m: float
    asset: RemoteAsset


@dataclass(frozen=True)
class Swisstopo:
    """Open data of the Swiss federal office of topography.

    Attributes
    ----------
    stac_url
        STAC API.
    collections
        Collection of each kind.
    """

    stac_url: str = "https://data.geo.admin.ch/api/stac/v1"
    collections: tuple[tuple[str, str], ...] = (
        ("imagery", "ch.swisstopo.swissimage-dop10"),
        ("dsm", "ch.swisstopo.swisssurface3d-raster"),
        ("dtm", "ch.swisstopo.swissalti3d"),
        ("points", "ch.swisstopo.swisssurface3d"),
    )
    name: str = "swisstopo"

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it has."""
        return tuple(kind for kind, _ in self.collections)

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        items = list_items(order, self.name, self.stac_url, dict(self.collections)[order.kind])
        if order.kind == "points":
            tiles = list(_newest(items, _point_asset))
            if not tiles:
                raise order.nothing(self.name)
            deliver_points(order, self.name, [self._points(order, tile) for tile in tiles])
            return self._delivery(tiles, "heights in LN02")
        cell = _cell(order)
        tiles = list(_newest(items, lambda item: _raster_asset(item, cell)))
        share = deliver_windows(
            order,
            self.name,
            [tile.asset for tile in tiles],
            cell,
            source=dict(self.collections)[order.kind],
        )
        heights = "" if order.kind == "imagery" else ", heights in LN02"
        return self._delivery(tiles, f"{share:.1%} of the rectangle covered{heights}")

    def _delivery(self, tiles: list[_Tile], note: str) -> Delivery:
        years = sorted({tile.year for tile in tiles})
        span = f"surveys of {years[0]}" + (f" to {years[-1]}" if len(years) > 1 else "")
        return Delivery(
            attribution="© swisstopo",
            licence="Open government data of swisstopo (free use, source to be named)",
            year=years[-1],
            note=f"{span}; {note}",
        )

    def _points(self, order: Order, tile: _Tile) -> PointTile:
        copc = tile.asset.name.endswith(".copc.laz")
        return PointTile(
            archive=self.name,
            name=tile.asset.item,
            version=tile.asset.version,
            crs=_CRS,
            bounds=(tile.east_m, tile.north_m, tile.east_m + 1000, tile.north_m + 1000),
            open=lambda: (
                remote_stream(order.store, tile.asset) if copc else _open_zip(order, tile.asset)
            ),
            copc=copc,
        )


@contextmanager
def _open_zip(order: Order, asset: RemoteAsset) -> Iterator[BinaryIO]:
    with workshop(order.target) as folder:
        packed = folder / "packed.zip"
        file_recipe(order.store, asset).place(packed)
        with unzip_las(packed, folder).open("rb") as stream:
            yield stream


def _cell(order: Order) -> float:
    """Cell of the files that serve: the coarser ones (2 m) where 2 m or more are wanted."""
    finest = 0.1 if order.kind == "imagery" else 0.5
    wanted = order.resolution_m or finest
    if wanted < finest / 4:
        raise ConfigError(
            f"{order.kind} of swisstopo has cells of {finest} m; {wanted} m would invent detail",
            remedy=f"Ask for {finest} m or more",
        )
    return 2.0 if wanted >= 2.0 else finest


def _newest(items: list[dict[str, Any]], pick: Any) -> Iterator[_Tile]:
    """Newest item with the wanted asset for each square kilometre, from the south-west."""
    best: dict[tuple[int, int], _Tile] = {}
    for item in items:
        named = _ID.search(str(item["id"]))
        chosen = pick(item) if named else None
        if named is None or chosen is None:
            continue
        key, asset = chosen
        place = int(named["east"]), int(named["north"])
        tile = _Tile(
            int(named["year"]),
            place[0] * 1000.0,
            place[1] * 1000.0,
            remote_asset(item, key, asset),
        )
        if place not in best or tile.year > best[place].year:
            best[place] = tile
    for place in sorted(best, key=lambda p: (p[1], p[0])):
        yield best[place]


def _raster_asset(item: Mapping[str, Any], cell: float) -> tuple[str, Mapping[str, Any]] | None:
    for key, asset in sorted(item.get("assets", {}).items()):
        named = _GSD.search(key)
        told = asset.get("gsd", asset.get("eo:gsd", named["gsd"] if named else None))
        if key.endswith(".tif") and told is not None and abs(float(told) - cell) < 1e-6:
            return key, asset
    return None


def _point_asset(item: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """COPC where there is one, of which parts can be read; else the ZIP archive."""
    assets = item.get("assets", {})
    for ending in (".copc.laz", ".las.zip", ".laz.zip"):
        for key in sorted(assets):
            if key.endswith(ending):
                return key, assets[key]
    return None
