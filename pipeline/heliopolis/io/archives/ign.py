"""IGN Géoplateforme: BD ORTHO, LiDAR HD (heights and points), buildings of BD TOPO.

Services: WMS raster and WFS 2.0 (https://geoservices.ign.fr/documentation/services). The
rasters of LiDAR HD have cells of 0.5 m whose centres lie on multiples of 0.5 m; an answer of
the WMS has at most 5010 cells a side. A WFS answer has at most 5000 features.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import shapely

from heliopolis.errors import ConfigError
from heliopolis.io.archives.answers import with_query
from heliopolis.io.archives.delivery import Delivery, Order, remote_stream
from heliopolis.io.archives.layers import deliver_layer, number
from heliopolis.io.archives.mosaic import CONTENTS
from heliopolis.io.archives.pages import Bounds, Features, WfsLayer
from heliopolis.io.archives.points import PointTile, deliver_points
from heliopolis.io.archives.squares import SquareSource, deliver_squares
from heliopolis.io.remote.client import OfflineError, RemoteError
from heliopolis.io.remote.window import RemoteAsset

#: Parts of the country: west, south, east, north [deg], CRS, end of the names of height layers.
TERRITORIES = (
    ((-5.5, 41.2, 9.8, 51.3), "EPSG:2154", "LAMB93"),
    ((55.1, -21.5, 55.9, -20.8), "EPSG:2975", "RGR92UTM40S"),
)
#: Layers of the WFS that list the point files: name, property with the address.
POINT_INDEXES = (
    ("IGNF_LIDAR-HD_METADONNEE:metadata", "url_npl"),
    ("IGNF_NUAGES-DE-POINTS-LIDAR-HD:dalle", "url"),
)
#: Buildings that are not there, or have no roof.
ABSENT = ("En projet", "En construction", "En ruine")
_NODATA = -9999.0
_KM = re.compile(r"LHD_[A-Z]{3}_(\d{4})_(\d{4})_")
#: Some names in the index have a dash where the file has an underscore.
_DASH = re.compile(r"(LHD_[A-Z]{3}_\d{4})-(\d{4}_)")
_PRODUCTS = {"dsm": "MNS", "dtm": "MNT"}


@dataclass(frozen=True)
class Ign:
    """Open data of the French mapping agency; no key is needed.

    Attributes
    ----------
    wms_url, wfs_url
        Services.
    ortho_layer
        Layer of the aerial images.
    side_px
        Side of the squares asked for, at most 5010.
    """

    wms_url: str = "https://data.geopf.fr/wms-r/wms"
    wfs_url: str = "https://data.geopf.fr/wfs/ows"
    ortho_layer: str = "HR.ORTHOIMAGERY.ORTHOPHOTOS"
    side_px: int = 2000
    name: str = "ign"
    kinds: tuple[str, ...] = ("imagery", "dsm", "dtm", "points", "footprints")

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        crs, ending = _territory(order)
        if order.kind == "footprints":
            return self._footprints(order, crs)
        if order.kind == "points":
            return self._points(order, crs)
        if order.kind == "imagery":
            source = self._source(order, crs, self.ortho_layer, 0.2, (0.0, 0.0), None)
            share = deliver_squares(order, source)
            return _delivery(
                "BD ORTHO, newest mosaic", None, f"{share:.1%} of the rectangle covered"
            )
        product = _PRODUCTS[order.kind]
        layer = f"IGNF_LIDAR-HD_{product}_ELEVATION.ELEVATIONGRIDCOVERAGE.{ending}"
        source = self._source(order, crs, layer, 0.5, (-0.25, 0.25), _NODATA)
        share = deliver_squares(order, source)
        note = f"{share:.1%} of the rectangle covered; heights of the national levelling"
        return _delivery(f"LiDAR HD {product}", None, note)

    def _source(
        self,
        order: Order,
        crs: str,
        layer: str,
        cell_m: float,
        origin: tuple[float, float],
        nodata: float | None,
    ) -> SquareSource:
        def url(square: Bounds) -> str:
            query = {
                "SERVICE": "WMS",
                "VERSION": "1.3.0",
                "REQUEST": "GetMap",
                "LAYERS": layer,
                "STYLES": "",
                "FORMAT": "image/geotiff",
                "CRS": crs,
                "BBOX": ",".join(f"{v:.12g}" for v in square),
                "WIDTH": self.side_px,
                "HEIGHT": self.side_px,
            }
            return with_query(self.wms_url, query)

        content = CONTENTS[order.kind]
        return SquareSource(
            self.name, layer, crs, cell_m, origin, self.side_px, url, content, nodata
        )

    def _footprints(self, order: Order, crs: str) -> Delivery:
        layer = WfsLayer(
            self.name, self.wfs_url, "BDTOPO_V3:batiment", crs, "cleabs", "cleabs", 5000, 5000.0
        )
        found = layer.features(order.store, order.bounds(crs))
        standing = [f for f in found if f["properties"].get("etat_de_l_objet") not in ABSENT]
        deliver_layer(order, self.name, (_building(f) for f in standing), crs)
        dropped = len(found) - len(standing)
        return _delivery(
            "BD TOPO, buildings",
            None,
            f"building_id is cleabs; {dropped} buildings planned, under construction or in ruins "
            "were left out",
        )

    def _points(self, order: Order, crs: str) -> Delivery:
        tiles: dict[tuple[int, int], tuple[str, PointTile]] = {}
        for feature, address in self._index(order, crs):
            url = _DASH.sub(r"\1_\2", address.replace("http://data.geopf", "https://data.geopf"))
            named = _KM.search(url)
            if named is None:
                continue
            edition = str(feature["properties"].get("date_edition") or "")
            # The name holds the north-western corner in kilometres.
            place = int(named[1]), int(named[2]) - 1
            if place not in tiles or edition > tiles[place][0]:
                tiles[place] = edition, self._tile(order, crs, url, place)
        if not tiles:
            raise order.nothing(
                self.name, "LiDAR HD does not cover every place yet: see cartes.gouv.fr"
            )
        deliver_points(order, self.name, [tile for _, tile in tiles.values()])
        years = [y for y in (_year(edition) for edition, _ in tiles.values()) if y]
        return _delivery(
            "LiDAR HD, classified points",
            max(years, default=None),
            "the year is that of the newest edition; heights of the national levelling",
        )

    def _index(self, order: Order, crs: str) -> Iterator[tuple[dict[str, Any], str]]:
        """Features of the index of point files, with the address of the file."""
        features: Features = []
        column = ""
        for turn, (layer, column) in enumerate(POINT_INDEXES):
            wfs = WfsLayer(
                self.name, self.wfs_url, layer, crs, column, column, 1000, 10_000.0, fresh=True
            )
            try:
                features = wfs.features(order.store, order.bounds(crs))
                break
            except OfflineError:
                raise
            except RemoteError:
                # The index was renamed before: the next name may be the one in use.
                if turn == len(POINT_INDEXES) - 1:
                    raise
        for feature in features:
            yield feature, str(feature["properties"][column])

    def _tile(self, order: Order, crs: str, url: str, place: tuple[int, int]) -> PointTile:
        name = url.rsplit("/", 1)[-1].split(".", 1)[0]
        asset = RemoteAsset(name, "points", url)
        west, south = place[0] * 1000.0, place[1] * 1000.0
        return PointTile(
            archive=self.name,
            name=name,
            # The folder of the file names its edition.
            version=url.rsplit("/", 2)[-2],
            crs=crs,
            bounds=(west, south, west + 1000, south + 1000),
            open=lambda: remote_stream(order.store, asset),
            copc=".copc." in url,
        )


def _territory(order: Order) -> tuple[str, str]:
    west, south, east, north = order.bounds("EPSG:4326")
    for box, crs, ending in TERRITORIES:
        if box[0] <= west and east <= box[2] and box[1] <= south and north <= box[3]:
            return crs, ending
    raise ConfigError(
        "the area lies outside mainland France, Corsica and La Réunion",
        where=f"{west:.3f} {south:.3f} {east:.3f} {north:.3f}",
        remedy="Choose another archive, or files of your own",
    )


def _building(feature: dict[str, Any]) -> dict[str, Any]:
    told = feature["properties"]
    return {
        "building_id": told["cleabs"],
        "height_m": number(told.get("hauteur")),
        "use": told.get("usage_1"),
        "geometry": shapely.geometry.shape(feature["geometry"]),
    }


def _year(edition: str) -> int | None:
    return int(edition[:4]) if edition[:4].isdigit() else None


def _delivery(product: str, year: int | None, note: str) -> Delivery:
    return Delivery(f"© IGN, {product}", "Licence Ouverte 2.0 (Etalab)", year, note)
