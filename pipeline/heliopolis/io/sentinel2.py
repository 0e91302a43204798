"""Sentinel-2 Level-2A scenes: reflectance with the offset taken off exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.raster import open_dataset, read_onto
from heliopolis.quality import SCL_WATER, scl_clear
from heliopolis.scene import Scene

#: STAC common name -> asset keys of the catalogs: Earth Search, Planetary Computer, Copernicus.
ASSETS: Mapping[str, tuple[str, ...]] = {
    "blue": ("blue", "B02", "B02_10m"),
    "green": ("green", "B03", "B03_10m"),
    "red": ("red", "B04", "B04_10m"),
    "nir": ("nir", "B08", "B08_10m"),
    "swir16": ("swir16", "B11", "B11_20m"),
    "swir22": ("swir22", "B12", "B12_20m"),
    "scl": ("scl", "SCL", "SCL_20m"),
}
REFLECTANCE = tuple(name for name in ASSETS if name != "scl")
_SCALE = 1e-4
#: Radiometric offset of baseline 04.00 and later, in reflectance (ESA, S2-PDGS-TAS-DI-PSD).
_OFFSET = -0.1


def asset_of(scene: Scene, band: str) -> str | None:
    """Asset key that holds ``band``; None where the scene lacks it."""
    return next((key for key in ASSETS[band] if scene.has(key)), None)


def boa_offset(item: Mapping[str, Any], asset: str) -> float:
    """Offset still to be added to ``number * 1e-4`` [reflectance]: 0 or -0.1.

    Decided in this order: the catalog says that the pixels are corrected already
    (``earthsearch:boa_offset_applied``); the processing baseline (04.00 and later carry the
    offset, whatever the date of acquisition); the offset that the asset declares. A declared
    offset never comes on top of another.
    """
    properties = item.get("properties", {})
    if properties.get("earthsearch:boa_offset_applied") is True:
        return 0.0
    baseline = properties.get("s2:processing_baseline") or properties.get("processing:version")
    if baseline is not None:
        try:
            return _OFFSET if float(str(baseline)) >= 4.0 else 0.0
        except ValueError as error:
            raise InputError(
                f"the processing baseline {baseline!r} is not a number", where=str(item.get("id"))
            ) from error
    record = item.get("assets", {}).get(asset, {})
    declared = (record.get("raster:bands") or [{}])[0].get("offset", record.get("raster:offset"))
    if declared is None:
        raise InputError(
            "neither the processing baseline nor an offset is known, so reflectance is not",
            where=str(item.get("id")),
            remedy="Add s2:processing_baseline to the item's properties, such as '05.11'",
        )
    return float(declared)


def read_sentinel2(
    scene: Scene,
    grid: GeoBox,
    *,
    bands: Sequence[str] = REFLECTANCE,
    chunks: int | None = None,
) -> xr.Dataset:
    """Reflectance 0..1 of the clear pixels on ``grid``, and ``scl_water``.

    Bands that the scene lacks are left out. Pixels of 20 m are interpolated bilinearly; a
    pixel is clear by the scene classification (`heliopolis.quality.scl_clear`).

    Returns
    -------
    Dataset
        float32 (y, x); NaN where not clear. ``scl_water`` is 1 on water, 0 on other clear
        ground, NaN elsewhere.
    """
    scl_asset = asset_of(scene, "scl")
    if scl_asset is None:
        raise InputError("the scene has no scene classification (SCL)", where=scene.id,
                         remedy="Use Level-2A products")  # fmt: skip
    scl = _first(read_onto([_local(scene.href(scl_asset))], grid, chunks=chunks))
    clear = scl_clear(scl)
    out = {}
    for band in bands:
        asset = asset_of(scene, band)
        if asset is None:
            continue
        path = _local(scene.href(asset))
        numbers = _first(read_onto([path], grid, resampling="bilinear", chunks=chunks))
        with open_dataset(path) as source:
            scaled = (source.scales[0], source.offsets[0]) != (1.0, 0.0)
            if source.nodata is None and not scaled:
                numbers = numbers.where(numbers > 0)
            first_offset = source.offsets[0]
        if scaled:
            offset = boa_offset(scene.item, asset) - first_offset
            values = numbers + np.float32(offset)
        else:
            values = numbers * np.float32(_SCALE) + np.float32(boa_offset(scene.item, asset))
        array = values.clip(0.0, 1.5).where(clear)
        array.attrs = {"units": "1"}
        out[band] = array
    water = (scl == SCL_WATER).astype("float32").where(clear)
    water.attrs = {"units": "1"}
    return xr.Dataset({**out, "scl_water": water})


def _first(dataset: xr.Dataset) -> xr.DataArray:
    return dataset[next(iter(dataset.data_vars))]


def _local(href: str) -> str:
    return href.removeprefix("file://")
