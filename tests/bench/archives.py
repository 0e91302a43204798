"""Fetching windows of scenes from a server beside `odc.stac.load` over ``/vsicurl``.

Each run is a process of its own with an empty cache: fetch (ours), then load lazily with odc-stac
and compute, on the same grid. The peer loads straight from the server. The log of the server
tells what was sent.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.measure import Measured, Row, compare, measured
from tests.services.full_tile import EPSG, NORTH, WEST, scene, write_tile
from tests.services.nginx import Server, nginx_binary, serving

SCENES = 16
BANDS = ("red", "nir", "swir16")
REPETITIONS = 3
#: Corner of the windows, seen from that of the tile [m]; the blocks they touch are cut.
CORNER = (29_720.0, -52_250.0)
#: A server at some distance: so many bytes a second for each connection.
SLOW_BYTES_S = 2 * 2**20
PEER = "odc.stac.load, /vsicurl"
_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
}


@dataclass(frozen=True)
class Job:
    """What a process has to do: ``who`` is ours, peer or plain (ranges of ``ranges`` alone)."""

    who: str
    base: str
    folder: str
    size_m: float
    ranges: tuple[tuple[str, int, int], ...] = ()


def run() -> list[Row]:
    """Compare on a small and on a large window, and with a slow server."""
    if nginx_binary() is None:
        print("archives: skipped, nginx is missing")
        return []
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        tile = write_tile(folder / "tile.tif")
        for number in range(SCENES):
            for band in BANDS:
                os.link(tile, folder / f"{number}_{band}.tif")
        for size_m, limit in ((2_000.0, 0), (20_000.0, 0), (20_000.0, SLOW_BYTES_S)):
            extra = f"limit_rate {limit};" if limit else ""
            with serving(folder, extra=extra) as server:
                rows.append(_row(server, size_m, limit))
    return rows


def _row(server: Server, size_m: float, limit: int) -> Row:
    ours, theirs = [], []
    sent = {"ours": 0, "peer": 0}
    ranges: tuple[tuple[str, int, int], ...] = ()
    for _ in range(1 if limit else REPETITIONS):
        for who, found in (("ours", ours), ("peer", theirs)):
            server.forget()
            found.append(_process(Job(who, server.base, "", size_m)))
            hits = server.hits()
            sent[who] = sum(hit.bytes for hit in hits)
            if who == "ours":
                asked = [(hit.path, hit.range.removeprefix("bytes=")) for hit in hits]
                ranges = tuple((path, *map(int, span.split("-"))) for path, span in asked)
    plain = _process(Job("plain", server.base, "", size_m, ranges))
    same = len({one["digest"] for one in (*ours, *theirs)}) == 1
    fetch_s = statistics.median(one["fetch_s"] for one in ours)
    rate, most = sent["ours"] / fetch_s / 1e6, sent["ours"] / plain["seconds"] / 1e6
    where = f", {limit / 2**20:.0f} MiB/s a connection" if limit else ""
    return compare(
        f"{SCENES} scenes x {len(BANDS)} bands, {size_m / 1000:.0f} km window{where}",
        _measured(ours),
        PEER,
        _measured(theirs),
        f"{'same values' if same else 'values DIFFER'}; {sent['ours'] / 1e6:.0f} MB sent (peer"
        f" {sent['peer'] / 1e6:.0f}); fetch {rate:.0f} MB/s, the same ranges unread {most:.0f}",
        {
            "same_values": float(same),
            "sent_mb": sent["ours"] / 1e6,
            "peer_sent_mb": sent["peer"] / 1e6,
            "fetch_s": fetch_s,
            "fetch_mb_s": rate,
            "plain_mb_s": most,
        },
    )


def _measured(found: list[dict[str, Any]]) -> Measured[None]:
    peak = statistics.median(one["peak_mib"] for one in found)
    return Measured(None, statistics.median(one["seconds"] for one in found), len(found), peak)


def _process(job: Job) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        words = {**job.__dict__, "folder": folder}
        command = [sys.executable, "-m", "tests.bench.archives"]
        said = subprocess.run(
            command, input=json.dumps(words), capture_output=True, text=True, check=False
        )
    if said.returncode:
        raise RuntimeError(said.stderr[-2000:])
    answer: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return answer


def work(job: Job) -> dict[str, Any]:
    """What a process does."""
    import odc.stac
    import pystac
    from odc.geo.geobox import GeoBox

    from heliopolis.io.remote.cache import Cache
    from heliopolis.io.remote.client import Client
    from heliopolis.io.remote.localise import localise_all
    from heliopolis.io.remote.window import Store

    west, south = WEST + CORNER[0] + 3, NORTH + CORNER[1] + 4
    bounds = (west, south, west + job.size_m, south + job.size_m)
    grid = GeoBox.from_bbox(bounds, f"EPSG:{EPSG}", resolution=10)
    scenes = [
        scene(number, {band: f"{job.base}/{number}_{band}.tif" for band in BANDS})
        for number in range(SCENES)
    ]
    fetch_s = 0.0

    def load() -> Any:
        nonlocal fetch_s
        found = scenes
        if job.who == "ours":
            start = time.perf_counter()
            store = Store(Client(), Cache(Path(job.folder) / "cache"))
            found = localise_all(scenes, grid, BANDS, store, Path(job.folder) / "local")
            fetch_s = time.perf_counter() - start
        items = [pystac.Item.from_dict(dict(one.item)) for one in found]
        return odc.stac.load(items, bands=BANDS, geobox=grid, chunks={"x": 2048}).compute()

    odc.stac.configure_rio(**_OPTIONS)
    outcome = measured(load, at_most=1)
    digest = hashlib.sha256()
    for band in BANDS:
        digest.update(outcome.value[band].to_numpy().tobytes())
    return {
        "seconds": outcome.seconds,
        "peak_mib": outcome.peak_mib,
        "fetch_s": fetch_s,
        "digest": digest.hexdigest(),
    }


def read_plainly(job: Job) -> dict[str, Any]:
    """The ranges that were asked for, read and thrown away by as many connections."""
    import urllib3

    manager = urllib3.PoolManager(maxsize=8, block=True)

    def one(asked: tuple[str, int, int]) -> None:
        path, first, last = asked
        manager.request("GET", job.base + path, headers={"Range": f"bytes={first}-{last}"})

    start = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, job.ranges))
    return {"seconds": time.perf_counter() - start}


def main() -> None:
    """Do the job that stands in the standard input."""
    words = json.loads(sys.stdin.read())
    job = Job(**{**words, "ranges": tuple(tuple(one) for one in words["ranges"])})
    print(json.dumps(read_plainly(job) if job.who == "plain" else work(job)))


if __name__ == "__main__":
    main()
