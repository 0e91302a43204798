"""``heliopolis sharpen``: coarse surface temperature and fine predictors to a fine map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sharpen(
    coarse: Annotated[Path, typer.Option(help="Raster of coarse surface temperature")],
    predictors: Annotated[
        list[Path], typer.Option(help="Fine rasters, all bands are used; may be repeated")
    ],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: lst_c, lst_sd_c, flags")],
    classes: Annotated[
        Path | None, typer.Option(help="Fine raster of class codes, in its first band")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(help="Cell size of the output [m]; the predictors' by default")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="JSON report to write")] = None,
    psf: Annotated[
        float, typer.Option(help="Blur of the coarse sensor beyond its cell, FWHM [m]")
    ] = 0.0,
    random_error: Annotated[
        bool,
        typer.Option(help="The error that the coarse raster states is random from cell to cell"),
    ] = False,
) -> None:
    """Sharpen a coarse temperature raster with fine predictors, where they have skill.

    Example: heliopolis sharpen --coarse lst_900m.tif --predictors ndvi.tif albedo.tif
    --classes landcover.tif --out lst_10m.tif --report report.json
    """
    from heliopolis.steps.sharpen_files import sharpen_files

    told = sharpen_files(
        coarse, predictors, out, classes=classes, resolution_m=resolution, report=report,
        psf_fwhm_m=psf, random_error=random_error,
    )  # fmt: skip
    skill = told["skill"].get("skill_vs_bilinear")
    held_out = "not tested" if skill is None else f"{skill:.0%} against bilinear, held out"
    typer.echo(
        f"wrote {out}: method {told['method']}, skill {held_out}, effective resolution "
        f"{told['effective_resolution_m']:g} m",
        err=True,
    )
