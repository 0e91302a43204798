"""What was read from archives, kept on disk: whole, verified, shared between processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from heliopolis.errors import ConfigError, InputError

Reference = tuple[tuple[str, str], ...]

_DESCRIPTION = "entry.json"
#: Share of the limit after which the folder is looked through again for what others added.
_LOOK_AGAIN = 0.005


@dataclass(frozen=True)
class Key:
    """Name of a content.

    Parameters
    ----------
    reference
        Sorted pairs of name and value: item, asset, window, kind.
    version
        What changes when the source does: ETag, checksum, or the date of the item's update.
    """

    reference: Reference
    version: str


@dataclass(frozen=True)
class _Entry:
    """Description that lies beside a content."""

    reference: Reference
    version: str
    file: str
    size: int
    sha256: str
    created: float


class Cache:
    """Contents on disk under a folder, up to a size; several processes may share it.

    An entry is a folder that holds a content and its description; it is renamed into place, so
    it is there whole or not at all. Contents are compared with their SHA-256 whenever they are
    found, so what was damaged on disk counts as absent. Each process holds a lock on the
    temporary folder it writes to; a folder without a lock was left by a process that died.

    Parameters
    ----------
    folder
        Where the cache lies; made when first written to.
    limit_bytes
        Largest size of all contents together.
    """

    def __init__(self, folder: Path, limit_bytes: int = 50 * 10**9) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self._entries = self.folder / "entries"
        self._temporary = self.folder / "tmp"
        self._guard = threading.Lock()
        self._size_seen: int | None = None
        self._added = 0

    def find(self, reference: Reference, version: str | None) -> Path | None:
        """Path of a content, verified; it may be evicted later: see `take`.

        Parameters
        ----------
        reference
            As in `Key`.
        version
            As in `Key`; None finds the newest.
        """
        for folder in self._candidates(reference, version):
            entry = self._checked(folder)
            if entry is not None:
                return folder / entry.file
        return None

    def take(self, reference: Reference, version: str | None, target: Path) -> bool:
        """Put a verified content at ``target``, by a hard link where possible.

        ``target`` appears whole or not at all, is read-only, and stays when the entry is
        evicted.

        Returns
        -------
        bool
            False where the content is absent.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        for folder in self._candidates(reference, version):
            with self._draft_of(target) as draft:
                if self._checked(folder, draft) is not None:
                    _move(draft, target)
                    return True
        return False

    @contextmanager
    def publish(self, key: Key, suffix: str, target: Path | None = None) -> Iterator[Path]:
        """Yield a path to write a content to; it is kept when the block ends without an error.

        Where another process published the same key meanwhile, its content stays.

        Parameters
        ----------
        key
            Name of the content.
        suffix
            Ending of the file's name, such as ``.tif``.
        target
            Where the new content is put as well, as by `take`.
        """
        with self._workplace() as place:
            draft = place / "entry"
            draft.mkdir()
            content = draft / f"content{suffix}"
            yield content
            entry = self._describe(key, content)
            content.chmod(0o444)
            text = json.dumps(asdict(entry), indent=1)
            (draft / _DESCRIPTION).write_text(text, encoding="utf-8")
            if target is not None:
                _linked(content, place / "taken")
            self._move_in(draft, self._folder(key.reference, key.version))
            if target is not None:
                _move(place / "taken", target)
        self._keep_limit(entry.size)

    def verify(self) -> list[str]:
        """Problems of the entries, one sentence each; empty when the cache is sound."""
        problems = []
        for folder in self._all():
            with _watching(folder) as unchanged:
                what = self._problem(folder)
                if what and unchanged():
                    problems.append(f"{folder}: {what}")
        return problems

    def size_bytes(self) -> int:
        """Size of all contents together."""
        return sum(size for _, size, _ in self._sizes())

    def evict(self) -> None:
        """Remove what was least recently used, down to the limit, and what dead processes left."""
        if not self.folder.is_dir():
            return
        with self._lock():
            self._clear_temporary()
            sizes = sorted(self._sizes())
            total = sum(size for _, size, _ in sizes)
            for _, size, folder in sizes:
                if total <= self.limit_bytes:
                    break
                self._discard(folder)
                total -= size
        with self._guard:
            self._size_seen, self._added = total, 0

    def _checked(self, folder: Path, link: Path | None = None) -> _Entry | None:
        """Description of a sound entry, now the latest used; a damaged one is removed.

        With ``link`` it is the content linked there that is checked, which nobody can evict.
        """
        while folder.exists():
            with _watching(folder) as unchanged:
                entry = _described(folder)
                if entry is not None:
                    content = folder / entry.file
                    there = link is None or _linked(content, link)
                    if there and _sound(link or content, entry):
                        with suppress(OSError):
                            os.utime(folder / _DESCRIPTION)
                        return entry
                if link is not None:
                    link.unlink(missing_ok=True)
                if unchanged():
                    self._discard(folder)
                    return None
        return None

    def _problem(self, folder: Path) -> str:
        entry = _described(folder)
        if entry is None:
            return "the description cannot be read"
        if folder != self._folder(entry.reference, entry.version):
            return "lies where another content belongs"
        if not _sound(folder / entry.file, entry):
            return f"{entry.file} is not what was published"
        return ""

    def _keep_limit(self, added: int) -> None:
        with self._guard:
            self._added += added
            look = (
                self._size_seen is None
                or self._size_seen + self._added > self.limit_bytes
                or self._added > _LOOK_AGAIN * self.limit_bytes
            )
        if look:
            self.evict()

    def _describe(self, key: Key, content: Path) -> _Entry:
        if not content.is_file():
            raise InputError("Nothing was written for the cache", where=str(dict(key.reference)))
        size = content.stat().st_size
        if size > self.limit_bytes:
            raise ConfigError(
                f"A file of {size / 1e9:.3g} GB does not fit into the cache",
                where=f"{self.folder}, limit {self.limit_bytes / 1e9:.3g} GB",
                remedy="Set HELIOPOLIS_CACHE_GB to a larger size",
            )
        digest = _sha256(content)
        return _Entry(key.reference, key.version, content.name, size, digest, time.time())

    def _folder(self, reference: Reference, version: str) -> Path:
        name = _digest(sorted(list(pair) for pair in reference))
        return self._entries / name[:2] / name / _digest(version)

    def _candidates(self, reference: Reference, version: str | None) -> list[Path]:
        """Folders to look in, the best one first."""
        if version is not None:
            folder = self._folder(reference, version)
            return [folder] if folder.is_dir() else []
        family = self._folder(reference, "").parent
        dated = []
        for folder in _subfolders(family):
            entry = _described(folder)
            dated.append((entry.created if entry else 0.0, folder))
        return [folder for _, folder in sorted(dated, reverse=True)]

    def _all(self) -> Iterator[Path]:
        for shard in _subfolders(self._entries):
            for family in _subfolders(shard):
                yield from _subfolders(family)

    def _sizes(self) -> Iterator[tuple[float, int, Path]]:
        """Time of last use, size and folder of each entry."""
        for folder in self._all():
            with suppress(FileNotFoundError):
                files = {f.name: f.stat() for f in os.scandir(folder)}
                size = sum(s.st_size for name, s in files.items() if name != _DESCRIPTION)
                used = files[_DESCRIPTION].st_mtime if _DESCRIPTION in files else 0.0
                yield used, size, folder

    def _move_in(self, draft: Path, folder: Path) -> None:
        for _ in range(10):
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.rename(draft, folder)
                return
            except OSError:  # another process was first, or left something damaged
                entry = _described(folder)
                if entry is not None and _sound(folder / entry.file, entry):
                    return
                self._discard(folder)
        raise InputError("A content cannot be put into the cache", where=str(folder))

    @contextmanager
    def _draft_of(self, target: Path) -> Iterator[Path]:
        """Path in the cache, where a later process clears away what this one may leave.

        Beside ``target`` where the cache cannot be written to.
        """
        with ExitStack() as stack:
            try:
                place = stack.enter_context(self._workplace())
            except OSError:
                with _beside(target) as draft:
                    yield draft
            else:
                yield place / target.name

    def _discard(self, folder: Path) -> None:
        """Remove an entry, at once for everybody."""
        with suppress(OSError), self._workplace() as place:
            os.rename(folder, place / "entry")

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        """Temporary folder under a lock that ends with the process."""
        place, lock = self._claim()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)

    def _claim(self) -> tuple[Path, int]:
        while True:
            place = self._temporary / uuid.uuid4().hex
            place.mkdir(parents=True)
            with suppress(FileNotFoundError):
                lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o644)
                fcntl.flock(lock, fcntl.LOCK_EX)
                if (place / "lock").exists():
                    return place, lock
                os.close(lock)  # cleared away before it was locked

    def _clear_temporary(self) -> None:
        for place in _subfolders(self._temporary):
            with suppress(FileNotFoundError):
                lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(place, ignore_errors=True)
                except BlockingIOError:
                    continue
                finally:
                    os.close(lock)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def default_cache() -> Cache:
    """Cache of this user: ``HELIOPOLIS_CACHE``, or ``heliopolis`` in the user's cache folder.

    ``HELIOPOLIS_CACHE_GB`` sets the limit.

    Raises
    ------
    ConfigError
        Where the limit is not a positive number.
    """
    named = os.environ.get("HELIOPOLIS_CACHE")
    folder = Path(named) if named else Path(platformdirs.user_cache_dir("heliopolis"))
    text = os.environ.get("HELIOPOLIS_CACHE_GB", "50")
    try:
        limit_bytes = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        limit_bytes = 0
    if limit_bytes <= 0:
        raise ConfigError(
            f"Not a size in gigabytes: {text!r}",
            where="environment variable HELIOPOLIS_CACHE_GB",
            remedy="Give a positive number, such as 50",
        )
    return Cache(folder, limit_bytes)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:40]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(path: Path, entry: _Entry) -> bool:
    try:
        return path.stat().st_size == entry.size and _sha256(path) == entry.sha256
    except OSError:
        return False


