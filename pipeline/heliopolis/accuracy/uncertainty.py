"""Is the stated error of surface temperature honest? Land class by land class, on known truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy.stats import norm, qmc

from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.raster import raster_grid, read_onto, read_tags
from heliopolis.quality import landsat_classes
from heliopolis.thermal.bands import Band, constants_band
from heliopolis.thermal.clouds import city_clear
from heliopolis.thermal.composite import composite
from heliopolis.thermal.emissivity import city_emissivity, ndvi
from heliopolis.thermal.footprint import footprint_sd, seen_by_sensor
from heliopolis.thermal.materials import mixed
from heliopolis.thermal.planck import ZERO_C_K, coarsen_mean, coarsen_mean_k
from heliopolis.thermal.retrieval import retrieve_rte
from heliopolis.thermal.uncertainty import PARTS

Array = NDArray[Any]
CELL_M, FINE_M = 100.0, 10.0
#: Classes of the simulated land cover as `heliopolis.thermal.materials` names them.
_MATERIALS = {
    "roof_metal": "metal", **{name: name for name in (
        "roof_tile", "roof_slate", "roof_bitumen", "roof_gravel", "white_roof", "pv_panel",
        "asphalt", "concrete")},
}  # fmt: skip
#: Land classes of the table, by the covers that make up at least `PURE` of a cell.
CLASSES: Mapping[str, tuple[str, ...]] = {
    "built": tuple(_MATERIALS),
    "vegetation": ("grass", "tree", "crop", "forest", "stubble"),
    "bare": ("bare_soil",),
    "water": ("water",),
}
PURE = 0.7
#: Errors of the air that a reanalysis leaves, 1 sigma: of its optical depth (relative, and
#: absolute), of its temperature [K]. The scenes come with the true air; the errors are drawn here.
DEPTH_ERROR, DEPTH_ERROR_ABSOLUTE, AIR_ERROR_K = 0.10, 0.01, 1.0
DRAWS = 8
_DIFFUSIVITY = 1.66
_MIN_CLEAR = 0.2


@dataclass(frozen=True)
class _Look:
    """One scene on the fine grid: what is read of it, and its true cells [K]."""

    bands: xr.Dataset
    quality: xr.Dataset
    clear: xr.DataArray
    band: Band
    truth_k: Array


def score_uncertainty(data: Path) -> dict[str, Any]:
    """Share of errors within one and two stated sigmas, for single scenes and their composite.

    Radiative transfer inversion of the simulated Landsat scenes, with our own emissivity, on the
    sensor's cells of 100 m, against the mean of the true field over each cell. Three times: with
    emissivity from NDVI alone, with a class map that knows what is sealed, and with one that
    knows the materials. Cells with metal
    are counted apart: they are flagged. Each scene is inverted with `DRAWS` errors of the air, so
    that the share is that of many days and not of one.

    Returns
    -------
    dict
        ``ndvi``, ``sealed``, ``materials`` -> ``scene`` and ``composite`` -> land class -> ``n``,
        ``bias_k``, ``rmse_k``, ``stated_k`` (root mean square), ``within_1_sigma``,
        ``within_2_sigma``.
    """
    landcover = data / "truth" / "landcover.tif"
    folders = sorted(p for p in (data / "catalog" / "landsat-c2-l2").glob("*") if p.is_dir())
    if not landcover.exists() or not folders:
        raise InputError("there is no simulated city", where=str(data),
                         remedy="Make it with heliopolis simulate --out DIR")  # fmt: skip
    fine = _fine(raster_grid(landcover))
    shares = _shares(landcover, fine)
    looks = [_look(folder.resolve(), fine, data) for folder in folders]
    looks = [look for look in looks if float(look.clear.mean()) >= _MIN_CLEAR]
    return {
        name: _tables(looks, [_emissivity(look, _knowledge(name, shares)) for look in looks],
                      fine, _classes(shares))
        for name in ("ndvi", "sealed", "materials")
    }  # fmt: skip


def run_coverage(results: Path, data: Path) -> dict[str, Any]:
    """The same of what a run has delivered: its scenes on the sensor's cells, its composite.

    The composite is compared with the median of the true fields of its dates.
    """
    landcover = data / "truth" / "landcover.tif"
    fine = _fine(raster_grid(landcover))
    classes = _classes(_shares(landcover, fine))
    single = []
    for file in sorted(results.glob("work/scenes/L*/coarse.tif")):
        single.append(_delivered([file], ("lst_c", "lst_sd_c"), [file.parent.name], fine, data))
    names = read_tags(results / "lst.tif")["scenes"].split(",")
    both = _delivered([results / "lst.tif"], ("lst_median_c", "lst_sd_c"), names, fine, data)
    return {
        name: {land: _coverage(pairs, mask) for land, mask in classes.items()}
        for name, pairs in (("scene", single), ("composite", [both]))
        if pairs
    }


def _delivered(
    files: Sequence[Path], bands: tuple[str, str], names: Sequence[str], fine: GeoBox, data: Path
) -> tuple[Array, Array]:
    factor = round(CELL_M / FINE_M)
    read = read_onto(list(files), fine, bands=list(bands))
    lst = coarsen_mean_k(read[bands[0]] + ZERO_C_K, factor).values
    true = np.median([_true_cells(name, fine, data) for name in names], axis=0)
    return lst - true, coarsen_mean(read[bands[1]], factor).values


def _true_cells(name: str, fine: GeoBox, data: Path) -> Array:
    true = read_onto([data / "truth" / "scenes" / f"{name}_lst.tif"], fine)["lst_c"]
    return np.asarray(coarsen_mean_k(true + ZERO_C_K, round(CELL_M / FINE_M)).values)


def _fine(grid: GeoBox) -> GeoBox:
    coarse = coarsen(grid, CELL_M)
    factor = round(CELL_M / FINE_M)
    shape = (coarse.shape[0] * factor, coarse.shape[1] * factor)
    return GeoBox(shape, coarse.affine * coarse.affine.scale(1 / factor), grid.crs)


def _shares(landcover: Path, fine: GeoBox) -> dict[str, xr.DataArray]:
    """1 where a cover is, 0 elsewhere, by its name (y, x)."""
    codes = read_onto([landcover], fine)["landcover"]
    names = {key.removeprefix("class_"): name for key, name in read_tags(landcover).items()
             if key.startswith("class_")}  # fmt: skip
    return {name: (codes == float(code)).astype("float64") for code, name in names.items()}


def _classes(shares: Mapping[str, xr.DataArray]) -> dict[str, Array]:
    """Masks of the land classes on the cells (y, x); ``metal`` leaves out of the others."""
    factor = round(CELL_M / FINE_M)
    cells = {name: coarsen_mean(share, factor).values for name, share in shares.items()}
    metal = cells["roof_metal"] >= 0.01
    masks = {
        name: (np.sum([cells[part] for part in parts], axis=0) >= PURE) & ~metal
        for name, parts in CLASSES.items()
    }
    masks["mixed"] = ~np.logical_or.reduce(list(masks.values())) & ~metal
    return masks | {"metal": metal, "all_but_metal": ~metal}


def _knowledge(name: str, shares: Mapping[str, xr.DataArray]) -> dict[str, Any]:
    """What the emissivity is told of the ground."""
    if name == "ndvi":
        return {}
    if name == "sealed":
        return {"sealed": sum(shares[part] for part in CLASSES["built"])}
    materials = mixed({to: shares[cover] for cover, to in _MATERIALS.items()})
    return {"materials": materials, "sealed": xr.zeros_like(shares["water"])}


def _look(folder: Path, fine: GeoBox, data: Path) -> _Look:
    scene = LandsatScene.from_folder(folder)
    keys = ["trad", "urad", "drad", "atran", "red", "nir08", "qa_pixel", "cdist"]
    bands = scene.read(keys, fine)
    quality = landsat_classes(bands["qa_pixel"])
    clear = city_clear(quality, resolution_m=FINE_M, cloud_distance_km=bands["cdist"])["clear"]
    # The simulator's bands are their two constants: no error of the band's model.
    band = replace(constants_band(*scene.thermal_constants(10)), sigma_k=0.0)
    return _Look(bands, quality, clear, band, _true_cells(folder.name, fine, data))


def _emissivity(look: _Look, knowledge: Mapping[str, Any]) -> xr.Dataset:
    """Emissivity and its error as the sensor sees them."""
    red, nir = (look.bands[name].clip(0.0, 1.0) for name in ("red", "nir08"))
    made = city_emissivity(ndvi(red, nir), red, water=look.quality["water"], **knowledge)
    return xr.Dataset(
        {
            name: seen_by_sensor(made[name].astype("float64"), FINE_M)
            for name in ("emissivity", "emissivity_sd")
        }
    )


def _cells(look: _Look, emissivity: xr.Dataset, draw: Array) -> xr.Dataset:
    """Temperature and parts of its error on the cells, with one error of the air."""
    trad, up, down, tau = (look.bands[key] for key in ("trad", "urad", "drad", "atran"))
    depth: xr.DataArray = xr.zeros_like(tau) - np.log(tau)
    other = depth * (1.0 + DEPTH_ERROR * draw[0]) + DEPTH_ERROR_ABSOLUTE * draw[1]
    air = up / (1.0 - tau)
    warmer = air + look.band.slope(look.band.temperature(air)) * AIR_ERROR_K * draw[2]
    thin, thick, through = (
        xr.zeros_like(tau) + np.exp(-x) for x in (_DIFFUSIVITY * depth, _DIFFUSIVITY * other, other)
    )
    found = retrieve_rte(
        trad, (1.0 - through) * warmer, down * (1.0 - thick) / (1.0 - thin) * warmer / air,
        through, emissivity["emissivity"], look.band,
        emissivity["emissivity_sd"],
    )  # fmt: skip
    found = found.where(look.clear)
    factor = round(CELL_M / FINE_M)
    lst = coarsen_mean_k(found["lst_k"], factor)
    random, scene, always = (
        coarsen_mean(found[part], factor).where(lst.notnull()) for part in PARTS
    )
    always = (always**2 + footprint_sd(lst) ** 2) ** 0.5
    return xr.Dataset({"lst_k": lst, "random_k": random, "scene_k": scene, "systematic_k": always})


def _tables(
    looks: Sequence[_Look],
    emissivities: Sequence[xr.Dataset],
    fine: GeoBox,
    classes: Mapping[str, Array],
) -> dict[str, dict[str, Any]]:
    # Latin hypercube: the errors of each scene are spread as a normal law over the draws.
    cube = qmc.LatinHypercube(3 * len(looks), rng=np.random.default_rng(20250621)).random(DRAWS)
    errors = norm.ppf(cube).reshape(DRAWS, len(looks), 3)
    single: list[tuple[Array, Array]] = []
    several: list[tuple[Array, Array]] = []
    grid = coarsen(fine, CELL_M)
    whole = xr.concat([wrap_xr(look.truth_k, grid) for look in looks], dim="time")
    resolution = [CELL_M] * len(looks)
    # What the composite is an estimate of: the same statistic of the true fields, without clouds.
    true = composite(whole, xr.zeros_like(whole), resolution)["lst_median"].values
    for draw in errors:
        dates = [_cells(*one) for one in zip(looks, emissivities, draw, strict=True)]
        for look, date in zip(looks, dates, strict=True):
            squares = [date[part] ** 2 for part in ("random_k", "scene_k", "systematic_k")]
            sigma = sum(squares, start=xr.zeros_like(squares[0])) ** 0.5
            single.append((date["lst_k"].values - look.truth_k, sigma.values))
        stack = {
            name: xr.concat([wrap_xr(date[name].values, grid) for date in dates], dim="time")
            for name in dates[0].data_vars
        }
        made = composite(
            stack["lst_k"], None, resolution, overpass=["day"] * len(dates),
            sd_random_k=stack["random_k"], sd_systematic_k=stack["systematic_k"],
            sd_scene_k=stack["scene_k"],
        )  # fmt: skip
        several.append((made["lst_median"].values - true, made["lst_sd"].values))
    return {
        name: {land: _coverage(pairs, mask) for land, mask in classes.items()}
        for name, pairs in (("scene", single), ("composite", several))
    }


def _coverage(pairs: Sequence[tuple[Array, Array]], mask: Array) -> dict[str, Any]:
    error = np.concatenate([one[mask] for one, _ in pairs])
    sigma = np.concatenate([one[mask] for _, one in pairs])
    known = np.isfinite(error) & np.isfinite(sigma)
    error, sigma = error[known], sigma[known]
    if error.size == 0:
        return {"n": 0}
    figures = {
        "bias_k": error.mean(),
        "rmse_k": np.sqrt(np.mean(error**2)),
        "stated_k": np.sqrt(np.mean(sigma**2)),
        "within_1_sigma": np.mean(np.abs(error) <= sigma),
        "within_2_sigma": np.mean(np.abs(error) <= 2.0 * sigma),
    }
    return {"n": int(error.size), **{name: round(float(v), 3) for name, v in figures.items()}}
