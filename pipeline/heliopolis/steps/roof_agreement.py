"""How far the net agrees with the footprints of an area that was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heliopolis.errors import InputError
from heliopolis.io.vector import read_layer
from heliopolis.roofs.agreement import agreement
from heliopolis.roofs.registration import estimate_shifts
from heliopolis.steps.roof_images import Tiles, threshold_of
from heliopolis.study import Study


def score_area(configuration: Path) -> dict[str, Any]:
    """Scores of the net against the footprints of a configuration's area, and its role.

    Raises
    ------
    InputError
        Without footprints, or before a run has looked for roofs in the images.
    """
    study = Study.load(configuration)
    work = study.results / "work" / "roofs"
    outlines, tiles = work / "outlines.gpkg", sorted((work / "probability").glob("*.tif"))
    footprints = [Path(path) for path in study.file("footprints")]
    if not footprints or not outlines.exists() or not tiles:
        raise InputError(
            "there are no roofs from images, or no footprints to compare them with",
            where=str(work),
            remedy=f"Give footprints and imagery, then: heliopolis run {configuration}",
        )
    section, crs = study.config.footprints, study.config.area.crs
    known = read_layer(footprints[0], section.layer if section else None, crs=crs)
    roof = Tiles(tiles).raster("roof_probability", threshold_of(tiles, study.config.roofs))
    shift, _ = estimate_shifts(known, roof)
    agreed = agreement(known, read_layer(outlines, "outlines", crs=crs), roof, shift)
    moved = {} if shift is None else {"image_shift_m": [shift.x_m, shift.y_m]}
    return {**agreed.as_dict(), **moved}
