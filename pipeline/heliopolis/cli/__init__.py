"""The command line."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from heliopolis import __version__
from heliopolis.errors import HeliopolisError

app = typer.Typer(
    name="heliopolis",
    help="From satellite and aerial imagery to where a city is too hot, and what every roof can "
    "produce.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


#: Command -> module of this package and function.
_COMMANDS = {
    "run": ("workflow", "run"),
    "plan": ("workflow", "plan"),
    "check": ("workflow", "check"),
    "doctor": ("workflow", "doctor"),
    "schema": ("workflow", "schema"),
    "simulate": ("simulate", "simulate"),
    "lst": ("lst", "lst"),
    "slstr": ("slstr", "slstr"),
    "sharpen": ("sharpen", "sharpen"),
    "planes": ("planes", "planes"),
    "horizon": ("horizon", "horizon"),
    "irradiance": ("irradiance", "irradiance"),
    "yield": ("pv_yield", "pv_yield"),
    "hotspots": ("hotspots", "hotspots"),
    "segment": ("segment", "segment"),
    "explain": ("explain", "explain"),
    "validate": ("validate", "validate"),
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"heliopolis {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors on purpose become one paragraph and an exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        app(args=words, standalone_mode=True)
    except HeliopolisError as error:
        if debug:
            raise
        print(f"heliopolis: error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _register() -> None:
    from heliopolis.cli.options import MultiValueCommand

    for name, (module, function) in _COMMANDS.items():
        command = getattr(importlib.import_module(f"heliopolis.cli.{module}"), function)
        settings = {"allow_extra_args": True} if name == "run" else {}
        kind = None if name == "run" else MultiValueCommand
        app.command(name, cls=kind, context_settings=settings)(command)


_register()
