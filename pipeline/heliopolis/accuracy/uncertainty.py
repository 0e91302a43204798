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

from heliopolis.accuracy.cover_map import CELL_M, FINE_M, CoverMap
from heliopolis.errors import InputError
from heliopolis.grid import coarsen
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.raster import read_onto, read_tags
from heliopolis.quality import landsat_classes
from heliopolis.thermal.bands import Band, constants_band
from heliopolis.thermal.clouds import city_clear
from heliopolis.thermal.composite import composite
from heliopolis.thermal.emissivity import city_emissivity, ndvi
from heliopolis.thermal.footprint import footprint_sd, restored, seen_by_sensor
from heliopolis.thermal.planck import ZERO_C_K, coarsen_mean, coarsen_mean_k
from heliopolis.thermal.retrieval import retrieve_rte
from heliopolis.thermal.uncertainty import PARTS

Array = NDArray[Any]
#: Errors of the air that a reanalysis leaves, 1 sigma: of its optical depth (relative, and
#: absolute), of its temperature [K]. The scenes come with the true air; the errors are drawn here.
DEPTH_ERROR, DEPTH_ERROR_ABSOLUTE, AIR_ERROR_K = 0.10, 0.01, 1.0
DRAWS = 40
_DIFFUSIVITY = 1.66
_AIR = ("trad", "urad", "drad", "atran")
_ERRORS = ("random_k", "scene_k", "systematic_k")
#: A scene with less clear sky is left out.
MIN_CLEAR = 0.2


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
    are counted apart: they are flagged. All is done `DRAWS` times: with other errors of the air on
    each date, and with another deviation of each material from its class, the same on all dates, so
    that the share is that of many days and cities and not of one.

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
    covers = CoverMap.of(landcover)
    looks = [_look(folder, covers.grid, data) for folder in folders]
    looks = [look for look in looks if float(look.clear.mean()) >= MIN_CLEAR]
    return {
        name: _tables(looks, [_emissivity(look, covers.knowledge(name)) for look in looks],
                      covers)
        for name in ("ndvi", "sealed", "materials")
    }  # fmt: skip


def run_coverage(results: Path, data: Path) -> dict[str, Any]:
    """The same of what a run has delivered, pixel by pixel at 10 m: its scenes, its composite.

    The composite is compared with the median of the true fields of its dates. The land class is
    that of the cell of 100 m around the pixel.
    """
    covers = CoverMap.of(data / "truth" / "landcover.tif")
    factor = round(CELL_M / FINE_M)
    classes = {
        land: np.repeat(np.repeat(mask, factor, axis=0), factor, axis=1)
        for land, mask in covers.classes().items()
    }
    single = []
    for file in sorted(results.glob("scenes/L*/lst.tif")):
        names = [file.parent.name]
        single.append(_delivered(file, ("lst_c", "lst_sd_c"), names, covers.grid, data))
    names = read_tags(results / "lst.tif")["scenes"].split(",")
    bands = ("lst_median_c", "lst_sd_c")
    both = _delivered(results / "lst.tif", bands, names, covers.grid, data)
    return {
        name: {land: _coverage(pairs, mask) for land, mask in classes.items()}
        for name, pairs in (("scene", single), ("composite", [both]))
        if pairs
    }


def _delivered(
    file: Path, bands: tuple[str, str], names: Sequence[str], fine: GeoBox, data: Path
) -> tuple[Array, Array]:
    read = read_onto([file], fine, bands=list(bands))
    true = np.median([_true_pixels(name, fine, data).values for name in names], axis=0)
    return read[bands[0]].values - true, read[bands[1]].values


def _true_pixels(name: str, fine: GeoBox, data: Path) -> xr.DataArray:
    return read_onto([data / "truth" / "scenes" / f"{name}_lst.tif"], fine)["lst_c"]


def true_cells(name: str, fine: GeoBox, data: Path) -> Array:
    """True temperature of a scene on the cells [K] (y, x): mean of T^4 over each."""
    true = _true_pixels(name, fine, data) + ZERO_C_K
    return np.asarray(coarsen_mean_k(true, round(CELL_M / FINE_M)).values)


def _look(folder: Path, fine: GeoBox, data: Path) -> _Look:
    scene = LandsatScene.from_folder(folder)
    keys = ["trad", "urad", "drad", "atran", "red", "nir08", "qa_pixel", "cdist"]
    bands = scene.read(keys, fine)
    quality = landsat_classes(bands["qa_pixel"])
    clear = city_clear(quality, resolution_m=FINE_M, cloud_distance_km=bands["cdist"])["clear"]
    # The simulator's bands are their two constants: no error of the band's model.
    band = replace(constants_band(*scene.thermal_constants(10)), sigma_k=0.0)
    return _Look(bands, quality, clear, band, true_cells(folder.name, fine, data))


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


