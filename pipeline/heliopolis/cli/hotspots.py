"""``heliopolis hotspots``: significantly hot zones of any raster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def hotspots(
    raster: Annotated[Path, typer.Option(help="Raster in a metric CRS, any quantity")],
    out: Annotated[Path, typer.Option(help="GeoPackage to write: layers hot_zones and cold_zones")],
    distance: Annotated[
        float | None,
        typer.Option(
            min=0, help="Radius of the neighbourhood [m]; by default 300 or three cells, if more"
        ),
    ] = None,
    cells: Annotated[
        Path | None,
        typer.Option(help="GeoPackage to write: layer heat_cells with gi_z, p_value, q_value"),
    ] = None,
    band: Annotated[int, typer.Option(min=1, help="Number of the band")] = 1,
    alpha: Annotated[float, typer.Option(min=0, max=1, help="False discovery rate")] = 0.05,
    min_area: Annotated[float, typer.Option(min=0, help="Smallest zone [m2]")] = 0.0,
) -> None:
    """Find zones of significantly high and low values: Getis-Ord Gi*, corrected for
    autocorrelation and for many tests.

    Cells carry gi_z, the plain statistic; p_value takes into account that neighbouring cells are
    alike, and q_value that there are many. A field that cannot be told from a random one with the
    same covariance is judged by all of its covariance, and rarely has a zone.

    Example: heliopolis hotspots --raster lst.tif --distance 300 --out zones.gpkg --cells cells.gpkg
    """  # noqa: D205
    from heliopolis.steps.hotspot_files import hotspot_files

    told = hotspot_files(
        raster, out, cells=cells, distance_m=distance, band=band, alpha=alpha, min_area_m2=min_area
    )
    typer.echo(
        f"wrote {out}: {told['n_zones']} hot and {told['n_cold_zones']} cold zones from "
        f"{told['n_cells']} cells, neighbourhood "
        f"{told['distance_m']:g} m, variance inflation by autocorrelation "
        f"{told['variance_inflation']:.2f}",
        err=True,
    )
