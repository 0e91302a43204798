"""The same result on Slurm and on a Dask cluster as alone, though jobs are killed there."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from heliopolis.io.raster import raster_grid, read_onto, write_cog
from heliopolis.steps.cluster import DASK_VARIABLE, joined
from tests.bench.chaos import configuration, digest, started
from tests.hostile.corpus import sound_tiff

pytestmark = pytest.mark.services

PROFILE = Path(__file__).parents[2] / "configs" / "profiles" / "slurm" / "config.yaml"
WITHIN_S = 900
#: As on the profile, but for a queue that is empty.
QUICK = {
    "slurm-init-seconds-before-status-checks": 3,
    "seconds-between-status-checks": 2,
    "latency-wait": 10,
    "default-resources": {"mem_mb": 1000, "runtime": 30},
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from heliopolis.simulate.export import simulate

    return Path(simulate(tmp_path_factory.mktemp("city") / "data", preset="tiny", seed=1))


@pytest.fixture(scope="module")
def truth(city: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the result of this machine alone."""
    folder = tmp_path_factory.mktemp("alone")
    assert started(configuration(city, folder), folder).wait(WITHIN_S) == 0
    return digest(folder / "results" / "town")


@pytest.fixture
def slurm_profile(tmp_path: Path) -> Path:
    """The profile of the repository, quicker."""
    if shutil.which("squeue") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.skip("no Slurm runs here")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no Slurm plugin of Snakemake")
    folder = tmp_path / "slurm"
    folder.mkdir()
    record = yaml.safe_load(PROFILE.read_text()) | QUICK
    (folder / "config.yaml").write_text(yaml.safe_dump(record))
    return folder


def queue() -> dict[int, str]:
    """Running jobs of Slurm and their rules."""
    words = ["squeue", "-h", "-t", "R", "-o", "%i %k"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return {int(number): rule for number, rule in re.findall(r"(\d+) (\S+)", told)}


def test_slurm_with_a_job_that_is_cancelled(
    city: Path, truth: str, slurm_profile: Path, tmp_path: Path
) -> None:
    config = configuration(city, tmp_path)
    words = [sys.executable, "-m", "heliopolis.cli", "run", str(config), "--offline"]
    words += ["--memory", "8", "--profile", str(slurm_profile)]
    run = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    cancelled = None
    while run.poll() is None and cancelled is None:
        for number, rule in queue().items():
            if "thermal_scene" in rule:
                subprocess.run(["scancel", str(number)], check=True)
                cancelled = rule
                break
        time.sleep(0.5)
    assert run.wait(WITHIN_S) == 0, run.stderr.read() if run.stderr else ""
    assert cancelled is not None
    log = (tmp_path / "results" / "town" / "work" / "logs" / "snakemake.log").read_text()
    assert "Trying to restart job" in log
    assert digest(tmp_path / "results" / "town") == truth


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers on loopback."""
    told = tmp_path / "scheduler.json"
    base = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    words = [*base, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    log = (tmp_path / "dask.log").open("wb")
    processes = [subprocess.Popen([*words, "--scheduler-file", str(told)], stdout=log, stderr=log)]
    try:
        for _ in range(200):
            if told.is_file() and told.stat().st_size:
                break
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
        worker += ["--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
        processes += [subprocess.Popen(worker, stdout=log, stderr=log) for _ in range(2)]
        yield address, processes[1:]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        log.close()


def test_a_raster_is_the_same_though_a_worker_is_killed(
    dask: tuple[str, list[subprocess.Popen[bytes]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, workers = dask
    source = tmp_path / "source.tif"
    sound_tiff(source)
    grid = raster_grid(source).zoom_out(1 / 40)

    def made(name: str) -> bytes:
        lazy = read_onto([source], grid, resampling="cubic", chunks=256)
        return write_cog(tmp_path / name, lazy + lazy.map(np.sin)).read_bytes()

    alone = made("alone.tif")
    monkeypatch.setenv(DASK_VARIABLE, address)
    killer = threading.Timer(1.0, workers[0].kill)
    killer.start()
    with joined():
        together = made("together.tif")
        killer.join()
        again = made("again.tif")
    assert together == again == alone
    assert workers[0].wait(10) != 0


def test_dask_with_a_worker_that_is_killed(
    city: Path,
    truth: str,
    dask: tuple[str, list[subprocess.Popen[bytes]]],
    tmp_path: Path,
) -> None:
    address, workers = dask
    config = configuration(city, tmp_path)
    record = yaml.safe_load(config.read_text()) | {"dask": {"scheduler": address}}
    config.write_text(yaml.safe_dump(record))
    run = started(config, tmp_path)
    work = tmp_path / "results" / "town" / "work"
    while run.poll() is None and not list(work.glob("scenes/*/coarse.tif")):
        time.sleep(0.1)
    workers[0].kill()
    assert run.wait(WITHIN_S) == 0, (tmp_path / "run.log").read_text()
    log = (tmp_path / "dask.log").read_text()
    assert "Receive client connection" in log
    assert digest(tmp_path / "results" / "town") == truth
