"""Grids: one metric GeoBox per study area; every other product is an integer zoom of it."""

from __future__ import annotations

import math

from odc.geo import CRS, Geometry, resyx_
from odc.geo.geobox import GeoBox

from heliopolis.area import StudyArea
from heliopolis.errors import GridError

#: The study grid begins and ends on multiples of this length [m], the cell of a thermal
#: sensor, so that 10 m, 20 m, 50 m and 100 m products nest exactly.
ANCHOR_M = 100.0


def metric_crs(crs: CRS | str, where: str = "area.crs") -> CRS:
    """Return ``crs`` if it is projected and measured in metres, else raise `GridError`."""
    made = CRS(str(crs))
    unit = made.proj.axis_info[0].unit_name if made.proj.axis_info else "unknown"
    if not made.projected or unit not in ("metre", "meter"):
        raise GridError(
            f"{made} is not a metric coordinate reference system (its unit is the {unit})",
            where=where,
            remedy="Choose a projected CRS in metres, such as EPSG:2154 in France or the UTM zone",
        )
    return made


def study_grid(area: StudyArea, crs: CRS | str, resolution_m: float = 10.0) -> GeoBox:
    """Grid of the study area.

    Parameters
    ----------
    area
        The study area, in any CRS.
    crs
        Metric CRS of the grid.
    resolution_m
        Cell size [m]; must divide 100 m.

    Returns
    -------
    GeoBox
        North-up grid over the bounding box of the area, snapped outwards to 100 m.
    """
    if resolution_m <= 0 or abs(ANCHOR_M / resolution_m - round(ANCHOR_M / resolution_m)) > 1e-9:
        raise GridError(
            f"a resolution of {resolution_m} m does not divide {ANCHOR_M:.0f} m",
            where="area.resolution_m",
            remedy="Use 5, 10, 20, 25, 50 or 100",
        )
    metric = metric_crs(crs)
    return bounds_grid(area.to_crs(metric), resolution_m, ANCHOR_M)


def bounds_grid(geometry: Geometry, resolution_m: float, anchor_m: float | None = None) -> GeoBox:
    """North-up grid over the bounds of ``geometry``, snapped outwards to ``anchor_m`` [m]."""
    step = anchor_m or resolution_m
    west, south, east, north = geometry.boundingbox.bbox
    west, south = math.floor(west / step) * step, math.floor(south / step) * step
    east, north = math.ceil(east / step) * step, math.ceil(north / step) * step
    return GeoBox.from_bbox(
        (west, south, east, north), crs=geometry.crs, resolution=resyx_(-resolution_m, resolution_m)
    )


def coarsen(grid: GeoBox, cell_m: float) -> GeoBox:
    """Coarser grid with the same upper-left corner that covers ``grid`` fully.

    ``cell_m`` [m] must be an integer multiple of the resolution of ``grid``; the last row and
    column may reach beyond it.

    >>> from odc.geo.geobox import GeoBox
    >>> fine = GeoBox.from_bbox((0, 0, 2500, 1000), "EPSG:2154", resolution=10)
    >>> coarsen(fine, 1000).shape
    Shape2d(x=3, y=1)
    """
    factor = zoom_factor(grid, cell_m)
    rows, cols = (math.ceil(n / factor) for n in grid.shape)
    return GeoBox((rows, cols), grid.affine @ grid.affine.scale(factor), grid.crs)


def zoom_factor(grid: GeoBox, cell_m: float) -> int:
    """Number of grid cells along one side of a cell of ``cell_m`` metres."""
    factor = cell_m / abs(grid.resolution.x)
    if factor < 1 or abs(factor - round(factor)) > 1e-6:
        raise GridError(
            f"{cell_m} m is not a whole multiple of the grid's {abs(grid.resolution.x)} m",
            remedy="Choose resolutions that nest",
        )
    return round(factor)
