"""``heliopolis simulate``: a city with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    preset: Annotated[
        str, typer.Option(help="demo: 8 km with a core of 600 m; tiny: 3 km with 240 m.")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="Same seed, same city.")] = 1,
    size_m: Annotated[
        float | None, typer.Option("--size", help="Side of the extent in metres.")
    ] = None,
    core_m: Annotated[
        float | None,
        typer.Option("--core", help="Side of the part with orthophoto, points and footprints."),
    ] = None,
) -> None:
    """Make a simulated city: satellite scenes, orthophoto, points, footprints, weather, truth.

    Example: heliopolis simulate --out configs/demo/data --preset demo
    """
    from heliopolis.simulate.export import simulate as make

    made = make(out, preset=preset, seed=seed, size_m=size_m, core_m=core_m)
    typer.echo(f"simulated city in {made}", err=True)
