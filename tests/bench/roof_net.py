"""Roofs in a large orthophoto: speed, peak memory, and the same bytes for any size of tile.

``python -m tests.bench.roof_net --side 20000`` makes an orthophoto of our own (simulated pictures,
mirrored side by side), looks for roofs in it as ``heliopolis segment`` does, in a process of its
own, and says how fast that was. ``--tiles`` compares the results of tiles of 512, 1024 and 4096.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from heliopolis.roofs.probability import WORKING_GSD_M
from heliopolis.simulate.training_images import samples

GSD_M = 0.2
TILES_PX = (512, 1024, 4096)


def orthophoto(path: Path, side_px: int, seed: int = 3) -> Path:
    """RGB orthophoto of ``side_px`` squared at 0.2 m."""
    pictures = [one.image for one in samples(12, seed)]
    rng = np.random.default_rng(seed)
    size = pictures[0].shape[0]
    profile = {
        "driver": "GTiff", "height": side_px, "width": side_px, "count": 3, "dtype": "uint8",
        "crs": "EPSG:2154", "transform": Affine(GSD_M, 0, 650_000, 0, -GSD_M, 6_860_000),
        "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "jpeg",
        "photometric": "ycbcr",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as sink:
        for top in range(0, side_px, size):
            rows = min(size, side_px - top)
            strip = np.concatenate(
                [pictures[i] for i in rng.integers(len(pictures), size=-(-side_px // size))], axis=1
            )[:rows, :side_px]
            sink.write(np.moveaxis(strip, -1, 0), window=Window(0, top, side_px, rows))
    return path


def _segment(image: Path, out: Path, polygons: Path | None, block_px: int | None) -> None:
    """Body of the measured process: prints seconds and peak memory as JSON."""
    from heliopolis.steps.segment_image import segment_image

    begun, used = time.perf_counter(), time.process_time()
    more = {} if block_px is None else {"block_px": block_px}
    segment_image(image, out, polygons=polygons, **more)
    told = {
        "seconds": time.perf_counter() - begun,
        "processor_s": time.process_time() - used,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))


def measured(image: Path, out: Path, polygons: Path | None, block_px: int | None) -> dict:
    """Figures of one run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.roof_net", "--segment", str(image), str(out)]
    if polygons is not None:
        command += ["--polygons", str(polygons)]
    if block_px is not None:
        command += ["--block", str(block_px)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--tiles", action="store_true")
    parser.add_argument("--segment", nargs=2, type=Path)
    parser.add_argument("--polygons", type=Path)
    parser.add_argument("--block", type=int)
    given = parser.parse_args()
    if given.segment:
        _segment(*given.segment, given.polygons, given.block)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        image = orthophoto(root / "ortho.tif", given.side)
        pixels = (given.side * GSD_M / WORKING_GSD_M) ** 2 / 1e6
        if given.tiles:
            digests = {}
            for block in TILES_PX:
                out = root / f"p{block}.tif"
                measured(image, out, None, block)
                digests[block] = hashlib.sha256(out.read_bytes()).hexdigest()
            print("same bytes for tiles of", TILES_PX, ":", len(set(digests.values())) == 1)
            return
        for polygons in (None, root / "roofs.gpkg"):
            told = measured(image, root / "p.tif", polygons, None)
            print(
                f"{'with' if polygons else 'without'} outlines, {given.side} px a side: "
                f"{pixels / told['seconds']:.2f} megapixels of {WORKING_GSD_M} m in a second, "
                f"{told['seconds']:.1f} s, {told['processor_s'] / pixels:.3f} processor seconds a "
                f"megapixel, {told['peak_mib']:.0f} MiB"
            )


if __name__ == "__main__":
    main()
