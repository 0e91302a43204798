"""What a run would take, before it starts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

from heliopolis.errors import ConfigError
from heliopolis.io.sentinel2 import ASSETS
from heliopolis.scene import Scene, read_scenes
from heliopolis.steps.search import search, study_area, tiles
from heliopolis.steps.thermal import thermal_assets
from heliopolis.study import Study

#: Seconds of one core for one job of each kind on the machine the demo was timed on, start of
#: the process included, and how they grow with 10^6 cells of the job's grid.
_SECONDS = {
    "thermal_scene": (4.0, 1.0),
    "sharpen": (4.0, 6.0),
    "optical_composite": (5.0, 6.0),
    "composite": (4.0, 4.0),
    "hot_zones": (6.0, 4.0),
    "tile": (8.0, 53.0),
    "publish": (10.0, 2.0),
}
#: Bytes of a compressed pixel of 16 bits, and of a file whose size the catalog does not tell.
_BYTES_PER_PIXEL, _WHOLE_BYTES = 1.5, 20e6
#: Side of a block of a remote raster: as much is fetched beyond the area [pixels].
_BLOCK = 512
#: What a line is taken to bring [bytes per second].
_BYTES_PER_S = 5e6


#: Memory of a job before it has read anything, and for 10^6 cells of its grid [MB]: of a tile
#: with the ground around it, measured on the horizon; of the heat grid, measured on hot zones.
_START_MB, _TILE_MB, _HEAT_MB = 300.0, 70.0, 250.0
#: What the files of a tile in a dense city take for 10^6 cells, results included [MB].
_TILE_DISK_MB = 14.0
#: Smallest tile that is proposed [m].
_LEAST_TILE_M = 50


def forecast(study: Study, *, cores: int = 2, memory_gb: float = 4.0) -> list[str]:
    """Lines that say which scenes and tiles a run works on, and what it takes.

    Raises
    ------
    ConfigError
        When a job needs more memory, or the results more disk, than there is; with what would fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines, disk_mb = _lines(study, Path(folder), cores)
    need = largest_job_mb(study)
    lines.insert(-1, f"memory    about {need / 1000:.1f} GB for the largest job")
    _fits(study, need, memory_gb * 1000, disk_mb)
    return lines


def largest_job_mb(study: Study, tile_m: float | None = None) -> float:
    """Memory of the largest job of a study [MB]; ``tile_m`` instead of its own tiles."""
    rows, columns = study.grid.shape
    found = [_START_MB]
    if study.config.has_heat:
        found.append(_START_MB + _HEAT_MB * rows * columns / 1e6)
    if study.config.elevation is not None:
        around = 2 * (study.config.solar.horizon_distance_m + 100)
        side = (tile_m or study.config.roofs.tile_m) + around
        cells = (side / study.config.elevation.resolution_m) ** 2 / 1e6
        found.append(_START_MB + _TILE_MB * cells)
    return max(found)


def _fits(study: Study, need_mb: float, have_mb: float, disk_mb: float) -> None:
    """Refuse what cannot fit, and say what would."""
    if need_mb > have_mb:
        tile = int(study.config.roofs.tile_m)
        smaller = [side for side in range(tile - 10, _LEAST_TILE_M - 1, -10)
                   if largest_job_mb(study, side) <= have_mb]  # fmt: skip
        if smaller:
            remedy = f"Set roofs.tile_m: {smaller[0]}, or give --memory {ceil(need_mb / 1000)}"
        else:
            remedy = f"Give --memory {ceil(need_mb / 1000)}, or cut the area into parts"
        text = f"the largest job needs {need_mb / 1000:.1f} GB, more than {have_mb / 1000:g} GB"
        raise ConfigError(text, where="--memory", remedy=remedy)
    folder = study.results.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e6
    if disk_mb > free:
        raise ConfigError(
            f"the run needs {disk_mb / 1000:.1f} GB of disk, and {free / 1000:.1f} GB are free",
            where=str(study.results),
            remedy="Free some space, set results to a folder on another disk, or shorten period",
        )


