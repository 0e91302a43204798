"""Scores of a net: pixels, patches and calibration, city by city."""

from __future__ import annotations

import argparse
import hashlib
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
from scipy import ndimage

from roofnet import calibration, data, weights
from roofnet.unet import STRIDE_PX, RoofUNet

THRESHOLDS = np.round(np.arange(0.25, 0.76, 0.05), 2)
#: Mean probabilities of a patch that are tried as the level below which it is left out.
LEVELS = np.round(np.arange(0.3, 0.91, 0.025), 3)
#: Patches and roofs smaller than this are not counted [m2].
MIN_AREA_M2 = 12.0
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
    with torch.autocast("cpu", torch.bfloat16, enabled=weights.half_is_fast()):
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


def patch_scores(
    predict: Predictor, samples: Sequence[data.Sample], threshold: float
) -> dict[str, NDArray[np.float64]]:
    """Precision and recall (2, level) of roof patches in each city at each of `LEVELS`.

    A patch is right when half of it is roof; a roof is found when half of it is under patches.
    """
    counts: dict[str, NDArray[np.float64]] = {}
    for sample in samples:
        image = data.to_working(sample)
        size = (image.shape[1], image.shape[0])
        mask = np.asarray(Image.fromarray(sample.mask).resize(size, Image.Resampling.NEAREST))
        chance = predict(image)
        counts.setdefault(sample.city, np.zeros((4, len(LEVELS))))
        counts[sample.city] += _patch_counts(chance, mask == 1, threshold)
    return {
        city: np.stack([right / np.maximum(given, 1), found / np.maximum(roofs, 1)])
        for city, (right, given, found, roofs) in counts.items()
    }


def _patch_counts(
    chance: NDArray[Any], roof: NDArray[np.bool_], threshold: float
) -> NDArray[np.float64]:
    """Right patches, patches, found roofs, roofs (4, level)."""
    cells = MIN_AREA_M2 / data.GSD_M**2
    patches, n_patches = ndimage.label(chance >= threshold)
    roofs, n_roofs = ndimage.label(roof)
    index = np.arange(1, n_patches + 1)
    large = np.bincount(patches.ravel(), minlength=n_patches + 1)[1:] >= cells
    mean = ndimage.mean(chance, patches, index) if n_patches else np.zeros(0)
    right = ndimage.mean(roof, patches, index) >= 0.5 if n_patches else np.zeros(0, bool)
    known = np.bincount(roofs.ravel(), minlength=n_roofs + 1)[1:] >= cells
    out = np.zeros((4, len(LEVELS)))
    for i, level in enumerate(LEVELS):
        keep = large & (mean >= level)
        kept = np.concatenate([[False], keep])[patches]
        covered = ndimage.mean(kept, roofs, np.arange(1, n_roofs + 1)) if n_roofs else np.zeros(0)
        out[:, i] = (
            (keep & right).sum(),
            keep.sum(),
            (known & (covered >= 0.5)).sum(),
            known.sum(),
        )
    return out


def choose_levels(predict: Predictor, samples: Sequence[data.Sample]) -> tuple[float, float]:
    """Threshold and patch level that do best on ``samples``, which must be validation.

    The threshold by intersection over union, the level by the mean over the cities of the
    harmonic mean of precision and recall of patches.
    """
    threshold = score(predict, samples).threshold
    scores = patch_scores(predict, samples, threshold).values()
    balance = np.mean([2 * p * r / np.maximum(p + r, 1e-9) for p, r in scores], axis=0)
    return threshold, float(LEVELS[int(balance.argmax())])


def roof_of(sidecar: Path) -> Predictor:
    """Calibrated probability of roof (y, x) of an image (y, x, band), by the tiled net."""
    from roofnet.predict import Predictor as Tiled

    net = Tiled(weights.read(sidecar))
    return lambda image: net.predict_image(image)[0]


def settle(sidecar: Path, validation: Sequence[data.Sample]) -> None:
    """Choose calibration, threshold and patch level on ``validation``; note them in a sidecar."""
    weights.settle(sidecar, calibration=[1.0, 0.0])
    counts = calibration.count_logits(roof_of(sidecar), validation)
    slope, offset = calibration.fit(list(counts.values()))
    weights.settle(sidecar, calibration=[round(slope, 4), round(offset, 4)])
    threshold, level = choose_levels(_Kept(roof_of(sidecar)), validation)
    weights.settle(sidecar, threshold=threshold, outline_probability=level)


class _Kept:
    """Answers of a predictor, kept so that each image is looked at once."""

    def __init__(self, predict: Predictor) -> None:
        self._predict, self._known = predict, dict[bytes, NDArray[Any]]()

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        key = hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._predict(image)
        return self._known[key]


def report(
    told: weights.Weights, predict: Predictor, samples: Sequence[data.Sample]
) -> dict[str, dict[str, float]]:
    """Scores of pixels, patches and calibration, by city, at the sidecar's levels."""
    level = int(np.abs(LEVELS - told.outline_probability).argmin())
    iou = score(predict, samples).at(told.threshold)
    patches = patch_scores(predict, samples, told.threshold)
    counts = calibration.count_logits(predict, samples)
    return {
        city: {
            "iou": iou[city],
            "patch_precision": round(float(patches[city][0, level]), 3),
            "patch_recall": round(float(patches[city][1, level]), 3),
            "calibration_error": round(calibration.expected_error(counts[city]), 4),
        }
        for city in iou
    }


def calibration_table(predict: Predictor, samples: Sequence[data.Sample]) -> dict[str, Any]:
    """Calibration error and reliability of all cities together, each with the same weight."""
    counts = calibration.count_logits(predict, samples)
    together = sum(city / city.sum() for city in counts.values())
    rows = [{k: round(v, 3) for k, v in r.items()} for r in calibration.reliability(together)]
    return {"calibration_error": round(calibration.expected_error(together), 4), "table": rows}


def main(arguments: list[str] | None = None) -> None:
    """Report each validation and test city at the levels of the sidecar."""
    parser = argparse.ArgumentParser(description="Score the shipped roof net.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the aerial sets")
    parser.add_argument("--test", action="store_true", help="report the test cities too")
    parser.add_argument("--settle", action="store_true", help="choose the levels on validation")
    parser.add_argument("--weights", type=Path, help="sidecar (.json); the shipped one by default")
    given = parser.parse_args(arguments)
    sidecar = given.weights or weights.FOLDER / f"{weights.NAME}.json"
    validation = data.read_samples(data.VALIDATION, given.data)
    if given.settle:
        settle(sidecar, validation)
    shipped = weights.read(sidecar)
    predict = _Kept(roof_of(sidecar))
    told: dict[str, Any] = {"validation": report(shipped, predict, validation)}
    told["reliability"] = calibration_table(predict, validation)
    if given.test:
        test = data.read_samples(data.TEST, given.data)
        told["test"] = report(shipped, predict, test)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
