"""Money that panels cost and bring in: levelised cost, self-consumption, payback; as ranges.

What is assumed stands in `heliopolis.solar.assumptions`. The low and the high end of a figure take
all assumptions at the end that favours it, so that the range is wide rather than likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from heliopolis.solar.assumptions import Assumptions, Bounds
from heliopolis.solar.self_consumption import self_consumption

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Systems:
    """Panels on roofs.

    Attributes
    ----------
    capacity_kwp
        Nominal power, dims (system,) [kWp].
    energy_kwh_month
        Yield of the first year, dims (system, 12) [kWh].
    floor_m2
        Floor area of the building, dims (system,) [m2]; NaN where it is not known.
    """

    capacity_kwp: Array
    energy_kwh_month: Array
    floor_m2: Array

    @property
    def energy_kwh_year(self) -> Array:
        """Yield of the first year, dims (system,) [kWh]."""
        return np.asarray(self.energy_kwh_month.sum(axis=1))


def floor_area(footprint_m2: Array, height_m: Array, table: Assumptions) -> Array:
    """Floor area [m2]: the footprint on as many whole storeys as the height holds, at least one."""
    storey = table.find("storey_m", None)
    if storey is None:
        return np.full(np.shape(footprint_m2), np.nan)
    storeys = np.maximum(np.round(np.asarray(height_m, dtype="float64") / storey.value), 1.0)
    return np.asarray(footprint_m2 * storeys)


def levelised_cost(
    invest_eur: Array,
    energy_kwh_year: Array,
    running_eur_year: Array | float = 0.0,
    *,
    discount_rate: Array | float = 0.0,
    lifetime_years: Array | float = 30.0,
    degradation: Array | float = 0.0,
) -> Array:
    r"""Levelised cost of electricity [EUR/kWh].

    .. math:: (I + \sum_t A / (1 + i)^t) / \sum_t Y (1 - d)^{t - 1} / (1 + i)^t

    with investment I, running costs A, first year's yield Y, discount rate i, degradation d,
    t = 1 .. lifetime (Fraunhofer ISE 2024, Levelized Cost of Electricity, chapter 3).

    Parameters
    ----------
    invest_eur, energy_kwh_year, running_eur_year
        Dims (system,) [EUR, kWh/year, EUR/year].
    discount_rate, degradation
        Shares of a year (1).
    lifetime_years
        Whole years.

    Examples
    --------
    >>> float(levelised_cost(np.array(1000.0), np.array(1000.0), lifetime_years=20.0))
    0.05
    """
    rate, life = np.asarray(discount_rate, "float64"), np.asarray(lifetime_years, "float64")
    kept = (1.0 - np.asarray(degradation, "float64")) / (1.0 + rate)
    paid = invest_eur + running_eur_year * _geometric(1.0 / (1.0 + rate), life) / (1.0 + rate)
    yielded = energy_kwh_year * _geometric(kept, life) / (1.0 + rate)
    return np.divide(paid, yielded, out=np.full(np.shape(paid), np.nan), where=yielded > 0)


def _geometric(ratio: Array, terms: Array) -> Array:
    """Sum of ``ratio ** t`` for t = 0 .. terms - 1."""
    even = np.isclose(ratio, 1.0, rtol=0.0, atol=1e-12)
    safe = np.where(even, 0.5, ratio)
    return np.where(even, terms, (1.0 - safe**terms) / (1.0 - safe))


def payback_years(
    invest_eur: Array,
    income_eur_year: Array,
    running_eur_year: Array | float = 0.0,
    *,
    degradation: Array | float = 0.0,
    lifetime_years: Array | float = 30.0,
) -> Array:
    """Years until the income, less running costs, has brought back the investment; no interest.

    The income falls by ``degradation`` each year; the last year counts by its part. Infinite
    where the system does not pay back within its life.

    Parameters
    ----------
    invest_eur, income_eur_year, running_eur_year
        Dims (system,) [EUR, EUR/year, EUR/year]; the income is that of the first year.

    Examples
    --------
    >>> float(payback_years(np.array([9000.0]), np.array([1200.0]), 200.0)[0])
    9.0
    """
    invest, income, running, lost, life = (
        np.asarray(part, dtype="float64")
        for part in np.broadcast_arrays(
            invest_eur, income_eur_year, running_eur_year, degradation, lifetime_years
        )
    )
    found = np.where(invest > 0, np.inf, 0.0)
    due = invest.copy()
    for year in range(int(np.nanmax(life, initial=0.0))):
        gain = income * (1.0 - lost) ** year - running
        now = np.isinf(found) & (gain > 0) & (gain >= due) & (year < life)
        part = np.divide(due, gain, out=np.zeros_like(due), where=now)
        found = np.where(now, year + part, found)
        due = due - gain
    return np.where(np.isfinite(invest) & np.isfinite(income), found, np.nan)


def finances(
    systems: Systems, table: Assumptions, country: str | None, latitude: float
) -> pd.DataFrame:
    """Investment, levelised cost, self-consumption and payback of systems.

    Parameters
    ----------
    systems
        Panels on roofs.
    table
        What is assumed.
    country
        ISO 3166 code of two letters, for prices and tariffs.
    latitude
        Of the site [deg].

    Returns
    -------
    DataFrame
        ``invest_eur`` [EUR], ``lcoe_eur_kwh`` [EUR/kWh], ``self_consumption`` (1) and
        ``payback_years``, each with ``_low`` and ``_high``; NaN where there are no panels or a
        price is not held, and for a payback longer than the life.
    """
    kwp = np.where(systems.capacity_kwp > 0, systems.capacity_kwp, np.nan)
    held = {
        name: table.of_systems(name, country, np.nan_to_num(kwp))
        for name in (
            *("invest_eur_kwp", "running_eur_kwp_year", "discount_rate", "lifetime_years"),
            *("degradation", "retail_eur_kwh", "feed_in_eur_kwh", "subsidy_eur_kwp"),
            "demand_kwh_m2_year",
        )
    }
    invest = Bounds(*(kwp * end for end in held["invest_eur_kwp"]))
    used = Bounds(
        *(
            self_consumption(systems.energy_kwh_month, systems.floor_m2 * end, latitude)
            for end in held["demand_kwh_m2_year"]
        )
    )
    lcoe = Bounds(*(_lcoe(end, kwp, systems.energy_kwh_year, held) for end in invest))
    back = Bounds(
        _payback(invest.value, used.value, "value", kwp, systems.energy_kwh_year, held),
        _payback(invest.low, used.high, "high", kwp, systems.energy_kwh_year, held),
        _payback(invest.high, used.low, "low", kwp, systems.energy_kwh_year, held),
    )
    made: dict[str, Array] = {}
    for name, bounds in (
        ("invest_eur", invest),
        ("lcoe_eur_kwh", lcoe),
        ("self_consumption", used),
        ("payback_years", back),
    ):
        made |= {name: bounds.value, f"{name}_low": bounds.low, f"{name}_high": bounds.high}
    return pd.DataFrame(made)


def _lcoe(invest: Array, kwp: Array, energy: Array, held: dict[str, Bounds]) -> Array:
    return levelised_cost(
        invest,
        energy,
        kwp * held["running_eur_kwp_year"].value,
        discount_rate=held["discount_rate"].value,
        lifetime_years=held["lifetime_years"].value,
        degradation=held["degradation"].value,
    )


def _payback(
    invest: Array, used: Array, end: str, kwp: Array, energy: Array, held: dict[str, Bounds]
) -> Array:
    """Years, NaN where longer than the life; ``end`` is that of the prices."""
    price = {name: getattr(bounds, end) for name, bounds in held.items()}
    found = payback_years(
        invest - kwp * price["subsidy_eur_kwp"],
        energy * (used * price["retail_eur_kwh"] + (1.0 - used) * price["feed_in_eur_kwh"]),
        kwp * held["running_eur_kwp_year"].value,
        degradation=held["degradation"].value,
        lifetime_years=held["lifetime_years"].value,
    )
    return np.where(np.isfinite(found), found, np.nan)


#: Assumptions that the money of a roof rests on.
MONEY = ("invest_eur_kwp", "retail_eur_kwh", "feed_in_eur_kwh", "subsidy_eur_kwp")


def money_basis(table: Assumptions, country: str | None) -> str:
    """Places and years behind the money, and what is not held, in one line.

    >>> from heliopolis.solar.assumptions import default_assumptions
    >>> money_basis(default_assumptions(), "NL").split("; ")[1]
    'retail_eur_kwh: not held'
    """
    parts = []
    for name in MONEY:
        bands = table.bands(name, country)
        years = sorted({band.year for band in bands})
        span = "-".join(str(year) for year in dict.fromkeys((years[0], years[-1]))) if years else ""
        place = bands[0].country or "any country" if bands else ""
        parts.append(f"{name}: {place} {span}" if bands else f"{name}: not held")
    return "; ".join(parts)


def configurations(panels: pd.DataFrame, least: int = 4) -> pd.DataFrame:
    """Arrays of a building's best panels: the one that ends with each panel.

    The array of n panels is made of the ranks 1 to n, as in Google's Solar API, from ``least``
    panels up. Its energy grows with n; its specific yield does not.

    Parameters
    ----------
    panels
        ``building_id, rank, power_w, energy_kwh_year``.
    least
        Fewest panels of an array.

    Returns
    -------
    DataFrame
        Index of ``panels``: ``array_kwp, array_kwh_year, array_kwh_kwp``; NaN below ``least``.

    >>> four = pd.DataFrame({"building_id": "a", "rank": [1, 2, 3, 4], "power_w": 500.0,
    ...                      "energy_kwh_year": [600.0, 500.0, 500.0, 400.0]})
    >>> configurations(four).iloc[-1].tolist()
    [2.0, 2000.0, 1000.0]
    """
    ordered = panels.sort_values(["building_id", "rank"])
    sums = ordered.groupby("building_id")[["power_w", "energy_kwh_year"]].cumsum()
    enough = ordered["rank"] >= least
    kwp = (sums["power_w"] / 1000.0).where(enough)
    energy = sums["energy_kwh_year"].where(enough)
    made = pd.DataFrame(
        {"array_kwp": kwp, "array_kwh_year": energy, "array_kwh_kwp": energy / kwp},
        dtype="float64",
    )
    return made.reindex(panels.index)
