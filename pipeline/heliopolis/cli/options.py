"""Options that take one or more values after one flag: ``--points a.laz b.laz``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand


def repeated(words: Sequence[str], flags: Iterable[str]) -> list[str]:
    """Write ``--flag a b`` as ``--flag a --flag b`` for each of ``flags``.

    The values of a flag end at the next word that begins with ``-`` and is not a number, or at
    ``--``, after which nothing is changed.

    >>> repeated(["--points", "a.laz", "b.laz", "--out", "o.gpkg"], ["--points"])
    ['--points', 'a.laz', '--points', 'b.laz', '--out', 'o.gpkg']
    """
    known = set(flags)
    out: list[str] = []
    flag: str | None = None
    bare = False
    for index, word in enumerate(words):
        if word == "--":
            return out + list(words[index:])
        name, equals, _ = word.partition("=")
        if word.startswith("-") and not _is_number(word):
            flag = name if name in known else None
            bare = flag is not None and not equals
        elif flag is not None and not bare:
            out.append(flag)
        else:
            bare = False
        out.append(word)
    return out


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class MultiValueCommand(TyperCommand):
    """A command whose list options take several values after one flag, and may be repeated.

    Register with ``app.command(name, cls=MultiValueCommand)``; every option of a list type,
    such as ``Annotated[list[Path], typer.Option("--points")]``, then works this way.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Expand the words of the call, then parse them as usual."""
        flags = [
            flag
            for parameter in self.params
            if getattr(parameter, "multiple", False)
            for flag in parameter.opts
        ]
        return super().parse_args(ctx, repeated(args, flags))
