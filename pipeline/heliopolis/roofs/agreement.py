"""How far the roofs found in the images agree with the footprints, and what follows from it.

Footprints are the only truth that a user has of the own area. A net that travels badly shows
there first: it is then used for less, or not at all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import shapely

from heliopolis.roofs.field import RoofRaster, blocks, covered
from heliopolis.roofs.fusion import COVERED_SHARE, measured, moved
from heliopolis.roofs.registration import Shift

#: What the net is used for.
Role = Literal["adds", "checks", "left out"]
#: With fewer footprints on the image nothing can be said.
MIN_FOOTPRINTS = 20
#: The net may add buildings from this share of its outlines on footprints, and this share of
#: footprints seen as roof. Not higher: an incomplete cadastre makes true outlines look false.
ADDS_PRECISION = 0.6
ADDS_RECALL = 0.6
#: It may say of a footprint whether a roof is there from this balance of its pixels (IoU).
CHECKS_IOU = 0.35
#: Pixels are counted in squares of this side [m].
_BLOCK_M = 500.0


@dataclass(frozen=True)
class Agreement:
    """Agreement of the net with footprints.

    Attributes
    ----------
    footprints
        Footprints of which the image covers at least 90 %.
    outlines
        Outlines found.
    iou
        Intersection over union of the pixels, where there is an image.
    precision
        Share of the outlines that lie by half or more on footprints.
    recall
        Share of the footprints of which half or more is roof in the image.
    object_f1
        F1 of outlines and footprints that match with an IoU of 0.5 or more.
    role
        ``adds``, ``checks`` or ``left out``; None with fewer than `MIN_FOOTPRINTS`.
    """

    footprints: int
    outlines: int
    iou: float
    precision: float
    recall: float
    object_f1: float
    role: Role | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values; NaN as None."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def agreement(
    footprints: gpd.GeoDataFrame,
    outlines: gpd.GeoDataFrame,
    roof: RoofRaster,
    shift: Shift | None = None,
) -> Agreement:
    """Score outlines and probability against footprints, after the shift between them.

    Parameters
    ----------
    footprints, outlines
        Polygons in one metric CRS.
    roof
        Mosaic of roof probability.
    shift
        Where the image lies relative to the footprints.
    """
    raster = moved(roof, shift)
    east, north = (0.0, 0.0) if shift is None else (-shift.x_m, -shift.y_m)
    found = np.asarray(outlines.geometry.translate(east, north).array)
    valid = shapely.make_valid(np.asarray(footprints.geometry.array), method="structure")
    known = gpd.GeoDataFrame(geometry=shapely.force_2d(valid), crs=footprints.crs)
    known = known[known.geom_type.isin(["Polygon", "MultiPolygon"])]
    known = measured(known.reset_index(drop=True), raster)
    known = known[known["image_share"] >= COVERED_SHARE]
    shapes = np.asarray(known.geometry.array)
    if len(shapes) == 0:
        return Agreement(0, len(found), np.nan, np.nan, np.nan, np.nan, None)
    iou = _pixel_iou(shapes, raster)
    precision, f1 = _objects(shapes, found)
    recall = float((known["roof_share"] >= 0.5).mean())
    role = role_of(iou, precision, recall) if len(shapes) >= MIN_FOOTPRINTS else None
    return Agreement(len(shapes), len(found), iou, precision, recall, f1, role)


def role_of(iou: float, precision: float, recall: float) -> Role:
    """What a net of such agreement is used for.

    >>> role_of(0.6, 0.9, 0.8), role_of(0.4, 0.5, 0.5), role_of(0.1, 0.2, 0.3)
    ('adds', 'checks', 'left out')
    """
    if not iou >= CHECKS_IOU:
        return "left out"
    return "adds" if precision >= ADDS_PRECISION and recall >= ADDS_RECALL else "checks"


def _pixel_iou(shapes: Any, roof: RoofRaster) -> float:
    parts = np.array([p for p in shapely.get_parts(shapes) if p.geom_type == "Polygon"])
    tree = shapely.STRtree(parts)
    both = either = 0
    for window in blocks(roof.grid, _BLOCK_M):
        chance = roof.read(*window)
        seen = np.isfinite(chance)
        if not seen.any():
            continue
        grid = roof.grid[window]
        ground = covered(parts[tree.query(grid.extent.geom)], grid)
        above = np.nan_to_num(chance, nan=-1.0) >= roof.threshold
        both += int((ground & above & seen).sum())
        either += int(((ground | above) & seen).sum())
    return both / max(either, 1)


def _objects(shapes: Any, found: Any) -> tuple[float, float]:
    """Precision of the outlines, and F1 of outlines and footprints."""
    if len(found) == 0:
        return np.nan, 0.0
    one, other = shapely.STRtree(shapes).query(found, predicate="intersects")
    shared = shapely.area(shapely.intersection(found[one], shapes[other]))
    on_footprints = np.bincount(one, shared, len(found)) / shapely.area(found)
    iou = shared / (shapely.area(found[one]) + shapely.area(shapes[other]) - shared)
    matched = len(set(other[iou >= 0.5]))
    precision = float((on_footprints >= 0.5).mean())
    return precision, float(2 * matched / (len(found) + len(shapes)))
