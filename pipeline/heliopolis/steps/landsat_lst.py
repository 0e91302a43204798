"""Surface temperature of one Landsat scene on its own pixels, by any of the methods."""

from __future__ import annotations

import json
from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import ConfigError, InputError
from heliopolis.io.catalogs.door import enter, from_disk, sensor_of
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.raster import read_onto, write_cog
from heliopolis.scene import Sensor
from heliopolis.steps.landsat_clear import clear_sky
from heliopolis.steps.landsat_retrieval import METHODS, Request, retrieve
from heliopolis.steps.thermal import celsius

CHUNK = 1024


def write_landsat_lst(
    item: Path,
    out: Path,
    *,
    method: str = "product",
    tcwv_mm: float | None = None,
    emissivity: Path | None = None,
    chunks: int = CHUNK,
) -> None:
    """Write ``lst_c`` and ``lst_sd_c`` of a scene, NaN where it is not clear.

    Where the emissivity is ours, ``emissivity_source`` comes third. The tags tell which
    emissivity and which water vapour were used.

    Parameters
    ----------
    item
        Folder with files of USGS names (L2SP or L1TP), or a STAC item as JSON.
    out
        Raster to write, on the scene's own grid.
    method
        One of `METHODS`.
    tcwv_mm
        Total column water vapour [mm] for ``smw`` and ``split-window``; where it is None it comes
        from ST_ATRAN, else from a climatology.
    emissivity
        Raster of emissivity 0..1 that replaces the scene's own.
    chunks
        Side of the chunks [pixels].
    """
    if method not in METHODS:
        raise ConfigError(f"the method {method!r} is not known",
                          remedy="Choose one of: " + ", ".join(METHODS))  # fmt: skip
    scene = _opened(item)
    grid = scene.grid
    given = None if emissivity is None else _raster(emissivity, grid, chunks)
    found = retrieve(scene, grid, Request(method, tcwv_mm, given, chunks=chunks))
    bands = celsius(found.values["lst_k"], found.values["sd_k"])
    if found.emissivity_source is not None:
        bands["emissivity_source"] = found.emissivity_source.astype("float32")
    if "qa_pixel" in scene.files:
        bands = bands.where(clear_sky(scene, grid, chunks).masks["clear"])
    tags = {"scene": scene.name, **found.tags, "masked": str("qa_pixel" in scene.files)}
    write_cog(out, bands, tags=tags)


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


def _raster(path: Path, grid: GeoBox, chunks: int) -> xr.DataArray:
    read = read_onto([path], grid, resampling="bilinear", chunks=chunks)
    values = read[next(iter(read.data_vars))]
    return values.where((values > 0.5) & (values <= 1.0))
