"""Kill -9 in the middle of a download: the next run completes, the cache verifies.

Children are forked from this process, everything being imported already, and killed

* at random moments of a download that the server slows down, and
* just before each file operation (`os.replace`, `os.link`, `os.open` ...) of a download, every
  fifth one of a scene.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services import nginx
from tests.services.fault_proxy import FaultProxy, FolderOrigin, Origin, RelayOrigin, serving
from tests.services.small_archive import DEEDS, Deed, Site, store_at, write_archive

pytestmark = pytest.mark.services

KILLS = 50
NAMES = ("window deflate", "window plain", "window wavelet", "file with checksum", "localise")
WATCHED = ("replace", "rename", "link", "unlink", "rmdir", "mkdir", "fsync", "open", "utime")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_archive(folder, 1)
    return folder


@pytest.fixture(scope="module")
def origin(archive: Path) -> Iterator[Origin]:
    if nginx.nginx_binary() is None:
        yield FolderOrigin(archive)
        return
    with nginx.serving(archive) as server:
        yield RelayOrigin(server.base)


@pytest.fixture(scope="module")
def proxy(origin: Origin) -> FaultProxy:
    return FaultProxy(origin)


@pytest.fixture(scope="module")
def site(proxy: FaultProxy, archive: Path) -> Iterator[Site]:
    with serving(proxy) as base:
        yield Site(base, archive)


@pytest.fixture(scope="module")
def truth(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Results of runs that nobody disturbed."""
    found = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp("truth")
        found[name] = DEEDS[name].act(store_at(folder / "cache"), site, folder / "local")
    return found


def forked(work: Callable[[], None]) -> int:
    """Run ``work`` in a child; returns its process id at once."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def ended(child: int) -> int:
    """Wait for a child; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def census(folder: Path) -> Counter[tuple[str, int]]:
    """What lies in a folder, whatever its name: suffixes and sizes (descriptions differ)."""
    found = (path for path in folder.rglob("*") if path.is_file())
    sizes = ((path.suffix, path.stat().st_size) for path in found)
    return Counter((suffix, 0 if suffix == ".json" else size) for suffix, size in sizes)


def whole_or_absent(folder: Path, truth: dict[str, bytes]) -> None:
    """Files under their final names hold all their bytes, whenever the writer died."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert path.read_bytes() in truth.values(), f"torn file {path.name}"


def recovers(deed: Deed, site: Site, folder: Path, truth: dict[str, bytes], clean: Path) -> None:
    """The run after the one that was killed."""
    whole_or_absent(folder / "local", truth)
    store = store_at(folder / "cache")
    assert store.cache.verify() == []
    assert deed.act(store, site, folder / "local") == truth
    assert store.cache.verify() == []
    store.cache.evict()
    assert store.cache.verify() == []
    assert census(folder / "cache") == census(clean / "cache"), "leftovers in the cache"
    assert census(folder / "local") == census(clean / "local"), "leftovers in the scene folder"


def cleaned(deed: Deed, site: Site, folder: Path) -> Path:
    """Folder of a run that nobody disturbed, after making room."""
    store = store_at(folder / "cache")
    deed.act(store, site, folder / "local")
    store.cache.evict()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_random_moments(
    name: str,
    proxy: FaultProxy,
    site: Site,
    truth: dict[str, dict[str, bytes]],
    tmp_path: Path,
) -> None:
    deed, draw = DEEDS[name], random.Random(name)
    clean = cleaned(deed, site, tmp_path / "clean")
    proxy.bytes_per_second = 400_000.0
    try:
        started = time.monotonic()
        work = _download(deed, site, tmp_path / "timed")
        assert ended(forked(work)) == 0
        lasting = time.monotonic() - started
        kills = tries = 0
        while kills < KILLS // len(NAMES):
            tries += 1
            assert tries < 4 * KILLS, "the download ends before it can be killed"
            folder = tmp_path / f"run{tries}"
            proxy.bytes_per_second = 400_000.0
            child = forked(_download(deed, site, folder))
            # Every third death comes late, when files are put into their places.
            time.sleep(lasting * draw.uniform(0.8 if tries % 3 == 0 else 0.0, 1.0))
            os.kill(child, signal.SIGKILL)
            kills += ended(child) == -signal.SIGKILL
            proxy.bytes_per_second = None
            recovers(deed, site, folder, truth[name], clean)
            shutil.rmtree(folder)
    finally:
        proxy.bytes_per_second = None


def _download(deed: Deed, site: Site, folder: Path) -> Callable[[], None]:
    def work() -> None:
        deed.act(store_at(folder / "cache"), site, folder / "local")

    return work


def _doomed(deed: Deed, site: Site, folder: Path, count: int) -> Callable[[], None]:
    """A download that dies just before its ``count``-th operation on files."""

    def work() -> None:
        left = [count]

        def deadly(call: Callable[..., object]) -> Callable[..., object]:
            def called(*args: object, **more: object) -> object:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **more)

            return called

        for name in WATCHED:
            setattr(os, name, deadly(getattr(os, name)))
        deed.act(store_at(folder / "cache"), site, folder / "local")

    return work


@pytest.mark.parametrize(
    ("name", "step"), [("window deflate", 1), ("file with checksum", 1), ("localise", 5)]
)
def test_killed_before_each_file_operation(
    name: str, step: int, site: Site, truth: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    deed = DEEDS[name]
    clean = cleaned(deed, site, tmp_path / "clean")
    for count in range(1, 1000, step):
        folder = tmp_path / f"run{count}"
        status = ended(forked(_doomed(deed, site, folder, count)))
        recovers(deed, site, folder, truth[name], clean)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        shutil.rmtree(folder)
    else:
        pytest.fail("the download never came to its end")
    assert count > 5


def test_what_was_whole_before_the_kill_is_not_fetched_again(
    proxy: FaultProxy, site: Site, truth: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    first, second = DEEDS["file with checksum"], DEEDS["localise"]
    first.act(store_at(tmp_path / "cache"), site, tmp_path)
    proxy.bytes_per_second = 100_000.0
    try:
        child = forked(_download(second, site, tmp_path))
        time.sleep(0.3)
        os.kill(child, signal.SIGKILL)
        ended(child)
    finally:
        proxy.bytes_per_second = None
    proxy.faults = replace(proxy.faults)  # the log starts anew
    assert first.act(store_at(tmp_path / "cache"), site, tmp_path) == truth[first.name]
    assert proxy.bytes_sent == 0
