from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
import rasterio
from odc.geo.geom import box
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import from_origin

from heliopolis.errors import ConfigError, NoDataError
from heliopolis.io.archives import acquire
from heliopolis.io.archives.swisstopo import Swisstopo
from heliopolis.io.pointcloud import read_points

from .copc import cloud, copc_bytes, laz_bytes

CRS = "EPSG:2056"
#: Across four squares of a kilometre.
AREA = box(2683900, 1247950, 2684060, 1248050, CRS)
TILES = [(2683, 1247), (2684, 1247), (2683, 1248), (2684, 1248)]


def height(x: Any, y: Any) -> Any:
    return 400 + (x - 2683000) * 0.01 + (y - 1247000) * 0.02


def _cog(
    path: Path, east_km: int, north_km: int, cell: float, *, image: bool, lift: float
) -> bytes:
    side = round(1000 / cell)
    x = east_km * 1000 + (np.arange(side) + 0.5) * cell
    y = (north_km + 1) * 1000 - (np.arange(side) + 0.5) * cell
    values = (height(x[None, :], y[:, None]) + lift).astype("float32")
    bands = np.stack([values % 250] * 3).astype("uint8") if image else values[None]
    transform = from_origin(x[0] - cell / 2, y[0] + cell / 2, cell, cell)
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": len(bands),
        "crs": CRS,
        "dtype": bands.dtype,
        "transform": transform,
    }
    if not image:
        profile["nodata"] = -9999
    with MemoryFile() as memory:
        with memory.open(**profile) as sink:
            sink.write(bands)
        with memory.open() as source:
            copy_raster(source, path, driver="COG", compress="deflate", blocksize=256)
    return path.read_bytes()


def _item(web: Any, product: str, year: int, tile: tuple[int, int], endings: dict[str, Any]) -> Any:
    name = f"{product}_{year}_{tile[0]}-{tile[1]}"
    assets = {
        f"{name}{ending}": {
            "href": f"{web.url}/data/{name}/{name}{ending}",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "updated": f"{year}-06-01T00:00:00Z",
            **told,
        }
        for ending, told in endings.items()
    }
    return {"type": "Feature", "id": name, "properties": {"datetime": f"{year}-01-01T00:00:00Z"},
            "assets": assets, "links": []}  # fmt: skip


def _catalog(web: Any, collection: str, items: list[Any], page: int = 3) -> Swisstopo:
    """The items in pages, in the order of their names, as the API gives them."""
    items.sort(key=lambda item: item["id"])

    def route(asked: Any) -> bytes:
        west, south, east, north = (float(v) for v in asked.query["BBOX"].split(","))
        assert -180 < west < east < 180 and 45 < south < north < 48
        start = int(asked.query.get("CURSOR", 0))
        answer: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": items[start : start + page],
        }
        links = [{"rel": "self", "href": "x"}]
        if start + page < len(items):
            follow = f"{web.url}{asked.path}?bbox={asked.query['BBOX']}&cursor={start + page}"
            links.append({"rel": "next", "href": follow, "method": "GET"})
        return json.dumps({**answer, "links": links}).encode()

    web.routes[f"/stac/collections/{collection}/items"] = route
    return Swisstopo(stac_url=f"{web.url}/stac")


def _put(web: Any, item: Any, ending: str, content: bytes) -> None:
    asset = next(a for key, a in item["assets"].items() if key.endswith(ending))
    web.files[asset["href"].removeprefix(web.url)] = content


@pytest.fixture
def heights(web: Any, tmp_path: Path) -> Swisstopo:
    """Four squares; one of them also in an older survey, and in a newer one without this file."""
    items = []
    for tile in TILES:
        item = _item(
            web, "swissalti3d", 2021, tile,
            {"_0.5_2056_5728.tif": {"gsd": 0.5, "proj:epsg": 2056},
             "_2_2056_5728.tif": {"gsd": 2.0, "proj:epsg": 2056},
             "_0.5_2056_5728.xyz.zip": {"gsd": 0.5}},
        )  # fmt: skip
        _put(
            web,
            item,
            "_0.5_2056_5728.tif",
            _cog(tmp_path / "a.tif", *tile, 0.5, image=False, lift=0),
        )
        _put(
            web, item, "_2_2056_5728.tif", _cog(tmp_path / "b.tif", *tile, 2.0, image=False, lift=0)
        )
        items.append(item)
    old = _item(web, "swissalti3d", 2018, TILES[0], {"_0.5_2056_5728.tif": {"eo:gsd": 0.5}})
    bare = _item(web, "swissalti3d", 2024, TILES[0], {"_0.5_2056_5728.xyz.zip": {"gsd": 0.5}})
    return _catalog(web, "ch.swisstopo.swissalti3d", [*items, old, bare])


def _values(path: Path) -> tuple[Any, Any, Any]:
    with rasterio.open(path) as source:
        rows, columns = np.mgrid[0 : source.height, 0 : source.width]
        x, y = source.transform @ (columns + 0.5, rows + 0.5)
        return source.read(), x, y


