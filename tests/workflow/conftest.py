"""A tiny simulated city and a run of the real workflow on it, made once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all tests that share the run on one worker."""
    for item in items:
        if "workflow" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("workflow"))


def heliopolis(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Call the command line in ``folder``."""
    command = [sys.executable, "-m", "heliopolis.cli", *map(str, words)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def demo_config(data: Path, **change: Any) -> dict[str, Any]:
    """The demo's configuration over another simulated city; None removes a section."""
    text = (REPOSITORY / "configs" / "demo" / "config.yaml").read_text(encoding="utf-8")
    record: dict[str, Any] = yaml.safe_load(text.replace("data/", f"{data}/"))
    return {key: value for key, value in {**record, **change}.items() if value is not None}


HEAT_ONLY: dict[str, Any] = dict.fromkeys(("imagery", "footprints", "elevation", "weather"))


def write_config(path: Path, record: dict[str, Any]) -> Path:
    """Write a configuration."""
    path.write_text(yaml.safe_dump(record), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny simulated city."""
    from heliopolis.simulate.export import simulate

    return Path(simulate(tmp_path_factory.mktemp("city") / "data", preset="tiny", seed=1))


@pytest.fixture(scope="session")
def tiny_run(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results of the whole workflow on the tiny city."""
    folder = tmp_path_factory.mktemp("run")
    config = write_config(folder / "tiny.yaml", demo_config(city, name="tiny"))
    done = heliopolis("run", config, "--cores", 2, "--offline", folder=folder)
    assert done.returncode == 0, done.stderr
    yield folder / "results" / "tiny"
    shutil.rmtree(folder, ignore_errors=True)
