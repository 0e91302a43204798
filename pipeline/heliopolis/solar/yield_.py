"""From irradiance in the plane to electricity: angle, temperature, low light, losses, inverter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pvlib

from heliopolis.solar import pvwatts
from heliopolis.solar.irradiance import PlaneIrradiance
from heliopolis.solar.sky import Sky

FloatArray = np.ndarray[Any, np.dtype[Any]]
Mounting = Literal["free", "building"]
Model = Literal["huld", "pvwatts"]

#: Heat loss factors u0 [W m-2 K-1], u1 [W s m-3 K-1] of the model of Faiman (2008),
#: doi:10.1002/pip.813, for crystalline silicon, as PVGIS 5 uses them (European Commission Joint
#: Research Centre, "PVGIS data sources and calculation methods", after Koehl et al. (2011),
#: doi:10.1016/j.solmat.2011.01.020): free-standing, and added to or built into a roof.
HEAT_LOSS: dict[str, tuple[float, float]] = {"free": (26.9, 6.2), "building": (20.0, 3.2)}
#: Angular loss coefficient of clean glass with light dust, Martin and Ruiz (2001),
#: doi:10.1016/S0927-0248(00)00408-6, the value of PVGIS.
ANGULAR_LOSS = 0.157
#: Losses of PVWatts 5 (Dobos 2014, doi:10.2172/1158421, table 6) but shading, which is modelled.
LOSSES_PERCENT: dict[str, float] = {
    "soiling": 2.0,
    "snow": 0.0,
    "mismatch": 2.0,
    "wiring": 2.0,
    "connections": 0.5,
    "light_induced_degradation": 1.5,
    "nameplate": 1.0,
    "availability": 3.0,
}
#: Power of the modules over that of the inverter, and the reference efficiency (Dobos 2014).
_DC_TO_AC, _REFERENCE_EFFICIENCY = 1.2, 0.9637
#: Wind speed where none is given [m s-1]: that of the nominal operating cell temperature.
_CALM = 1.0


@dataclass(frozen=True)
class PlaneYield:
    """What P planes produce in a mean first year, for each kWp.

    Attributes
    ----------
    poa_kwh_m2_month
        Irradiation in the plane, shading included, before losses at the glass, dims (plane, 12);
        NaN in months that the weather does not cover.
    energy_kwh_kwp_month
        Electricity behind the inverter, dims (plane, 12).
    losses_percent
        Each loss as a share of what was left before it [%], dims (plane,) or scalar.
    """

    poa_kwh_m2_month: FloatArray
    energy_kwh_kwp_month: FloatArray
    losses_percent: dict[str, Any]

    @property
    def poa_kwh_m2_year(self) -> FloatArray:
        """Irradiation of the year, NaN where a month is not known, dims (plane,)."""
        return np.asarray(self.poa_kwh_m2_month.sum(axis=1))

    @property
    def energy_kwh_kwp_year(self) -> FloatArray:
        """Specific yield of the year, NaN where a month is not known, dims (plane,)."""
        return np.asarray(self.energy_kwh_kwp_month.sum(axis=1))


def pv_yield(
    sky: Sky,
    irradiance: PlaneIrradiance,
    tilt_deg: FloatArray,
    *,
    mounting: Mounting | Sequence[Mounting] = "free",
    losses_percent: Mapping[str, float] = LOSSES_PERCENT,
    inverter_efficiency: float | None = 0.96,
    model: Model = "huld",
    mismatch: FloatArray | None = None,
) -> PlaneYield:
    """Yield of P planes for each kWp.

    Parameters
    ----------
    sky
        Weather and weights of the hours.
    irradiance
        In the planes, dims (plane, time).
    tilt_deg
        Tilt of the modules [deg], dims (plane,).
    mounting
        How the modules are cooled, one for all or one for each plane.
    losses_percent
        System losses by name [%].
    inverter_efficiency
        Nominal efficiency; None where the losses already hold the inverter.
    model
        ``huld``: Huld et al. (2011), doi:10.1016/j.solmat.2011.07.003, with the coefficients,
        glass and cell temperature of PVGIS 5; ``pvwatts``: see `heliopolis.solar.pvwatts`.
    mismatch
        What a string keeps under partial shade, dims (plane, time), as of
        `heliopolis.solar.mismatch.string_mismatch`; nothing is lost by default.

    Raises
    ------
    ValueError
        Where the air temperature is not known.
    """
    if np.isnan(sky.temp_air_c).any():
        raise ValueError("the air temperature is not known for every hour")
    total = irradiance.total
    if model == "pvwatts":
        effective = pvwatts.behind_glass(irradiance)
        cell = pvwatts.cell_temperature(sky, total, tilt_deg, mounting, _wind(sky))
        dc = pvwatts.module_power(effective, cell)
    else:
        effective = behind_glass(irradiance, tilt_deg)
        cell = cell_temperature(sky, total, mounting)
        dc = module_power(effective, cell)
    if mismatch is not None:
        dc = dc * mismatch
    kept = math.prod(1.0 - value / 100.0 for value in losses_percent.values())
    after = dc * kept
    ac = after if inverter_efficiency is None else _inverter(after, inverter_efficiency)
    weights = _month_weights(sky)
    stages = (total / 1000.0, effective / 1000.0, dc, after, ac)
    months = [_monthly(stage, weights, sky) for stage in stages]
    sums = [np.nansum(month, axis=1) for month in months]
    losses: dict[str, Any] = {
        "incidence": _loss(sums[0], sums[1]),
        "temperature_and_low_light": _loss(sums[1], sums[2]),
        **dict(losses_percent),
    }
    if inverter_efficiency is not None:
        losses["inverter"] = _loss(sums[3], sums[4])
    losses["total"] = _loss(sums[0], sums[4])
    return PlaneYield(months[0], months[4], losses)


def behind_glass(irradiance: PlaneIrradiance, tilt_deg: FloatArray) -> FloatArray:
    """Irradiance that passes the glass [W m-2], after Martin and Ruiz (2001, 2005)."""
    angle = np.degrees(np.arccos(np.clip(irradiance.cos_incidence, -1.0, 1.0)))
    beam = pvlib.iam.martin_ruiz(angle, a_r=ANGULAR_LOSS)
    diffuse = pvlib.iam.martin_ruiz_diffuse(np.asarray(tilt_deg, dtype=float), a_r=ANGULAR_LOSS)
    even, ground = (np.asarray(diffuse[part])[:, None] for part in ("sky", "ground"))
    return np.asarray(irradiance.beam * beam + irradiance.sky * even + irradiance.ground * ground)


def cell_temperature(
    sky: Sky, total: FloatArray, mounting: Mounting | Sequence[Mounting]
) -> FloatArray:
    """Temperature of the cells [degC], dims (plane, time); Faiman (2008)."""
    kinds = [mounting] * total.shape[0] if isinstance(mounting, str) else list(mounting)
    factors = np.array([HEAT_LOSS[kind] for kind in kinds])
    return np.asarray(
        pvlib.temperature.faiman(
            total, sky.temp_air_c[None, :], _wind(sky)[None, :], factors[:, :1], factors[:, 1:]
        )
    )


def _wind(sky: Sky) -> FloatArray:
    return np.where(np.isfinite(sky.wind_m_s), sky.wind_m_s, _CALM)


def module_power(effective: FloatArray, cell_c: FloatArray) -> FloatArray:
    """Power of the modules over nominal, Huld et al. (2011); the shape of ``effective``."""
    power = pvlib.pvarray.huld(effective, cell_c, 1.0, cell_type="csi", k_version="pvgis5")
    # Nothing comes of no light; what is not known stays NaN.
    return np.where(effective <= 0.0, 0.0, np.maximum(power, 0.0))


def _inverter(dc: FloatArray, efficiency: float) -> FloatArray:
    """Power behind the inverter; its limit lies at ``1 / 1.2`` of the modules' power."""
    limit = 1.0 / _DC_TO_AC / efficiency
    return np.asarray(pvlib.inverter.pvwatts(dc, limit, efficiency, _REFERENCE_EFFICIENCY))


