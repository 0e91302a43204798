"""Scores of a net: intersection over union of roof pixels, city by city."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from roofnet import data, weights
from roofnet.unet import STRIDE_PX, RoofUNet

THRESHOLDS = np.round(np.arange(0.25, 0.76, 0.05), 2)
Predictor = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Score:
    """Intersection over union of each city at each of `THRESHOLDS`."""

    cities: dict[str, NDArray[np.float64]]

    @classmethod
    def worst(cls) -> Score:
        """Score below every other."""
        return cls({"none": np.full(len(THRESHOLDS), -1.0)})

    @property
    def _mean(self) -> NDArray[np.float64]:
        return np.mean(list(self.cities.values()), axis=0)

    @property
    def mean_iou(self) -> float:
        """Mean over the cities at the best common threshold."""
        return float(self._mean.max())

    @property
    def threshold(self) -> float:
        """Best common threshold."""
        return float(THRESHOLDS[int(self._mean.argmax())])

    def at(self, threshold: float) -> dict[str, float]:
        """IoU of each city at ``threshold``."""
        index = int(np.abs(THRESHOLDS - threshold).argmin())
        return {city: round(float(values[index]), 4) for city, values in self.cities.items()}

    def as_dict(self) -> dict[str, Any]:
        """Mean, threshold and cities, for a log."""
        return {
            "mean_iou": round(self.mean_iou, 4),
            "threshold": self.threshold,
            "iou": self.at(self.threshold),
        }


@torch.no_grad()
def predict_whole(net: RoofUNet, image: NDArray[Any]) -> NDArray[np.float32]:
    """Probability (y, x) of an image (y, x, 3) in 0..1, in one piece."""
    height, width = image.shape[:2]
    below, right = -height % STRIDE_PX, -width % STRIDE_PX
    value = weights.normalise(torch.from_numpy(image.transpose(2, 0, 1))[None])
    value = torch.nn.functional.pad(value, (0, right, 0, below))
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        logits = net.eval()(value.contiguous(memory_format=torch.channels_last))
    return torch.sigmoid(logits.float())[0, 0, :height, :width].numpy()


def score(net: RoofUNet | Predictor, samples: Sequence[data.Sample]) -> Score:
    """Score a net, or a function (y, x, 3) -> (y, x), on the samples' own grids.

    The net sees the image at its working resolution; its answer is brought back to the grid of
    the truth before it is compared. Counts are pooled within a city.
    """
    predict = (lambda i: predict_whole(net, i)) if isinstance(net, RoofUNet) else net
    counts: dict[str, NDArray[np.float64]] = {}
    for sample in samples:
        probability = predict(data.to_working(sample)).astype("float32")
        size = (sample.mask.shape[1], sample.mask.shape[0])
        probability = np.asarray(
            Image.fromarray(probability).resize(size, Image.Resampling.BILINEAR)
        )
        known = sample.mask != data.UNKNOWN
        roof = sample.mask[known] == 1
        found = probability[known][None] >= THRESHOLDS[:, None].astype("float32")
        both, either = (found & roof).sum(axis=1), (found | roof).sum(axis=1)
        counts.setdefault(sample.city, np.zeros((2, len(THRESHOLDS))))
        counts[sample.city] += [both, either]
    return Score({city: both / np.maximum(either, 1) for city, (both, either) in counts.items()})


def main(arguments: list[str] | None = None) -> None:
    """Report the IoU of each validation and test city at the threshold of the sidecar."""
    parser = argparse.ArgumentParser(description="Score the shipped roof net.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the aerial sets")
    parser.add_argument("--test", action="store_true", help="report the test cities too")
    parser.add_argument("--weights", type=Path, help="sidecar (.json); the shipped one by default")
    given = parser.parse_args(arguments)
    from roofnet.predict import Predictor as Tiled

    tiled = Tiled(weights.default() if given.weights is None else weights.read(given.weights))
    sets = {"validation": data.VALIDATION} | ({"test": data.TEST} if given.test else {})
    report = {
        role: score(tiled.predict, data.read_samples(readers, given.data)).at(
            tiled.weights.threshold
        )
        for role, readers in sets.items()
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
