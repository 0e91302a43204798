"""Steps of the heat half up to the composite: scene, optical composite, sharpening, composite."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Heat, Period, Thermal
from heliopolis.errors import InputError, NoDataError
from heliopolis.grid import coarsen
from heliopolis.io.atomic import write_json
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.lst_files import read_lst_file
from heliopolis.io.raster import band_names, raster_grid, read_onto, read_tags, write_cog
from heliopolis.io.slstr import NATIVE_M as SLSTR_M
from heliopolis.io.slstr import READ as SLSTR_READ
from heliopolis.io.slstr import grid_swath, read_swaths
from heliopolis.quality import dilate, landsat_clear, landsat_cloud
from heliopolis.scene import Scene, Sensor, read_scenes
from heliopolis.steps.optical import optical_composite
from heliopolis.steps.optical import options_grid as grid_of
from heliopolis.steps.scene_files import is_remote, opened
from heliopolis.thermal import composite as compositing
from heliopolis.thermal import optical as indices
from heliopolis.thermal import retrieval
from heliopolis.thermal import sharpen as sharpening
from heliopolis.thermal.planck import ZERO_C_K, coarsen_mean, coarsen_mean_k

#: Cell of Landsat's thermal bands as delivered by the sensor [m].
LANDSAT_M = 100.0
#: Side of the samples that coarse cells are averaged from [m].
_SAMPLE_M = 10.0
#: Share of bare ground above which a pixel counts as built where only NDVI is known.
_BARE_SHARE = 0.7
_CHUNK = 1024
_PRODUCT = ("lwir11", "qa")
_RTE = ("trad", "urad", "drad", "atran", "emis")
_LOG = logging.getLogger(__name__)
__all__ = ["composite", "optical_composite", "sharpen", "thermal_scene"]
_CARRIED = ("native_resolution_m", "acquired", "sensor", "simulated", "clear_share", "scene",
            "overpass", "retrieval")  # fmt: skip


# ------------------------------------------------------------------------------ one thermal scene
def thermal_scene(*, scenes: Path, coarse: Path, scene: str, options: dict[str, Any]) -> None:
    """Temperature of one scene on the sensor's own cells, clear pixels only.

    Writes bands ``lst_c`` and ``lst_sd_c``. A cell is filled where at least half of it is
    clear; a scene that is all cloud gives a raster of NaN, with its clear share in the tags.
    """
    thermal = Thermal.model_validate(options["thermal"])
    grid = grid_of(options)
    one = _fetched(_pinned(scenes, scene), grid, thermal)
    if one.sensor is Sensor.LANDSAT_L2:
        cells, share, native = _landsat(one, grid, thermal)
    elif one.sensor is Sensor.SLSTR_LST:
        cells, share, native = _slstr(one, grid)
    elif one.sensor is Sensor.LST_RASTER:
        cells, share, native = _lst_raster(one, grid)
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
        "retrieval": thermal.method if one.sensor is Sensor.LANDSAT_L2 else "product",
        "averaging": "mean of T^4 over the cell",
    }
    write_cog(coarse, celsius(cells["lst_k"], cells["sd_k"]), tags=tags)


def _pinned(scenes: Path, name: str) -> Scene:
    for one in read_scenes(scenes)["thermal"]:
        if one.id == name:
            return one
    raise InputError(f"there is no thermal scene {name!r}", where=str(scenes),
                     remedy="Run the search again")  # fmt: skip


def _fetched(scene: Scene, grid: GeoBox, thermal: Thermal) -> Scene:
    """The scene with its files at hand; of a cloudy one behind a network the mask alone."""
    reach = _reach(scene, grid)
    needed = thermal_assets(scene, thermal.method)
    if scene.sensor is Sensor.LANDSAT_L2 and is_remote(scene, needed):
        masked = opened(scene, reach, ["qa_pixel"])
        _, share = _landsat_clear(LandsatScene.from_items(masked.items), grid)
        if share < thermal.min_clear_share:
            _LOG.info("%s is cloudy over the area: only its mask is fetched", scene.id)
            return masked
    return opened(scene, reach, needed)


def thermal_assets(scene: Scene, method: str) -> tuple[str, ...]:
    """Assets of a thermal scene that are read, where it has them."""
    if scene.sensor is Sensor.LANDSAT_L2:
        return ("qa_pixel", *(_PRODUCT if method == "product" else (*_RTE, "emsd", "mtl")))
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


def _samples(grid: GeoBox, cell_m: float) -> tuple[GeoBox, GeoBox, int]:
    """Coarse grid, sampling grid inside it, and the factor between them."""
    coarse = coarsen(grid, cell_m)
    factor = max(1, round(cell_m / min(_SAMPLE_M, grid.resolution.x)))
    shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
    return coarse, GeoBox(shape, coarse.affine * coarse.affine.scale(1 / factor), grid.crs), factor


def landsat_kelvin(source: LandsatScene, grid: GeoBox, method: str, chunks: int) -> retrieval.Pair:
    """LST and its error on ``grid`` [K] by the methods ``product`` and ``rte``; not masked."""
    if method == "product":
        source.require(["lwir11"], "the method 'product'")
        keys = ["lwir11", *(["qa"] if "qa" in source.files else [])]
        bands = source.read(keys, grid, chunks=chunks)
        return retrieval.product(bands["lwir11"], bands.get("qa"))
    source.require(_RTE, "the method 'rte'")
    bands = source.read([*_RTE, *(["emsd"] if "emsd" in source.files else [])], grid, chunks=chunks)
    k1, k2 = source.thermal_constants(10)
    emsd = bands["emsd"].fillna(0.01) if "emsd" in bands else 0.01
    trad, urad, drad, atran, emis = (bands[key] for key in _RTE)
    return retrieval.rte(trad, urad, drad, atran, emis, k1, k2, emsd)


def _landsat(scene: Scene, grid: GeoBox, thermal: Thermal) -> tuple[xr.Dataset, float, float]:
    coarse, fine, factor = _samples(grid, LANDSAT_M)
    source = LandsatScene.from_items(scene.items)
    clear, share = _landsat_clear(source, grid)
    if is_remote(scene, thermal_assets(scene, thermal.method)):
        nothing = wrap_xr(np.full(coarse.shape, np.nan, dtype="float32"), coarse)
        return xr.Dataset({"lst_k": nothing, "sd_k": nothing}), share, LANDSAT_M
    lst, sd = landsat_kelvin(source, fine, thermal.method, _CHUNK)
    cells = _averaged(lst.where(clear), sd.where(clear), factor, coarse).compute()
    return cells, share, LANDSAT_M


def _landsat_clear(source: LandsatScene, grid: GeoBox) -> tuple[xr.DataArray, float]:
    """Clear samples, and their share of the study grid."""
    _, fine, factor = _samples(grid, LANDSAT_M)
    source.require(["qa_pixel"], "the cloud mask")
    words = source.read(["qa_pixel"], fine, chunks=_CHUNK)["qa_pixel"]
    clear = landsat_clear(words) & ~dilate(landsat_cloud(words), factor)
    inside = clear[: _rows(grid, fine), : _columns(grid, fine)]
    return clear, float(inside.mean().compute())


def _rows(grid: GeoBox, fine: GeoBox) -> int:
    return round(grid.shape[0] * grid.resolution.x / fine.resolution.x)


def _columns(grid: GeoBox, fine: GeoBox) -> int:
    return round(grid.shape[1] * grid.resolution.x / fine.resolution.x)


def _averaged(lst: xr.DataArray, sd: xr.DataArray, factor: int, coarse: GeoBox) -> xr.Dataset:
    mean = coarsen_mean_k(lst, factor)
    # Errors of the atmosphere and of the emissivity are shared within a cell: no division by n.
    spread = coarsen_mean(sd, factor).where(mean.notnull())
    return xr.Dataset({"lst_k": wrap_xr(mean.data, coarse), "sd_k": wrap_xr(spread.data, coarse)})


def _slstr(scene: Scene, grid: GeoBox) -> tuple[xr.Dataset, float, float]:
    coarse = coarsen(grid, SLSTR_M)
    box = coarse.extent.to_crs("EPSG:4326").boundingbox.bbox
    cells = grid_swath(read_swaths(scene.items, box), coarse)
    return cells, float(np.isfinite(cells["lst_k"].to_numpy()).mean()), SLSTR_M


def _lst_raster(scene: Scene, grid: GeoBox) -> tuple[xr.Dataset, float, float]:
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
    cells = _averaged(read["lst_k"], read["sd_k"], factor, coarse).compute()
    inside = read["lst_k"][: _rows(grid, fine), : _columns(grid, fine)]
    return cells, float(inside.notnull().mean().compute()), native


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
    write_cog(lst, celsius(result.lst_k, result.sd_k), tags=carried)
    write_json(report, {**carried, **sharpen_report(result)})


def sharpen_report(result: sharpening.SharpenResult) -> dict[str, Any]:
    """What `sharpen` says about its result, as JSON types."""
    return {
        "method": result.method,
        "skill": result.skill,
        "effective_resolution_m": round(result.effective_resolution_m, 1),
        "mass_residual_k": round(result.mass_residual_k, 5),
        "predictors": result.predictors,
    }


# ------------------------------------------------------------------------------ composite
def composite(
    *,
    lsts: list[Path],
    reports: list[Path],
    optical: Path | None,
    lst: Path,
    options: dict[str, Any],
) -> None:
    """Composite of the scenes that are clear enough, of one time of day.

    ``reports`` name the scenes' sharpening reports; what is used of them stands in the tags
    of ``lsts`` as well. With ``time_of_day: both`` the main bands are those of the day, and
    night gets bands of its own.
    """
    thermal = Thermal.model_validate(options["thermal"])
    heat = Heat.model_validate(options["heat"])
    period = Period.model_validate(options["period"])
    grid = grid_of(options)
    told = {path: read_tags(path) for path in lsts}
    used, left_out = _chosen(told, thermal, period)
    wanted = ("day", "night") if period.time_of_day == "both" else (period.time_of_day,)
    groups = {w: [p for p in used if told[p].get("overpass", "day") == w] for w in wanted}
    groups = {name: paths for name, paths in groups.items() if paths}
    if not groups:
        raise NoDataError(
            "no scene is clear enough for a composite: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items()),
            where="thermal",
            remedy="Widen period or its months, or lower thermal.min_clear_share",
        )
    mask, description = _reference(optical, grid, heat)
    bands: dict[str, xr.DataArray] = {}
    tags: dict[str, str] = {}
    for index, (name, paths) in enumerate(groups.items()):
        made, level_c, spread = _one_composite(paths, told, mask, grid)
        suffix = "" if index == 0 else f"_{name}"
        bands |= {f"{band}{suffix}": array for band, array in made.items()}
        tags |= {
            f"dates{suffix}": ",".join(told[p]["acquired"] for p in paths),
            f"scenes{suffix}": ",".join(told[p]["scene"] for p in paths),
            f"reference_mean_c{suffix}": f"{level_c:.3f}",
            f"date_spread_k{suffix}": spread,
            f"time_of_day{suffix}": name,
        }
    tags |= {
        "reference": description,
        "left_out": json.dumps(left_out),
        "sensors": ",".join(sorted({told[p]["sensor"] for p in used})),
        "simulated": str(any(told[p].get("simulated") == "true" for p in used)).lower(),
        "correlated_share": f"{compositing.CORRELATED_SHARE:g}",
    }
    write_cog(lst, xr.Dataset(bands), tags=tags)


def _chosen(
    told: Mapping[Path, Mapping[str, str]], thermal: Thermal, period: Period
) -> tuple[list[Path], dict[str, str]]:
    """Scenes that enter the composite, by time; and why the others do not."""
    used, left_out = [], {}
    for path, tags in told.items():
        share = float(tags["clear_share"])
        overpass = tags.get("overpass", "day")
        if tags["sensor"] not in thermal.composite_sensors:
            left_out[tags["scene"]] = f"sensor {tags['sensor']} is delivered by scene only"
        elif period.time_of_day not in ("both", overpass):
            left_out[tags["scene"]] = f"overpass at {overpass}"
        elif share < thermal.min_clear_share:
            left_out[tags["scene"]] = (
                f"clear over {share:.0%} of the area, less than {thermal.min_clear_share:.0%}"
            )
        else:
            used.append(path)
    return sorted(used, key=lambda p: (datetime.fromisoformat(told[p]["acquired"]),
                                       told[p]["scene"])), left_out  # fmt: skip


def _reference(optical: Path | None, grid: GeoBox, heat: Heat) -> tuple[xr.DataArray | None, str]:
    """Reference pixels and their description."""
    if heat.reference == "area_median":
        return None, "median of the whole area"
    names = band_names(optical) if optical is not None else []
    plants = [name for name in ("class_field", "class_forest") if name in names]
    if optical is None or not ("ndvi" in names or plants):
        return None, "median of the whole area (no vegetation index or class map was given)"
    wanted = [name for name in ("ndvi", "water", "built", *plants) if name in names]
    read = read_onto([optical], grid, bands=wanted)
    shape = (grid.shape[0], grid.shape[1])
    if "ndvi" in wanted:
        green = read["ndvi"].to_numpy() >= indices.VEGETATED_NDVI
    else:
        green = read[plants].to_array().sum("variable").to_numpy() >= 0.9
    water, built = (
        read[name].to_numpy() if name in wanted else np.zeros(shape) for name in ("water", "built")
    )
    if read_tags(optical).get("built_from") == "ndvi":
        # Ground without vegetation may be a field; only what is all bare counts as built.
        built = np.where(np.isfinite(built), built > _BARE_SHARE, np.nan)
    mask, text = compositing.vegetation_reference(green, water, built, grid.resolution.x)
    return (None if mask is None else wrap_xr(mask, grid)), text


def _one_composite(
    paths: Sequence[Path],
    told: Mapping[Path, Mapping[str, str]],
    mask: xr.DataArray | None,
    grid: GeoBox,
) -> tuple[dict[str, xr.DataArray], float, str]:
    dates = [read_onto([path], grid, chunks=_CHUNK) for path in paths]
    stack = xr.concat(dates, dim="time")
    kelvin = stack["lst_c"] + ZERO_C_K
    levels = compositing.date_levels(kelvin, mask).compute()
    resolution = [float(told[path]["effective_resolution_m"]) for path in paths]
    made = compositing.composite(kelvin, stack["lst_sd_c"], resolution, mask, levels=levels)
    bands = {
        "lst_median_c": _band(made["lst_median"] - ZERO_C_K, "degC",
                              "Median land surface temperature of the clear dates"),
        "lst_sd_c": _band(made["lst_sd"], "K", "1-sigma error of the median"),
        "anomaly_c": _band(made["anomaly"], "K", "Difference from the reference"),
        "n_obs": _band(made["n_obs"], "1", "Number of clear dates"),
        "effective_resolution_m": _band(made["effective_resolution"], "m",
                                        "Effective resolution, mean of the clear dates"),
        "persistence": _band(made["persistence"], "1",
                             "Share of clear dates hotter than one spatial standard deviation"),
    }  # fmt: skip
    level_c = float(levels["reference"].to_numpy()[0]) - ZERO_C_K
    return bands, level_c, ",".join(f"{value:.2f}" for value in levels["spread"].to_numpy())


def _band(array: xr.DataArray, units: str, long_name: str) -> xr.DataArray:
    array = array.drop_vars([name for name in ("time",) if name in array.coords])
    array.attrs = {"units": units, "long_name": long_name}
    return array
