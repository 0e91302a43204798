"""How unlike the training images a picture is, told by what the net sees in it.

The context of the net, averaged over a picture, is compared with that of the training images:
Mahalanobis distance with a shrunken covariance, in the manner of Lee et al. (2018,
arXiv:1807.03888), over the square root of the number of directions. Pictures of a place that the
net knows lie near 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from roofnet import data, weights
from roofnet.crops import Crops, photometric
from roofnet.layers import LAYERS
from roofnet.predict import TILE_PX, Predictor, Seen, window_of
from roofnet.unet import CONTEXT, RoofUNet

#: Pictures of each training city.
PICTURES = 40
#: Share of the pictures of the validation cities that may lie beyond the limit.
BEYOND = 0.02
#: Share of the mean variance that is added to each direction.
_SHRINKAGE = 0.1


def pictures(samples: Sequence[data.Sample], seed: int = 1) -> Iterator[NDArray[np.float32]]:
    """Pictures (y, x, 3) in 0..1 of every training city, each as it is and in another light."""
    rng = np.random.default_rng(seed)
    crops = Crops(list(samples), seed, size_px=320, batch=1, simulated_share=0.0)
    for city in sorted({sample.city for sample in samples}):
        for _ in range(PICTURES):
            layers, gsd_m = crops.pick(city)
            side = round(320 * data.GSD_M / gsd_m)
            top, left = (int(rng.integers(max(1, n - side + 1))) for n in layers.shape[1:])
            part = layers[: LAYERS.index("nir"), top : top + side, left : left + side]
            factor = gsd_m / data.GSD_M
            image = torch.from_numpy(part.astype("float32") / 255)[None]
            image = torch.nn.functional.interpolate(
                image, scale_factor=factor, mode="bilinear", antialias=factor < 1
            )
            for one in (image, photometric(image, rng)):
                yield np.ascontiguousarray(one[0].numpy().transpose(1, 2, 0))


def seen_in(net: RoofUNet, images: Iterator[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Mean context (picture, `CONTEXT`) of pictures that are mirrored to the size of a tile."""
    rows = []
    net.eval()
    for image in images:
        sides = [(0, TILE_PX - n) for n in image.shape[:2]]
        tile = np.pad(image, [*sides, (0, 0)], mode="symmetric").transpose(2, 0, 1)
        value = weights.normalise(torch.from_numpy(np.ascontiguousarray(tile))[None])
        with torch.no_grad():
            rows.append(net.answer(value)[1][0].double().numpy())
    return np.array(rows).reshape(-1, CONTEXT)


def fit(net: RoofUNet, samples: Sequence[data.Sample]) -> None:
    """Set what ``net`` knows of its training images."""
    seen = seen_in(net, pictures(samples))
    spread, axes = np.linalg.eigh(np.cov(seen.T))
    spread = np.clip(spread, 0, None) + _SHRINKAGE * spread.mean()
    net.seen_mean.copy_(torch.from_numpy(seen.mean(axis=0)))
    net.seen_axes.copy_(torch.from_numpy(axes / np.sqrt(spread)))


def settle(sidecar: Path, validation: Sequence[data.Sample]) -> None:
    """Note the limits that all but `BEYOND` of the validation pictures keep."""
    net = Predictor(weights.read(sidecar))
    looks = [look(net, data.to_working(sample)) for sample in validation]
    far, unsure = (
        round(float(np.quantile(values, 1 - BEYOND)), 3)
        for values in (
            [seen.mean_unlike() for seen in looks],
            [seen.unsure_share() for seen in looks if seen.like_roof],
        )
    )
    weights.settle(sidecar, unlike_limit=far, unsure_limit=unsure)


def look(net: Predictor, image: NDArray[Any]) -> Seen:
    """What the net saw in a picture (y, x, band) at the working resolution."""
    seen = net.seen()
    height, width = image.shape[:2]
    net.predict(partial(window_of, image), (0, height), (0, width), seen=seen)
    return seen
