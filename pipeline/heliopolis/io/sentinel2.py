"""Sentinel-2 Level-2A scenes: reflectance with the offset taken off exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.boa_offset import BoaOffset, decide_offset
from heliopolis.io.stac_load import declared, first_valid, load
from heliopolis.quality import SCL_WATER, scl_clear
from heliopolis.scene import Scene

REFLECTANCE = ("blue", "green", "red", "nir", "swir16", "swir22")
ASSETS = (*REFLECTANCE, "scl")
_SCALE = 1e-4
#: Brighter than this is no surface; clouds are masked [reflectance].
_BRIGHTEST = 1.5
#: Windows along each side of the grid, and their side [cells], that the offset is judged on.
_WINDOWS = 3
_WINDOW = 192


def read_sentinel2(
    scene: Scene,
    grid: GeoBox,
    *,
    bands: Sequence[str] = REFLECTANCE,
    chunks: int | None = None,
) -> xr.Dataset:
    """Reflectance 0..1 of the clear pixels on ``grid``, and ``scl_water``.

    Bands that the scene lacks are left out. Pixels of 20 m are interpolated bilinearly; a
    pixel is clear by the scene classification (`heliopolis.quality.scl_clear`). Where several
    items of the scene cover a cell, the first one that has a value gives it.

    The numbers stay lazy with ``chunks``, but for a few windows of at most 576 x 576 cells
    together, which are read at once to see whether the offset of the processing baseline is
    still in them (`heliopolis.io.boa_offset`).

    Returns
    -------
    Dataset
        float32 (y, x); NaN where not clear. ``scl_water`` is 1 on water, 0 on other clear
        ground, NaN elsewhere. Attributes of a band: ``units``, ``boa_offset_from`` (``metadata``
        or ``pixels``), and ``source_band`` where the item names it. The dataset has
        ``boa_offset_from`` as well: ``pixels`` when any item was decided so.

    Raises
    ------
    InputError
        When there is no scene classification, when neither baseline nor offset is known, or
        when bands of an item contradict each other about the offset.
    """
    parts = [_read_item(item, grid, bands, chunks) for item in scene.items]
    decided = [part.attrs["boa_offset_from"] for part in parts]
    merged = first_valid(parts)
    scl = merged["scl"]
    clear = scl_clear(scl)
    out = {}
    for name, array in merged.drop_vars("scl").data_vars.items():
        out[name] = array.clip(0.0, _BRIGHTEST).where(clear)
        out[name].attrs = array.attrs
    water = (scl == SCL_WATER).astype("float32").where(clear)
    water.attrs = {"units": "1"}
    told = "pixels" if "pixels" in decided else "metadata"
    return xr.Dataset({**out, "scl_water": water}, attrs={"boa_offset_from": told})


def _read_item(
    item: Mapping[str, Any], grid: GeoBox, bands: Sequence[str], chunks: int | None
) -> xr.Dataset:
    """Reflectance and classification of one item, nothing masked."""
    item = _with_nodata(item)
    assets = item["assets"]
    if "scl" not in assets:
        raise InputError(
            "the scene has no scene classification (SCL)",
            where=str(item.get("id")),
            remedy="Use Level-2A products",
        )
    # All bands are judged together: what one of them lacks, another may show.
    known = [name for name in REFLECTANCE if name in assets]
    offsets = _offsets(item, grid, known)
    wanted = [name for name in bands if name in assets]
    methods = dict.fromkeys(wanted, "bilinear") | {"scl": "nearest"}
    loaded = load(item, [*wanted, "scl"], grid, resampling=methods, chunks=chunks)
    out = {"scl": loaded["scl"]}
    for name in wanted:
        out[name] = loaded[name] * np.float32(_SCALE) + np.float32(offsets[name].value)
        out[name].attrs = _attributes(assets[name], offsets[name])
    told = "pixels" if any(o.decided_by == "pixels" for o in offsets.values()) else "metadata"
    return xr.Dataset(out, attrs={"boa_offset_from": told})


def _with_nodata(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with our assets alone, nodata 0 where it is not declared (PSD, special values)."""
    assets = {}
    for name in ASSETS:
        if name in item.get("assets", {}):
            asset = dict(item["assets"][name])
            band = dict((asset.get("raster:bands") or [{}])[0])
            scale = declared(asset, "scale")
            if name != "scl" and scale is not None and abs(scale - _SCALE) > 1e-9:
                raise InputError(
                    f"the numbers of {name!r} are scaled by {scale:g}, not by {_SCALE:g} as those "
                    "of Level-2A products",
                    where=str(item.get("id")),
                    remedy="Correct raster:bands of the item, or give the original product",
                )
            asset["raster:bands"] = [{**band, "nodata": band.get("nodata", 0)}]
            assets[name] = asset
    return {**item, "assets": assets}


def _attributes(asset: Mapping[str, Any], offset: BoaOffset) -> dict[str, Any]:
    named = [band.get("name") for band in asset.get("eo:bands") or asset.get("bands") or ()]
    name = (named and named[0]) or asset.get("heliopolis:source_name")
    source = {"source_band": str(name)} if name else {}
    return {"units": "1", "boa_offset_from": offset.decided_by, **source}


def _offsets(item: Mapping[str, Any], grid: GeoBox, bands: Sequence[str]) -> dict[str, BoaOffset]:
    pieces = [load(item, [*bands, "scl"], window) for window in _windows(grid)]
    flat = {
        name: np.concatenate([piece[name].to_numpy().ravel() for piece in pieces])
        for name in (*bands, "scl")
    }
    scl = flat.pop("scl")
    return decide_offset(item, flat, scl)


def _windows(grid: GeoBox) -> list[GeoBox]:
    """Windows spread evenly over the grid; all of it where it is small."""
    rows, columns = (_spans(length) for length in grid.shape)
    return [grid[row, column] for row in rows for column in columns]


def _spans(length: int) -> list[slice]:
    if length <= _WINDOWS * _WINDOW:
        return [slice(0, length)]
    middles = [(index + 0.5) * length / _WINDOWS for index in range(_WINDOWS)]
    starts = [round(middle - _WINDOW / 2) for middle in middles]
    return [slice(start, start + _WINDOW) for start in starts]
