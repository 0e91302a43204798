"""Errors that a person can act on: each message says what, where and what to do next."""

from __future__ import annotations


class HeliopolisError(Exception):
    """Root of the errors that heliopolis raises on purpose.

    Parameters
    ----------
    what
        What went wrong, in one sentence.
    where
        The file, band, key, scene or building it went wrong in.
    remedy
        What the reader can do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what.rstrip(".")
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        """One paragraph: what, where, remedy."""
        parts = [self.what + (f" ({self.where})" if self.where else "") + "."]
        if self.remedy:
            parts.append(self.remedy if self.remedy.endswith(".") else self.remedy + ".")
        return " ".join(" ".join(parts).split())

    def __reduce__(self) -> tuple[object, ...]:
        """Keep keyword arguments when the error crosses a process border."""
        return (_rebuild, (type(self), self.what, self.where, self.remedy))


def _rebuild(kind: type[HeliopolisError], what: str, where: str, remedy: str) -> HeliopolisError:
    return kind(what, where=where, remedy=remedy)


class ConfigError(HeliopolisError):
    """The configuration, or the call, is wrong: nothing was started."""

    exit_code = 2


class InputError(HeliopolisError):
    """An input file is missing, unreadable, or not what it should be."""


class GridError(InputError):
    """A raster or layer has no usable coordinate reference system, or does not cover the area."""


class NoDataError(HeliopolisError):
    """The inputs are readable but hold nothing to work with: no scene, all cloud, empty area."""
