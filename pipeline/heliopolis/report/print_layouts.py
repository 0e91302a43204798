"""Print layouts of the QGIS project: the town on A3, and an atlas of its places on A4."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from heliopolis.legend import word
from heliopolis.report.project_layer import add_properties

Box = tuple[float, float, float, float]
#: QGIS's numbers of the kinds of layout items.
_PAGE, _MAP, _PICTURE, _LABEL, _LEGEND, _SCALE_BAR = 65638, 65639, 65640, 65641, 65642, 65646
_ARROW = ":/images/north_arrows/layout_default_north_arrow.svg"
#: The districts, or all places where none is called one.
_DISTRICTS = '"kind" = \'district\' OR count("place_id", filter:="kind" = \'district\') = 0'


@dataclass(frozen=True)
class Sheet:
    """What a layout shows.

    Attributes
    ----------
    group
        ``heat`` or ``solar``.
    theme
        Map theme, by its name in the project.
    legend
        Identifiers and names of the layers of the legend, and properties of their nodes.
    rasters
        Identifiers and names of those that are rasters.
    bounds
        West, south, east, north of the map.
    credits
        Text below the map.
    """

    group: Literal["heat", "solar"]
    theme: str
    legend: Sequence[tuple[str, str, Mapping[str, str]]]
    rasters: Sequence[tuple[str, str]]
    bounds: Box
    credits: str


def layouts(
    sheets: Sequence[Sheet], atlas: tuple[str, str, str] | None, language: str
) -> ET.Element:
    """The element ``Layouts`` of a project: a sheet of the town for each theme, and an atlas.

    Parameters
    ----------
    sheets
        What is shown.
    atlas
        Identifier, name and source of the layer of places, shown as the first sheet shows the
        town; None: no atlas.
    language
        ``en`` or ``fr``.
    """
    root = ET.Element("Layouts")
    for sheet in sheets:
        name = word(f"layout_{sheet.group}", language)
        root.append(_layout(sheet, None, language, name, (420.0, 297.0)))
    if sheets and atlas is not None:
        name = word("layout_atlas", language)
        root.append(_layout(sheets[0], atlas, language, name, (297.0, 210.0)))
    return root


def _layout(
    sheet: Sheet,
    atlas: tuple[str, str, str] | None,
    language: str,
    name: str,
    page: tuple[float, float],
) -> ET.Element:
    width, height = page
    layout = ET.Element("Layout", name=name, units="mm", printResolution="300", worldFileMap="")
    pages = ET.SubElement(layout, "PageCollection")
    pages.append(_item(name, "page", _PAGE, (0, 0, width, height), background=True))
    column = 95.0 if atlas is None else 72.0
    map_box = (10.0, 24.0, width - 20.0 - column, height - 46.0)
    items = [
        _map(name, sheet, map_box, atlas is not None),
        _label(name, "title", _title(sheet, atlas), (10, 7, width - 40, 14), 18),
        _label(name, "caution", word(f"caution_{sheet.group}", language),
               (10, height - 20, width - 20, 6), 9),
        _label(name, "credits", sheet.credits, (10, height - 14, width - 20, 10), 7),
        _legend(name, sheet, (width - column - 4, 24, column, 120)),
        _scale_bar(name, (width - column - 4, height - 38, 60, 14)),
        _arrow(name, (width - 24, 6, 14, 14)),
    ]  # fmt: skip
    for depth, item in enumerate(reversed(items), start=1):
        item.set("zValue", str(depth))
        layout.append(item)
    layout.append(_atlas(atlas))
    return layout


def _title(sheet: Sheet, atlas: tuple[str, str, str] | None) -> str:
    place = "" if atlas is None else ' – [% "name" %]'
    return f"[% @project_title %] – {sheet.theme}{place}"


def _item(
    layout: str, name: str, kind: int, box: tuple[float, float, float, float],
    *, frame: bool = False, background: bool = False,
) -> ET.Element:  # fmt: skip
    left, top, width, height = box
    key = _key(layout, name)
    item = ET.Element(
        "LayoutItem", type=str(kind), uuid=key, templateUuid=key, id=name, visibility="1",
        position=f"{left:g},{top:g},mm", positionOnPage=f"{left:g},{top:g},mm",
        size=f"{width:g},{height:g},mm", referencePoint="0", opacity="1", blendMode="0",
        frame=str(frame).lower(), background=str(background).lower(), outlineWidthM="0.3,mm",
        frameJoinStyle="miter", itemRotation="0", excludeFromExports="0", positionLock="false",
    )  # fmt: skip
    ET.SubElement(item, "FrameColor", red="60", green="60", blue="60", alpha="255")
    ET.SubElement(item, "BackgroundColor", red="255", green="255", blue="255", alpha="255")
    return item


def _map(layout: str, sheet: Sheet, box: Box, driven: bool) -> ET.Element:
    item = _item(layout, "map", _MAP, box, frame=True, background=True)
    item.attrib |= {"followPreset": "true", "followPresetName": sheet.theme, "mapRotation": "0",
                    "keepLayerSet": "false", "drawCanvasItems": "false"}  # fmt: skip
    west, south, east, north = _fitted(sheet.bounds, box[2] / box[3])
    ET.SubElement(item, "Extent", xmin=f"{west:.3f}", ymin=f"{south:.3f}",
                  xmax=f"{east:.3f}", ymax=f"{north:.3f}")  # fmt: skip
    ET.SubElement(item, "AtlasMap", atlasDriven=str(int(driven)), scalingMode="2", margin="0.3")
    if driven:
        item.append(_clipped(sheet))
    return item


def _clipped(sheet: Sheet) -> ET.Element:
    """Rasters end at the border of a page's place; what is drawn upon them goes on."""
    settings = ET.Element("atlasClippingSettings", enabled="1", forceLabelsInside="0",
                          clippingType="0", restrictLayers="1")  # fmt: skip
    listed = ET.SubElement(settings, "layersToClip")
    for key, name in sheet.rasters:
        ET.SubElement(listed, "Layer", name=name).text = key
    return settings


