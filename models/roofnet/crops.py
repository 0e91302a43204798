"""Endless batches of augmented crops for the training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from roofnet.data import GSD_M, Sample
from roofnet.layers import HEIGHT_STEP_M, INSIDE_STEP_M, LAYERS, Layers, layers_of

#: Share of the training crops for each city; a city without images is left out.
CITY_SHARE = {
    "christchurch": 0.17,
    "geneva": 0.20,
    "austin": 0.23,
    "nairobi": 0.16,
    "kampala": 0.10,
    "zanzibar": 0.08,
    "catanduanes": 0.06,
}
#: Chance that a band beyond the colours is shown where there is one.
SHOWN = 0.5


@dataclass(frozen=True)
class Batch:
    """A batch of crops.

    Attributes
    ----------
    image
        (n, 5, y, x): red, green, blue, nir in 0..1, height [m].
    shown
        (n, 5, y, x), 1 where the band is known, else 0.
    truth
        (n, 4, y, x): roof, edge, distance to the edge [m], panel.
    known
        (n, 4, y, x), 1 where the truth is known, else 0.
    """

    image: Tensor
    shown: Tensor
    truth: Tensor
    known: Tensor


@dataclass
class Crops:
    """Endless batches of augmented crops, the same for the same seed.

    Parameters
    ----------
    samples
        Training samples; their layers are held in memory.
    seed
        Seed of the sampling and of the geometric and photometric changes.
    size_px
        Side of a crop at `GSD_M`.
    batch
        Crops in a batch.
    simulated_share
        Share of the crops that come from the simulated city, where samples of it are given.
    """

    samples: list[Sample]
    seed: int
    size_px: int = 256
    batch: int = 8
    simulated_share: float = 0.35
    _groups: dict[str, list[tuple[Layers, float]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        for sample in self.samples:
            self._groups.setdefault(sample.city, []).append(layers_of(sample))
        shares = {city: CITY_SHARE.get(city, 0.0) for city in self._groups}
        total = sum(shares.values()) or 1.0
        real = 1.0 - (self.simulated_share if "simulated" in self._groups else 0.0)
        self._shares = {city: share / total * real for city, share in shares.items()}
        if "simulated" in self._groups:
            self._shares["simulated"] = 1.0 - sum(self._shares.values())

    def draw(self) -> Batch:
        """One batch."""
        cities = list(self._shares)
        chosen = self._random.choice(
            len(cities), size=self.batch, p=[self._shares[c] for c in cities]
        )
        crops = torch.cat([self._crop(*self.pick(cities[i])) for i in chosen])
        full = (crops[:, 9:] > 0.99).float()
        known = full[:, [0, 1, 1, 2]]
        known[:, 1:] *= full[:, :1]
        extra = torch.tensor(
            [
                [cities[i] == "simulated" and bool(self._random.random() < SHOWN) for _ in (0, 1)]
                for i in chosen
            ]
        ).float()
        shown = full[:, :1].repeat(1, 5, 1, 1)
        shown[:, 3:] *= extra[:, :, None, None]
        image = crops[:, :5].clone()
        image[:, :3] = photometric(_borrow_colours(image[:, :3], self._random), self._random)
        image[:, 3:4] = _fade(image[:, 3:4], self._random)
        image[:, 4:5] = _disturb_heights(image[:, 4:5], self._random)
        return Batch(image * shown, shown, crops[:, 5:9], known)

    def pick(self, city: str) -> tuple[Layers, float]:
        """Layers of one sample of a city, or of neighbours put together, and pixel size [m]."""
        group = self._groups[city]
        if city != "christchurch":
            return group[int(self._random.integers(len(group)))]
        side = int(self._random.integers(3, 7))
        first = int(self._random.integers(len(group)))
        rows = [
            np.concatenate(
                [
                    group[(first + int(self._random.integers(40))) % len(group)][0]
                    for _ in range(side)
                ],
                axis=2,
            )
            for _ in range(side)
        ]
        return np.concatenate(rows, axis=1), group[0][1]

    def _crop(self, layers: Layers, gsd_m: float) -> Tensor:
        """Random similarity with a little shear: (1, layer, size, size)."""
        rng = self._random
        zoom = GSD_M / gsd_m * 2.0 ** rng.uniform(-0.45, 0.45)
        turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
        mirror = np.array([[rng.choice([-1.0, 1.0]), rng.normal(0, 0.05)], [0.0, 1.0]])
        mirror[1, 1] = 2.0 ** rng.normal(0, 0.07)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        reach = self.size_px * zoom
        sides = (layers.shape[2], layers.shape[1])
        centre = [
            side / 2 if reach >= side else rng.uniform(reach / 2, side - reach / 2)
            for side in sides
        ]
        # Only the window that the crop can touch is turned into floats.
        left, top = (max(0, math.floor(c - 0.85 * reach)) for c in centre)
        right, below = (math.ceil(c + 0.85 * reach) for c in centre)
        window = torch.from_numpy(layers[:, top:below, left:right].astype("float32"))
        window *= _SCALE
        # The picture is scaled, and with it the distances that are seen in it.
        window[LAYERS.index("inside")] *= GSD_M / (gsd_m * zoom)
        side = np.array([[window.shape[2]], [window.shape[1]]])
        middle = (np.array(centre)[:, None] - [[left], [top]]) / side * 2 - 1
        theta = np.column_stack([rotation @ mirror * reach / side, middle])
        where = functional.affine_grid(
            torch.tensor(theta[None], dtype=torch.float32),
            [1, len(LAYERS), self.size_px, self.size_px],
            align_corners=False,
        )
        return functional.grid_sample(window[None], where, align_corners=False)


def _scale() -> Tensor:
    scale = torch.ones(len(LAYERS), 1, 1)
    scale[:4] = 1 / 255
    scale[LAYERS.index("height")] = HEIGHT_STEP_M
    scale[LAYERS.index("inside")] = INSIDE_STEP_M
    return scale


_SCALE = _scale()


def _borrow_colours(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Give a third of the pictures, in part, the mean and spread of another's colours.

    In the manner of Reinhard et al. (2001), doi:10.1109/38.946629, in plain red, green and blue.
    """
    count = image.shape[0]
    mean = image.mean(dim=(2, 3), keepdim=True)
    spread = image.std(dim=(2, 3), keepdim=True) + 0.02
    other = torch.from_numpy(rng.permutation(count))
    share = rng.uniform(0.3, 1, count) * (rng.random(count) < 0.35)
    part = torch.from_numpy(share.astype("float32")).reshape(-1, 1, 1, 1)
    ratio = (spread[other] / spread).clamp(0.5, 2)
    lent = (image - mean) * ratio + mean[other]
    return (image * (1 - part) + lent * part).clamp(0, 1)


