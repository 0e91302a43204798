"""What would help: expected cooling of planting, green roofs and white roofs, and what it costs.

The effects are those that the area itself shows today, `heliopolis.heat.drivers`: of the
greenness of the ground, of the mean greenness within 300 m, as in the cooling capacity of InVEST,
where green cools beyond itself (Bosch et al. 2021, doi:10.5194/gmd-14-3521-2021), and of the
albedo. They are taken twice, among the built-up cells alone, where greens differ little, and among
all, where town differs from country in more than green; the range spans 80 % of what either lets
expect, the spread from place to place included. It is the change of surface temperature on days
such as those of the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from heliopolis.heat.cells import block_mean, disc_mean
from heliopolis.heat.drivers import DriverModel, driver_model

Array = npt.NDArray[np.floating[Any]]

#: How far green ground cools beyond itself [m].
NEAR_M = 300.0
#: A cell is built up where at least this share of the ground within 300 m is built.
BUILT_UP = 0.1
#: Greenness (NDVI) of dense canopy: this percentile of the area's; and of bare ground or pavement.
CANOPY_PERCENTILE, BARE_PERCENTILE = 95.0, 5.0
#: The range reaches so many standard deviations to both sides: 80 % of a normal law.
RANGE_SD = 1.2816


@dataclass(frozen=True)
class Ground:
    """Greenness of the area.

    Attributes
    ----------
    models
        Of built-up cells and of all cells, as far as they could be made.
    canopy, bare
        Greenness of dense trees and of bare ground (1).
    """

    models: tuple[DriverModel, ...]
    canopy: float
    bare: float


def explain(fields: Mapping[str, Array | None], *, factor: int, pixel_m: float) -> Ground | None:
    """Explain the anomaly of the area by its ground; None without greenness.

    Parameters
    ----------
    fields
        Fine fields, as in `heliopolis.heat.zones.zone_table`, NaN where they do not count;
        greenness is ``ndvi``, or the share of ``forest`` of a class map.
    factor, pixel_m
        Pixels along a cell, and their side [m].
    """
    green = fields.get("ndvi") if fields.get("ndvi") is not None else fields.get("forest")
    anomaly = fields.get("anomaly_c")
    if green is None or anomaly is None or not np.isfinite(green).any():
        return None
    cell_m = factor * pixel_m
    land = np.isfinite(anomaly)
    cells = {"green": block_mean(np.where(land, green, np.nan), factor, 0.5)}
    cells["green_near"] = disc_mean(cells["green"], NEAR_M / cell_m)
    built = fields.get("built")
    sources = {"built": built if fields.get("ndvi") is None else None, "roof": fields.get("roof"),
               "albedo": fields.get("albedo"), "farmland": fields.get("farmland"),
               "sky_view": fields.get("sky_view")}  # fmt: skip
    for name, field in sources.items():
        if field is not None and np.isfinite(field[land]).mean() > 0.8:
            cells[name] = block_mean(np.where(land, field, np.nan), factor, 0.5)
    target = block_mean(anomaly, factor, 0.5)
    domains: list[Any] = [None]
    if built is not None:
        around = disc_mean(block_mean(built, factor), NEAR_M / cell_m)
        domains.insert(0, around >= BUILT_UP)
    made = [driver_model(target, cells, cell_m=cell_m, domain=domain) for domain in domains]
    models = tuple(model for model in made if model is not None)
    values = green[land & np.isfinite(green)]
    canopy, bare = np.percentile(values, [CANOPY_PERCENTILE, BARE_PERCENTILE])
    return Ground(models, float(canopy), max(float(bare), 0.0)) if models else None


def cooling(
    ground: Ground,
    changes: Mapping[str, Array],
    inside: npt.NDArray[np.bool_],
    pixel_m: float,
) -> tuple[float, float]:
    """Least and most change of the mean anomaly of a place [K]; NaN where it is not known.

    Parameters
    ----------
    ground
        From `explain`.
    changes
        Change of ``green`` and ``albedo`` on the fine grid around the place, dims (y, x).
    inside
        The place.
    pixel_m
        Side of a pixel [m].
    """
    step = {name: float(field[inside].mean()) for name, field in changes.items()}
    if "green" in changes:
        near = disc_mean(np.nan_to_num(changes["green"]), NEAR_M / pixel_m)
        step["green_near"] = float(near[inside].mean())
    found = [model.change(step) for model in ground.models]
    least = max(value + RANGE_SD * sd for value, sd in found)
    most = min(value - RANGE_SD * sd for value, sd in found)
    return min(least, 0.0), min(most, 0.0)


def action_table(
    zones: gpd.GeoDataFrame,
    fields: Mapping[str, Array | None],
    ground: Ground | None,
    costs: pd.DataFrame,
    labels: npt.NDArray[np.int32],
    pixel_m: float,
) -> gpd.GeoDataFrame:
    """What could be done in each zone, ranked by cooled ground per euro.

    Parameters
    ----------
    zones
        ``zone_id``, ``label`` and geometry.
    fields
        Fine fields: ``plantable, roof, ndvi, albedo``.
    ground
        From `explain`, or None.
    costs
        ``action, cost_least_eur_m2, cost_most_eur_m2, weight, greenness, albedo``.
    labels
        Zones on the fine grid, dims (y, x).
    pixel_m
        Side of a pixel [m].

    Returns
    -------
    GeoDataFrame
        ``zone_id, action, area_m2, cooling_least_k, cooling_most_k, cost_least_eur,
        cost_most_eur, cooled_k_km2_per_million_eur, rank``; a zone and action whose ground or
        effect is not known has no row. The value of an action is its weight times middle cooling
        times the zone's area (K km2) over the middle cost.
    """
    rows = []
    windows = ndimage.find_objects(labels)
    reach = int(NEAR_M / pixel_m) + 1
    for position, (zone_id, label) in enumerate(zip(zones["zone_id"], zones["label"], strict=True)):
        window = tuple(
            slice(max(0, one.start - reach), one.stop + reach) for one in windows[label - 1]
        )
        inside = labels[window] == label
        for line in costs.itertuples():
            row = action(line, inside, window, fields, ground, pixel_m)
            if row is not None:
                rows.append({"zone_id": zone_id, "position": position, **row})
    columns = ["zone_id", "action", "area_m2", "cooling_least_k", "cooling_most_k",
               "cost_least_eur", "cost_most_eur", "cooled_k_km2_per_million_eur"]  # fmt: skip
    table = pd.DataFrame(rows, columns=[*columns, "position"])
    table = table.sort_values(
        ["cooled_k_km2_per_million_eur", "zone_id", "action"], ascending=[False, True, True]
    ).reset_index(drop=True)
    table["rank"] = pd.Series(np.arange(1, len(table) + 1), dtype="Int64")
    shapes = [zones.geometry.iloc[int(one)] for one in table["position"]]
    geometry = gpd.GeoSeries(shapes, crs=zones.crs, dtype="geometry")
    return gpd.GeoDataFrame(table[[*columns, "rank"]], geometry=geometry, crs=zones.crs)


def with_cooling(zones: gpd.GeoDataFrame, actions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Add ``cooling_k`` and ``cooling_sd_k`` of planting to the zones; NULL where not known."""
    planted = actions[actions["action"] == "plant_trees"].set_index("zone_id")
    least = zones["zone_id"].map(planted["cooling_least_k"]).astype("float64")
    most = zones["zone_id"].map(planted["cooling_most_k"]).astype("float64")
    return zones.assign(cooling_k=(least + most) / 2.0, cooling_sd_k=(least - most) / 2 / RANGE_SD)


