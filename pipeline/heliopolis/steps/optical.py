"""The step that makes the optical composite: reflectance, indices, water, built-up land."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import LandCover, Optical
from heliopolis.errors import InputError, NoDataError
from heliopolis.io.raster import band_names, raster_grid, read_onto, write_cog
from heliopolis.io.sentinel2 import ASSETS, read_sentinel2
from heliopolis.io.stac_load import first_valid, load
from heliopolis.quality import scl_clear
from heliopolis.scene import Scene, read_scenes
from heliopolis.steps.scene_files import opened
from heliopolis.thermal import optical as indices
from heliopolis.thermal.planck import coarsen_mean

_LOG = logging.getLogger(__name__)
_CHUNK = 1024


def options_grid(options: Mapping[str, Any]) -> GeoBox:
    """Study grid of a rule's options: ``{"grid": {"crs", "resolution_m", "bounds"}}``."""
    told = options["grid"]
    west, south, east, north = told["bounds"]
    return GeoBox.from_bbox(
        (west, south, east, north), told["crs"], resolution=told["resolution_m"]
    )


def optical_composite(*, scenes: Path, optical: Path, options: dict[str, Any]) -> None:
    """Reflectance, indices, water and built-up land on the study grid.

    Medians of the clear dates of Sentinel-2, the user's own predictors, and the shares of the
    user's land-cover classes; bands as available.
    """
    section = Optical.model_validate(options["optical"])
    grid = options_grid(options)
    least = section.stac.min_clear_share if section.stac is not None else 0.0
    found = [
        opened(scene, grid, ASSETS)
        for scene in read_scenes(scenes)["optical"]
        if _clear_share(scene, grid) >= least
    ]
    bands: dict[str, xr.DataArray] = {}
    offsets: list[str] = []
    if found:
        reflectance, offsets = _reflectance(found, grid)
        bands |= reflectance
    if options.get("land_cover"):
        cover = LandCover.model_validate(options["land_cover"])
        bands |= class_shares(Path(cover.file), cover.classes, grid)
    _settle(bands)
    for predictor in section.predictors:
        bands[predictor.name] = _predictor(Path(predictor.file), predictor.band, grid)
    if not bands:
        raise NoDataError(
            "no optical scene, predictor or class map was found for the area",
            where="optical",
            remedy="Widen period, raise optical.stac.max_cloud_percent, or give "
            "optical.predictors or land_cover",
        )
    simulated = any(one.simulated for one in found)
    tags = {
        "scenes": ",".join(one.id for one in found),
        "simulated": str(simulated).lower(),
        "boa_offset_from": ",".join(offsets),
        "built_from": str(bands["built"].attrs.get("source", "")) if "built" in bands else "",
    }
    write_cog(optical, xr.Dataset(bands), tags=tags)


def _clear_share(scene: Scene, grid: GeoBox) -> float:
    """Share of the study grid that is clear; of a scene behind a network only the mask is read."""
    masked = opened(scene, grid, ["scl"])
    parts = [load(part, ["scl"], grid, chunks=_CHUNK) for part in masked.items]
    scl = first_valid(parts)["scl"]
    share = float(scl_clear(scl.where(scl > 0)).mean().compute())
    _LOG.info("%s is clear over %.0f %% of the area", scene.id, 100 * share)
    return share


def _reflectance(
    scenes: Sequence[Scene], grid: GeoBox
) -> tuple[dict[str, xr.DataArray], list[str]]:
    """Bands of the composite, and for each scene what its offset was decided by."""
    dates = [read_sentinel2(one, grid, chunks=_CHUNK) for one in scenes]
    names = [name for name in dates[0].data_vars if all(name in date for date in dates)]
    stack = xr.concat([date[names] for date in dates], dim="time").chunk({"time": -1})
    median = stack.drop_vars("scl_water").median("time")
    for name in median.data_vars:
        median[name].attrs = {"units": "1", "long_name": f"Reflectance, {name}"}
    bands = {str(name): median[name] for name in median.data_vars}
    bands |= indices.indices(bands)
    bands["water"] = indices.water(bands, stack["scl_water"].mean("time"))
    bands["built"] = indices.built(bands)
    return bands, [str(date.attrs["boa_offset_from"]) for date in dates]


def class_shares(
    path: Path, classes: Mapping[Any, Sequence[int]], grid: GeoBox
) -> dict[str, xr.DataArray]:
    """Share 0..1 of each meaning in each cell, bands ``class_built`` and so on."""
    own = raster_grid(path)
    metres = own.resolution.x if own.crs is not None and own.crs.projected else grid.resolution.x
    factor = int(np.clip(round(2 * grid.resolution.x / metres), 1, 10))
    shape = (grid.shape[0] * factor, grid.shape[1] * factor)
    fine = GeoBox(shape, grid.affine * grid.affine.scale(1 / factor), grid.crs)
    codes = read_onto([path], fine, bands=band_names(path)[:1], chunks=_CHUNK)
    code = codes[next(iter(codes.data_vars))]
    out = {}
    for meaning, numbers in classes.items():
        member = code.isin(list(numbers)).astype("float32").where(code.notnull())
        share = wrap_xr(coarsen_mean(member, factor).data, grid).astype("float32")
        share.attrs = {"units": "1", "long_name": f"Share of land cover: {meaning}"}
        out[f"class_{meaning}"] = share
    return out


def _settle(bands: dict[str, xr.DataArray]) -> None:
    """Built-up land and water come from the user's classes where these know them."""
    if "class_built" in bands:
        bands["built"] = bands["class_built"].copy()
        bands["built"].attrs = {"units": "1", "long_name": "Share of built-up land",
                                "source": "land_cover"}  # fmt: skip
    if "class_water" in bands and "water" not in bands:
        share = bands["class_water"]
        bands["water"] = (share >= 0.5).astype("float32").where(share.notnull())
        bands["water"].attrs = {"units": "1", "long_name": "Water (1) or not (0)"}


def _predictor(path: Path, band: int, grid: GeoBox) -> xr.DataArray:
    names = band_names(path)
    if band > len(names):
        raise InputError(f"the raster has no band {band}", where=str(path),
                         remedy=f"It has {len(names)}")  # fmt: skip
    own = raster_grid(path)
    metric = own.crs is not None and own.crs.projected
    finer = metric and own.resolution.x < 0.75 * grid.resolution.x
    read = read_onto([path], grid, bands=[names[band - 1]], chunks=_CHUNK,
                     resampling="average" if finer else "bilinear")  # fmt: skip
    array = read[names[band - 1]]
    array.attrs = {"units": array.attrs.get("units", "1"), "long_name": path.name}
    return array
