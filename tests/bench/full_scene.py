"""Surface temperature of a Landsat scene of full size beside decoding and encoding its bytes.

The scene is a simulated one, turned and set side by side with fresh noise of the detector, so that
it compresses as scenes do. Ours is the command ``heliopolis lst --method rte``: reading, masks,
inversion, its error, and the cloud-optimised GeoTIFF. The other side decodes the ten bands and
encodes them again, with rasterio, block by block.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from heliopolis.simulate.export import simulate
from heliopolis.steps import landsat_lst
from tests.bench.measure import Row, compare, measured

SIDE = 7800
DEMO = Path(__file__).parents[2] / "configs" / "demo" / "data"
BANDS = ("ST_B10", "ST_QA", "ST_TRAD", "ST_URAD", "ST_DRAD", "ST_ATRAN", "ST_EMIS", "ST_EMSD",
         "ST_CDIST", "QA_PIXEL")  # fmt: skip
CHUNKS = (512, 2048, SIDE)
#: What has to hold: time over that of decoding and encoding (1), peak memory [MiB].
BAR_TIME, BAR_MIB = 2.0, 1536.0
_BLOCK = 512
#: Noise of the detector in ST_TRAD [counts], about 0.05 K.
_NOISE = 7.0


def simulated(folder: Path) -> Path:
    """Folder of a simulated Level-2 scene, 8 km wide: the demo's, made here where it is not."""
    scenes = Path("catalog") / "landsat-c2-l2"
    home = DEMO if (DEMO / scenes).is_dir() else simulate(folder)
    return next(path for path in sorted((home / scenes).glob("L*")) if path.is_dir())


def enlarge(small: Path, large: Path, side: int = SIDE) -> None:
    """Write the scene as ``side`` x ``side`` pixels, compressed as Landsat products are."""
    large.mkdir()
    for path in small.glob("*_MTL.*"):
        shutil.copy(path, large / path.name)
    for suffix in BANDS:
        path = next(small.glob(f"*_{suffix}.TIF"))
        with rasterio.open(path) as source:
            numbers = source.read(1)
            profile = source.profile
        profile |= {"driver": "GTiff", "width": side, "height": side, "tiled": True,
                    "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate",
                    "predictor": 2, "num_threads": 2}  # fmt: skip
        with rasterio.open(large / path.name, "w", **profile) as sink:
            sink.write(_laid_out(numbers, side, noisy=suffix == "ST_TRAD"), 1)


def _laid_out(numbers: np.ndarray[Any, Any], side: int, *, noisy: bool) -> np.ndarray[Any, Any]:
    """The scene's inner square again and again, turned in four ways; the same for each band."""
    rng = np.random.default_rng(7)
    cell = min(numbers.shape) * 3 // 4
    top, left = ((length - cell) // 2 for length in numbers.shape)
    inner = numbers[top : top + cell, left : left + cell]
    count = -(-side // cell)
    turns = rng.integers(0, 4, (count, count))
    rows = [np.hstack([inner[:: 1 - 2 * (t & 1), :: 1 - (t & 2)] for t in row]) for row in turns]
    out = np.vstack(rows)[:side, :side]
    if noisy:
        out = np.rint(out + rng.normal(0.0, _NOISE, out.shape)).astype(numbers.dtype)
    return np.ascontiguousarray(out)


def retrieve(scene: Path, out: Path, chunk: int = landsat_lst.CHUNK) -> None:
    """Surface temperature of the scene with its error, written."""
    landsat_lst.write_landsat_lst(scene, out, method="rte", chunks=chunk)


def recode(scene: Path, out: Path) -> None:
    """Decode every band and encode it again, a row of blocks at a time."""
    out.mkdir(exist_ok=True)
    for path in sorted(scene.glob("*.TIF")):
        with rasterio.open(path) as source, rasterio.open(
            out / path.name, "w", **{**source.profile, "num_threads": 2}
        ) as sink:  # fmt: skip
            for top in range(0, source.height, _BLOCK):
                height = min(_BLOCK, source.height - top)
                window = Window(0, top, source.width, height)
                sink.write(source.read(1, window=window), 1, window=window)


def digest(path: Path) -> str:
    """Fingerprint of all numbers of a raster, whatever its compression."""
    known = hashlib.blake2b()
    with rasterio.open(path) as source:
        for top in range(0, source.height, _BLOCK):
            window = Window(0, top, source.width, min(_BLOCK, source.height - top))
            known.update(np.ascontiguousarray(source.read(window=window)).tobytes())
    return known.hexdigest()


def run(side: int = SIDE, chunks: tuple[int, ...] = CHUNKS) -> list[Row]:
    """Compare time and memory, then the results for the sizes of chunks."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        scene, out = folder / "scene", folder / "lst.tif"
        enlarge(simulated(folder / "city"), scene, side)
        ours = measured(lambda: retrieve(scene, out), at_most=1)
        peer = measured(lambda: recode(scene, folder / "again"), at_most=1)
        mib = sum(path.stat().st_size for path in scene.glob("*.TIF")) / 2**20
        shutil.rmtree(folder / "again")
        found = {digest(out)}
        for chunk in chunks:
            out.unlink()
            retrieve(scene, out, min(chunk, side))
            found.add(digest(out))
    slower = ours.seconds / peer.seconds
    same = "the same" if len(found) == 1 else "NOT the same"
    bars = [slower <= BAR_TIME, ours.peak_mib is None or ours.peak_mib <= BAR_MIB]
    told = ["met" if bar else "NOT MET" for bar in bars]
    return [
        compare(
            f"surface temperature of {side} x {side}, 10 bands",
            ours,
            "rasterio, decode and encode the same bands",
            peer,
            f"{slower:.2f} times as long (bar {BAR_TIME:g}: {told[0]}), memory bar "
            f"{BAR_MIB:.0f} MiB: {told[1]}; {same} for chunks of " + ", ".join(map(str, chunks)),
            {"times_as_long": slower, "input_mib": mib, "same": float(len(found) == 1)},
        )
    ]
