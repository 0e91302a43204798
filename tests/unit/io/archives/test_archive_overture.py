from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from odc.geo.geom import box

from heliopolis.errors import ConfigError
from heliopolis.io.archives import acquire
from heliopolis.io.archives.overture import Overture
from heliopolis.io.remote.client import CorruptError

CRS = "EPSG:32756"
RELEASE = "2026-09-23.0"
WEST, SOUTH, EAST, NORTH = 151.2012, -33.8788, 151.2087, -33.8713
AREA = box(WEST, SOUTH, EAST, NORTH, "EPSG:4326")
_BOX = pa.struct([(side, pa.float32()) for side in ("xmin", "xmax", "ymin", "ymax")])


def _boxes(shapes: list[Any]) -> pa.Array:
    bounds = [s.bounds for s in shapes]
    rows = [{"xmin": b[0], "ymin": b[1], "xmax": b[2], "ymax": b[3]} for b in bounds]
    return pa.array(rows, _BOX)


def _parquet(shapes: list[Any], group: int, **columns: Any) -> bytes:
    table = pa.table(
        {
            "id": [f"gers-{i:04d}" for i in range(len(shapes))],
            "geometry": pa.array([shapely.to_wkb(s) for s in shapes], pa.binary()),
            "bbox": _boxes(shapes),
            # Ballast that is not to be fetched.
            "sources": [np.random.default_rng(i).bytes(2000) for i in range(len(shapes))],
            **columns,
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=group)
    return sink.getvalue().to_pybytes()


def _index(hrefs: dict[str, tuple[float, ...]], *, nested: bool) -> bytes:
    rows = []
    for href, bounds in hrefs.items():
        s3 = {"href": f"s3://overturemaps-us-west-2/{href}"}
        assets = {"aws": {"alternate": {"s3": s3}}} if nested else {"aws-s3": s3}
        sides = dict(zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True))
        rows.append({"collection": None, "type": "Feature", "bbox": sides, "assets": assets})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def _town(web: Any, *, nested: bool = True) -> Overture:
    """Two files of buildings: 40 x 40 houses in strips from west to east, and one far away."""
    houses = [
        shapely.box(x, y, x + 1e-4, y + 1e-4)
        for x in 151.2 + 2.5e-4 * np.arange(40)
        for y in -33.88 + 2.5e-4 * np.arange(40)
    ]
    count = len(houses)
    data = _parquet(
        houses,
        200,
        height=[6.0 if i % 2 else None for i in range(count)],
        num_floors=pa.array([2 if i % 4 == 0 else None for i in range(count)], pa.int32()),
        subtype=["residential"] * count,
        **{"class": [None] * count},
        is_underground=[i == 5 for i in range(count)],
    )
    folder = f"release/{RELEASE}/theme=buildings/type=building"
    near, far = f"{folder}/part-00001.zstd.parquet", f"{folder}/part-00002.zstd.parquet"
    places = f"release/{RELEASE}/theme=places/type=place/part-00000.zstd.parquet"
    web.files[f"/bucket/{near}"] = data
    web.files[f"/bucket/{far}"] = _parquet([shapely.box(2, 48, 3, 49)], 1)
    web.files[f"/stac/{RELEASE}/collections.parquet"] = _index(
        {
            near: (151.2, -33.88, 151.21, -33.87),
            far: (2.0, 48.0, 3.0, 49.0),
            places: (151.0, -34.0, 152.0, -33.0),
        },
        nested=nested,
    )
    web.routes["/stac/catalog.json"] = lambda _: json.dumps({"latest": RELEASE}).encode()
    return Overture(bucket_url=f"{web.url}/bucket", stac_url=f"{web.url}/stac")


