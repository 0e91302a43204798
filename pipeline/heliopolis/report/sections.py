"""The chapters of the report, from the results and the record of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
from odc.geo import Geometry
from odc.geo.xr import rasterize

from heliopolis.report.asked import asked
from heliopolis.report.figures import heat_map, roof_map
from heliopolis.report.html import Content, Picture, Section, Table
from heliopolis.report.plots import (
    cost_plot,
    month_plot,
    places_plot,
    season_plot,
    temperature_histogram,
    yield_histogram,
)
from heliopolis.report.quality import cost, glossary, limits, scenes, sources
from heliopolis.report.tables import cell, columns
from heliopolis.report.words import known, number, say
from heliopolis.variables import layer_fields

_TOP = 10
_USES = ("pv", "pv_and_green", "green_roof", "cool_roof", "none")


def sections(content: Content) -> Iterator[Section]:
    """Chapters in reading order; some may be empty."""
    yield asked(content)
    yield _found(content)
    yield _heat(content)
    yield _places(content)
    yield _solar(content)
    yield scenes(content)
    yield limits(content)
    yield sources(content)
    yield cost(content)
    yield glossary(content)


def _found(content: Content) -> Section:
    halves = (_heat_lines, _roof_lines, _money_lines, _joint_lines)
    lines = [line for half in halves for line in half(content)]
    return Section("found", say("found", content.language), bullets=tuple(lines))


def _heat_lines(content: Content) -> Iterator[str]:
    language, zones = content.language, content.hot_zones
    if content.lst is not None:
        values, sds = (content.lst[name].to_numpy() for name in ("lst_median_c", "lst_sd_c"))
        used = [s for s in content.run["scenes"] if s["role"] == "thermal" and s.get("used")]
        if np.isfinite(values).any():
            yield say(
                "lst_found",
                language,
                median=number(float(np.nanmedian(values)), language, 1),
                sd=number(_median(sds), language, 1),
                dates=number(len(used), language),
            )
    if zones is None:
        return
    if zones.empty:
        yield say("zones_none", language)
        return
    top = zones.sort_values("anomaly_mean_c", ascending=False).iloc[0]
    told = str((content.run.get("heat") or {}).get("reference") or "vegetation")
    reference = "area_median" if told.startswith("median") else "vegetation"
    yield say(
        "zones_found",
        language,
        n=number(len(zones), language),
        area=number(float(zones["area_m2"].sum()) / 1e4, language, 1),
        lst=number(float(top["lst_mean_c"]), language, 1),
        anomaly=number(float(top["anomaly_mean_c"]), language, 2),
        sd=number(float(top["anomaly_sd_c"]), language, 2),
        reference=say(f"reference_{reference}", language),
    )


def _median(values: Any) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _roof_lines(content: Content) -> Iterator[str]:
    language, table = content.language, content.buildings
    if table is None:
        return
    capacity = float(table["capacity_kwp"].sum())
    energy = float(table["energy_kwh_year_p50"].sum())
    yield say(
        "roofs_found",
        language,
        n=number(int((table["n_planes"] > 0).sum()), language),
        all=number(len(table), language),
        mwp=number(capacity / 1e3, language, 2),
        gwh=number(energy / 1e6, language, 2),
        gwh90=number(float(table["energy_kwh_year_p90"].sum()) / 1e6, language, 2),
        specific=number(energy / capacity if capacity > 0 else None, language),
    )
    prior = table[table["quality"].eq("BASE") & table["energy_kwh_year_p50"].notna()]
    if len(prior):
        yield say(
            "roofs_prior",
            language,
            n=number(len(prior), language),
            gwh=number(float(prior["energy_kwh_year_p50"].sum()) / 1e6, language, 2),
        )
    yield say("roofs_technical", language)
    if table["co2_kg_year"].notna().any():
        yield say(
            "co2_found",
            language,
            t=number(float(table["co2_kg_year"].sum()) / 1e3, language, 1),
            low=number(float(table["co2_kg_year_low"].sum()) / 1e3, language, 1),
            high=number(float(table["co2_kg_year_high"].sum()) / 1e3, language, 1),
            method=", ".join(sorted(set(table["co2_method"].dropna()))),
        )


def _money_lines(content: Content) -> Iterator[str]:
    """What the panels cost, and how soon they pay back."""
    language, table = content.language, content.buildings
    if table is None or not table["invest_eur"].notna().any():
        return
    priced = table[table["invest_eur"].notna()]

    def half(name: str, scale: float, digits: int = 0) -> str:
        return number(scale * _median(priced[name].to_numpy(dtype="float64")), language, digits)

    yield say(
        "money_found",
        language,
        low=number(float(priced["invest_eur_low"].sum()) / 1e6, language, 1),
        high=number(float(priced["invest_eur_high"].sum()) / 1e6, language, 1),
        cost_low=half("lcoe_eur_kwh_low", 100, 1),
        cost_high=half("lcoe_eur_kwh_high", 100, 1),
        used_low=half("self_consumption_low", 100),
        used_high=half("self_consumption_high", 100),
        n=number(int(priced["payback_years"].notna().sum()), language),
        all=number(len(priced), language),
        years=half("payback_years", 1),
        basis=priced["money_basis"].iloc[0],
    )


def _joint_lines(content: Content) -> Iterator[str]:
    if content.buildings is None or content.hot_zones is None:
        return
    inside = int(content.buildings["zone_id"].notna().sum())
    both = int((content.buildings["best_use"] == "pv_and_green").sum())
    language = content.language
    yield say("both_found", language, n=number(inside, language), m=number(both, language))


def _heat(content: Content) -> Section:
    language, zones = content.language, content.hot_zones
    figures: list[Picture] = []
    tables: list[Table] = []
    if content.lst is not None:
        shown = zones if zones is not None else content.area.iloc[:0]
        picture = heat_map(content.lst["lst_median_c"], shown, content.area, language)
        figures.append(Picture(say("map_heat", language), picture))
        figures += _heat_plots(content)
    if zones is not None and len(zones):
        digits: dict[str, int | None] = {
            "rank": 0,
            "zone_id": None,
            "area_m2": 0,
            "lst_mean_c": 1,
            "anomaly_mean_c": 1,
            "confidence": 0,
            "persistence": 2,
            "plantable_m2": 0,
        }
        top = zones.sort_values("rank").head(_TOP)
        head, rows, numeric = columns(top, "hot_zones", language, digits)
        note = say("uncertainty_of_table", language)
        tables.append(Table(head, rows, say("top_zones", language), note, numeric))
    return Section("heat", say("heat", language), (), (), tuple(figures), tuple(tables))


def _heat_plots(content: Content) -> Iterator[Picture]:
    """How temperature is spread over the area, and how it went over the season."""
    language, lst, zones = content.language, content.lst, content.hot_zones
    if lst is None or not np.isfinite(lst["lst_median_c"].to_numpy()).any():
        return
    median, inside = lst["lst_median_c"], None
    if zones is not None and len(zones):
        shape = Geometry(zones.geometry.union_all(), zones.crs.to_wkt())
        grid = median.odc.geobox
        inside = rasterize(shape.to_crs(grid.crs), grid).to_numpy().astype(bool)
    picture = temperature_histogram(median.to_numpy(), inside, language)
    yield Picture(say("plot_histogram", language), picture)
    season = (content.run.get("heat") or {}).get("season") or []
    if season:
        yield Picture(say("plot_season", language), season_plot(season, language))


def _places(content: Content) -> Section:
    language, places = content.language, content.places
    tables, figures = [], []
    if places is not None and len(places):
        digits: dict[str, int | None] = {
            "rank_in_kind": 0,
            "name": None,
            "lst_mean_c": 1,
            "anomaly_mean_c": 1,
            "hot_share": 2,
            "ndvi_mean": 2,
            "percentile_in_kind": 0,
        }
        for kind, group in places.groupby("kind", dropna=False, sort=True):
            top = group.sort_values("rank_in_kind").head(_TOP)
            head, rows, numeric = columns(top, "places", language, digits)
            called = known(f"kind_{kind}", language) or cell(kind, language, None)
            title = f"{called} ({number(len(group), language)})"
            note = say("uncertainty_of_table", language)
            tables.append(Table(head, rows, title, note, numeric))
            measured = group[group["anomaly_mean_c"].notna()]
            if len(measured) > 2:
                caption = say("plot_places", language, kind=called)
                figures.append(Picture(caption, places_plot(measured, language)))
    return Section("places", say("places", language), (), (), tuple(figures), tuple(tables))


def _solar(content: Content) -> Section:
    language, table = content.language, content.buildings
    if table is None:
        return Section("solar", say("solar", language))
    figures = [
        Picture(say("map_roofs", language), roof_map(table, content.area, language)),
        *_roof_plots(content, table),
    ]
    tables = [_top_roofs(table, language), _uses(content, table), _grades(table, language)]
    return Section("solar", say("solar", language), (), (), tuple(figures), tuple(tables))


def _roof_plots(content: Content, table: gpd.GeoDataFrame) -> Iterator[Picture]:
    """Yield by roof and by month, and the curve of cost and gain."""
    language = content.language
    if (table["specific_yield_kwh_kwp"].notna() & (table["capacity_kwp"] > 0)).any():
        yield Picture(say("plot_yields", language), yield_histogram(table, language))
    months = [f"energy_kwh_month_{month:02d}" for month in range(1, 13)]
    if table[months].notna().any().any():
        energy = [float(table[name].sum()) / 1e3 for name in months]
        yield Picture(say("plot_months", language), month_plot(energy, language))
    if content.costs is not None:
        bands = content.costs["bands"]
        caption = say(
            "plot_costs",
            language,
            year=bands[0].year,
            source=bands[0].source,
            life=content.costs["lifetime_years"],
        )
        yield Picture(caption, cost_plot(content.costs["table"], language))


def _top_roofs(table: gpd.GeoDataFrame, language: str) -> Table:
    digits: dict[str, int | None] = {
        "building_id": None,
        "usable_m2": 0,
        "capacity_kwp": 1,
        "energy_kwh_year_p50": 0,
        "energy_kwh_year_p90": 0,
        "specific_yield_kwh_kwp": 0,
        "shading_loss": 2,
        "lst_mean_c": 1,
        "best_use": None,
    }
    known = table[table["energy_kwh_year_p50"].notna()]
    top = known.sort_values(["energy_kwh_year_p50", "building_id"], ascending=[False, True])
    head, rows, numeric = columns(top.head(_TOP), "buildings", language, digits)
    for row, use in zip(rows, top.head(_TOP)["best_use"], strict=True):
        row[-1] = say(f"use_{use}", language) if use in _USES else say("use_unknown", language)
    return Table(head, rows, say("top_roofs", language), "", numeric)


def _uses(content: Content, table: gpd.GeoDataFrame) -> Table:
    language = content.language
    counts = table["best_use"].value_counts()
    rows = [
        [say(f"use_{use}", language), number(int(counts.get(use, 0)), language)] for use in _USES
    ]
    missing = int(table["best_use"].isna().sum())
    rows.append([say("use_unknown", language), number(missing, language)])
    head = [say("uses", language), say("count", language)]
    note = layer_fields("buildings")["best_use"].meaning(language) + ". "
    if content.use_weights:
        told = ", ".join(f"{name} {weight:g}" for name, weight in content.use_weights.items())
        note += say("use_weights", language, weights=told)
    return Table(head, rows, say("best_uses", language), note, frozenset({1}))


def _grades(table: gpd.GeoDataFrame, language: str) -> Table:
    counts = table["quality"].value_counts()
    rows = [
        [grade, number(int(counts.get(grade, 0)), language)] for grade in ("HIGH", "MEDIUM", "BASE")
    ]
    head = [say("grade", language), say("count", language)]
    note = layer_fields("buildings")["quality"].meaning(language)
    return Table(head, rows, say("quality_of", language), note, frozenset({1}))
