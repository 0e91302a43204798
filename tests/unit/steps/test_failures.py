from __future__ import annotations

import json
from pathlib import Path

from heliopolis.io.provenance import tile_records
from heliopolis.steps.failures import SILENT, Failure, damaged, failures, leave_out, left_out


def tiles(work: Path, number: int = 4) -> None:
    made = [
        {"id": f"e{i}_n0", "bounds": [i * 300, 0, i * 300 + 300, 300], "work": True}
        for i in range(number)
    ]
    work.mkdir(exist_ok=True)
    (work / "tiles.json").write_text(json.dumps(made))


def test_a_job_that_left_no_message_was_killed(tmp_path: Path) -> None:
    (tmp_path / "errors").mkdir()
    (tmp_path / "errors" / "roof_planes.e1_n0.txt").write_text("")
    (tmp_path / "errors" / "composite.txt").write_text("composite: all is cloud.\n")
    assert failures(tmp_path) == [
        Failure("composite", "", "all is cloud."),
        Failure("roof_planes", "e1_n0", SILENT),
    ]


def test_a_missing_surface_holds_its_neighbours_back(tmp_path: Path) -> None:
    tiles(tmp_path)
    assert leave_out(tmp_path, [Failure("surface_model", "e0_n0", "torn")], 250)
    out = left_out(tmp_path)["tiles"]
    assert set(out) == {"e0_n0", "e1_n0"}
    assert "held back" in out["e1_n0"]
    states = {one["id"]: one["status"] for one in tile_records(tmp_path)}
    assert states["e0_n0"] == "failed"
    assert states["e1_n0"] == "held back"


def test_nothing_new_to_leave_out_ends_the_rounds(tmp_path: Path) -> None:
    tiles(tmp_path)
    found = [Failure("solar_yield", "e2_n0", "x")]
    assert leave_out(tmp_path, found, 0)
    assert not leave_out(tmp_path, found, 0)


def test_what_all_depends_on_cannot_be_left_out(tmp_path: Path) -> None:
    tiles(tmp_path)
    assert not leave_out(tmp_path, [Failure("buildings", "", "x")], 0)
    every = [Failure("solar_yield", f"e{i}_n0", "x") for i in range(4)]
    assert not leave_out(tmp_path, every, 0)
    (tmp_path / "scenes.json").write_text(json.dumps({"thermal": [{"id": "a"}]}))
    assert not leave_out(tmp_path, [Failure("thermal_scene", "a", "x")], 0)
    assert left_out(tmp_path) == {"scenes": {}, "tiles": {}, "images": {}}


def test_a_failed_image_tile_keeps_its_roofs_of_the_cadastre(tmp_path: Path) -> None:
    tiles(tmp_path)
    assert leave_out(tmp_path, [Failure("roof_probability", "e1_n0", "no image")], 250)
    out = left_out(tmp_path)
    assert list(out["images"]) == ["e1_n0"]
    assert out["tiles"] == {}


def test_a_file_that_is_cut_off_is_damaged_and_one_that_a_gis_wrote_into_is_not(tmp_path) -> None:
    names = ("work/coarse.tif", "work/whole.tif", "lst.tif", "hot_zones.gpkg", "work/temporary.tif")
    (tmp_path / "work" / "jobs").mkdir(parents=True)
    record = {"job": "x", "status": "done", "outputs": dict.fromkeys(names, 10)}
    (tmp_path / "work" / "jobs" / "x.json").write_text(json.dumps(record))
    (tmp_path / "work" / "jobs" / "old.json").write_text(json.dumps({"job": "old"}))
    for name, size in zip(names[:-1], (5, 10, 0, 30), strict=True):
        (tmp_path / name).write_bytes(b"x" * size)
    assert damaged(tmp_path) == [tmp_path / "work/coarse.tif", tmp_path / "lst.tif"]
