"""QGIS styles of the bands of rasters: fixed classes in words, never stretched to the data."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from heliopolis.io.atomic import write_text
from heliopolis.io.qml import DOCTYPE, QGIS_VERSION
from heliopolis.legend import BANDS
from heliopolis.variables import find


def band_title(band: str, language: str) -> str:
    """Name of a band with its unit."""
    known = find(band, "lst.tif", "scenes/lst.tif")
    return known.alias(language) if known else band


def band_pipe(band: str, language: str, number: int = 1) -> ET.Element:
    """Renderer of a band as the ``pipe`` element of a QGIS layer.

    Parameters
    ----------
    band
        Its name: one of `heliopolis.legend.BANDS`.
    language
        ``en`` or ``fr``: of the legend.
    number
        Its number in the file, from 1.
    """
    scale = BANDS[band]
    pipe = ET.Element("pipe")
    low, high = scale.breaks[0], scale.breaks[-1]
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band=str(number),
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


def write_raster_style(raster: Path, language: str, band: str, number: int = 1) -> Path:
    """Write the style that QGIS takes for a raster: its name, with the ending ``.qml``.

    The classes of floating-point cells have no place in a GeoTIFF itself, whose colour tables
    are of whole numbers.

    Returns
    -------
    Path
        The style.
    """
    root = ET.Element("qgis", version=QGIS_VERSION, styleCategories="AllStyleCategories")
    root.append(band_pipe(band, language, number))
    ET.SubElement(root, "blendMode").text = "0"
    path = raster.with_suffix(".qml")
    write_text(path, DOCTYPE + ET.tostring(root, encoding="unicode"))
    return path
