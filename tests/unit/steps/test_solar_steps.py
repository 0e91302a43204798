"""Horizon and yield as steps on files."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from shapely.geometry import box

from heliopolis.config import Solar
from heliopolis.errors import InputError
from heliopolis.io.raster import band_names, geobox_of, read_raster, write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.steps.horizon import roof_horizons
from heliopolis.steps.solar import solar_yield
from heliopolis.steps.solar_files import horizon_file, irradiance_file, yield_file

CRS = "EPSG:2154"
X, Y = 650_000.0, 6_860_000.0
OPTIONS = {"solar": {"directions": 12, "horizon_distance_m": 40.0}, "elevation": {}}
SOLAR = Solar.model_validate(OPTIONS["solar"])


@pytest.fixture(scope="module")
def weather_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    times = pd.date_range("2021-01-01", periods=8760, freq="h", tz="UTC")
    hour = (times.hour + 0.5).to_numpy()
    up = np.maximum(np.sin((hour - 6) / 12 * np.pi), 0.0)
    frame = pd.DataFrame({"time": times, "ghi": 400 * up, "dni": 350 * up, "dhi": 200 * up})
    frame["temp_air"], frame["wind_speed"] = 12.0, 2.0
    path = tmp_path_factory.mktemp("weather") / "w.csv"
    path.write_text("# time_is: start\n" + frame.to_csv(index=False), encoding="utf-8")
    return path


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """One pitched house at the tile's eastern edge, a tower south-east of it, a tree."""
    grid = GeoBox.from_bbox((X - 60, Y - 60, X + 110, Y + 110), CRS, resolution=0.5)
    ys, xs = (np.asarray(c.values) for c in (grid.coordinates["y"], grid.coordinates["x"]))
    xx, yy = np.meshgrid(xs - X, ys - Y)
    dsm = np.zeros(grid.shape, dtype="float32")
    house = (abs(xx - 48) < 5) & (abs(yy - 25) < 4)
    dsm[house] = (5 + (4 - abs(yy - 25)) * np.tan(np.radians(35)))[house]
    dsm[(abs(xx - 62) < 3) & (abs(yy - 15) < 3)] = 25
    tree = (abs(xx - 40) < 2) & (abs(yy - 14) < 2)
    dsm[tree] = 12
    bands = {"dsm_m": dsm, "dtm_m": dsm * 0, "tree": tree.astype("float32")}
    write_cog(tmp_path / "s.tif", {k: wrap_xr(v, grid) for k, v in bands.items()})
    tiles = [{"id": "t", "bounds": [X, Y, X + 50, Y + 50]}]
    (tmp_path / "tiles.json").write_text(json.dumps(tiles), encoding="utf-8")
    whole = gpd.GeoDataFrame(
        {"building_id": ["h"]}, geometry=[box(X + 43, Y + 21, X + 53, Y + 29)], crs=CRS
    )
    write_layers(tmp_path / "b.gpkg", {"buildings": whole})
    planes = gpd.GeoDataFrame(
        {
            "plane_id": ["h/0", "h/1"],
            "building_id": ["h", "h"],
            "tilt_deg": [35.0, 35.0],
            "azimuth_deg": [180.0, 0.0],
            "quality": ["HIGH", "HIGH"],
        },
        geometry=[box(X + 43, Y + 21, X + 53, Y + 25), box(X + 43, Y + 25, X + 53, Y + 29)],
        crs=CRS,
    )
    usable = planes[["plane_id", "geometry"]]
    write_layers(tmp_path / "p.gpkg", {"roof_planes": planes, "usable": usable})
    return tmp_path


def run(town: Path, weather: Path, buildings: Path | None) -> gpd.GeoDataFrame:
    solar_yield(
        tiles=town / "tiles.json", surfaces=[town / "s.tif"], tile="t", buildings=buildings,
        planes=town / "p.gpkg", weather=[weather], solar=town / "y.gpkg",
        options={**OPTIONS, "latitude": 48.8, "longitude": 2.3},
    )  # fmt: skip
    return read_layer(town / "y.gpkg", "roof_planes")


