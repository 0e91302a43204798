"""Labelled images: what may be trained on, what may be chosen on, what is only reported on.

The role of a set is fixed here, in one table, and nowhere else: training reads `TRAIN`, the
choice of the best weights and of the threshold reads `VALIDATION`, and `TEST` is for reporting.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

#: Ground sampling distance that the net works at [m].
GSD_M = 0.25
#: Finest ground sampling distance that is kept in memory for training [m].
STORED_GSD_M = 0.2
#: Label of a pixel whose truth is unknown.
UNKNOWN = 255

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
_XYZ = re.compile(r"-(\d+)-(\d+)-(\d+)$")
_EQUATOR_GSD_M = 156543.03392804097


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes
    ----------
    city
        Place, the unit of balance and of scoring.
    image
        uint8 (y, x, 3), red, green, blue.
    mask
        uint8 (y, x): 1 roof, 0 not, 255 unknown.
    gsd_m
        Ground sampling distance [m].
    """

    city: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    gsd_m: float


def _load(image: Path, mask: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pixels = np.asarray(Image.open(image))
    truth = (np.asarray(Image.open(mask).convert("L")) > 127).astype("uint8")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.shape[2] == 4:
        truth[pixels[..., 3] == 0] = UNKNOWN
    return np.ascontiguousarray(pixels[..., :3]), truth


def _christchurch(root: Path) -> Iterator[Sample]:
    for path in sorted((root / "nz_christchurch" / "image").glob("*.jpg")):
        image, mask = _load(path, path.parents[1] / "mask" / f"{path.stem}.png")
        yield Sample("christchurch", image, mask, 0.15)


def _geneva(root: Path, split: str) -> Iterator[Sample]:
    folder = root / "geneva_lesopb"
    with (folder / "tiles.csv").open(newline="", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            if row["split"] == split and row["roof_ok"] == "1":
                image, mask = _load(folder / "image" / row["tile"], folder / "mask" / row["tile"])
                yield Sample("geneva", image, mask, 0.25)


def _inria(root: Path, city: str) -> Iterator[Sample]:
    folder = root / "inria_mini"
    for path in sorted((folder / "img").glob(f"{city}*")):
        yield Sample(city, *_load(path, folder / "mask" / path.name), 0.3)


def _brazil(root: Path) -> Iterator[Sample]:
    folder = root / "brazil_rs_dsg"
    for path in sorted((folder / "tif").glob("*.tif")):
        yield Sample("brazil_rs", *_load(path, folder / "mask" / f"{path.stem}.png"), 0.35)


def _open_aerial_map(root: Path, city: str) -> Iterator[Sample]:
    """Tiles of level 20, put together to the parent tile of level 19 where all four exist."""
    tiles = {}
    for path in sorted((root / "oam_fair" / city / "img").glob("*.png")):
        found = _XYZ.search(path.stem)
        if found and found[3] == "20":
            tiles[int(found[1]), int(found[2])] = _load(path, path.parents[1] / "mask" / path.name)
    for x, y in sorted({(x // 2, y // 2) for x, y in tiles}):
        four = [[tiles.get((2 * x + i, 2 * y + j)) for i in (0, 1)] for j in (0, 1)]
        if any(tile is None for row in four for tile in row):
            continue
        image, mask = (
            np.concatenate(
                [np.concatenate([t[k] for t in row if t is not None], axis=1) for row in four]
            )
            for k in (0, 1)
        )
        latitude = math.atan(math.sinh(math.pi * (1 - 2 * (y + 0.5) / 2**19)))
        yield Sample(city, image, mask, _EQUATOR_GSD_M / 2**20 * math.cos(latitude))


Reader = Callable[[Path], Iterator[Sample]]
TRAIN: dict[str, Reader] = {
    "christchurch": _christchurch,
    "geneva": lambda root: _geneva(root, "train"),
    "austin": lambda root: _inria(root, "austin"),
    **{
        city: (lambda root, city=city: _open_aerial_map(root, city))  # type: ignore[misc]
        for city in ("kampala", "nairobi", "zanzibar", "catanduanes")
    },
}
VALIDATION: dict[str, Reader] = {
    "geneva": lambda root: _geneva(root, "val"),
    "brazil_rs": _brazil,
}
TEST: dict[str, Reader] = {
    "chicago": lambda root: _inria(root, "chicago"),
    "banepa": lambda root: _open_aerial_map(root, "banepa"),
}


def read_samples(readers: dict[str, Reader], root: Path) -> list[Sample]:
    """All samples of the sets named in ``readers`` below ``root``, in a fixed order."""
    return [sample for read in readers.values() for sample in read(root)]


def read_simulated(folder: Path, gsd_m: float = 0.3) -> list[Sample]:
    """Pictures of the simulated city: ``image/*.png`` with ``mask/*.png`` of the same name."""
    return [
        Sample("simulated", *_load(path, folder / "mask" / path.name), gsd_m)
        for path in sorted((folder / "image").glob("*.png"))
    ]


def stored(sample: Sample) -> Sample:
    """Sample area-averaged to no finer than `STORED_GSD_M`."""
    factor = sample.gsd_m / STORED_GSD_M
    if factor >= 1:
        return sample
    size = (round(sample.image.shape[1] * factor), round(sample.image.shape[0] * factor))
    image = Image.fromarray(sample.image).resize(size, Image.Resampling.BOX)
    mask = Image.fromarray(sample.mask).resize(size, Image.Resampling.NEAREST)
    return Sample(sample.city, np.asarray(image), np.asarray(mask), STORED_GSD_M)


@dataclass
class Crops:
    """Endless batches of augmented crops, the same for the same seed.

    Parameters
    ----------
    samples
        Training samples; decoded once, held in memory.
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
    size_px: int = 128
    batch: int = 16
    simulated_share: float = 0.35
    _groups: dict[str, list[Sample]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        for sample in self.samples:
            self._groups.setdefault(sample.city, []).append(stored(sample))
        shares = {city: CITY_SHARE.get(city, 0.0) for city in self._groups}
        total = sum(shares.values()) or 1.0
        real = 1.0 - (self.simulated_share if "simulated" in self._groups else 0.0)
        self._shares = {city: share / total * real for city, share in shares.items()}
        if "simulated" in self._groups:
            self._shares["simulated"] = 1.0 - sum(self._shares.values())

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """One batch: image in 0..1 (n, 3, y, x), roof (n, 1, y, x), weight (n, 1, y, x)."""
        cities = list(self._shares)
        chosen = self._random.choice(
            len(cities), size=self.batch, p=[self._shares[c] for c in cities]
        )
        crops = torch.cat([self._crop(self._pick(cities[i])) for i in chosen])
        weight = (crops[:, 4:5] > 0.99).float()
        image = photometric(crops[:, :3], self._random)
        return image * weight, crops[:, 3:4], weight

    def _pick(self, city: str) -> Sample:
        group = self._groups[city]
        if city != "christchurch":
            return group[int(self._random.integers(len(group)))]
        rows = []
        side = int(self._random.integers(2, 5))
        first = int(self._random.integers(len(group)))
        for _ in range(side):
            row = [
                group[(first + int(self._random.integers(40))) % len(group)] for _ in range(side)
            ]
            rows.append(row)
        image = np.concatenate([np.concatenate([s.image for s in row], axis=1) for row in rows])
        mask = np.concatenate([np.concatenate([s.mask for s in row], axis=1) for row in rows])
        return Sample(city, image, mask, group[0].gsd_m)

    def _crop(self, sample: Sample) -> Tensor:
        """Random similarity with a little shear: (1, 5, size, size) image, roof, weight."""
        rng = self._random
        zoom = GSD_M / sample.gsd_m * 2.0 ** rng.uniform(-0.45, 0.45)
        turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
        mirror = np.array([[rng.choice([-1.0, 1.0]), rng.normal(0, 0.05)], [0.0, 1.0]])
        mirror[1, 1] = 2.0 ** rng.normal(0, 0.07)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        reach = self.size_px * zoom
        centre = [
            side / 2 if reach >= side else rng.uniform(reach / 2, side - reach / 2)
            for side in (sample.mask.shape[1], sample.mask.shape[0])
        ]
        # Only the window that the crop can touch is turned into floats.
        left, top = (max(0, math.floor(c - 0.85 * reach)) for c in centre)
        right, below = (math.ceil(c + 0.85 * reach) for c in centre)
        layers = _layers(sample, slice(top, below), slice(left, right))
        side = np.array([[layers.shape[3]], [layers.shape[2]]])
        middle = (np.array(centre)[:, None] - [[left], [top]]) / side * 2 - 1
        theta = np.column_stack([rotation @ mirror * reach / side, middle])
        where = functional.affine_grid(
            torch.tensor(theta[None], dtype=torch.float32),
            [1, 5, self.size_px, self.size_px],
            align_corners=False,
        )
        return functional.grid_sample(layers, where, align_corners=False)


def _layers(sample: Sample, rows: slice, columns: slice) -> Tensor:
    """Window of a sample as (1, 5, y, x): image in 0..1, roof, known."""
    image = torch.from_numpy(sample.image[rows, columns].copy()).permute(2, 0, 1)
    mask = torch.from_numpy(sample.mask[rows, columns].copy())
    layers = torch.empty(1, 5, *mask.shape)
    layers[0, :3] = image / 255.0
    layers[0, 3] = mask == 1
    layers[0, 4] = mask != UNKNOWN
    return layers


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


def to_working(sample: Sample) -> NDArray[Any]:
    """Image of a sample at `GSD_M`, float32 (y, x, 3) in 0..1."""
    factor = sample.gsd_m / GSD_M
    size = (round(sample.image.shape[1] * factor), round(sample.image.shape[0] * factor))
    kind = Image.Resampling.BOX if factor < 0.75 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(sample.image).resize(size, kind), "float32") / 255.0
