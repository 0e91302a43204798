"""The real workflow on a tiny simulated city."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest

from heliopolis.accuracy.simulated import score_heat, score_roofs
from heliopolis.io.raster import band_names, raster_grid, read_raster
from tests.workflow.conftest import HEAT_ONLY, demo_config, heliopolis, write_config

CONTRACT = (
    "lst.tif",
    "hot_zones.gpkg",
    "rooftop_pv.gpkg",
    "heliopolis.qgz",
    "report.html",
    "map.html",
    "stac/collection.json",
    "run.json",
)
LAYERS = {
    "hot_zones.gpkg": {"hot_zones", "heat_cells", "places", "study_area", "fields"},
    "rooftop_pv.gpkg": {
        "buildings",
        "roof_planes",
        "panels",
        "solar_cells",
        "study_area",
        "fields",
    },
}


def jobs(results: Path) -> dict[str, int]:
    """How often each rule ran in the last call."""
    log = (results / "work" / "logs" / "snakemake.log").read_text()
    rules = re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", log, flags=re.MULTILINE)
    return {rule: rules.count(rule) for rule in set(rules)}


def test_everything_promised_is_there(tiny_run: Path) -> None:
    for name in CONTRACT:
        assert (tiny_run / name).stat().st_size > 0, name
    for name, layers in LAYERS.items():
        assert layers <= {row[0] for row in pyogrio.list_layers(tiny_run / name)}
    leftovers = [p for p in tiny_run.rglob(".*") if ".snakemake" not in p.parts]
    assert leftovers == []


def test_bands_of_the_map(tiny_run: Path) -> None:
    names = band_names(tiny_run / "lst.tif")
    assert names[:4] == ["lst_median_c", "lst_sd_c", "anomaly_c", "n_obs"]
    assert "effective_resolution_m" in names
    assert raster_grid(tiny_run / "lst.tif").resolution.x == 10
    lst = read_raster(tiny_run / "lst.tif")
    assert 15 < float(lst["lst_median_c"].mean()) < 50
    assert float(lst["lst_sd_c"].min()) > 0


def test_a_scene_of_clouds_is_left_out_and_named(tiny_run: Path) -> None:
    run = json.loads((tiny_run / "run.json").read_text())
    used = read_raster(tiny_run / "lst.tif")["n_obs"]
    assert int(used.max()) <= sum(s["role"] == "thermal" for s in run["scenes"])


def test_buildings_keep_their_ids_and_carry_both_halves(tiny_run: Path, city: Path) -> None:
    found = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="buildings")
    given = gpd.read_file(city / "cadastre" / "footprints.gpkg")
    assert found["building_id"].is_unique
    assert set(given["building_id"]) <= set(found["building_id"])
    assert found["lst_mean_c"].notna().mean() > 0.9
    assert found["energy_kwh_year_p50"].notna().mean() > 0.8
    known = found[found["energy_kwh_year_p50"] > 0]
    assert (known["energy_kwh_year_p90"] < known["energy_kwh_year_p50"]).all()


def test_energy_of_planes_buildings_and_months_agrees(tiny_run: Path) -> None:
    buildings = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="buildings")
    planes = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="roof_planes")
    total = buildings["energy_kwh_year_p50"].sum()
    months = [f"energy_kwh_month_{m:02d}" for m in range(1, 13)]
    assert planes["energy_kwh_year_p50"].sum() == pytest.approx(total, rel=1e-3)
    assert planes[months].sum().sum() == pytest.approx(total, rel=1e-3)


def test_flat_roofs_face_nowhere(tiny_run: Path) -> None:
    planes = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="roof_planes")
    flat = planes[planes["tilt_deg"] < 2]
    assert len(flat) > 0
    assert flat["azimuth_deg"].isna().all()


def test_everything_says_simulated(tiny_run: Path) -> None:
    assert json.loads((tiny_run / "run.json").read_text())["simulated"] is True
    assert "imulated" in (tiny_run / "report.html").read_text()


def test_no_path_of_the_machine_in_what_is_handed_on(tiny_run: Path, city: Path) -> None:
    with zipfile.ZipFile(tiny_run / "heliopolis.qgz") as archive:
        project = archive.read(archive.namelist()[0]).decode()
    for text in (project, (tiny_run / "report.html").read_text()):
        assert str(tiny_run) not in text
        assert str(city) not in text


def test_scores_against_the_truth_are_sane(tiny_run: Path, city: Path) -> None:
    scores = score_heat(tiny_run, city / "truth") | score_roofs(tiny_run, city)
    assert scores["lst_rmse_k"] < 3
    assert scores["building_f1"] > 0.8
    assert scores["tilt_error_median_deg"] < 3
    assert scores["azimuth_error_median_deg"] < 10
    assert scores["yield_error_median"] < 0.1


def test_explain_names_the_inputs(tiny_run: Path) -> None:
    buildings = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="buildings")
    some = buildings[buildings["energy_kwh_year_p50"] > 0]["building_id"].iloc[0]
    done = heliopolis("explain", tiny_run, "--building", some, folder=tiny_run)
    assert done.returncode == 0, done.stderr
    assert some in done.stdout
    wrong = heliopolis("explain", tiny_run, "--building", "nothing", folder=tiny_run)
    assert wrong.returncode != 0
    assert "Traceback" not in wrong.stderr


def test_a_second_run_does_nothing(tiny_run: Path) -> None:
    folder = tiny_run.parents[1]
    before = {p: p.stat().st_mtime_ns for p in map(tiny_run.joinpath, CONTRACT)}
    done = heliopolis("run", folder / "tiny.yaml", "--offline", folder=folder)
    assert done.returncode == 0, done.stderr
    assert jobs(tiny_run) == {}
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_one_new_scene_reruns_only_what_depends_on_it(city: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(city / "catalog", data / "catalog")
    for name in ("boundary.gpkg", "places.gpkg", "roads.gpkg"):
        shutil.copy(city / name, data / name)
    collection = data / "catalog" / "landsat-c2-l2" / "collection.json"
    whole = collection.read_text()
    record = json.loads(whole)
    items = [link for link in record["links"] if link["rel"] == "item"]
    late = next(link for link in items if "20250824" in link["href"])
    record["links"].remove(late)
    collection.write_text(json.dumps(record))
    config = write_config(tmp_path / "town.yaml", demo_config(data, name="town", **HEAT_ONLY))
    assert heliopolis("run", config, "--offline", folder=tmp_path).returncode == 0
    results = tmp_path / "results" / "town"
    first = jobs(results)
    old = {p.name: (p / "lst.tif").stat().st_mtime_ns for p in (results / "scenes").iterdir()}

    collection.write_text(whole)
    assert heliopolis("run", config, "--offline", folder=tmp_path).returncode == 0
    second = jobs(results)
    assert first["thermal_scene"] == len(old)
    assert second == {
        "search": 1,
        "thermal_scene": 1,
        "sharpen": 1,
        "composite": 1,
        "hot_zones": 1,
        "publish": 1,
        "all": 1,
    }
    new = {p.name: (p / "lst.tif").stat().st_mtime_ns for p in (results / "scenes").iterdir()}
    assert len(new) == len(old) + 1
    assert {name: new[name] for name in old} == old


def test_all_scenes_cloudy_is_one_clear_error(city: Path, tmp_path: Path) -> None:
    """Only the date that clouds cover is left in the period."""
    config = write_config(
        tmp_path / "town.yaml",
        demo_config(city, name="town", **HEAT_ONLY)
        | {"period": {"start": "2025-07-20", "end": "2025-07-26", "months": [7]}},
    )
    text = config.read_text().replace("kind: stac", "kind: stac\n    max_cloud_percent: 100")
    config.write_text(text)
    done = heliopolis("run", config, "--offline", folder=tmp_path)
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("heliopolis: error: ")
    assert "cloud" in error
    assert "Traceback" not in done.stderr


def test_results_do_not_depend_on_cores_or_tiles(tiny_run: Path, city: Path) -> None:
    folder = tiny_run.parents[1]
    record = demo_config(city, name="small_tiles") | {"roofs": {"tile_m": 150}}
    for name in ("thermal", "period", "optical", "places"):
        record.pop(name)
    config = write_config(folder / "small_tiles.yaml", record)
    done = heliopolis("run", config, "--cores", 1, "--offline", folder=folder)
    assert done.returncode == 0, done.stderr
    one, two = (
        gpd.read_file(path / "rooftop_pv.gpkg", layer="buildings").set_index("building_id")
        for path in (tiny_run, folder / "results" / "small_tiles")
    )
    assert sorted(one.index) == sorted(two.index)
    two = two.loc[one.index]
    for column in ("footprint_m2", "usable_m2", "energy_kwh_year_p50", "shading_loss"):
        np.testing.assert_allclose(one[column], two[column], rtol=1e-6, atol=1e-9, err_msg=column)
