"""One layer of the QGIS project: where its data lie, what it is called, how it is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pyproj import CRS

from heliopolis.io.qml import GRADUATED, style_attributes, style_elements
from heliopolis.io.qml_raster import band_pipe, band_title
from heliopolis.legend import BANDS, SCALES, word
from heliopolis.report.base_maps import BaseMap

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of the project.

    Attributes
    ----------
    layer
        Name in the dictionary, such as ``hot_zones`` or ``lst.tif``.
    file
        File name relative to the project; empty for a base map.
    group
        ``heat``, ``solar``, ``certainty``, ``dates`` or empty for the top of the tree.
    geometry
        What the layer holds.
    bounds
        West, south, east, north in the CRS of the project; None for a table or an empty layer.
    visible
        Whether it is switched on when the project is opened.
    acquired
        When the scene of a raster was taken (aware UTC); it is drawn on that day then, where the
        temporal control is on.
    band
        Number and name of the band of a raster that is drawn.
    crowded
        Whether there are so many buildings that their hectares are drawn first
        (`heliopolis.io.qml.CROWD`).
    base_map
        Service that gives the tiles of a base map; it is drawn below everything.
    """

    layer: str
    file: str
    group: Literal["heat", "solar", "certainty", "dates", ""]
    geometry: Literal["polygon", "point", "raster", "none"] = "polygon"
    bounds: Bounds | None = None
    visible: bool = True
    acquired: datetime | None = None
    band: tuple[int, str] = (1, "lst_median_c")
    crowded: bool = False
    base_map: BaseMap | None = None

    @property
    def key(self) -> str:
        """Identifier within the project."""
        parts = [self.layer, self.file.rsplit(".", 1)[0]]
        if self.band[0] > 1:
            parts.append(self.band[1])
        return re.sub(r"[^A-Za-z0-9_-]", "_", "_".join(part for part in parts if part))

    @property
    def source(self) -> str:
        """Data source relative to the project."""
        if self.base_map is not None:
            return self.base_map.source
        return f"./{self.file}" + ("" if self.geometry == "raster" else f"|layername={self.layer}")

    @property
    def provider(self) -> str:
        """QGIS data provider."""
        if self.base_map is not None:
            return "wms"
        return "gdal" if self.geometry == "raster" else "ogr"

    def name(self, language: str) -> str:
        """Name in the legend: the layer, and what its colours show; of a scene its date."""
        if self.base_map is not None:
            return self.base_map.name
        if self.acquired is not None:
            return f"{self.acquired:%Y-%m-%d %H:%M} UTC"
        if self.band[0] > 1:
            return band_title(self.band[1], language)
        name = word(self.layer, language)
        scale = SCALES.get(self.layer)
        if scale is None or self.geometry == "raster":
            return name
        return f"{name} \N{EN DASH} {scale.title(language, self.layer)}"


def legend_options(one: ProjectLayer) -> dict[str, str]:
    """Properties of a layer's node in a legend.

    A raster shows its classes, not the name of its band; a graduated style, which QGIS reads
    from the highest class down, is shown from the lowest up, as all others are.
    """
    if one.layer in GRADUATED:
        count = len(SCALES[one.layer].colours)
        return {"legend/node-order": ",".join(map(str, [*range(count - 1, -1, -1), count]))}
    if one.geometry != "raster" or one.base_map is not None:
        return {}
    band = "lst_c" if one.acquired is not None else one.band[1]
    return {"legend/node-order": ",".join(str(i + 1) for i in range(len(BANDS[band].colours)))}


def add_properties(node: ET.Element, properties: Mapping[str, str]) -> None:
    """Append the custom properties of a node of a layer tree."""
    options = ET.SubElement(ET.SubElement(node, "customproperties"), "Option", type="Map")
    for name, value in properties.items():
        ET.SubElement(options, "Option", name=name, value=value, type="QString")


def reference_system(crs: CRS) -> ET.Element:
    """A coordinate reference system as QGIS writes it."""
    element = ET.Element("spatialrefsys")
    authority = crs.to_authority()
    ET.SubElement(element, "wkt").text = crs.to_wkt()
    if authority:
        ET.SubElement(element, "srid").text = authority[1]
        ET.SubElement(element, "authid").text = ":".join(authority)
    ET.SubElement(element, "description").text = crs.name
    ET.SubElement(element, "geographicflag").text = "false"
    return element


def add_extent(parent: ET.Element, bounds: Bounds) -> None:
    """Append the element ``extent``."""
    extent = ET.SubElement(parent, "extent")
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, tag).text = f"{value:.3f}"


def map_layer(one: ProjectLayer, crs: CRS, language: str) -> ET.Element:
    """The element ``maplayer`` of a layer in a CRS."""
    element = _opened(one)
    if one.bounds is not None and one.base_map is None:
        add_extent(element, one.bounds)
    for tag, text in (
        ("id", one.key),
        ("datasource", one.source),
        ("layername", one.name(language)),
    ):
        ET.SubElement(element, tag).text = text
    if one.base_map is not None:
        ET.SubElement(element, "attribution").text = one.base_map.credit
    if one.geometry != "none":
        system = CRS.from_epsg(3857) if one.base_map is not None else crs
        ET.SubElement(element, "srs").append(reference_system(system))
    provider = ET.SubElement(element, "provider")
    provider.text = one.provider
    if one.geometry != "raster":
        provider.set("encoding", "UTF-8")
    manager = ET.SubElement(element, "map-layer-style-manager", current="default")
    ET.SubElement(manager, "map-layer-style", name="default")
    element.extend(_drawing(one, language))
    return element


def _opened(one: ProjectLayer) -> ET.Element:
    if one.geometry == "raster":
        return ET.Element("maplayer", type="raster", styleCategories="AllStyleCategories")
    kind = {"polygon": "Polygon", "point": "Point", "none": "No geometry"}[one.geometry]
    attributes = style_attributes(one.layer, crowded=one.crowded) | {
        "type": "vector",
        "geometry": kind,
    }
    attributes.pop("version")
    return ET.Element("maplayer", attributes)


def _drawing(one: ProjectLayer, language: str) -> list[ET.Element]:
    """How a layer is drawn; nothing for a table."""
    if one.base_map is not None:
        return [_tiles()]
    if one.geometry == "raster":
        blend = ET.Element("blendMode")
        blend.text = "0"
        day = [] if one.acquired is None else [_fixed_day(one.acquired)]
        number, band = one.band
        return [*day, band_pipe("lst_c" if day else band, language, number), blend]
    if one.geometry == "none":
        return []
    return style_elements(one.layer, language, "point" if one.geometry == "point" else "polygon")


def _tiles() -> ET.Element:
    """Tiles as they come, paler than the results upon them."""
    pipe = ET.Element("pipe")
    ET.SubElement(pipe, "rasterrenderer", type="singlebandcolordata", band="1", opacity="0.6",
                  alphaBand="-1", nodataColor="")  # fmt: skip
    return pipe


def _fixed_day(acquired: datetime) -> ET.Element:
    """The day of a scene, for the temporal control."""
    temporal = ET.Element("temporal", enabled="1", mode="0", fetchMode="0")
    limits = ET.SubElement(temporal, "fixedRange")
    day = acquired.replace(hour=0, minute=0, second=0, microsecond=0)
    ET.SubElement(limits, "start").text = f"{day:%Y-%m-%dT%H:%M:%SZ}"
    end = day + timedelta(days=1, seconds=-1)
    ET.SubElement(limits, "end").text = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    return temporal
