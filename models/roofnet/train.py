"""Train the roof net: ``python -m roofnet.train --data DIR --out weights/ --minutes 30 --seed 1``.

The weights that are kept are the exponential moving average which did best on the validation
cities, never on a training or a test city; so is the threshold.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from roofnet import data, evaluate, likeness, weights
from roofnet.crops import Batch, Crops
from roofnet.unet import FAR_M, HEADS, RoofUNet

_DECAY = 0.995


@dataclass
class Plan:
    """How long and how to train."""

    minutes: float
    seed: int
    batch: int = 8
    size_px: int = 256
    peak_rate: float = 3e-3
    validations: int = 14
    simulated_share: float = 0.35


#: Weight of each head in the loss: roof, edge, distance inside, panel.
_HEAD_WEIGHT = (1.0, 0.3, 0.3, 0.2)


def loss_of(logits: Tensor, batch: Batch) -> Tensor:
    """Loss of all heads.

    Roof, edge and panel: binary cross-entropy plus soft Dice (Milletari et al. 2016,
    doi:10.1109/3DV.2016.79); distance inside: absolute error of the share of `FAR_M`.
    """
    total = logits.new_zeros(())
    for k, weight in enumerate(_HEAD_WEIGHT):
        answer, truth, known = logits[:, k], batch.truth[:, k], batch.known[:, k]
        if k == HEADS.index("inside"):
            away = (torch.sigmoid(answer) - (truth / FAR_M).clamp(max=1)).abs()
            loss = 3 * (away * known).sum() / known.sum().clamp(min=1)
        else:
            loss = _found(answer, truth, known)
        total = total + weight * loss
    return total


def _found(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (entropy * known).sum() / known.sum().clamp(min=1)
    chance = torch.sigmoid(logits) * known
    truth = truth * known
    dice = 1 - (2 * (chance * truth).sum() + 1) / (chance.sum() + truth.sum() + 1)
    return entropy + 0.5 * dice


class MovingAverage:
    """Exponential moving average of a net's weights and buffers."""

    def __init__(self, net: RoofUNet) -> None:
        self.net = copy.deepcopy(net).eval()

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move towards ``net``; faster while ``step`` is small."""
        decay = min(_DECAY, (1 + step) / (10 + step))
        source = net.state_dict()
        for name, value in self.net.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(source[name], 1 - decay)
            else:
                value.copy_(source[name])


def rate_at(done: float, peak: float) -> float:
    """Learning rate after the share ``done`` of the time: 3 % warm-up, then a cosine to 0."""
    if done < 0.03:
        return peak * max(done / 0.03, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - 0.03) / 0.97)))


def fit(net: RoofUNet, crops: Crops, validation: list[data.Sample], plan: Plan, out: Path) -> None:
    """Train ``net`` for ``plan.minutes``; save the moving average that does best."""
    net.train()
    average = MovingAverage(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.peak_rate, weight_decay=1e-2)
    best = -1.0
    begun, step, validated, running = time.monotonic(), 0, 0, 1.0
    while validated < plan.validations:
        done = (time.monotonic() - begun) / 60 / plan.minutes
        for group in optimiser.param_groups:
            group["lr"] = rate_at(done, plan.peak_rate)
        running = 0.98 * running + 0.02 * _step(net, crops, optimiser)
        step += 1
        average.update(net, step)
        if done * plan.validations < validated + 1:
            continue
        validated += 1
        score = evaluate.score(average.net, validation)
        _record(out / "log.jsonl", step, done, running, score)
        if score.mean_iou > best:
            best = score.mean_iou
            weights.save(average.net, out, threshold=score.threshold, seed=plan.seed, steps=step)


def _step(net: RoofUNet, crops: Crops, optimiser: torch.optim.Optimizer) -> float:
    batch = crops.draw()
    image = weights.normalise(batch.image, batch.shown)
    image = image.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=weights.half_is_fast()):
        logits = net(image)
    loss = loss_of(logits.float(), batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def finish(out: Path, samples: list[data.Sample], validation: list[data.Sample]) -> None:
    """Add to the best weights what they know of their images, and the levels."""
    sidecar = out / f"{weights.NAME}.json"
    told = json.loads(sidecar.read_text(encoding="utf-8"))
    net = RoofUNet()
    net.load_state_dict(weights.load_state(sidecar.with_suffix(".safetensors")), strict=False)
    likeness.fit(net, samples)
    kept = {name: told[name] for name in ("seed", "steps")}
    weights.save(net, out, threshold=told["threshold"], **kept)
    evaluate.settle(sidecar, validation)
    likeness.settle(sidecar, validation)


def _record(log: Path, step: int, done: float, loss: float, score: evaluate.Score) -> None:
    line = {"step": step, "done": round(done, 3), "loss": round(loss, 4), **score.as_dict()}
    with log.open("a", encoding="utf-8") as text:
        text.write(json.dumps(line) + "\n")
    sys.stderr.write(json.dumps(line) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the aerial sets")
    parser.add_argument("--cities", nargs="+", choices=list(data.TRAIN), default=list(data.TRAIN))
    parser.add_argument("--simulated", type=Path, help="folder of simulated pictures")
    parser.add_argument("--start", type=Path, help="weights (.safetensors) to begin from")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--peak-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    torch.manual_seed(given.seed)
    np.random.seed(given.seed)  # noqa: NPY002
    torch.set_num_threads(given.threads)
    readers = {city: data.TRAIN[city] for city in given.cities}
    samples = data.read_samples(readers, given.data)
    if given.simulated:
        samples += data.read_simulated(given.simulated)
    plan = Plan(given.minutes, given.seed, peak_rate=given.peak_rate)
    crops = Crops(samples, given.seed, plan.size_px, plan.batch, plan.simulated_share)
    net = RoofUNet()
    if given.start:
        net.load_state_dict(weights.load_state(given.start), strict=False)
    given.out.mkdir(parents=True, exist_ok=True)
    validation = data.read_samples(data.VALIDATION, given.data)
    fit(net, crops, validation, plan, given.out)
    finish(given.out, samples, validation)


if __name__ == "__main__":
    main()