def told_drivers(ground: Ground | None) -> dict[str, Any]:
    """The models for the record of the run; plain JSON types."""
    if ground is None:
        return {"drivers": None}
    told = []
    for model in ground.models:
        sd = np.sqrt(np.diag(model.covariance))
        parts = zip(model.names, model.effects, sd, model.spread, strict=True)
        told.append({
            "effects_k": {name: round(float(one), 3) for name, one, _, _ in parts},
            "effects_sd_k": dict(zip(model.names, sd.round(3).tolist(), strict=True)),
            "effects_between_places_k": dict(
                zip(model.names, model.spread.round(3).tolist(), strict=True)
            ),
            "effects_of_one_deviation_k": {
                name: round(one, 3) for name, one in model.importance.items()
            },
            "held_out_r2": round(model.r2, 3), "n_cells": model.n_cells,
            "n_blocks": model.n_blocks,
        })  # fmt: skip
    return {"drivers": told, "canopy_greenness": ground.canopy, "bare_greenness": ground.bare}


def action(
    line: Any,
    inside: npt.NDArray[np.bool_],
    window: tuple[slice, ...],
    fields: Mapping[str, Array | None],
    ground: Ground | None,
    pixel_m: float,
) -> dict[str, Any] | None:
    """One action at one place; None where its ground or its effect is not known.

    Parameters
    ----------
    line
        Row of the table of costs.
    inside
        Pixels of the place within ``window``, dims (y, x).
    window
        Part of the grid that holds the place and what lies within `NEAR_M` of it.
    fields, ground, pixel_m
        As for `action_table`.
    """
    plants = line.action == "plant_trees"
    share = fields.get("plantable" if plants else "roof")
    if share is None or ground is None:
        return None
    part = np.where(inside, share[window], 0.0)
    if np.isfinite(part[inside]).mean() < 0.95:
        return None
    part = np.nan_to_num(part)
    area_m2 = float(part.sum()) * pixel_m**2
    if area_m2 <= 0.0:
        return None
    changes: dict[str, Array] = {}
    if plants:
        changes["green"] = part * (ground.canopy - ground.bare)
    elif np.isfinite(line.greenness):
        changes["green"] = part * max(line.greenness - ground.bare, 0.0)
    elif fields.get("albedo") is not None and all("albedo" in m.names for m in ground.models):
        albedo = np.asarray(fields["albedo"])[window]
        changes["albedo"] = part * np.nan_to_num(np.maximum(line.albedo - albedo, 0.0))
    if not changes:
        return None
    least, most = cooling(ground, changes, inside, pixel_m)
    costs = area_m2 * line.cost_least_eur_m2, area_m2 * line.cost_most_eur_m2
    value = -line.weight * (least + most) / 2.0 * float(inside.sum()) * pixel_m**2 / 1e6
    return {
        "action": line.action, "area_m2": area_m2, "cooling_least_k": least,
        "cooling_most_k": most, "cost_least_eur": costs[0], "cost_most_eur": costs[1],
        "cooled_k_km2_per_million_eur": value / (sum(costs) / 2.0 / 1e6),
    }  # fmt: skip
