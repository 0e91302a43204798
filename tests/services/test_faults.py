"""Faults of archives: the result is the right one to the last byte, or a clear error.

Every run fetches something through a server that breaks its answers by a seed, and must end

* with exactly the bytes of a run without faults, or
* with a `HeliopolisError` that names item, asset and cause and holds no token,

and afterwards the cache verifies and a run without faults, from the same cache, gives exactly the
right bytes. The server is nginx where it is installed, else a small one of the suite's own.

What no client can see, and what therefore is not asked for here:

* Wrong bytes of the right length that come back the same each time, over plain ``http``, in data
  without a checksum (codecs but deflate, files without ``file:checksum``). Bytes that differ from
  reading to reading are found, because such data are read until two readings agree; over
  ``https`` the transport vouches for them. Permanent wrong bytes are therefore asked for only
  where a checksum exists (``Deed.checked``).
* A file that ends too early every time, or an answer without a length that always breaks off at
  the same byte, where neither checksum nor size is known.
* Wrong values in the answer of a catalog that are still valid JSON, if they come twice.
* A file replaced by one that has the same entity tag, or where the server names none.
* Bits of a deflate stream that are never read (the padding before its checksum).
"""

from __future__ import annotations

import json
import logging
import random
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heliopolis.errors import HeliopolisError
from heliopolis.io.remote.cache import Cache
from heliopolis.io.remote.client import Client, Manners
from heliopolis.io.remote.tokens import PlanetaryComputer
from heliopolis.io.remote.window import Store
from tests.services import nginx
from tests.services.fault_proxy import (
    WRONG_BYTES,
    Fault,
    FaultProxy,
    Faults,
    FolderOrigin,
    Origin,
    QuerySigner,
    RelayOrigin,
    Reply,
    Request,
    serving,
)
from tests.services.small_archive import (
    DEEDS,
    ITEM,
    MANNERS,
    PATIENT,
    Deed,
    Site,
    store_at,
    write_archive,
)

pytestmark = pytest.mark.services

BATCHES, RUNS_PER_BATCH = 25, 20

HASTY = Manners(attempts=2, first_wait_s=0.01, connect_timeout_s=2.0, read_timeout_s=0.1)

#: Faults that nobody can know where they strike every reading in the same way, no checksum exists
#: and no size is known.
UNKNOWABLE = WRONG_BYTES | {Fault.UNDECLARED}

#: What an error must say after the faults that struck. An alternative for each fault.
CAUSES = {
    Fault.TOO_MANY: r"429|too many",
    Fault.BUSY: r"503|unavailable",
    Fault.BROKEN: r"50[024]",
    Fault.RESET: r"reset|broke|closed|short|incomplete",
    Fault.DROP: r"broke|closed|disconnect|without an answer|connection",
    Fault.SHORT: r"broke|short|incomplete|instead of|of \d+ bytes|length",
    Fault.CLIPPED: r"range|bytes|checksum|size",
    Fault.ELSEWHERE: r"range|bytes",
    Fault.STALL: r"silen|time|no answer|nothing came",
    Fault.EXPIRED: r"40[13]|token|refus",
    Fault.GONE: r"404|410|gone|no longer|not there",
    Fault.HTML_200: r"html|web page|page",
    Fault.HTML_206: r"html|web page|page",
    Fault.LOGIN: r"html|page|redirect",
    Fault.FLAPPING: r"chang|replaced|version|etag",
    Fault.REPLACED: r"chang|replaced|version|etag|checksum",
    Fault.NO_RANGE: r"range|parts of a file",
    Fault.GZIPPED: r"compress|ends before|size|encod|bytes|length|range|gzip",
    Fault.UNDECLARED: r"bytes|ended|length|checksum|short|incomplete|broke",
}
_BAD_BYTES = (
    r"checksum|differ|damaged|corrupt|not a tiff|claim|contradict|tiff|no sense|html|page|"
    r"decode|bytes|json|expected|ends before|size|no such"
)
CAUSES |= dict.fromkeys(WRONG_BYTES, _BAD_BYTES)
_BREAKER = r"left alone|in a row|failures"