def test_a_building_across_the_edge_is_whole(town: Path, weather_file: Path) -> None:
    some = run(town, weather_file, town / "b.gpkg")
    assert some["energy_kwh_year_p50"].notna().all()
    assert some["shading_loss"].between(0.005, 0.5).all()
    every = run(town, weather_file, None)
    columns = ["poa_kwh_m2_year", "shading_loss", "energy_kwh_year_p50"]
    assert np.allclose(some[columns], every[columns], rtol=2e-3)
    panels = read_layer(town / "y.gpkg", "panels")
    assert len(panels) == every["n_panels"].sum() > 10


def test_trees_only_add_to_the_horizon(town: Path) -> None:
    cells, crs = roof_horizons(town / "tiles.json", [town / "s.tif"], "t", SOLAR, town / "b.gpkg")
    assert crs == CRS
    assert cells.angles_deg.shape == (12, cells.x.size)
    assert cells.solid_deg is not None
    assert (cells.solid_deg <= cells.angles_deg).all()
    assert (cells.solid_deg < cells.angles_deg - 5).any()
    # The roof is whole, with the metre around it, across the edge of the tile at 50 m.
    assert (cells.x.min() - X, cells.x.max() - X) == pytest.approx((42.25, 53.75))


def test_horizons_do_not_depend_on_the_tiles(town: Path) -> None:
    """A neighbour's house of another tile is no tree, whatever the class of what hangs over it."""
    surface = read_raster(town / "s.tif")
    surface["tree"] = surface["tree"].copy()
    grid = geobox_of(surface)
    for east, north, size in ((62, 15, 2), (47, 25, 1)):
        col = round((X + east - grid.affine.c) / 0.5)
        row = round((grid.affine.f - Y - north) / 0.5)
        surface["tree"].values[row - size : row + size, col - size : col + size] = 1.0
    write_cog(town / "s.tif", surface)
    shapes = [box(X + 43, Y + 21, X + 53, Y + 29), box(X + 59, Y + 12, X + 65, Y + 18)]
    houses = gpd.GeoDataFrame({"building_id": ["h", "n"]}, geometry=shapes, crs=CRS)
    write_layers(town / "b.gpkg", {"buildings": houses})
    tiles = [
        {"id": "w", "bounds": [X, Y, X + 50, Y + 50]},
        {"id": "e", "bounds": [X + 50, Y, X + 100, Y + 50]},
        {"id": "whole", "bounds": [X, Y, X + 100, Y + 50]},
    ]
    (town / "tiles.json").write_text(json.dumps(tiles), encoding="utf-8")
    found = {}
    for tile in ("w", "e", "whole"):
        cells, _ = roof_horizons(
            town / "tiles.json", [town / "s.tif"], tile, SOLAR, town / "b.gpkg"
        )
        places = zip(cells.x * 4, cells.y * 4, cells.angles_deg.T, strict=True)
        found[tile] = {(round(x), round(y)): angles for x, y, angles in places}
    parts = found["w"] | found["e"]
    assert parts.keys() == found["whole"].keys()
    assert all(np.array_equal(parts[place], found["whole"][place]) for place in parts)


@pytest.mark.parametrize(("tallest_m", "seen"), [(25.0, True), (1.0, False)])
def test_sight_ends_where_the_tallest_thing_is_low(
    town: Path, tallest_m: float, seen: bool
) -> None:
    (town / "tallest.json").write_text(json.dumps({"tallest_m": tallest_m}), encoding="utf-8")
    cells, _ = roof_horizons(
        town / "tiles.json", [town / "s.tif"], "t", SOLAR, town / "b.gpkg", town / "tallest.json"
    )
    # The tower stands 13 m or more to the south-east: 1 m would reach 5 deg at 11 m.
    roof = (abs(cells.x - X - 44.75) < 1.25) & (abs(cells.y - Y - 23.25) < 1.25)
    assert bool((cells.angles_deg[4, roof] > 20).any()) == seen


