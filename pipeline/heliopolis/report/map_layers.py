"""Layers of the web map: outlines as small whole numbers, values as they are shown."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from heliopolis.legend import SCALES, Scale
from heliopolis.report.words import known
from heliopolis.variables import layer_fields

#: Fields of the card of a layer, with their digits (None for text) and standard uncertainty.
_SHOWN: dict[str, tuple[tuple[str, int | None, str], ...]] = {
    "hot_zones": (
        ("rank", 0, ""),
        ("area_m2", 0, ""),
        ("lst_mean_c", 1, "lst_sd_c"),
        ("anomaly_mean_c", 1, "anomaly_sd_c"),
        ("confidence", 0, ""),
        ("persistence", 2, ""),
        ("n_obs", 0, ""),
        ("plantable_m2", 0, ""),
        ("cooling_k", 1, "cooling_sd_k"),
    ),
    "places": (
        ("name", None, ""),
        ("kind", None, ""),
        ("lst_mean_c", 1, "lst_sd_c"),
        ("anomaly_mean_c", 1, "anomaly_sd_c"),
        ("hot_share", 2, ""),
        ("rank_in_kind", 0, ""),
        ("n_in_kind", 0, ""),
        ("percentile_in_kind", 0, ""),
    ),
    "buildings": (
        ("capacity_kwp", 1, ""),
        ("energy_kwh_year_p50", 0, ""),
        ("energy_kwh_year_p90", 0, ""),
        ("specific_yield_kwh_kwp", 0, ""),
        ("shading_loss", 2, ""),
        ("co2_kg_year", 0, ""),
        ("best_use", None, ""),
        ("peer_percentile", 0, ""),
        ("lst_mean_c", 1, "lst_sd_c"),
        ("zone_id", None, ""),
        ("height_m", 1, ""),
        ("footprint_m2", 0, ""),
        ("source", None, ""),
        ("quality", None, ""),
    ),
    "roof_planes": (
        ("building_id", None, ""),
        ("tilt_deg", 0, "tilt_sd_deg"),
        ("azimuth_deg", 0, "azimuth_sd_deg"),
        ("usable_m2", 0, ""),
        ("poa_kwh_m2_year", 0, ""),
        ("energy_kwh_year_p50", 0, ""),
        ("energy_kwh_year_p90", 0, ""),
        ("shading_loss", 2, ""),
    ),
    "study_area": (("area_m2", 0, ""),),
}
_KEYS = {
    "hot_zones": "zone_id",
    "places": "place_id",
    "buildings": "building_id",
    "roof_planes": "plane_id",
    "study_area": "name",
}
#: Fields whose values have words in both languages, with the prefix of their keys.
_WORDED = {"best_use": "use_", "source": "outline_", "kind": "kind_"}
_LEADS = {"zone_id": "hot_zones", "building_id": "buildings"}


def pack_layer(
    name: str, table: gpd.GeoDataFrame, origin: NDArray[Any], language: str, quantum_m: float
) -> dict[str, Any]:
    """One layer: outlines, values of the fields that are shown, classes.

    Parameters
    ----------
    name
        Declared layer.
    table
        Features in a metric CRS.
    origin
        Corner that lengths are counted from, (x, y) [m].
    language
        ``en`` or ``fr``.
    quantum_m
        Step to which the corners of roofs and places are rounded [m].
    """
    table = table[table.geometry.notna() & ~table.geometry.is_empty]
    key, scale = _KEYS[name], SCALES.get(name)
    quantum = 1.0 if name in ("hot_zones", "study_area") else quantum_m
    keys = [str(value) for value in table[key]]
    columns: dict[str, Any] = {key: {"label": _label(name, key, language), "digits": None,
                                     "values": keys}}  # fmt: skip
    shown = []
    for field, digits, sd in _SHOWN[name]:
        if field not in table.columns or table[field].isna().all():
            continue
        error = sd if sd and sd in table.columns and table[sd].notna().any() else ""
        shown.append([field, error])
        columns[field] = _column(name, table, field, digits, language)
        if error:
            columns[error] = _column(name, table, error, max(digits or 0, 1), language)
    points = table.geometry.representative_point() if name == "hot_zones" else None
    return {
        "key": name,
        "id": key,
        "one": _label(name, key, language),
        "dots": name == "places",
        "quantum": quantum,
        **outlines(table.geometry.array, origin, quantum),
        "anchors": None
        if points is None
        else [[round(p.x - origin[0], 1), round(p.y - origin[1], 1)] for p in points],
        "columns": columns,
        "shown": shown,
        "classes": None if scale is None else classes(scale, table[scale.field]),
        "colours": None if scale is None else list(scale.colours),
    }


def classes(scale: Scale, values: pd.Series) -> list[int]:
    """Class of each value on a fixed scale, -1 where it is not known.

    >>> classes(Scale("x", (1, 2), ("#0", "#1", "#2")), pd.Series([0.99, 1.0, None]))
    [0, 1, -1]
    """
    numbers = values.astype("float64").to_numpy()
    found = np.digitize(np.nan_to_num(numbers), scale.breaks)
    return np.where(np.isfinite(numbers), found, -1).tolist()


def _label(layer: str, field: str, language: str) -> str:
    return layer_fields(layer)[field].alias(language)


def _column(
    layer: str, table: pd.DataFrame, field: str, digits: int | None, language: str
) -> dict[str, Any]:
    """Values of a field: whole numbers of the last digit that is shown, or texts."""
    made: dict[str, Any] = {"label": _label(layer, field, language), "digits": digits}
    if field in _LEADS:
        made["leads"] = _LEADS[field]
    if digits is None:
        prefix = _WORDED.get(field, "")
        made["values"] = [
            None if pd.isna(text) else _worded(str(text), prefix, language)
            for text in table[field].astype("object")
        ]
        return made
    numbers = table[field].astype("float64").to_numpy() * 10.0**digits
    made["values"] = whole(numbers)
    return made


def _worded(text: str, prefix: str, language: str) -> str:
    """A declared value in the language of the page; a user's own as it is."""
    return (known(f"{prefix}{text}", language) if prefix else None) or text


