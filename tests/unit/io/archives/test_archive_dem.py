from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geom import box
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine

from heliopolis.io.archives import acquire
from heliopolis.io.archives.copernicus_dem import CopernicusDem

CRS = "EPSG:32632"


def height(longitude: Any, latitude: Any) -> Any:
    return 500 + 300 * (longitude - 8.0) + 200 * (latitude - 47.0)


def _tile(web: Any, path: Path, recorded: dict[str, Any], east: int) -> dict[str, Any]:
    """A tile of one degree, coarser than the real ones, in the place of a recorded item."""
    side, cell = 360, 1 / 360
    half = 0.5 / 3600
    transform = Affine(cell, 0, east - half, 0, -cell, 48 + half)
    x = east - half + (np.arange(side) + 0.5) * cell
    y = 48 + half - (np.arange(side) + 0.5) * cell
    values = height(x[None, :], y[:, None]).astype("float32")
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32"}
    with MemoryFile() as memory:
        with memory.open(**profile, crs="EPSG:4326", transform=transform) as sink:
            sink.write(values, 1)
        with memory.open() as source:
            copy_raster(
                source, path, driver="COG", compress="deflate", predictor="3", blocksize=128
            )
    name = f"Copernicus_DSM_COG_10_N47_00_E{east:03d}_00_DEM"
    item = json.loads(json.dumps(recorded).replace(recorded["id"], name))
    item["properties"] |= {"proj:shape": [side, side], "proj:transform": list(transform)[:6]}
    web.files[f"/copernicus-dem-30m/{name}/{name}.tif"] = path.read_bytes()
    return dict(item)


@pytest.mark.real
def test_far_terrain_across_two_degrees(
    web: Any, store: Any, tmp_path: Path, data_dir: Path
) -> None:
    folder = data_dir / "satellite" / "stac-items" / "earth-search" / "cop-dem-glo-30"
    recorded = json.loads(next(iter(sorted(folder.glob("*.json")))).read_text())
    assert recorded["assets"]["data"]["href"].startswith("s3://copernicus-dem-30m/")
    items = [_tile(web, tmp_path / "t.tif", recorded, east) for east in (7, 8)]
    answer = {"type": "FeatureCollection", "features": items, "links": []}
    web.routes["/v1/collections/cop-dem-glo-30/items"] = lambda _: json.dumps(answer).encode()
    archive = CopernicusDem(stac_url=f"{web.url}/v1", bucket_url=web.url + "/{bucket}")
    area = box(7.97, 47.30, 8.03, 47.34, "EPSG:4326")
    target = tmp_path / "far.tif"
    delivery = acquire("dtm", archive, area, CRS, target, store, resolution_m=100)
    with rasterio.open(target) as source:
        values = source.read(1)
        rows, columns = np.mgrid[0 : source.height, 0 : source.width]
        x, y = source.transform @ (columns + 0.5, rows + 0.5)
    longitude, latitude = Transformer.from_crs(CRS, 4326, always_xy=True).transform(x, y)
    np.testing.assert_allclose(values, height(longitude, latitude), atol=0.05)
    assert "EGM2008" in delivery.note and "Airbus" in delivery.attribution
    assert {a.path.split("/")[1] for a in web.asked} == {"v1", "copernicus-dem-30m"}
