"""Colours for the figures; styles for QGIS are in `heliopolis.io.qml` and `qml_raster`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliopolis.legend import Scale

if TYPE_CHECKING:
    from matplotlib.colors import BoundaryNorm, Colormap


def colours(scale: Scale) -> tuple[Colormap, BoundaryNorm]:
    """Colour map and norm for matplotlib, with open classes at both ends."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    inner = ListedColormap(list(scale.colours[1:-1]))
    made = inner.with_extremes(under=scale.colours[0], over=scale.colours[-1], bad="#00000000")
    return made, BoundaryNorm(list(scale.breaks), made.N)