def _described(folder: Path) -> _Entry | None:
    try:
        told = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        told["reference"] = tuple((str(name), str(value)) for name, value in told["reference"])
        entry = _Entry(**told)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return entry if entry.file == Path(str(entry.file)).name else None


@contextmanager
def _watching(folder: Path) -> Iterator[Callable[[], bool]]:
    """Yield a question: whether the folder is still the one that was there at first.

    It may be evicted, and published anew. The folder is kept open, so its
    number is not given to another one meanwhile.
    """
    try:
        opened = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield lambda: False
        return
    try:
        first = os.fstat(opened).st_ino

        def unchanged() -> bool:
            try:
                return os.stat(folder).st_ino == first
            except FileNotFoundError:
                return False

        yield unchanged
    finally:
        os.close(opened)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [Path(f.path) for f in os.scandir(folder) if f.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _move(draft: Path, target: Path) -> None:
    """Rename, or copy to another disk, whole or not at all."""
    try:
        os.replace(draft, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with _beside(target) as copied:
            shutil.copy(draft, copied)
            os.replace(copied, target)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Temporary path in the folder of ``target``; what is there at the end is removed."""
    path = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _linked(source: Path, target: Path) -> bool:
    """Hard link, or a copy where links are not possible; False where ``source`` is gone."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    except OSError:
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            return False
        target.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    return True
