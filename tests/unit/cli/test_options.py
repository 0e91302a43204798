from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from heliopolis.cli.options import MultiValueCommand, repeated


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--p", "a", "b", "--o", "x"], ["--p", "a", "--p", "b", "--o", "x"]),
        (["--p=a", "b"], ["--p=a", "--p", "b"]),
        (["--p", "a", "--p", "b", "c"], ["--p", "a", "--p", "b", "--p", "c"]),
        (["--o", "x", "y"], ["--o", "x", "y"]),
        (["--p", "-1.5", "2"], ["--p", "-1.5", "--p", "2"]),
        (["--p", "a", "--", "b", "--p", "c"], ["--p", "a", "--", "b", "--p", "c"]),
    ],
)
def test_words_are_expanded(words: list[str], expected: list[str]) -> None:
    assert repeated(words, ["--p"]) == expected


def test_command_takes_several_values_after_one_flag() -> None:
    app = typer.Typer()

    @app.command(cls=MultiValueCommand)
    def go(
        points: Annotated[list[Path], typer.Option("--points")],
        out: Annotated[Path, typer.Option("--out")],
        bbox: Annotated[tuple[float, float], typer.Option("--bbox")] = (0.0, 0.0),
    ) -> None:
        typer.echo("|".join(str(p) for p in points) + f" {out} {bbox}")

    words = [
        "--points",
        "a.laz",
        "b.laz",
        "--bbox",
        "-1",
        "2",
        "--out",
        "o.gpkg",
        "--points",
        "c.laz",
    ]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    assert answer.output.strip() == "a.laz|b.laz|c.laz o.gpkg (-1.0, 2.0)"
    assert CliRunner().invoke(app, ["--points", "--out", "o"]).exit_code == 2
