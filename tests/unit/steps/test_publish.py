from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
from pandas.testing import assert_frame_equal

from heliopolis.cli.explain import explain
from heliopolis.errors import InputError
from heliopolis.io.vector import read_layer
from heliopolis.steps.explain import explain_building
from heliopolis.steps.publish import publish, rooftop_pv


def shared():
    path = Path(__file__).parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_results", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def merged(inputs, target, **changes):
    options = shared().small_options()
    given = {key: inputs[key] for key in ("solars", "buildings", "lst", "hot_zones", "boundary")}
    rooftop_pv(**{**given, "rooftop_pv": target, "options": options, **changes})
    return read_layer(target, "buildings")


def test_energy_of_planes_and_buildings_agree(small_results):
    buildings = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    planes = read_layer(small_results / "rooftop_pv.gpkg", "roof_planes")
    panels = read_layer(small_results / "rooftop_pv.gpkg", "panels")
    for name in ("energy_kwh_year_p50", "energy_kwh_year_p90", "energy_kwh_month_07"):
        assert buildings[name].sum() == pytest.approx(planes[name].sum(), rel=1e-3)
    assert len(buildings) == 60
    assert len(planes) == 98
    assert set(panels["plane_id"]) <= set(planes["plane_id"])
    last = buildings.set_index("building_id").loc["bat-059"]
    assert last["n_planes"] == 0
    assert last[["energy_kwh_year_p50", "capacity_kwp", "existing_pv"]].isna().all()
    assert last["lst_mean_c"] > 0


def test_hectares_add_up_to_their_buildings(small_results):
    buildings = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    cells = read_layer(small_results / "rooftop_pv.gpkg", "solar_cells")
    for name in ("usable_m2", "capacity_kwp", "energy_kwh_year_p50", "energy_kwh_year_p90"):
        assert cells[name].sum() == pytest.approx(buildings[name].sum(), rel=1e-9)
    assert cells["n_buildings"].sum() == len(buildings)
    assert cells["cell_id"].is_unique
    assert (cells.geometry.area == 10_000).all()
    assert cells.geometry.union_all().buffer(1e-6).covers(buildings.representative_point()).all()
    ratio = cells["energy_kwh_year_p50"] / cells["capacity_kwp"]
    assert cells["specific_yield_kwh_kwp"].to_numpy() == pytest.approx(ratio, nan_ok=True)
    assert cells["modelled_share"].dropna().between(0, 1).all()


def test_carbon_is_told_with_its_method(small_results):
    buildings = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    known = buildings[buildings["energy_kwh_year_p50"].notna()]
    ratio = known["co2_kg_year"] / known["energy_kwh_year_p50"]
    assert ratio.std() < 1e-9
    assert known["co2_method"].str.startswith("average, FR").all()
    assert buildings.set_index("building_id")["co2_kg_year"].isna()["bat-059"]


def test_tiling_and_order_do_not_show(small_inputs, tmp_path):
    first = merged(small_inputs, tmp_path / "a.gpkg")
    again = merged(small_inputs, tmp_path / "b.gpkg", solars=small_inputs["solars"][::-1])
    assert_frame_equal(first, again)


def test_solar_alone_leaves_heat_null(small_inputs, tmp_path):
    made = merged(small_inputs, tmp_path / "a.gpkg", lst=None, hot_zones=None)
    assert made[["lst_mean_c", "lst_p90_c", "anomaly_c", "lst_sd_c"]].isna().all().all()
    assert made["zone_id"].isna().all()
    assert set(made["best_use"].dropna()) == {"pv"}


def test_an_unknown_country_leaves_carbon_null(small_inputs, tmp_path):
    options = {**shared().small_options(), "solar": {"country": None}}
    made = merged(small_inputs, tmp_path / "a.gpkg", options=options)
    assert made[["co2_kg_year", "co2_method"]].isna().all().all()


def test_no_plane_at_all_is_still_a_result(small_inputs, tmp_path):
    made = merged(small_inputs, tmp_path / "a.gpkg", solars=[small_inputs["solars"][2]])
    assert len(made) == 60
    assert made["energy_kwh_year_p50"].isna().all()
    assert read_layer(tmp_path / "a.gpkg", "roof_planes").empty
    assert read_layer(tmp_path / "a.gpkg", "panels").empty


def test_an_undocumented_column_is_refused_and_leaves_no_file(small_inputs, tmp_path):
    extra = read_layer(small_inputs["buildings"], "buildings").assign(mystery=1.0)
    path = shared().write_frames(tmp_path / "b.gpkg", {"buildings": extra})
    with pytest.raises(InputError, match="mystery"):
        merged(small_inputs, tmp_path / "out.gpkg", buildings=path)
    assert not (tmp_path / "out.gpkg").exists()


def test_run_record_is_complete(small_results):
    run = json.loads((small_results / "run.json").read_text())
    assert run["simulated"] is True
    assert run["config_sha256"] == "ab" * 32
    assert run["config"]["solar"]["country"] == "FR"
    reasons = {one["id"][-2:]: one["reason"] for one in run["scenes"] if one["role"] == "thermal"}
    assert reasons == {"03": "cloudy", "12": "used", "19": "used"}
    assert run["scenes"][0]["processing_baseline"] == "02.01"
    assert {"Simulated scenes: no satellite data", "Mairie & Cie"} == set(run["attribution"])
    assert run["energy"]["energy_kwh"] > 0
    assert {one["file"] for one in run["outputs"]} >= {"lst.tif", "rooftop_pv.gpkg"}


