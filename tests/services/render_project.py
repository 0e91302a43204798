"""Open a QGIS project headless, fail on an invalid layer, draw every theme and every layer.

Run with the Python that QGIS was installed for, not with the project's own environment:

    QT_QPA_PLATFORM=offscreen /usr/bin/python3 tests/services/render_project.py \
        results/demo/heliopolis.qgz /tmp/pictures

Needs QGIS >= 3.22 (Debian: python3-qgis qgis-providers). Writes theme-<name>.png and
layer-<id>.png into the folder, form-<layer>.png of the first feature, a PNG and a PDF of each print
layout, prints one JSON line (version, layers, themes, forms, layouts, bookmarks, days, warnings of
QGIS's log, share of each picture that is drawn), and leaves with status 1 when a layer is invalid,
a vector layer has no renderer of ours, or a picture cannot be saved. ``loose`` is the renderer of
each file when it is opened alone, without the project.
"""

import json
import os
import re
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsLayoutExporter,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsAttributeEditorContext, QgsAttributeForm, QgsGui
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QTabWidget

SIZE = QSize(900, 700)


def draw(layers, crs, extent, target, scale=None):
    """Draw layers (top first) into a PNG; return the share of pixels that is not white."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setOutputSize(SIZE)
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setExtent(extent)
    if scale and settings.scale() > scale:
        extent.scale(scale / settings.scale())
        settings.setExtent(extent)
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    problems = [error.message for error in job.errors()]
    if problems or not image.save(target):
        raise SystemExit(f"{target}: cannot be drawn: {problems}")
    step = 7
    drawn = total = 0
    for x in range(0, image.width(), step):
        for y in range(0, image.height(), step):
            total += 1
            drawn += image.pixelColor(x, y) != QColor(255, 255, 255)
    return round(drawn / total, 4)


def print_layouts(project, folder):
    """Export every layout; return its name, pages and the files it left."""
    told = {}
    for layout in project.layoutManager().printLayouts():
        stem = os.path.join(folder, "layout-" + re.sub(r"\W", "_", layout.name()))
        atlas = layout.atlas()
        pages = 1
        if atlas.enabled():
            pages = atlas.updateFeatures()
            atlas.beginRender()
            atlas.first()
        exporter = QgsLayoutExporter(layout)
        picture = QgsLayoutExporter.ImageExportSettings()
        picture.dpi = 72
        results = [
            exporter.exportToImage(stem + ".png", picture),
            exporter.exportToPdf(stem + ".pdf", QgsLayoutExporter.PdfExportSettings()),
        ]
        if atlas.enabled():
            atlas.endRender()
        told[layout.name()] = {"pages": pages, "failed": [int(one) for one in results if one]}
    return told


def forms(layers, folder):
    """Open the form of the first feature of each layer with tabs; return the tabs."""
    QgsGui.editorWidgetRegistry().initEditors()
    told = {}
    for layer in layers:
        config = layer.editFormConfig()
        if config.layout() != config.TabLayout or not layer.featureCount():
            continue
        context = QgsAttributeEditorContext()
        form = QgsAttributeForm(layer, next(layer.getFeatures()), context)
        form.resize(1000, 520)
        form.show()
        found = form.findChildren(QTabWidget)
        told[layer.id()] = [one.tabText(i) for one in found for i in range(one.count())]
        for index in range(found[0].count()):
            found[0].setCurrentIndex(index)
            QgsApplication.processEvents()
            name = re.sub(r"\W", "_", layer.id())
            form.grab().save(os.path.join(folder, f"form-{name}-{index}.png"))
    return told


def loose(layer):
    """Renderer of a layer's file opened by itself; None where it has no style of its own."""
    kind = QgsVectorLayer if hasattr(layer, "featureCount") else QgsRasterLayer
    alone = kind(layer.source(), "alone")
    return alone.renderer().type() if alone.isSpatial() else None


def main(project_file, folder):
    """Check and draw one project."""
    os.makedirs(folder, exist_ok=True)
    application = QgsApplication([], True)
    application.initQgis()
    project = QgsProject.instance()
    messages = []
    application.messageLog().messageReceived.connect(
        lambda text, tag, level: messages.append(f"{tag}: {text}") if int(level) else None
    )
    if not project.read(project_file):
        raise SystemExit(f"{project_file}: QGIS cannot read it: {project.error()}")
    report = {"qgis": Qgis.QGIS_VERSION, "title": project.title(), "crs": project.crs().authid()}
    report["layers"] = {}
    extent = project.viewSettings().defaultViewExtent()
    failed = []
    for key, layer in project.mapLayers().items():
        entry = {"name": layer.name(), "valid": layer.isValid(), "source": layer.source()}
        report["layers"][key] = entry
        if not layer.isValid():
            failed.append(key)
            continue
        if not layer.isSpatial():
            continue
        entry["renderer"] = layer.renderer().type()
        if layer.providerType() == "wms":
            continue
        entry["loose"] = loose(layer)
        entry["crs"] = layer.crs().authid()
        if hasattr(layer, "featureCount"):
            entry["features"] = layer.featureCount()
            entry["aliases"] = sum(bool(f.alias()) for f in layer.fields())
            scale = layer.minimumScale() * 0.9 if layer.hasScaleBasedVisibility() else None
            if entry["features"] == 0:
                continue
        else:
            scale = None
        where = layer.extent()
        where.scale(1.05)
        name = os.path.join(folder, "layer-" + re.sub(r"\W", "_", key) + ".png")
        entry["drawn"] = draw([layer], project.crs(), where, name, scale)
    themes = project.mapThemeCollection()
    report["themes"] = {}
    for theme in themes.mapThemes():
        layers = sorted(
            themes.mapThemeVisibleLayers(theme),
            key=lambda one: project.layerTreeRoot().layerOrder().index(one),
        )
        name = os.path.join(folder, "theme-" + re.sub(r"\W", "_", theme) + ".png")
        where = project.viewSettings().defaultViewExtent()
        if where.isEmpty():
            where = project.viewSettings().fullExtent()
        report["themes"][theme] = {
            "layers": [one.id() for one in layers],
            "drawn": draw(layers, project.crs(), where, name),
        }
    report["extent"] = extent.toString(1)
    report["tree"] = [
        [node.name(), [child.name() for child in node.children()]]
        for node in project.layerTreeRoot().children()
        if hasattr(node, "findLayers")
    ]
    vectors = [one for one in project.mapLayers().values() if hasattr(one, "featureCount")]
    report["forms"] = forms(vectors, folder)
    report["layouts"] = print_layouts(project, folder)
    report["bookmarks"] = [one.name() for one in project.bookmarkManager().bookmarks()]
    report["days"] = [
        layer.temporalProperties().fixedTemporalRange().begin().toString("yyyy-MM-dd")
        for layer in project.mapLayers().values()
        if layer.temporalProperties() and layer.temporalProperties().isActive()
    ]
    coded = [layer for layer in project.mapLayers().values() if hasattr(layer, "actions")]
    report["actions"] = sum(len(layer.actions().actions()) for layer in coded)
    report["value_maps"] = sum(
        layer.editorWidgetSetup(i).type() == "ValueMap"
        for layer in coded
        for i in range(layer.fields().count())
    )
    report["warnings"] = [one for one in messages if "XDG_RUNTIME_DIR" not in one]
    print(json.dumps(report, ensure_ascii=False))
    project.clear()
    application.exitQgis()
    if failed:
        raise SystemExit("invalid layers: " + ", ".join(failed))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
