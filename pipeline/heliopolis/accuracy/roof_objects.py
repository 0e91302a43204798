"""Buildings that the net and the outlines find in cities whose truth is known, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from PIL import Image
from scipy import ndimage

from heliopolis.roofs.field import Whole
from heliopolis.roofs.outline import Rules, outlines_and_originals
from heliopolis.roofs.probability import FAR_M, is_strange

#: Smaller buildings are not counted [m2].
MIN_AREA_M2 = 12.0
Floats = NDArray[np.floating[Any]]


def matches(found: NDArray[Any], truth: NDArray[Any], gsd_m: float) -> NDArray[np.float64]:
    """Buildings that match with an IoU of 0.5 or more, buildings found, true buildings.

    Parameters
    ----------
    found, truth
        Number of the building (y, x), 0 none.
    gsd_m
        Pixel size [m].
    """
    cells = MIN_AREA_M2 / gsd_m**2
    ours, true = (_counted(values) for values in (found, truth))
    shape = (int(ours.max()) + 1, int(true.max()) + 1)
    shared = np.bincount(ours * shape[1] + true, minlength=shape[0] * shape[1]).reshape(shape)
    size, known = shared.sum(axis=1), shared.sum(axis=0)
    iou = shared / np.maximum(size[:, None] + known[None] - shared, 1)
    keep, count = size >= cells, known >= cells
    keep[0] = count[0] = False
    return np.array(
        [((iou >= 0.5) & keep[:, None] & count[None]).sum(), keep.sum(), count.sum()], "float64"
    )


def _counted(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers 1, 2, 3... in place of any, flat; 0 stays."""
    known, flat = np.unique(numbers, return_inverse=True)
    return flat.ravel() + (0 if known[0] == 0 else 1)


def painted(layers: Floats, gsd_m: float, rules: Rules) -> NDArray[np.int32]:
    """Numbers of the outlines that are drawn for ``layers`` (layer, y, x), as a raster (y, x)."""
    height, width = layers.shape[1:]
    grid = GeoBox.from_bbox((0, 0, width * gsd_m, height * gsd_m), "EPSG:3857", resolution=gsd_m)
    made, _ = outlines_and_originals(Whole(layers, grid), rules)
    out = np.zeros((height, width), "int32")
    for number, shape in enumerate(made.geometry, start=1):
        left, bottom, right, top = shape.bounds
        rows = slice(max(0, int((height * gsd_m - top) / gsd_m) - 1),
                     int((height * gsd_m - bottom) / gsd_m) + 2)  # fmt: skip
        columns = slice(max(0, int(left / gsd_m) - 1), int(right / gsd_m) + 2)
        part = out[rows, columns]
        y, x = np.indices(part.shape)
        inside = shapely.contains_xy(
            shape,
            (x + columns.start + 0.5) * gsd_m,
            height * gsd_m - (y + rows.start + 0.5) * gsd_m,
        )
        part[inside] = number
    return out


def object_scores(
    predict: Callable[[Any], Floats], samples: Sequence[Any], rules: Rules
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of buildings in each city, with the outlines as they are drawn.

    Parameters
    ----------
    predict
        Answers (head, y, x) of the net to an image (y, x, band) at its working resolution.
    samples
        `roofnet.data.Sample`. True buildings are the numbered ones where a set numbers them,
        else the connected parts of its mask.
    rules
        How the outlines are drawn.
    """
    from roofnet import data

    counts: dict[str, NDArray[np.float64]] = {}
    for sample in samples:
        made = predict(data.to_working(sample))
        layers = np.stack([made[0], made[1], made[2] * FAR_M])
        house = sample.house
        if house is None:
            house = np.asarray(ndimage.label(sample.mask == 1)[0], "int32")
        size = (made.shape[2], made.shape[1])
        truth = np.asarray(Image.fromarray(house).resize(size, Image.Resampling.NEAREST))
        counts.setdefault(sample.city, np.zeros(3))
        counts[sample.city] += matches(painted(layers, data.GSD_M, rules), truth, data.GSD_M)
    return {
        city: {
            "precision": round(float(both / max(found, 1)), 3),
            "recall": round(float(both / max(true, 1)), 3),
            "f1": round(float(2 * both / max(found + true, 1)), 3),
            "buildings": float(true),
        }
        for city, (both, found, true) in counts.items()
    }


def score_roof_objects(data_dir: Path) -> dict[str, Any]:
    """Scores of buildings on the validation and the test cities with the shipped net."""
    from roofnet import data
    from roofnet.predict import Predictor

    net = Predictor()
    told = net.weights
    rules = Rules(told.threshold, MIN_AREA_M2, min_probability=told.outline_probability)
    root = data_dir / "aerial"
    return {
        role: object_scores(net.predict_image, data.read_samples(readers, root), rules)
        for role, readers in (("validation", data.VALIDATION), ("test", data.TEST))
    }


#: Windows (rows, columns) of the orthophoto of Eugene, and its pixel size [m].
_EUGENE = {"stadium": ((1050, 1900), (1410, 2150)), "forest": ((2925, 3410), (1075, 1605))}
_EUGENE_GSD_M = 0.305


def score_likeness(data_dir: Path) -> dict[str, Any]:
    """How unlike the training images the test cities, a stadium and a forest are.

    Returns
    -------
    dict
        The limits of the warning; for each place the mean distance, the share of the image beyond
        the limit, the share of what may be roof of which the net is not sure, and whether a run
        would warn.
    """
    from roofnet import data
    from roofnet.likeness import look
    from roofnet.predict import Predictor

    net = Predictor()
    root = data_dir / "aerial"
    pictures: dict[str, list[Floats]] = {}
    for sample in data.read_samples(data.TEST, root):
        pictures.setdefault(sample.city, []).append(data.to_working(sample))
    with Image.open(root / "autzen_eugene" / "autzen.jpg") as opened:
        ortho = np.asarray(opened)
    for name, (rows, columns) in _EUGENE.items():
        image = np.ascontiguousarray(ortho[slice(*rows), slice(*columns)])
        blank = np.zeros(image.shape[:2], "uint8")
        pictures[name] = [data.to_working(data.Sample(name, image, blank, _EUGENE_GSD_M))]
    told: dict[str, Any] = {
        "unlike_limit": net.weights.unlike_limit,
        "unsure_limit": net.weights.unsure_limit,
    }
    for name, images in pictures.items():
        looks = [look(net, image) for image in images]
        like = np.array([seen.like_roof for seen in looks], "float64")
        share = np.array([seen.unsure_share() for seen in looks])
        unsure = float(np.nansum(share * like) / max(like.sum(), 1))
        beyond = float(np.nanmean([seen.unlike_share(net.weights.unlike_limit) for seen in looks]))
        told[name] = {
            "unlike": round(float(np.mean([seen.mean_unlike() for seen in looks])), 3),
            "unlike_share": round(beyond, 3),
            "unsure_share": round(unsure, 3),
            "warns": is_strange(beyond, unsure, net.weights.unsure_limit),
        }
    return told
