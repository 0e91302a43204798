"""Hot zones: from significant cells to named polygons with what is known about each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from affine import Affine
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from heliopolis.heat.cells import disc_mean
from heliopolis.heat.hotspots import HotSpots, confidence
from heliopolis.heat.outlines import outlines

Array = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]

#: Cells of one zone touch by an edge or a corner.
_EIGHT = np.ones((3, 3), dtype=bool)
#: A zone reaches this part of the neighbourhood's radius beyond its significant core: two
#: neighbourhoods half a radius apart have two thirds of their ground in common.
REACH_RADII = 0.5
#: Position-derived identifiers are rounded to this length [m], so that they outlive small changes.
ID_STEP_M = 500.0
#: Share of each part in the priority, and the value at which the part is full.
WEIGHTS = {"anomaly": 0.4, "area": 0.2, "persistence": 0.2, "plantable": 0.2}
FULL_ANOMALY_K, FULL_PLANTABLE_SHARE = 10.0, 0.5
AREA_RANGE_M2 = (1e4, 1e6)
#: An area is a sum over a zone: it is NULL where less than this share of the zone is known.
KNOWN_SHARE = 0.95
#: Zone column and the field it is the mean of.
_MEANS = {
    "lst_mean_c": "lst_c",
    "lst_sd_c": "lst_sd_c",
    "anomaly_mean_c": "anomaly_c",
    "gi_z": "gi_z",
    "p_value": "p_value",
    "q_value": "q_value",
    "persistence": "persistence",
    "n_obs": "n_obs",
    "ndvi_mean": "ndvi",
    "albedo_mean": "albedo",
    "built_share": "built",
    "water_share": "water",
    "vegetation_share": "vegetation",
    "effective_resolution_m": "effective_resolution_m",
}
_MAXIMA = {"lst_max_c": "lst_c", "anomaly_max_c": "anomaly_c"}
_AREAS = {"plantable_m2": "plantable", "roof_m2": "roof"}

#: An error of 0.01 in the emissivity of a place relative to that of the reference [K]: the
#: derivative of the statistical mono-window of Ermida et al. (2020), doi:10.3390/rs12091471, for
#: band 10 at 305 K and 18 to 24 mm of water vapour. 0.01 is the order of the error of the ASTER
#: emissivities behind the product, Hulley et al. (2015), doi:10.1002/2015GL065564.
EMISSIVITY_CONTRAST_K = 0.69


def zone_labels(
    field: Array,
    z: Array,
    *,
    critical_z: float,
    threshold: float,
    cell_m: float,
    detail_m: float,
    reach_m: float,
    min_area_m2: float,
) -> Labels:
    """Label the hot zones of a field.

    A zone has a core of cells whose neighbourhood is significantly hot and that are hot
    themselves, seen at the detail that the field resolves. Gi* alone would widen every zone by
    its neighbourhood, and blunt its edge: so cells that are hot themselves and connected to the
    core belong to the zone too, up to a distance at which their neighbourhoods are still mostly
    the same. Gaps within a zone that are smaller than the detail are closed, unless they hold
    unknown cells or water.

    Parameters
    ----------
    field
        Fine field, dims (y, x); NaN is never part of a zone: unknown, outside, water.
    z
        Effective Gi* z-score on the grid of ``field``.
    critical_z
        Smallest significant z-score.
    threshold
        Smallest value of the field, averaged over ``detail_m``, in a zone.
    cell_m
        Cell size of ``field`` [m].
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
    known = np.isfinite(field)
    if not known.any() or not math.isfinite(critical_z):
        return np.zeros(field.shape, dtype="int32")
    with np.errstate(invalid="ignore"):
        itself = known & (disc_mean(field, detail_m / 2.0 / cell_m) >= threshold)
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
    return np.asarray(core | np.isin(labels, np.unique(labels[core])) & (labels > 0))


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
    values = {
        "gi_z": gi_z,
        "p_value": spots.p_at(z_effective),
        "q_value": spots.q_at(z_effective),
    }
    return {name: np.where(core, field, np.nan) for name, field in values.items()}


def _small_gaps(
    hot: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_], max_cells: float
) -> npt.NDArray[np.bool_]:
    """Gaps of known cells, at most ``max_cells`` large, wholly within hot cells."""
    gaps, count = ndimage.label(~hot)
    size = np.bincount(gaps.ravel(), minlength=count + 1)
    unknown = np.bincount(gaps.ravel(), weights=~known.ravel(), minlength=count + 1)
    small = (size <= max_cells) & (unknown == 0)
    edge = np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]])
    small[edge] = False
    small[0] = False
    return np.asarray(small[gaps])


