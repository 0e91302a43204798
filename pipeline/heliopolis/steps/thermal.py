"""Steps from a thermal scene to its sharpened temperature."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Thermal
from heliopolis.errors import InputError, NoDataError
from heliopolis.grid import coarsen
from heliopolis.io.atomic import write_json
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.lst_files import read_lst_file
from heliopolis.io.raster import raster_grid, read_onto, read_tags, write_cog
from heliopolis.io.slstr import NATIVE_M as SLSTR_M
from heliopolis.io.slstr import READ as SLSTR_READ
from heliopolis.io.slstr import grid_swath, read_swaths
from heliopolis.scene import Scene, Sensor, read_scenes
from heliopolis.steps.landsat_retrieval import Request, clear_sky, retrieve
from heliopolis.steps.optical import options_grid as grid_of
from heliopolis.steps.scene_files import is_remote, opened
from heliopolis.thermal import sharpen as sharpening
from heliopolis.thermal.composite_error import split_sigma
from heliopolis.thermal.planck import ZERO_C_K, coarsen_mean, coarsen_mean_k
from heliopolis.thermal.uncertainty import PARTS

#: Cell of Landsat's thermal bands as delivered by the sensor [m].
LANDSAT_M = 100.0
#: Side of the samples that coarse cells are averaged from [m].
_SAMPLE_M = 10.0
_CHUNK = 1024
_LANDSAT = (Sensor.LANDSAT_L2, Sensor.LANDSAT_L1)
#: Cells with their errors, share of the area that is clear, native cell [m], tags.
_Cells = tuple[xr.Dataset, float, float, dict[str, str]]
_LOG = logging.getLogger(__name__)
_CARRIED = ("native_resolution_m", "acquired", "sensor", "simulated", "clear_share", "scene",
            "overpass", "retrieval", "emissivity", "water_vapour")  # fmt: skip


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
    one = _fetched(_pinned(scenes, scene), grid, thermal)
    if one.sensor in _LANDSAT:
        cells, share, native, told = _landsat(one, grid, thermal)
    elif one.sensor is Sensor.SLSTR_LST:
        cells, share, native, told = _slstr(one, grid)
    elif one.sensor is Sensor.LST_RASTER:
        cells, share, native, told = _lst_raster(one, grid)
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
    write_cog(coarse, bands, tags=tags)


def _pinned(scenes: Path, name: str) -> Scene:
    for one in read_scenes(scenes)["thermal"]:
        if one.id == name:
            return one
    raise InputError(f"there is no thermal scene {name!r}", where=str(scenes),
                     remedy="Run the search again")  # fmt: skip


def _fetched(scene: Scene, grid: GeoBox, thermal: Thermal) -> Scene:
    """The scene with its files at hand; of a cloudy one behind a network the mask alone."""
    reach = _reach(scene, grid)
    needed = thermal_assets(scene, thermal)
    if scene.sensor in _LANDSAT and is_remote(scene, needed):
        masked = opened(scene, reach, ["qa_pixel"])
        _, share = _landsat_clear(LandsatScene.from_items(masked.items), grid)
        if share < thermal.min_clear_share:
            _LOG.info("%s is cloudy over the area: only its mask is fetched", scene.id)
            return masked
    return opened(scene, reach, needed)


def thermal_assets(scene: Scene, thermal: Thermal) -> tuple[str, ...]:
    """Assets of a thermal scene that are read, where it has them."""
    if scene.sensor in _LANDSAT:
        return _request(thermal).assets
    return SLSTR_READ if scene.sensor is Sensor.SLSTR_LST else ("lst",)


def _reach(scene: Scene, grid: GeoBox) -> GeoBox:
    """The study grid and what the sensor's cells reach beyond it."""
    if scene.sensor is Sensor.LST_RASTER:
        return grid
    return coarsen(grid, SLSTR_M if scene.sensor is Sensor.SLSTR_LST else LANDSAT_M)


def celsius(lst_k: xr.DataArray, sd_k: xr.DataArray) -> xr.Dataset:
    """Bands ``lst_c`` [degC] and ``lst_sd_c`` [K]: the one place where kelvin ends."""
    lst = (lst_k - ZERO_C_K).astype("float32")
    lst.attrs = {"units": "degC", "long_name": "Land surface temperature"}
    sd = sd_k.astype("float32")
    sd.attrs = {"units": "K", "long_name": "Land surface temperature, 1-sigma error"}
    return xr.Dataset({"lst_c": lst, "lst_sd_c": sd})


def _error_bands(values: xr.Dataset) -> dict[str, xr.DataArray]:
    """Parts of the error [K] as they are written."""
    names = ("between pixels and dates", "of the date", "on every date")
    out = {}
    for name, text in zip(PARTS, names, strict=True):
        out[name] = values[name].astype("float32")
        out[name].attrs = {"units": "K", "long_name": f"1-sigma error {text}"}
    return out


def _samples(grid: GeoBox, cell_m: float) -> tuple[GeoBox, GeoBox, int]:
    """Coarse grid, sampling grid inside it, and the factor between them."""
    coarse = coarsen(grid, cell_m)
    factor = max(1, round(cell_m / min(_SAMPLE_M, grid.resolution.x)))
    shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
    return coarse, GeoBox(shape, coarse.affine * coarse.affine.scale(1 / factor), grid.crs), factor


