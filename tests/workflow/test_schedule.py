"""Runs on a schedule: only what is new is done, and the end is that of one run over all."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import yaml

from heliopolis.io.geopackage import read_provenance
from heliopolis.io.raster import read_raster
from heliopolis.variables import layer_fields
from tests.workflow.catalogs import Arrivals, heat_config
from tests.workflow.conftest import heliopolis, write_config
from tests.workflow.test_workflow import jobs


def zones_without_names(path: Path) -> gpd.GeoDataFrame:
    """Hot zones in an order that does not depend on their identifiers."""
    table = gpd.read_file(path, layer="hot_zones").drop(columns="zone_id")
    return table.sort_values(["area_m2", "lst_mean_c"]).reset_index(drop=True)


def same_result(one: Path, two: Path) -> None:
    """The same maps to the bit, and the same zones and cells."""
    first, second = read_raster(one / "lst.tif"), read_raster(two / "lst.tif")
    assert list(first) == list(second)
    for band in first:
        np.testing.assert_array_equal(first[band], second[band], err_msg=str(band))
    a, b = (zones_without_names(path / "hot_zones.gpkg") for path in (one, two))
    assert len(a) == len(b)
    assert a.geometry.geom_equals(b.geometry).all()
    for column in a.columns.drop("geometry"):
        assert a[column].equals(b[column]), column
    a, b = (gpd.read_file(path / "hot_zones.gpkg", layer="heat_cells") for path in (one, two))
    assert a.drop(columns=["zone_id", "geometry"]).equals(b.drop(columns=["zone_id", "geometry"]))


@pytest.fixture(scope="module")
def arrivals(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Arrivals:
    return Arrivals(city, tmp_path_factory.mktemp("arrivals"))


def test_reruns_on_a_schedule_end_as_one_run_over_all(
    arrivals: Arrivals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("schedule")
    config = heat_config(arrivals, folder / "monthly.yaml", schedule={"keep": 2})
    results = folder / "results" / "monthly"
    counts, ids = [], []
    for number in (5, 6, 6):
        arrivals.show(arrivals.dates[:number])
        done = heliopolis("run", config, "--scheduled", "--offline", folder=folder)
        assert done.returncode == 0, done.stderr
        counts.append(jobs(results))
        zones = gpd.read_file(results / "hot_zones.gpkg", layer="hot_zones")
        assert zones["zone_id"].is_unique
        ids.append(set(zones["zone_id"]))
    assert "nothing new" in done.stderr
    assert set(counts[2]) <= {"search", "all"}
    assert counts[1]["thermal_scene"] == counts[1]["sharpen"] == 1
    assert not ids[0] or ids[0] & ids[1], "no zone kept its name"
    assert ids[1] == ids[2]
    lines = (results / "schedule.log").read_text().splitlines()
    status = [line.split()[1].removeprefix("status=") for line in lines]
    assert status == ["done", "done", "nothing_new"]
    assert "new_scenes=1 " in lines[1]

    kept = sorted((results / "history").iterdir())
    assert len(kept) == 2
    assert (kept[-1] / "lst.tif").read_bytes() == (results / "lst.tif").read_bytes()
    told = pyogrio.list_layers(results / "changes.gpkg")[:, 0]
    assert {"zone_changes", "lst_changes", "fields"} <= set(told)
    cells = gpd.read_file(results / "changes.gpkg", layer="lst_changes")
    assert list(cells.columns.drop("geometry")) == list(layer_fields("lst_changes"))
    assert (cells["n_obs_after"] >= cells["n_obs_before"]).all()
    assert read_provenance(results / "changes.gpkg")["simulated"] is True

    whole = heat_config(arrivals, folder / "whole.yaml")
    assert heliopolis("run", whole, "--offline", folder=folder).returncode == 0
    same_result(results, folder / "results" / "whole")


def test_a_broken_scene_is_left_out_named_and_redone(
    arrivals: Arrivals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("redrive")
    dates = arrivals.dates[:3]
    arrivals.show(dates)
    config = heat_config(arrivals, folder / "town.yaml", optical={})
    # Bright roofs are judged by other dates, which would depend on the mended file.
    record = yaml.safe_load(config.read_text())
    record["thermal"]["bright_roofs"] = False
    write_config(config, record)
    broken = arrivals.asset(dates[0], "ST_B10")
    whole = broken.read_bytes()
    try:
        broken.write_bytes(whole[: len(whole) // 3])
        done = heliopolis("run", config, "--offline", "--json", folder=folder)
    finally:
        broken.write_bytes(whole)
    assert done.returncode == 3
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "failed"
    assert "Traceback" not in done.stderr
    results = folder / "results" / "town"
    scenes = json.loads((results / "run.json").read_text())["scenes"]
    assert [scene["reason"] == "failed" for scene in scenes] == [True, False, False]
    assert broken.name in scenes[0]["note"]
    lines = (results / "work" / "logs" / "jobs.jsonl").read_text().splitlines()
    assert {"done", "failed"} == {json.loads(line)["status"] for line in lines}

    done = heliopolis("run", config, "--offline", "--redrive", folder=folder)
    assert done.returncode == 0, done.stderr
    assert jobs(results)["thermal_scene"] == 1
    scenes = json.loads((results / "run.json").read_text())["scenes"]
    assert not any(scene["reason"] == "failed" for scene in scenes)
    nothing = heliopolis("run", config, "--offline", "--redrive", folder=folder)
    assert nothing.returncode == 2
    assert "nothing failed" in nothing.stderr
