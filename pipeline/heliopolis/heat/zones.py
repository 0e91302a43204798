"""Hot zones: from significant cells to named polygons with what is known about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from affine import Affine

from heliopolis.heat.hotspots import confidence
from heliopolis.heat.outlines import outlines
from heliopolis.heat.zone_ids import zone_ids

Array = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int32]

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
    "sky_view_mean": "sky_view",
    "built_share": "built",
    "water_share": "water",
    "vegetation_share": "vegetation",
    "bare_share": "bare",
    "tree_share": "forest",
    "effective_resolution_m": "effective_resolution_m",
}
_MAXIMA = {"lst_max_c": "lst_c", "anomaly_max_c": "anomaly_c"}
_AREAS = {"plantable_m2": "plantable", "roof_m2": "roof"}

#: An error of 0.01 in the emissivity of a place relative to that of the reference [K]: the
#: derivative of the statistical mono-window of Ermida et al. (2020), doi:10.3390/rs12091471, for
#: band 10 at 305 K and 18 to 24 mm of water vapour. 0.01 is the order of the error of the ASTER
#: emissivities behind the product, Hulley et al. (2015), doi:10.1002/2015GL065564.
EMISSIVITY_CONTRAST_K = 0.69


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
        From `heliopolis.heat.zone_labels`, dims (y, x).
    fields
        Fields on the same grid, as far as known: ``lst_c, lst_sd_c, anomaly_c, gi_z, p_value,
        q_value, persistence, n_obs, effective_resolution_m, ndvi, albedo, sky_view, built, water,
        vegetation, bare, plantable, roof`` (the last nine are shares or indices, 0..1 or -1..1).
    affine, crs
        Transform of the grid and its metric CRS.
    previous
        Zones of an earlier result; a zone that overlaps one of them keeps its ``zone_id``.

    Returns
    -------
    GeoDataFrame
        One row for each zone, by rank; every column of the layer ``hot_zones``, NULL where the
        field is not known, and its ``label``. ``lst_sd_c`` takes the errors of a zone's cells as
        one (an upper bound); ``anomaly_sd_c`` is described at `anomaly_sd`. ``gi_z``,
        ``p_value`` and ``q_value`` are means over the zone's significant core (see
        `heliopolis.heat.zone_labels.core_statistics`), and ``confidence`` follows from that
        mean q.
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
    table["label"] = index
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
    inside, values = _within(labels, field)
    number = np.bincount(inside, minlength=index.size + 1)[1:]
    total = np.bincount(inside, values, minlength=index.size + 1)[1:]
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _within(labels: Labels, field: Array) -> tuple[Labels, Array]:
    """Labels and values of the known cells of all zones."""
    zone = labels > 0
    inside, values = labels[zone], field[zone].astype("float64")
    known = np.isfinite(values)
    return inside[known], values[known]


def _maximum(labels: Labels, field: Array | None, index: npt.NDArray[Any]) -> Array:
    if field is None or not index.size:
        return np.full(index.size, np.nan)
    inside, values = _within(labels, field)
    found = np.full(index.size + 1, -np.inf)
    np.maximum.at(found, inside, values)
    return np.where(np.isfinite(found), found, np.nan)[1:]


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
