"""What a run would take, before it starts."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

from heliopolis.errors import ConfigError
from heliopolis.io.raster import raster_grid
from heliopolis.io.sentinel2 import ASSETS
from heliopolis.roofs.probability import HALO_M
from heliopolis.scene import Scene, read_scenes
from heliopolis.steps.memory import largest_job_mb
from heliopolis.steps.search import search, study_area, tiles
from heliopolis.steps.thermal import thermal_assets
from heliopolis.study import Study

#: Seconds of one core for one job of each kind on the machine the demo was timed on, start of
#: the process included, and how they grow with 10^6 cells of the job's grid.
_SECONDS = {
    "thermal_scene": (4.0, 2.0),
    "sharpen": (4.0, 6.5),
    "sharpen with heights": (4.0, 16.0),
    "optical_composite": (3.0, 18.0),
    "composite": (4.0, 10.0),
    "hot_zones": (8.0, 4.0),
    "tile": (8.0, 0.8),
    "publish": (20.0, 2.0),
}
#: Seconds for a building on cells of 1 m, in inverse proportion to the cell, and at the end of the
#: run; seconds of the net for a tile, and for 10^6 m2 of it.
_BUILDING_S, _LAST_S, _NET_S = 0.035, 0.002, (3.0, 50.0)
#: Share of the time that the cores are busy with jobs.
_BUSY = 0.9
#: Buildings of 10^6 m2 of a town where no footprints are at hand.
_BUILDINGS_KM2 = 1000.0
#: Bytes of a compressed pixel of 16 bits, and of a file whose size the catalog does not tell.
_BYTES_PER_PIXEL, _WHOLE_BYTES = 1.5, 20e6
#: Side of a block of a remote raster: as much is fetched beyond the area [pixels].
_BLOCK = 512
#: What a line is taken to bring [bytes per second].
_BYTES_PER_S = 5e6


#: Memory of the last step: at its start, and for a building [MB].
_LAST_MB = (300.0, 0.012)
#: What files take for 10^6 cells of 1 m of a tile, in inverse proportion to the cell, for a
#: building, and for 10^6 m2 of images [MB].
_TILE_DISK_MB, _BUILDING_DISK_MB, _NET_DISK_MB = 2.2, 0.022, 27.0
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
        lines, disk_mb, last_mb = _lines(study, Path(folder), cores)
    need = max(largest_job_mb(study), last_mb)
    lines.insert(-1, f"memory    about {need / 1000:.1f} GB for the largest job")
    _fits(study, need, memory_gb * 1000, disk_mb)
    return lines


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


def _lines(study: Study, folder: Path, cores: int) -> tuple[list[str], float, float]:
    """The plan, and the disk and the memory of the last step that it tells [MB]."""
    rows, columns = study.grid.shape
    cells = rows * columns / 1e6
    lines = [
        f"area      {study.config.name}: {columns} x {rows} cells of "
        f"{study.config.area.resolution_m:g} m ({study.area.boundary.area / 1e6:.2f} km2)"
    ]
    # What many jobs share, and what waits for all of them and runs alone.
    shared, alone, disk, last_mb = 0.0, sum(_cost("publish", cells)), 0.0, 0.0
    brought = study.config.acquired()
    roofs = None
    if study.config.elevation is not None:
        roofs = _at_most(study) if brought else _roofs(study, folder)
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
        shared += far / _BYTES_PER_S * 2
        disk += far / 1e6
        sharpen = "sharpen with heights" if roofs and roofs.cover else "sharpen"
        shared += count * sum(_cost("thermal_scene", cells) + _cost(sharpen, cells))
        shared += sum(_cost("optical_composite", cells)) if scenes["optical"] else 0.0
        alone += sum(_cost("composite", cells) + _cost("hot_zones", cells))
        disk += cells * (count * 10 + 60)
    lines += [f"fetch     {kind} of the area from {archive}" for kind, archive in brought.items()]
    if roofs is not None and study.config.elevation is not None:
        resolution = study.config.elevation.resolution_m
        side = study.config.roofs.tile_m
        around = ((side + 2 * study.config.solar.horizon_distance_m) / resolution) ** 2 / 1e6
        lines.append(
            f"tiles     {roofs.tiles} of {side:g} m, {roofs.buildings} buildings"
            + (f", {roofs.images_km2:.2f} km2 of images" if roofs.images_km2 else "")
        )
        shared += roofs.tiles * sum(_cost("tile", around))
        shared += roofs.buildings * _BUILDING_S / resolution
        shared += roofs.tiles_with_images * _NET_S[0] + roofs.images_km2 * _NET_S[1]
        alone += roofs.buildings * _LAST_S
        last_mb = _LAST_MB[0] + _LAST_MB[1] * roofs.buildings
        disk += roofs.km2 / resolution**3 * _TILE_DISK_MB
        disk += roofs.buildings * _BUILDING_DISK_MB + roofs.images_km2 * _NET_DISK_MB
    lines.append(f"disk      about {max(disk, 1):.0f} MB for results and intermediates")
    minutes = max((shared / cores / _BUSY + alone) / 60, 0.2)
    lines.append(f"time      about {minutes:.1f} minutes on {cores} core{'s' * (cores > 1)}")
    return lines, disk, last_mb


@dataclass(frozen=True)
class _Roofs:
    """What the roofs half works on.

    Attributes
    ----------
    tiles, tiles_with_images
        Number of tiles, and of those that the net looks at.
    km2
        Area of the tiles that lies in the study area.
    buildings
        Number of buildings.
    images_km2
        Area that the net looks at, what is seen twice at the rims of tiles counted twice.
    cover
        Whether the heights cover the whole study.
    """

    tiles: int
    km2: float
    buildings: int
    tiles_with_images: int = 0
    images_km2: float = 0.0
    cover: bool = False


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


def _at_most(study: Study) -> _Roofs:
    """Before the data of an area are fetched: at most the tiles that touch it have buildings."""
    side = study.config.roofs.tile_m
    west, south, east, north = study.area.boundary.boundingbox.bbox
    tiles = (ceil(east / side) - floor(west / side)) * (ceil(north / side) - floor(south / side))
    km2 = study.area.boundary.area / 1e6
    seen = (tiles, tiles * ((side + 2 * HALO_M) / 1000) ** 2) if study.config.uses_net else (0, 0.0)
    return _Roofs(tiles, km2, round(km2 * _BUILDINGS_KM2), *seen)


def _roofs(study: Study, folder: Path) -> _Roofs:
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
    listed = json.loads((folder / "tiles.json").read_text(encoding="utf-8"))
    cover = study.covered_by(listed)
    listed = [tile for tile in listed if tile["work"]]
    seen = [tile for tile in listed if tile["images"]] if study.config.uses_net else []
    around = {
        tile["id"]: shapely.box(*tile["bounds"]).buffer(HALO_M, join_style="mitre") for tile in seen
    }
    crs = study.config.area.crs
    extents = {
        path: raster_grid(path).extent.to_crs(crs).geom
        for path in {path for tile in seen for path in tile["images"]}
    }
    looked_at = sum(
        shapely.union_all([extents[path] for path in tile["images"]])
        .intersection(around[tile["id"]])
        .area
        / 1e6
        for tile in seen
    )
    area = study.area.boundary.geom
    km2 = sum(shapely.box(*tile["bounds"]).intersection(area).area / 1e6 for tile in listed)
    known = sum(tile["buildings"] for tile in listed)
    buildings = known if footprints else round(km2 * _BUILDINGS_KM2)
    return _Roofs(len(listed), km2, buildings, len(seen), looked_at, cover)
