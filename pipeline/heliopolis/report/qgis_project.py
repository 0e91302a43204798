"""A QGIS project over the results, written as text: no QGIS is needed to make it."""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pyproj import CRS

from heliopolis.io.atomic import replacing
from heliopolis.io.qml import QGIS_VERSION, style_attributes, style_elements
from heliopolis.legend import SCALES, word
from heliopolis.report.print_layouts import Sheet, layouts
from heliopolis.report.styles import raster_pipe

_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_STAMP = (1980, 1, 1, 0, 0, 0)
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class ProjectLayer:
    """One layer of the project.

    Attributes
    ----------
    layer
        Name in the dictionary, such as ``hot_zones`` or ``lst.tif``.
    file
        File name relative to the project.
    group
        ``heat``, ``solar`` or empty for the top of the tree.
    geometry
        What the layer holds.
    bounds
        West, south, east, north in the CRS of the project; None for a table or an empty layer.
    visible
        Whether it is switched on when the project is opened.
    acquired
        When the scene of a raster was taken (aware UTC); it is drawn on that day then, where the
        temporal control is on.
    """

    layer: str
    file: str
    group: Literal["heat", "solar", "dates", ""]
    geometry: Literal["polygon", "point", "raster", "none"] = "polygon"
    bounds: Bounds | None = None
    visible: bool = True
    acquired: datetime | None = None

    @property
    def key(self) -> str:
        """Identifier within the project."""
        stem = self.file.rsplit(".", 1)[0]
        return re.sub(r"[^A-Za-z0-9_-]", "_", f"{self.layer}_{stem}")

    @property
    def source(self) -> str:
        """Data source relative to the project."""
        return f"./{self.file}" + ("" if self.geometry == "raster" else f"|layername={self.layer}")

    @property
    def provider(self) -> str:
        """QGIS data provider."""
        return "gdal" if self.geometry == "raster" else "ogr"


def write_project(
    path: Path,
    layers: Sequence[ProjectLayer],
    *,
    title: str,
    crs: str,
    language: str = "en",
    attribution: Sequence[str] = (),
    bookmarks: Sequence[tuple[str, Bounds]] = (),
) -> Path:
    """Write ``heliopolis.qgz``, whole or not at all.

    Parameters
    ----------
    path
        Target; the layers lie beside it.
    layers
        From top to bottom of the map.
    title
        Title of the project.
    crs
        CRS of the project, such as ``EPSG:2154``.
    language
        Of names and legends, ``en`` or ``fr``.
    attribution
        Credits, kept in the metadata of the project and printed on its layouts.
    bookmarks
        Names of places and their bounds.
    """
    system = CRS.from_user_input(crs)
    root = _project(layers, title, system, language, attribution)
    root.append(_bookmarks(bookmarks, system, language))
    root.append(_printed(layers, attribution, language))
    ET.indent(root, " ")
    text = _DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
    with replacing(path) as target, zipfile.ZipFile(target, "w") as archive:
        entry = zipfile.ZipInfo(f"{path.stem}.qgs", date_time=_STAMP)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, text)
    return path


def _project(
    layers: Sequence[ProjectLayer],
    title: str,
    crs: CRS,
    language: str,
    attribution: Sequence[str],
) -> ET.Element:
    root = ET.Element("qgis", projectname=title, version=QGIS_VERSION)
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "projectCrs").append(_reference_system(crs))
    root.append(_tree(layers, language))
    root.append(_canvas(layers, crs))
    container = ET.SubElement(root, "projectlayers")
    for one in layers:
        container.append(_map_layer(one, crs, language))
    order = ET.SubElement(root, "layerorder")
    for one in layers:
        ET.SubElement(order, "layer", id=one.key)
    root.append(_view(layers, crs))
    root.append(_themes(layers, language))
    root.append(_properties())
    root.append(_time(layers))
    metadata = ET.SubElement(root, "projectMetadata")
    ET.SubElement(metadata, "title").text = title
    for credit in attribution:
        ET.SubElement(metadata, "rights").text = credit
    return root


def _reference_system(crs: CRS) -> ET.Element:
    element = ET.Element("spatialrefsys")
    authority = crs.to_authority()
    ET.SubElement(element, "wkt").text = crs.to_wkt()
    if authority:
        ET.SubElement(element, "srid").text = authority[1]
        ET.SubElement(element, "authid").text = ":".join(authority)
    ET.SubElement(element, "description").text = crs.name
    ET.SubElement(element, "geographicflag").text = "false"
    return element