def _fitted(bounds: Box, ratio: float) -> Box:
    """Bounds widened to a ratio of width to height."""
    west, south, east, north = bounds
    wide, high = east - west, north - south
    wide, high = max(wide, high * ratio), max(high, wide / ratio)
    x, y = (west + east) / 2.0, (south + north) / 2.0
    return x - wide / 2.0, y - high / 2.0, x + wide / 2.0, y + high / 2.0


def _label(layout: str, name: str, text: str, box: Box, points: int) -> ET.Element:
    item = _item(layout, name, _LABEL, box)
    item.attrib |= {"labelText": text, "htmlState": "0", "halign": "1", "valign": "32",
                    "marginX": "0", "marginY": "0"}  # fmt: skip
    ET.SubElement(item, "LabelFont", description=f"Sans,{points},-1,5,50,0,0,0,0,0", style="")
    ET.SubElement(item, "FontColor", red="20", green="20", blue="20", alpha="255")
    return item


def _legend(layout: str, sheet: Sheet, box: Box) -> ET.Element:
    item = _item(layout, "legend", _LEGEND, box)
    item.attrib |= {"map_uuid": _key(layout, "map"), "resizeToContents": "1", "columnCount": "1",
                    "wrapChar": "|", "symbolWidth": "6", "symbolHeight": "4",
                    "boxSpace": "0", "legendFilterByAtlas": "0"}  # fmt: skip
    styles = ET.SubElement(item, "styles")
    for style, points in (("title", 11), ("group", 10), ("subgroup", 9), ("symbolLabel", 8)):
        element = ET.SubElement(styles, "style", name=style, marginTop="2", marginLeft="2")
        ET.SubElement(element, "styleFont", description=f"Sans,{points},-1,5,50,0,0,0,0,0")
    tree = ET.SubElement(item, "layer-tree-group")
    for key, name, properties in sheet.legend:
        wrapped = name.replace(" \N{EN DASH} ", "|").replace(" (", "|(")
        node = ET.SubElement(tree, "layer-tree-layer", id=key, name=name, checked="Qt::Checked",
                             expanded="1", legend_exp="")  # fmt: skip
        add_properties(node, {"legend/title-label": wrapped, **properties})
    return item


def _scale_bar(layout: str, box: Box) -> ET.Element:
    item = _item(layout, "scale bar", _SCALE_BAR, box)
    item.attrib |= {"mapUuid": _key(layout, "map"), "style": "Single Box", "unitType": "meters",
                    "unitLabel": "m", "numSegments": "2", "numSegmentsLeft": "0", "height": "2",
                    "numMapUnitsPerScaleBarUnit": "1", "segmentSizeMode": "1",
                    "minBarWidth": "30", "maxBarWidth": "60", "labelBarSpace": "2",
                    "boxContentSpace": "1", "outlineWidth": "0.3"}  # fmt: skip
    ET.SubElement(item, "fillColor", red="30", green="30", blue="30", alpha="255")
    ET.SubElement(item, "fillColor2", red="255", green="255", blue="255", alpha="255")
    return item


def _arrow(layout: str, box: Box) -> ET.Element:
    item = _item(layout, "north", _PICTURE, box)
    item.attrib |= {"file": _ARROW, "mode": "2", "resizeMode": "0", "northMode": "0",
                    "mapUuid": _key(layout, "map"), "svgFillColor": "255,255,255,255",
                    "svgBorderColor": "0,0,0,255", "svgBorderWidth": "0.2"}  # fmt: skip
    return item


def _atlas(atlas: tuple[str, str, str] | None) -> ET.Element:
    if atlas is None:
        return ET.Element("Atlas", enabled="0", coverageLayer="")
    key, name, source = atlas
    return ET.Element(
        "Atlas", enabled="1", coverageLayer=key, coverageLayerName=name, coverageLayerSource=source,
        coverageLayerProvider="ogr", hideCoverage="0", filterFeatures="1",
        featureFilter=_DISTRICTS, pageNameExpression='"name"', sortFeatures="1",
        sortKey='"rank_in_kind"', sortAscending="1",
        filenamePattern="'atlas_' || @atlas_featurenumber",
    )  # fmt: skip


def _key(layout: str, what: str) -> str:
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"heliopolis:{layout}:{what}")) + "}"