def zone_table(
    labels: Labels,
    fields: Mapping[str, Array | None],
    *,
    affine: Affine,
    crs: Any,
    previous: gpd.GeoDataFrame | None = None,
) -> gpd.GeoDataFrame:
    """Polygons of the labelled zones with their statistics, priority and rank.

    Parameters
    ----------
    labels
        From `zone_labels`, dims (y, x).
    fields
        Fields on the same grid, as far as known: ``lst_c, lst_sd_c, anomaly_c, gi_z, p_value,
        q_value, persistence, n_obs, effective_resolution_m, ndvi, albedo, built, water,
        vegetation, plantable, roof`` (the last six are shares or indices, 0..1 or -1..1).
    affine, crs
        Transform of the grid and its metric CRS.
    previous
        Zones of an earlier result; a zone that overlaps one of them keeps its ``zone_id``.

    Returns
    -------
    GeoDataFrame
        One row for each zone, by rank; every column of the layer ``hot_zones``, NULL where the
        field is not known. ``lst_sd_c`` takes the errors of a zone's cells as one (an upper
        bound); ``anomaly_sd_c`` is described at `anomaly_sd`. ``gi_z``, ``p_value`` and
        ``q_value`` are means over the zone's significant core (see `core_statistics`), and
        ``confidence`` follows from that mean q.
    """
    count = int(labels.max(initial=0))
    index = np.arange(1, count + 1)
    cell_m2 = abs(affine.a * affine.e)
    shapes = outlines(labels, affine)
    columns: dict[str, Any] = {"area_m2": [shape.area for shape in shapes]}
    for name, source in _MEANS.items():
        columns[name] = _mean(labels, fields.get(source), index)
    for name, source in _MAXIMA.items():
        columns[name] = _maximum(labels, fields.get(source), index)
    cells = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    for name, source in _AREAS.items():
        field = fields.get(source)
        known = _mean(labels, None if field is None else np.isfinite(field), index)
        area_m2 = _mean(labels, field, index) * cells * cell_m2
        columns[name] = np.where(known >= KNOWN_SHARE, area_m2, np.nan)
    columns["n_cells"] = cells
    columns["confidence"] = _whole(confidence(columns["q_value"], columns["gi_z"]))
    columns["anomaly_sd_c"] = anomaly_sd(
        columns["lst_sd_c"], np.asarray(columns["area_m2"]), columns["effective_resolution_m"]
    )
    columns["priority"] = priority(
        columns["anomaly_mean_c"], columns["area_m2"], columns["persistence"],
        columns["plantable_m2"],
    )  # fmt: skip
    table = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(shapes, dtype="geometry"), crs=crs)
    table.insert(0, "zone_id", pd.Series(zone_ids(shapes, previous), dtype="object"))
    table = table.sort_values(
        ["priority", "anomaly_mean_c", "zone_id"], ascending=[False, False, True], ignore_index=True
    )
    table["rank"] = pd.Series(np.arange(1, count + 1), dtype="Int64")
    return table


def _whole(values: Array) -> pd.Series:
    return pd.Series(values, dtype="Float64").where(np.isfinite(values)).astype("Int64")


def _mean(labels: Labels, field: Array | None, index: npt.NDArray[Any]) -> Array:
    if field is None or not index.size:
        return np.full(index.size, np.nan)
    valid = np.isfinite(field) & (labels > 0)
    inside, values = labels[valid], field[valid].astype("float64")
    number = np.bincount(inside, minlength=index.size + 1)[1:]
    total = np.bincount(inside, values, minlength=index.size + 1)[1:]
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _maximum(labels: Labels, field: Array | None, index: npt.NDArray[Any]) -> Array:
    if field is None or not index.size:
        return np.full(index.size, np.nan)
    found = np.asarray(ndimage.maximum(np.where(np.isfinite(field), field, -np.inf), labels, index))
    return np.where(np.isfinite(found), found, np.nan)


