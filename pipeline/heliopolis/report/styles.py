"""Styles for the project and the figures; those of tables are in `heliopolis.io.qml`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from heliopolis.io.qml import Geometry, qml
from heliopolis.legend import Scale

if TYPE_CHECKING:
    from matplotlib.colors import BoundaryNorm, Colormap

__all__ = ["Geometry", "colours", "qml", "raster_pipe"]


def raster_pipe(scale: Scale, language: str, band: int = 1) -> ET.Element:
    """Renderer of a raster with fixed classes, as the ``pipe`` element of a QGIS layer."""
    pipe = ET.Element("pipe")
    low, high = scale.breaks[0], scale.breaks[-1]
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band=str(band),
        opacity="1",
        alphaBand="-1",
        nodataColor="",
        classificationMin=f"{low:g}",
        classificationMax=f"{high:g}",
    )
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    for tag, text in (("limits", "None"), ("extent", "WholeRaster"), ("statAccuracy", "Exact")):
        ET.SubElement(origin, tag).text = text
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="DISCRETE",
        classificationMode="1",
        clip="0",
        minimumValue=f"{low:g}",
        maximumValue=f"{high:g}",
        labelPrecision="0",
    )
    limits = [*(f"{limit:g}" for limit in scale.breaks), "inf"]
    for limit, label, colour in zip(limits, scale.labels(language), scale.colours, strict=True):
        ET.SubElement(shader, "item", value=limit, label=label, color=colour, alpha="255")
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ET.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    return pipe


def colours(scale: Scale) -> tuple[Colormap, BoundaryNorm]:
    """Colour map and norm for matplotlib, with open classes at both ends."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    inner = ListedColormap(list(scale.colours[1:-1]))
    made = inner.with_extremes(under=scale.colours[0], over=scale.colours[-1], bad="#00000000")
    return made, BoundaryNorm(list(scale.breaks), made.N)