@pytest.mark.parametrize("nested", [True, False])
def test_buildings_of_the_newest_release(
    nested: bool, web: Any, store: Any, tmp_path: Path
) -> None:
    delivery = acquire(
        "footprints", _town(web, nested=nested), AREA, CRS, tmp_path / "b.gpkg", store
    )
    frame = gpd.read_file(tmp_path / "b.gpkg")
    x, y = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    west, south = 151.2 + 2.5e-4 * x, -33.88 + 2.5e-4 * y
    inside = (west <= EAST) & (west + 1e-4 >= WEST) & (south <= NORTH) & (south + 1e-4 >= SOUTH)
    assert len(frame) == inside.sum() > 800
    heights = frame.set_index("building_id")["height_m"]
    assert heights[heights.index.str[-1] == "1"].eq(6.0).all()
    assert heights["gers-0208"] == 6.0 and np.isnan(heights["gers-0206"])
    assert delivery.year == 2026 and RELEASE in delivery.note
    assert delivery.licence.startswith("Open Database License")


def test_only_files_and_row_groups_that_touch_are_read(
    web: Any, store: Any, offline: Any, tmp_path: Path
) -> None:
    overture = _town(web)
    corner = box(151.2001, -33.8799, 151.2006, -33.8795, "EPSG:4326")
    acquire("footprints", overture, corner, CRS, tmp_path / "a.gpkg", store)
    assert web.count(f"/bucket/release/{RELEASE}/theme=buildings/type=building/part-00002") == 0
    whole = len(next(v for k, v in web.files.items() if "part-00001" in k))
    assert web.sent < 0.15 * whole
    web.forget()
    acquire("footprints", overture, corner, CRS, tmp_path / "b.gpkg", offline)
    assert not web.asked
    assert (tmp_path / "b.gpkg").is_file()


def test_the_release_can_be_pinned(web: Any, store: Any, tmp_path: Path) -> None:
    overture = _town(web)
    pinned = Overture(overture.bucket_url, overture.stac_url, release=RELEASE)
    acquire("footprints", pinned, AREA, CRS, tmp_path / "b.gpkg", store)
    assert web.count("/stac/catalog.json") == 0
    with pytest.raises(ConfigError, match="no release"):
        acquire("footprints", Overture(release="new"), AREA, CRS, tmp_path / "c.gpkg", store)


@pytest.mark.parametrize("old", [True, False])
def test_places_are_schools_and_hospitals_in_old_and_new_categories(
    old: bool, web: Any, store: Any, tmp_path: Path
) -> None:
    overture = _town(web)
    categories = [
        "elementary_school", "driving_school", "hospital", "restaurant", "college_university",
        "preschool", "high_school", "school",
    ]  # fmt: skip
    count = len(categories)
    points = [shapely.Point(151.202 + 5e-4 * i, -33.875) for i in range(count)]
    told: dict[str, Any] = (
        {"categories": [{"primary": c, "alternate": None} for c in categories]}
        if old
        else {"basic_category": categories, "taxonomy": [{"primary": c} for c in categories]}
    )
    path = f"/bucket/release/{RELEASE}/theme=places/type=place/part-00000.zstd.parquet"
    web.files[path] = _parquet(
        points,
        3,
        names=[{"primary": f"Place {i}"} for i in range(count)],
        confidence=[0.9] * (count - 2) + [0.3, 0.9],
        operating_status=["open"] * (count - 1) + ["permanently_closed"],
        **told,
    )
    acquire("places", overture, AREA, CRS, tmp_path / "p.gpkg", store)
    frame = gpd.read_file(tmp_path / "p.gpkg")
    assert dict(zip(frame["name"], frame["kind"], strict=True)) == {
        "Place 0": "school",
        "Place 2": "hospital",
        "Place 4": "university",
        "Place 5": "kindergarten",
    }


def test_an_index_that_is_none_is_refused(web: Any, store: Any, tmp_path: Path) -> None:
    overture = _town(web)
    web.files[f"/stac/{RELEASE}/collections.parquet"] = b"PAR1 but not really PAR1"
    with pytest.raises(CorruptError, match="index"):
        acquire("footprints", overture, AREA, CRS, tmp_path / "b.gpkg", store)
