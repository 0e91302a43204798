"""QGIS styles (QML) as text, made from the dictionary of variables; needs no QGIS."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from typing import Literal

from heliopolis.io.qml_form import form_elements
from heliopolis.io.qml_widgets import widgets
from heliopolis.legend import SCALES, Scale, word
from heliopolis.variables import layer_fields

Geometry = Literal["polygon", "point"]

#: Version that the styles are written for; later ones read it too.
QGIS_VERSION = "3.22.0"
#: First line of a style or project.
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_GREY = "#d9d9d9"
#: Layers that are only drawn from this scale denominator on.
_MIN_SCALE = {"panels": 5000, "roof_planes": 15000}
#: Of more buildings than this none can be seen on a map of them all, which would take seconds to
#: draw: they are drawn from this scale denominator on, and hectares before it.
CROWD, _CROWD_SCALE = 200_000, 30_000
_OUTLINES = {"places": ("#4d4d4d", 0.4)}
#: How much the inside covers what lies below [0..1]; outlines are always full.
_OPACITY = {"heat_cells": 0.75, "places": 0.85, "solar_cells": 0.85}
#: Layers drawn as a line of the class's colour in a white and dark border, and the line's width
#: [mm]: a tinted inside would shift the colours of the temperature below it.
_RINGS = {"hot_zones": 0.8}
#: Layers with the action that explains a feature.
_EXPLAINED = ("buildings", "roof_planes", "hot_zones", "places")
#: Run by QGIS: the values of one feature, with what the layer ``fields`` beside it says of them.
_EXPLAIN = """
from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtWidgets import QTextBrowser
layer = QgsProject.instance().mapLayer('[% @layer_id %]')
feature = layer.getFeature(int('[% $id %]'))
source = layer.source().split('|')[0]
told = {{}}
for row in QgsVectorLayer(source + '|layername=fields', 'fields', 'ogr').getFeatures():
    if row['layer'] == '{layer}':
        told[row['field']] = (row['unit'], row['meaning_{language}'], row['source'])
lines = []
for field in layer.fields():
    unit, meaning, origin = told.get(field.name(), ('', '', ''))
    value = feature[field.name()]
    shown = '-' if value is None or str(value) == 'NULL' else str(value)
    lines.append('<tr><td><b>%s</b></td><td>%s</td><td>%s<br><i>%s</i></td></tr>'
                 % (field.displayName(), shown, meaning, origin))
window = QTextBrowser()
window.setWindowTitle('heliopolis')
window.resize(720, 640)
window.setHtml('<table cellpadding="4">' + ''.join(lines) + '</table>')
window.show()
import qgis.utils
qgis.utils._heliopolis_window = window
"""
_LABELS = {"hot_zones": '"rank"', "places": '"name"'}
#: Labels that are only drawn from this scale denominator on.
_LABELS_FROM = {"places": 40_000}


def qml(
    layer: str,
    language: str = "en",
    geometry: Geometry = "polygon",
    *,
    crowded: bool = False,
) -> str:
    """Style of a declared layer as a QML document.

    Parameters
    ----------
    layer
        Declared layer, such as ``hot_zones``.
    language
        ``en`` or ``fr``: of the legend and of the names of the columns.
    geometry
        Whether its features are polygons or points.
    crowded
        Whether there are more than `CROWD` buildings.
    """
    root = ET.Element("qgis", style_attributes(layer, crowded=crowded))
    root.extend(style_elements(layer, language, geometry))
    return DOCTYPE + ET.tostring(root, encoding="unicode")


def style_attributes(layer: str, *, crowded: bool = False) -> dict[str, str]:
    """Attributes of a layer's style: version, labels on or off, scales at which it is drawn."""
    limit, nearest = _MIN_SCALE.get(layer), 0
    if crowded and layer == "buildings":
        limit = _CROWD_SCALE
    if crowded and layer == "solar_cells":
        nearest = _CROWD_SCALE
    return {
        "version": QGIS_VERSION,
        "styleCategories": "AllStyleCategories",
        "labelsEnabled": "1" if layer in _LABELS else "0",
        "hasScaleBasedVisibilityFlag": "1" if limit or nearest else "0",
        "minScale": str(limit or 100_000_000),
        "maxScale": str(nearest),
    }


