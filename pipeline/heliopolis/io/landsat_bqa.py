"""Quality words of Landsat Collection 1 (BQA), told in the bits of Collection 2 (QA_PIXEL).

Bits of BQA in Landsat 8 Collection 1 (USGS LSDS-1834, Landsat 8 Level 1 Data Format Control
Book): 0 fill, 4 cloud, and in pairs the confidences (3 is high) 5-6 cloud, 7-8 cloud shadow,
9-10 snow or ice, 11-12 cirrus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import xarray as xr

from heliopolis.quality import QA_PIXEL_BITS

_CONFIDENCE_SHIFT = {"cloud": 5, "cloud_shadow": 7, "snow": 9, "cirrus": 11}
_HIGH = 3
_CLOUD_BIT = 4
_PRODUCT = re.compile(r"L[A-Z]\d{2}_L1[A-Z]{2}_\d{6}_\d{8}_\d{8}_(\d{2})_")


def bqa_collection(name: str, metadata: Mapping[str, str]) -> int | None:
    """Collection of a BQA file called ``name``, by it or by the MTL; None before Collection 1."""
    match = _PRODUCT.search(name)
    told = match.group(1) if match else metadata.get("COLLECTION_NUMBER", "")
    return int(told) if str(told).isdigit() else None


def qa_pixel_of_bqa(words: xr.DataArray) -> xr.DataArray:
    """QA_PIXEL words of BQA words; NaN stays, and fill becomes NaN.

    Collection 1 knows neither the dilated cloud nor water; those bits are 0.

    >>> qa_pixel_of_bqa(xr.DataArray([2720.0, 2800.0, 1.0], dims="x")).values.tolist()
    [64.0, 8.0, nan]
    """
    known = words.notnull()
    word = words.where(known, 1).astype("int64")
    flags = {name: ((word >> shift) & _HIGH) == _HIGH for name, shift in _CONFIDENCE_SHIFT.items()}
    flags["cloud"] = flags["cloud"] | (((word >> _CLOUD_BIT) & 1) == 1)
    seen = flags["cloud"] | flags["cloud_shadow"] | flags["snow"] | flags["cirrus"]
    out = xr.where(seen, 0, 1 << QA_PIXEL_BITS["clear"])
    for name, flag in flags.items():
        out = out + flag.astype("int64") * (1 << QA_PIXEL_BITS[name])
    return out.astype("float32").where(known & ((word & 1) == 0), np.float32(np.nan))
