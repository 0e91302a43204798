"""Carbon that panels save, by a method that is named with the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Co2Method = Literal["average", "marginal", "residual"]

#: Life-cycle carbon intensity of the electricity generated in 2023 [g CO2-eq/kWh]: Ember and
#: Energy Institute, processed by Our World in Data (CC BY 4.0), "Carbon intensity of electricity
#: generation".
_AVERAGE_2023 = {
    "AT": 110.8,
    "BE": 138.1,
    "CH": 34.8,
    "DE": 381.0,
    "DK": 151.7,
    "ES": 174.1,
    "FR": 56.0,
    "GB": 237.6,
    "IE": 290.8,
    "IT": 330.7,
    "LU": 105.3,
    "NL": 267.6,
    "NO": 30.1,
    "NZ": 112.8,
    "PL": 661.9,
    "PT": 165.6,
    "SE": 40.7,
    "US": 369.5,
}
#: Life-cycle emission of rooftop PV over what it yields [g CO2-eq/kWh]: median of IPCC (2014),
#: AR5 WG III, annex III, table A.III.2.
PV_LIFE_CYCLE_G_KWH = 41.0


@dataclass(frozen=True)
class GridCarbon:
    """Carbon intensity of a grid."""

    g_per_kwh: float
    year: int
    source: str


def grid_carbon(country: str | None, method: Co2Method = "average") -> GridCarbon | None:
    """Carbon intensity of a country's electricity.

    Parameters
    ----------
    country
        ISO 3166 code of two letters, or None.
    method
        ``average``: mean of what is generated. ``marginal`` (what is generated less when panels
        deliver) and ``residual`` (what is left when traced contracts are taken out) are known
        methods for which no figures are held: give the intensity yourself.

    Returns
    -------
    GridCarbon or None
        None where no figure is held for the country and method: nothing is invented.
    """
    if country is None or method != "average" or country.upper() not in _AVERAGE_2023:
        return None
    return GridCarbon(
        _AVERAGE_2023[country.upper()], 2023, "Ember and Energy Institute, Our World in Data"
    )


def co2_saved_kg(
    energy_kwh: float | None,
    country: str | None,
    method: Co2Method = "average",
    *,
    grid_g_per_kwh: float | None = None,
    pv_g_per_kwh: float = PV_LIFE_CYCLE_G_KWH,
) -> float | None:
    """Carbon dioxide that ``energy_kwh`` saves [kg], the making of the panels taken off.

    Negative where the grid is cleaner than the panels; None where energy or grid is not known.

    >>> round(co2_saved_kg(1000.0, "NL"), 1)
    226.6
    >>> co2_saved_kg(1000.0, None) is None
    True
    """
    intensity = grid_g_per_kwh
    if intensity is None:
        held = grid_carbon(country, method)
        intensity = held.g_per_kwh if held is not None else None
    if intensity is None or energy_kwh is None or energy_kwh != energy_kwh:
        return None
    return energy_kwh * (intensity - pv_g_per_kwh) / 1000.0
