"""``heliopolis lst``: surface temperature of a Landsat scene's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lst(
    item: Annotated[Path, typer.Option(help="Folder with USGS-named files, or a STAC item (JSON)")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: lst_c, lst_sd_c")],
    method: Annotated[str, typer.Option(help="product, rte, smw or split-window")] = "product",
    tcwv: Annotated[
        float | None, typer.Option(help="Total column water vapour [mm], for smw, split-window")
    ] = None,
    emissivity: Annotated[
        Path | None, typer.Option(help="Raster of emissivity 0..1; by default the scene's own")
    ] = None,
) -> None:
    """Compute land surface temperature of a Landsat Collection 2 scene, clear pixels only.

    Example: heliopolis lst --item LC09_L2SP_199026_20240726/ --method rte --out lst.tif
    """
    from heliopolis.steps.landsat_lst import write_landsat_lst

    write_landsat_lst(item, out, method=method, tcwv_mm=tcwv, emissivity=emissivity)
    typer.echo(f"wrote {out}", err=True)
