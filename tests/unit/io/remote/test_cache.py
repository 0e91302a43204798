"""The cache: whole or not at all, verified, bounded, shared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliopolis.errors import ConfigError, InputError
from heliopolis.io.remote.cache import Cache, Key, Reference, default_cache

RED: Reference = (("asset", "red"), ("item", "S2B_1"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(cache: Cache, reference: Reference, version: str, content: bytes) -> None:
    with cache.publish(Key(reference, version), ".tif") as path:
        path.write_bytes(content)


def get(cache: Cache, reference: Reference, version: str | None) -> bytes | None:
    path = cache.find(reference, version)
    return path.read_bytes() if path else None


def spoil(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_content_is_found_by_reference_and_version(cache: Cache) -> None:
    assert cache.find(RED, "v1") is None and cache.find(RED, None) is None
    put(cache, RED, "v1", b"one")
    put(cache, RED, "v2", b"two")
    put(cache, (*RED, ("window", "0,0")), "v3", b"other")
    assert get(cache, RED, "v1") == b"one" and get(cache, RED, "v2") == b"two"
    assert cache.find(RED, "v3") is None
    assert get(cache, RED, None) == b"two"
    assert get(cache, tuple(reversed(RED)), "v1") == b"one"
    found = cache.find(RED, "v1")
    assert found is not None and found.suffix == ".tif"
    assert cache.verify() == [] and cache.size_bytes() == 11


def test_nothing_is_kept_of_a_failed_writing(cache: Cache, tmp_path: Path) -> None:
    def torn() -> None:
        with cache.publish(Key(RED, "v1"), ".tif") as path:
            path.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        torn()
    with (
        pytest.raises(InputError, match="Nothing was written"),
        cache.publish(Key(RED, "v1"), ".tif"),
    ):
        pass
    assert cache.find(RED, "v1") is None
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("damage", ["flipped", "shorter", "gone", "no description", "garbage"])
@pytest.mark.parametrize("way", ["find", "take", "newest"])
def test_damage_counts_as_absent(cache: Cache, tmp_path: Path, damage: str, way: str) -> None:
    put(cache, RED, "v1", b"good content")
    path = cache.find(RED, "v1")
    assert path is not None
    description = path.with_name("entry.json")
    if damage == "flipped":
        spoil(path, b"good c0ntent")
    elif damage == "shorter":
        spoil(path, b"good")
    elif damage == "gone":
        path.unlink()
    elif damage == "no description":
        description.unlink()
    else:
        description.write_text('{"reference": 3}')
    assert len(cache.verify()) == 1
    if way == "take":
        assert not cache.take(RED, "v1", tmp_path / "out.tif")
        assert list(tmp_path.glob("*out*")) == []
    else:
        assert cache.find(RED, "v1" if way == "find" else None) is None
    assert cache.verify() == [] and cache.size_bytes() == 0
    put(cache, RED, "v1", b"good content")
    assert get(cache, RED, "v1") == b"good content"


def test_newest_that_is_damaged_gives_way_to_an_older_one(cache: Cache) -> None:
    put(cache, RED, "v1", b"old")
    put(cache, RED, "v2", b"new")
    path = cache.find(RED, "v2")
    assert path is not None
    spoil(path, b"bad")
    assert get(cache, RED, None) == b"old"


def test_entry_at_the_place_of_another_is_a_problem(cache: Cache) -> None:
    put(cache, RED, "v1", b"one")
    path = cache.find(RED, "v1")
    assert path is not None
    told = json.loads(path.with_name("entry.json").read_text())
    path.with_name("entry.json").write_text(json.dumps(told | {"version": "v2"}))
    assert len(cache.verify()) == 1


def test_taken_file_survives_eviction_and_replaces(cache: Cache, tmp_path: Path) -> None:
    put(cache, RED, "v1", b"one")
    target = tmp_path / "scenes" / "red.tif"
    target.parent.mkdir()
    target.write_bytes(b"before")
    assert cache.take(RED, "v1", target) and cache.take(RED, "v1", target)
    Cache(cache.folder, limit_bytes=1).evict()
    assert cache.find(RED, "v1") is None
    assert target.read_bytes() == b"one"
    assert [p.name for p in target.parent.iterdir()] == ["red.tif"]
    assert not cache.take(RED, "v1", target)
    assert target.read_bytes() == b"one"


def test_take_copies_where_links_are_not_possible(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    put(cache, RED, "v1", b"one")
    monkeypatch.setattr(os, "link", refuse)
    assert cache.take(RED, None, tmp_path / "red.tif")
    assert (tmp_path / "red.tif").read_bytes() == b"one"
    assert (tmp_path / "red.tif").stat().st_nlink == 1


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=300)
    for name in "abc":
        put(cache, (("item", name),), "v", bytes(100))
        time.sleep(0.01)
    assert cache.find((("item", "a"),), "v") is not None
    put(cache, (("item", "d"),), "v", bytes(100))
    kept = [name for name in "abcd" if cache.find((("item", name),), "v")]
    assert kept == ["a", "c", "d"]
    assert cache.size_bytes() == 300


def test_limit_counts_what_other_processes_added(tmp_path: Path) -> None:
    first, second = Cache(tmp_path, limit_bytes=1000), Cache(tmp_path, limit_bytes=1000)
    for number in range(30):
        put((first, second)[number % 2], (("item", str(number)),), "v", bytes(90))
        assert first.size_bytes() <= 1000


def test_content_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=100)
    put(cache, RED, "v1", bytes(60))
    with pytest.raises(ConfigError, match="does not fit"):
        put(cache, RED, "v2", bytes(101))
    assert cache.find(RED, "v1") is not None


def test_first_of_two_writers_stays(cache: Cache) -> None:
    with cache.publish(Key(RED, "v1"), ".tif") as slow:
        slow.write_bytes(b"slow")
        put(cache, RED, "v1", b"fast")
    assert get(cache, RED, "v1") == b"fast"
    assert cache.verify() == [] and list((cache.folder / "tmp").iterdir()) == []


def test_many_threads_publish_find_and_evict(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", limit_bytes=2000)
    problems = []
    start = threading.Barrier(6)

    def work(seed: int) -> None:
        start.wait()
        for step in range(25):
            number = (seed * 7 + step * 3) % 9
            reference, content = (("item", str(number)),), bytes([number]) * 400
            put(cache, reference, "v", content)
            target = tmp_path / f"{seed}-{step}"
            if cache.take(reference, "v", target) and target.read_bytes() != content:
                problems.append((seed, step))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert problems == [] and cache.verify() == []
    cache.evict()
    assert cache.size_bytes() <= 2000
    assert list((cache.folder / "tmp").iterdir()) == []


WRITER = """
import sys, time
from pathlib import Path
from heliopolis.io.remote.cache import Cache, Key
with Cache(Path(sys.argv[1])).publish(Key((("item", "x"),), "v"), ".tif") as path:
    path.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_leftovers_of_the_dead_are_cleared_and_only_those(cache: Cache) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(cache.folder)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout, process:
        process.stdout.readline()
        cache.evict()
        assert len(list((cache.folder / "tmp").iterdir())) == 1, "it still writes"
        process.send_signal(signal.SIGKILL)
    assert cache.find((("item", "x"),), "v") is None and cache.verify() == []
    put(Cache(cache.folder), RED, "v1", b"one")
    assert list((cache.folder / "tmp").iterdir()) == []


