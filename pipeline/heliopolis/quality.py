"""From the quality bands of the providers to a clear mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
#: Meanings in ``bayes_in`` that stand for cloud: by the nadir view, likelier than not.
SLSTR_BAYES_CLOUD = ("single_moderate",)


def qa_bit(qa_pixel: xr.DataArray, name: str) -> xr.DataArray:
    """Whether a bit of QA_PIXEL is set (bool); False where the word itself is missing (NaN)."""
    return _any_bit(qa_pixel, name)


def _any_bit(qa_pixel: xr.DataArray, *names: str) -> xr.DataArray:
    """Whether any of the bits is set (bool); a missing word has none."""
    wanted = sum(1 << QA_PIXEL_BITS[name] for name in names)
    return (qa_pixel.fillna(0).astype("uint16") & wanted) != 0


def landsat_clear(qa_pixel: xr.DataArray) -> xr.DataArray:
    """Clear pixels of a QA_PIXEL band (bool); a missing word is not clear.

    >>> words = xr.DataArray([21824.0, 22280.0, 1.0, np.nan], dims="x")
    >>> landsat_clear(words).values.tolist()
    [True, False, False, False]
    """
    fill = 1 << QA_PIXEL_BITS["fill"]
    masked = sum(1 << QA_PIXEL_BITS[name] for name in QA_PIXEL_MASKED)
    return (qa_pixel.fillna(fill).astype("uint16") & masked) == 0


def landsat_cloud(qa_pixel: xr.DataArray) -> xr.DataArray:
    """Cloud, cirrus and cloud shadow, without the provider's own dilation (bool)."""
    return _any_bit(qa_pixel, "cloud", "cloud_shadow", "cirrus")


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


def landsat_classes(qa_pixel: xr.DataArray) -> xr.Dataset:
    """What a QA_PIXEL band says, without the provider's own dilation.

    Returns
    -------
    Dataset
        ``missing``, ``cloud``, ``cirrus``, ``shadow``, ``snow``, ``water`` (bool), dims of the
        band. Cirrus comes from the 1.38 um band, which no roof can feign.
    """
    return _classes(
        missing=qa_pixel.isnull() | qa_bit(qa_pixel, "fill"),
        cloud=qa_bit(qa_pixel, "cloud"),
        cirrus=qa_bit(qa_pixel, "cirrus"),
        shadow=qa_bit(qa_pixel, "cloud_shadow"),
        snow=qa_bit(qa_pixel, "snow"),
        water=qa_bit(qa_pixel, "water"),
    )


def scl_classes(scl: xr.DataArray) -> xr.Dataset:
    """The same of a Sentinel-2 scene classification; saturated pixels count as missing."""
    return _classes(
        missing=scl.isnull() | scl.isin((0, 1)),
        cloud=scl.isin((8, 9)),
        cirrus=scl == 10,
        shadow=scl == 3,
        snow=scl == 11,
        water=scl == SCL_WATER,
    )


def slstr_classes(confidence: xr.DataArray, bayes: xr.DataArray | None = None) -> xr.Dataset:
    """The same of SLSTR's ``confidence_in`` and, where given, ``bayes_in``: the union of both.

    Flags are found by their names in the file. The product tells no shadows.
    """
    cloud = flag_set(confidence, "summary_cloud")
    if bayes is not None:
        cloud = cloud | flag_set(bayes, *SLSTR_BAYES_CLOUD)
    nothing = xr.zeros_like(cloud)
    return _classes(
        missing=flag_set(confidence, "unfilled"),
        cloud=cloud,
        cirrus=nothing,
        shadow=nothing,
        snow=flag_set(confidence, "snow"),
        water=flag_set(confidence, "ocean", "inland_water"),
    )


def _classes(**masks: xr.DataArray) -> xr.Dataset:
    return xr.Dataset({name: mask.astype(bool).drop_attrs() for name, mask in masks.items()})


def dilate_m(mask: xr.DataArray, radius_m: float, resolution_m: float) -> xr.DataArray:
    """Grow True areas (y, x) by a disc of ``radius_m`` [m] (bool). Lazy in, lazy out."""
    cells = int(radius_m / resolution_m + 1e-9)
    if cells <= 0:
        return mask.astype(bool)

    def grow(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if not block.any():
            return np.zeros(block.shape, dtype=bool)
        away = ndimage.distance_transform_edt(~block)
        return np.asarray(away * resolution_m <= radius_m + 1e-6)

    return near(mask.astype(bool), cells, grow, bool)


def near(
    array: xr.DataArray,
    cells: int,
    function: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
    dtype: Any,
) -> xr.DataArray:
    """Apply a function of the surroundings up to ``cells`` away; the same for any chunks.

    Beyond the edge of the array is the zero of its type.
    """
    data = array.data
    if hasattr(data, "map_overlap"):
        # Nothing lies farther away than the array is long.
        depth = {axis: min(cells, size) for axis, size in enumerate(array.shape)}
        data = data.map_overlap(function, depth=depth, boundary=0, dtype=dtype, allow_rechunk=True)
    else:
        padded = np.pad(np.asarray(data), cells)
        data = function(padded)[tuple(slice(cells, -cells or None) for _ in array.shape)]
    return array.copy(data=data)


def dilate(mask: xr.DataArray, cells: int) -> xr.DataArray:
    """Grow True areas by ``cells`` pixels in all eight directions (bool). Lazy in, lazy out."""
    if cells <= 0:
        return mask
    size = 2 * cells + 1

    def grow(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if not block.any():
            return block
        return np.asarray(ndimage.maximum_filter(block, size=size, mode="constant", cval=0))

    data = mask.data
    if hasattr(data, "map_overlap"):
        depth = {axis: min(cells, length) for axis, length in enumerate(mask.shape)}
        data = data.map_overlap(grow, depth=depth, boundary=False, dtype=bool)
    else:
        data = grow(np.asarray(data))
    return mask.copy(data=data)
