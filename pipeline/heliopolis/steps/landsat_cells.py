"""Landsat scenes on the cells of their thermal sensor, bright roofs and all."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import LandCover, Thermal
from heliopolis.grid import coarsen
from heliopolis.io.landsat import LandsatScene
from heliopolis.scene import Scene
from heliopolis.steps.cells import Cells, averaged, inside, no_cells, quadrature, samples
from heliopolis.steps.city_ground import CityGround, read_ground
from heliopolis.steps.landsat_clear import ASSETS as MASK_ASSETS
from heliopolis.steps.landsat_clear import VISIBLE, Sky, bright_roofs, clear_sky, mask_grid
from heliopolis.steps.landsat_retrieval import Request, retrieve
from heliopolis.steps.scene_files import is_remote, opened
from heliopolis.thermal.clouds import MIN_DATES
from heliopolis.thermal.footprint import footprint_sd, restored, seen_by_sensor
from heliopolis.thermal.materials import LOW_SHARE
from heliopolis.thermal.planck import coarsen_mean
from heliopolis.thermal.uncertainty import PARTS

#: Cell of Landsat's thermal bands as delivered by the sensor [m].
LANDSAT_M = 100.0
_CHUNK = 1024
_LOG = logging.getLogger(__name__)


def landsat_cells(
    scene: Scene,
    others: Sequence[Scene],
    grid: GeoBox,
    thermal: Thermal,
    cover: LandCover | None,
) -> Cells:
    """Temperature of a Landsat scene on cells of 100 m, clear pixels only.

    Parameters
    ----------
    scene
        The scene, as found.
    others
        Scenes of other dates, to tell bright roofs from clouds.
    grid
        The study grid.
    thermal, cover
        Sections of the configuration.

    Returns
    -------
    cells
        ``lst_k``, ``sd_k``, parts of the error [K], ``seen_k`` (what the sensor saw, beyond the
        cell too [K]) and ``untrusted`` (0/1) where materials are
        known; share of the area that is clear; native cell [m]; tags. A scene behind a network
        that is cloudier than ``thermal.min_clear_share`` is not fetched, and its cells are NaN.
    """
    coarse, fine, factor = samples(grid, LANDSAT_M)
    scene = _fetched(scene, grid, thermal)
    source = LandsatScene.from_items(scene.items)
    sky = _sky(source, grid)
    if is_remote(scene, landsat_assets(thermal)):
        return no_cells(coarse), _clear_share(sky, grid), LANDSAT_M, {}
    back = _bright_roofs(scene, others, sky, grid, thermal)
    if back is not None:
        sky = _sky(source, grid, back)
    share = _clear_share(sky, grid)
    found = retrieve(source, fine, _request(thermal, cover, fine))
    cells = averaged(found.values.where(sky.on(fine)), factor, coarse).compute()
    # The sensor looks beyond the cell, on every date alike.
    cells[PARTS[2]] = quadrature(cells[PARTS[2]], footprint_sd(cells["lst_k"]))
    cells["seen_k"] = cells["lst_k"]
    cells["lst_k"] = restored(cells["lst_k"])
    cells["sd_k"] = quadrature(*(cells[name] for name in PARTS))
    tags = dict(found.tags)
    if back is not None:
        tags["recovered_share"] = f"{_share_inside(sky, grid, 'recovered'):.5f}"
    if found.untrusted is not None:
        # Metal beside the cell is in the sensor's picture of it too.
        seen = seen_by_sensor(found.untrusted.astype("float32"), abs(fine.resolution.x))
        metal = wrap_xr(coarsen_mean(seen, factor).data, coarse)
        cells["untrusted"] = (metal >= LOW_SHARE).astype("float32").compute()
    return cells, share, LANDSAT_M, tags


def landsat_assets(thermal: Thermal) -> tuple[str, ...]:
    """Assets of a Landsat scene that are read, where it has them."""
    ground = CityGround() if thermal.emissivity == "city" else None
    return Request(thermal.method, ground=ground).assets


def _reach(grid: GeoBox) -> GeoBox:
    """The study grid, and what cells and masks reach beyond it."""
    return mask_grid(coarsen(grid, LANDSAT_M))


def _fetched(scene: Scene, grid: GeoBox, thermal: Thermal) -> Scene:
    """The scene with its files at hand; of a cloudy one behind a network the mask alone."""
    reach = _reach(grid)
    needed = landsat_assets(thermal)
    if is_remote(scene, needed):
        masked = opened(scene, reach, MASK_ASSETS)
        share = _clear_share(_sky(LandsatScene.from_items(masked.items), grid), grid)
        if share < thermal.min_clear_share:
            _LOG.info("%s is cloudy over the area: only its mask is fetched", scene.id)
            return masked
    return opened(scene, reach, needed)


def _request(thermal: Thermal, cover: LandCover | None, grid: GeoBox) -> Request:
    own = thermal.emissivity == "city" and thermal.method != "product"
    ground = read_ground(thermal, cover, grid) if own else None
    return Request(thermal.method, thermal.tcwv_mm, ground=ground, chunks=_CHUNK)


def _sky(source: LandsatScene, grid: GeoBox, recovered: xr.DataArray | None = None) -> Sky:
    """Clear cells over the area and around it; in memory, they are few."""
    found = clear_sky(source, mask_grid(coarsen(grid, LANDSAT_M)), _CHUNK, recovered)
    return Sky(found.masks.compute(), found.grid)


def _bright_roofs(
    scene: Scene, others: Sequence[Scene], sky: Sky, grid: GeoBox, thermal: Thermal
) -> xr.DataArray | None:
    """Roofs that the mask takes for cloud; nothing is read where there is no cloud."""
    able = [one for one in others if any(one.has(key) for key in VISIBLE)]
    if len(able) < MIN_DATES or not bool(sky.masks["cloud"].any()):
        return None
    reach = _reach(grid)
    own = opened(scene, reach, (*landsat_assets(thermal), *VISIBLE, "mtl"))
    source = LandsatScene.from_items(own.items)
    rest = [LandsatScene.from_items(opened(one, reach, VISIBLE).items) for one in able]
    found = retrieve(source, sky.grid, Request(thermal.method, thermal.tcwv_mm, chunks=_CHUNK))
    back = bright_roofs(source, rest, found.values["lst_k"], sky.grid, _CHUNK)
    return None if back is None else back.compute()


def _clear_share(sky: Sky, grid: GeoBox) -> float:
    return _share_inside(sky, grid, "clear")


def _share_inside(sky: Sky, grid: GeoBox, name: str) -> float:
    """Share of the study grid."""
    _, fine, _ = samples(grid, LANDSAT_M)
    return float(inside(sky.on(fine, name), grid, fine).mean())