def _tree(layers: Sequence[ProjectLayer], language: str) -> ET.Element:
    root = ET.Element("layer-tree-group")
    ET.SubElement(root, "customproperties")
    groups: dict[str, ET.Element] = {"": root}
    for one in layers:
        if one.group not in groups:
            groups[one.group] = ET.SubElement(
                root,
                "layer-tree-group",
                name=word(one.group, language),
                checked="Qt::Checked",
                expanded="1",
            )
        ET.SubElement(
            groups[one.group],
            "layer-tree-layer",
            id=one.key,
            name=_name(one, language),
            source=one.source,
            providerKey=one.provider,
            checked="Qt::Checked" if one.visible else "Qt::Unchecked",
            expanded="1" if one.visible and one.layer in SCALES else "0",
        )
    return root


def _name(one: ProjectLayer, language: str) -> str:
    """Name in the legend: the layer, and what its colours show; of a scene its date."""
    if one.acquired is not None:
        return f"{one.acquired:%Y-%m-%d %H:%M} UTC"
    name = word(one.layer, language)
    scale = SCALES.get(one.layer)
    if scale is None or one.geometry == "raster":
        return name
    return f"{name} \N{EN DASH} {scale.title(language, one.layer)}"


def _extent(parent: ET.Element, bounds: Bounds) -> None:
    extent = ET.SubElement(parent, "extent")
    for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, tag).text = f"{value:.3f}"


def _whole(layers: Sequence[ProjectLayer]) -> Bounds | None:
    """Bounds of all layers with a margin; None where all are empty."""
    known = [one.bounds for one in layers if one.bounds is not None]
    if not known:
        return None
    west, south = (min(box[i] for box in known) for i in (0, 1))
    east, north = (max(box[i] for box in known) for i in (2, 3))
    margin = 0.03 * max(east - west, north - south)
    return west - margin, south - margin, east + margin, north + margin


def _canvas(layers: Sequence[ProjectLayer], crs: CRS) -> ET.Element:
    canvas = ET.Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    ET.SubElement(canvas, "units").text = "meters"
    bounds = _whole(layers)
    if bounds is not None:
        _extent(canvas, bounds)
    ET.SubElement(canvas, "rotation").text = "0"
    ET.SubElement(canvas, "destinationsrs").append(_reference_system(crs))
    return canvas


def _view(layers: Sequence[ProjectLayer], crs: CRS) -> ET.Element:
    """What the project shows first, also where no canvas was saved."""
    settings = ET.Element("ProjectViewSettings", UseProjectScales="0")
    bounds = _whole(layers)
    if bounds is not None:
        names = ("xmin", "ymin", "xmax", "ymax")
        box = {name: f"{value:.3f}" for name, value in zip(names, bounds, strict=True)}
        ET.SubElement(settings, "DefaultViewExtent", box).append(_reference_system(crs))
    return settings


def _map_layer(one: ProjectLayer, crs: CRS, language: str) -> ET.Element:
    raster, table = one.geometry == "raster", one.geometry == "none"
    if raster:
        element = ET.Element("maplayer", type="raster", styleCategories="AllStyleCategories")
    else:
        kind = {"polygon": "Polygon", "point": "Point", "none": "No geometry"}[one.geometry]
        attributes = style_attributes(one.layer) | {"type": "vector", "geometry": kind}
        attributes.pop("version")
        element = ET.Element("maplayer", attributes)
    if one.bounds is not None:
        _extent(element, one.bounds)
    for tag, text in (
        ("id", one.key),
        ("datasource", one.source),
        ("layername", _name(one, language)),
    ):
        ET.SubElement(element, tag).text = text
    if not table:
        ET.SubElement(element, "srs").append(_reference_system(crs))
    provider = ET.SubElement(element, "provider")
    provider.text = one.provider
    if not raster:
        provider.set("encoding", "UTF-8")
    manager = ET.SubElement(element, "map-layer-style-manager", current="default")
    ET.SubElement(manager, "map-layer-style", name="default")
    if one.acquired is not None:
        element.append(_fixed_day(one.acquired))
    if raster:
        element.append(raster_pipe(SCALES["lst.tif"], language))
        ET.SubElement(element, "blendMode").text = "0"
    elif one.geometry in ("polygon", "point"):
        element.extend(style_elements(one.layer, language, _drawn(one)))
    return element


