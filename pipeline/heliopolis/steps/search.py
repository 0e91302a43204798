"""Steps that settle what a run works on: the area, the scenes, the tiles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from rasterio.errors import RasterioError
from shapely.geometry.base import BaseGeometry

from heliopolis.config import (
    Elevation,
    Footprints,
    Optical,
    OpticalSource,
    Period,
    Thermal,
    ThermalSource,
    expand,
)
from heliopolis.errors import HeliopolisError, InputError, NoDataError
from heliopolis.io.atomic import write_json
from heliopolis.io.catalogs import Query, is_day, lst_file_scenes
from heliopolis.io.catalogs import search as search_catalogs
from heliopolis.io.catalogs.query import TimeOfDay
from heliopolis.io.imagery import Range, brightness_range
from heliopolis.io.pointcloud import points_bounds
from heliopolis.io.raster import raster_grid
from heliopolis.io.remote.client import Client
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.roofs.probability import HALO_M, WORKING_GSD_M
from heliopolis.scene import Scene

#: Files of heights count as near a tile up to this far [m]: further than any step looks around
#: its buildings, and the longest building that no footprint tells of.
_FILES_REACH_M = 400.0


def study_area(*, wkb: str, boundary: Path, options: dict[str, Any]) -> None:
    """Write the study area as layer ``study_area`` in the metric CRS.

    ``wkb`` is the boundary as hexadecimal well-known binary, in ``options["crs"]``.
    """
    geometry = shapely.force_2d(shapely.from_wkb(bytes.fromhex(wkb)))
    frame = gpd.GeoDataFrame({"name": [options["name"]]}, geometry=[geometry], crs=options["crs"])
    write_layers(boundary, {"study_area": frame})


def search(*, scenes: Path, longitude: float, bounds: list[float], options: dict[str, Any]) -> None:
    """Find the scenes of the period over the area and pin them.

    ``bounds`` are west, south, east, north in EPSG:4326. Each scene is marked ``day`` or
    ``night`` by the local solar time of its overpass.
    """
    period = Period.model_validate(options["period"])
    thermal = Thermal.model_validate(options["thermal"])
    optical = Optical.model_validate(options["optical"])
    client = Client()
    heat: list[Scene] = []
    for source in thermal.sources:
        if source.kind == "lst_files":
            found = lst_file_scenes(
                expand(source.files, "thermal.sources.files"),
                longitude=longitude,
                unit=source.unit,
                native_resolution_m=source.native_resolution_m,
                sigma_k=source.sigma_k,
            )
            heat += [s for s in found if _in_season(s.acquired.date(), period)]
        else:
            query = _query(source.collections, bounds, period, source, period.time_of_day)
            heat += search_catalogs(source.catalog, query, client)
    light: list[Scene] = []
    if optical.stac is not None:
        query = _query((optical.stac.collection,), bounds, period, optical.stac)
        light = search_catalogs(optical.stac.catalog, query, client)
    if not heat:
        raise NoDataError(
            f"no thermal scene was found from {period.start} to {period.end} in the months "
            f"{', '.join(map(str, period.months))}",
            where=options.get("name", "thermal.sources"),
            remedy="Widen period or its months, raise max_cloud_percent, or check the catalog and "
            "that the area lies where you mean it",
        )
    _unique(heat)
    write_json(
        scenes,
        {"thermal": [_marked(s, longitude) for s in heat], "optical": [s.to_dict() for s in light]},
    )


def _query(
    collections: tuple[str, ...],
    bounds: list[float],
    period: Period,
    source: ThermalSource | OpticalSource,
    time_of_day: TimeOfDay = "both",
) -> Query:
    return Query(
        collections=collections,
        bounds=(bounds[0], bounds[1], bounds[2], bounds[3]),
        start=period.start,
        end=period.end,
        months=period.months,
        max_cloud_percent=source.max_cloud_percent,
        orbit=source.orbit,
        time_of_day=time_of_day,
    )


def _in_season(day: date, period: Period) -> bool:
    return period.start <= day <= period.end and day.month in period.months


def _unique(scenes: list[Scene]) -> None:
    twice = [name for name, count in Counter(s.id for s in scenes).items() if count > 1]
    if twice:
        raise InputError(
            "two sources hold the same scene", where=twice[0], remedy="Name each scene once"
        )


def _marked(scene: Scene, longitude: float) -> dict[str, Any]:
    record = scene.to_dict()
    record["item"] = dict(record["item"])
    overpass = "day" if is_day(scene.acquired, longitude) else "night"
    record["item"]["properties"] = {**scene.properties, "heliopolis:overpass": overpass}
    return record


def tiles(
    *,
    boundary: Path,
    footprints: Path | None,
    images: list[Path],
    points: list[Path],
    rasters: list[Path],
    tiles: Path,
    options: dict[str, Any],
) -> None:
    """List the work tiles: squares aligned to multiples of their side.

    A tile has ``work`` when a building or an image touches it. Tiles without work are listed
    too where there are heights that can shade a tile that has. ``points`` and ``rasters`` are the
    files of heights in reach of a tile and of the buildings that reach beyond it, ``images``
    those in sight of the net where one touches the tile; ``brightness`` is the range of them all.
    ``buildings`` is the number of footprints whose centre lies in the tile.
    """
    side = float(options["roofs"]["tile_m"])
    area = read_layer(boundary, "study_area").geometry.union_all()
    known = list[BaseGeometry]()
    if footprints is not None:
        section = Footprints.model_validate(options["footprints"])
        frame = read_layer(footprints, section.layer, crs=options["crs"])
        known = [g for g in frame.geometry if g is not None and not g.is_empty]
    longest = max((max(_sides(shape)) for shape in known), default=0.0)
    pictures = [raster_grid(path).extent.to_crs(options["crs"]).geom for path in images]
    worked = _squares([*known, *pictures], area, side)
    if not worked:
        raise NoDataError(
            "neither footprints nor images touch the study area",
            where=", ".join(str(path) for path in [footprints, *images] if path is not None),
            remedy="Check area.bbox or the boundary, and the CRS of these files",
        )
    reach = float(options["solar"]["horizon_distance_m"])
    heights = _extents(points, rasters, options)
    listed = [_tile(column, row, side, True) for column, row in sorted(worked)]
    around = shapely.union_all([shapely.box(*tile["bounds"]) for tile in listed]).buffer(reach)
    shading = _squares([shape.intersection(around) for shape in heights], around, side)
    listed += [_tile(column, row, side, False) for column, row in sorted(shading - worked)]
    near, seen = shapely.STRtree(heights), shapely.STRtree(pictures)
    count = Counter(_places(known, side))
    span = _brightness(images)
    for tile in listed:
        hits = near.query(shapely.box(*tile["bounds"]).buffer(_FILES_REACH_M + longest))
        # Never none: a tile without heights is told by what reads them.
        chosen = [path for k, path in enumerate([*points, *rasters]) if k in set(hits)]
        tile["points"] = [str(path) for path in points if path in chosen] or _first(points)
        tile["rasters"] = [str(path) for path in rasters if path in chosen] or _first(rasters)
        square = shapely.box(*tile["bounds"])
        hits = seen.query(square.buffer(HALO_M + WORKING_GSD_M, join_style="mitre"))
        touched = any(pictures[hit].intersection(square).area > 0 for hit in hits)
        tile["images"] = [str(images[hit]) for hit in sorted(hits)] if touched else []
        tile["buildings"] = count[round(tile["bounds"][0] / side), round(tile["bounds"][1] / side)]
        tile["brightness"] = None if span is None else [span.low, span.high]
    write_json(tiles, listed)


def _sides(shape: BaseGeometry) -> tuple[float, float]:
    """Width and height of the box around a shape [m]."""
    west, south, east, north = shape.bounds
    return east - west, north - south


def _brightness(images: list[Path]) -> Range | None:
    """Range of all images; None where one cannot be read: its tiles tell of it, and fail alone."""
    try:
        return brightness_range(images) if images else None
    except (HeliopolisError, RasterioError):
        return None


def _places(shapes: list[BaseGeometry], side: float) -> Iterator[tuple[int, int]]:
    """Column and row of the square in which the centre of each shape lies."""
    centres = np.floor(shapely.get_coordinates(shapely.centroid(shapes)) / side).astype(int)
    return ((int(column), int(row)) for column, row in centres)


def _first(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths[:1]]


def _extents(
    points: list[Path], rasters: list[Path], options: dict[str, Any]
) -> list[BaseGeometry]:
    """Rectangles in which there are heights."""
    section = Elevation.model_validate(options["elevation"])
    found: list[BaseGeometry] = [
        shapely.box(
            *points_bounds(path, crs=options["crs"], source_crs=section.crs, unit=section.unit)
        )
        for path in points
    ]
    return found + [raster_grid(path).extent.to_crs(options["crs"]).geom for path in rasters]


def _squares(shapes: list[BaseGeometry], area: BaseGeometry, side: float) -> set[tuple[int, int]]:
    """Column and row of the squares that share some ground with the shapes in the area."""
    tree = shapely.STRtree([shapely.intersection(shape, area) for shape in shapes])
    west, south, east, north = area.bounds
    found = set()
    for row in range(math.floor(south / side), math.ceil(north / side)):
        for column in range(math.floor(west / side), math.ceil(east / side)):
            square = shapely.box(column * side, row * side, (column + 1) * side, (row + 1) * side)
            hits = tree.query(square, predicate="intersects")
            if any(tree.geometries[hit].intersection(square).area > 0 for hit in hits):
                found.add((column, row))
    return found


def _tile(column: int, row: int, side: float, work: bool) -> dict[str, Any]:
    name = f"e{column * side:.0f}_n{row * side:.0f}".replace("-", "m")
    bounds = [column * side, row * side, (column + 1) * side, (row + 1) * side]
    return {"id": name, "bounds": bounds, "work": work}
