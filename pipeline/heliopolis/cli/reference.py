"""Reference pages written from the code: commands, configuration, fields.

``python -m heliopolis.cli.reference pipeline/docs/reference`` writes them; a test fails when they
are behind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from heliopolis.cli import app
from heliopolis.config_reference import default_text
from heliopolis.io.atomic import write_text
from heliopolis.variables import Variable, variables

_NOTE = "<!-- Written from the code by heliopolis.cli.reference; do not edit. -->\n"


def pages() -> dict[str, str]:
    """File name to text of each page."""
    return {
        "commands.md": _commands(),
        "configuration.md": _configuration(),
        "fields.md": _fields("en"),
        "champs.md": _fields("fr"),
    }


def _commands() -> str:
    group: Any = typer.main.get_command(app)
    lines = [_NOTE, "# Commands", ""]
    lines += ["`heliopolis COMMAND --help` prints the same.", ""]
    for name, command in group.commands.items():
        lines += [f"## heliopolis {name}", ""]
        lines += _help(command.help or "")
        rows = [_parameter(one) for one in command.params if one.name != "help"]
        if rows:
            lines += ["| argument or option | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _help(text: str) -> Iterator[str]:
    """The docstring of a command, its example as code."""
    for part in text.strip().split("\n\n"):
        flat = " ".join(part.split())
        if flat.startswith("Example: "):
            yield from ("```sh", flat.removeprefix("Example: "), "```", "")
        else:
            yield from (flat, "")


def _parameter(one: Any) -> str:
    is_option = one.param_type_name == "option"
    named = [*one.opts, *one.secondary_opts]
    name = (
        ", ".join(f"`{flag}`" for flag in named)
        if is_option
        else f"`{one.metavar or one.name.upper()}`"
    )
    if is_option and one.multiple:
        name += " ..."
    default = "required" if one.required else _default(one.default)
    return f"| {name} | {default} | {_cell(getattr(one, 'help', None) or '')} |"


def _default(value: Any) -> str:
    if value is None or value is False or value == [] or value == ():
        return ""
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _configuration() -> str:
    head = [
        "# Configuration",
        "",
        "Every key with its default, as in `configs/default.yaml`. `configs/schema.json` is its",
        "JSON Schema, with which an editor completes and checks a configuration.",
        "",
    ]
    return _NOTE + "\n" + "\n".join(head) + "\n```yaml\n" + default_text() + "```\n"


def _fields(language: str) -> str:
    french = language == "fr"
    title = "Champs des résultats" if french else "Fields of the results"
    empty = (
        "NULL veut dire inconnu." if french else "NULL means unknown, never zero or a made-up code."
    )
    lines = [_NOTE, f"# {title}", "", empty, ""]
    head = "| champ | unité | signification |" if french else "| field | unit | meaning |"
    shown: dict[str, list[str]] = {}
    for one in variables():
        shown.setdefault(one.layer, []).append(_field(one, language))
    for name, rows in shown.items():
        lines += [f"## {name}", "", head, "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _field(one: Variable, language: str) -> str:
    unit = "" if one.unit in ("", "1") else one.unit
    return f"| `{one.field}` | {_cell(unit)} | {_cell(one.meaning(language))} |"


def main(folder: Path) -> None:
    """Write all pages into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
