"""Temperature on the web map: a picture in fixed classes, and values under the pointer."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from heliopolis.legend import SCALES
from heliopolis.report.map_layers import whole
from heliopolis.variables import band_fields

#: Longest side of the picture of the temperature, and of the values under the pointer [cells].
_PICTURE_CELLS, _VALUE_CELLS = 1200, 300


def pack_raster(lst: xr.Dataset, origin: NDArray[Any], language: str) -> dict[str, Any]:
    """Picture of the temperature in its fixed classes, and values of larger cells."""
    median = lst["lst_median_c"]
    box = median.odc.geobox.boundingbox
    bounds = np.array(box.bbox) - np.tile(origin, 2)
    step = max(1, -(-max(median.shape) // _PICTURE_CELLS))
    return {
        "bounds": [float(value) for value in bounds],
        "png": base64.b64encode(class_picture(median.to_numpy()[::step, ::step])).decode("ascii"),
        "cells": _cells(lst, bounds, language),
    }


def class_picture(values: NDArray[Any]) -> bytes:
    """PNG of a temperature [degC] with one colour a class; clear where there is no value."""
    from PIL import Image

    scale = SCALES["lst.tif"]
    classes = np.digitize(np.nan_to_num(values), scale.breaks)
    classes = np.where(np.isfinite(values), classes, len(scale.colours)).astype("uint8")
    image = Image.fromarray(classes, "P")
    palette = [int(colour[i : i + 2], 16) for colour in scale.colours for i in (1, 3, 5)]
    image.putpalette([*palette, 255, 255, 255])
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, transparency=len(scale.colours))
    return buffer.getvalue()


def _cells(lst: xr.Dataset, bounds: NDArray[Any], language: str) -> dict[str, Any]:
    """Means over larger cells: temperature and the mean of its uncertainty, which cells share."""
    median = lst["lst_median_c"]
    factor = max(1, -(-max(median.shape) // _VALUE_CELLS))
    size = float(abs(median.odc.geobox.resolution.x)) * factor
    names = [name for name in ("lst_median_c", "lst_sd_c") if name in lst]
    means = {name: block_mean(lst[name].to_numpy(), factor) for name in names}
    detail = lst["effective_resolution_m"].to_numpy() if "effective_resolution_m" in lst else None
    fields = band_fields("lst.tif")
    shape = means["lst_median_c"].shape
    sd = means.get("lst_sd_c", np.full(shape, np.nan))
    return {
        "west": float(bounds[0]),
        "north": float(bounds[3]),
        "size": size,
        "wide": shape[1],
        "lst": whole(means["lst_median_c"].ravel() * 10),
        "sd": whole(sd.ravel() * 10),
        "label": fields["lst_median_c"].alias(language),
        "detail": None
        if detail is None or not np.isfinite(detail).any()
        else float(np.nanmedian(detail)),
        "detail_label": fields["effective_resolution_m"].alias(language),
    }


def block_mean(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Mean of blocks of ``factor`` x ``factor`` cells, of the known ones; NaN where none is.

    >>> block_mean(np.array([[1.0, 3.0, 5.0]]), 2)
    array([[2., 5.]])
    """
    rows, columns = (-(-size // factor) * factor for size in values.shape)
    padded = np.full((rows, columns), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows // factor, factor, columns // factor, factor)
    count = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.nansum(blocks, axis=(1, 3))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