@dataclass
class World:
    """The archive, its replacement, the server between, and the right results."""

    proxy: FaultProxy
    site: Site
    later: Site
    truth: dict[str, dict[str, bytes]] = field(default_factory=dict)
    truth_later: dict[str, dict[str, bytes]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    first, later = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("later")
    write_archive(first, 1)
    write_archive(later, 2)
    with ExitStack() as stack:
        origins: list[Origin] = []
        for folder in (first, later):
            if nginx.nginx_binary() is None:
                origins.append(FolderOrigin(folder))
            else:
                origins.append(RelayOrigin(stack.enter_context(nginx.serving(folder)).base))
        proxy = FaultProxy(*origins)
        base = stack.enter_context(serving(proxy))
        base_later = stack.enter_context(serving(FaultProxy(origins[1])))
        made = World(proxy, Site(base, first), Site(base_later, later))
        folder = tmp_path_factory.mktemp("truth")
        for number, deed in enumerate(DEEDS.values()):
            for site, found in ((made.site, made.truth), (made.later, made.truth_later)):
                local = folder / f"{number}{site is made.later}"
                found[deed.name] = deed.act(store_at(local / "cache"), site, local / "local")
        yield made


@dataclass
class Run:
    """One fetch under faults and what became of it."""

    world: World
    deed: Deed
    faults: Faults
    folder: Path
    signed: bool = False
    stuck: bool = False
    manners: Manners = MANNERS
    waits: list[float] = field(default_factory=list)
    error: HeliopolisError | None = None
    got: dict[str, bytes] | None = None
    struck: Counter[Fault] = field(default_factory=Counter)

    def store(self, manners: Manners) -> Store:
        client = Client(manners, offline=False, sleep=self.waits.append, seed=self.faults.seed)
        return Store(client, Cache(self.folder / "cache", 10**9))

    def go(self) -> Run:
        """Fetch under faults, judge, fetch again without faults, judge."""
        proxy = self.world.proxy
        proxy.token = proxy.rotate_token() if self.signed else None
        proxy.faults = self.faults
        try:
            self.fetch()
            self.struck = proxy.struck()
            proxy.faults = Faults()
            self.judge()
            self.fetch_again()
        finally:
            proxy.faults, proxy.token = Faults(), None
        return self

    def site(self) -> Site:
        signer = QuerySigner(self.world.proxy, stuck=self.stuck) if self.signed else None
        return Site(self.world.site.base, self.world.site.folder, signer)

    def fetch(self) -> None:
        site = self.site()
        if self.stuck:
            self.world.proxy.rotate_token()
        try:
            self.got = self.deed.act(self.store(self.manners), site, self.folder / "local")
        except HeliopolisError as error:
            self.error = error

    def right(self, got: dict[str, bytes] | None) -> bool:
        """Whether each file is the one of a run without faults; or wholly of the later archive."""
        first, later = (
            truth[self.deed.name] for truth in (self.world.truth, self.world.truth_later)
        )
        if got is None or got.keys() != first.keys():
            return False
        replaced = Fault.REPLACED in self.faults.kinds
        return all(
            content == first[name] or (replaced and content == later[name])
            for name, content in got.items()
        )

    def judge(self) -> None:
        if self.error is None:
            assert self.right(self.got), f"a lie after {dict(self.struck)}"
        else:
            self.judge_error(self.error)
        assert Cache(self.folder / "cache").verify() == []

    def judge_error(self, error: HeliopolisError) -> None:
        text = str(error)
        assert ITEM in text, text
        assert any(re.search(rf"\b{name}\b", text) for name in self.deed.assets), text
        kinds = set(self.struck) | ({Fault.REPLACED} & set(self.faults.kinds))
        assert kinds, f"an error though nothing went wrong: {text}"
        causes = "|".join((*(CAUSES[kind] for kind in kinds), _BREAKER))
        assert re.search(causes, text, re.IGNORECASE), f"{text} after {dict(self.struck)}"
        for told in (text, repr(error), "".join(traceback.format_exception(error))):
            assert "SECRET" not in told and "sig=" not in told, told

    def fetch_again(self) -> None:
        site = self.site()
        got = self.deed.act(self.store(PATIENT), site, self.folder / "local")
        assert self.right(got), f"a lie without faults after {dict(self.struck)}"
        if self.error is None:
            assert got == self.got
            assert self.world.proxy.bytes_sent == 0, "downloaded twice"
        assert Cache(self.folder / "cache").verify() == []


def drawn(world: World, seed: int, folder: Path) -> Run:
    """A run in which everything is drawn from the seed."""
    source = random.Random(seed)
    deed = source.choice(list(DEEDS.values()))
    kinds = list(Fault)
    if source.random() < 0.5:
        chosen = tuple(source.sample(kinds, source.randint(1, 2)))
    else:
        chosen = tuple(source.sample(kinds, source.randint(3, len(kinds))))
    permanent = source.random() < 0.15
    if permanent and not deed.checked:
        chosen = tuple(kind for kind in chosen if kind not in UNKNOWABLE) or (Fault.RESET,)
    faults = Faults(
        seed=seed,
        kinds=chosen,
        probability=source.choice((0.1, 0.3, 0.5, 0.7)),
        permanent=permanent,
        spared=source.choice((0, 0, 1, 2, 4)),
    )
    signed = deed.signed and (Fault.EXPIRED in chosen or source.random() < 0.2)
    return Run(world, deed, faults, folder, signed)


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No token in any record of the log, not even in those for debugging of our own."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="heliopolis")
    yield
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.usefixtures("watched")
def test_seeded_faults(world: World, batch: int, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(batch * RUNS_PER_BATCH, (batch + 1) * RUNS_PER_BATCH):
        run = drawn(world, seed, tmp_path / str(seed))
        try:
            run.go()
        except BaseException as error:
            error.add_note(f"seed {seed}: {run.deed.name}, {run.faults}, signed {run.signed}")
            raise
        outcomes["error" if run.error else "right"] += 1
        outcomes["untouched"] += not run.struck
    print(dict(outcomes))


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
@pytest.mark.usefixtures("watched")
def test_each_fault_on_each_kind_of_file(world: World, fault: Fault, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for number, deed in enumerate(DEEDS.values()):
        if fault is Fault.EXPIRED and not deed.signed:
            continue
        for seed in range(2 * number, 2 * number + (1 if fault is Fault.STALL else 2)):
            faults = Faults(seed, (fault,), 0.5, spared=seed % 2)
            run = Run(world, deed, faults, tmp_path / str(seed), signed=fault is Fault.EXPIRED)
            if fault is Fault.STALL:
                run.manners = HASTY
            try:
                run.go()
            except BaseException as error:
                error.add_note(f"{deed.name}, {faults}")
                raise
            outcomes["error" if run.error else "right"] += 1
            outcomes["untouched"] += not run.struck
    print(dict(outcomes))


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
@pytest.mark.usefixtures("watched")
def test_fault_that_stays_is_an_error_that_says_so(
    world: World, fault: Fault, tmp_path: Path
) -> None:
    for number, deed in enumerate(DEEDS.values()):
        if fault in UNKNOWABLE and not deed.checked:
            continue
        if fault is Fault.EXPIRED and not deed.signed:
            continue
        faults = Faults(7 + number, (fault,), 1.0, permanent=True)
        signed = fault is Fault.EXPIRED
        run = Run(world, deed, faults, tmp_path / str(number), signed=signed)
        run.manners = HASTY
        try:
            run.go()
            if fault not in (Fault.NO_RANGE, Fault.GZIPPED, Fault.FLAPPING, Fault.REPLACED):
                assert run.error is not None, f"{deed.name} came through"
        except BaseException as error:
            error.add_note(f"{deed.name}, {faults}")
            raise


@pytest.mark.parametrize(
    "fault",
    [Fault.TOO_MANY, Fault.BUSY, Fault.BROKEN, Fault.RESET, Fault.DROP, Fault.SHORT,
     Fault.STALL, Fault.EXPIRED],
    ids=lambda fault: fault.name.lower(),
)  # fmt: skip
def test_fault_that_passes_is_survived(world: World, fault: Fault, tmp_path: Path) -> None:
    """One request in four breaks: with enough patience every fetch succeeds."""
    patience = Manners(
        attempts=12,
        first_wait_s=0.01,
        connect_timeout_s=2.0,
        read_timeout_s=0.2,
        breaker_failures=100,
    )
    for number, deed in enumerate(DEEDS.values()):
        if fault is Fault.EXPIRED and not deed.signed:
            continue
        share = 0.1 if fault in (Fault.EXPIRED, Fault.BUSY) else 0.25
        faults = Faults(100 + number, (fault,), share)
        run = Run(world, deed, faults, tmp_path / str(number), signed=fault is Fault.EXPIRED)
        run.manners = patience
        run.go()
        assert run.error is None, f"{deed.name}: {run.error}"


def test_least_wait_is_the_one_that_the_server_asks_for(world: World, tmp_path: Path) -> None:
    faults = Faults(3, (Fault.TOO_MANY,), 0.5)
    run = Run(world, DEEDS["window plain"], faults, tmp_path).go()
    assert run.struck[Fault.TOO_MANY] > 0
    assert max(run.waits) >= 1.0


def test_account_that_is_closed_says_so_without_its_token(world: World, tmp_path: Path) -> None:
    run = Run(world, DEEDS["window deflate"], Faults(), tmp_path, signed=True, stuck=True)
    proxy = world.proxy
    proxy.rotate_token()
    try:
        run.fetch()
    finally:
        refused = proxy.struck()[Fault.EXPIRED]
        proxy.token = None
    run.struck = Counter({Fault.EXPIRED: refused})
    assert run.error is not None
    run.judge()
    assert refused <= 4


class TokenOrigin:
    """Gives out the token of the proxy under /token, as the Planetary Computer does."""

    def __init__(self, proxy: FaultProxy, behind: Origin) -> None:
        self._proxy, self._behind = proxy, behind

    def __call__(self, request: Request) -> Reply:
        if not request.path.startswith("/token"):
            return self._behind(request)
        end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        told = {"token": f"sig={self._proxy.token}", "msft:expiry": end}
        return Reply(200, json.dumps(told).encode(), {"content-type": "application/json"})


def judge_token_error(error: HeliopolisError, seed: int) -> None:
    text = str(error)
    assert ITEM in text and re.search(r"\bred\b", text), f"seed {seed}: {text}"
    assert "token" in text.lower(), f"seed {seed}: {text}"
    assert "SECRET" not in "".join(traceback.format_exception(error)), f"seed {seed}"


@pytest.mark.usefixtures("watched")
def test_faults_of_the_service_that_gives_tokens(world: World, tmp_path: Path) -> None:
    proxy = FaultProxy(world.proxy.origin)
    proxy.origin = TokenOrigin(proxy, world.proxy.origin)
    proxy.open_paths = r"^/token"
    deed, outcomes = DEEDS["window deflate"], Counter[str]()
    kinds = [kind for kind in Fault if kind not in (Fault.EXPIRED, Fault.REPLACED)]
    with serving(proxy) as base:
        for seed in range(60):
            folder = tmp_path / str(seed)
            proxy.rotate_token()
            proxy.faults = Faults(seed, tuple(kinds), 0.7, only="^/token", permanent=seed % 2 == 0)
            store = store_at(folder / "cache", MANNERS)
            signer = PlanetaryComputer(store.client, url=f"{base}/token", storage="127.0.0.1")
            site = Site(base, world.site.folder, signer)
            try:
                got = deed.act(store, site, folder / "local")
            except HeliopolisError as error:
                outcomes["error"] += 1
                judge_token_error(error, seed)
            else:
                outcomes["right"] += 1
                assert got == world.truth[deed.name], f"seed {seed}"
            assert store.cache.verify() == []
    print(dict(outcomes))


def test_replaced_file_is_never_mixed_with_the_old_one(world: World, tmp_path: Path) -> None:
    """The file is replaced after each possible number of requests."""
    for name in ("window plain", "window deflate", "window jpeg", "file", "window wavelet"):
        for spared in range(12):
            faults = Faults(spared, (Fault.REPLACED,), 1.0, spared=spared)
            run = Run(world, DEEDS[name], faults, tmp_path / f"{name}{spared}")
            try:
                run.go()
            except BaseException as error:
                error.add_note(f"{name}, replaced after {spared} requests")
                raise
