from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from heliopolis.steps.changes import change_sd, compared, lst_changes
from heliopolis.steps.history import keep, kept, log_line, prune, shared_dates
from heliopolis.variables import conform

FIELDS = {"area_m2": "area_{}_m2"}


def frame(**columns: Any) -> gpd.GeoDataFrame:
    number = len(next(iter(columns.values())))
    boxes = [shapely.box(i * 100, 0, i * 100 + 100, 100) for i in range(number)]
    return gpd.GeoDataFrame(columns, geometry=boxes, crs="EPSG:2154")


def test_new_vanished_and_changed() -> None:
    before = frame(zone_id=["a", "b", "c"], area_m2=[100.0, 200.0, 300.0])
    after = frame(zone_id=["b", "c", "d"], area_m2=[200.5, 350.0, 10.0])
    found = compared(before, after, key="zone_id", fields=FIELDS).set_index("zone_id")
    assert found["change"].to_dict() == {"a": "vanished", "c": "changed", "d": "new"}
    assert np.isnan(found.loc["a", "area_after_m2"])
    assert found.loc["a", "geometry"].equals(before.geometry[0])
    conform("zone_changes", found.reset_index())


def test_a_value_that_becomes_known_is_a_change() -> None:
    before = frame(zone_id=["a", "b"], area_m2=[np.nan, np.nan])
    after = frame(zone_id=["a", "b"], area_m2=[5.0, np.nan])
    assert list(compared(before, after, key="zone_id", fields=FIELDS)["zone_id"]) == ["a"]


def cells(lst: list[float], n_obs: float, sd: float = 0.3) -> gpd.GeoDataFrame:
    number = len(lst)
    return frame(
        cell_id=[f"c{i}" for i in range(number)],
        lst_mean_c=lst,
        anomaly_mean_c=[0.0] * number,
        lst_sd_c=[sd] * number,
        n_obs=[n_obs] * number,
    )


def test_a_large_change_is_significant_and_a_small_one_is_not() -> None:
    found = lst_changes(cells([30.0, 30.0], 4), cells([34.0, 30.1], 8), shared_dates=1, alpha=0.05)
    assert list(found["significant"]) == [True, False]
    assert found["lst_change_k"].round(3).tolist() == [4.0, 0.1]
    conform("lst_changes", found)


def test_where_all_dates_are_shared_nothing_is_tested() -> None:
    found = lst_changes(cells([30.0], 4), cells([30.0], 4), shared_dates=1, alpha=0.05)
    assert found["q_value"].isna().all()
    assert found["significant"].isna().all()


def test_false_alarms_keep_to_their_rate() -> None:
    """Medians of nested samples: without any change few cells are called changed."""
    draw = np.random.default_rng(3)
    values = draw.normal(30, 1.0, (12, 4000))
    sd = 1.0
    before, after = values[:6].mean(axis=0), values.mean(axis=0)
    errors = [np.full(4000, sd / np.sqrt(n)) for n in (6, 12)]
    sigma = change_sd(errors, [np.full(4000, 6.0), np.full(4000, 12.0)], 1.0)
    assert abs(np.std((after - before) / sigma) - 1.0) < 0.05


def run(results: Path, created: str, ids: list[str]) -> None:
    import json

    scenes = [{"id": one, "role": "thermal", "used": True} for one in ids]
    results.mkdir(exist_ok=True)
    (results / "run.json").write_text(json.dumps({"created": created, "scenes": scenes}))
    (results / "lst.tif").write_bytes(created.encode())


def test_the_last_results_are_kept(tmp_path: Path) -> None:
    for day in range(1, 5):
        run(tmp_path, f"2025-06-0{day}T06:00:00+00:00", ["a"])
        assert keep(tmp_path) == keep(tmp_path)
    (tmp_path / "history" / "mine").mkdir()
    assert prune(tmp_path, 2) == ["20250601T060000Z", "20250602T060000Z"]
    assert [path.name for path in kept(tmp_path)] == ["20250603T060000Z", "20250604T060000Z"]
    assert (tmp_path / "history" / "mine").is_dir()


def test_shared_dates() -> None:
    def record(*ids: str) -> dict[str, Any]:
        return {"scenes": [{"id": one, "role": "thermal", "used": True} for one in ids]}

    assert shared_dates(record("a", "b"), record("a", "b", "c")) == 1.0
    assert shared_dates(record("a", "b"), record("b", "c")) == 0.5
    assert shared_dates(None, record("b")) == 0.0


def test_a_run_is_one_line_of_the_log(tmp_path: Path) -> None:
    log_line(tmp_path, status="failed", error="two\nlines", none=None)
    log_line(tmp_path, status="done", jobs=3)
    lines = (tmp_path / "schedule.log").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith('status=failed error="two lines"')
    assert lines[1].endswith("status=done jobs=3")
