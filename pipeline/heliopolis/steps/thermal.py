"""Steps from a thermal scene to its sharpened temperature."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.config import LandCover, Thermal
from heliopolis.errors import InputError, NoDataError
from heliopolis.grid import coarsen
from heliopolis.io.atomic import write_json
from heliopolis.io.lst_files import read_lst_file
from heliopolis.io.raster import raster_grid, read_onto, read_tags, write_cog
from heliopolis.io.slstr import NATIVE_M as SLSTR_M
from heliopolis.io.slstr import READ as SLSTR_READ
from heliopolis.io.slstr import grid_swath, read_swaths
from heliopolis.scene import Scene, Sensor, other_dates, read_scenes
from heliopolis.steps.cells import Cells, averaged, inside, no_cells, samples
from heliopolis.steps.city_form import form_predictors, read_form
from heliopolis.steps.landsat_cells import landsat_assets, landsat_cells
from heliopolis.steps.optical import options_grid as grid_of
from heliopolis.steps.scene_files import opened
from heliopolis.study import MIN_COVERED
from heliopolis.thermal import sharpen as sharpening
from heliopolis.thermal.composite_error import split_sigma
from heliopolis.thermal.planck import ZERO_C_K
from heliopolis.thermal.uncertainty import PARTS

_CHUNK = 1024
_LANDSAT = (Sensor.LANDSAT_L2, Sensor.LANDSAT_L1)
_LOG = logging.getLogger(__name__)
#: Share of a scene that is clear for its pattern to be carried to other dates.
_CLEAR_PATTERN = 0.9
_CARRIED = ("native_resolution_m", "acquired", "sensor", "simulated", "clear_share", "scene",
            "overpass", "retrieval", "emissivity", "water_vapour", "recovered_share")  # fmt: skip


# ------------------------------------------------------------------------------ one thermal scene
def thermal_scene(*, scenes: Path, coarse: Path, scene: str, options: dict[str, Any]) -> None:
    """Temperature of one scene on the sensor's own cells, clear pixels only.

    Writes bands ``lst_c``, ``lst_sd_c`` and the parts of the error ``sd_random_k``,
    ``sd_scene_k``, ``sd_systematic_k`` (`heliopolis.thermal.uncertainty`). A cell is filled where
    at least half of it is clear; a scene that is all cloud gives a raster of NaN, with its clear
    share in the tags.
    """
    thermal = Thermal.model_validate(options["thermal"])
    grid = grid_of(options)
    cover = LandCover.model_validate(options["land_cover"]) if options["land_cover"] else None
    pinned = read_scenes(scenes)["thermal"]
    one = _pinned(pinned, scene, scenes)
    if one.sensor in _LANDSAT:
        others = other_dates(pinned, scene) if thermal.bright_roofs else []
        cells, share, native, told = landsat_cells(one, others, grid, thermal, cover)
    elif one.sensor is Sensor.SLSTR_LST:
        one = opened(one, coarsen(grid, SLSTR_M), SLSTR_READ)
        cells, share, native, told = _slstr(one, grid)
    elif one.sensor is Sensor.LST_RASTER:
        cells, share, native, told = _lst_raster(opened(one, grid, ["lst"]), grid)
    else:
        raise InputError(f"{one.sensor} is not a thermal sensor", where=one.id)
    tags = {
        "scene": one.id,
        "sensor": str(one.sensor),
        "acquired": one.acquired.isoformat(),
        "overpass": str(one.properties.get("heliopolis:overpass", "day")),
        "simulated": str(one.simulated).lower(),
        "native_resolution_m": f"{native:g}",
        "clear_share": f"{share:.4f}",
        "averaging": "mean of T^4 over the cell",
        **told,
    }
    bands = celsius(cells["lst_k"], cells["sd_k"]).assign(_error_bands(cells))
    if "seen_k" in cells:
        bands["seen_c"] = celsius(cells["seen_k"], cells["sd_k"])["lst_c"]
    if "untrusted" in cells:
        bands["untrusted"] = untrusted_band(cells["untrusted"])
    write_cog(coarse, bands, tags=tags)


def _pinned(scenes: Sequence[Scene], name: str, where: Path) -> Scene:
    for one in scenes:
        if one.id == name:
            return one
    raise InputError(f"there is no thermal scene {name!r}", where=str(where),
                     remedy="Run the search again")  # fmt: skip


def thermal_assets(scene: Scene, thermal: Thermal) -> tuple[str, ...]:
    """Assets of a thermal scene that are read, where it has them."""
    if scene.sensor in _LANDSAT:
        return landsat_assets(thermal)
    return SLSTR_READ if scene.sensor is Sensor.SLSTR_LST else ("lst",)


def celsius(lst_k: xr.DataArray, sd_k: xr.DataArray) -> xr.Dataset:
    """Bands ``lst_c`` [degC] and ``lst_sd_c`` [K]: the one place where kelvin ends."""
    lst = (lst_k - ZERO_C_K).astype("float32", copy=False)
    lst.attrs = {"units": "degC", "long_name": "Land surface temperature"}
    sd = sd_k.astype("float32", copy=False)
    sd.attrs = {"units": "K", "long_name": "Land surface temperature, 1-sigma error"}
    return xr.Dataset({"lst_c": lst, "lst_sd_c": sd})


def untrusted_band(metal: xr.DataArray) -> xr.DataArray:
    """Band ``untrusted`` (0/1): metal or another mirror of the sky in the sensor's sight."""
    band = metal.astype("float32")
    band.attrs = {"units": "1", "long_name": "Metal in sight (1): not to trust"}
    return band