def test_read_only_cache_can_be_read(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise PermissionError

    put(cache, RED, "v1", b"one")
    monkeypatch.setattr(os, "utime", refuse)
    assert get(cache, RED, "v1") == b"one"


def test_default_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOPOLIS_CACHE", str(tmp_path))
    monkeypatch.setenv("HELIOPOLIS_CACHE_GB", "1.5")
    assert default_cache().folder == tmp_path
    assert default_cache().limit_bytes == 1_500_000_000
    for wrong in ("much", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("HELIOPOLIS_CACHE_GB", wrong)
        with pytest.raises(ConfigError, match="gigabytes"):
            default_cache()
    monkeypatch.delenv("HELIOPOLIS_CACHE")
    monkeypatch.delenv("HELIOPOLIS_CACHE_GB")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert default_cache().folder.name == "heliopolis"
    assert default_cache().limit_bytes == 50 * 10**9


names = st.sampled_from("abcde")
deeds = st.one_of(
    st.tuples(st.just("put"), names, st.integers(1, 60)),
    st.tuples(st.just("find"), names, st.just(0)),
    st.tuples(st.just("spoil"), names, st.just(0)),
    st.tuples(st.just("evict"), names, st.just(0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds, max_size=14))
def test_any_history_gives_the_content_published_or_nothing(
    history: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache, published = Cache(Path(folder), limit_bytes=100), dict[str, bytes]()
        for deed, name, size in history:
            reference = (("item", name),)
            if deed == "put":
                before = get(cache, reference, "v")
                put(cache, reference, "v", name.encode() * size)
                published[name] = before or name.encode() * size
                assert get(cache, reference, "v") == published[name]
            elif deed == "evict":
                cache.evict()
            elif (path := cache.find(reference, "v")) is not None:
                assert path.read_bytes() == published[name]
                if deed == "spoil":
                    spoil(path, b"?" * len(published[name]))
            assert cache.size_bytes() <= 100
        for name in "abcde":
            assert get(cache, (("item", name),), "v") in (None, published.get(name))
        assert cache.verify() == []
