"""Image and mask pairs of many simulated places, for training a roof segmentation network.

Every few images show another city under another sun, season and camera (domain randomisation),
so that a network learns roofs and not the simulator's taste.
"""

from __future__ import annotations

import argparse
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from PIL import Image

from heliopolis.simulate.city import City, CitySpec, build_city
from heliopolis.simulate.render import Look, Picture, render

SIZE_PX = 256
RESOLUTION_M = 0.3
_EXTENT_M, _CORE_M = 900.0, 320.0
#: Buildings are up to this high; the lean is drawn so that the highest shift by 1 m at most.
_HIGHEST_M = 28.0


@dataclass(frozen=True)
class Sample:
    """One training image and its truth.

    Attributes
    ----------
    image
        uint8 (y, x, 3), red, green, blue.
    layers
        By folder, (y, x): ``mask`` roof, ``pv`` panels (uint8, 255 yes), ``house`` number of the
        building (uint16, 0 none), ``nir`` near infrared (uint8), ``height`` above the ground
        (uint16) [0.1 m].
    """

    image: npt.NDArray[np.uint8]
    layers: dict[str, npt.NDArray[np.uint8] | npt.NDArray[np.uint16]]


def random_look(rng: np.random.Generator) -> Look:
    """Random light, season and camera."""
    lean = rng.uniform(0, 1.0) / _HIGHEST_M
    turn = rng.uniform(0, 2 * np.pi)
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 4))
    return Look(
        sun_azimuth_deg=float(rng.uniform(95, 265)),
        sun_elevation_deg=float(rng.uniform(28, 64)),
        sky=float(rng.uniform(0.15, 0.7)),
        dryness=float(rng.uniform(0, 0.9)),
        roof_variety=float(rng.uniform(0.08, 0.3)),
        lean=(float(lean * np.cos(turn)), float(lean * np.sin(turn))),
        gain=(float(gain[0]), float(gain[1]), float(gain[2]), 0.55 * float(gain[3])),
        haze=float(rng.uniform(0, 0.035)),
        gamma=float(rng.uniform(1.6, 2.5)),
        blur_px=float(rng.uniform(0.3, 1.1)),
        noise=float(rng.uniform(0.003, 0.03)),
    )


def samples(count: int, seed: int) -> Iterator[Sample]:
    """``count`` training images; the same seed gives the same images.

    The masks mark what the image shows: a roof that leans is marked where it appears.
    """
    done = 0
    for number in itertools.count():
        rng = np.random.default_rng([seed, 31, number])
        spec = CitySpec(seed=int(rng.integers(2**31)), size_m=_EXTENT_M, core_m=_CORE_M)
        city = build_city(spec)
        picture = render(city, _grid(city), random_look(rng), spec.seed)
        for tile in _tiles(picture, rng):
            if done == count:
                return
            yield tile
            done += 1


def _grid(city: City) -> GeoBox:
    return GeoBox.from_bbox(city.core_bounds, city.spec.crs, resolution=RESOLUTION_M)


def _tiles(picture: Picture, rng: np.random.Generator) -> Iterator[Sample]:
    """Tiles of one picture in random order, each compressed as a JPEG of random quality."""
    rows, cols = picture.roof.shape
    tops = range(0, rows - SIZE_PX + 1, SIZE_PX)
    corners = [(top, left) for top in tops for left in range(0, cols - SIZE_PX + 1, SIZE_PX)]
    for k in rng.permutation(len(corners)):
        top, left = corners[k]
        window = (slice(top, top + SIZE_PX), slice(left, left + SIZE_PX))
        colours = np.moveaxis(picture.image[:3][(slice(None), *window)], 0, -1)
        quality = int(rng.integers(45, 98))
        height = np.clip(np.rint(picture.height[window] * 10), 0, 65535)
        layers = {
            "mask": picture.roof[window].astype("uint8") * 255,
            "pv": picture.panel[window].astype("uint8") * 255,
            "house": picture.house[window],
            "nir": picture.image[3][window],
            "height": height.astype("uint16"),
        }
        yield Sample(_jpeg(colours, quality), layers)


def _jpeg(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def write_training_images(out_dir: Path, count: int, seed: int) -> Path:
    """Write ``image/NNN.png`` and the layers of `Sample`, a folder each, as PNG.

    Parameters
    ----------
    out_dir
        Folder to write to; made if need be.
    count
        Number of images of 256 pixels at 0.3 m.
    seed
        Same seed, same images.
    """
    for number, sample in enumerate(samples(count, seed)):
        for name, values in {"image": sample.image, **sample.layers}.items():
            (out_dir / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(out_dir / name / f"{number:03d}.png")
    (out_dir / "README.txt").write_text(
        "Simulated images: procedural cities, no photograph of a real place.\n"
        f"count {count}, seed {seed}, {SIZE_PX} px at {RESOLUTION_M} m\n",
        encoding="utf-8",
    )
    return out_dir


def main() -> None:
    """Command line: ``python -m heliopolis.simulate.training_images --out DIR --count N``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_training_images(args.out, args.count, args.seed)


if __name__ == "__main__":
    main()
