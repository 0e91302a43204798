"""Surface temperature of one Landsat scene on its own pixels, by any of the methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, InputError
from heliopolis.io.catalogs.door import enter, from_disk, sensor_of
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.raster import read_onto, write_cog
from heliopolis.quality import dilate, landsat_clear, landsat_cloud
from heliopolis.scene import Sensor
from heliopolis.steps.thermal import celsius, landsat_kelvin
from heliopolis.thermal import retrieval
from heliopolis.thermal.emissivity import ndvi, ndvi_threshold
from heliopolis.thermal.planck import brightness_temperature

METHODS = ("product", "rte", "smw", "split-window")
_CHUNK = 1024
#: Cloud is grown by the 100 m of a native thermal pixel.
_GROW_M = 100.0


def write_landsat_lst(
    item: Path,
    out: Path,
    *,
    method: str = "product",
    tcwv_mm: float | None = None,
    emissivity: Path | None = None,
) -> None:
    """Write ``lst_c`` and ``lst_sd_c`` of a scene, NaN where it is not clear.

    Parameters
    ----------
    item
        Folder with files of USGS names (L2SP or L1TP), or a STAC item as JSON.
    out
        Raster to write, on the scene's own grid.
    method
        One of `METHODS`.
    tcwv_mm
        Total column water vapour [mm]; needed by ``smw`` and ``split-window``.
    emissivity
        Raster of emissivity 0..1 that replaces the scene's own.
    """
    if method not in METHODS:
        raise ConfigError(f"the method {method!r} is not known",
                          remedy="Choose one of: " + ", ".join(METHODS))  # fmt: skip
    if method in ("smw", "split-window") and tcwv_mm is None:
        raise ConfigError(
            f"the method {method!r} needs the water vapour of the air",
            remedy="Give --tcwv in mm, for instance from a reanalysis",
        )
    scene = _opened(item)
    grid = scene.grid
    if method == "product" or (method == "rte" and emissivity is None):
        lst, sd = landsat_kelvin(scene, grid, method, _CHUNK)
    elif method == "rte":
        lst, sd = _rte_with(scene, grid, _raster(Path(str(emissivity)), grid))
    elif method == "smw":
        lst, sd = _smw(scene, grid, float(tcwv_mm or 0.0), emissivity)
    else:
        lst, sd = _split_window(scene, grid, float(tcwv_mm or 0.0), emissivity)
    if "qa_pixel" in scene.files:
        words = scene.read(["qa_pixel"], grid, chunks=_CHUNK)["qa_pixel"]
        cells = max(1, round(_GROW_M / abs(grid.resolution.x)))
        clear = landsat_clear(words) & ~dilate(landsat_cloud(words), cells)
        lst, sd = lst.where(clear), sd.where(clear)
    tags = {"scene": scene.name, "retrieval": method, "masked": str("qa_pixel" in scene.files)}
    write_cog(out, celsius(lst, sd), tags=tags)


def _opened(item: Path) -> LandsatScene:
    if item.is_dir():
        return LandsatScene.from_folder(item)
    try:
        record = json.loads(item.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("the STAC item cannot be read", where=str(item),
                         remedy="Give a folder, or the item's JSON") from error  # fmt: skip
    sensor = sensor_of(record) or Sensor.LANDSAT_L2
    if sensor not in (Sensor.LANDSAT_L2, Sensor.LANDSAT_L1):
        raise InputError(f"the item is of {sensor}, not of Landsat", where=str(item))
    own = enter(record, sensor, catalog=str(item), resolve=from_disk(item.parent))
    return LandsatScene.from_item(own)


def _raster(path: Path, grid: GeoBox) -> xr.DataArray:
    read = read_onto([path], grid, resampling="bilinear", chunks=_CHUNK)
    values = read[next(iter(read.data_vars))]
    return values.where((values > 0.5) & (values <= 1.0))


def _rte_with(scene: LandsatScene, grid: GeoBox, emissivity: xr.DataArray) -> retrieval.Pair:
    keys = ["trad", "urad", "drad", "atran"]
    scene.require(keys, "the method 'rte'")
    bands = scene.read(keys, grid, chunks=_CHUNK)
    k1, k2 = scene.thermal_constants(10)
    trad, urad, drad, atran = (bands[key] for key in keys)
    return retrieval.rte(trad, urad, drad, atran, emissivity, k1, k2)


def _brightness(scene: LandsatScene, grid: GeoBox, band: int, purpose: str) -> xr.DataArray:
    """Brightness temperature at the sensor [K], from Level-1 numbers or ST_TRAD."""
    key = f"l1_b{band}"
    k1, k2 = scene.thermal_constants(band) if key in scene.files else (0.0, 0.0)
    if key in scene.files:
        gain, offset = scene.radiance_scale(band)
        radiance = scene.read([key], grid, chunks=_CHUNK)[key] * gain + offset
    else:
        scene.require(["trad"] if band == 10 else [key], purpose)
        k1, k2 = scene.thermal_constants(band)
        radiance = scene.read(["trad"], grid, chunks=_CHUNK)["trad"]
    return brightness_temperature(radiance, k1, k2)


def _emissivities(
    scene: LandsatScene, grid: GeoBox, bands: tuple[int, ...], given: Path | None
) -> list[xr.DataArray]:
    """Emissivity of each band: the given raster, the scene's own, or from NDVI."""
    if given is not None:
        return [_raster(given, grid)] * len(bands)
    if bands == (10,) and "emis" in scene.files:
        return [scene.read(["emis"], grid, chunks=_CHUNK)["emis"]]
    red, nir = _red_nir(scene, grid)
    index = ndvi(red, nir)
    return [ndvi_threshold(index, red, band) for band in bands]