def _month_weights(sky: Sky) -> FloatArray:
    weights = np.zeros((sky.hours.size, 12))
    weights[np.arange(sky.hours.size), sky.month] = np.nan_to_num(sky.hours)
    return weights


def _monthly(power: FloatArray, weights: FloatArray, sky: Sky) -> FloatArray:
    """Sums over the months, dims (plane, 12); NaN in months that are not covered."""
    sums = power @ weights
    sums[:, list(sky.missing_months)] = np.nan
    return np.asarray(sums)


def _loss(before: FloatArray, after: FloatArray) -> FloatArray:
    """Share of ``before`` that is lost [%]; NaN of nothing."""
    return 100.0 * (
        1.0 - np.divide(after, before, out=np.full_like(before, np.nan), where=before > 0)
    )


def yearly_sigma(yearly_kwh_m2: FloatArray, prior: float = 0.05) -> float:
    """Relative standard deviation of single years.

    From the yearly sums where there are at least five; else ``prior``, of the order of what
    IEA-PVPS T13-18:2020, "Uncertainties in yield assessments and PV LCOE", lists for Europe.
    """
    if yearly_kwh_m2.size < 5:
        return prior
    return float(np.std(yearly_kwh_m2, ddof=1) / np.mean(yearly_kwh_m2))


def lifetime_kwh(
    first_year_kwh: FloatArray, years: int = 25, degradation_percent: float = 0.5
) -> FloatArray:
    """Energy over the life of a system, each year so many per cent less than the one before.

    The median of 2000 published rates for crystalline silicon is 0.5 % a year (Jordan et al.
    2016, doi:10.1002/pip.2744); losses by light in the first days are a loss of their own.

    >>> float(lifetime_kwh(np.array(1000.0), 2, 0.5).round(6))
    1995.0
    """
    if years < 0 or not 0 <= degradation_percent < 100:
        raise ValueError("years must not be negative, the degradation lie between 0 and 100 %")
    kept = (1.0 - degradation_percent / 100.0) ** np.arange(years)
    return np.asarray(first_year_kwh * kept.sum())