def whole(numbers: NDArray[Any]) -> list[int | None]:
    """Rounded numbers as JSON takes them; None where there is none.

    >>> whole(np.array([1.4, np.nan, -2.6]))
    [1, None, -3]
    """
    filled = np.rint(np.where(np.isfinite(numbers), numbers, 0.0)).astype("int64").tolist()
    return [value if ok else None for value, ok in zip(filled, np.isfinite(numbers), strict=True)]


def outlines(shapes: NDArray[Any], origin: NDArray[Any], quantum: float) -> dict[str, Any]:
    """Outlines as differences from corner to corner in whole steps of ``quantum``.

    Parameters
    ----------
    shapes
        Polygons, multipolygons or points.
    origin
        Point that the first difference is counted from, (x, y) [m].
    quantum
        Step [m]; a corner moves by at most half of it in x and in y.

    Returns
    -------
    dict
        ``rings`` of each shape, ``points`` of each ring (the closing one left out), and ``xy``,
        the differences of all points in order.

    Examples
    --------
    >>> made = outlines(np.array([shapely.box(10, 10, 12, 11)]), np.array([0.0, 0.0]), 1.0)
    >>> made["rings"], made["points"], made["xy"]
    ([1], [4], [12, 10, 0, 1, -2, 0, 0, -1])
    """
    parts, shape_of_part = shapely.get_parts(shapes, return_index=True)
    flat = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    dots = np.flatnonzero(shapely.get_type_id(parts) == shapely.GeometryType.POINT)
    rings = np.concatenate([rings, parts[dots]]) if dots.size else rings
    part_of_ring = np.concatenate([part_of_ring, dots]) if dots.size else part_of_ring
    order = np.argsort(part_of_ring, kind="stable")
    rings, part_of_ring = rings[order], part_of_ring[order]
    corners, ring_of_corner = shapely.get_coordinates(rings, return_index=True)
    steps = np.rint((corners - origin) / quantum).astype("int64")
    last = np.r_[ring_of_corner[1:] != ring_of_corner[:-1], True]
    first = np.r_[True, last[:-1]]
    keep = ~(last & flat[part_of_ring][ring_of_corner])
    keep &= first | np.r_[True, (np.diff(steps, axis=0) != 0).any(axis=1)]
    steps, ring_of_corner = steps[keep], ring_of_corner[keep]
    return {
        "rings": np.bincount(shape_of_part[part_of_ring], minlength=len(shapes)).tolist(),
        "points": np.bincount(ring_of_corner, minlength=len(rings)).tolist(),
        "xy": np.diff(steps, axis=0, prepend=np.zeros((1, 2), "int64")).ravel().tolist(),
    }