def _error_bands(values: xr.Dataset) -> dict[str, xr.DataArray]:
    """Parts of the error [K] as they are written."""
    names = ("between pixels and dates", "of the date", "on every date")
    out = {}
    for name, text in zip(PARTS, names, strict=True):
        out[name] = values[name].astype("float32")
        out[name].attrs = {"units": "K", "long_name": f"1-sigma error {text}"}
    return out


def _slstr(scene: Scene, grid: GeoBox) -> Cells:
    coarse = coarsen(grid, SLSTR_M)
    box = coarse.extent.to_crs("EPSG:4326").boundingbox.bbox
    try:
        swath = read_swaths(scene.items, box)
    except NoDataError as error:
        _LOG.warning("%s is left out: %s", scene.id, error)
        return no_cells(coarse), 0.0, SLSTR_M, {"left_out": error.what}
    cells = grid_swath(swath, coarse)
    share = float(np.isfinite(cells["lst_k"].to_numpy()).mean())
    return cells, share, SLSTR_M, {"retrieval": "product"}


def _lst_raster(scene: Scene, grid: GeoBox) -> Cells:
    told = scene.properties
    resolution = grid.resolution.x
    native = float(told.get("heliopolis:native_resolution_m", 100.0))
    native = max(1, round(native / resolution)) * resolution
    coarse, fine, factor = samples(grid, native)
    read = read_lst_file(
        scene.href("lst").removeprefix("file://"),
        fine,
        unit=told.get("heliopolis:unit"),
        sigma_k=float(told.get("heliopolis:sigma_k", 1.5)),
        chunks=_CHUNK,
    )
    random, systematic = split_sigma(read["sd_k"])
    nothing = xr.zeros_like(read["sd_k"])
    parts = dict(zip(PARTS, (random, nothing, systematic), strict=True))
    cells = averaged(xr.Dataset({"lst_k": read["lst_k"], **parts}), factor, coarse).compute()
    share = float(inside(read["lst_k"], grid, fine).notnull().mean().compute())
    return cells, share, native, {"retrieval": "product"}