def anomaly_sd(sd_k: Array, area_m2: Array, effective_resolution_m: Array) -> Array:
    """Standard uncertainty of a mean anomaly [K].

    The errors of the atmosphere, which a whole scene shares, cancel in the anomaly. The noise
    is taken as independent from one square of the effective resolution to the next:
    ``sd / sqrt(max(1, area / resolution^2))``; where the resolution is not known, nothing is
    averaged out. What no averaging removes is the emissivity of the place's own materials
    beside that of the reference: `EMISSIVITY_CONTRAST_K` is added in quadrature.
    """
    samples = (
        area_m2 / np.where(np.isfinite(effective_resolution_m), effective_resolution_m, np.inf) ** 2
    )
    noise = sd_k / np.sqrt(np.maximum(samples, 1.0))
    return np.asarray(np.hypot(noise, EMISSIVITY_CONTRAST_K))


def priority(anomaly_k: Array, area_m2: Array, persistence: Array, plantable_m2: Array) -> Array:
    """Priority for action, 0..100.

    Weighted mean of four parts from 0 to 1: anomaly over 10 K (weight 0.4), area from 1 to 100 ha
    on a logarithmic scale (0.2), share of the dates (0.2), and plantable share of the ground up
    to one half (0.2). A part that is not known is left out and the other weights grow. The scales
    are fixed, so that zones of two runs or cities compare. The weights are a choice, not a
    finding.

    >>> priority(np.array([5.0]), np.array([1e5]), np.array([1.0]), np.array([np.nan])).tolist()
    [62.5]
    """
    area = np.asarray(area_m2, dtype="float64")
    low, high = np.log10(AREA_RANGE_M2)
    parts = {
        "anomaly": np.asarray(anomaly_k) / FULL_ANOMALY_K,
        "area": (np.log10(np.maximum(area, 1.0)) - low) / (high - low),
        "persistence": np.asarray(persistence, dtype="float64"),
        "plantable": np.asarray(plantable_m2) / np.maximum(area, 1.0) / FULL_PLANTABLE_SHARE,
    }
    score, weight = np.zeros(area.shape), np.zeros(area.shape)
    for name, part in parts.items():
        known = np.isfinite(part)
        score += np.where(known, WEIGHTS[name] * np.clip(part, 0.0, 1.0), 0.0)
        weight += np.where(known, WEIGHTS[name], 0.0)
    return np.where(np.isfinite(parts["anomaly"]), np.round(100.0 * score / weight, 6), np.nan)


def zone_ids(
    shapes: list[BaseGeometry],
    previous: gpd.GeoDataFrame | None = None,
    *,
    min_iou: float = 0.3,
) -> list[str]:
    """Stable identifiers of zones.

    A zone keeps the identifier of the previous zone that it overlaps best, if intersection over
    union is at least ``min_iou``. Otherwise the identifier tells the position of the centroid in
    steps of 500 m, ``hz-e<column>-n<row>``, with ``-2``, ``-3``... for further, smaller
    zones at the same place.
    """
    ids: list[str | None] = [None] * len(shapes)
    taken: set[str] = set()
    if previous is not None and len(previous):
        for position, name in _matches(shapes, previous, min_iou):
            if ids[position] is None and name not in taken:
                ids[position] = name
                taken.add(name)
        taken |= {str(name) for name in previous["zone_id"]}
    order = sorted(range(len(shapes)), key=lambda i: (-shapes[i].area, *shapes[i].bounds))
    for position in order:
        if ids[position] is None:
            ids[position] = _free(_place_name(shapes[position]), taken)
            taken.add(str(ids[position]))
    return [str(one) for one in ids]


def _matches(
    shapes: list[BaseGeometry], previous: gpd.GeoDataFrame, min_iou: float
) -> list[tuple[int, str]]:
    """Pairs of zone and previous identifier, best overlap first."""
    old = np.asarray(previous.geometry.array)
    names = [str(name) for name in previous["zone_id"]]
    found = []
    for here, there in shapely.STRtree(old).query(shapes, predicate="intersects").T:
        common = shapes[here].intersection(old[there]).area
        iou = common / (shapes[here].area + old[there].area - common)
        if iou >= min_iou:
            found.append((-iou, names[there], int(here)))
    return [(here, name) for _, name, here in sorted(found)]


def _place_name(shape: BaseGeometry) -> str:
    x, y = shape.centroid.x, shape.centroid.y
    return f"hz-e{math.floor(x / ID_STEP_M)}-n{math.floor(y / ID_STEP_M)}"


def _free(name: str, taken: set[str]) -> str:
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name}-{number}"
    return made