def style_elements(layer: str, language: str, geometry: Geometry = "polygon") -> list[ET.Element]:
    """Elements of a style, as they stand in a QML document and in a layer of a project."""
    elements = [_renderer(layer, language, geometry)]
    if layer in _LABELS:
        elements.append(_labeling(_LABELS[layer], geometry, _LABELS_FROM.get(layer)))
    for tag, text in (("blendMode", "0"), ("featureBlendMode", "0"), ("layerOpacity", "1")):
        element = ET.Element(tag)
        element.text = text
        elements.append(element)
    elements.append(widgets(layer, language))
    elements.append(_aliases(layer, language))
    elements += form_elements(layer, language)
    if layer in _EXPLAINED:
        elements.append(_explain(layer, language))
    if "name" in layer_fields(layer) or f"{layer[:-1]}_id" in layer_fields(layer):
        elements.append(_text("previewExpression", _preview(layer)))
    elements.append(_text("mapTip", _map_tip(layer, language)))
    return elements


def _text(tag: str, text: str) -> ET.Element:
    element = ET.Element(tag)
    element.text = text
    return element


def _preview(layer: str) -> str:
    fields = layer_fields(layer)
    return '"name"' if "name" in fields else f'"{layer[:-1]}_id"'


def _map_tip(layer: str, language: str) -> str:
    """What a pointer held over a feature shows: the field of the legend and the identifier."""
    scale = SCALES.get(layer)
    shown = [next(iter(layer_fields(layer)))] + ([scale.field] if scale else [])
    lines = [
        f'<b>{layer_fields(layer)[name].alias(language)}</b>: [% "{name}" %]' for name in shown
    ]
    return "<br>".join(lines)


def _renderer(layer: str, language: str, geometry: Geometry) -> ET.Element:
    scale = SCALES.get(layer)
    if scale is None:
        return _single(layer, geometry)
    labels = [f"{text}" for text in scale.labels(language)]
    classes = list(zip(scale.filters(), labels, scale.colours, strict=True))
    if layer in GRADUATED:
        return _graduated(scale, labels, word("no_value", language), geometry)
    classes.append((f'"{scale.field}" IS NULL', word("no_value", language), _GREY))
    return _rules(layer, scale, classes, geometry)


def _rules(
    layer: str, scale: Scale, classes: list[tuple[str, str, str]], geometry: Geometry
) -> ET.Element:
    """Rule-based renderer: unlike a graduated one it also draws features without a value."""
    renderer = ET.Element(
        "renderer-v2", type="RuleRenderer", symbollevels="0", forceraster="0", enableorderby="0"
    )
    rules = ET.SubElement(renderer, "rules", key=_key(layer, "rules"))
    symbols = ET.SubElement(renderer, "symbols")
    for index, (expression, label, colour) in enumerate(classes):
        ET.SubElement(
            rules,
            "rule",
            key=_key(layer, f"{scale.field}-{index}"),
            symbol=str(index),
            label=label,
            filter=expression,
        )
        if layer in _RINGS and geometry == "polygon":
            symbols.append(_ring(str(index), colour, _RINGS[layer]))
            continue
        outline, width = _OUTLINES.get(layer, ("#404040", 0.1))
        symbols.append(
            _symbol(str(index), geometry, colour, outline, width, _OPACITY.get(layer, 1.0))
        )
    return renderer


#: Layers of up to millions of features: graduated, which QGIS draws twice as fast as rules, and
#: without outlines, which would hide the colours of a whole city.
GRADUATED = ("buildings",)
#: Ends of the open classes, and what stands for NULL in the expression of a graduated style.
_END, _NULL = 1e9, -1e10


def _graduated(scale: Scale, labels: list[str], no_value: str, geometry: Geometry) -> ET.Element:
    """Graduated renderer; the features without a value are a class of their own.

    QGIS takes the first class that holds a value, both ends included: from the highest down, a
    value on a limit falls into the upper class, as in `Scale.filters`.
    """
    renderer = ET.Element(
        "renderer-v2", type="graduatedSymbol", attr=f'coalesce("{scale.field}", {_NULL:g})',
        graduatedMethod="GraduatedColor", symbollevels="0", forceraster="0", enableorderby="0",
    )  # fmt: skip
    limits = [-_END, *scale.breaks, _END]
    classes = list(zip(limits[:-1], limits[1:], labels, scale.colours, strict=True))[::-1]
    classes.append((_NULL, _NULL, no_value, _GREY))
    ranges, symbols = ET.SubElement(renderer, "ranges"), ET.SubElement(renderer, "symbols")
    for index, (low, high, label, colour) in enumerate(classes):
        ET.SubElement(
            ranges, "range", lower=f"{low:g}", upper=f"{high:g}", symbol=str(index), label=label,
            render="true",
        )  # fmt: skip
        symbols.append(_symbol(str(index), geometry, colour, None, 0.0, 1.0))
    return renderer


def _single(layer: str, geometry: Geometry) -> ET.Element:
    renderer = ET.Element(
        "renderer-v2", type="singleSymbol", symbollevels="0", forceraster="0", enableorderby="0"
    )
    symbols = ET.SubElement(renderer, "symbols")
    if layer == "study_area":
        symbols.append(_symbol("0", geometry, "#ffffff", "#202020", 0.5, 1.0, hollow=True))
    else:
        symbols.append(_symbol("0", geometry, "#12355b", "#ffffff", 0.1, 0.9))
    return renderer


