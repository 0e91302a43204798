from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy.ndimage import gaussian_filter

from heliopolis.errors import GridError, InputError, NoDataError
from heliopolis.io.geopackage import read_provenance
from heliopolis.io.raster import write_cog
from heliopolis.io.vector import read_layer, write_layers
from heliopolis.steps.heat import hot_zones
from heliopolis.steps.hotspot_files import hotspot_files
from heliopolis.variables import layer_fields

CRS = "EPSG:32632"
SIDE_M = 6000.0
HOT = shapely.Point(402_000.0, 5_704_000.0).buffer(500.0)


def write(path: Path, bands: dict[str, np.ndarray], cell_m: float) -> None:
    grid = GeoBox.from_bbox(
        (400_000.0, 5_700_000.0, 400_000.0 + SIDE_M, 5_700_000.0 + SIDE_M),
        crs=CRS,
        resolution=resyx_(-cell_m, cell_m),
    )
    write_cog(path, {name: wrap_xr(v.astype("float32"), grid) for name, v in bands.items()})


def disc_cells(cell_m: float) -> np.ndarray:
    n = round(SIDE_M / cell_m)
    y, x = np.mgrid[:n, :n]
    return np.hypot((x + 0.5) * cell_m - 2000, SIDE_M - (y + 0.5) * cell_m - 4000) < 500.0


@pytest.fixture
def city(tmp_path: Path) -> dict[str, Any]:
    """A disc 6 K hotter than noise that is blurred like a thermal sensor, and a lake in it."""
    n = 300
    noise = gaussian_filter(np.random.default_rng(1).standard_normal((n, n)), 2.5)
    anomaly = noise / noise.std() + 6.0 * disc_cells(20.0)
    water = np.zeros((n, n))
    water[96:104, 96:104] = 1.0
    ones = np.ones((n, n))
    write(
        tmp_path / "lst.tif",
        {
            "lst_median_c": 30.0 + anomaly, "lst_sd_c": ones, "anomaly_c": anomaly,
            "n_obs": 4 * ones, "effective_resolution_m": 100 * ones, "persistence": 0.75 * ones,
        },
        20.0,
    )  # fmt: skip
    write(tmp_path / "optical.tif", {"water": water, "ndvi": 0.1 * ones}, 20.0)
    frame = gpd.GeoDataFrame(
        {"name": ["x"]}, geometry=[shapely.box(400_100, 5_700_100, 405_900, 5_705_900)], crs=CRS
    )
    write_layers(tmp_path / "boundary.gpkg", {"study_area": frame})
    corners = [(400_200, 5_702_000), (405_700, 5_702_000), (400_200, 5_705_700)]
    huts = [shapely.box(x, y, x + 10, y + 10) for x, y in corners]
    roofs = gpd.GeoDataFrame(
        geometry=[shapely.box(401_800, 5_704_100, 402_000, 5_704_300), *huts], crs=CRS
    )
    write_layers(tmp_path / "footprints.gpkg", {"footprints": roofs})
    schools = gpd.GeoDataFrame(
        {"place_id": [1, 2], "name": ["hot", "cool"], "kind": ["school", "school"]},
        geometry=[
            shapely.box(401_900, 5_703_600, 402_100, 5_703_750),
            shapely.box(404_000, 5_702_000, 404_200, 5_702_200),
        ],
        crs=CRS,
    )
    write_layers(tmp_path / "places.gpkg", {"places": schools})
    return {
        "lst": tmp_path / "lst.tif",
        "boundary": tmp_path / "boundary.gpkg",
        "optical": tmp_path / "optical.tif",
        "places": [tmp_path / "places.gpkg"],
        "footprints": tmp_path / "footprints.gpkg",
        "hot_zones": tmp_path / "hot_zones.gpkg",
        "options": {
            "heat": {},
            "places": {"file": "places.gpkg"},
            "report": {"language": "fr"},
            "provenance": {"name": "x"},
        },
    }


