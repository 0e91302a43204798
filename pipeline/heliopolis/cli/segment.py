"""``heliopolis segment``: roofs in an aerial image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def segment(
    image: Annotated[Path, typer.Option(help="RGB(I) image of 0.1 to 0.6 m")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: roof_probability, 0..1")],
    polygons: Annotated[
        Path | None, typer.Option(help="GeoPackage to write: layers roofs, originals")
    ] = None,
    gsd: Annotated[
        float | None,
        typer.Option(help="Ground sampling distance [m] of an image without georeference", min=0),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Other weights: the .json beside the .onnx file")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability from which a pixel is roof; the net's own", min=0, max=1),
    ] = None,
    min_area: Annotated[float, typer.Option(help="Smallest roof [m2]", min=0)] = 10.0,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over mirror images: four times slower")
    ] = False,
    height: Annotated[
        Path | None, typer.Option(help="Raster of heights above the ground [m], if there is one")
    ] = None,
) -> None:
    """Find roofs in an aerial image.

    Example: heliopolis segment --image ortho.tif --out probability.tif --polygons roofs.gpkg
    """
    from heliopolis.steps.segment_image import segment_image

    def tell(done: int, total: int) -> None:
        typer.echo(f"block {done} of {total}", err=True)

    count = segment_image(
        image,
        out,
        polygons=polygons,
        gsd_m=gsd,
        weights=weights,
        threshold=threshold,
        min_area_m2=min_area,
        flips=flips,
        height=height,
        progress=tell,
        warn=lambda text: typer.echo(f"warning: {text}", err=True),
    )
    typer.echo(f"wrote {out}", err=True)
    if polygons is not None:
        typer.echo(f"wrote {polygons}: {count} roofs", err=True)
