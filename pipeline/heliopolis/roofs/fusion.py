"""One layer of buildings from a cadastre's footprints and the roofs found in images."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from heliopolis.roofs.field import RoofRaster
from heliopolis.roofs.registration import Shift

#: A footprint is supported when roof covers at least this share of it.
SUPPORTED_SHARE = 0.5
#: It is gone when no more than this share of it is roof and the image covers it.
GONE_SHARE = 0.05
#: Smallest footprint that may be called gone [m2]: sheds hide under trees.
GONE_MIN_M2 = 30.0
#: Share of a footprint that the image must cover for a judgement.
COVERED_SHARE = 0.9
#: An outline that shares less than this with footprints is a building of its own.
SEPARATE_SHARE = 0.1
#: What sticks out of a footprint counts only if it is wider than twice this [m].
EXTENSION_M = 2.0
#: An extension this close to a footprint is one of it [m].
_TOUCH_M = 0.05
#: Two footprints are one when they share this much of both.
DUPLICATE_SHARE = 0.9

COLUMNS = [
    "building_id",
    "source",
    "change",
    "footprint_m2",
    "probability_mean",
    "roof_share",
    "image_share",
]
#: Buildings of a square of this side are measured together [m].
_TOGETHER_M = 500.0
#: Coordinates that differ by less are one place to an identifier [m]: outlines of pixels lie on
#: full metres, and rounding must not decide on which side.
_ID_SLACK_M = 1e-3


def fuse(
    footprints: gpd.GeoDataFrame | None,
    outlines: gpd.GeoDataFrame | None,
    roof: RoofRaster | None,
    *,
    id_field: str | None = "building_id",
    min_area_m2: float = 10.0,
    shift: Shift | None = None,
) -> gpd.GeoDataFrame:
    """Buildings.

    The cadastre's geometry and identifier win. What the net saw beside it is added.

    Parameters
    ----------
    footprints
        The cadastre's polygons, metric CRS.
    outlines
        Roofs found in the images (`heliopolis.roofs.outline.outlines`), same CRS.
    roof
        The mosaic of roof probability, to judge the footprints by.
    id_field
        Column with the cadastre's identifiers; a missing or repeated one is replaced by one
        made from the position.
    min_area_m2
        Smallest building that is added from the images.
    shift
        Where the image lies relative to the footprints; the image's content is moved back.

    Returns
    -------
    GeoDataFrame
        ``building_id``; ``source`` (cadastre, cnn, both); ``change`` (none, new, gone,
        changed, where an extension touches the footprint, uncertain; NULL where no image
        tells); ``footprint_m2``; ``probability_mean``;
        ``roof_share`` (share of the footprint above the threshold); ``image_share`` (share that
        the image covers), sorted by identifier.
    """
    crs = next((f.crs for f in (footprints, outlines) if f is not None), None)
    raster = None if roof is None else moved(roof, shift)
    known = _cadastre(footprints, raster, id_field, crs)
    found = _additions(outlines, known, raster, min_area_m2, shift, crs)
    known = _with_changed(known, found)
    parts = [part for part in (known, found) if len(part)]
    made = pd.concat(parts, ignore_index=True) if parts else known
    made = made.sort_values("building_id", kind="stable", ignore_index=True)
    return gpd.GeoDataFrame(made[[*COLUMNS, "geometry"]], geometry="geometry", crs=crs)


def position_id(geometry: Any, prefix: str) -> str:
    """Identifier from the metre in which the representative point lies.

    >>> from shapely import box
    >>> position_id(box(0, 0, 10, 20), "cnn")
    'cnn-5-10'
    """
    point = shapely.point_on_surface(geometry)
    east, north = (math.floor(value + _ID_SLACK_M) for value in (point.x, point.y))
    return f"{prefix}-{east}-{north}".replace("--", "-m")


def moved(roof: RoofRaster, shift: Shift | None) -> RoofRaster:
    """Raster with the image's content moved back onto the footprints."""
    return roof if shift is None else roof.moved(-shift.x_m, -shift.y_m)


