"""Answers of web services, asked through the client and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from heliopolis.io.remote.cache import Key
from heliopolis.io.remote.client import CorruptError, OfflineError, RemoteError
from heliopolis.io.remote.window import Store

_EXCERPT = 300


@dataclass(frozen=True)
class Question:
    """One request to a service that names no version of what it answers.

    Attributes
    ----------
    archive
        Name of the archive, in the key of the cache.
    what
        What is asked for, in words, for messages.
    url
        Address with its query; it must hold no secret.
    body
        Body of a POST; a GET where None.
    headers
        Further headers.
    version
        Version of the data where it is known beforehand, such as a release. Where it is not,
        an answer counts for the calendar month in which it was given.
    check
        Raises where the answer is not what was asked for.
    confirm
        Whether an answer over plain ``http`` is read until two agree, because damage to it
        would not be seen.
    """

    archive: str
    what: str
    url: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    version: str | None = None
    check: Callable[[bytes], object] = bytes
    confirm: bool = False

    @property
    def reference(self) -> tuple[tuple[str, str], ...]:
        """Identity of the question in the cache."""
        pairs = {"kind": "answer", "archive": self.archive, "url": self.url}
        if self.body is not None:
            pairs["body"] = hashlib.sha256(self.body).hexdigest()
        return tuple(sorted(pairs.items()))


def with_query(url: str, query: Mapping[str, object]) -> str:
    """Address with a query; signs that services expect to be plain stay so."""
    mark = "&" if urlsplit(url).query else "?"
    return url + mark + urlencode({k: str(v) for k, v in query.items()}, safe=",:/;()")


def today() -> date:
    """Date that decides for how long an answer counts."""
    return datetime.now(UTC).date()


def kept(store: Store, question: Question) -> bytes:
    """Answer from the cache if it is there in the wanted version, else from the service.

    Offline, an older answer serves where there is one.
    """
    version = question.version or _month()
    found = _find(store, question, version)
    if found is not None:
        return found
    try:
        return _ask(store, question, version)
    except OfflineError:
        older = _find(store, question, question.version)
        if older is None:
            raise
        return older


def current(store: Store, question: Question) -> bytes:
    """Answer as the service gives it now; offline, the last one that was given.

    For short lists that decide what is to be fetched.
    """
    try:
        return _ask(store, question, question.version or _month())
    except OfflineError:
        found = _find(store, question, question.version)
        if found is None:
            raise
        return found


def _find(store: Store, question: Question, version: str | None) -> bytes | None:
    found = store.cache.find(question.reference, version)
    try:
        return found.read_bytes() if found is not None else None
    except FileNotFoundError:  # evicted by another process since
        return None


def _ask(store: Store, question: Question, version: str) -> bytes:
    headers = dict(question.headers)
    if question.body is None:
        answer = store.client.get(
            question.url, what=question.what, headers=headers, confirm=question.confirm
        )
    else:
        answer = store.client.post(question.url, question.body, what=question.what, headers=headers)
    question.check(answer.body)
    with store.cache.publish(Key(question.reference, version), ".answer") as path:
        path.write_bytes(answer.body)
    return answer.body


def _month() -> str:
    return f"{today():%Y-%m}"


def read_json(body: bytes, what: str) -> Any:
    """JSON of an answer; an error of the service where it is something else."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise refused(body, what) from error


def refused(body: bytes, what: str) -> RemoteError:
    """Error for an answer of the wrong kind, with what the service says in it."""
    text = " ".join(body[: 4 * _EXCERPT].decode("utf-8", "replace").split())
    if not text.isprintable():
        return CorruptError("the answer is not what was asked for", where=what)
    return RemoteError(
        f"the service answered with a message instead of data: {text[:_EXCERPT]}",
        where=what,
        remedy="Try again later; if it stays so, the service may have changed",
    )
