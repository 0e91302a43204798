"""From the quality bands of the providers to a clear mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from heliopolis.errors import InputError

#: Bits of Landsat Collection 2 QA_PIXEL (USGS LSDS-1619, Landsat 8-9 Level 2 Product Guide).
QA_PIXEL_BITS: Mapping[str, int] = {
    "fill": 0,
    "dilated_cloud": 1,
    "cirrus": 2,
    "cloud": 3,
    "cloud_shadow": 4,
    "snow": 5,
    "clear": 6,
    "water": 7,
}
#: What makes a Landsat pixel unusable. ``clear`` is not asked for: it is 0 on water and snow.
QA_PIXEL_MASKED = ("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow")

#: Sentinel-2 scene classes that are masked: no data, saturated, cloud shadow, cloud of medium
#: and high probability, cirrus, snow. Dark areas (2) and unclassified (7) stay, because in
#: dense cities they are streets and roofs.
SCL_MASKED = (0, 1, 3, 8, 9, 10, 11)
SCL_WATER = 6

#: Meanings in SLSTR's ``confidence_in`` that make a pixel unusable.
SLSTR_MASKED = ("unfilled", "summary_cloud")


def qa_bit(qa_pixel: xr.DataArray, name: str) -> xr.DataArray:
    """Whether a bit of QA_PIXEL is set (bool); False where the word itself is missing (NaN)."""
    known = qa_pixel.notnull()
    word = qa_pixel.where(known, 0).astype("int64")
    return ((word >> QA_PIXEL_BITS[name]) & 1).astype(bool) & known


def landsat_clear(qa_pixel: xr.DataArray) -> xr.DataArray:
    """Clear pixels of a QA_PIXEL band (bool); a missing word is not clear.

    >>> words = xr.DataArray([21824.0, 22280.0, 1.0, np.nan], dims="x")
    >>> landsat_clear(words).values.tolist()
    [True, False, False, False]
    """
    known = qa_pixel.notnull()
    word = qa_pixel.where(known, 1).astype("int64")
    masked = sum(1 << QA_PIXEL_BITS[name] for name in QA_PIXEL_MASKED)
    return known & ((word & masked) == 0)


def landsat_cloud(qa_pixel: xr.DataArray) -> xr.DataArray:
    """Cloud, cirrus and cloud shadow, without the provider's own dilation (bool)."""
    return qa_bit(qa_pixel, "cloud") | qa_bit(qa_pixel, "cloud_shadow") | qa_bit(qa_pixel, "cirrus")


def scl_clear(scl: xr.DataArray) -> xr.DataArray:
    """Clear pixels of a Sentinel-2 scene classification (bool); missing is not clear."""
    return scl.notnull() & ~scl.isin(SCL_MASKED)


def flag_set(flags: xr.DataArray, *meanings: str) -> xr.DataArray:
    """Whether any of the flags is set (bool), by the band's own ``flag_meanings``.

    Works for CF bit fields (``flag_masks``) and enumerations (``flag_values``); `InputError`
    when the band does not declare one of ``meanings``.
    """
    names = str(flags.attrs.get("flag_meanings", "")).split()
    masks = _numbers(flags.attrs.get("flag_masks"))
    values = _numbers(flags.attrs.get("flag_values"))
    found = xr.zeros_like(flags, dtype=bool)
    word = flags.fillna(0).astype("int64") if flags.dtype.kind == "f" else flags.astype("int64")
    for meaning in meanings:
        if meaning not in names or len(masks or values) != len(names):
            raise InputError(
                f"the flag band does not declare {meaning!r}",
                where=str(flags.name),
                remedy="Its meanings are: " + (", ".join(names) or "none"),
            )
        index = names.index(meaning)
        mask = masks[index] if masks else -1
        want = values[index] if values else mask
        found = found | ((word & mask) == want)
    return found


def _numbers(attribute: Any) -> Sequence[int]:
    if attribute is None:
        return ()
    return [int(value) for value in np.atleast_1d(np.asarray(attribute))]


def slstr_clear(confidence: xr.DataArray) -> xr.DataArray:
    """Clear pixels of SLSTR's ``confidence_in`` (bool)."""
    return ~flag_set(confidence, *SLSTR_MASKED)


def dilate(mask: xr.DataArray, cells: int) -> xr.DataArray:
    """Grow True areas by ``cells`` pixels in all eight directions (bool). Lazy in, lazy out."""
    if cells <= 0:
        return mask
    size = 2 * cells + 1

    def grow(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(ndimage.maximum_filter(block, size=size, mode="constant", cval=0))

    data = mask.data
    if hasattr(data, "map_overlap"):
        depth = {axis: min(cells, length) for axis, length in enumerate(mask.shape)}
        data = data.map_overlap(grow, depth=depth, boundary=False, dtype=bool)
    else:
        data = grow(np.asarray(data))
    return mask.copy(data=data)