def _cadastre(
    footprints: gpd.GeoDataFrame | None, roof: RoofRaster | None, id_field: str | None, crs: Any
) -> gpd.GeoDataFrame:
    if footprints is None or footprints.empty:
        return _empty(crs)
    shapes = footprints.geometry.array
    shapes = shapely.force_2d(shapely.make_valid(np.asarray(shapes), method="structure"))
    table = gpd.GeoDataFrame(
        {"building_id": _given_ids(footprints, id_field)}, geometry=list(shapes), crs=crs
    )
    polygonal = table.geom_type.isin(["Polygon", "MultiPolygon"])
    table = table[polygonal & ~table.geometry.is_empty]
    table = _with_ids(_without_duplicates(table), "fp")
    table = measured(table, roof)
    supported = table["roof_share"] >= SUPPORTED_SHARE
    judged = table["image_share"] >= COVERED_SHARE
    gone = judged & (table["roof_share"] <= GONE_SHARE) & (table["footprint_m2"] >= GONE_MIN_M2)
    table["source"] = np.where(supported, "both", "cadastre")
    change = np.select([supported, gone], ["none", "gone"], "uncertain").astype(object)
    unseen = table["image_share"].isna() | (table["image_share"] == 0)
    change[unseen.to_numpy()] = None
    table["change"] = change
    return table


def _given_ids(footprints: gpd.GeoDataFrame, id_field: str | None) -> list[str | None]:
    if id_field is None or id_field not in footprints:
        return [None] * len(footprints)
    values = footprints[id_field]
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return [None if pd.isna(v) or str(v).strip() == "" else str(v) for v in values]


