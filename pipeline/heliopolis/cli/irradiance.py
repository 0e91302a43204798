"""``heliopolis irradiance``: the sun's yearly energy on every cell of a surface model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def irradiance(
    dsm: Annotated[Path, typer.Option(help="Raster of surface heights [m], in a metric CRS")],
    weather: Annotated[
        list[Path], typer.Option(help="Weather file(s): CSV, EPW, PVGIS, DWD TRY; UTC")
    ],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: poa_kwh_m2_year [kWh m-2]")],
    lat: Annotated[
        float | None, typer.Option(help="Latitude [deg]; the raster's centre by default")
    ] = None,
    lon: Annotated[
        float | None, typer.Option(help="Longitude [deg]; the raster's centre by default")
    ] = None,
    directions: Annotated[int, typer.Option(help="Directions of the horizon", min=4)] = 36,
    max_distance: Annotated[
        float | None,
        typer.Option(help="How far shading is followed [m]; the whole raster by default"),
    ] = None,
    albedo: Annotated[float, typer.Option(help="Reflectance of the ground", min=0, max=1)] = 0.2,
    facade_albedo: Annotated[
        float, typer.Option(help="Reflectance of walls and trees that hide the sky", min=0, max=1)
    ] = 0.0,
    monthly: Annotated[bool, typer.Option("--monthly", help="Write the twelve months too")] = False,
) -> None:
    """Compute annual plane-of-array irradiance on each cell's own slope, shading included.

    Example: heliopolis irradiance --dsm dsm.tif --weather weather.csv --out poa.tif
    """
    from heliopolis.steps.solar_files import irradiance_file

    irradiance_file(
        dsm,
        weather,
        out,
        latitude=lat,
        longitude=lon,
        directions=directions,
        max_distance_m=max_distance,
        albedo=albedo,
        facade_albedo=facade_albedo,
        monthly=monthly,
    )
    typer.echo(f"wrote {out}", err=True)