def _lines(study: Study, folder: Path, cores: int) -> tuple[list[str], float]:
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
        here, far = _sizes(study, scenes)
        lines.append(f"read      {here / 1e6:.0f} MB in {count + len(scenes['optical'])} scenes")
        if far:
            lines.append(
                f"fetch     about {far / 1e6:.0f} MB over the network, less what the cache holds "
                "and scenes that prove cloudy over the area"
            )
        seconds += far / _BYTES_PER_S * 2
        disk += far / 1e6
        seconds += count * sum(_cost("thermal_scene", cells) + _cost("sharpen", cells))
        seconds += sum(_cost("optical_composite", cells) + _cost("composite", cells))
        seconds += sum(_cost("hot_zones", cells))
        disk += cells * (count * 10 + 60)
    brought = study.config.acquired()
    lines += [f"fetch     {kind} of the area from {archive}" for kind, archive in brought.items()]
    if study.config.elevation is not None:
        number = _tiles(study, folder) if not brought else _most_tiles(study)
        side = study.config.roofs.tile_m / study.config.elevation.resolution_m
        lines.append(f"tiles     {number} of {study.config.roofs.tile_m:g} m")
        seconds += number * sum(_cost("tile", side**2 / 1e6))
        disk += number * side**2 / 1e6 * _TILE_DISK_MB
    lines.append(f"disk      about {max(disk, 1):.0f} MB for results and intermediates")
    minutes = max(seconds / cores / 60, 0.2)
    lines.append(f"time      about {minutes:.1f} minutes on {cores} core{'s' * (cores > 1)}")
    return lines, disk


def _cost(kind: str, cells: float) -> tuple[float, float]:
    start, growth = _SECONDS[kind]
    return start, growth * cells


def _sizes(study: Study, scenes: Mapping[str, Sequence[Scene]]) -> tuple[float, float]:
    """Bytes to read from this machine, and bytes to fetch."""
    thermal = study.config.thermal
    here = far = 0.0
    for role, found in scenes.items():
        for scene in found:
            if role == "thermal" and thermal is not None:
                names = thermal_assets(scene, thermal)
            else:
                names = tuple(ASSETS)
            for item in scene.items:
                for asset in (item["assets"][n] for n in names if n in item.get("assets", {})):
                    href = str(asset["href"]).removeprefix("file://")
                    if "://" in href:
                        far += _window_bytes(asset, item, study.bounds_lonlat)
                    elif Path(href).is_file():
                        here += Path(href).stat().st_size
    return here, far


def _window_bytes(
    asset: Mapping[str, Any], item: Mapping[str, Any], bounds: tuple[float, float, float, float]
) -> float:
    """Bytes of the blocks of a remote asset that cover the area; an estimate."""
    shape, transform = asset.get("proj:shape"), asset.get("proj:transform")
    code = asset.get("proj:epsg") or item.get("properties", {}).get("proj:epsg")
    if not (shape and transform and code):
        return float(asset.get("file:size") or _WHOLE_BYTES)
    rows, columns = int(shape[0]), int(shape[1])
    whole = float(asset.get("file:size") or rows * columns * _BYTES_PER_PIXEL)
    grid = GeoBox((rows, columns), Affine(*transform[:6]), f"EPSG:{code}")
    part = grid.enclosing(box(*bounds, "EPSG:4326").to_crs(f"EPSG:{code}")) & grid
    if part.is_empty():
        return 0.0
    wide = min(columns, part.width + _BLOCK) * min(rows, part.height + _BLOCK)
    return whole * wide / (rows * columns)


def _pinned(study: Study, folder: Path) -> dict[str, list[Scene]]:
    west, south, east, north = study.bounds_lonlat
    search(
        scenes=folder / "scenes.json",
        longitude=(west + east) / 2,
        bounds=[west, south, east, north],
        options={**study.options("search"), "name": study.config.name},
    )
    return read_scenes(folder / "scenes.json")


def _most_tiles(study: Study) -> int:
    """Tiles that touch the study area: at most so many have buildings."""
    side = study.config.roofs.tile_m
    west, south, east, north = study.area.boundary.boundingbox.bbox
    return (ceil(east / side) - floor(west / side)) * (ceil(north / side) - floor(south / side))


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