def test_newest_heights_of_four_squares_without_a_seam(
    heights: Swisstopo, web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    target = tmp_path / "dtm.tif"
    delivery = acquire("dtm", heights, AREA, CRS, target, store)
    values, x, y = _values(target)
    assert values.shape == (1, 200, 320)
    np.testing.assert_allclose(values[0], height(x, y), atol=1e-3)
    assert delivery.year == 2021 and "surveys of 2021;" in delivery.note
    assert web.count("/data/swissalti3d_2018") == 0
    assert web.sent < 0.25 * sum(len(v) for k, v in web.files.items() if "_0.5_" in k)
    web.forget()
    acquire("dtm", heights, AREA, CRS, tmp_path / "again.tif", offline)
    assert not web.asked
    assert (tmp_path / "again.tif").read_bytes() == target.read_bytes()


def test_coarse_cells_come_from_the_coarse_files(
    heights: Swisstopo, web: Any, store: Any, tmp_path: Path
) -> None:
    acquire("dtm", heights, AREA, CRS, tmp_path / "dtm.tif", store, resolution_m=4)
    assert not [a for a in web.asked if "_0.5_2056" in a.path]
    values, x, y = _values(tmp_path / "dtm.tif")
    np.testing.assert_allclose(values[0], height(x, y), atol=0.05)


def test_images_in_the_cell_that_is_asked_for(web: Any, store: Any, tmp_path: Path) -> None:
    tile = TILES[0]
    item = _item(web, "swissimage-dop10", 2022, tile,
                 {"_0.1_2056.tif": {"gsd": 0.1}, "_2_2056.tif": {"gsd": 2.0}})  # fmt: skip
    _put(web, item, "_2_2056.tif", _cog(tmp_path / "i.tif", *tile, 2.0, image=True, lift=0))
    swisstopo = _catalog(web, "ch.swisstopo.swissimage-dop10", [item])
    area = box(2683500, 1247500, 2683600, 1247580, CRS)
    acquire("imagery", swisstopo, area, CRS, tmp_path / "o.tif", store, resolution_m=2)
    with rasterio.open(tmp_path / "o.tif") as source:
        assert source.shape == (40, 50) and source.dtypes == ("uint8",) * 3
        assert source.descriptions == ("red", "green", "blue")
    with pytest.raises(ConfigError, match="invent detail"):
        acquire("imagery", swisstopo, area, CRS, tmp_path / "p.tif", store, resolution_m=0.01)


def test_no_survey_is_told(web: Any, store: Any, tmp_path: Path) -> None:
    swisstopo = _catalog(web, "ch.swisstopo.swisssurface3d-raster", [])
    with pytest.raises(NoDataError, match="swisstopo has no dsm"):
        acquire("dsm", swisstopo, AREA, CRS, tmp_path / "dsm.tif", store)
    assert not (tmp_path / "dsm.tif").exists()


def _points(tile: tuple[int, int], count: int = 40_000) -> laspy.LasData:
    rng = np.random.default_rng(tile[0] + tile[1])
    x = tile[0] * 1000 + rng.integers(0, 100_001, count) / 100
    y = tile[1] * 1000 + rng.integers(0, 100_001, count) / 100
    x[0], y[0] = tile[0] * 1000 + 1000.0, tile[1] * 1000 + 1000.0
    x[1], y[1] = tile[0] * 1000 + 250.0, tile[1] * 1000 + 250.0
    return cloud(x, y, rng.uniform(50, 150, count))


@pytest.fixture
def points(web: Any) -> tuple[Swisstopo, list[laspy.LasData]]:
    """One square as a COPC, its neighbour as a ZIP archive of a LAS file."""
    clouds = [_points(tile) for tile in TILES[:2]]
    first = _item(web, "swisssurface3d", 2025, TILES[0],
                  {"_2056_5728.copc.laz": {}, "_2056_5728.las.zip": {}})  # fmt: skip
    _put(web, first, ".copc.laz", copc_bytes(clouds[0]))
    second = _item(web, "swisssurface3d", 2019, TILES[1], {"_2056_5728.las.zip": {}})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2684_1247.las", laz_bytes(clouds[1], compress=False))
    _put(web, second, ".las.zip", packed.getvalue())
    return _catalog(web, "ch.swisstopo.swisssurface3d", [first, second]), clouds


def test_points_over_the_area_from_copc_and_from_archives(
    points: Any, web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    swisstopo, clouds = points
    area = box(2683700, 1247100, 2684300, 1247400, CRS)
    folder = tmp_path / "points"
    delivery = acquire("points", swisstopo, area, CRS, folder, store)
    bounds = (2683700.0, 1247100.0, 2684300.0, 1247400.0)
    found = read_points(sorted(folder.glob("*.laz")), crs=CRS, bounds=bounds)
    x = np.concatenate([np.asarray(c.x) for c in clouds])
    y = np.concatenate([np.asarray(c.y) for c in clouds])
    z = np.concatenate([np.asarray(c.z) for c in clouds])
    kind = np.concatenate([np.asarray(c.classification) for c in clouds])
    inside = (x >= bounds[0]) & (x <= bounds[2]) & (y >= bounds[1]) & (y <= bounds[3])
    mine = np.lexsort((found.x, found.y, found.z))
    theirs = np.lexsort((x[inside], y[inside], z[inside]))
    for one, other in ((found.x, x), (found.y, y), (found.z, z), (found.classification, kind)):
        np.testing.assert_array_equal(one[mine], other[inside][theirs])
    assert delivery.year == 2025 and "2019 to 2025" in delivery.note
    assert not [a for a in web.asked if "swisssurface3d_2025" in a.path and "zip" in a.path]
    web.forget()
    acquire("points", swisstopo, area, CRS, tmp_path / "again", offline)
    assert not web.asked
    for path in sorted(folder.iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_whole_squares_hold_each_point_once_on_all_edges(
    points: Any, store: Any, tmp_path: Path
) -> None:
    swisstopo, clouds = points
    area = box(2683000, 1247000, 2685000, 1248000, CRS)
    acquire("points", swisstopo, area, CRS, tmp_path / "points", store)
    total = 0
    for path in (tmp_path / "points").iterdir():
        with laspy.open(path) as reader:
            total += reader.header.point_count
            assert reader.header.parse_crs().to_epsg() == 2056
    assert total == sum(len(c) for c in clouds)
