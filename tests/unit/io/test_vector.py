from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from heliopolis.errors import GridError, InputError
from heliopolis.io.vector import read_layer, write_layers


def table(crs: str | None = "EPSG:2154") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"building_id": ["a", "b"]},
        geometry=[shapely.box(0, 0, 1, 1), shapely.box(9, 9, 10, 10)],
        crs=crs,
    )


def test_layers_come_back(tmp_path: Path) -> None:
    path = write_layers(tmp_path / "x.gpkg", {"one": table(), "none": table().iloc[:0]})
    assert read_layer(path, "one")["building_id"].tolist() == ["a", "b"]
    assert read_layer(path, "one", bounds=(0, 0, 2, 2))["building_id"].tolist() == ["a"]
    empty = read_layer(path, "none")
    assert len(empty) == 0
    assert "building_id" in empty
    assert read_layer(path, "one", crs="EPSG:4326").crs == "EPSG:4326"


def test_errors_name_the_file_and_the_layer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.gpkg"):
        read_layer(tmp_path / "gone.gpkg")
    path = write_layers(tmp_path / "x.gpkg", {"one": table()})
    with pytest.raises(InputError, match="two"):
        read_layer(path, "two")
    bare = tmp_path / "bare.shp"
    table(None).to_file(bare)
    with pytest.raises(GridError, match="coordinate reference system"):
        read_layer(bare)
