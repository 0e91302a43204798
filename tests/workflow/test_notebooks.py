"""The notebooks run on the results of a run, and are kept without outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

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


def test_a_folder_without_results_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Exception, match="holds no results"):
        executed(NOTEBOOKS / "read_results.ipynb", tmp_path, monkeypatch)
