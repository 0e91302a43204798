"""Mono-window and split-window methods on simulated Level-1 scenes, against the known truth."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from heliopolis.accuracy.cover_map import CELL_M, FINE_M, CoverMap
from heliopolis.accuracy.landsat_st import CLASSES_MM, met
from heliopolis.accuracy.uncertainty import MIN_CLEAR, true_cells
from heliopolis.io.landsat import LandsatScene
from heliopolis.quality import landsat_classes
from heliopolis.thermal.clouds import city_clear
from heliopolis.thermal.emissivity import city_emissivity, ndvi, ndvi_threshold
from heliopolis.thermal.footprint import footprint_sd, restored, seen_by_sensor
from heliopolis.thermal.planck import brightness_temperature, coarsen_mean, coarsen_mean_k
from heliopolis.thermal.retrieval import retrieve_smw, retrieve_split_window
from heliopolis.thermal.water_vapour import from_transmittance

Array = NDArray[Any]
#: Bar on the RMSE below `BAR_BELOW_MM` of water vapour, where the ground is known [K].
BAR_K, BAR_BELOW_MM = 1.0, 30.0
#: What the emissivity knows of the ground: published NDVI thresholds; our own, with a map of what
#: is sealed; our own, with a map of materials.
GROUNDS = ("ndvi_thresholds", "sealed", "materials")


def score_simulated_level1(data_dir: Path) -> dict[str, Any] | None:
    """Both methods on the Level-1 scenes of a simulated city, on cells of 100 m.

    The city is looked for in ``data_dir``, then in ``configs/demo/data``; None without one. Its
    air is that of LOWTRAN 7 for mid-latitudes, which no coefficient of the methods was made with.
    Water vapour is told by the Level-2 twin of each scene. Cells with 1 % of metal or more, which
    a run marks as not to be trusted, are counted apart.

    Returns
    -------
    dict
        What the emissivity knows of the ground -> method -> figures over all scenes, by class of
        water vapour, and of the cells with metal: ``n_cells``, ``rmse_k``, ``bias_k``,
        ``within_1_sigma``, ``within_2_sigma``.
    """
    for home in (data_dir, Path("configs/demo/data")):
        folders = sorted((home / "catalog" / "landsat-c2-l1").glob("L*"))
        if folders:
            return _score(folders, home)
    return None


def _score(folders: list[Path], home: Path) -> dict[str, Any]:
    covers = CoverMap.of(home / "truth" / "landcover.tif")
    metal = covers.classes()["metal"]
    cells = [one for one in (_cells(folder, home, covers) for folder in folders) if one is not None]
    found: dict[str, Any] = {"scenes": [name for name, _, _ in cells]}
    for ground in GROUNDS:
        found[ground] = {}
        for method in ("smw", "split_window"):
            errors = [parts[ground, method] for _, _, parts in cells]
            waters = [water for _, water, _ in cells]
            found[ground][method] = _table(errors, waters, metal)
    for method, table in found["materials"].items():
        dry = table["all_but_metal"]["below_30_mm"]
        found[f"{method}_bar"] = met(dry["rmse_k"], BAR_K)
    return found


def _table(
    errors: list[tuple[Array, Array]], waters: list[Array], metal: NDArray[np.bool_]
) -> dict[str, Any]:
    error, sigma = (np.stack(parts) for parts in zip(*errors, strict=True))
    water = np.stack(waters)
    table: dict[str, Any] = {}
    for land, mask in (("all_but_metal", ~metal), ("metal", metal)):
        table[land] = {"below_30_mm": _figures(error, sigma, mask & (water < BAR_BELOW_MM))}
        for low, high in pairwise(CLASSES_MM):
            figures = _figures(error, sigma, mask & (water >= low) & (water < high))
            if figures["n_cells"]:
                table[land][f"water_{low:g}_{high:g}_mm"] = figures
    return table


def _figures(error: Array, sigma: Array, mask: NDArray[np.bool_]) -> dict[str, Any]:
    known = mask & np.isfinite(error) & np.isfinite(sigma)
    error, sigma = error[known], sigma[known]
    if not error.size:
        return {"n_cells": 0, "rmse_k": float("nan")}
    return {
        "n_cells": int(error.size),
        "rmse_k": round(float(np.sqrt(np.mean(error**2))), 3),
        "bias_k": round(float(error.mean()), 3),
        "within_1_sigma": round(float(np.mean(np.abs(error) <= sigma)), 3),
        "within_2_sigma": round(float(np.mean(np.abs(error) <= 2.0 * sigma)), 3),
    }


def _cells(
    folder: Path, home: Path, covers: CoverMap
) -> tuple[str, Array, dict[tuple[str, str], tuple[Array, Array]]] | None:
    """Name, water vapour [mm] and, by ground and method, error and stated sigma [K] of the cells.

    None where clouds leave too little of the scene.
    """
    scene, grid = LandsatScene.from_folder(folder), covers.grid
    name = folder.name.replace("L1TP", "L2SP")
    twin = LandsatScene.from_folder(home / "catalog" / "landsat-c2-l2" / name)
    bands = scene.read(["l1_b10", "l1_b11", "l1_red", "l1_nir", "qa_pixel"], grid)
    quality = landsat_classes(bands["qa_pixel"])
    clear = city_clear(quality, resolution_m=FINE_M)["clear"]
    if float(clear.mean()) < MIN_CLEAR:
        return None
    water, water_sd = from_transmittance(twin.read(["atran"], grid)["atran"], scene.spacecraft)
    t10, t11 = (_brightness(scene, bands[f"l1_b{number}"], number) for number in (10, 11))
    truth = true_cells(name, grid, home)
    parts = {}
    for ground in GROUNDS:
        e10, e11, sd = _emissivities(scene, bands, quality["water"], covers, ground)
        smw = retrieve_smw(t10, e10, water, scene.spacecraft, sd, water_sd)
        split = retrieve_split_window(
            t10, t11, e10, e11, water, sd, scene.spacecraft, tcwv_sd_mm=water_sd
        )
        for method, made in (("smw", smw), ("split_window", split)):
            parts[ground, method] = _on_cells(made.where(clear), truth)
    factor = round(CELL_M / FINE_M)
    return name, np.asarray(coarsen_mean(water, factor).values), parts


def _on_cells(made: xr.Dataset, truth: Array) -> tuple[Array, Array]:
    factor = round(CELL_M / FINE_M)
    lst = coarsen_mean_k(made["lst_k"], factor)
    sd = (coarsen_mean(made["sd_k"], factor) ** 2 + footprint_sd(lst) ** 2) ** 0.5
    return restored(lst).values - truth, np.asarray(sd.values)


def _brightness(scene: LandsatScene, numbers: xr.DataArray, number: int) -> xr.DataArray:
    gain, offset = scene.radiance_scale(number)
    return brightness_temperature(numbers * gain + offset, *scene.thermal_constants(number))


def _emissivities(
    scene: LandsatScene, bands: xr.Dataset, water: xr.DataArray, covers: CoverMap, ground: str
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray | float]:
    """Of bands 10 and 11 as the sensor sees them, and the error of the first."""
    red, nir = _reflectance(scene, bands)
    index = ndvi(red, nir)
    if ground == "ndvi_thresholds":
        ten, eleven = (ndvi_threshold(index, red, band) for band in (10, 11))
        return ten, eleven, 0.01
    made = [
        city_emissivity(index, red, band=band, water=water, **covers.knowledge(ground, band))
        for band in (10, 11)
    ]
    seen = [seen_by_sensor(one["emissivity"].astype("float64"), FINE_M) for one in made]
    sd = seen_by_sensor(made[0]["emissivity_sd"].astype("float64"), FINE_M)
    return seen[0], seen[1], sd


def _reflectance(scene: LandsatScene, bands: xr.Dataset) -> list[xr.DataArray]:
    """Red and near infrared at the top of the air, 0..1."""
    entries: Mapping[str, str] = scene.metadata()
    sine = np.sin(np.radians(float(entries["SUN_ELEVATION"])))
    light = []
    for key, band in (("l1_red", 4), ("l1_nir", 5)):
        gain = float(entries[f"REFLECTANCE_MULT_BAND_{band}"])
        offset = float(entries[f"REFLECTANCE_ADD_BAND_{band}"])
        light.append(((bands[key] * gain + offset) / sine).clip(0.0, 1.0))
    return light