def _symbol(
    name: str,
    geometry: Geometry,
    colour: str,
    outline: str | None,
    width_mm: float,
    opacity: float,
    *,
    hollow: bool = False,
) -> ET.Element:
    symbol = _empty_symbol(name, geometry)
    properties = {
        "color": _rgba(colour, round(255 * opacity)),
        "outline_color": _rgba(outline or colour),
        "outline_style": "dash" if hollow else "solid" if outline else "no",
        "outline_width": f"{width_mm:g}",
    }
    if geometry == "polygon":
        properties["style"] = "no" if hollow else "solid"
    else:
        properties |= {"name": "circle", "size": "3", "size_unit": "MM"}
    _add_symbol_layer(symbol, "SimpleFill" if geometry == "polygon" else "SimpleMarker", properties)
    return symbol


def _ring(name: str, colour: str, width_mm: float) -> ET.Element:
    """A hollow polygon: a line of a colour between two borders, seen on light and on dark."""
    symbol = _empty_symbol(name, "polygon")
    for tone, width in (("#202020", width_mm + 0.9), ("#ffffff", width_mm + 0.6),
                        (colour, width_mm)):  # fmt: skip
        _add_symbol_layer(
            symbol,
            "SimpleFill",
            {"style": "no", "outline_color": _rgba(tone), "outline_style": "solid",
             "outline_width": f"{width:g}"},
        )  # fmt: skip
    return symbol


def _empty_symbol(name: str, geometry: Geometry) -> ET.Element:
    kind = "fill" if geometry == "polygon" else "marker"
    return ET.Element("symbol", type=kind, name=name, alpha="1", clip_to_extent="1", force_rhr="0")


def _add_symbol_layer(symbol: ET.Element, kind: str, properties: dict[str, str]) -> None:
    layer = ET.SubElement(symbol, "layer", {"class": kind, "enabled": "1", "locked": "0"})
    layer.set("pass", "0")
    options = ET.SubElement(layer, "Option", type="Map")
    shared = {"outline_width_unit": "MM", "joinstyle": "round"}
    for key, value in {**properties, **shared}.items():
        ET.SubElement(options, "Option", name=key, value=value, type="QString")


def _labeling(expression: str, geometry: Geometry, limit: int | None) -> ET.Element:
    labeling = ET.Element("labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    style = ET.SubElement(
        settings,
        "text-style",
        fieldName=expression,
        isExpression="1",
        fontFamily="Sans",
        fontSize="9",
        fontSizeUnit="Point",
        fontWeight="75",
        namedStyle="Bold",
        textColor="20,20,20,255",
        textOpacity="1",
    )
    ET.SubElement(
        style,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.9",
        bufferSizeUnits="MM",
        bufferColor="255,255,255,255",
        bufferOpacity="0.9",
    )
    ET.SubElement(settings, "text-format", multilineAlign="1", wrapChar="")
    placement = {"placement": "1" if geometry == "polygon" else "6", "centroidInside": "1"}
    ET.SubElement(settings, "placement", placement | {"centroidWhole": "1", "priority": "8"})
    ET.SubElement(settings, "rendering", obstacle="1", drawLabels="1", scaleVisibility=str(
        int(limit is not None)), scaleMin="0", scaleMax=str(limit or 0))  # fmt: skip
    return labeling


def _aliases(layer: str, language: str) -> ET.Element:
    aliases = ET.Element("aliases")
    for index, (name, one) in enumerate(layer_fields(layer).items(), start=1):
        ET.SubElement(aliases, "alias", index=str(index), field=name, name=one.alias(language))
    return aliases


def _explain(layer: str, language: str) -> ET.Element:
    """Action on a feature: all its values with unit, meaning and source; needs QGIS alone."""
    root = ET.Element("attributeactions")
    name = word("explain", language)
    setting = ET.SubElement(
        root, "actionsetting", id=_key(layer, "explain"), name=name, shortTitle=name, type="1",
        icon="", capture="0", isEnabledOnlyWhenEditable="0", notificationMessage="",
        action=_EXPLAIN.format(layer=layer, language="fr" if language == "fr" else "en"),
    )  # fmt: skip
    for scope in ("Canvas", "Feature"):
        ET.SubElement(setting, "actionScope", id=scope)
    return root


def _rgba(colour: str, alpha: int = 255) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{alpha}"


def _key(layer: str, what: str) -> str:
    """The same key for the same rule in every run, so that outputs can be compared."""
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, f"heliopolis:{layer}:{what}")) + "}"