def _drawn(one: ProjectLayer) -> Literal["polygon", "point"]:
    return "point" if one.geometry == "point" else "polygon"


def _themes(layers: Sequence[ProjectLayer], language: str) -> ET.Element:
    """Map themes: heat, solar and, where there are both, the two together."""
    presets = ET.Element("visibility-presets")
    groups = [name for name in ("heat", "solar") if any(one.group == name for one in layers)]
    for theme in [*groups, *(["both"] if len(groups) == 2 else [])]:
        preset = ET.SubElement(presets, "visibility-preset", name=word(theme, language))
        for one in layers:
            shown = one.group in ("", theme) and one.geometry != "none" and _in_theme(one)
            if theme == "both":
                shown = one.layer in ("study_area", "hot_zones", "buildings")
            if shown:
                ET.SubElement(
                    preset, "layer", id=one.key, visible="1", style="default", expanded="0"
                )
    return presets


def _in_theme(one: ProjectLayer) -> bool:
    return one.layer not in ("heat_cells", "places")


def _properties() -> ET.Element:
    """Relative paths, and areas and lengths in metres."""
    properties = ET.Element("properties")
    paths = ET.SubElement(properties, "Paths")
    ET.SubElement(paths, "Absolute", type="bool").text = "false"
    reference = ET.SubElement(properties, "SpatialRefSys")
    ET.SubElement(reference, "ProjectionsEnabled", type="int").text = "1"
    measurement = ET.SubElement(properties, "Measurement")
    ET.SubElement(measurement, "DistanceUnits", type="QString").text = "meters"
    ET.SubElement(measurement, "AreaUnits", type="QString").text = "m2"
    return properties


def _fixed_day(acquired: datetime) -> ET.Element:
    """The day of a scene, for the temporal control."""
    temporal = ET.Element("temporal", enabled="1", mode="0", fetchMode="0")
    limits = ET.SubElement(temporal, "fixedRange")
    day = acquired.replace(hour=0, minute=0, second=0, microsecond=0)
    ET.SubElement(limits, "start").text = f"{day:%Y-%m-%dT%H:%M:%SZ}"
    end = day + timedelta(days=1, seconds=-1)
    ET.SubElement(limits, "end").text = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    return temporal


def _time(layers: Sequence[ProjectLayer]) -> ET.Element:
    """Range and step of the temporal control: the dates, day by day."""
    days = sorted(one.acquired for one in layers if one.acquired is not None)
    settings = ET.Element("ProjectTimeSettings", timeStep="1", timeStepUnit="d", frameRate="1",
                          cumulativeTemporalRange="0")  # fmt: skip
    if days:
        limits = ET.SubElement(settings, "TemporalRange")
        ET.SubElement(limits, "start").text = f"{days[0]:%Y-%m-%dT00:00:00Z}"
        ET.SubElement(limits, "end").text = f"{days[-1]:%Y-%m-%dT23:59:59Z}"
    return settings


def _bookmarks(places: Sequence[tuple[str, Bounds]], crs: CRS, language: str) -> ET.Element:
    """Places to go to, in one group."""
    root = ET.Element("Bookmarks")
    for name, (west, south, east, north) in places:
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        ring = ", ".join(f"{x:.1f} {y:.1f}" for x, y in corners)
        key = "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"heliopolis:bookmark:{name}")) + "}"
        mark = ET.SubElement(root, "Bookmark", id=key, name=name, group=word("hottest", language),
                             extent=f"POLYGON(({ring}))")  # fmt: skip
        mark.append(_reference_system(crs))
    return root


def _printed(
    layers: Sequence[ProjectLayer], attribution: Sequence[str], language: str
) -> ET.Element:
    """The layouts; none where there is no heat, which they show, or nothing at all."""
    bounds = _whole(layers)
    theme = next((name for name in ("heat", "solar") if any(o.group == name for o in layers)), None)
    if bounds is None or theme is None:
        return ET.Element("Layouts")
    shown = [one for one in layers if one.group in ("", theme) and one.geometry != "none"
             and _in_theme(one)]  # fmt: skip
    legend = [(one.key, _name(one, language)) for one in shown]
    sheet = Sheet(word(theme, language), legend, bounds, " · ".join(attribution))
    places = next((one for one in layers if one.layer == "places"), None)
    atlas = (places.key, _name(places, language), places.source) if places else None
    return layouts(sheet, atlas, language)
