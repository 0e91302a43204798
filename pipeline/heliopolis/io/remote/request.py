"""What is asked of an archive, what it answers, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from heliopolis.errors import HeliopolisError


class RemoteError(HeliopolisError):
    """A remote archive did not give what was asked of it."""


class OfflineError(RemoteError):
    """A network call was wanted while working offline."""


class GoneError(RemoteError):
    """The archive no longer has it (404, 410)."""


class CorruptError(RemoteError):
    """The bytes that came cannot be right."""


class Signer(Protocol):
    """Adds what a private archive asks for to each request."""

    def sign(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Address to call and headers to add; called just before each request."""

    def renew(self) -> None:
        """Forget the token: the server refused it."""


@dataclass(frozen=True)
class Answer:
    """What a server answered: header names in lower case, ``url`` without its query."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str


@dataclass(frozen=True)
class Request:
    """A question: what is asked, and what the answer must be like.

    Parameters
    ----------
    method, url, headers, body
        As sent; ``url`` before it is signed.
    what
        Item and asset, for messages.
    signer
        Adds token or key.
    accept
        Beginnings of the media types that can be right; empty takes all but HTML.
    span
        Half-open range of bytes.
    version
        ETag that the answer must carry.
    confirm
        Over plain ``http``, read until two answers agree.
    stopped
        Whether the answer is no longer wanted.
    """

    method: str
    url: str
    what: str
    signer: Signer | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    accept: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    version: str | None = None
    confirm: bool = False
    stopped: Callable[[], bool] = lambda: False

    @property
    def where(self) -> str:
        """Item, asset and address, without secrets."""
        return f"{self.what}, {bare(self.url)}"

    def failure(
        self, what: str, remedy: str = "", kind: type[RemoteError] = RemoteError
    ) -> RemoteError:
        """Error that says where this request failed."""
        return kind(what, where=self.where, remedy=remedy)


class Again(Exception):
    """An attempt failed; the next one may not. ``ill``: the host itself seems to be in trouble."""

    def __init__(self, error: RemoteError, least_wait_s: float = 0.0, *, ill: bool = True) -> None:
        super().__init__(error)
        self.error, self.least_wait_s, self.ill = error, least_wait_s, ill


class Refused(Exception):
    """The server wants other credentials, or (HEAD) another method."""

    def __init__(self, error: RemoteError, status: int) -> None:
        super().__init__(error)
        self.error, self.status = error, status


def bare(url: str) -> str:
    """``url`` without query, fragment, user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def readable(url: str) -> bool:
    """Whether ``url`` can be taken apart at all."""
    try:
        return urlsplit(url).port != -1
    except ValueError:
        return False
