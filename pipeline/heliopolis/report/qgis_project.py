"""A QGIS project over the results, written as text: no QGIS is needed to make it."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pyproj import CRS

from heliopolis.io.atomic import replacing
from heliopolis.io.qml import DOCTYPE, QGIS_VERSION
from heliopolis.legend import SCALES, word
from heliopolis.report.print_layouts import Sheet, layouts
from heliopolis.report.project_layer import (
    Bounds,
    ProjectLayer,
    add_extent,
    add_properties,
    legend_options,
    map_layer,
    reference_system,
)

#: Groups of layers that are a map theme and a printed sheet.
THEMES: tuple[Literal["heat", "solar"], ...] = ("heat", "solar")
#: Layers of the theme that shows heat and solar together.
_BOTH = ("study_area", "hot_zones", "buildings", "base_map")
_STAMP = (1980, 1, 1, 0, 0, 0)


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
    attribution = [*attribution, *(o.base_map.credit for o in layers if o.base_map is not None)]
    root = _project(layers, title, system, language, attribution)
    root.append(_bookmarks(bookmarks, system, language))
    root.append(_printed(layers, attribution, language))
    ET.indent(root, " ")
    text = DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
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
    ET.SubElement(root, "projectCrs").append(reference_system(crs))
    root.append(_tree(layers, language))
    root.append(_canvas(layers, crs))
    container = ET.SubElement(root, "projectlayers")
    for one in layers:
        container.append(map_layer(one, crs, language))
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
        node = ET.SubElement(
            groups[one.group],
            "layer-tree-layer",
            id=one.key,
            name=one.name(language),
            source=one.source,
            providerKey=one.provider,
            checked="Qt::Checked" if one.visible else "Qt::Unchecked",
            expanded="1" if one.visible and one.layer in SCALES else "0",
        )
        add_properties(node, legend_options(one))
    return root


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
        add_extent(canvas, bounds)
    ET.SubElement(canvas, "rotation").text = "0"
    ET.SubElement(canvas, "destinationsrs").append(reference_system(crs))
    return canvas


def _view(layers: Sequence[ProjectLayer], crs: CRS) -> ET.Element:
    """What the project shows first, also where no canvas was saved."""
    settings = ET.Element("ProjectViewSettings", UseProjectScales="0")
    bounds = _whole(layers)
    if bounds is not None:
        names = ("xmin", "ymin", "xmax", "ymax")
        box = {name: f"{value:.3f}" for name, value in zip(names, bounds, strict=True)}
        ET.SubElement(settings, "DefaultViewExtent", box).append(reference_system(crs))
    return settings


def _themes(layers: Sequence[ProjectLayer], language: str) -> ET.Element:
    """Map themes: heat, solar and, where there are both, the two together."""
    presets = ET.Element("visibility-presets")
    groups = [name for name in THEMES if any(one.group == name for one in layers)]
    for theme in [*groups, *(["both"] if len(groups) == 2 else [])]:
        preset = ET.SubElement(presets, "visibility-preset", name=word(theme, language))
        for one in layers:
            shown = one.group in ("", theme) and one.geometry != "none" and _in_theme(one)
            if theme == "both":
                shown = one.layer in _BOTH or (one.layer == "solar_cells" and one.crowded)
            if shown:
                ET.SubElement(
                    preset, "layer", id=one.key, visible="1", style="default", expanded="0"
                )
    return presets


def _in_theme(one: ProjectLayer) -> bool:
    return one.crowded or one.layer not in ("heat_cells", "places", "solar_cells")


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
        mark.append(reference_system(crs))
    return root


def _printed(
    layers: Sequence[ProjectLayer], attribution: Sequence[str], language: str
) -> ET.Element:
    """The layouts: one for each theme that there is, and an atlas of the places."""
    bounds = _whole(layers)
    if bounds is None:
        return ET.Element("Layouts")
    sheets = []
    for theme in THEMES:
        if any(one.group == theme for one in layers):
            shown = [o for o in layers if o.group in ("", theme) and o.geometry != "none"]
            legend = [
                (one.key, one.name(language), legend_options(one))
                for one in shown
                if _in_theme(one) and one.base_map is None
            ]
            rasters = [(o.key, o.name(language)) for o in shown if o.geometry == "raster"
                       and o.base_map is None and _in_theme(o)]  # fmt: skip
            credits = " · ".join(attribution)
            box = _whole([one for one in layers if one.group == theme]) or bounds
            sheets.append(Sheet(theme, word(theme, language), legend, rasters, box, credits))
    places = next((one for one in layers if one.layer == "places"), None)
    atlas = (places.key, places.name(language), places.source) if places else None
    return layouts(sheets, atlas, language)
