"""Work tiles of a run, as the step ``tiles`` lists them."""

from __future__ import annotations

import json
from pathlib import Path

from heliopolis.errors import InputError

Bounds = tuple[float, float, float, float]


def tile_bounds(tiles: Path, tile: str) -> Bounds:
    """West, south, east, north of a tile [m], from ``tiles.json``.

    Raises
    ------
    InputError
        When the list has no such tile.
    """
    for record in json.loads(tiles.read_text(encoding="utf-8")):
        if record["id"] == tile:
            west, south, east, north = (float(value) for value in record["bounds"])
            return west, south, east, north
    raise InputError(
        f"the tile {tile!r} is not in the list",
        where=str(tiles),
        remedy="Delete the file and run again",
    )
