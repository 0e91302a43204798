"""What the report tells beyond the tables: the season, costs of the roofs, the cost of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo import Geometry
from odc.geo.xr import rasterize

from heliopolis.config import Solar
from heliopolis.io.raster import read_raster
from heliopolis.solar.carbon import grid_carbon
from heliopolis.steps.building_solar import read_table


def season(
    lsts: Iterable[Path],
    records: Sequence[Mapping[str, Any]],
    zones: gpd.GeoDataFrame | None,
) -> list[dict[str, Any]]:
    """Median temperature of each scene, of the area and of its hot zones [degC].

    Parameters
    ----------
    lsts
        ``lst.tif`` of each scene, in a folder of the scene's name.
    records
        Scenes of the run, as in ``run.json``.
    zones
        Layer ``hot_zones``, or None.
    """
    known = {one["id"]: one for one in records}
    found = []
    for path in lsts:
        one = known.get(path.parent.name)
        lst = read_raster(path, ["lst_c"])["lst_c"]
        values = lst.to_numpy()
        if one is None or not np.isfinite(values).any():
            continue
        inside = None
        if zones is not None and len(zones):
            shape = Geometry(zones.geometry.union_all(), zones.crs.to_wkt())
            mask = rasterize(shape.to_crs(lst.odc.geobox.crs), lst.odc.geobox).to_numpy()
            inside = _median(values[mask.astype(bool)])
        found.append(
            {
                "scene": one["id"],
                "acquired": one["acquired"],
                "sensor": one["sensor"],
                "used": bool(one.get("used")),
                "lst_area_c": _median(values),
                "lst_zones_c": inside,
            }
        )
    return sorted(found, key=lambda one: one["acquired"])


def _median(values: np.ndarray[Any, Any]) -> float | None:
    return round(float(np.nanmedian(values)), 2) if np.isfinite(values).any() else None


def computation_carbon(energy: Mapping[str, Any], solar: Solar) -> dict[str, Any]:
    """Carbon dioxide of the computation [g] on the grid of the area; None where not known."""
    grid = grid_carbon(read_table(solar), solar.country, solar.co2_method)
    used = energy.get("energy_kwh")
    if grid is None or used is None:
        return {"co2_g": None, "co2_method": None}
    text = f"{solar.co2_method}, {grid.country}: {grid.told()}"
    return {"co2_g": round(used * grid.value, 3), "co2_method": text}


def pv_costs(buildings: gpd.GeoDataFrame | None, solar: Solar) -> dict[str, Any] | None:
    """Costs of the roofs, cheapest first, with their assumptions; None without roofs."""
    if buildings is None:
        return None
    names = [f"{name}_{end}" for name in ("invest_eur", "lcoe_eur_kwh") for end in ("low", "high")]
    table = buildings[["energy_kwh_year_p50", *names]].astype("float64")
    table = table[table["lcoe_eur_kwh_low"].notna()]
    table = table.rename(columns={"energy_kwh_year_p50": "energy_kwh_year"})
    held = read_table(solar)
    bands = held.bands("invest_eur_kwp", solar.country)
    life = held.find("lifetime_years", solar.country)
    if table.empty or not bands or life is None:
        return None
    ordered = table.sort_values("lcoe_eur_kwh_low", kind="stable", ignore_index=True)
    return {"table": ordered, "bands": bands, "lifetime_years": round(life.value)}
