"""``heliopolis planes``: roof planes from points or from a surface model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliopolis.errors import ConfigError, NoDataError

if TYPE_CHECKING:
    import geopandas as gpd

    from heliopolis.roofs.planes import Heights


def planes(
    footprints: Annotated[Path, typer.Option("--footprints", help="Building footprints.")],
    out: Annotated[Path, typer.Option("--out", help="GeoPackage to write.")],
    points: Annotated[
        list[Path] | None, typer.Option("--points", help="LAZ or LAS files, one or more.")
    ] = None,
    dsm: Annotated[Path | None, typer.Option("--dsm", help="Raster of surface height [m].")] = None,
    id_field: Annotated[
        str | None, typer.Option("--id", help="Field with the building's own id.")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option("--crs", help="CRS of the points, where their header has none or is wrong."),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Unit of x, y and z, where it is not that of the CRS: metre, foot, us_survey_foot."
        ),
    ] = None,
    min_plane: Annotated[
        float, typer.Option("--min-plane", min=0.5, help="Smallest plane [m2].")
    ] = 2.0,
    setback: Annotated[
        float, typer.Option("--setback", min=0, help="Strip kept free along edges [m].")
    ] = 0.3,
) -> None:
    """Find the roof planes of buildings: layers `roof_planes` and `usable`.

    Example: heliopolis planes --points a.laz b.laz --crs EPSG:28992 --footprints f.gpkg
    --out planes.gpkg
    """
    from heliopolis.io.vector import read_layer, write_layers
    from heliopolis.roofs.planes import roof_planes

    if bool(points) == bool(dsm):
        raise ConfigError("give either --points or --dsm", remedy="See heliopolis planes --help")
    buildings = _identified(read_layer(footprints), id_field, footprints)
    source = _source_crs(points, dsm, crs)
    buildings = buildings.to_crs(_working_crs(buildings, source))
    heights = _points(points, buildings, crs, unit) if points else _cells(dsm, buildings)
    if not len(heights):
        raise NoDataError(
            "there are no heights at the buildings",
            where=str(points[0] if points else dsm),
            remedy="Check that points and footprints lie in the same place, and --crs",
        )
    tables = roof_planes(
        buildings,
        heights,
        quality="HIGH" if points else "MEDIUM",
        min_plane_m2=min_plane,
        setback_m=setback,
    )
    write_layers(out, {"roof_planes": tables.roof_planes, "usable": tables.usable})
    found = tables.roof_planes["quality"] != "BASE"
    print(
        f"{int(found.sum())} planes on {tables.roof_planes['building_id'].nunique()} buildings, "
        f"{int((~found).sum())} buildings without: {out}",
        file=sys.stderr,
    )


def _identified(table: gpd.GeoDataFrame, field: str | None, path: Path) -> gpd.GeoDataFrame:
    """Footprints with a unique ``building_id``."""
    if field is not None and field not in table.columns:
        raise ConfigError(
            f"the footprints have no field {field!r}",
            where=str(path),
            remedy="Its fields are: " + ", ".join(str(c) for c in table.columns),
        )
    name = field or ("building_id" if "building_id" in table.columns else None)
    if name is None:
        return table.assign(building_id=[f"b{i:06d}" for i in range(1, len(table) + 1)])
    ids = table[name].astype(str)
    again = ids.groupby(ids).cumcount()
    return table.assign(building_id=ids.where(again == 0, ids + "_" + (again + 1).astype(str)))


def _source_crs(points: list[Path] | None, dsm: Path | None, given: str | None) -> str:
    from heliopolis.io.pointcloud import points_crs
    from heliopolis.io.raster import raster_grid

    if points:
        return str(points_crs(points[0], given).to_wkt())
    return str(raster_grid(dsm or Path()).crs)


def _working_crs(buildings: gpd.GeoDataFrame, source: str) -> str:
    """Metric CRS in which planes are found: of the footprints, of the heights, or UTM."""
    from pyproj import CRS

    for text in (str(buildings.crs), source):
        parsed = CRS.from_user_input(text).to_2d()
        flat = parsed.sub_crs_list[0] if parsed.is_compound else parsed
        if flat.is_projected and flat.axis_info[0].unit_name in ("metre", "meter"):
            return str(flat.to_wkt())
    return str(buildings.estimate_utm_crs().to_wkt())


def _around(buildings: gpd.GeoDataFrame) -> tuple[float, float, float, float]:
    west, south, east, north = buildings.total_bounds
    return west - 10, south - 10, east + 10, north + 10


def _points(
    paths: list[Path], buildings: gpd.GeoDataFrame, crs: str | None, unit: str | None
) -> Heights:
    from heliopolis.io.pointcloud import read_points
    from heliopolis.roofs.planes import Heights

    data = read_points(
        paths, crs=str(buildings.crs), bounds=_around(buildings), source_crs=crs, unit=unit
    )
    return Heights.of(data.x, data.y, data.z, data.classification)


def _cells(path: Path | None, buildings: gpd.GeoDataFrame) -> Heights:
    """Cells of the surface model, each at its own place, in the CRS of the buildings."""
    import numpy as np
    from odc.geo.geom import box
    from pyproj import Transformer

    from heliopolis.io.raster import raster_grid, read_onto
    from heliopolis.roofs.planes import Heights

    source = path or Path()
    own = raster_grid(source)
    around = box(*_around(buildings), str(buildings.crs)).to_crs(str(own.crs))
    data = read_onto([source], window := own.enclosing(around.boundingbox))
    values = next(iter(data.data_vars.values())).values.astype("float64")
    row, col = np.nonzero(np.isfinite(values))
    turn = window.affine
    x = turn.a * (col + 0.5) + turn.b * (row + 0.5) + turn.c
    y = turn.d * (col + 0.5) + turn.e * (row + 0.5) + turn.f
    move = Transformer.from_crs(str(own.crs), buildings.crs, always_xy=True)
    xs, ys = move.transform(x, y)
    return Heights.of(np.asarray(xs), np.asarray(ys), values[row, col])
