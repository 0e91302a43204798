from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from odc.geo.geom import box

from heliopolis.errors import NoDataError
from heliopolis.io.archives import acquire
from heliopolis.io.archives.ign import Ign
from heliopolis.io.pointcloud import read_points
from heliopolis.io.remote.client import RemoteError

from .copc import cloud, copc_bytes

CRS = "EPSG:2154"
AREA = box(652300, 6862300, 652700, 6862600, CRS)
#: The name of a file holds its north-western corner in kilometres.
NAME = "LHD_FXX_0652{}6863_PTS_LAMB93_IGN69.copc.laz"


def _index(web: Any, known: str, rows: list[dict[str, Any]]) -> Ign:
    square = shapely.geometry.mapping(shapely.box(652000, 6862000, 653000, 6863000))

    def route(asked: Any) -> bytes | tuple[int, bytes]:
        if asked.query["TYPENAMES"] != known:
            return 400, b"<ows:ExceptionReport>unknown type name</ows:ExceptionReport>"
        features = [{"type": "Feature", "geometry": square, "properties": row} for row in rows]
        start = int(asked.query["STARTINDEX"])
        return json.dumps({"features": features[start:], "numberMatched": len(rows)}).encode()

    web.routes["/wfs"] = route
    return Ign(wfs_url=f"{web.url}/wfs")


def _file(web: Any, edition: str, height: float, dash: str = "_") -> dict[str, str]:
    rng = np.random.default_rng(1)
    x, y = 652000 + rng.uniform(0, 1000, 30_000), 6862000 + rng.uniform(0, 1000, 30_000)
    folder = f"/telechargement/download/NUALHD_1-0__LAZ_LAMB93_{edition}"
    data = copc_bytes(cloud(x, y, np.full(30_000, height), CRS))
    web.files[f"{folder}/{NAME.format('_')}"] = data
    return {
        "url_npl": f"{web.url}{folder}/{NAME.format(dash)}",
        "date_edition": edition,
    }


def test_the_newest_edition_of_a_square_is_taken(web: Any, store: Any, tmp_path: Path) -> None:
    rows = [_file(web, "2023-02-01", 40.0), _file(web, "2025-05-22", 60.0, dash="-")]
    ign = _index(web, "IGNF_LIDAR-HD_METADONNEE:metadata", rows)
    delivery = acquire("points", ign, AREA, CRS, tmp_path / "points", store)
    bounds = (652300.0, 6862300.0, 652700.0, 6862600.0)
    found = read_points(sorted((tmp_path / "points").glob("*.laz")), crs=CRS, bounds=bounds)
    assert len(found) == pytest.approx(30_000 * 0.12, rel=0.1)
    assert (found.z == 60.0).all() and (found.classification == 2).all()
    assert delivery.year == 2025
    assert len(list((tmp_path / "points").iterdir())) == 4
    assert not [a for a in web.asked if "2023-02-01" in a.path]


def test_the_index_under_its_former_name(web: Any, store: Any, tmp_path: Path) -> None:
    row = {"url": _file(web, "2024-01-01", 50.0)["url_npl"]}
    ign = _index(web, "IGNF_NUAGES-DE-POINTS-LIDAR-HD:dalle", [row])
    delivery = acquire("points", ign, AREA, CRS, tmp_path / "points", store)
    assert delivery.year is None
    assert list((tmp_path / "points").glob("LHD_FXX_0652_6863_*.laz"))


def test_no_index_and_no_flight_are_two_things(web: Any, store: Any, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="400"):
        acquire("points", _index(web, "another", []), AREA, CRS, tmp_path / "p", store)
    ign = _index(web, "IGNF_LIDAR-HD_METADONNEE:metadata", [])
    with pytest.raises(NoDataError, match="no points"):
        acquire("points", ign, AREA, CRS, tmp_path / "p", store)
    assert not (tmp_path / "p").exists()
