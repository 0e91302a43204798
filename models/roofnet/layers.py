"""What the net is shown and what it shall answer, as layers of one array.

A sample becomes uint8 layers once; crops of them are then turned, scaled and made floats again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from roofnet.data import UNKNOWN, Sample

#: Finest ground sampling distance that is kept in memory for training [m].
STORED_GSD_M = 0.2
#: Layers in order. Inputs: five bands. Truth: roof, edge of a building, distance to that edge,
#: panel. Known: where roof, edge and distance, panel are known.
LAYERS = (
    "red", "green", "blue", "nir", "height",
    "roof", "edge", "inside", "panel",
    "roof_known", "edge_known", "panel_known",
)  # fmt: skip
#: Units of the layers ``height`` and ``inside`` [m].
HEIGHT_STEP_M, INSIDE_STEP_M = 0.2, 0.05
#: Half the width of the band that counts as edge [m].
EDGE_M = 0.45
#: Cities whose labels do not part touching houses, and that have many.
ROWS_OF_HOUSES = ("geneva",)
#: Cities that have next to no panels: their images count as images without any.
WITHOUT_PANELS = ("christchurch", "kampala", "nairobi", "zanzibar", "catanduanes")

Layers = NDArray[np.uint8]


def layers_of(sample: Sample) -> tuple[Layers, float]:
    """Layers (layer, y, x) of a sample, no finer than `STORED_GSD_M`, and their pixel size [m]."""
    factor = max(1.0, STORED_GSD_M / sample.gsd_m)
    height, width = sample.mask.shape
    size = (round(width / factor), round(height / factor))
    gsd_m = sample.gsd_m * factor

    def fine(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX))

    def labels(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST))

    mask = labels(sample.mask)
    if sample.house is None:
        house = np.asarray(ndimage.label(mask == 1)[0], "int32")
    else:
        house = labels(sample.house)
    inside_m = distance_to_edge(house) * gsd_m
    out = np.zeros((len(LAYERS), *mask.shape), "uint8")
    out[:3] = np.moveaxis(fine(sample.image), -1, 0)
    if sample.nir is not None:
        out[3] = fine(sample.nir)
    if sample.height_m is not None:
        out[4] = np.clip(np.rint(fine(sample.height_m) / HEIGHT_STEP_M), 0, 255)
    out[5] = mask == 1
    out[6] = inside_m <= EDGE_M
    out[7] = np.where(house > 0, np.clip(np.rint(inside_m / INSIDE_STEP_M), 0, 255), 0)
    out[9] = mask != UNKNOWN
    unsure = sample.house is None and sample.city in ROWS_OF_HOUSES
    out[10] = out[9] & ((house == 0) | (inside_m < 1.0)) if unsure else out[9]
    if sample.panel is not None:
        out[8], out[11] = labels(sample.panel), 1
    elif sample.city in WITHOUT_PANELS:
        out[11] = 1
    return out, gsd_m


def distance_to_edge(house: NDArray[Any]) -> NDArray[np.float32]:
    """Distance of each pixel (y, x) to the nearest border between two numbers [pixel].

    >>> import numpy as np
    >>> distance_to_edge(np.array([[1, 1, 1, 2, 2]]))
    array([[2.5, 1.5, 0.5, 0.5, 1.5]], dtype=float32)
    """
    border = np.zeros(house.shape, bool)
    across, down = house[:, 1:] != house[:, :-1], house[1:] != house[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    if not border.any():
        return np.full(house.shape, float(max(house.shape)), "float32")
    return (ndimage.distance_transform_edt(~border) + 0.5).astype("float32")
