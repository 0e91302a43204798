"""Plots of the report, as PNG: season, histograms, places, cost and gain."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from heliopolis.legend import SCALES, Scale
from heliopolis.report.words import months, number, say

_DARK, _HEAT, _SOLAR, _QUIET = "#1c1c1c", "#a02a63", "#c5a52c", "#6f6f6f"
#: Most places in one plot.
_MOST_PLACES = 20


def month_plot(energy_mwh: Sequence[float], language: str) -> bytes:
    """Energy by month [MWh] as bars."""
    figure, axes = _axes(7.2, 2.6)
    axes.bar(range(12), energy_mwh, color=_SOLAR, edgecolor="#5c4d10", linewidth=0.5)
    axes.set_xticks(range(12), months(language))
    _titles(axes, language, "", "MWh")
    return png(figure)


def season_plot(season: Sequence[Mapping[str, Any]], language: str) -> bytes:
    """Median temperature of the area and of its hot zones on each date [degC].

    Full marks are dates that count in the map, empty ones are not.
    """
    figure, axes = _axes(7.2, 3.0)
    lines = (
        ("lst_area_c", "season_area", _QUIET, "o"),
        ("lst_zones_c", "season_zones", _HEAT, "s"),
    )
    for field, key, colour, mark in lines:
        rows = [one for one in season if one.get(field) is not None]
        used = [one for one in rows if one["used"]]
        label = say(key, language)
        days, values = _days(used), [one[field] for one in used]
        axes.plot(days, values, mark, ls="-", lw=0.8, color=colour, label=label)
        rest = [one for one in rows if not one["used"]]
        axes.plot(_days(rest), [one[field] for one in rest], mark, mfc="white", color=colour)
    _dates(axes, [day for one in season for day in _days([one])], language)
    axes.legend(frameon=False, fontsize=8)
    _titles(axes, language, "", say("axis_lst", language))
    return png(figure)


def _days(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    return [datetime.fromisoformat(str(one["acquired"])).toordinal() for one in rows]


def _dates(axes: Axes, days: Sequence[int], language: str) -> None:
    """Dates under the axis, in the language of the report; those too close to one are left out."""
    wide = max(max(days) - min(days), 1)
    shown: list[int] = []
    for day in sorted(set(days)):
        if not shown or day - shown[-1] > wide / 9:
            shown.append(day)
    names = months(language)
    made = [datetime.fromordinal(day) for day in shown]
    axes.set_xticks(shown, [f"{one.day} {names[one.month - 1]}\n{one.year}" for one in made])


def temperature_histogram(
    values: NDArray[Any], in_zones: NDArray[Any] | None, language: str
) -> bytes:
    """Share of the area by temperature, in the colours of the map, and the part in hot zones.

    Parameters
    ----------
    values
        Temperature [degC], any shape, NaN where unknown.
    in_zones
        Whether a cell lies in a hot zone, of the same shape; None without zones.
    language
        ``en`` or ``fr``.
    """
    figure, axes = _axes(7.2, 2.8)
    scale, finite = SCALES["lst.tif"], np.isfinite(values)
    low, high = np.floor(np.nanmin(values)), np.ceil(np.nanmax(values))
    edges = np.arange(low, high + 1.0, 0.5 if high - low <= 40 else 1.0)
    share = 100.0 / finite.sum()
    counts = np.histogram(values[finite], edges)[0] * share
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_colours(scale, edges[:-1]))
    if in_zones is not None and (finite & in_zones).any():
        hot = np.histogram(values[finite & in_zones], edges)[0] * share
        label = say("histogram_zones", language)
        axes.stairs(hot, edges, color=_DARK, linewidth=1.3, label=label)
        axes.legend(frameon=False, fontsize=8)
    _titles(axes, language, say("axis_lst", language), say("axis_share", language))
    return png(figure)


def yield_histogram(buildings: pd.DataFrame, language: str) -> bytes:
    """Capacity [kWp] of the roofs by their specific yield, in the colours of the map."""
    figure, axes = _axes(7.2, 2.6)
    scale = SCALES["buildings"]
    known = buildings[buildings[scale.field].notna() & (buildings["capacity_kwp"] > 0)]
    values, capacity = (known[name].to_numpy("float64") for name in (scale.field, "capacity_kwp"))
    edges = np.arange(25 * np.floor(values.min() / 25), values.max() + 50, 25)
    counts = np.histogram(values, edges, weights=capacity)[0]
    axes.bar(
        edges[:-1], counts, 25, align="edge", color=_colours(scale, edges[:-1]), edgecolor="white",
        linewidth=0.3,
    )  # fmt: skip
    _titles(axes, language, scale.title(language, "buildings"), say("axis_kwp", language))
    return png(figure)


def places_plot(places: pd.DataFrame, language: str) -> bytes:
    """Places of one kind by anomaly [K], with two standard uncertainties; the hottest on top."""
    shown = places.sort_values("rank_in_kind").head(_MOST_PLACES)[::-1]
    figure, axes = _axes(7.2, 0.8 + 0.24 * len(shown))
    names = [str(one) if pd.notna(one) else "–" for one in shown["name"]]
    twice = 2 * shown["anomaly_sd_c"].astype("float64").fillna(0.0)
    axes.errorbar(
        shown["anomaly_mean_c"], range(len(shown)), xerr=twice, fmt="o", color=_HEAT,
        ecolor=_QUIET, elinewidth=1, capsize=2, markersize=5,
    )  # fmt: skip
    middle = float(places["anomaly_mean_c"].median())
    axes.axvline(middle, color=_QUIET, linewidth=0.9, linestyle="--")
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    _titles(axes, language, say("axis_anomaly", language), "", numbers="x")
    return png(figure)


def cost_plot(costs: pd.DataFrame, language: str) -> bytes:
    """Cost of electricity over the energy gained, and energy gained over money spent.

    Parameters
    ----------
    costs
        Roofs, cheapest electricity first, with ``energy_kwh_year`` and the ends
        of ``invest_eur`` and ``lcoe_eur_kwh`` of layer ``buildings``.
    language
        ``en`` or ``fr``.
    """
    figure = Figure(figsize=(8.6, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    gain = np.linspace(0, float(costs["energy_kwh_year"].sum()) / 1e6, 600)
    cents = [_cents(costs, end, gain) for end in ("low", "high")]
    left.fill_between(gain, *cents, color=_SOLAR, alpha=0.55, linewidth=0)
    for one in cents:
        left.plot(gain, one, color="#5c4d10", linewidth=1)
    left.set_ylim(0, 1.1 * float(np.quantile(cents[1], 0.97)))
    _titles(left, language, say("axis_gain", language), say("axis_cost", language), numbers="xy")
    gained = np.cumsum(costs["energy_kwh_year"].to_numpy()) / 1e6
    for end, style in (("low", "-"), ("high", "--")):
        spent = np.cumsum(costs[f"invest_eur_{end}"].to_numpy()) / 1e6
        label = say(f"invest_{end}", language)
        right.plot(np.r_[0, spent], np.r_[0, gained], style, color=_DARK, label=label)
    right.legend(frameon=False, fontsize=8)
    _titles(right, language, say("axis_spent", language), say("axis_gain", language), numbers="xy")
    return png(figure)


def _cents(costs: pd.DataFrame, end: str, gain_gwh: NDArray[Any]) -> NDArray[Any]:
    """Cost [ct/kWh] of the last roof that a gain needs, the cheapest taken first."""
    ordered = costs.sort_values(f"lcoe_eur_kwh_{end}", kind="stable")
    reached = np.cumsum(ordered["energy_kwh_year"].to_numpy()) / 1e6
    last = np.searchsorted(reached, gain_gwh).clip(max=len(ordered) - 1)
    cents: NDArray[Any] = 100 * ordered[f"lcoe_eur_kwh_{end}"].to_numpy()[last]
    return cents


def _colours(scale: Scale, values: NDArray[Any]) -> list[str]:
    return [scale.colours[i] for i in np.digitize(values, scale.breaks)]


def _axes(wide: float, high: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(wide, high), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _titles(axes: Axes, language: str, x: str, y: str, numbers: str = "y") -> None:
    """Titles of the axes, and their numbers in the language of the report."""
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    for name in numbers:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(lambda value, _: number(float(f"{value:.6g}"), language, None))


def png(figure: Figure) -> bytes:
    """PNG without date or software in it, so that equal results give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", bbox_inches="tight", pad_inches=0.05, metadata={"Software": None}
    )
    return buffer.getvalue()