def publish_into(folder, options_report=None, **inputs):
    options = {**shared().small_options(), "jobs": str(folder / "work" / "jobs")}
    options["report"] = {**options.get("report", {}), **(options_report or {})}
    publish(
        project=folder / "heliopolis.qgz",
        report=folder / "report.html",
        map_page=folder / "map.html",
        stac=folder / "stac" / "collection.json",
        run=folder / "run.json",
        options=options,
        **inputs,
    )


def test_each_half_publishes_alone(small_inputs, tmp_path):
    solar, heat = tmp_path / "solar", tmp_path / "heat"
    merged(small_inputs, solar / "rooftop_pv.gpkg", lst=None, hot_zones=None)
    publish_into(solar, rooftop_pv=solar / "rooftop_pv.gpkg")
    assert json.loads((solar / "run.json").read_text())["energy"]["energy_kwh"] is None
    heat.mkdir()
    for name in ("lst.tif", "hot_zones.gpkg"):
        (heat / name).write_bytes((small_inputs["lst"].parent / name).read_bytes())
    publish_into(
        heat,
        scenes=small_inputs["scenes"],
        lst=heat / "lst.tif",
        hot_zones=heat / "hot_zones.gpkg",
        boundary=small_inputs["boundary"],
    )
    for folder in (solar, heat):
        for name in ("heliopolis.qgz", "report.html", "map.html", "run.json"):
            assert (folder / name).stat().st_size > 500


def test_nothing_to_publish_is_an_error(tmp_path):
    with pytest.raises(InputError, match="study area"):
        publish_into(tmp_path)


def test_empty_zones_publish(small_inputs, tmp_path):
    from heliopolis.io.geopackage import write_geopackage

    frames = shared().small_heat()
    none = {name: frames[name].iloc[:0] for name in ("hot_zones", "heat_cells", "places")}
    path = write_geopackage(
        tmp_path / "hot_zones.gpkg", {**none, "study_area": frames["study_area"]}
    )
    (tmp_path / "lst.tif").write_bytes(small_inputs["lst"].read_bytes())
    publish_into(tmp_path, scenes=small_inputs["scenes"], lst=tmp_path / "lst.tif", hot_zones=path)
    assert "No zone is significantly" in (tmp_path / "report.html").read_text()


def test_explain_tells_planes_inputs_constants_and_steps(small_results, small_results_fr, capsys):
    explain(small_results, building="bat-058")
    text = capsys.readouterr().out
    for part in ("bat-058-0", "z004", "LC09_L2SP_199026_20250612", "baseline 02.01", "losses"):
        assert part in text
    assert "existing_pv = not known" in text
    assert "Simulated inputs" in text
    assert "m in 36 directions" in text  # a default that the configuration does not name
    french = explain_building(small_results_fr, "bat-059")
    assert "Aucun pan" in french


def test_explain_suggests_near_identifiers(small_results, tmp_path):
    with pytest.raises(InputError, match="Near identifiers: bat-0"):
        explain_building(small_results, "bat-07")
    with pytest.raises(InputError, match=r"rooftop_pv\.gpkg"):
        explain_building(tmp_path, "x")


def test_results_are_in_the_crs_of_the_study(small_results):
    for layer in ("buildings", "roof_planes", "panels", "study_area"):
        frame = read_layer(small_results / "rooftop_pv.gpkg", layer)
        assert isinstance(frame, gpd.GeoDataFrame)
        assert frame.crs.to_epsg() == 2154


def test_the_year_of_the_survey_reaches_every_building(small_inputs, tmp_path):
    made = merged(small_inputs, tmp_path / "a.gpkg")
    assert set(made["elevation_year"]) == {2022}
    options = {**shared().small_options(), "elevation": {"points": ["a.laz"]}}
    unknown = merged(small_inputs, tmp_path / "b.gpkg", options=options)
    assert unknown["elevation_year"].isna().all()


def test_web_tables_and_base_map_come_on_request(small_inputs, tmp_path):
    merged(small_inputs, tmp_path / "rooftop_pv.gpkg", lst=None, hot_zones=None)
    wanted = {"base_map": "osm", "web": ["geoparquet", "pmtiles"], "language": "fr"}
    publish_into(tmp_path, options_report=wanted, rooftop_pv=tmp_path / "rooftop_pv.gpkg")
    told = {
        asset["href"]: asset["type"]
        for item in (tmp_path / "stac").rglob("*-solar.json")
        for asset in json.loads(item.read_text(encoding="utf-8"))["assets"].values()
    }
    assert told["../../web/buildings.parquet"] == "application/vnd.apache.parquet"
    assert told["../../web/panels.pmtiles"] == "application/vnd.pmtiles"
    assert {one.name for one in (tmp_path / "web").iterdir()} == {
        f"{layer}.{ending}"
        for layer in ("buildings", "roof_planes", "panels", "solar_cells", "study_area")
        for ending in ("parquet", "pmtiles")
    }
    with zipfile.ZipFile(tmp_path / "heliopolis.qgz") as archive:
        assert "tile.openstreetmap.org" in archive.read("heliopolis.qgs").decode()