def _red_nir(scene: LandsatScene, grid: GeoBox) -> tuple[xr.DataArray, xr.DataArray]:
    if {"red", "nir08"} <= set(scene.files):
        read = scene.read(["red", "nir08"], grid, chunks=_CHUNK)
        return read["red"].clip(0.0, 1.0), read["nir08"].clip(0.0, 1.0)
    scene.require(["l1_red", "l1_nir"], "emissivity from NDVI (or give --emissivity)")
    read = scene.read(["l1_red", "l1_nir"], grid, chunks=_CHUNK)
    entries = scene.metadata()
    sine = np.sin(np.radians(float(entries["SUN_ELEVATION"])))
    out = []
    for key, band in (("l1_red", 4), ("l1_nir", 5)):
        gain = float(entries[f"REFLECTANCE_MULT_BAND_{band}"])
        offset = float(entries[f"REFLECTANCE_ADD_BAND_{band}"])
        out.append(((read[key] * gain + offset) / sine).clip(0.0, 1.0))
    return out[0], out[1]


def _smw(
    scene: LandsatScene, grid: GeoBox, tcwv_mm: float, emissivity: Path | None
) -> retrieval.Pair:
    if scene.spacecraft not in retrieval.SMW_COEFFICIENTS:
        raise InputError(f"the satellite {scene.spacecraft} is not known to the method 'smw'",
                         where=scene.name)  # fmt: skip
    brightness = _brightness(scene, grid, 10, "the method 'smw'")
    (value,) = _emissivities(scene, grid, (10,), emissivity)
    return retrieval.smw(brightness, value, tcwv_mm, scene.spacecraft)


def _split_window(
    scene: LandsatScene, grid: GeoBox, tcwv_mm: float, emissivity: Path | None
) -> retrieval.Pair:
    scene.require(["l1_b10", "l1_b11"], "the method 'split-window'")
    t10 = _brightness(scene, grid, 10, "the method 'split-window'")
    t11 = _brightness(scene, grid, 11, "the method 'split-window'")
    e10, e11 = _emissivities(scene, grid, (10, 11), emissivity)
    return retrieval.split_window(t10, t11, e10, e11, tcwv_mm)
