"""Score of a run over Delft: every building, and what its best roofs yield."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from heliopolis.accuracy.solar import score_knmi
from heliopolis.errors import InputError
from heliopolis.io.vector import read_layer

#: Yearly yield of 35 degrees south with 14 % losses at the station, 2018 to 2024, as the
#: description of the data gives it [kWh/kWp].
STATION_RANGE = (926.0, 1113.0)


def score_delft(results: Path, data: Path) -> dict[str, Any]:
    """Buildings, planes and yields of a run with ``configs/real/delft.yaml``.

    South planes are those from 25 to 45 degrees of tilt within 20 degrees of south; they count
    as unshaded when shade takes less than 3 % of their irradiation.
    """
    file = results / "rooftop_pv.gpkg"
    if not file.exists():
        raise InputError(
            "no result of a run was found",
            where=str(file),
            remedy="heliopolis run configs/real/delft.yaml",
        )
    given = read_layer(data / "aerial" / "delft_ahn3_bgt" / "bgt_pand.sqlite")
    buildings = read_layer(file, "buildings")
    planes = read_layer(file, "roof_planes")
    wanted = set(given["identificatiebagpnd"].astype(str))
    south = planes[planes["tilt_deg"].between(25, 45) & planes["azimuth_deg"].between(160, 200)]
    sunny = south.loc[south["shading_loss"] < 0.03, "specific_yield_kwh_kwp"].dropna()
    total = buildings["energy_kwh_year_p50"].sum()
    return {
        "buildings": len(buildings),
        "own_ids_kept": len(wanted & set(buildings["building_id"])),
        "buildings_with_energy": int(buildings["energy_kwh_year_p50"].notna().sum()),
        "planes": len(planes),
        "fit_rms_mean_m": round(float(planes["fit_rms_m"].mean()), 4),
        "capacity_kwp": round(float(buildings["capacity_kwp"].sum()), 1),
        "energy_p50_kwh_year": round(float(total), 0),
        "unshaded_south_planes": len(sunny),
        "unshaded_south_yield_kwh_kwp": [round(value, 1) for value in sorted(sunny)],
        "share_in_station_range": round(float(sunny.between(*STATION_RANGE).mean()), 3),
        "planes_sum_over_buildings_sum": _ratio(planes["energy_kwh_year_p50"].sum(), total),
        "station": score_knmi(data),
    }


def _ratio(one: float, other: float) -> float | None:
    return None if pd.isna(other) or other == 0 else round(float(one / other), 6)
