"""The files of a scene that a step is about to read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from odc.geo.geobox import GeoBox

from heliopolis.scene import Scene

#: Where a run keeps its copies of what it fetched, below its results; links into the cache.
FOLDER = Path("work/inputs/scenes")


def is_remote(scene: Scene, assets: Iterable[str]) -> bool:
    """Whether any of ``assets`` lies behind a network."""
    return any(
        "://" in str(item["assets"][name]["href"])
        and not str(item["assets"][name]["href"]).startswith("file://")
        for item in scene.items
        for name in assets
        if name in item.get("assets", {})
    )


def opened(scene: Scene, grid: GeoBox, assets: Iterable[str], folder: Path = FOLDER) -> Scene:
    """The scene with ``assets``, those that its items have, as local files that cover ``grid``.

    What is local already stays as it is; of remote rasters the blocks that cover ``grid`` are
    fetched, through the cache that runs share.

    Parameters
    ----------
    scene
        A pinned scene.
    grid
        Where it will be read, in any CRS.
    assets
        Keys of the assets that will be read.
    folder
        Where the copies are put.
    """
    names = list(assets)
    if not is_remote(scene, names):
        return scene
    from heliopolis.io.remote.localise import localise
    from heliopolis.steps.store import open_store

    return localise(scene, grid, names, open_store(), folder / scene.id)
