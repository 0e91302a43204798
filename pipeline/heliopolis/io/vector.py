"""Vector layers of intermediate files and of the user's own inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from heliopolis.errors import GridError, InputError
from heliopolis.io.atomic import replacing
from heliopolis.io.limits import MOST_VERTICES, guarded, too_large


@guarded("the vector file")
def read_layer(
    path: Path,
    layer: str | None = None,
    *,
    crs: str | None = None,
    bounds: tuple[float, float, float, float] | None = None,
) -> gpd.GeoDataFrame:
    """Read a layer.

    Parameters
    ----------
    path
        Any vector file that GDAL reads.
    layer
        Name of the layer; the first by default.
    crs
        CRS wanted; the layer is reprojected to it where it has another.
    bounds
        West, south, east, north in the CRS of the file: only features that touch are read.

    Raises
    ------
    InputError
        When the file or the layer is missing or unreadable.
    GridError
        When the layer has no coordinate reference system.
    """
    if not path.exists():
        raise InputError("the vector file does not exist", where=str(path), remedy="Check the path")
    try:
        frame = pyogrio.read_dataframe(path, layer=layer, bbox=bounds)
    except (DataSourceError, DataLayerError, ValueError) as error:
        raise InputError(
            f"the layer {layer!r} cannot be read" if layer else "the vector file cannot be read",
            where=str(path),
            remedy=f"Check that GDAL reads it: {error}",
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(
            "the layer has no geometry",
            where=f"{path}, layer {layer or 'first'}",
            remedy="Name a layer with geometry",
        )
    vertices = shapely.get_num_coordinates(np.asarray(frame.geometry.array))
    if len(vertices) and vertices.max() > MOST_VERTICES:
        found = f"a feature of {vertices.max()} vertices"
        raise too_large("the layer", path, found, f"{MOST_VERTICES} vertices")
    if frame.crs is None:
        raise GridError(
            "the layer has no coordinate reference system",
            where=f"{path}, layer {layer or 'first'}",
            remedy="Assign one, for instance with ogr2ogr -a_srs EPSG:2154",
        )
    return frame.to_crs(crs) if crs is not None and frame.crs != crs else frame


def write_layers(path: Path, layers: Mapping[str, gpd.GeoDataFrame]) -> Path:
    """Write layers into one GeoPackage, whole or not at all; empty layers keep their columns."""
    with replacing(path) as target:
        for name, frame in layers.items():
            kind = "Unknown" if frame.empty else None
            pyogrio.write_dataframe(
                frame, target, layer=name, driver="GPKG", append=target.exists(), geometry_type=kind
            )
    return path
