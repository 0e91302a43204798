"""``heliopolis slstr``: surface temperature of a Sentinel-3 swath on a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def slstr(
    product: Annotated[Path, typer.Option(help="SL_2_LST product folder, ending in .SEN3")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: lst_c, lst_sd_c")],
    bbox: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="West south east north [deg]; the whole swath by default"),
    ] = None,
    resolution: Annotated[float, typer.Option(help="Cell size [m]")] = 1000.0,
    crs: Annotated[
        str | None, typer.Option(help="Metric CRS; by default the UTM zone of the middle")
    ] = None,
) -> None:
    """Grid a Sentinel-3 SLSTR land surface temperature product, clear pixels only.

    Example: heliopolis slstr --product S3A_SL_2_LST____20240129T100540.SEN3
    --bbox 5.5 45.0 6.5 45.5 --crs EPSG:2154 --out lst.tif
    """
    from heliopolis.steps.slstr_lst import write_slstr_lst

    write_slstr_lst(product, out, bounds=bbox, resolution_m=resolution, crs=crs)
    typer.echo(f"wrote {out}", err=True)