def _cells(look: _Look, emissivity: xr.Dataset) -> xr.Dataset:
    """Temperature, parts of its error, and what goes into it, means over the cells."""
    trad, up, down, tau = parts = [look.bands[key] for key in _AIR]
    told, told_sd = emissivity["emissivity"], emissivity["emissivity_sd"]
    found = retrieve_rte(trad, up, down, tau, told, look.band, told_sd).where(look.clear)
    factor = round(CELL_M / FINE_M)
    lst = coarsen_mean_k(found["lst_k"], factor)
    random, scene, always = (
        coarsen_mean(found[part], factor).where(lst.notnull()) for part in PARTS
    )
    always = (always**2 + footprint_sd(lst) ** 2) ** 0.5
    read = dict(zip((*_AIR, "emissivity"), (*parts, told), strict=True))
    means = {name: coarsen_mean(part.where(look.clear), factor) for name, part in read.items()}
    errors = {"random_k": random, "scene_k": scene, "systematic_k": always}
    return xr.Dataset({"lst_k": lst, **errors, **means})


def _drawn(cells: xr.Dataset, band: Band, draw: Array, deviation: xr.DataArray) -> xr.DataArray:
    """Temperature of the cells [K] with one error of the air and of the emissivity."""
    trad, up, down, tau, emissivity = (cells[key] for key in (*_AIR, "emissivity"))
    depth: xr.DataArray = xr.zeros_like(tau) - np.log(tau)
    other = depth * (1.0 + DEPTH_ERROR * draw[0]) + DEPTH_ERROR_ABSOLUTE * draw[1]
    air = up / (1.0 - tau)
    warmer = air + band.slope(band.temperature(air)) * AIR_ERROR_K * draw[2]
    thin, thick, through = (
        xr.zeros_like(tau) + np.exp(-x) for x in (_DIFFUSIVITY * depth, _DIFFUSIVITY * other, other)
    )
    wrong = retrieve_rte(
        trad, (1.0 - through) * warmer, down * (1.0 - thick) / (1.0 - thin) * warmer / air,
        through, (emissivity + deviation).clip(max=1.0), band,
    )  # fmt: skip
    right = retrieve_rte(trad, up, down, tau, emissivity, band)
    return restored(cells["lst_k"] + wrong["lst_k"] - right["lst_k"])


def _tables(
    looks: Sequence[_Look], emissivities: Sequence[xr.Dataset], covers: CoverMap
) -> dict[str, dict[str, Any]]:
    grid, classes = coarsen(covers.grid, CELL_M), covers.classes()
    cells = [_cells(*one) for one in zip(looks, emissivities, strict=True)]
    sigmas = [
        sum((one[part] ** 2 for part in _ERRORS), start=xr.zeros_like(one["lst_k"])).values ** 0.5
        for one in cells
    ]
    stack = {
        part: xr.concat([wrap_xr(one[part].values, grid) for one in cells], dim="time")
        for part in _ERRORS
    }
    # What the composite is an estimate of: the same statistic of the true fields, without clouds.
    resolution = [CELL_M] * len(looks)
    whole = xr.concat([wrap_xr(look.truth_k, grid) for look in looks], dim="time")
    true = composite(whole, xr.zeros_like(whole), resolution)["lst_median"].values
    # Latin hypercube: the errors of each scene are spread as a normal law over the draws.
    n_air, n_covers = 3 * len(looks), len(covers.shares)
    cube = qmc.LatinHypercube(n_air + n_covers, rng=np.random.default_rng(20250621)).random(DRAWS)
    single: list[tuple[Array, Array]] = []
    several: list[tuple[Array, Array]] = []
    for draw in norm.ppf(cube):
        deviation = covers.deviation(draw[n_air:])
        air = draw[:n_air].reshape(len(looks), 3)
        dates = [
            _drawn(one, look.band, errors, deviation).values
            for one, look, errors in zip(cells, looks, air, strict=True)
        ]
        single += [
            (date - look.truth_k, sigma)
            for date, look, sigma in zip(dates, looks, sigmas, strict=True)
        ]
        made = composite(
            xr.concat([wrap_xr(date, grid) for date in dates], dim="time"), None, resolution,
            overpass=["day"] * len(dates), sd_random_k=stack["random_k"],
            sd_systematic_k=stack["systematic_k"], sd_scene_k=stack["scene_k"],
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