def _without_duplicates(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Of footprints that are the same building the first by identifier is kept."""
    table = _ordered(table)
    shapes = np.asarray(table.geometry.array)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    one, other = one[pairs], other[pairs]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    larger = np.maximum(shapely.area(shapes[one]), shapely.area(shapes[other]))
    twice = set()
    for first, second in zip(
        *(i[shared >= DUPLICATE_SHARE * larger] for i in (one, other)), strict=True
    ):
        if first not in twice:
            twice.add(second)
    keep = np.array([i not in twice for i in range(len(table))], bool)
    return table[keep].reset_index(drop=True)


def _ordered(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """In an order that does not depend on that of the file."""
    bounds = table.bounds.round(3)
    keys = bounds.assign(known=table["building_id"].isna(), name=table["building_id"].fillna(""))
    order = keys.sort_values(["known", "name", "minx", "miny", "maxx", "maxy"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def _with_ids(table: gpd.GeoDataFrame, prefix: str) -> gpd.GeoDataFrame:
    """Fill identifiers that are missing or taken by an earlier row."""
    taken: set[str] = set()
    names = []
    for given, shape in zip(table["building_id"], table.geometry, strict=True):
        stem = position_id(shape, prefix) if pd.isna(given) or given in taken else str(given)
        name, number = stem, 2
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name)
        names.append(name)
    return table.assign(building_id=names)


def _additions(
    outlines: gpd.GeoDataFrame | None,
    known: gpd.GeoDataFrame,
    roof: RoofRaster | None,
    min_area_m2: float,
    shift: Shift | None,
    crs: Any,
) -> gpd.GeoDataFrame:
    if outlines is None or outlines.empty:
        return _empty(crs)
    move = (0.0, 0.0) if shift is None else (-shift.x_m, -shift.y_m)
    shapes = np.asarray(outlines.geometry.translate(*move).array)
    taken = shapely.STRtree(np.asarray(known.geometry.array))
    rows: list[tuple[Any, str]] = []
    for shape in shapes[np.argsort(-shapely.area(shapes), kind="stable")]:
        rows += _free_parts(shape, taken, min_area_m2)
    rows = _apart(rows, min_area_m2)
    table = gpd.GeoDataFrame(
        {"building_id": [None] * len(rows), "source": "cnn", "change": [row[1] for row in rows]},
        geometry=[row[0] for row in rows],
        crs=crs,
    )
    return measured(_with_ids(_ordered(table), "cnn"), roof)


def _free_parts(shape: Any, taken: shapely.STRtree, min_area_m2: float) -> list[tuple[Any, str]]:
    """What an outline holds beside the footprints: all of it, an extension, or nothing."""
    hits = taken.geometries[taken.query(shape, predicate="intersects")]
    if len(hits) == 0:
        return [(shape, "new")]
    covered = shapely.union_all(hits)
    rest = shapely.difference(shape, covered)
    if rest.area >= (1 - SEPARATE_SHARE) * shape.area:
        return [(part, "new") for part in _polygons(rest) if part.area >= min_area_m2]
    opened = shapely.buffer(
        shapely.buffer(rest, -EXTENSION_M, join_style="mitre"), EXTENSION_M, join_style="mitre"
    )
    parts = _polygons(shapely.intersection(opened, rest))
    return [(part, "uncertain") for part in parts if part.area >= min_area_m2]


def _apart(rows: list[tuple[Any, str]], min_area_m2: float) -> list[tuple[Any, str]]:
    """Cut overlaps between outlines: the larger keeps its ground."""
    shapes = [row[0] for row in rows]
    tree = shapely.STRtree(shapes)
    made: list[tuple[Any, str]] = []
    for i, (shape, change) in enumerate(rows):
        larger = [shapes[j] for j in tree.query(shape, predicate="overlaps") if j < i]
        rest = shapely.difference(shape, shapely.union_all(larger)) if larger else shape
        parts = sorted(_polygons(rest), key=lambda part: -part.area)[:1]
        made += [(part, change) for part in parts if part.area >= min_area_m2]
    return made


def _with_changed(known: gpd.GeoDataFrame, found: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Supported footprints that an extension seen in the image touches are changed."""
    extensions = found[found["change"] == "uncertain"]
    if known.empty or extensions.empty:
        return known
    near = shapely.STRtree(np.asarray(known.geometry.array)).query(
        np.asarray(extensions.geometry.array), predicate="dwithin", distance=_TOUCH_M
    )[1]
    touched = np.zeros(len(known), bool)
    touched[near] = True
    change = known["change"].where(~(touched & (known["change"] == "none")), "changed")
    return known.assign(change=change)


def _polygons(shape: Any) -> list[Any]:
    return [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and p.area > 0]


def panel_area_m2(table: gpd.GeoDataFrame, panels: RoofRaster) -> NDArray[np.float64]:
    """Area of each building that looks like panels [m2]; NaN where the image does not cover it.

    Parameters
    ----------
    table
        Buildings, metric CRS.
    panels
        Probability of panels, with the threshold from which a pixel counts.
    """
    if table.empty:
        return np.zeros(0)
    seen = measured(table, panels)
    area = seen["roof_share"] * seen["image_share"] * seen["footprint_m2"]
    return area.where(seen["image_share"] >= COVERED_SHARE).to_numpy("float64")


def measured(table: gpd.GeoDataFrame, roof: RoofRaster | None) -> gpd.GeoDataFrame:
    """Add area and, where there is an image, probability, roof share and image share."""
    table = table.assign(
        footprint_m2=table.area, probability_mean=np.nan, roof_share=np.nan, image_share=np.nan
    )
    if roof is None or table.empty:
        return table
    made = {name: np.full(len(table), np.nan) for name in ("probability_mean", "roof_share")}
    count = np.zeros(len(table))
    corners = np.floor(table.bounds[["minx", "miny"]].to_numpy() / _TOGETHER_M)
    squares, of = np.unique(corners, axis=0, return_inverse=True)
    for square in range(len(squares)):
        members = np.flatnonzero(of.ravel() == square)
        shapes = table.geometry.iloc[members]
        window = _window(roof.grid, shapes.total_bounds)
        chance = None if window is None else np.asarray(roof.read(*window), "float64")
        if chance is None or not np.isfinite(chance).any():
            continue
        above = np.where(np.isfinite(chance), chance >= roof.threshold, np.nan)
        for name, values in (("probability_mean", chance), ("roof_share", above)):
            got = _extracted(values, roof.grid[window], shapes)
            made[name][members] = got["mean"].to_numpy("float64", na_value=np.nan)
        count[members] = got["count"].fillna(0).to_numpy("float64")
    cell = abs(roof.grid.resolution.x * roof.grid.resolution.y)
    share = np.clip(count * cell / table["footprint_m2"].to_numpy(), 0, 1)
    return table.assign(**made, image_share=share)


def _window(grid: GeoBox, bounds: NDArray[np.float64]) -> tuple[slice, slice] | None:
    """Rows and columns of a grid that a box touches; None where there are none."""
    cell, box = abs(grid.resolution.x), grid.boundingbox
    west, south, east, north = bounds
    rows = _reached(box.top - north, box.top - south, cell, grid.height)
    columns = _reached(west - box.left, east - box.left, cell, grid.width)
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _reached(low_m: float, high_m: float, cell_m: float, count: int) -> slice:
    return slice(max(0, math.floor(low_m / cell_m)), min(count, math.ceil(high_m / cell_m)))


def _extracted(values: NDArray[np.float64], grid: GeoBox, shapes: gpd.GeoSeries) -> pd.DataFrame:
    """Mean and number of cells under each shape, by the share of each cell that it covers."""
    box, wkt = grid.boundingbox, shapes.crs.to_wkt()
    source = NumPyRasterSource(
        values, box.left, box.bottom, box.right, box.top, nodata=np.nan, srs_wkt=wkt
    )
    frame = gpd.GeoDataFrame(geometry=shapes)
    return exact_extract(source, frame, ["mean", "count"], output="pandas")


def _empty(crs: Any) -> gpd.GeoDataFrame:
    columns: dict[str, Any] = {name: pd.Series(dtype="float64") for name in COLUMNS}
    columns |= {name: pd.Series(dtype=object) for name in ("building_id", "source", "change")}
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs), crs=crs)
