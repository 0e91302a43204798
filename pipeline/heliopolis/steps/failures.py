"""What failed in a run, why, and what can be delivered without it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heliopolis.io.atomic import write_json

#: Rules that work on one tile, and on one scene: without it the rest can be delivered.
TILE_RULES = ("roof_probability", "surface_model", "roof_planes", "solar_yield")
SCENE_RULES = ("thermal_scene", "sharpen")
#: What is said of a job that left no message of its own.
SILENT = "the job did not come to its end: it was killed, or memory ran out"


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule, its tile or scene (empty where it has none), the cause."""

    rule: str
    unit: str
    cause: str

    @property
    def job(self) -> str:
        """Name of the job."""
        return f"{self.rule}.{self.unit}" if self.unit else self.rule


def failures(work: Path) -> list[Failure]:
    """Jobs that failed, by the messages that they left in ``work/errors``."""
    found = []
    for path in sorted((work / "errors").glob("*.txt")):
        rule, _, unit = path.stem.partition(".")
        text = path.read_text(encoding="utf-8").strip()
        found.append(Failure(rule, unit, text.removeprefix(f"{path.stem}: ") or SILENT))
    return found


def damaged(results: Path) -> list[Path]:
    """Files that are not as long as their job left them: a disk lost power, or was full.

    GeoPackages that are handed on are left alone: a GIS may have written into them.
    """
    found = []
    for record in sorted((results / "work" / "jobs").glob("*.json")):
        try:
            sizes = json.loads(record.read_text(encoding="utf-8")).get("outputs", {})
        except ValueError:
            continue
        for name, size in sizes.items():
            path = results / name
            ours = path.parent != results or path.suffix == ".tif"
            if ours and path.is_file() and path.stat().st_size != size:
                found.append(path)
    return found


def left_out(work: Path) -> dict[str, dict[str, str]]:
    """Scenes, tiles, and tiles of images that the run goes on without: identifier -> cause."""
    empty: dict[str, dict[str, str]] = {"scenes": {}, "tiles": {}, "images": {}}
    try:
        return empty | json.loads((work / "failed.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return empty


def leave_out(work: Path, found: Iterable[Failure], reach_m: float) -> bool:
    """Note in ``work/failed.json`` what a run can go on without.

    A tile is held back too where the surface of a tile within ``reach_m`` is missing: its shade
    would not be known. False where something failed that all depends on, or nothing new is to be
    left out.
    """
    before = left_out(work)
    now = {kind: dict(units) for kind, units in before.items()}
    tiles = _tiles(work)
    for one in found:
        if one.rule in SCENE_RULES:
            now["scenes"][one.unit] = one.job + ": " + one.cause
        elif one.rule == "roof_probability":
            now["images"][one.unit] = one.job + ": " + one.cause
        elif one.rule in TILE_RULES:
            now["tiles"][one.unit] = one.job + ": " + one.cause
            for name in _near(tiles, one.unit, reach_m) if one.rule == "surface_model" else ():
                now["tiles"].setdefault(name, f"held back: it needs the surface of {one.unit}")
        else:
            return False
    if now == before or _nothing_left(work, now, tiles):
        return False
    write_json(work / "failed.json", now)
    return True


def _nothing_left(
    work: Path, out: Mapping[str, Mapping[str, str]], tiles: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether no scene or no tile remains."""
    try:
        pinned = json.loads((work / "scenes.json").read_text(encoding="utf-8"))["thermal"]
    except (OSError, ValueError, KeyError):
        pinned = []
    busy = [tile["id"] for tile in tiles if tile.get("work", True)]
    gone = bool(pinned) and all(scene["id"] in out["scenes"] for scene in pinned)
    return gone or any(
        bool(busy) and all(name in out[kind] for name in busy) for kind in ("tiles", "images")
    )


def _tiles(work: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((work / "tiles.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found


def _near(tiles: Sequence[Mapping[str, Any]], name: str, reach_m: float) -> list[str]:
    """Tiles with work within reach of the tile called ``name``."""
    own = next((tile["bounds"] for tile in tiles if tile["id"] == name), None)
    if own is None:
        return []
    w, s, e, n = own
    return [
        str(tile["id"])
        for tile in tiles
        if tile.get("work", True)
        and tile["id"] != name
        and tile["bounds"][0] < e + reach_m
        and tile["bounds"][2] > w - reach_m
        and tile["bounds"][1] < n + reach_m
        and tile["bounds"][3] > s - reach_m
    ]
