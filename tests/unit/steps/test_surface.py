from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import laspy
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import CRS
from typer.testing import CliRunner

from heliopolis.cli import app
from heliopolis.errors import ConfigError, InputError
from heliopolis.io.raster import raster_grid, read_raster, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.roofs.planes import SCHEMA
from heliopolis.steps.surface import roof_planes, surface_model, tallest

EPSG = "EPSG:2154"
WEST, SOUTH, SIDE = 652_000.0, 6_862_000.0, 50.0
HOUSES = {"h1": (10.0, 10.0), "h2": (44.0, 30.0), "h3": (70.0, 8.0)}


def outline(key: str) -> shapely.Polygon:
    x, y = HOUSES[key]
    return shapely.box(WEST + x, SOUTH + y, WEST + x + 12, SOUTH + y + 8)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiles, three gables of 30 deg (h2 across the border of the tiles), LAZ of 8 per m2."""
    folder = tmp_path_factory.mktemp("site")
    rng = np.random.default_rng(0)
    count = 100 * 50 * 8
    x, y = rng.uniform(0, 100, count), rng.uniform(0, 50, count)
    z, kind = 20 + 0 * x, np.full(count, 2)
    for u, v in HOUSES.values():
        on = (x > u) & (x < u + 12) & (y > v) & (y < v + 8)
        z[on] = 26 + np.tan(np.radians(30)) * (4 - np.abs(y[on] - v - 4))
        kind[on] = 6
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = [0.001] * 3, [WEST, SOUTH, 0]
    header.add_crs(CRS.from_user_input(EPSG))
    las = laspy.LasData(header)
    las.x, las.y, las.z = WEST + x, SOUTH + y, z + rng.normal(0, 0.02, count)
    las.classification = kind.astype("uint8")
    las.write(str(folder / "p.laz"))
    tiles = [
        {"id": name, "bounds": [WEST + i * SIDE, SOUTH, WEST + (i + 1) * SIDE, SOUTH + SIDE]}
        for i, name in enumerate(("west", "east", "beyond"))
    ]
    (folder / "tiles.json").write_text(json.dumps(tiles))
    table = gpd.GeoDataFrame(
        {"building_id": list(HOUSES)}, geometry=[outline(k) for k in HOUSES], crs=EPSG
    )
    write_layers(folder / "buildings.gpkg", {"buildings": table})
    for tile in ("west", "east"):
        make_surface(folder, tile)
    return folder


def options(folder: Path, **elevation: Any) -> dict[str, Any]:
    return {
        "elevation": elevation or {"points": [str(folder / "p.laz")]},
        "roofs": {},
        "crs": EPSG,
    }


def make_surface(folder: Path, tile: str) -> None:
    surface_model(
        tiles=folder / "tiles.json",
        points=[folder / "p.laz"],
        rasters=[],
        footprints=folder / "buildings.gpkg",
        surface=folder / f"{tile}.tif",
        tile=tile,
        options=options(folder),
    )


def planes(folder: Path, tile: str, *, with_points: bool = True) -> gpd.GeoDataFrame:
    target = folder / f"{tile}.gpkg"
    roof_planes(
        tiles=folder / "tiles.json",
        buildings=folder / "buildings.gpkg",
        points=[folder / "p.laz"] if with_points else [],
        surfaces=[folder / "west.tif", folder / "east.tif"],
        planes=target,
        tile=tile,
        options=options(folder),
    )
    found = read_layer(target, "roof_planes")
    assert set(read_layer(target, "usable")["plane_id"]) <= set(found["plane_id"])
    return found


def test_surface_covers_the_tile_exactly(site: Path) -> None:
    grid = raster_grid(site / "east.tif")
    assert grid.shape == (100, 100)
    assert grid.boundingbox.bbox == (WEST + 50, SOUTH, WEST + 100, SOUTH + 50)
    data = read_raster(site / "east.tif")
    assert list(data) == ["dsm_m", "dtm_m", "tree"]
    assert float(data.dtm_m.median()) == pytest.approx(20, abs=0.05)
    assert float(data.dsm_m.max()) == pytest.approx(26 + 4 * np.tan(np.radians(30)), abs=0.15)
    assert float(data.tree.sum()) == 0


def test_the_tallest_thing_of_all_tiles_is_known(site: Path, tmp_path: Path) -> None:
    tallest(surfaces=[site / "west.tif", site / "east.tif"], tallest=tmp_path / "t.json")
    told = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["tallest_m"]
    assert told == pytest.approx(6 + 4 * np.tan(np.radians(30)), abs=0.25)


def test_each_building_is_in_one_tile_and_whole(site: Path) -> None:
    west, east = planes(site, "west"), planes(site, "east")
    assert set(west["building_id"]) | set(east["building_id"]) == set(HOUSES)
    assert not set(west["building_id"]) & set(east["building_id"])
    both = pd.concat([west, east])
    assert len(both) == 6
    assert both["tilt_deg"].to_numpy() == pytest.approx(np.full(6, 30), abs=0.7)
    assert both["height_m"].to_numpy() == pytest.approx(np.full(6, 7.15), abs=0.3)
    assert set(both["quality"]) == {"HIGH"}
    across = both[both["building_id"] == "h2"]
    assert across["footprint_m2"].sum() == pytest.approx(96, rel=0.03)


def test_surface_model_alone_gives_medium_planes(site: Path) -> None:
    found = planes(site, "east", with_points=False)
    assert set(found["quality"]) == {"MEDIUM"}
    assert found["tilt_deg"].to_numpy() == pytest.approx(np.full(len(found), 30), abs=2.5)


def test_tile_without_buildings_is_a_valid_file(site: Path) -> None:
    empty = planes(site, "beyond")
    assert len(empty) == 0
    assert set(SCHEMA) <= set(empty.columns)
    with pytest.raises(InputError, match="nowhere"):
        planes(site, "nowhere")


def test_surface_from_rasters_of_the_user(site: Path, tmp_path: Path) -> None:
    made = read_raster(site / "west.tif")
    write_cog(tmp_path / "dsm.tif", {"dsm": made.dsm_m})
    write_cog(tmp_path / "dtm.tif", {"dtm": made.dtm_m})
    surface_model(
        tiles=site / "tiles.json",
        points=[],
        rasters=[tmp_path / "dsm.tif", tmp_path / "dtm.tif"],
        footprints=None,
        surface=tmp_path / "s.tif",
        tile="west",
        options=options(site, dsm=[str(tmp_path / "dsm.tif")], dtm=[str(tmp_path / "dtm.tif")]),
    )
    again = read_raster(tmp_path / "s.tif")
    for name in ("dsm_m", "dtm_m"):
        off = np.abs(again[name].values - made[name].values)
        assert np.nanmax(off) < 0.01


def test_command_takes_several_files_and_names_what_is_missing(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "planes.gpkg"
    words = ["planes", "--points", str(site / "p.laz"), str(site / "p.laz")]
    words += ["--footprints", str(site / "buildings.gpkg"), "--id", "building_id"]
    answer = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert answer.exit_code == 0, answer.output
    found = read_layer(out, "roof_planes")
    assert sorted(found["building_id"].unique()) == sorted(HOUSES)
    assert found["height_m"].to_numpy() == pytest.approx(np.full(6, 7.15), abs=0.3)
    neither = ["planes", *words[4:], "--out", str(out)]
    answer = CliRunner().invoke(app, neither)
    assert isinstance(answer.exception, ConfigError)


def test_command_on_a_surface_model(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "planes.gpkg"
    words = ["planes", "--dsm", str(site / "west.tif"), "--out", str(out)]
    answer = CliRunner().invoke(app, [*words, "--footprints", str(site / "buildings.gpkg")])
    assert answer.exit_code == 0, answer.output
    found = read_layer(out, "roof_planes").set_index("building_id")
    assert set(found.loc[["h1"], "quality"]) == {"MEDIUM"}
    assert not found.loc["h3", "surveyed"]
