"""The step that brings an input in from an open archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from odc.geo import CRS, Geometry

from heliopolis.io.archives import acquire as bring_in
from heliopolis.io.atomic import write_json
from heliopolis.io.vector import read_layer
from heliopolis.steps.store import open_store


def acquire(*, boundary: Path, target: Path, delivery: Path, options: dict[str, Any]) -> None:
    """Bring one input of a study in from an archive, with its credits.

    Parameters
    ----------
    boundary
        Study area, layer ``study_area``.
    target
        File to write.
    delivery
        What the archive says of it, as JSON: ``archive, kind, attribution, licence, year, note``.
    options
        ``kind`` and ``archive``; ``margin_m``, how far around the study area it is needed [m];
        ``resolution_m``, None where it has none; ``crs``.
    """
    crs = str(options["crs"])
    area = read_layer(boundary, "study_area", crs=crs).geometry.union_all()
    wanted = Geometry(area.buffer(float(options["margin_m"])).__geo_interface__, CRS(crs))
    resolution = options["resolution_m"]
    delivered = bring_in(
        options["kind"],
        options["archive"],
        wanted,
        crs,
        target,
        open_store(),
        resolution_m=float(resolution) if resolution is not None else None,
    )
    record = {"archive": options["archive"], "kind": options["kind"], **asdict(delivered)}
    write_json(delivery, record)
