"""PDOK, Netherlands: aerial images, AHN heights, buildings of the BAG.

Services: WMS of the national aerial images (winter, 8 cm; summer, 25 cm), WCS 2.0.1 of AHN
(0.5 m, metres above NAP) and OGC API Features of the BAG (https://www.pdok.nl/datasets).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import shapely

from heliopolis.io.archives.answers import with_query
from heliopolis.io.archives.delivery import Delivery, Order
from heliopolis.io.archives.layers import deliver_layer
from heliopolis.io.archives.mosaic import CONTENTS
from heliopolis.io.archives.pages import Bounds, blocks, linked_features
from heliopolis.io.archives.squares import SquareSource, deliver_squares
from heliopolis.io.remote.client import CorruptError

CRS = "EPSG:28992"
_CRS_URI = "http://www.opengis.net/def/crs/EPSG/0/28992"
#: Buildings that have a permit only, are being built, are gone, or were entered by mistake.
ABSENT = (
    "Bouwvergunning verleend",
    "Bouw gestart",
    "Niet gerealiseerd pand",
    "Pand gesloopt",
    "Pand ten onrechte opgevoerd",
)
_BLOCK_M = 2000.0
_COVERAGES = {"dsm": "dsm_05m", "dtm": "dtm_05m"}


@dataclass(frozen=True)
class Pdok:
    """Open data of the Dutch government; no key is needed.

    Attributes
    ----------
    wms_url, wcs_url, bag_url
        Services.
    ortho_layer, ortho_fine_layer
        Aerial images with cells of 25 cm, and those of 8 cm, taken where finer cells than
        20 cm are wanted.
    side_px
        Side of the squares asked for.
    page_size
        Buildings asked for at once, at most 1000.
    """

    wms_url: str = "https://service.pdok.nl/hwh/luchtfotorgb/wms/v1_0"
    wcs_url: str = "https://service.pdok.nl/rws/ahn/wcs/v1_0"
    bag_url: str = "https://api.pdok.nl/kadaster/bag/ogc/v2"
    ortho_layer: str = "Actueel_ortho25"
    ortho_fine_layer: str = "Actueel_orthoHR"
    side_px: int = 2000
    page_size: int = 1000
    name: str = "pdok"
    kinds: tuple[str, ...] = ("imagery", "dsm", "dtm", "footprints")

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        if order.kind == "footprints":
            return self._footprints(order)
        if order.kind == "imagery":
            fine = order.resolution_m is not None and order.resolution_m < 0.2
            layer, cell_m = (self.ortho_fine_layer, 0.08) if fine else (self.ortho_layer, 0.25)
            source = self._source(order, layer, cell_m, self._map_url)
            share = deliver_squares(order, source)
            return Delivery(
                "© Beeldmateriaal.nl",
                "CC BY 4.0",
                None,
                f"layer {layer}, newest flight; {share:.1%} of the rectangle covered",
            )
        layer = _COVERAGES[order.kind]
        source = self._source(order, layer, 0.5, self._coverage_url)
        share = deliver_squares(order, source)
        holes = "under buildings and on water" if order.kind == "dtm" else "on water"
        return Delivery(
            "AHN, Rijkswaterstaat and the Dutch water boards",
            "CC0 1.0",
            None,
            f"coverage {layer}, newest AHN; heights in NAP; no value {holes}: {share:.1%} of the "
            "rectangle has one",
        )

    def _source(self, order: Order, layer: str, cell_m: float, url: Any) -> SquareSource:
        return SquareSource(
            self.name,
            layer,
            CRS,
            cell_m,
            (0.0, 0.0),
            self.side_px,
            lambda square: url(layer, square),
            CONTENTS[order.kind],
        )

    def _map_url(self, layer: str, square: Bounds) -> str:
        query = {
            "SERVICE": "WMS",
            "VERSION": "1.3.0",
            "REQUEST": "GetMap",
            "LAYERS": layer,
            "STYLES": "",
            "FORMAT": "image/png",
            "CRS": CRS,
            "BBOX": ",".join(f"{v:.12g}" for v in square),
            "WIDTH": self.side_px,
            "HEIGHT": self.side_px,
        }
        return with_query(self.wms_url, query)

    def _coverage_url(self, layer: str, square: Bounds) -> str:
        west, south, east, north = (f"{v:.12g}" for v in square)
        query = {
            "SERVICE": "WCS",
            "VERSION": "2.0.1",
            "REQUEST": "GetCoverage",
            "COVERAGEID": layer,
            "FORMAT": "image/tiff",
        }
        subsets = f"&SUBSET=x({west},{east})&SUBSET=y({south},{north})"
        return with_query(self.wcs_url, query) + subsets

    def _footprints(self, order: Order) -> Delivery:
        found = [
            feature
            for block in blocks(order.bounds(CRS), _BLOCK_M)
            for feature in self._buildings(order, block)
        ]
        standing = [f for f in found if f["properties"].get("status") not in ABSENT]
        deliver_layer(order, self.name, (_building(f) for f in standing), CRS)
        return Delivery(
            "Kadaster, BAG",
            "Public Domain Mark 1.0",
            None,
            f"building_id is identificatie; {len(found) - len(standing)} entries of buildings "
            "that do not stand were left out",
        )

    def _buildings(self, order: Order, block: Bounds) -> Iterator[dict[str, Any]]:
        what = "BAG buildings, square " + " ".join(f"{v:g}" for v in block)
        query = {
            "f": "json",
            "bbox": ",".join(f"{v:.12g}" for v in block),
            "bbox-crs": _CRS_URI,
            "crs": _CRS_URI,
            "limit": self.page_size,
        }
        url = with_query(f"{self.bag_url}/collections/pand/items", query)
        for feature in linked_features(order.store, self.name, what, url):
            bounds = shapely.geometry.shape(feature["geometry"]).bounds
            if max(abs(v) for v in bounds) <= 180:
                raise CorruptError(f"the coordinates are in degrees, not in {CRS}", where=what)
            yield feature


def _building(feature: dict[str, Any]) -> dict[str, Any]:
    return {
        "building_id": feature["properties"]["identificatie"],
        "height_m": float("nan"),
        "use": feature["properties"].get("gebruiksdoel"),
        "geometry": shapely.geometry.shape(feature["geometry"]),
    }
