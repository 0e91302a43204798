"""Places: exact zonal statistics, and each place ranked among its like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from affine import Affine

from heliopolis.heat.coverage import coverage
from heliopolis.heat.zones import KNOWN_SHARE, anomaly_sd

Array = npt.NDArray[np.floating[Any]]

#: A place given as a point or a line stands for the ground within this distance [m].
POINT_RADIUS_M = 50.0
_NAMES = ("place_id", "name", "kind")
#: Numbers of people, where they are given; ``..._hot`` are those in hot zones.
PEOPLE = ("people", "people_over_65", "people_under_6")
#: Place column and the field it is the area-weighted mean of.
_MEANS = {
    "lst_mean_c": "lst_c",
    "lst_sd_c": "lst_sd_c",
    "anomaly_mean_c": "anomaly_c",
    "ndvi_mean": "ndvi",
    "albedo_mean": "albedo",
    "sky_view_mean": "sky_view",
    "built_share": "built",
    "water_share": "water",
}


def place_table(
    places: gpd.GeoDataFrame,
    fields: Mapping[str, Array | None],
    zones: gpd.GeoDataFrame,
    *,
    affine: Affine,
    shape: tuple[int, int],
) -> gpd.GeoDataFrame:
    """Statistics of places and their rank among places of the same kind.

    Means are weighted with the exact share of each cell under the place. A cell without a value
    does not count; a place without any has NULL. ``lst_sd_c`` takes the errors of a place's cells
    as one, an upper bound. ``hot_share`` is the share of the place's area in hot zones; where
    numbers of people are given, that share of them is taken as exposed.

    Parameters
    ----------
    places
        ``place_id, name, kind``, as far as known `PEOPLE`, and geometry, in the metric CRS of the
        grid. Points and lines stand for the ground within 50 m.
    fields
        Fields on the grid, as in `heliopolis.heat.zones.zone_table`.
    zones
        Hot zones, in the same CRS.
    affine, shape
        Transform and shape (y, x) of the grid.

    Returns
    -------
    GeoDataFrame
        Every column of the layer ``places``, in the order of the input, with its geometry.
    """
    ground = place_ground(places.geometry)
    covered = coverage(ground, shape, affine)
    kept = [name for name in (*_NAMES, *PEOPLE) if name in places.columns]
    table = places[[*kept, places.geometry.name]].reset_index(drop=True)
    area_m2 = ground.area.to_numpy()
    table["area_m2"] = area_m2
    for column, source in _MEANS.items():
        table[column] = _mean(covered, fields.get(source), len(table))
    resolution = _mean(covered, fields.get("effective_resolution_m"), len(table))
    table["anomaly_sd_c"] = anomaly_sd(table["lst_sd_c"].to_numpy(), area_m2, resolution)
    plantable = fields.get("plantable")
    cells = covered.weight(plantable) if plantable is not None else np.zeros(len(table))
    known_m2 = cells * abs(affine.a * affine.e)
    plantable_m2 = _mean(covered, plantable, len(table)) * known_m2
    table["plantable_m2"] = np.where(known_m2 >= KNOWN_SHARE * area_m2, plantable_m2, np.nan)
    hot = shapely.union_all(np.asarray(zones.geometry.array)) if len(zones) else shapely.Polygon()
    inside = np.asarray(shapely.area(shapely.intersection(np.asarray(ground.array), hot)))
    measured = np.isfinite(table["lst_mean_c"]) & (area_m2 > 0)
    share = inside / np.where(area_m2 > 0, area_m2, 1.0)
    table["hot_share"] = np.where(measured, np.clip(share, 0.0, 1.0), np.nan)
    for name in PEOPLE:
        if name in table.columns:
            number = pd.to_numeric(table[name], errors="coerce")
            table[name] = number
            table[f"{name}_hot"] = number * table["hot_share"]
    return rank_in_kind(table)


def _mean(covered: Any, field: Array | None, count: int) -> Array:
    return np.full(count, np.nan) if field is None else np.asarray(covered.mean(field))


def place_ground(geometry: gpd.GeoSeries) -> gpd.GeoSeries:
    """Polygons that the places stand for: their own, or 50 m around a point or a line."""
    flat = geometry.reset_index(drop=True).force_2d()
    thin = ~flat.geom_type.isin(["Polygon", "MultiPolygon"])
    made = flat.where(~thin, flat.buffer(POINT_RADIUS_M))
    return made.make_valid(method="structure")


def rank_in_kind(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Add ``n_in_kind, rank_in_kind, percentile_in_kind``, by ``anomaly_mean_c``.

    Rank 1 is the hottest place of its kind; equals share the better rank. The percentile is the
    percentage of the places of the kind that are cooler or equal, itself included: 100 for the
    hottest. Where there is no anomaly the temperature is compared; places without a value have
    no rank and do not count.
    """
    out = table.copy()
    by = "anomaly_mean_c" if table["anomaly_mean_c"].notna().any() else "lst_mean_c"
    kinds = out["kind"].fillna("").astype("object")
    groups = out[by].groupby(kinds)
    known = out[by].notna()
    out["n_in_kind"] = groups.transform("count").astype("Int64")
    out["rank_in_kind"] = groups.rank(method="min", ascending=False).where(known).astype("Int64")
    out["percentile_in_kind"] = 100.0 * groups.rank(method="max", pct=True)
    return out


def empty_places(crs: Any) -> gpd.GeoDataFrame:
    """Places layer without a place."""
    columns = {name: pd.Series(dtype="object") for name in ("place_id", "name", "kind")}
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], dtype="geometry"), crs=crs)
