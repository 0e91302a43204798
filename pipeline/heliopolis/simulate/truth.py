"""What is true of the simulated city: read by scores and tests, never by the pipeline."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import shapely
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import write_cog
from heliopolis.io.vector import write_layers
from heliopolis.simulate.city import City
from heliopolis.simulate.materials import MATERIALS

#: Cells of the true surface, of the true land cover and of the heights of the whole city [m].
SURFACE_M, LANDCOVER_M, HEIGHTS_M = 0.5, 10.0, 4.0


def write_truth(city: City, out_dir: Path) -> Path:
    """Write ``truth.gpkg``, ``dsm_truth.tif``, ``landcover.tif`` and ``heights.tif``.

    ``truth.gpkg`` has the layers ``buildings``, ``roof_planes``, ``obstacles`` and
    ``existing_pv`` of everything that touches the core; ``in_core`` says which buildings lie in
    it wholly.
    """
    core = shapely.box(*city.core_bounds)
    touching = city.buildings[city.buildings.geometry.intersects(core)]
    buildings = touching.assign(in_core=touching.geometry.within(core)).drop(columns="detailed")
    ids = buildings["building_id"]

    def of(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return table[table["building_id"].isin(ids)]

    layers = {
        "buildings": buildings,
        "roof_planes": of(city.planes),
        "obstacles": of(city.obstacles),
        "existing_pv": of(city.existing_pv),
    }
    write_layers(out_dir / "truth.gpkg", layers)
    _write_surface(city, out_dir / "dsm_truth.tif")
    _write_landcover(city, out_dir / "landcover.tif")
    _write_heights(city, out_dir / "heights.tif")
    return out_dir


def _write_surface(city: City, path: Path) -> None:
    grid = GeoBox.from_bbox(city.core_bounds, city.spec.crs, resolution=SURFACE_M)
    bands = {
        "dsm_m": wrap_xr(city.surface(grid), grid),
        "dsm_bare_m": wrap_xr(city.surface(grid, trees=False), grid),
        "dtm_m": wrap_xr(city.terrain(grid), grid),
    }
    for band in bands.values():
        band.attrs = {"units": "m"}
    write_cog(path, bands, tags={"simulated": "yes"})


def _write_heights(city: City, path: Path) -> None:
    """Heights of the whole extent, as a surface model of all of it would tell them."""
    grid = GeoBox.from_bbox(city.bounds, city.spec.crs, resolution=HEIGHTS_M)
    dsm, bare = city.surface(grid), city.surface(grid, trees=False)
    bands = {
        "dsm_m": wrap_xr(dsm, grid),
        "dtm_m": wrap_xr(city.terrain(grid), grid),
        "tree": wrap_xr((dsm > bare + 1.0).astype("float32"), grid),
    }
    for name, band in bands.items():
        band.attrs = {"units": "1" if name == "tree" else "m"}
    write_cog(path, bands, tags={"simulated": "yes"})


def _write_landcover(city: City, path: Path) -> None:
    grid = GeoBox.from_bbox(city.bounds, city.spec.crs, resolution=LANDCOVER_M)
    classes = {f"class_{m.code}": m.name for m in MATERIALS}
    band = {"landcover": wrap_xr(city.landcover(grid), grid)}
    tags = {"simulated": "yes"} | classes
    write_cog(path, band, dtype="uint8", tags=tags, overview_resampling="mode")
