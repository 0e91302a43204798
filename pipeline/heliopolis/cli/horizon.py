"""``heliopolis horizon``: how high the horizon stands around every cell of a surface model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def horizon(
    dsm: Annotated[Path, typer.Option(help="Raster of surface heights [m], in a metric CRS")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: one band for each direction [deg]")],
    directions: Annotated[
        int, typer.Option(help="Number of directions N; band k looks to azimuth k*360/N")
    ] = 36,
    max_distance: Annotated[
        float | None,
        typer.Option(help="How far lines of sight are followed [m]; the whole raster by default"),
    ] = None,
    lowest_sun: Annotated[
        float | None,
        typer.Option(
            help="Follow sight only as far as the tallest thing can hide a sun this high [deg]",
            min=0.1,
            max=89,
        ),
    ] = None,
    terrain: Annotated[
        Path | None,
        typer.Option(help="Elevation model of the hills beyond the surface model, any CRS"),
    ] = None,
) -> None:
    """Compute the elevation angle of the horizon in N directions, clockwise from north.

    Example: heliopolis horizon --dsm dsm.tif --directions 36 --max-distance 200 --out horizon.tif
    """
    from heliopolis.steps.solar_files import horizon_file

    horizon_file(
        dsm,
        out,
        directions=directions,
        max_distance_m=max_distance,
        lowest_sun_deg=lowest_sun,
        terrain=terrain,
    )
    typer.echo(f"wrote {out}: {directions} directions", err=True)
