"""What changed between two results: hot zones, roofs, surface temperature with significance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.stats import norm

from heliopolis.heat.false_discoveries import benjamini_hochberg
from heliopolis.io.geopackage import layer_names, write_geopackage
from heliopolis.io.vector import read_layer

#: Relative change above which a zone or a roof is said to have changed.
CHANGED = 0.01
_ZONES = {"area_m2": "area_{}_m2", "anomaly_mean_c": "anomaly_{}_c"}
_ROOFS = {
    "footprint_m2": "footprint_{}_m2",
    "usable_m2": "usable_{}_m2",
    "energy_kwh_year_p50": "energy_{}_kwh_year",
}


def changes(
    *,
    before: Path,
    after: Path,
    shared_dates: float,
    alpha: float,
    target: Path,
    options: Mapping[str, Any],
) -> dict[str, int]:
    """Write ``changes.gpkg`` and return the counts of what changed.

    Parameters
    ----------
    before, after
        Folders with ``hot_zones.gpkg`` and ``rooftop_pv.gpkg``, or one of them.
    shared_dates
        Share of the dates of the smaller result that both have, 0 to 1.
    alpha
        False discovery rate of a change of temperature.
    target
        GeoPackage written: ``zone_changes, roof_changes, lst_changes``, as far as known.
    options
        ``language`` and ``provenance``.
    """
    layers: dict[str, gpd.GeoDataFrame] = {}
    zones = _both(before, after, "hot_zones.gpkg", "hot_zones")
    if zones is not None:
        layers["zone_changes"] = compared(*zones, key="zone_id", fields=_ZONES)
    roofs = _both(before, after, "rooftop_pv.gpkg", "buildings")
    if roofs is not None:
        layers["roof_changes"] = compared(*roofs, key="building_id", fields=_ROOFS)
    cells = _both(before, after, "hot_zones.gpkg", "heat_cells")
    if cells is not None:
        layers["lst_changes"] = lst_changes(*cells, shared_dates=shared_dates, alpha=alpha)
    if layers:
        write_geopackage(
            target,
            layers,
            language=str(options.get("language", "en")),
            provenance=options.get("provenance"),
        )
    return _counts(layers)


def _both(
    before: Path, after: Path, file: str, layer: str
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame] | None:
    """A layer of both results, in the CRS of the later one; None where one lacks it."""
    paths = (before / file, after / file)
    if not all(path.is_file() and layer in layer_names(path) for path in paths):
        return None
    now = read_layer(paths[1], layer)
    return read_layer(paths[0], layer, crs=now.crs.to_wkt()), now


def compared(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, *, key: str, fields: Mapping[str, str]
) -> gpd.GeoDataFrame:
    """Features that are new, vanished, or changed by more than `CHANGED` in one of ``fields``.

    ``fields`` maps each field to the name of its pair of columns, with ``{}`` for ``before`` and
    ``after``. A change between known and unknown counts. Geometries are those of now; of what
    vanished, those of before.
    """
    old, new = (table.drop_duplicates(key).set_index(key) for table in (before, after))
    names = sorted(set(old.index) | set(new.index))
    made: dict[str, Any] = {key: names}
    differs = np.zeros(len(names), dtype=bool)
    for name, pair in fields.items():
        values = [_numbers(table, name, names) for table in (old, new)]
        made[pair.format("before")], made[pair.format("after")] = values
        scale = np.maximum(np.abs(values[0]), np.abs(values[1]))
        differs |= np.isfinite(values[0]) != np.isfinite(values[1])
        differs |= np.abs(values[1] - values[0]) > CHANGED * scale
    was, stays = (np.array([n in table.index for n in names], dtype=bool) for table in (old, new))
    kind = np.select([was & ~stays, stays & ~was, differs], ["vanished", "new", "changed"], "")
    shapes = [(new if n in new.index else old).geometry[n] for n in names]
    table = gpd.GeoDataFrame({**made, "change": kind}, geometry=shapes, crs=after.crs)
    return table[table["change"] != ""].reset_index(drop=True)


def _numbers(table: gpd.GeoDataFrame, field: str, names: list[str]) -> np.ndarray[Any, Any]:
    if field not in table.columns:
        return np.full(len(names), np.nan)
    found = pd.to_numeric(table[field].reindex(names), errors="coerce")
    return np.asarray(found.astype("float64"))


def lst_changes(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, *, shared_dates: float, alpha: float
) -> gpd.GeoDataFrame:
    """Change of surface temperature in each cell, with its significance.

    Two medians over n and N dates with m dates in common, each date with the variance s2, differ
    with the variance ``s2 (1/n + 1/N - 2 m / (n N))``: errors of the dates in common, and errors
    that come back on every date, cancel out. s2 is n times the squared uncertainty of a median,
    the mean of both results; m is the share of the dates in common times the smaller number.
    A change is tested against a normal law, two-sided, at the false discovery rate of all cells.
    Where every date is shared nothing is tested.
    """
    old = before.drop_duplicates("cell_id").set_index("cell_id")
    new = after[after["cell_id"].isin(old.index)].drop_duplicates("cell_id")
    names = [str(name) for name in new["cell_id"]]
    later = new.set_index("cell_id")
    lst, sd, n_obs, anomaly = (
        [_numbers(table, field, names) for table in (old, later)]
        for field in ("lst_mean_c", "lst_sd_c", "n_obs", "anomaly_mean_c")
    )
    change = lst[1] - lst[0]
    sigma = change_sd(sd, n_obs, shared_dates)
    with np.errstate(invalid="ignore", divide="ignore"):
        tested = np.where(sigma > 0, np.abs(change) / sigma, np.nan)
    p = 2.0 * norm.sf(tested)
    q = np.asarray(benjamini_hochberg(p))
    table = gpd.GeoDataFrame(
        {
            "cell_id": names,
            "lst_before_c": lst[0],
            "lst_after_c": lst[1],
            "lst_change_k": change,
            "lst_change_sd_k": sigma,
            "anomaly_change_k": anomaly[1] - anomaly[0],
            "n_obs_before": n_obs[0],
            "n_obs_after": n_obs[1],
            "p_value": p,
            "q_value": q,
            "significant": pd.array(q <= alpha, dtype="boolean"),
        },
        geometry=list(new.geometry),
        crs=after.crs,
    )
    table.loc[~np.isfinite(q), "significant"] = pd.NA
    return table[np.isfinite(change)].reset_index(drop=True)


def change_sd(
    sd: list[np.ndarray[Any, Any]], n_obs: list[np.ndarray[Any, Any]], shared: float
) -> np.ndarray[Any, Any]:
    """Standard uncertainty of the difference of two medians with dates in common.

    >>> one, two = np.array([1.0]), np.array([0.5])
    >>> change_sd([one, two], [np.array([1.0]), np.array([4.0])], 1.0).round(3).tolist()
    [0.866]
    >>> change_sd([one, one], [np.array([4.0]), np.array([4.0])], 0.0).round(3).tolist()
    [1.414]
    """
    fewer, n, big_n = np.minimum(*n_obs), *n_obs
    variance = (n * sd[0] ** 2 + big_n * sd[1] ** 2) / 2.0
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = 1.0 / n + 1.0 / big_n - 2.0 * shared * fewer / (n * big_n)
    return np.asarray(np.sqrt(variance * np.maximum(factor, 0.0)))


def _counts(layers: Mapping[str, gpd.GeoDataFrame]) -> dict[str, int]:
    found: dict[str, int] = {}
    for layer, what in (("zone_changes", "zones"), ("roof_changes", "roofs")):
        if layer in layers:
            kinds = layers[layer]["change"]
            for kind in ("new", "vanished", "changed"):
                found[f"{kind}_{what}"] = int((kinds == kind).sum())
    if "lst_changes" in layers:
        found["changed_cells"] = int(layers["lst_changes"]["significant"].fillna(False).sum())
    return found