def test_unknown_tile(town: Path) -> None:
    with pytest.raises(InputError, match="not in the list"):
        roof_horizons(town / "tiles.json", [town / "s.tif"], "x", SOLAR)


def test_files(town: Path, weather_file: Path) -> None:
    heights = read_raster(town / "s.tif", ["dsm_m"]).isel(x=slice(180, 240), y=slice(140, 200))
    write_cog(town / "d.tif", heights)
    horizon_file(town / "d.tif", town / "h.tif", directions=8, max_distance_m=20.0)
    assert band_names(town / "h.tif") == [f"horizon_{a:03d}" for a in range(0, 360, 45)]
    horizon_file(town / "d.tif", town / "l.tif", directions=8, lowest_sun_deg=80.0)
    near, far = (read_raster(town / name).to_dataarray() for name in ("l.tif", "h.tif"))
    assert bool((near <= far + 0.02).all())
    assert float(near.sum()) < float(far.sum())
    irradiance_file(
        town / "d.tif", [weather_file], town / "m.tif", max_distance_m=20.0, monthly=True
    )
    months = read_raster(town / "m.tif")
    assert len(months.data_vars) == 13
    total = sum(months[f"poa_kwh_m2_month_{m:02d}"] for m in range(1, 13))
    assert np.allclose(total, months["poa_kwh_m2_year"], rtol=1e-3)
    irradiance_file(town / "d.tif", [weather_file], town / "i.tif", max_distance_m=20.0)
    flux = read_raster(town / "i.tif")["poa_kwh_m2_year"]
    assert 200 < float(flux.min()) < float(flux.max()) < 2500


def test_hills_around_a_surface_model(town: Path) -> None:
    fine = read_raster(town / "s.tif", ["dsm_m"]).isel(x=slice(180, 200), y=slice(140, 160))
    write_cog(town / "small.tif", fine * 0.0)
    west, south, east, north = geobox_of(fine).boundingbox.bbox
    crs = str(geobox_of(fine).crs)
    wide = GeoBox.from_bbox(
        (west - 5000, south - 5000, east + 5000, north + 5000), crs, resolution=50
    )
    ground = np.zeros(wide.shape, dtype="float32")
    ground[:, -20:] = 500.0
    write_cog(town / "dem.tif", {"dem_m": wrap_xr(ground, wide)})
    horizon_file(town / "small.tif", town / "t.tif", directions=4, terrain=town / "dem.tif")
    found = read_raster(town / "t.tif")
    assert float(found["horizon_090"].mean()) == pytest.approx(7.1, abs=0.2)
    assert float(found["horizon_270"].max()) < 0.05
    write_cog(town / "off.tif", {"dem_m": wrap_xr(ground[:90, :90], wide[:90, :90])})
    with pytest.raises(InputError, match="does not cover"):
        horizon_file(town / "small.tif", town / "t.tif", directions=4, terrain=town / "off.tif")


def test_yield_file(tmp_path: Path, weather_file: Path) -> None:
    place = {"latitude": 48.8, "longitude": 2.3, "tilt_deg": 30.0, "azimuth_deg": 180.0}
    free = yield_file([weather_file], tmp_path / "y.json", capacity_kwp=3.0, **place)
    written = json.loads((tmp_path / "y.json").read_text(encoding="utf-8"))
    assert written == free
    assert len(free["energy_kwh_month"]) == 12
    assert sum(free["energy_kwh_month"]) == pytest.approx(free["energy_kwh_year"], rel=1e-5)
    ring = tmp_path / "h.csv"
    ring.write_text("azimuth_deg,elevation_deg\n0,25\n180,25\n", encoding="utf-8")
    shaded = yield_file(
        [weather_file], tmp_path / "s.json", capacity_kwp=3.0, horizon=ring, **place
    )
    assert shaded["energy_kwh_year"] < 0.95 * free["energy_kwh_year"]
    with pytest.raises(InputError, match="in-plane"):
        yield_file([weather_file], tmp_path / "p.json", capacity_kwp=1.0, in_plane=True, **place)
