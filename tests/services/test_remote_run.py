"""The workflow on scenes behind a web server: what it transfers, and that it ends the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.nginx import Hit, Server, serving
from tests.workflow.conftest import HEAT_ONLY, demo_config, heliopolis, write_config

pytestmark = pytest.mark.services

_LATE = "20250824"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The catalog of a tiny simulated city on a real web server."""
    from heliopolis.simulate.export import simulate

    city = Path(simulate(tmp_path_factory.mktemp("far") / "city", preset="tiny", seed=1))
    with serving(city) as server:
        yield server


def town(folder: Path, server: Server, name: str) -> Path:
    """A configuration whose scenes lie behind the server, everything else at hand."""
    folder.mkdir(exist_ok=True)
    record = demo_config(server.folder, name=name, **HEAT_ONLY)
    catalog = server.url("catalog/catalog.json")
    record["thermal"]["sources"][0]["catalog"] = catalog
    record["optical"]["stac"]["catalog"] = catalog
    return write_config(folder / f"{name}.yaml", record)


def digests(results: Path) -> dict[str, str]:
    """Digest of each raster that a run leaves."""
    files = [results / "lst.tif", *sorted((results / "scenes").glob("*/lst.tif"))]
    return {
        str(file.relative_to(results)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def scenes_sent(hits: list[Hit]) -> set[str]:
    """Scenes of which bytes of a data file were sent."""
    sent = [hit for hit in hits if hit.body_bytes and not hit.path.endswith(".json")]
    return {Path(hit.path).parent.name for hit in sent}


def without_late_scene(server: Server) -> tuple[Path, str]:
    """Take one thermal scene out of the catalog; the collection and its whole text."""
    collection = server.folder / "catalog" / "landsat-c2-l2" / "collection.json"
    whole = collection.read_text()
    record = json.loads(whole)
    late = next(x for x in record["links"] if x["rel"] == "item" and _LATE in x["href"])
    record["links"].remove(late)
    collection.write_text(json.dumps(record))
    return collection, whole


def test_one_more_scene_is_all_that_a_rerun_fetches(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOPOLIS_CACHE", str(tmp_path / "cache"))
    collection, whole = without_late_scene(served)
    config = town(tmp_path, served, "town")
    first = heliopolis("run", config, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    results = tmp_path / "results" / "town"

    collection.write_text(whole)
    served.forget()
    pinned = results / "work" / "scenes.json"
    os.utime(pinned, (0, 0))
    again = heliopolis("run", config, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(scenes_sent(served.hits())) == 1
    assert all(_LATE in scene for scene in scenes_sent(served.hits()))

    monkeypatch.setenv("HELIOPOLIS_CACHE", str(tmp_path / "empty"))
    whole_run = heliopolis("run", town(tmp_path, served, "anew"), folder=tmp_path)
    assert whole_run.returncode == 0, whole_run.stderr
    assert digests(tmp_path / "results" / "anew") == digests(results)

    # The cache is shared: a third run elsewhere takes every byte of the scenes from it.
    served.forget()
    third = heliopolis("run", town(tmp_path, served, "third"), folder=tmp_path)
    assert third.returncode == 0, third.stderr
    assert not scenes_sent(served.hits())
    assert digests(tmp_path / "results" / "third") == digests(results)

    # Without the network: what is there is enough, and no call is made.
    shutil.rmtree(results / "scenes")
    shutil.rmtree(results / "work" / "scenes")
    (results / "lst.tif").unlink()
    served.forget()
    offline = heliopolis("run", config, "--offline", folder=tmp_path)
    assert offline.returncode == 0, offline.stderr
    assert not served.hits()
    assert digests(results) == digests(tmp_path / "results" / "anew")


def test_offline_without_the_scenes_says_what_is_missing(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOPOLIS_CACHE", str(tmp_path / "cache"))
    served.forget()
    done = heliopolis("run", town(tmp_path, served, "town"), "--offline", folder=tmp_path)
    assert done.returncode == 1
    assert "offline" in done.stderr and "catalog" in done.stderr
    assert not served.hits()


def test_plan_over_the_network_downloads_no_scene(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOPOLIS_CACHE", str(tmp_path / "cache"))
    served.forget()
    done = heliopolis("plan", town(tmp_path, served, "town"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "MB" in done.stdout and "minutes" in done.stdout
    assert not scenes_sent(served.hits())
    assert not (tmp_path / "results").exists()
