"""What the panels of a building cost, bring in and save, and the best use of its roof."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from heliopolis.config import Solar
from heliopolis.errors import InputError
from heliopolis.solar.assumptions import Assumptions, default_assumptions, read_assumptions
from heliopolis.solar.carbon import co2_saved, co2_text
from heliopolis.solar.economics import (
    Systems,
    configurations,
    finances,
    floor_area,
    money_basis,
)
from heliopolis.solar.roof_use import LOAD_KG_M2, best_use, load_class, sun_score
from heliopolis.steps.building_table import MONTHS


def read_table(solar: Solar) -> Assumptions:
    """The assumptions of the program, with the user's own rows in place of theirs."""
    if solar.assumptions is None:
        return default_assumptions()
    try:
        own = read_assumptions(Path(solar.assumptions).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            str(error),
            where=f"solar.assumptions: {solar.assumptions}",
            remedy="Copy heliopolis/solar/assumptions.csv and change its numbers",
        ) from error
    return default_assumptions().with_own(own)


def with_money(
    table: gpd.GeoDataFrame, held: Assumptions, country: str | None, latitude: float
) -> gpd.GeoDataFrame:
    """Buildings with investment, levelised cost, self-consumption and payback.

    Parameters
    ----------
    table
        Layer ``buildings``: capacity, monthly energy, footprint, height.
    held, country
        What is assumed, and where.
    latitude
        Of the site [deg].
    """
    money = finances(_systems(table, held), held, country, latitude)
    made = table.copy()
    for name in money.columns:
        made[name] = money[name].to_numpy()
    known = made["invest_eur"].notna()
    made["money_basis"] = known.map({True: money_basis(held, country), False: None})
    return made


def _systems(table: pd.DataFrame, held: Assumptions) -> Systems:
    return Systems(
        _numbers(table, "capacity_kwp"),
        np.column_stack([_numbers(table, name) for name in MONTHS]),
        floor_area(_numbers(table, "footprint_m2"), _numbers(table, "height_m"), held),
    )


def _numbers(table: pd.DataFrame, name: str) -> np.ndarray[Any, Any]:
    if name not in table.columns:
        return np.full(len(table), np.nan)
    return table[name].to_numpy(dtype="float64", na_value=np.nan)


def with_carbon(table: gpd.GeoDataFrame, held: Assumptions, solar: Solar) -> gpd.GeoDataFrame:
    """Buildings with the carbon dioxide avoided; NULL where the grid's carbon is not known."""
    made = table.copy()
    energy = _numbers(table, "energy_kwh_year_p50")
    saved = co2_saved(energy, held, solar.country, solar.co2_method)
    for name, values in zip(("", "_low", "_high"), saved, strict=True):
        made[f"co2_kg_year{name}"] = values
    text = co2_text(held, solar.country, solar.co2_method)
    made["co2_method"] = pd.Series(None, index=made.index, dtype="object").mask(
        made["co2_kg_year"].notna(), text
    )
    return made


def with_use(table: gpd.GeoDataFrame, solar: Solar) -> gpd.GeoDataFrame:
    """Buildings with the load their roof may take, the score of each use, and the best use.

    Parameters
    ----------
    table
        Layer ``buildings`` with ``flat_share, best_kwh_kwp, heat_score``.
    solar
        Weights of the criteria, and the user's load classes.
    """
    made = table.copy()
    if "best_kwh_kwp" not in made.columns:
        made["best_kwh_kwp"] = np.nan
    given = read_load_classes(solar)
    loads = load_class(
        _numbers(made, "flat_share"),
        _numbers(made, "footprint_m2"),
        _numbers(made, "height_m"),
        known=None if given is None else made["building_id"].astype(str).map(given),
    )
    for name in loads.columns:
        made[name] = loads[name].to_numpy()
    made["sun_score"] = sun_score(made["best_kwh_kwp"], made["capacity_kwp"])
    uses = best_use(made, solar.use_weights.model_dump())
    for name in uses.columns:
        made[name] = uses[name].to_numpy()
    return made


def read_load_classes(solar: Solar) -> pd.Series | None:
    """Load class by building from the user's file; None where there is none."""
    if solar.load_classes is None:
        return None
    try:
        given = pd.read_csv(solar.load_classes, dtype=str)
        pairs = given.drop_duplicates("building_id").set_index("building_id")["load_class"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"the load classes could not be read: {error}",
            where=f"solar.load_classes: {solar.load_classes}",
            remedy="Give a CSV file with the columns building_id and load_class",
        ) from error
    strange = sorted(set(pairs.dropna()) - set(LOAD_KG_M2))
    if strange:
        raise InputError(
            f"{strange[0]!r} is no load class",
            where=f"solar.load_classes: {solar.load_classes}",
            remedy="Use " + ", ".join(LOAD_KG_M2),
        )
    return pairs


def with_arrays(
    panels: gpd.GeoDataFrame,
    buildings: pd.DataFrame,
    held: Assumptions,
    country: str | None,
    latitude: float,
) -> gpd.GeoDataFrame:
    """Panels with the array that each of them completes, from four panels up.

    An array yields in each month the share of its building's energy that it yields in a year.

    Parameters
    ----------
    panels
        ``building_id, rank, power_w, energy_kwh_year``.
    buildings
        Layer ``buildings``, indexed by ``building_id``.
    held, country, latitude
        As in `with_money`.
    """
    made = panels.copy()
    arrays = configurations(made)
    for name in arrays.columns:
        made[name] = arrays[name]
    for name in ("array_payback_years", "array_payback_years_low", "array_payback_years_high"):
        made[name] = np.nan
    rows = made["array_kwp"].notna()
    if not rows.any():
        return made
    whole = _systems(buildings.loc[made.loc[rows, "building_id"].astype(str)], held)
    energy = made.loc[rows, "array_kwh_year"].to_numpy(dtype="float64")
    part = np.divide(energy, whole.energy_kwh_year, out=np.zeros_like(energy), where=energy > 0)
    systems = Systems(
        made.loc[rows, "array_kwp"].to_numpy(dtype="float64"),
        whole.energy_kwh_month * part[:, None],
        whole.floor_m2,
    )
    money = finances(systems, held, country, latitude)
    for end in ("", "_low", "_high"):
        made.loc[rows, f"array_payback_years{end}"] = money[f"payback_years{end}"].to_numpy()
    return made
