"""The list of work tiles, and what each of them is told to read."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from shapely import box

from heliopolis.io.raster import write_cog
from heliopolis.io.vector import write_layers
from heliopolis.steps.search import tiles

CRS = "EPSG:2154"


def raster(path: Path, bounds: tuple[float, ...], names: tuple[str, ...], dtype: str) -> Path:
    grid = GeoBox.from_bbox(bounds, CRS, resolution=10)
    values = np.full(grid.shape, 40.0, "float32")
    values[0] = 80.0
    return write_cog(path, {name: wrap_xr(values, grid) for name in names}, dtype=dtype)


def test_a_tile_reads_the_images_in_sight_and_none_where_none_touches_it(tmp_path: Path) -> None:
    write_layers(
        tmp_path / "area.gpkg",
        {"study_area": gpd.GeoDataFrame(geometry=[box(0, 0, 3000, 1000)], crs=CRS)},
    )
    footprints = gpd.GeoDataFrame(geometry=[box(2500, 500, 2510, 510)], crs=CRS)
    write_layers(tmp_path / "f.gpkg", {"f": footprints})
    colours = ("red", "green", "blue")
    images = [
        raster(tmp_path / "here.tif", (0, 0, 800, 1000), colours, "uint8"),
        raster(tmp_path / "sight.tif", (1900, 0, 1990, 1000), colours, "uint8"),
        raster(tmp_path / "beyond.tif", (4000, 0, 4100, 1000), colours, "uint8"),
    ]
    surface = raster(tmp_path / "dsm.tif", (0, 0, 3000, 1000), ("dsm_m",), "float32")
    options = {
        "roofs": {"tile_m": 1000},
        "footprints": {"file": "f.gpkg"},
        "elevation": {"dsm": "dsm.tif", "dtm": "dtm.tif"},
        "solar": {"horizon_distance_m": 100.0},
        "crs": CRS,
    }
    tiles(
        boundary=tmp_path / "area.gpkg",
        footprints=tmp_path / "f.gpkg",
        images=images,
        points=[],
        rasters=[surface],
        tiles=tmp_path / "tiles.json",
        options=options,
    )
    told = {t["id"]: t for t in json.loads((tmp_path / "tiles.json").read_text())}
    names = {k: [Path(path).name for path in t["images"]] for k, t in told.items()}
    assert names == {"e0_n0": ["here.tif"], "e1000_n0": ["sight.tif"], "e2000_n0": []}
    assert [told[name]["buildings"] for name in sorted(told)] == [0, 0, 1]
    assert all(tile["work"] and tile["brightness"] == [0, 255] for tile in told.values())
