"""Which ground is a hot zone: from the statistics of cells to labels on the fine grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from heliopolis.heat.cells import block_mean, disc_mean, spread_linear
from heliopolis.heat.hotspots import NOISE_RANGE_RESOLUTIONS, HotSpots, hot_spots

Array = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]

#: Cells of one zone touch by an edge or a corner.
_EIGHT = np.ones((3, 3), dtype=bool)
#: A zone reaches this part of the neighbourhood's radius beyond its significant core: two
#: neighbourhoods half a radius apart have two thirds of their ground in common.
REACH_RADII = 0.5
#: A heat cell counts where at least this share of it is known.
MIN_CELL_SHARE = 0.5


@dataclass(frozen=True)
class HotGround:
    """Hot zones of a field, and what they rest on.

    Attributes
    ----------
    spots
        Statistics of the cells.
    labels
        int32 labels 1..n of the zones on the fine grid, dims (y, x); 0 outside.
    gi_z, z_effective
        Scores on the fine grid.
    factor
        Fine cells along one side of a cell.
    threshold
        Smallest mean of a zone's ground, in the field's unit.
    support_m
        Diameter of the ground that is averaged before it is compared with it [m].
    """

    spots: HotSpots
    labels: Labels
    gi_z: Array
    z_effective: Array
    factor: int
    threshold: float
    support_m: float

    def core(self, alpha: float) -> dict[str, Array]:
        """Fields ``gi_z, p_value, q_value`` of the significant cores, NaN elsewhere."""
        return core_statistics(self.spots, self.gi_z, self.z_effective, alpha)


def hot_ground(
    field: Array,
    *,
    pixel_m: float,
    factor: int,
    distance_m: float,
    resolution_m: float,
    alpha: float,
    min_area_m2: float,
    least: float = -math.inf,
) -> HotGround:
    """Find the hot zones of a fine field.

    Significance is judged on cells of ``factor`` x ``factor`` pixels. A zone's ground is hot
    itself: the mean over a disc as large as the smallest zone, and no smaller than the detail that
    the field resolves, is at least one standard deviation of these means above their mean.

    Parameters
    ----------
    field
        Dims (y, x), NaN where unknown and where no zone can be, such as on water.
    pixel_m, factor
        Side of a pixel [m], and of a cell [pixels].
    distance_m
        Radius of the neighbourhood of Gi* [m].
    resolution_m
        Smallest detail that the field resolves [m].
    alpha
        False discovery rate of the cells.
    min_area_m2
        Smaller zones are left out [m2].
    least
        Smallest threshold, in the field's unit.
    """
    cell_m = factor * pixel_m
    detail_m = max(resolution_m, cell_m)
    spots = hot_spots(
        block_mean(field, factor, MIN_CELL_SHARE),
        cell_m,
        max(distance_m, resolution_m),
        NOISE_RANGE_RESOLUTIONS * detail_m,
    )
    gi_z, z = (spread_linear(one, factor, field.shape) for one in (spots.gi_z, spots.z_effective))
    support_m = max(detail_m, 2.0 * math.sqrt(min_area_m2 / math.pi))
    level = disc_mean(field, support_m / 2.0 / pixel_m)
    threshold = max(least, float(np.nanmean(level)) + float(np.nanstd(level)))
    labels = zone_labels(
        level,
        z,
        critical_z=spots.critical_z(alpha),
        threshold=threshold,
        cell_m=pixel_m,
        detail_m=detail_m,
        reach_m=REACH_RADII * spots.distance_m,
        min_area_m2=min_area_m2,
    )
    return HotGround(spots, labels, gi_z, z, factor, threshold, support_m)


def zone_labels(
    level: Array,
    z: Array,
    *,
    critical_z: float,
    threshold: float,
    cell_m: float,
    detail_m: float,
    reach_m: float,
    min_area_m2: float,
) -> Labels:
    """Label the hot zones.

    A zone has a core of cells whose neighbourhood is significantly hot and that are hot
    themselves, averaged over the ground of the smallest zone. Gi* alone would widen every zone by
    its neighbourhood, and blunt its edge: so cells that are hot themselves and connected to the
    core belong to the zone too, up to a distance at which their neighbourhoods are still mostly
    the same. Gaps within a zone that are smaller than the detail are closed, unless they hold
    unknown cells or water.

    Parameters
    ----------
    level
        Fine field, averaged, dims (y, x); NaN is never part of a zone: unknown, outside, water.
    z
        Effective Gi* z-score on the same grid.
    critical_z
        Smallest significant z-score.
    threshold
        Smallest level in a zone.
    cell_m
        Cell size of the grid [m].
    detail_m
        Smallest detail that the field resolves [m].
    reach_m
        How far a zone reaches beyond its core [m].
    min_area_m2
        Smaller zones are left out [m2].

    Returns
    -------
    ndarray
        int32 labels 1..n, dims (y, x), numbered from the north-west; 0 outside.
    """
    known = np.isfinite(level)
    if not known.any() or not math.isfinite(critical_z):
        return np.zeros(level.shape, dtype="int32")
    with np.errstate(invalid="ignore"):
        itself = known & (level >= threshold)
        core = itself & (z >= critical_z)
    hot = _grown(core, itself, reach_m / cell_m)
    hot |= _small_gaps(hot, known, max_cells=(detail_m / cell_m) ** 2)
    labels, count = ndimage.label(hot, structure=_EIGHT)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = sizes * cell_m**2 >= min_area_m2
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0).astype("int32")
    return np.asarray(number[labels])


def _grown(
    core: npt.NDArray[np.bool_], itself: npt.NDArray[np.bool_], reach: float
) -> npt.NDArray[np.bool_]:
    """Hot cells connected to the core and within ``reach`` [cells] of it."""
    if not core.any():
        return core
    labels, _ = ndimage.label(
        itself & (ndimage.distance_transform_edt(~core) <= reach), structure=_EIGHT
    )
    kept = np.zeros(int(labels.max()) + 1, dtype=bool)
    kept[labels[core]] = True
    kept[0] = False
    return np.asarray(core | kept[labels])


def core_statistics(
    spots: HotSpots, gi_z: Array, z_effective: Array, alpha: float
) -> dict[str, Array]:
    """Fields ``gi_z, p_value, q_value`` of the significant cores, NaN elsewhere.

    Parameters
    ----------
    spots
        Statistics of the cells.
    gi_z, z_effective
        Its scores on the grid of the zones.
    alpha
        False discovery rate of the zones.
    """
    with np.errstate(invalid="ignore"):
        core = z_effective >= spots.critical_z(alpha)
    z = z_effective[core]
    values = {"gi_z": gi_z[core], "p_value": spots.p_at(z), "q_value": spots.q_at(z)}
    out = {}
    for name, field in values.items():
        out[name] = np.full(core.shape, np.nan, dtype="float32")
        out[name][core] = field
    return out


def _small_gaps(
    hot: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_], max_cells: float
) -> npt.NDArray[np.bool_]:
    """Gaps of known cells, at most ``max_cells`` large, wholly within hot cells."""
    gaps, count = ndimage.label(~hot)
    size = np.bincount(gaps.ravel(), minlength=count + 1)
    unknown = np.bincount(gaps[~known], minlength=count + 1)
    small = (size <= max_cells) & (unknown == 0)
    edge = np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]])
    small[edge] = False
    small[0] = False
    return np.asarray(small[gaps])
