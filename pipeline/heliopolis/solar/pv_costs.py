"""What panels on each roof cost, and what a kilowatt-hour from them costs, as a range.

The table ``pv_costs.csv`` beside this module holds costs by size, with country, year and source.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CostBand:
    """Costs of systems of a size and above.

    Attributes
    ----------
    from_kwp
        Least size of the band [kWp].
    invest_low_eur_kwp, invest_high_eur_kwp
        Range of the investment [EUR/kWp].
    running_eur_kwp_year
        Running costs [EUR/kWp/year].
    discount_rate
        Real weighted cost of capital (1).
    lifetime_years
        Years that a system yields.
    degradation
        Share of the yield that is lost from year to year (1).
    country, year, source
        Where and when the figures hold, and who says so.
    """

    from_kwp: float
    invest_low_eur_kwp: float
    invest_high_eur_kwp: float
    running_eur_kwp_year: float
    discount_rate: float
    lifetime_years: int
    degradation: float
    country: str
    year: int
    source: str


@cache
def cost_bands() -> tuple[CostBand, ...]:
    """Bands of the table, from small to large."""
    text = files("heliopolis.solar").joinpath("pv_costs.csv").read_text(encoding="utf-8")
    return tuple(
        CostBand(
            from_kwp=float(row["from_kwp"]),
            invest_low_eur_kwp=float(row["invest_low_eur_kwp"]),
            invest_high_eur_kwp=float(row["invest_high_eur_kwp"]),
            running_eur_kwp_year=float(row["running_eur_kwp_year"]),
            discount_rate=float(row["discount_rate"]),
            lifetime_years=int(row["lifetime_years"]),
            degradation=float(row["degradation"]),
            country=row["country"],
            year=int(row["year"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def levelised_cost(invest_eur_kwp: float | Array, yield_kwh_kwp: Array, band: CostBand) -> Array:
    r"""Levelised cost of electricity [EUR/kWh].

    .. math:: (I + \sum_t A / (1 + i)^t) / \sum_t Y (1 - d)^{t - 1} / (1 + i)^t

    with investment I, running costs A, first year's yield Y, discount rate i, degradation d,
    t = 1 .. lifetime (Fraunhofer ISE 2024, chapter 3).

    Parameters
    ----------
    invest_eur_kwp
        Investment [EUR/kWp].
    yield_kwh_kwp
        Specific yield of the first year [kWh/kWp].
    band
        The other costs.

    Examples
    --------
    >>> band = CostBand(0, 1000, 2000, 0, 0.0, 20, 0.0, "", 2024, "")
    >>> float(levelised_cost(1000.0, np.array(1000.0), band))
    0.05
    """
    years = np.arange(1, band.lifetime_years + 1)
    discount = (1 + band.discount_rate) ** -years
    paid = invest_eur_kwp + band.running_eur_kwp_year * discount.sum()
    yielded = ((1 - band.degradation) ** (years - 1) * discount).sum()
    with np.errstate(divide="ignore"):
        return np.asarray(paid / (np.asarray(yield_kwh_kwp, "float64") * yielded))


def roof_costs(capacity_kwp: Array, energy_kwh_year: Array) -> pd.DataFrame:
    """Cost of the panels on each roof and of what they yield, cheapest electricity first.

    Parameters
    ----------
    capacity_kwp
        Nominal power [kWp].
    energy_kwh_year
        Yield of the first year [kWh/year].

    Returns
    -------
    DataFrame
        ``invest_low_eur``, ``invest_high_eur`` [EUR], ``cost_low_eur_kwh``,
        ``cost_high_eur_kwh`` [EUR/kWh] and ``energy_kwh_year``; roofs without capacity or yield
        are left out.
    """
    capacity = np.asarray(capacity_kwp, "float64")
    energy = np.asarray(energy_kwh_year, "float64")
    kept = np.isfinite(capacity) & np.isfinite(energy) & (capacity > 0) & (energy > 0)
    capacity, energy = capacity[kept], energy[kept]
    bands = cost_bands()
    index = np.searchsorted([band.from_kwp for band in bands], capacity, side="right") - 1
    made = pd.DataFrame({"energy_kwh_year": energy})
    for end in ("low", "high"):
        invest = np.array([getattr(band, f"invest_{end}_eur_kwp") for band in bands])[index]
        made[f"invest_{end}_eur"] = invest * capacity
        cost = np.empty(capacity.shape)
        for i, band in enumerate(bands):
            mine = index == i
            cost[mine] = levelised_cost(invest[mine], energy[mine] / capacity[mine], band)
        made[f"cost_{end}_eur_kwh"] = cost
    return made.sort_values("cost_low_eur_kwh", kind="stable", ignore_index=True)