def test_step_finds_the_hot_disc_and_ranks_the_places(city: dict[str, Any]) -> None:
    hot_zones(**city)
    zones = read_layer(city["hot_zones"], "hot_zones")
    assert len(zones) == 1
    zone = zones.iloc[0]
    lake = shapely.box(401_920, 5_703_920, 402_080, 5_704_080)
    dry = HOT.difference(lake)
    assert zone.geometry.intersection(dry).area / zone.geometry.union(dry).area > 0.85
    assert zone.geometry.intersection(lake).area < 0.02 * lake.area
    assert zone["confidence"] in (90, 95, 99)
    assert zone["q_value"] <= 0.05
    assert zone["anomaly_mean_c"] == pytest.approx(6.0, abs=0.6)
    assert zone["persistence"] == pytest.approx(0.75)
    assert zone["plantable_m2"] == pytest.approx(zone["area_m2"] - 40_000, rel=0.05)
    quarter = read_layer(city["footprints"]).iloc[:1]
    write_layers(city["footprints"], {"footprints": quarter})
    hot_zones(**city)
    beyond = read_layer(city["hot_zones"], "hot_zones").iloc[0]
    assert np.isnan(beyond["plantable_m2"]), "a cadastre of one quarter says nothing of the next"
    ranked = read_layer(city["hot_zones"], "places").set_index("name")
    assert ranked["rank_in_kind"].to_dict() == {"hot": 1, "cool": 2}
    assert ranked.loc["hot", "hot_share"] > 0.9
    assert ranked.loc["cool", "hot_share"] == 0.0
    cells = read_layer(city["hot_zones"], "heat_cells")
    assert len(cells) == 58 * 58 - 4  # four cells are mostly lake
    assert set(cells["zone_id"].dropna()) == {zone["zone_id"]}
    assert cells.geometry.area.round(3).eq(10_000.0).all()
    told = read_provenance(city["hot_zones"])["hot_zones"]
    assert told["variance_inflation"] >= 1.0


def test_every_layer_has_its_columns_even_without_a_zone_or_optical(city: dict[str, Any]) -> None:
    options = {**city["options"], "heat": {"min_anomaly_k": 50.0}, "places": None}
    hot_zones(**{**city, "optical": None, "footprints": None, "places": [], "options": options})
    for name in ("hot_zones", "heat_cells", "places", "place_actions", "study_area"):
        table = read_layer(city["hot_zones"], name)
        assert set(layer_fields(name)) <= set(table.columns)
    assert len(read_layer(city["hot_zones"], "hot_zones")) == 0
    assert len(read_layer(city["hot_zones"], "places")) == 0
    cells = read_layer(city["hot_zones"], "heat_cells")
    assert cells["ndvi_mean"].isna().all()
    assert cells["gi_z"].notna().all()


def test_the_middle_of_roads_is_not_planted(city: dict[str, Any], tmp_path: Path) -> None:
    hot_zones(**city)
    before = read_layer(city["hot_zones"], "hot_zones").iloc[0]
    street = shapely.LineString([(401_000.0, 5_704_050.0), (403_000.0, 5_704_050.0)])
    write_layers(tmp_path / "roads.gpkg", {"roads": gpd.GeoDataFrame(geometry=[street], crs=CRS)})
    heat = {"roads": str(tmp_path / "roads.gpkg"), "road_strip_m": 8.0}
    hot_zones(**{**city, "options": {**city["options"], "heat": heat}})
    after = read_layer(city["hot_zones"], "hot_zones").iloc[0]
    roof_m, lake_m = 0.0, 160.0
    length = street.intersection(after.geometry).length - roof_m - lake_m
    assert before["plantable_m2"] - after["plantable_m2"] == pytest.approx(8.0 * length, rel=0.25)
    assert read_provenance(city["hot_zones"])["hot_zones"]["road_strip_m"] == 8.0


def test_identifiers_of_an_earlier_result_are_kept(city: dict[str, Any], tmp_path: Path) -> None:
    hot_zones(**city)
    old = read_layer(city["hot_zones"], "hot_zones")[["zone_id", "geometry"]]
    old["zone_id"] = "hz-old"
    write_layers(tmp_path / "old.gpkg", {"hot_zones": old})
    options = {**city["options"], "previous": str(tmp_path / "old.gpkg")}
    hot_zones(**{**city, "options": options})
    assert read_layer(city["hot_zones"], "hot_zones")["zone_id"].tolist() == ["hz-old"]


def test_wrong_inputs_are_told(city: dict[str, Any], tmp_path: Path) -> None:
    options = {**city["options"], "places": {"file": "x", "id_field": "nr"}}
    with pytest.raises(InputError, match=r"nr.*place_id"):
        hot_zones(**{**city, "options": options})
    far = gpd.GeoDataFrame({"name": ["x"]}, geometry=[shapely.box(0, 0, 100, 100)], crs=CRS)
    write_layers(tmp_path / "far.gpkg", {"study_area": far})
    with pytest.raises(NoDataError):
        hot_zones(**{**city, "boundary": tmp_path / "far.gpkg"})


