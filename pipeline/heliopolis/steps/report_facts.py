"""What the report tells beyond the tables: the season, costs of the roofs, the cost of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo import Geometry
from odc.geo.xr import rasterize

from heliopolis.io.raster import read_raster
from heliopolis.solar.economics import Co2Method, grid_carbon
from heliopolis.solar.pv_costs import cost_bands, roof_costs


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


def computation_carbon(energy: Mapping[str, Any], solar: Mapping[str, Any]) -> dict[str, Any]:
    """Carbon dioxide of the computation [g] on the grid of the area; None where not known."""
    country = solar.get("country")
    method: Co2Method = solar.get("co2_method") or "average"
    grid = grid_carbon(country, method)
    used = energy.get("energy_kwh")
    if grid is None or used is None:
        return {"co2_g": None, "co2_method": None}
    text = f"{method}, {str(country).upper()} {grid.year}: {grid.g_per_kwh:g} g/kWh ({grid.source})"
    return {"co2_g": round(used * grid.g_per_kwh, 3), "co2_method": text}


def pv_costs(buildings: gpd.GeoDataFrame | None) -> dict[str, Any] | None:
    """Costs of the roofs, cheapest first, with their assumptions; None without roofs."""
    if buildings is None:
        return None
    names = ("capacity_kwp", "energy_kwh_year_p50")
    table = roof_costs(*(buildings[name].astype("float64").to_numpy() for name in names))
    bands = cost_bands()
    return {"table": table, "bands": bands} if len(table) else None