def _fade(band: Tensor, rng: np.random.Generator) -> Tensor:
    """Change gain and offset of a band in 0..1."""
    gain = torch.from_numpy(rng.lognormal(0, 0.25, band.shape[0]).astype("float32"))
    offset = torch.from_numpy(rng.normal(0, 0.05, band.shape[0]).astype("float32"))
    return (band * gain.reshape(-1, 1, 1, 1) + offset.reshape(-1, 1, 1, 1)).clamp(0, 1)


def _disturb_heights(height: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur, shift and disturb heights as surface models of other sources and years are."""
    count = height.shape[0]
    noise = torch.from_numpy(rng.standard_normal(height.shape, dtype="float32"))
    sigma = torch.from_numpy(rng.uniform(0, 0.4, count).astype("float32")).reshape(-1, 1, 1, 1)
    blurred = functional.avg_pool2d(
        functional.pad(height, (3, 3, 3, 3), mode="replicate"), 7, stride=1
    )
    share = torch.from_numpy((rng.random(count) < 0.4).astype("float32")).reshape(-1, 1, 1, 1)
    moved = torch.roll(
        height * (1 - share) + blurred * share,
        (int(rng.integers(-4, 5)), int(rng.integers(-4, 5))),
        dims=(2, 3),
    )
    return moved + noise * sigma


def photometric(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Change light, colour, contrast, sharpness and noise of each picture of a batch in 0..1."""
    count = image.shape[0]

    def normal(sigma: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0, sigma, (count, *shape)).astype("float32"))

    grey = image.mean(dim=1, keepdim=True)
    saturation = (normal(0.3, 1, 1, 1) + 1).clamp(0, 2)
    saturation[torch.from_numpy(rng.random(count) < 0.06)] = 0
    image = grey + (image - grey) * saturation
    image = image * torch.exp(normal(0.08, 3, 1, 1)) + normal(0.02, 3, 1, 1)
    centre = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (image - centre) * torch.exp(normal(0.18, 1, 1, 1)) + centre
    image = image.clamp(1e-3, 1) ** torch.exp(normal(0.22, 1, 1, 1))
    image = image + normal(0.04, 1, 1, 1)
    image = _soften(image, rng)
    image = image * _shade(image, rng)
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype="float32"))
    return (image + noise * normal(0.015, 1, 1, 1).abs()).clamp(0, 1)


def _soften(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur a third of the pictures, as upsampled or hazy imagery is."""
    blurred = functional.avg_pool2d(
        functional.pad(image, (1, 1, 1, 1), mode="replicate"), 3, stride=1
    )
    share = torch.from_numpy(
        (rng.uniform(0.3, 1, image.shape[0]) * (rng.random(image.shape[0]) < 0.35)).astype("f4")
    ).reshape(-1, 1, 1, 1)
    return image * (1 - share) + blurred * share


def _shade(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Factor of a half-plane of cast shade on a quarter of the pictures."""
    count, _, height, width = image.shape
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    out = torch.ones(count, 1, height, width)
    for i in np.flatnonzero(rng.random(count) < 0.25):
        turn, offset = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 1.0)
        band = x * float(np.cos(turn)) + y * float(np.sin(turn)) - float(offset)
        inside = (band > 0) & (band < float(rng.uniform(0.1, 0.8)))
        out[int(i), 0][inside] = float(rng.uniform(0.35, 0.8))
    return out
