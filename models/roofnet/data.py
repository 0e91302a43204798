"""Labelled images: what may be trained on, what may be chosen on, what is only reported on.

The role of a set is fixed here, in one table, and nowhere else: training reads `TRAIN`, the
choice of the best weights and of the threshold reads `VALIDATION`, and `TEST` is for reporting.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

#: Ground sampling distance that the net works at [m].
GSD_M = 0.25
#: Label of a pixel whose truth is unknown.
UNKNOWN = 255

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
    house
        Number of the building (y, x), 0 none; None where touching ones are not told apart.
    panel
        uint8 (y, x): 1 panel, 0 not; None where that is not labelled.
    nir
        Near infrared, uint8 (y, x); None where there is none.
    height_m
        Height above the ground, float32 (y, x) [m]; None where there is none.
    """

    city: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    gsd_m: float
    house: NDArray[np.int32] | None = None
    panel: NDArray[np.uint8] | None = None
    nir: NDArray[np.uint8] | None = None
    height_m: NDArray[np.float32] | None = None


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
    shapes = _rings(root / "oam_fair" / city / "labels.geojson")
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
        gsd_m = _EQUATOR_GSD_M / 2**20 * math.cos(latitude)
        yield Sample(city, image, mask, gsd_m, house=_houses(shapes, x, y, mask))


def _rings(path: Path) -> list[NDArray[np.float64]]:
    """Outer rings of the polygons of a GeoJSON file, (point, 2) in tiles of level 19."""
    found = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        shape = feature["geometry"]
        parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        for part in parts:
            degrees = np.asarray(part[0], "float64")[:, :2]
            north = np.arcsinh(np.tan(np.radians(degrees[:, 1])))
            across = (degrees[:, 0] + 180) / 360
            found.append(np.column_stack([across, 0.5 - north / (2 * np.pi)]) * 2**19)
    return found


def _houses(
    rings: list[NDArray[np.float64]], x: int, y: int, mask: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Number of the polygon on each roof pixel of the tile (x, y) of level 19; 0 elsewhere."""
    canvas = Image.new("I", (mask.shape[1], mask.shape[0]), 0)
    draw = ImageDraw.Draw(canvas)
    for number, ring in enumerate(rings, start=1):
        pixels = (ring - [x, y]) * [mask.shape[1], mask.shape[0]]
        if len(ring) > 2 and (pixels.max(axis=0) > 0).all() and (pixels.min(axis=0) < 512).all():
            draw.polygon([tuple(point) for point in pixels], fill=number)
    house = np.asarray(canvas, "int32").copy()
    house[(mask == 1) & (house == 0)] = len(rings) + 1
    house[mask != 1] = 0
    return house


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
    """Pictures that `heliopolis.simulate.training_images` wrote, with all their layers."""

    def layer(name: str, path: Path) -> NDArray[Any]:
        return np.asarray(Image.open(folder / name / path.name))

    return [
        Sample(
            "simulated",
            *_load(path, folder / "mask" / path.name),
            gsd_m,
            house=layer("house", path).astype("int32"),
            panel=(layer("pv", path) > 127).astype("uint8"),
            nir=layer("nir", path),
            height_m=(layer("height", path) / 10).astype(np.float32),
        )
        for path in sorted((folder / "image").glob("*.png"))
    ]


def to_working(sample: Sample) -> NDArray[Any]:
    """Image of a sample at `GSD_M`, float32 (y, x, 3) in 0..1."""
    factor = sample.gsd_m / GSD_M
    size = (round(sample.image.shape[1] * factor), round(sample.image.shape[0] * factor))
    kind = Image.Resampling.BOX if factor < 0.75 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(sample.image).resize(size, kind), "float32") / 255.0
