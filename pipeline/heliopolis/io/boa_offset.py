"""Whether the numbers of a Sentinel-2 scene still carry the radiometric offset.

From processing baseline 04.00 on a Level-2A number is ``10000 reflectance + 1000`` (ESA,
Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD). Some archives take the 1000 off
again, and their metadata do not always say so rightly. Dark ground settles it: reflectance is
seldom negative and never by much, and dense vegetation and water are known to be dark.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.errors import InputError
from heliopolis.quality import SCL_WATER

Array = NDArray[Any]
#: Offset of baseline 04.00 and later [reflectance].
OFFSET = -0.1
FIRST_BASELINE = 4.0

_PER_REFLECTANCE = 10_000.0
_SCL_VEGETATION = 4
#: Fewer pixels of a class say nothing.
_MIN_PIXELS = 100
#: The darkest tenth of a class stands for it [%].
_DARKEST_PERCENT = 10.0
#: With the offset a number below this is a reflectance below -0.03. Atmospheric correction
#: overshoots by 0.01 to 0.02 over dark water and shade, not by more over a tenth of a class.
_REMOVED_BELOW = 700.0
#: Without the offset these are reflectances that the darkest tenth of dense vegetation does not
#: reach where chlorophyll absorbs (blue and red 0.02..0.06, green 0.03..0.10; Jacquemoud and
#: Baret 1990, doi:10.1016/0034-4257(90)90100-Z), nor water beyond the visible (below 0.03, where
#: the sun does not glint).
_PRESENT_ABOVE_ON_PLANTS: Mapping[str, float] = {"blue": 1000.0, "green": 1200.0, "red": 1000.0}
_PRESENT_ABOVE_ON_WATER: Mapping[str, float] = {"nir": 950.0, "swir16": 950.0, "swir22": 950.0}
#: Dense vegetation: near infrared above red by this; no offset changes the difference.
_DENSE_DIFFERENCE = 2000.0
#: Sun glint lifts all bands alike, within this.
_GLINT_SPREAD = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BoaOffset:
    """Offset still to be added to ``number * scale`` [reflectance], and who says so.

    ``decided_by`` is ``metadata`` where the pixels agree or say nothing, ``pixels`` where they
    overrule the metadata.
    """

    value: float
    decided_by: str


def metadata_offset(item: Mapping[str, Any], asset: str) -> float:
    """Offset by the item's own word [reflectance]: 0 or -0.1.

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
            return OFFSET if float(str(baseline)) >= FIRST_BASELINE else 0.0
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


def offset_present(numbers: Mapping[str, Array], scl: Array) -> dict[str, bool]:
    """Bands of which the pixels tell whether the offset is still in; the others are left out.

    Parameters
    ----------
    numbers
        Numbers as stored by band, arrays of one shape; NaN where there is no data.
    scl
        Scene classification of the same pixels.

    Returns
    -------
    dict
        True where the offset of 1000 is in the numbers, False where it has been taken off.
    """
    plants, water = scl == _SCL_VEGETATION, scl == SCL_WATER
    dense = np.zeros_like(plants)
    if "nir" in numbers and "red" in numbers:
        with np.errstate(invalid="ignore"):
            dense = plants & (numbers["nir"] - numbers["red"] >= _DENSE_DIFFERENCE)
    on_water = {name: _darkest(values, water) for name, values in numbers.items()}
    found: dict[str, bool] = {}
    for name, values in numbers.items():
        if min(_darkest(values, plants), on_water[name]) <= _REMOVED_BELOW:
            found[name] = False
        elif np.inf > _darkest(values, dense) >= _PRESENT_ABOVE_ON_PLANTS.get(name, np.inf):
            found[name] = True
    visible = {name: found[name] for name in _PRESENT_ABOVE_ON_PLANTS if name in found}
    for name, least in _PRESENT_ABOVE_ON_WATER.items():
        level = on_water.get(name, np.inf)
        # Bright water may be glint; then it is as bright in the visible.
        glint = any(
            not state and on_water[other] >= level - _GLINT_SPREAD
            for other, state in visible.items()
        )
        if visible and name not in found and np.inf > level >= least and not glint:
            found[name] = True
    return found


def _darkest(values: Array, where: Array) -> float:
    """Darkest tenth of a class; infinite where there is too little of it."""
    seen = values[where & np.isfinite(values)]
    return float(np.percentile(seen, _DARKEST_PERCENT)) if seen.size >= _MIN_PIXELS else np.inf


def decide_offset(
    item: Mapping[str, Any], numbers: Mapping[str, Array], scl: Array
) -> dict[str, BoaOffset]:
    """Offset of every band of one item, from its metadata and its pixels.

    Where the pixels are conclusive they decide, with a warning where the metadata say
    otherwise. `InputError` where the bands of the item contradict each other.
    """
    told = {name: metadata_offset(item, name) for name in numbers}
    seen = offset_present(numbers, scl)
    states = set(seen.values())
    if len(states) == 2:
        carrying = ", ".join(sorted(name for name, state in seen.items() if state))
        free = ", ".join(sorted(name for name, state in seen.items() if not state))
        raise InputError(
            "the bands of the scene contradict each other: by their dark pixels the offset of "
            f"1000 is still in {carrying} and has been taken off {free}",
            where=str(item.get("id")),
            remedy="Take the scene from another archive, or leave it out",
        )
    if not states:
        return {name: BoaOffset(value, "metadata") for name, value in told.items()}
    present = states.pop()
    if all((value != 0.0) == present for value in told.values()):
        return {name: BoaOffset(value, "metadata") for name, value in told.items()}
    _log.warning(
        "%s: the metadata say that the offset of 1000 is %s the numbers; the dark pixels of %s "
        "show that it is %s them, and they decide",
        item.get("id"),
        "not in" if present else "in",
        ", ".join(sorted(seen)),
        "in" if present else "not in",
    )
    value = OFFSET if present else 0.0
    return {name: BoaOffset(value, "pixels") for name in told}
