"""Several processes on one cache with little room: nothing torn, nothing lost that was taken.

Workers publish, find, take, evict and verify at random; some die by SIGKILL in the middle of a
publication, some give up with an exception. What an entry must hold follows from its name and
version alone, so every process can tell a torn or mixed-up entry by itself.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from heliopolis.io.remote.cache import Cache, Key

pytestmark = pytest.mark.services

LIMIT = 400_000
LARGEST = 40_000
WORKERS = 5
NAMES, VERSIONS = 24, ("v1", "v2")
FORK = multiprocessing.get_context("fork")


def reference_of(number: int) -> tuple[tuple[str, str], ...]:
    return (("asset", f"band{number % 6}"), ("item", f"S2B_{number // 6:03d}"), ("kind", "file"))


def content(number: int, version: str) -> bytes:
    source = random.Random(f"{number}|{version}")
    return source.randbytes(source.randint(1, LARGEST))


class GiveUpError(Exception):
    """The writer could not go on."""


class Worker:
    """One process at random work on the cache."""

    def __init__(self, folder: Path, own: Path, seed: int) -> None:
        self.cache = Cache(folder, LIMIT)
        self.own, self.seed = own, seed
        self.draw = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.problems: list[str] = []
        self.taken: dict[str, tuple[int, str]] = {}

    def run(self, seconds: float, mortal: bool) -> None:
        end = time.monotonic() + seconds
        deeds = [self.publish, self.find, self.take, self.evict, self.verify, self.give_up]
        while time.monotonic() < end:
            if mortal and self.draw.random() < 0.03:
                self.die()
            number, version = self.draw.randrange(NAMES), self.draw.choice(VERSIONS)
            deed = self.draw.choices(deeds, (35, 25, 25, 2, 1, 5))[0]
            try:
                deed(number, version)
            except Exception as error:
                self.problems.append(f"{deed.__name__} raised {error!r}")
        record = {"seen": self.seen, "problems": self.problems, "taken": self.taken}
        (self.own / "record.json").write_text(json.dumps(record))

    def publish(self, number: int, version: str) -> None:
        wanted = content(number, version)
        key, half = Key(reference_of(number), version), len(wanted) // 2
        with self.cache.publish(key, ".bin") as path, path.open("wb") as stream:
            stream.write(wanted[:half])
            stream.flush()
            if self.draw.random() < 0.2:
                time.sleep(0.002)
            stream.write(wanted[half:])
        self.seen["published"] += 1

    def give_up(self, number: int, version: str) -> None:
        try:
            with self.cache.publish(Key(reference_of(number), version), ".bin") as path:
                path.write_bytes(b"half of")
                raise GiveUpError
        except GiveUpError:
            self.seen["given up"] += 1

    def die(self) -> None:
        key = Key(reference_of(self.draw.randrange(NAMES)), self.draw.choice(VERSIONS))
        with self.cache.publish(key, ".bin") as path:
            path.write_bytes(b"half of an entry whose writer died")
            os.kill(os.getpid(), signal.SIGKILL)

    def find(self, number: int, version: str) -> None:
        asked = version if self.draw.random() < 0.8 else None
        path = self.cache.find(reference_of(number), asked)
        if path is None:
            self.seen["absent"] += 1
            return
        try:
            got = path.read_bytes()
        except FileNotFoundError:
            self.seen["evicted while read"] += 1
            return
        self.seen["found"] += 1
        allowed = [content(number, one) for one in VERSIONS if asked in (one, None)]
        if got not in allowed:
            self.problems.append(f"find gave {len(got)} wrong bytes for {number} {asked}")

    def take(self, number: int, version: str) -> None:
        target = self.own / f"{len(self.taken)}.bin"
        if not self.cache.take(reference_of(number), version, target):
            self.seen["not taken"] += 1
            if target.exists():
                self.problems.append("take said no and left a file")
            return
        self.seen["taken"] += 1
        self.taken[target.name] = number, version
        if target.read_bytes() != content(number, version):
            self.problems.append(f"took wrong bytes of {number} {version}")

    def evict(self, number: int, version: str) -> None:
        self.cache.evict()
        self.seen["evicted"] += 1

    def verify(self, number: int, version: str) -> None:
        self.problems += [f"verify: {one}" for one in self.cache.verify()]
        self.seen["verified"] += 1


def _work(folder: Path, own: Path, seed: int, seconds: float, mortal: bool) -> None:
    own.mkdir(parents=True, exist_ok=True)
    Worker(folder, own, seed).run(seconds, mortal)


@contextmanager
def at_work(processes: list[BaseProcess]) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.join(timeout=60)
            if process.is_alive():
                process.kill()


def bytes_on_disk(folder: Path) -> int:
    """Bytes of all files, while others add and remove some."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_processes_share_a_small_cache(tmp_path: Path) -> None:
    folder, seconds = tmp_path / "cache", 8.0
    lasting = [
        FORK.Process(target=_work, args=(folder, tmp_path / f"w{seed}", seed, seconds, False))
        for seed in range(WORKERS - 1)
    ]
    largest, starts, deaths, end = 0, 0, 0, time.monotonic() + seconds
    with at_work(lasting):
        while time.monotonic() < end:
            args = (folder, tmp_path / f"m{starts}", 1000 + starts, 1.0, True)
            starts += 1
            mortal = FORK.Process(target=_work, args=args)
            mortal.start()
            mortal.join(timeout=30)
            deaths += mortal.exitcode == -signal.SIGKILL
            largest = max(largest, bytes_on_disk(folder))
    assert all(process.exitcode == 0 for process in lasting)
    seen: Counter[str] = Counter()
    problems: list[str] = []
    for record_path in sorted(tmp_path.glob("*/record.json")):
        record = json.loads(record_path.read_text())
        seen.update(record["seen"])
        problems += record["problems"]
        for name, (number, version) in record["taken"].items():
            kept = (record_path.parent / name).read_bytes()
            assert kept == content(number, version), f"{name} changed after it was taken"
    print(dict(seen), "deaths", deaths, "most bytes", largest)
    assert problems == []
    assert deaths > 5
    assert min(seen[one] for one in ("published", "found", "taken", "absent", "given up")) > 20
    # Each process may add one entry before room is made; records beside the entries are small.
    assert largest <= LIMIT + 2 * WORKERS * LARGEST + 50_000

    cache = Cache(folder, LIMIT)
    cache.evict()
    assert cache.verify() == []
    assert 0 < cache.size_bytes() <= LIMIT
    assert bytes_on_disk(folder) <= LIMIT + 50_000
    assert not [path for path in files_of(folder) if path.read_bytes().startswith(b"half of")]