# ------------------------------------------------------------------------------ sharpening
def sharpen(
    *,
    coarse: Path,
    optical: Path | None,
    lst: Path,
    report: Path,
    options: dict[str, Any],
    patterns: Sequence[Path] = (),
    form: Path | None = None,
) -> None:
    """Sharpen one scene to the study grid where the predictors have skill, and report on it.

    ``form`` holds the heights of the city (`heliopolis.steps.city_form`), where they are known:
    what stands there, the sky that is seen and the sun at the time of the scene are predictors.
    ``patterns`` are sharp temperatures of other dates, nearest first: that of the first clear one
    is offered as a predictor and tested by itself.
    """
    thermal = Thermal.model_validate(options["thermal"])
    grid = grid_of(options)
    tags = read_tags(coarse)
    seen = read_onto([coarse], raster_grid(coarse))
    predictors: dict[str, Any] = {}
    heights: dict[str, Any] = {}
    if thermal.sharpen and optical is not None:
        stack = read_onto([optical], grid)
        predictors = {str(name): stack[name].to_numpy() for name in stack.data_vars}
    if thermal.sharpen and form is not None:
        heights = _of_form(form, grid, tags["acquired"])
    pattern = _pattern(patterns, grid) if thermal.sharpen else {}
    random = seen[PARTS[0]].to_numpy() if PARTS[0] in seen else np.zeros(1)
    beyond = "seen_c" in seen
    result = sharpening.sharpen(
        seen["seen_c" if beyond else "lst_c"].to_numpy() + ZERO_C_K,
        seen["lst_sd_c"].to_numpy(),
        predictors | heights | {name: one["lst_c"] for name, one in pattern.items()},
        raster_grid(coarse),
        grid,
        own_k=seen["lst_c"].to_numpy() + ZERO_C_K if beyond else None,
        psf_fwhm_m=float(tags["native_resolution_m"]),
        noise_k=float(np.median(random[np.isfinite(random)])) if np.isfinite(random).any() else 0.0,
        pattern={name: one["lst_sd_c"] for name, one in pattern.items()},
        form=list(heights),
        regression=thermal.sharpen,
    )
    carried = {key: tags[key] for key in _CARRIED if key in tags} | sharpen_tags(result)
    bands = celsius(result.lst_k, result.sd_k).assign(_sharpened_error(coarse, result.sd_k, grid))
    if "untrusted" in seen:
        metal = read_onto([coarse], grid, bands=["untrusted"])["untrusted"]
        bands["untrusted"] = untrusted_band(metal).where(result.lst_k.notnull())
    bands["flags"] = flag_band(result)
    write_cog(lst, bands, tags=carried)
    write_json(report, {**carried, **sharpen_report(result)})


def _of_form(form: Path, grid: GeoBox, acquired: str) -> dict[str, Any]:
    """Predictors from the heights of the city, where these cover the study."""
    if float(read_tags(form)["covered"]) < MIN_COVERED:
        return {}
    return form_predictors(read_form(form, grid), grid, datetime.fromisoformat(acquired))


def _pattern(patterns: Sequence[Path], grid: GeoBox) -> dict[str, dict[str, Any]]:
    """Sharp temperature and error of the first date that is clear enough, by its name."""
    for path in patterns:
        tags = read_tags(path)
        if float(tags.get("clear_share", 0.0)) >= _CLEAR_PATTERN:
            name = f"pattern_{tags.get('scene', path.stem)}"
            read = read_onto([path], grid, bands=["lst_c", "lst_sd_c"])
            return {name: {band: read[band].to_numpy() for band in ("lst_c", "lst_sd_c")}}
    return {}


def flag_band(result: sharpening.SharpenResult) -> xr.DataArray:
    """Band ``flags`` as it is written."""
    band = result.flags.astype("float32")
    band.attrs = {"units": "1", "long_name": "1 extrapolated, 2 cloud gap, 4 low support (sum)"}
    return band


def sharpen_tags(result: sharpening.SharpenResult) -> dict[str, str]:
    """What stands beside a sharpened raster."""
    grid_m = float(result.lst_k.odc.geobox.resolution.x)
    real_m = f"{result.effective_resolution_m:.1f}"
    return {
        "method": result.method,
        "effective_resolution_m": real_m,
        "resolution": f"{grid_m:g} m grid, about {float(real_m):.0f} m real",
    }


def _sharpened_error(coarse: Path, sd_k: xr.DataArray, grid: GeoBox) -> dict[str, xr.DataArray]:
    """Parts of a sharpened scene's error: what sharpening adds comes back on every date."""
    told = read_onto([coarse], grid, bands=list(PARTS[:2]), resampling="bilinear")
    left = sd_k**2
    out = {}
    for name in PARTS[:2]:
        part = told[name].fillna(told[name].median()).fillna(0.0)
        out[name] = part.where(part**2 < left, left**0.5).where(sd_k.notnull())
        left = (left - out[name] ** 2).clip(0.0)
    out[PARTS[2]] = left**0.5
    return _error_bands(xr.Dataset(out))


def sharpen_report(result: sharpening.SharpenResult) -> dict[str, Any]:
    """What `sharpen` says about its result, as JSON types."""
    return {
        "method": result.method,
        "skill": result.skill,
        "effective_resolution_m": round(result.effective_resolution_m, 1),
        "mass_residual_k": round(result.mass_residual_k, 5),
        "predictors": result.predictors,
    }
