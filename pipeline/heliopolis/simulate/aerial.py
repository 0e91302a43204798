"""Aerial and ground data of the simulated city, in the formats that cities have them."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import write_cog
from heliopolis.io.vector import write_layers
from heliopolis.simulate.cadastre import write_footprints
from heliopolis.simulate.city import City
from heliopolis.simulate.lidar import write_lidar
from heliopolis.simulate.render import Look, render
from heliopolis.simulate.streets import KIND
from heliopolis.simulate.truth import write_truth
from heliopolis.simulate.weather import write_weather

#: Ground sampling distance of the orthophoto [m].
ORTHOPHOTO_M = 0.2


def write_orthophoto(city: City, path: Path, look: Look | None = None) -> Path:
    """Write the orthophoto of the core: uint8 COG with bands red, green, blue, nir.

    The default light is that of a summer's late morning.
    """
    grid = GeoBox.from_bbox(city.core_bounds, city.spec.crs, resolution=ORTHOPHOTO_M)
    picture = render(city, grid, look or Look(), city.spec.seed)
    bands = xr.Dataset(
        {
            name: wrap_xr(band, grid)
            for name, band in zip(("red", "green", "blue", "nir"), picture.image, strict=True)
        }
    )
    return write_cog(
        path,
        bands,
        dtype="uint8",
        tags={"simulated": "yes", "acquired": "2025-07-01T10:00:00Z"},
    )


def write_places(city: City, path: Path) -> Path:
    """Write districts, schools and hospitals, layer ``places``."""
    return write_layers(path, {"places": city.places})


def write_roads(city: City, path: Path) -> Path:
    """Write the middle lines of the streets of the town, layer ``roads``."""
    lines = np.asarray(shapely.linestrings(city.streets.lanes))
    town = shapely.STRtree(city.streets.polygons(city.streets.kind != KIND["rural"]))
    inside = np.unique(town.query(lines, predicate="dwithin", distance=10.0)[0])
    return write_layers(
        path, {"roads": gpd.GeoDataFrame(geometry=lines[inside], crs=city.spec.crs)}
    )


def write_boundary(city: City, path: Path) -> Path:
    """Write the extent, layer ``boundary``."""
    return write_layers(path, {"boundary": city.boundary})


def write_aerial(city: City, out_dir: Path) -> Path:
    """Write everything that does not come from a satellite, and its truth apart.

    Files: ``imagery/ortho.tif``, ``elevation/points.laz``, ``cadastre/footprints.gpkg``,
    ``places.gpkg``, ``roads.gpkg``, ``boundary.gpkg``, ``weather.csv`` and ``truth/``.
    """
    write_orthophoto(city, out_dir / "imagery" / "ortho.tif")
    write_lidar(city, out_dir / "elevation" / "points.laz")
    write_footprints(city, out_dir / "cadastre" / "footprints.gpkg", city.spec.seed)
    write_places(city, out_dir / "places.gpkg")
    write_roads(city, out_dir / "roads.gpkg")
    write_boundary(city, out_dir / "boundary.gpkg")
    write_weather(city, out_dir / "weather.csv")
    write_truth(city, out_dir / "truth")
    return out_dir