def _publish_same(folder: Path, number: int, repeats: int, gate: Path) -> None:
    worker = Worker(folder, folder, number)
    while not gate.exists():
        time.sleep(0.001)
    for _ in range(repeats):
        worker.publish(number, "v1")


def test_racing_writers_of_one_entry_leave_one_sound_entry(tmp_path: Path) -> None:
    folder, gate = tmp_path / "cache", tmp_path / "gate"
    racers = [FORK.Process(target=_publish_same, args=(folder, 3, 40, gate)) for _ in range(6)]
    with at_work(racers):
        gate.touch()
        end = time.monotonic() + 30
        while any(process.is_alive() for process in racers) and time.monotonic() < end:
            found = Cache(folder, LIMIT).find(reference_of(3), "v1")
            if found is not None:
                assert found.read_bytes() == content(3, "v1")
    assert [process.exitcode for process in racers] == [0] * 6
    cache = Cache(folder, LIMIT)
    assert cache.verify() == []
    assert cache.find(reference_of(3), "v1") is not None
    size = len(content(3, "v1"))
    assert cache.size_bytes() < 2 * size
    assert bytes_on_disk(folder) < size + 20_000


@pytest.mark.parametrize("way", ["flip", "cut", "grow", "empty", "zeros", "missing"])
def test_damaged_entry_is_absent_and_can_be_replaced(tmp_path: Path, way: str) -> None:
    worker = Worker(tmp_path / "cache", tmp_path, 0)
    worker.publish(5, "v1")
    worker.publish(6, "v1")
    cache, wanted = worker.cache, content(5, "v1")
    path = cache.find(reference_of(5), "v1")
    assert path is not None
    spoiled = {
        "flip": wanted[:100] + bytes([wanted[100] ^ 4]) + wanted[101:],
        "cut": wanted[:-1],
        "grow": wanted + b"\0",
        "empty": b"",
        "zeros": bytes(len(wanted)),
    }
    stamp = path.stat()
    path.chmod(0o644)
    if way == "missing":
        path.unlink()
    else:
        path.write_bytes(spoiled[way])  # same name, and below the same times: as a bad disk would
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert len(cache.verify()) == 1
    fresh = Cache(tmp_path / "cache", LIMIT)
    assert fresh.take(reference_of(5), "v1", tmp_path / "taken.bin") is False
    assert not (tmp_path / "taken.bin").exists()
    assert fresh.find(reference_of(5), "v1") is None
    assert fresh.find(reference_of(5), None) is None
    assert fresh.verify() == []
    worker.publish(5, "v1")
    assert fresh.take(reference_of(5), "v1", tmp_path / "taken.bin") is True
    assert (tmp_path / "taken.bin").read_bytes() == wanted
    assert fresh.find(reference_of(6), "v1") is not None


def test_records_beside_the_entries_may_be_damaged_too(tmp_path: Path) -> None:
    """Whatever single file of the cache is damaged, no wrong bytes come out of it."""
    for turn in range(40):
        folder = tmp_path / f"cache{turn}"
        worker = Worker(folder, tmp_path, turn)
        for number in (1, 2, 3):
            worker.publish(number, "v1")
        worker.publish(1, "v2")
        draw = random.Random(turn)
        victim = draw.choice(sorted(files_of(folder)))
        held = victim.read_bytes()
        victim.chmod(0o644)
        if held and draw.random() < 0.7:
            place = draw.randrange(len(held))
            held = (
                held[:place] + bytes([held[place] ^ (1 << draw.randrange(8))]) + held[place + 1 :]
            )
        else:
            held = held[: len(held) // 2]
        victim.write_bytes(held)
        cache = Cache(folder, LIMIT)
        for number, version in ((1, "v1"), (1, "v2"), (2, "v1"), (3, "v1")):
            path = cache.find(reference_of(number), version)
            assert path is None or path.read_bytes() == content(number, version), victim
        for number in (1, 2, 3):
            path = cache.find(reference_of(number), None)
            allowed = [content(number, version) for version in VERSIONS]
            assert path is None or path.read_bytes() in allowed, victim
        worker.publish(2, "v1")
        again = Cache(folder, LIMIT).find(reference_of(2), "v1")
        assert again is not None and again.read_bytes() == content(2, "v1"), victim


def test_writing_into_a_taken_file_does_not_poison_the_cache(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "cache", tmp_path, 0)
    worker.publish(7, "v1")
    target = tmp_path / "taken.bin"
    assert worker.cache.take(reference_of(7), "v1", target)
    try:
        with target.open("r+b") as stream:  # a program that updates its input in place
            stream.write(b"XX")
    except PermissionError:
        pass
    found = worker.cache.find(reference_of(7), "v1")
    assert found is None or found.read_bytes() == content(7, "v1")
