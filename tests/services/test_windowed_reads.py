"""Windows of full-size tiles from nginx: bytes counted in its log, pixels compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import from_bounds

from heliopolis.errors import NoDataError
from heliopolis.io.remote.cache import Cache
from heliopolis.io.remote.client import Client, CorruptError, OfflineError
from heliopolis.io.remote.localise import localise
from heliopolis.io.remote.window import RemoteAsset, Store, fetch_file, fetch_window
from tests.services.full_tile import EPSG, NORTH, SIDE, TRANSFORM, WEST, scene, write_tile
from tests.services.nginx import Server, nginx_binary, serving

pytestmark = pytest.mark.services

#: South-west corner from that of the tile [m]; the second window lies on the corner of four
#: blocks of any size, the last one on the edge of the tile.
CORNERS = {"inside": (31_230, -47_770), "corner": (29_720, -52_250), "edge": (108_600, -109_100)}
BLOCKS = (512, 1024)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if nginx_binary() is None:
        pytest.skip("nginx is missing: install the package nginx")
    folder = tmp_path_factory.mktemp("archive")
    for number, blocksize in enumerate(BLOCKS):
        write_tile(folder / f"{blocksize}.tif", blocksize=blocksize, seed=number)
    with serving(folder) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    client = Client()
    yield Store(client, Cache(tmp_path / "cache"))
    client.close()


def region(name: str, size_m: float = 2000.0) -> GeoBox:
    east, north = CORNERS[name]
    west, south = WEST + east + 3, NORTH + north + 4
    return GeoBox.from_bbox(
        (west, south, west + size_m, south + size_m), f"EPSG:{EPSG}", resolution=10
    )


def asset(server: Server, blocksize: int, **more) -> RemoteAsset:
    known = {
        "version": "2025-06-01T10:20:00Z",
        "shape": (SIDE, SIDE),
        "transform": tuple(TRANSFORM)[:6],
        "epsg": EPSG,
    }
    return RemoteAsset(
        "S2B_32TPT", "red", server.url(f"{blocksize}.tif") + "?sig=secret", **{**known, **more}
    )


def compare(window: Path, source: Path, wanted: GeoBox) -> None:
    """Same pixels and georeference as the source, and nothing of the region left out."""
    with rasterio.open(window) as ours, rasterio.open(source) as theirs:
        place = from_bounds(*ours.bounds, theirs.transform)
        whole = place.round_offsets().round_lengths()
        assert abs(place.col_off - whole.col_off) < 1e-6
        assert ours.crs == theirs.crs and ours.nodata == theirs.nodata
        assert ours.transform.almost_equals(theirs.window_transform(whole), 1e-9)
        np.testing.assert_array_equal(ours.read(), theirs.read(window=whole))
        needed = wanted.extent.to_crs(str(theirs.crs)).boundingbox
        tile = theirs.bounds
        assert ours.bounds.left <= max(needed.left, tile.left)
        assert ours.bounds.bottom <= max(needed.bottom, tile.bottom)
        assert ours.bounds.right >= min(needed.right, tile.right)
        assert ours.bounds.top >= min(needed.top, tile.top)


@pytest.mark.parametrize("place", CORNERS)
@pytest.mark.parametrize("blocksize", BLOCKS)
def test_bytes_and_pixels(archive: Server, store: Store, blocksize: int, place: str) -> None:
    archive.forget()
    found = fetch_window(store, asset(archive, blocksize), region(place))
    source = archive.folder / f"{blocksize}.tif"
    hits = archive.hits()
    assert {hit.method for hit in hits} == {"GET"}
    share = sum(hit.bytes for hit in hits) / source.stat().st_size
    print(f"{blocksize} {place}: {len(hits)} requests, {100 * share:.2f} % of the asset")
    assert share <= 0.03
    compare(found, source, region(place))


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3035", "EPSG:4326"])
def test_region_in_another_crs(archive: Server, store: Store, crs: str) -> None:
    box = region("corner").extent.to_crs(crs).boundingbox
    step = 0.0001 if crs == "EPSG:4326" else 10
    wanted = GeoBox.from_bbox(tuple(box), crs, resolution=step)
    archive.forget()
    found = fetch_window(store, asset(archive, 1024), wanted)
    source = archive.folder / "1024.tif"
    assert sum(hit.bytes for hit in archive.hits()) <= 0.03 * source.stat().st_size
    compare(found, source, wanted)


@pytest.mark.parametrize(("resolution_m", "cell_m"), [(20.0, 20.0), (100.0, 80.0), (15.0, 10.0)])
def test_overview(archive: Server, store: Store, resolution_m: float, cell_m: float) -> None:
    wanted = region("corner", 20_000)
    found = fetch_window(store, asset(archive, 512), wanted, resolution_m=resolution_m)
    levels = {10.0: {}, 20.0: {"overview_level": 0}, 80.0: {"overview_level": 2}}
    with (
        rasterio.open(found) as ours,
        rasterio.open(archive.folder / "512.tif", **levels[cell_m]) as theirs,
    ):
        assert ours.res == pytest.approx((cell_m, cell_m), rel=1e-3)
        place = from_bounds(*ours.bounds, theirs.transform).round_offsets().round_lengths()
        np.testing.assert_array_equal(ours.read(), theirs.read(window=place))


def test_second_time_nothing_is_asked(archive: Server, store: Store) -> None:
    first = fetch_window(store, asset(archive, 512), region("inside")).read_bytes()
    archive.forget()
    assert fetch_window(store, asset(archive, 512), region("inside")).read_bytes() == first
    assert archive.hits() == []
    offline = Store(Client(offline=True), store.cache)
    assert fetch_window(offline, asset(archive, 512), region("inside")).read_bytes() == first
    with pytest.raises(OfflineError, match="asset red") as caught:
        fetch_window(offline, asset(archive, 512), region("corner"))
    assert "secret" not in str(caught.value)


def test_without_a_version_the_etag_counts(archive: Server, store: Store) -> None:
    unknown = asset(archive, 512, version=None)
    first = fetch_window(store, unknown, region("inside")).read_bytes()
    archive.forget()
    assert fetch_window(store, unknown, region("inside")).read_bytes() == first
    assert [hit.method for hit in archive.hits()] == ["HEAD"]
    offline = Store(Client(offline=True), store.cache)
    assert fetch_window(offline, unknown, region("inside")).read_bytes() == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": (SIDE, SIDE - 1)}, "pixels"),
        ({"epsg": 32633}, "EPSG:32632"),
        ({"transform": (10, 0, WEST + 10, 0, -10, NORTH)}, "lies elsewhere"),
        ({"transform": (20, 0, WEST, 0, -20, NORTH)}, "lies elsewhere"),
    ],
)
def test_another_file_than_promised(archive, store, wrong, message) -> None:
    with pytest.raises(CorruptError, match=message) as caught:
        fetch_window(store, asset(archive, 512, **wrong), region("inside"))
    assert "S2B_32TPT" in str(caught.value) and "secret" not in str(caught.value)


def test_outside(archive: Server, store: Store) -> None:
    west, south = WEST + 200_000, NORTH
    away = GeoBox.from_bbox((west, south, west + 2000, south + 2000), "EPSG:32632", resolution=10)
    with pytest.raises(NoDataError, match="outside"):
        fetch_window(store, asset(archive, 512), away)
    assert store.cache.size_bytes() == 0


def test_whole_file(archive: Server, store: Store) -> None:
    found = fetch_file(store, asset(archive, 512))
    assert found.read_bytes() == (archive.folder / "512.tif").read_bytes()
    wrong = "1220" + "0" * 64
    with pytest.raises(CorruptError, match="checksum"):
        fetch_file(store, asset(archive, 512, version="other", checksum=wrong))
    with pytest.raises(CorruptError, match="catalog says 7"):
        fetch_file(store, asset(archive, 512, version="other", size=7))


def test_one_more_scene_is_all_that_is_fetched(archive, store, tmp_path: Path) -> None:
    hrefs = {"red": archive.url("512.tif"), "nir": archive.url("1024.tif")}
    local = {}
    for number in (0, 1):
        local[number] = localise(
            scene(number, hrefs), region("inside"), ["red", "nir", "absent"], store, tmp_path / "a"
        )
    archive.forget()
    again = localise(scene(0, hrefs), region("inside"), ["red", "nir"], store, tmp_path / "b")
    assert archive.hits() == []
    localise(scene(2, hrefs), region("inside"), ["red", "nir"], store, tmp_path / "b")
    assert {hit.path for hit in archive.hits()} == {"/512.tif", "/1024.tif"}
    for name in ("red", "nir"):
        assert Path(again.href(name)).read_bytes() == Path(local[0].href(name)).read_bytes()
        assert Path(again.href(name)).is_relative_to(tmp_path / "b")
        record = again.item["assets"][name]
        with rasterio.open(record["href"]) as found:
            assert record["proj:shape"] == list(found.shape)
            assert record["proj:transform"] == list(found.transform)[:6]


_PEAK = """
import json, sys
from pathlib import Path
from odc.geo.geobox import GeoBox
from heliopolis.io.remote.cache import Cache
from heliopolis.io.remote.client import Client
from heliopolis.io.remote.window import RemoteAsset, Store, fetch_window
from tests.bench.measure import measured
url, folder, bounds = json.loads(sys.argv[1])
region = GeoBox.from_bbox(bounds, "EPSG:32632", resolution=10)
store = Store(Client(), Cache(Path(folder)))
found = measured(lambda: fetch_window(store, RemoteAsset("a", "b", url, "1"), region))
print(json.dumps([found.peak_mib, found.value.stat().st_size]))
"""


def test_memory_does_not_grow_with_the_window(archive: Server, tmp_path: Path) -> None:
    peaks = []
    for number, size in enumerate((20_000.0, SIDE * 10.0)):
        bounds = (WEST, NORTH - size, WEST + size, NORTH)
        job = json.dumps([archive.url("512.tif"), str(tmp_path / str(number)), bounds])
        said = subprocess.run(
            [sys.executable, "-c", _PEAK, job], capture_output=True, text=True, check=True
        )
        peaks.append(json.loads(said.stdout.splitlines()[-1]))
    print(peaks)
    (small, small_bytes), (large, large_bytes) = peaks
    assert large_bytes > 150e6 and large_bytes > 20 * small_bytes
    assert large < small + 40 and large < 120
