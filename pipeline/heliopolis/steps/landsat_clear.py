"""Clear pixels of a Landsat scene: masks grown, and bright roofs taken for cloud given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from heliopolis.io.landsat import LandsatScene
from heliopolis.quality import landsat_classes
from heliopolis.thermal.clouds import (
    GROW_M,
    MIN_DATES,
    city_clear,
    recoverable,
    static_brightness,
)

#: Files that the mask is made from, where a scene has them.
ASSETS = ("qa_pixel", "cdist")
#: Reflectance that tells roofs from clouds.
VISIBLE = ("blue", "green", "red")
#: Cell of the masks: Landsat's pixel [m].
MASK_M = 30.0


@dataclass(frozen=True)
class Sky:
    """What is clear, on cells of about 30 m that reach beyond the grid it was asked for.

    Attributes
    ----------
    masks
        ``clear``, ``recovered``, ``cloud`` (bool; y, x).
    grid
        Grid of the masks.
    """

    masks: xr.Dataset
    grid: GeoBox

    def on(self, grid: GeoBox, name: str = "clear") -> xr.DataArray:
        """A mask on a finer grid of the same CRS: each cell takes that its centre lies in."""
        to_mask = ~self.grid.affine * grid.affine
        rows = np.floor((np.arange(grid.shape[0]) + 0.5) * to_mask.e + to_mask.f).astype(int)
        cols = np.floor((np.arange(grid.shape[1]) + 0.5) * to_mask.a + to_mask.c).astype(int)
        y, x = grid.dims
        found = self.masks[name].isel({y: rows, x: cols})
        return found.assign_coords({dim: grid.coordinates[dim].values for dim in (y, x)})


def mask_grid(grid: GeoBox) -> GeoBox:
    """Cells of 30 m from the corner of ``grid``, and as far beyond it as clouds are grown."""
    cell = MASK_M
    margin = int(np.ceil(GROW_M / cell))
    corner = grid.affine * (0, 0)
    height, width = (
        int(np.ceil(size * abs(step) / cell - 1e-9)) + 2 * margin
        for size, step in zip(grid.shape, (grid.resolution.y, grid.resolution.x), strict=True)
    )
    place = Affine(cell, 0, corner[0] - margin * cell, 0, -cell, corner[1] + margin * cell)
    return GeoBox((height, width), place, grid.crs)


def clear_sky(
    scene: LandsatScene, box: GeoBox, chunks: int, recovered: xr.DataArray | None = None
) -> Sky:
    """Clear pixels on ``box``: QA_PIXEL and its shadows, grown, and near no cloud by ST_CDIST."""
    scene.require(["qa_pixel"], "the cloud mask")
    read = scene.read([key for key in ASSETS if key in scene.files], box, chunks=chunks)
    classes = landsat_classes(read["qa_pixel"])
    masks = city_clear(
        classes,
        resolution_m=abs(box.resolution.x),
        cloud_distance_km=read.get("cdist"),
        recovered=recovered,
    )
    return Sky(masks.assign(cloud=classes["cloud"]), box)


def bright_roofs(
    scene: LandsatScene,
    others: Sequence[LandsatScene],
    lst_k: xr.DataArray,
    box: GeoBox,
    chunks: int,
) -> xr.DataArray | None:
    """Roofs and bright ground that the mask takes for cloud (bool; y, x) on ``box``.

    Parameters
    ----------
    scene
        The scene, with reflectance in the visible.
    others
        Scenes of other dates.
    lst_k
        Its surface temperature on ``box``, also under the mask [K].
    box
        Grid of the masks.
    chunks
        Side of the chunks [pixels].

    Returns
    -------
    DataArray or None
        None where there are too few other dates, or no band that all have.
    """
    keys = [key for key in VISIBLE if all(key in one.files for one in (scene, *others))]
    if not keys or len(others) < MIN_DATES:
        return None
    dates = [_brightness(one, keys, box, chunks) for one in others]
    known = {}
    if scene.mtl is not None:
        entries = scene.metadata()
        known = {
            name: float(entries[key])
            for name, key in (("sun_elevation_deg", "SUN_ELEVATION"),
                              ("sun_azimuth_deg", "SUN_AZIMUTH"))
            if key in entries
        }  # fmt: skip
    return recoverable(
        landsat_classes(scene.read(["qa_pixel"], box, chunks=chunks)["qa_pixel"]),
        lst_k,
        _brightness(scene, keys, box, chunks),
        static_brightness(xr.concat(dates, dim="time")),
        resolution_m=abs(box.resolution.x),
        **known,
    )


def _brightness(scene: LandsatScene, keys: Sequence[str], box: GeoBox, chunks: int) -> xr.DataArray:
    """Mean reflectance of the visible bands (1)."""
    return scene.read(keys, box, chunks=chunks).to_array().mean("variable")
