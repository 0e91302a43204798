"""Maps of the report, as PNG."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from heliopolis.legend import SCALES, Scale, word
from heliopolis.report.plots import png
from heliopolis.report.styles import colours
from heliopolis.report.words import number

#: Longest side of a raster that is drawn [cells]; larger ones are thinned.
_MAX_CELLS = 1200
_GREY = "#d9d9d9"


def heat_map(
    lst: xr.DataArray, zones: gpd.GeoDataFrame, area: gpd.GeoDataFrame, language: str
) -> bytes:
    """Surface temperature in fixed classes, outlines of the hot zones with their rank.

    Parameters
    ----------
    lst
        Median land-surface temperature [degC], dims (y, x), on a regular grid.
    zones, area
        Layers ``hot_zones`` and ``study_area`` in the CRS of ``lst``.
    language
        ``en`` or ``fr``.
    """
    scale = SCALES["lst.tif"]
    step = max(1, -(-max(lst.shape) // _MAX_CELLS))
    box = lst.odc.geobox.boundingbox
    figure, axes = _map_axes(box.bbox)
    colour_map, norm = colours(scale)
    axes.imshow(
        lst.to_numpy()[::step, ::step],
        cmap=colour_map,
        norm=norm,
        extent=(box.left, box.right, box.bottom, box.top),
        interpolation="nearest",
    )
    area.boundary.plot(ax=axes, color="#202020", linewidth=0.8, linestyle="--")
    if len(zones):
        zones.boundary.plot(ax=axes, color="white", linewidth=2.2)
        zones.boundary.plot(ax=axes, color="#111111", linewidth=1.0)
        for point, rank in zip(zones.representative_point(), zones["rank"], strict=True):
            _label(axes, point.x, point.y, number(float(rank), language))
    _legend(axes, scale, language, "lst.tif")
    _scale_bar(axes, language)
    return png(figure)


def roof_map(buildings: gpd.GeoDataFrame, area: gpd.GeoDataFrame, language: str) -> bytes:
    """Buildings by specific yield; grey where it is not known."""
    scale = SCALES["buildings"]
    bounds = buildings.total_bounds if len(buildings) else area.total_bounds
    figure, axes = _map_axes(tuple(float(value) for value in bounds))
    area.boundary.plot(ax=axes, color="#202020", linewidth=0.8, linestyle="--")
    colour_map, norm = colours(scale)
    known = buildings[buildings[scale.field].notna()]
    unknown = buildings[buildings[scale.field].isna()]
    if len(unknown):
        unknown.plot(ax=axes, color=_GREY, edgecolor="#909090", linewidth=0.2)
    if len(known):
        known.plot(
            ax=axes, column=scale.field, cmap=colour_map, norm=norm, edgecolor="#404040",
            linewidth=0.15,
        )  # fmt: skip
    _legend(axes, scale, language, "buildings", no_value=bool(len(unknown)))
    _scale_bar(axes, language)
    return png(figure)


def _map_axes(bounds: tuple[float, ...]) -> tuple[Figure, Axes]:
    west, south, east, north = bounds
    wide, high = max(east - west, 1.0), max(north - south, 1.0)
    ratio = min(max(high / wide, 0.45), 1.3)
    figure = Figure(figsize=(8.6, 6.4 * ratio + 0.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    margin = 0.02 * max(wide, high)
    axes.set_xlim(west - margin, east + margin)
    axes.set_ylim(south - 3.5 * margin, north + margin)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return figure, axes


def _label(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=9,
        fontweight="bold",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        clip_on=True,
    )


def _legend(axes: Axes, scale: Scale, language: str, layer: str, *, no_value: bool = False) -> None:
    entries: list[Any] = [
        Patch(facecolor=colour, edgecolor="#808080", linewidth=0.3, label=label)
        for colour, label in zip(scale.colours, scale.labels(language), strict=True)
    ][::-1]
    if no_value:
        entries.append(Patch(facecolor=_GREY, label=word("no_value", language)))
    axes.legend(
        handles=entries,
        title=scale.title(language, layer),
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=8,
        title_fontsize=8,
        frameon=False,
        alignment="left",
    )


def _scale_bar(axes: Axes, language: str) -> None:
    """A bar of a round length, about a fifth of the width of the map."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    about = (east - west) / 5
    power = 10 ** np.floor(np.log10(about))
    length = float(max(k * power for k in (1, 2, 5) if k * power <= about))
    x, y = west + 0.03 * (east - west), south + 0.01 * (north - south)
    bar = axes.plot([x, x + length], [y, y], color="#111111", linewidth=3, solid_capstyle="butt")
    stroke = withStroke(linewidth=5, foreground="white")
    bar[0].set_path_effects([stroke])
    text = f"{number(length / 1000, language)} km" if length >= 1000 else f"{length:.0f} m"
    axes.text(
        x + length / 2,
        y + 0.012 * (north - south),
        text,
        ha="center",
        va="bottom",
        fontsize=8,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