def test_command_finds_a_planted_disc_and_writes_cells(tmp_path: Path) -> None:
    values = np.random.default_rng(2).standard_normal((60, 60)) + 4.0 * disc_cells(100.0)
    values[:5, :5] = np.nan
    write(tmp_path / "x.tif", {"v": values}, 100.0)
    told = hotspot_files(tmp_path / "x.tif", tmp_path / "z.gpkg", cells=tmp_path / "c.gpkg")
    zones = read_layer(tmp_path / "z.gpkg", "hot_zones")
    union = shapely.union_all(zones.geometry.to_numpy())
    assert union.intersection(HOT).area / union.union(HOT).area > 0.7
    assert zones["q_value"].max() <= 0.05
    assert read_layer(tmp_path / "z.gpkg", "cold_zones").area.sum() <= 0.05 * zones.area.sum()
    write(tmp_path / "y.tif", {"v": -values}, 100.0)
    hotspot_files(tmp_path / "y.tif", tmp_path / "y.gpkg")
    cold = read_layer(tmp_path / "y.gpkg", "cold_zones")
    assert cold.geometry.geom_equals(zones.geometry).all()
    assert np.allclose(cold[["value_min", "gi_z"]], -zones[["value_max", "gi_z"]])
    cells = read_layer(tmp_path / "c.gpkg", "heat_cells")
    assert len(cells) == told["n_cells"] == 60 * 60 - 25
    assert {"gi_z", "p_value", "q_value", "confidence"} <= set(cells.columns)


def test_command_finds_nothing_in_noise(tmp_path: Path) -> None:
    found = 0
    for seed in range(8):
        noise = gaussian_filter(np.random.default_rng(seed).standard_normal((60, 60)), 1.5)
        write(tmp_path / "x.tif", {"v": noise}, 100.0)
        found += hotspot_files(tmp_path / "x.tif", tmp_path / "z.gpkg")["n_zones"] > 0
        assert "gi_z" in read_layer(tmp_path / "z.gpkg", "hot_zones").columns
    assert found <= 1


def test_command_refuses_degrees(tmp_path: Path) -> None:
    grid = GeoBox.from_bbox((7.0, 51.0, 8.0, 52.0), crs="EPSG:4326", resolution=0.1)
    write_cog(tmp_path / "x.tif", {"v": wrap_xr(np.zeros(grid.shape, dtype="float32"), grid)})
    with pytest.raises(GridError):
        hotspot_files(tmp_path / "x.tif", tmp_path / "z.gpkg")


def test_sky_view_is_told_and_a_driver_where_the_form_of_the_city_is_known(
    city: dict[str, Any], tmp_path: Path
) -> None:
    hot_zones(**city)
    assert read_layer(city["hot_zones"], "hot_zones")["sky_view_mean"].isna().all()
    rng = np.random.default_rng(3)
    sky = np.clip(0.8 + 0.1 * gaussian_filter(rng.standard_normal((600, 600)), 8.0) * 20, 0, 1)
    write(tmp_path / "form.tif", {"sky_view": sky}, 10.0)
    green = 0.4 + 0.2 * rng.random((300, 300))
    write(tmp_path / "optical.tif", {"ndvi": green, "water": np.zeros((300, 300))}, 20.0)
    hot_zones(**city, form=tmp_path / "form.tif")
    zone = read_layer(city["hot_zones"], "hot_zones").iloc[0]
    assert 0.5 < zone["sky_view_mean"] < 1.0
    told = read_provenance(city["hot_zones"])["hot_zones"]["drivers"]
    assert all("sky_view" in model["effects_k"] for model in told)


def test_latitude_of_a_grid_is_that_of_its_cells() -> None:
    from pyproj import Transformer

    from heliopolis.steps.heat_island import _latitude

    grid = GeoBox.from_bbox((400_000, 5_600_000, 500_000, 5_700_000), CRS, resolution=500.0)
    found = _latitude(grid)
    x, y = grid.affine * (150.5, 40.5)
    exact = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)[1]
    assert found.shape == grid.shape
    assert found[40, 150] == pytest.approx(exact, abs=1e-4)
