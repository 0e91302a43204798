"""The notebooks run on the results of a run, and are kept without outputs."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import nbformat
import numpy as np
import pandas as pd
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from pyproj import Transformer

from heliopolis.io.raster import geobox_of, read_raster, write_cog

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels with the interpreter of the tests; no kernel has to be registered."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, language="python", display_name="tests")


def executed(path: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """The notebook with its outputs, run on ``results``; an error in a cell is raised."""
    monkeypatch.setenv("HELIOPOLIS_RESULTS", str(results))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_manager_class=ThisInterpreter,
        resources={"metadata": {"path": str(path.parent)}},
    )
    return client.execute()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_results_are_read(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = executed(NOTEBOOKS / "read_results.ipynb", tiny_run, monkeypatch)
    outputs = {cell.id: cell.outputs for cell in done.cells if cell.cell_type == "code"}
    text = "".join(o.text for found in outputs.values() for o in found if "text" in o)
    assert "SIMULATED" in text
    assert "hot zones" in text
    assert "can carry panels" in text
    for drawn in ("places", "map", "roof-plot"):
        assert any("image/png" in output.get("data", {}) for output in outputs[drawn]), drawn
    warned = [o.text for found in outputs.values() for o in found if o.get("name") == "stderr"]
    assert not warned


def told(done: nbformat.NotebookNode) -> str:
    """Everything that the cells print or show as text; a warning fails the test."""
    outputs = [o for cell in done.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o.text for o in outputs if o.get("name") == "stderr"]
    shown = [o.get("data", {}).get("text/plain", "") for o in outputs]
    return "\n".join([*(o.text for o in outputs if "text" in o), *shown])


def drawn(done: nbformat.NotebookNode, *cells: str) -> bool:
    """Whether each of the cells shows a picture."""
    outputs = {cell.id: cell.outputs for cell in done.cells if cell.cell_type == "code"}
    return all(any("image/png" in o.get("data", {}) for o in outputs[cell]) for cell in cells)


@pytest.fixture(scope="module")
def other_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with known changes: other start, hotter ground, a zone less, a roof doubled."""
    folder = tmp_path_factory.mktemp("other")
    lst = read_raster(tiny_run / "lst.tif")
    for name in ("lst_median_c", "anomaly_c"):
        lst[name] = lst[name] + np.float32(12.5)
    write_cog(folder / "lst.tif", lst)
    zones = gpd.read_file(tiny_run / "hot_zones.gpkg", layer="hot_zones")
    zones.sort_values("rank").iloc[:-1].to_file(folder / "hot_zones.gpkg", layer="hot_zones")
    table = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="buildings")
    best = table["energy_kwh_year_p50"].idxmax()
    table.loc[best, ["energy_kwh_year_p50", "energy_kwh_year_p90"]] *= 2.0
    table.to_file(folder / "rooftop_pv.gpkg", layer="buildings")
    run: dict[str, Any] = json.loads((tiny_run / "run.json").read_text(encoding="utf-8"))
    run["config"]["period"]["start"] = "1999-05-01"
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def test_two_runs_are_compared(
    tiny_run: Path, other_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOPOLIS_OTHER", str(other_run))
    done = executed(NOTEBOOKS / "compare_runs.ipynb", tiny_run, monkeypatch)
    text = told(done)
    zones = gpd.read_file(tiny_run / "hot_zones.gpkg", layer="hot_zones").sort_values("rank")
    assert "1 settings or versions differ" in text
    assert "period.start" in text
    assert "12.5" in text
    assert f"{len(zones) - 1} zones in both; gone: {zones['zone_id'].iloc[-1]}; new: none" in text
    assert re.search(r"^1 of \d+ buildings yield clearly more or less", text, flags=re.MULTILINE)
    assert drawn(done, "heat")


def test_a_run_does_not_differ_from_itself(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HELIOPOLIS_OTHER", raising=False)
    text = told(executed(NOTEBOOKS / "compare_runs.ipynb", tiny_run, monkeypatch))
    assert "0 settings or versions differ" in text
    assert "gone: none; new: none" in text
    assert re.search(r"^0 of \d+ buildings yield clearly more or less", text, flags=re.MULTILINE)


def test_an_own_indicator_becomes_a_layer(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "own.gpkg"
    monkeypatch.setenv("HELIOPOLIS_OUT", str(out))
    done = executed(NOTEBOOKS / "own_indicator.ipynb", tiny_run, monkeypatch)
    assert "have a score" in told(done)
    assert drawn(done, "plot")
    layer = gpd.read_file(out, layer="own_indicator")
    table = gpd.read_file(tiny_run / "rooftop_pv.gpkg", layer="buildings")
    unknown = table[["anomaly_c", "energy_kwh_year_p50", "shading_loss"]].isna().any(axis=1)
    assert (layer["own_score"].isna() == unknown).all()
    assert layer["own_score"].between(0, 100).sum() == (~unknown).sum()
    fields = gpd.read_file(out, layer="fields")
    assert set(fields["field"]) == set(layer.columns) - {"building_id", "geometry"}


def test_stations_of_the_simulated_city(
    tiny_run: Path, city: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HELIOPOLIS_STATIONS", raising=False)
    monkeypatch.setenv("HELIOPOLIS_TRUTH", str(city / "truth"))
    done = executed(NOTEBOOKS / "validate_stations.ipynb", tiny_run, monkeypatch)
    text = told(done)
    assert "Pretended stations" in text
    assert "within 2 sigma" in text
    assert drawn(done, "plot")


def test_stations_that_agree_show_no_error(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readings made from a scene itself, by Stefan and Boltzmann, give its temperature back."""
    run = json.loads((tiny_run / "run.json").read_text(encoding="utf-8"))
    scene = next(s for s in run["scenes"] if s.get("used") and s["role"] == "thermal")
    lst = read_raster(tiny_run / "scenes" / scene["id"] / "lst.tif", ["lst_c"])["lst_c"]
    grid, kelvin = geobox_of(lst), lst.to_numpy().astype("float64") + 273.15
    rows, columns = (a[:: max(1, len(a) // 500)] for a in np.nonzero(np.isfinite(kelvin)))
    x, y = grid.affine * (columns + 0.5, rows + 0.5)
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(np.asarray(x), np.asarray(y))
    up = 0.96 * 5.670374419e-8 * kelvin[rows, columns] ** 4 + 0.04 * 340.0
    pd.DataFrame(
        {
            "station": [f"A{i}" for i in range(len(rows))],
            "longitude": longitude,
            "latitude": latitude,
            "time": scene["acquired"],
            "lw_up_w_m2": up,
            "lw_down_w_m2": 340.0,
            "emissivity": 0.96,
        }
    ).to_csv(tmp_path / "stations.csv", index=False)
    monkeypatch.setenv("HELIOPOLIS_STATIONS", str(tmp_path / "stations.csv"))
    text = told(executed(NOTEBOOKS / "validate_stations.ipynb", tiny_run, monkeypatch))
    scores = next(line for line in text.splitlines() if line.startswith("all "))
    matches, bias, scatter = (abs(float(part)) for part in scores.split()[1:4])
    assert matches > 50
    assert bias < 0.01
    assert scatter < 0.01


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("read_results", "holds no results"),
        ("compare_runs", "holds no results"),
        ("own_indicator", "is missing"),
        ("validate_stations", "holds no heat results"),
    ],
)
def test_a_folder_without_results_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Exception, match=message):
        executed(NOTEBOOKS / f"{name}.ipynb", tmp_path, monkeypatch)
