"""What a run would take, before it starts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from heliopolis.scene import Scene, read_scenes
from heliopolis.steps.search import search, study_area, tiles
from heliopolis.study import Study

#: Seconds of one core for one job of each kind on the machine the demo was timed on, start of
#: the process included, and how they grow with 10^6 cells of the job's grid.
_SECONDS = {
    "thermal_scene": (4.0, 1.0),
    "sharpen": (4.0, 6.0),
    "optical_composite": (5.0, 6.0),
    "composite": (4.0, 4.0),
    "hot_zones": (6.0, 4.0),
    "tile": (25.0, 25.0),
    "publish": (10.0, 2.0),
}


def forecast(study: Study) -> list[str]:
    """Lines that say which scenes and tiles a run works on, the bytes, the disk and the time."""
    with tempfile.TemporaryDirectory() as folder:
        return list(_lines(study, Path(folder)))


def _lines(study: Study, folder: Path) -> list[str]:
    rows, columns = study.grid.shape
    cells = rows * columns / 1e6
    lines = [
        f"area      {study.config.name}: {columns} x {rows} cells of "
        f"{study.config.area.resolution_m:g} m ({study.area.boundary.area / 1e6:.2f} km2)"
    ]
    seconds, disk = sum(_cost("publish", cells)), 0.0
    if study.config.has_heat:
        scenes = _pinned(study, folder)
        for role, found in scenes.items():
            lines += [
                f"{role:9} {s.acquired:%Y-%m-%d %H:%M} UTC  {s.sensor:21} {s.id}" for s in found
            ]
        count = len(scenes["thermal"])
        size = sum(_bytes(s) for found in scenes.values() for s in found)
        lines.append(f"read      {size / 1e6:.0f} MB in {count + len(scenes['optical'])} scenes")
        seconds += count * sum(_cost("thermal_scene", cells) + _cost("sharpen", cells))
        seconds += sum(_cost("optical_composite", cells) + _cost("composite", cells))
        seconds += sum(_cost("hot_zones", cells))
        disk += cells * (count * 10 + 60)
    if study.config.elevation is not None:
        number = _tiles(study, folder)
        side = study.config.roofs.tile_m / study.config.elevation.resolution_m
        lines.append(f"tiles     {number} of {study.config.roofs.tile_m:g} m")
        seconds += number * sum(_cost("tile", side**2 / 1e6))
        disk += number * side**2 / 1e6 * 60
    lines.append(f"disk      about {max(disk, 1):.0f} MB for results and intermediates")
    lines.append(f"time      about {max(seconds / 2 / 60, 0.2):.1f} minutes on 2 cores")
    return lines


def _cost(kind: str, cells: float) -> tuple[float, float]:
    start, growth = _SECONDS[kind]
    return start, growth * cells


def _bytes(scene: Scene) -> float:
    total = 0.0
    for asset in scene.item.get("assets", {}).values():
        path = Path(str(asset.get("href", "")))
        total += float(asset.get("file:size") or (path.stat().st_size if path.is_file() else 0))
    return total


def _pinned(study: Study, folder: Path) -> dict[str, list[Scene]]:
    west, south, east, north = study.bounds_lonlat
    search(
        scenes=folder / "scenes.json",
        longitude=(west + east) / 2,
        bounds=[west, south, east, north],
        options={**study.options("search"), "name": study.config.name},
    )
    return read_scenes(folder / "scenes.json")


def _tiles(study: Study, folder: Path) -> int:
    import json

    boundary = folder / "boundary.gpkg"
    study_area(
        wkb=study.area.boundary.geom.wkb_hex,
        boundary=boundary,
        options={**study.options("study_area"), "name": study.config.name},
    )
    footprints = [Path(file) for file in study.file("footprints")]
    tiles(
        boundary=boundary,
        footprints=footprints[0] if footprints else None,
        images=[Path(file) for file in study.files("imagery")],
        points=[Path(file) for file in study.files("elevation", "points")],
        rasters=[Path(file) for key in ("dsm", "dtm") for file in study.files("elevation", key)],
        tiles=folder / "tiles.json",
        options=study.options("tiles"),
    )
    return sum(tile["work"] for tile in json.loads((folder / "tiles.json").read_text()))
