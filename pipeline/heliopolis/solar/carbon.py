"""Carbon that panels save: that of the grid, by a declared method, less that of the panels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from heliopolis.solar.assumptions import Assumption, Assumptions, Bounds

Array = npt.NDArray[np.floating[Any]]
#: ``average``: mean of what is generated; ``marginal``: what is generated less when panels
#: deliver; ``residual``: what is left when traced contracts are taken out.
Co2Method = Literal["average", "marginal", "residual"]


def grid_carbon(table: Assumptions, country: str | None, method: Co2Method) -> Assumption | None:
    """Carbon intensity of a country's electricity [g CO2-eq/kWh]; None where none is held.

    Nothing is invented: a country that the table does not hold for the method has no figure.
    """
    return table.find(f"grid_{method}_g_kwh", country) if country else None


def co2_saved(
    energy_kwh: Array, table: Assumptions, country: str | None, method: Co2Method = "average"
) -> Bounds:
    """Carbon dioxide that energy saves [kg], the life cycle of the panels taken off.

    Parameters
    ----------
    energy_kwh
        Dims (system,) [kWh].
    table
        Holds ``grid_<method>_g_kwh`` and ``pv_life_cycle_g_kwh``.
    country
        ISO 3166 code of two letters, or None.
    method
        See `Co2Method`.

    Returns
    -------
    Bounds
        Negative where the grid is cleaner than the panels; NaN where energy or grid is not known.
        Low: the cleanest grid and the dirtiest panels of the table; high: the reverse.

    >>> from heliopolis.solar.assumptions import default_assumptions
    >>> saved = co2_saved(np.array([1000.0]), default_assumptions(), "NL")
    >>> [float(end.round(1)[0]) for end in saved]
    [226.6, 207.6, 241.6]
    """
    energy = np.asarray(energy_kwh, dtype="float64")
    grid = grid_carbon(table, country, method)
    panels = table.find("pv_life_cycle_g_kwh", country)
    if grid is None or panels is None:
        unknown = np.full(energy.shape, np.nan)
        return Bounds(unknown, unknown, unknown)
    nets = (grid.value - panels.value, grid.low - panels.high, grid.high - panels.low)
    return Bounds(*(energy * net / 1000.0 for net in nets))


def co2_text(table: Assumptions, country: str | None, method: Co2Method) -> str | None:
    """Method, place, figures, years and sources in one line; None where none is held."""
    grid = grid_carbon(table, country, method)
    panels = table.find("pv_life_cycle_g_kwh", country)
    if grid is None or panels is None:
        return None
    return f"{method}, {grid.country}: {grid.told()}; less the panels: {panels.told()}"
