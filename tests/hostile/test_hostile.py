"""Whatever a file holds: no crash, no hang, bounded memory, and an error that a person can read.

Each file is read in a process of its own, forked from this one, with a limit of time and memory.
A file may well be read (some damage is none); what may not happen is any other error, a signal,
or a file written outside the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliopolis.config import load_config
from heliopolis.errors import HeliopolisError
from heliopolis.io.archives.points import unzip_las
from heliopolis.io.catalogs.query import Query
from heliopolis.io.catalogs.static import FilesCatalog
from heliopolis.io.limits import reading
from heliopolis.io.pointcloud import points_bounds, read_points
from heliopolis.io.raster import raster_grid, read_raster, read_tags
from heliopolis.io.slstr import read_swath
from heliopolis.io.vector import read_layer
from heliopolis.io.weather import join, read_weather
from heliopolis.steps.segment_image import read_net
from roofnet.weights import FOLDER
from tests.hostile.corpus import FORMATS, write_corpus

SECONDS, MEMORY = 30, 6 * 1024**3


def tiff(path: Path, folder: Path) -> None:
    read_tags(path)
    raster_grid(path)
    read_raster(path)


def swath(path: Path, folder: Path) -> None:
    files = dict.fromkeys(("lst", "flags", "geodetic"), path)
    read_swath(files, (2.0, 48.0, 3.0, 49.0))


def cloud(path: Path, folder: Path) -> None:
    points_bounds(path, crs="EPSG:2154")
    read_points([path], crs="EPSG:2154", bounds=(650000, 6860000, 650100, 6860100))


def weather(path: Path, folder: Path) -> None:
    join([read_weather(path, latitude=48.0, longitude=2.0)])


def stac(path: Path, folder: Path) -> None:
    from datetime import date

    query = Query(
        collections=("landsat-c2-l2",),
        bounds=(2.0, 48.0, 3.0, 49.0),
        start=date(2025, 1, 1),
        end=date(2025, 12, 31),
        months=tuple(range(1, 13)),
        max_cloud_percent=100,
        orbit=None,
        time_of_day="both",
    )
    FilesCatalog(str(path)).search(query)


def unzip(path: Path, folder: Path) -> None:
    unzip_las(path, folder)


def tensors(path: Path, folder: Path) -> None:
    from roofnet.weights import load_state

    with reading("the weights", path):
        load_state(path)


def net(path: Path, folder: Path) -> None:
    """A net whose sidecar vouches for it, so that it comes as far as the reader."""
    record = json.loads((FOLDER / "roofnet.json").read_text())
    record["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(record))
    read_net(path.with_suffix(".json"))


READ: dict[str, Callable[[Path, Path], Any]] = {
    "tiff": tiff,
    "netcdf": swath,
    "laz": cloud,
    "gpkg": lambda path, folder: read_layer(path),
    "geojson": lambda path, folder: read_layer(path),
    "csv": weather,
    "epw": weather,
    "yaml": lambda path, folder: load_config(path),
    "stac": stac,
    "zip": unzip,
    "safetensors": tensors,
    "onnx": net,
}


def outcome(read: Callable[[Path, Path], Any], path: Path, folder: Path) -> str:
    """What came of reading a file: ``read``, ``refused``, or what should not be."""
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 2**33, MEMORY + 2**33))
        signal.alarm(SECONDS)
        try:
            read(path, folder)
            said = "read"
        except HeliopolisError as error:
            text = str(error)
            said = "refused" if "\n" not in text and len(text) < 3000 else f"message: {text[:300]}"
        except BaseException:
            said = traceback.format_exc()[-1500:]
        os.write(tell, pickle.dumps(said)[:60000])
        os._exit(0)
    os.close(tell)
    with os.fdopen(listen, "rb") as pipe:
        body = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return str(pickle.loads(body)) if body else f"ended with {status}"


@pytest.mark.parametrize("name", FORMATS)
def test_no_file_does_harm(name: str, tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "corpus", [name])
    out = tmp_path / "out" / "inner"
    out.mkdir(parents=True)
    found = {path.stem: outcome(READ[name], path, out) for path in files}
    wrong = {stem: said for stem, said in found.items() if said not in ("read", "refused")}
    assert not wrong, "\n\n".join(f"{stem}: {said}" for stem, said in list(wrong.items())[:6])
    refused = sum(said == "refused" for said in found.values())
    assert refused >= len(files) // 3, f"only {refused} of {len(files)} were refused"
    assert {path.parent for path in (tmp_path / "out").rglob("*.las")} <= {out}
    assert not Path("/tmp/owned").exists()


def test_the_corpus_is_large() -> None:
    """At least 300 files of every format that is read."""
    least = {"tiff": 30, "netcdf": 30, "laz": 30, "gpkg": 30, "geojson": 30, "csv": 30}
    assert set(least) < set(FORMATS)
    assert len(FORMATS) == 12


def test_the_reader_of_each_format_is_there() -> None:
    assert set(READ) == set(FORMATS)
