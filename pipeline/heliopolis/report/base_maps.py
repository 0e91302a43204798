"""Base maps of online services: QGIS asks them only where the project holds one.

Terms: OpenStreetMap's tiles carry its credit and are not for mass download
(https://operations.osmfoundation.org/policies/tiles/); those of IGN's Géoplateforme are open, under
the Licence Ouverte 2.0, without a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class BaseMap:
    """A service of map tiles.

    Attributes
    ----------
    name
        Its name in the legend.
    url
        Address of a tile of 256 pixels in EPSG:3857, with ``{x}``, ``{y}`` and ``{z}``.
    deepest
        Largest ``z``.
    credit
        What has to be printed with it.
    """

    name: str
    url: str
    deepest: int
    credit: str

    @property
    def source(self) -> str:
        """Data source of QGIS's provider ``wms``."""
        url = quote(self.url, safe=":/{}?")
        return f"type=xyz&url={url}&zmin=0&zmax={self.deepest}&crs=EPSG3857"


_IGN = (
    "https://data.geopf.fr/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&STYLE=normal"
    "&TILEMATRIXSET=PM&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}"
)
BASE_MAPS = {
    "osm": BaseMap(
        "OpenStreetMap",
        "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        19,
        "© OpenStreetMap contributors",
    ),
    "ign_plan": BaseMap(
        "Plan IGN",
        _IGN + "&LAYER=GEOGRAPHICALGRIDSYSTEMS.PLANIGNV2&FORMAT=image/png",
        19,
        "© IGN, Plan IGN",
    ),
    "ign_photo": BaseMap(
        "BD ORTHO (IGN)",
        _IGN + "&LAYER=ORTHOIMAGERY.ORTHOPHOTOS&FORMAT=image/jpeg",
        19,
        "© IGN, BD ORTHO",
    ),
}