def _landsat(scene: Scene, grid: GeoBox, thermal: Thermal) -> _Cells:
    coarse, fine, factor = _samples(grid, LANDSAT_M)
    source = LandsatScene.from_items(scene.items)
    clear, share = _landsat_clear(source, grid)
    if is_remote(scene, thermal_assets(scene, thermal)):
        return _nothing(coarse), share, LANDSAT_M, {}
    found = retrieve(source, fine, _request(thermal))
    cells = _averaged(found.values.where(clear), factor, coarse).compute()
    return cells, share, LANDSAT_M, found.tags


def _request(thermal: Thermal) -> Request:
    city = thermal.emissivity == "city"
    return Request(thermal.method, thermal.tcwv_mm, city=city, chunks=_CHUNK)


def _nothing(grid: GeoBox) -> xr.Dataset:
    """Cells of a scene that has nothing clear."""
    empty = wrap_xr(np.full(grid.shape, np.nan, dtype="float32"), grid)
    return xr.Dataset(dict.fromkeys(("lst_k", "sd_k", *PARTS), empty))


def _landsat_clear(source: LandsatScene, grid: GeoBox) -> tuple[xr.DataArray, float]:
    """Clear samples, and their share of the study grid."""
    _, fine, _ = _samples(grid, LANDSAT_M)
    clear = clear_sky(source, fine, LANDSAT_M, _CHUNK)
    inside = clear[: _rows(grid, fine), : _columns(grid, fine)]
    return clear, float(inside.mean().compute())


def _rows(grid: GeoBox, fine: GeoBox) -> int:
    return round(grid.shape[0] * grid.resolution.x / fine.resolution.x)


def _columns(grid: GeoBox, fine: GeoBox) -> int:
    return round(grid.shape[1] * grid.resolution.x / fine.resolution.x)


def _averaged(values: xr.Dataset, factor: int, coarse: GeoBox) -> xr.Dataset:
    """Cells from samples: mean of T^4, and of the errors.

    Errors of air and emissivity are shared within a cell, and its samples come from few native
    pixels: no part is divided by their number.
    """
    out = {"lst_k": wrap_xr(coarsen_mean_k(values["lst_k"], factor).data, coarse)}
    for name in PARTS:
        mean = wrap_xr(coarsen_mean(values[name], factor).data, coarse)
        out[name] = mean.where(out["lst_k"].notnull())
    out["sd_k"] = _quadrature(*(out[name] for name in PARTS))
    return xr.Dataset(out)


def _quadrature(*parts: xr.DataArray) -> xr.DataArray:
    root: xr.DataArray = sum((part**2 for part in parts), start=xr.zeros_like(parts[0])) ** 0.5
    return root


def _slstr(scene: Scene, grid: GeoBox) -> _Cells:
    coarse = coarsen(grid, SLSTR_M)
    box = coarse.extent.to_crs("EPSG:4326").boundingbox.bbox
    try:
        swath = read_swaths(scene.items, box)
    except NoDataError as error:
        _LOG.warning("%s is left out: %s", scene.id, error)
        return _nothing(coarse), 0.0, SLSTR_M, {"left_out": error.what}
    cells = grid_swath(swath, coarse)
    share = float(np.isfinite(cells["lst_k"].to_numpy()).mean())
    return cells, share, SLSTR_M, {"retrieval": "product"}


def _lst_raster(scene: Scene, grid: GeoBox) -> _Cells:
    told = scene.properties
    resolution = grid.resolution.x
    native = float(told.get("heliopolis:native_resolution_m", 100.0))
    native = max(1, round(native / resolution)) * resolution
    coarse, fine, factor = _samples(grid, native)
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
    cells = _averaged(xr.Dataset({"lst_k": read["lst_k"], **parts}), factor, coarse).compute()
    inside = read["lst_k"][: _rows(grid, fine), : _columns(grid, fine)]
    share = float(inside.notnull().mean().compute())
    return cells, share, native, {"retrieval": "product"}


# ------------------------------------------------------------------------------ sharpening
def sharpen(
    *, coarse: Path, optical: Path | None, lst: Path, report: Path, options: dict[str, Any]
) -> None:
    """Sharpen one scene to the study grid where the predictors have skill, and report on it."""
    thermal = Thermal.model_validate(options["thermal"])
    grid = grid_of(options)
    tags = read_tags(coarse)
    seen = read_onto([coarse], raster_grid(coarse))
    predictors: dict[str, Any] = {}
    if thermal.sharpen and optical is not None:
        stack = read_onto([optical], grid)
        predictors = {str(name): stack[name].to_numpy() for name in stack.data_vars}
    result = sharpening.sharpen(
        seen["lst_c"].to_numpy() + ZERO_C_K,
        seen["lst_sd_c"].to_numpy(),
        predictors,
        raster_grid(coarse),
        grid,
        psf_fwhm_m=float(tags["native_resolution_m"]),
        regression=thermal.sharpen,
    )
    carried = {key: tags[key] for key in _CARRIED if key in tags}
    carried["method"] = result.method
    carried["effective_resolution_m"] = f"{result.effective_resolution_m:.1f}"
    bands = celsius(result.lst_k, result.sd_k).assign(_sharpened_error(coarse, result.sd_k, grid))
    write_cog(lst, bands, tags=carried)
    write_json(report, {**carried, **sharpen_report(result)})


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
