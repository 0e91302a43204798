"""``heliopolis explain``: what stands behind each number of a building."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explain(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="Folder of results, such as results/demo")
    ],
    building: Annotated[str, typer.Option("--building", help="Identifier of the building")],
    language: Annotated[
        str | None, typer.Option(help="en or fr; that of the run by default")
    ] = None,
) -> None:
    """Print the inputs, dates, constants and steps behind each number of a building.

    Example: heliopolis explain results/demo --building b0042
    """
    from heliopolis.steps.explain import explain_building

    typer.echo(explain_building(results, building, language=language))
