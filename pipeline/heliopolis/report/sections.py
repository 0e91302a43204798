"""The chapters of the report, from the results and the record of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from heliopolis.report.figures import heat_map, month_plot, roof_map
from heliopolis.report.html import Content, Picture, Section, Table
from heliopolis.report.words import number, say
from heliopolis.variables import layer_fields, variables

_TOP = 10
_DASH = "\N{EN DASH}"
_USES = ("pv", "pv_and_green", "green_roof", "cool_roof", "none")


def sections(content: Content) -> Iterator[Section]:
    """Chapters in reading order; some may be empty."""
    yield _found(content)
    yield _heat(content)
    yield _places(content)
    yield _solar(content)
    yield _scenes(content)
    yield _limits(content)
    yield _sources(content)
    yield _glossary(content)


def _found(content: Content) -> Section:
    lines = [*_heat_lines(content), *_roof_lines(content), *_joint_lines(content)]
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
    yield say("roofs_technical", language)
    if table["co2_kg_year"].notna().any():
        yield say(
            "co2_found",
            language,
            t=number(float(table["co2_kg_year"].sum()) / 1e3, language, 1),
            method=", ".join(sorted(set(table["co2_method"].dropna()))),
        )


def _joint_lines(content: Content) -> Iterator[str]:
    if content.buildings is None or content.hot_zones is None:
        return
    inside = int(content.buildings["zone_id"].notna().sum())
    both = int((content.buildings["best_use"] == "pv_and_green").sum())
    language = content.language
    yield say("both_found", language, n=number(inside, language), m=number(both, language))


def _columns(
    table: pd.DataFrame, layer: str, language: str, digits: dict[str, int | None]
) -> tuple[list[str], list[list[str]], frozenset[int]]:
    """Head, rows and numeric columns of some declared fields; digits None for text."""
    head = [layer_fields(layer)[name].alias(language) for name in digits]
    rows = [
        [_cell(record[name], language, places) for name, places in digits.items()]
        for record in table.to_dict("records")
    ]
    numeric = frozenset(i for i, places in enumerate(digits.values()) if places is not None)
    return head, rows, numeric


def _cell(value: Any, language: str, digits: int | None) -> str:
    if digits is not None:
        return number(None if pd.isna(value) else float(value), language, digits)
    return _DASH if value is None or pd.isna(value) else str(value)


def _heat(content: Content) -> Section:
    language, zones = content.language, content.hot_zones
    figures: list[Picture] = []
    tables: list[Table] = []
    if content.lst is not None:
        shown = zones if zones is not None else content.area.iloc[:0]
        picture = heat_map(content.lst["lst_median_c"], shown, content.area, language)
        figures.append(Picture(say("map_heat", language), picture))
    if zones is not None and len(zones):
        digits: dict[str, int | None] = {
            "rank": 0,
            "zone_id": None,
            "area_m2": 0,
            "lst_mean_c": 1,
            "anomaly_mean_c": 1,
            "anomaly_sd_c": 2,
            "confidence": 0,
            "persistence": 2,
            "plantable_m2": 0,
        }
        top = zones.sort_values("rank").head(_TOP)
        head, rows, numeric = _columns(top, "hot_zones", language, digits)
        note = say("uncertainty_of_table", language)
        tables.append(Table(head, rows, say("top_zones", language), note, numeric))
    return Section("heat", say("heat", language), (), (), tuple(figures), tuple(tables))


def _places(content: Content) -> Section:
    language, places = content.language, content.places
    tables = []
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
            head, rows, numeric = _columns(top, "places", language, digits)
            title = f"{_cell(kind, language, None)} ({number(len(group), language)})"
            tables.append(Table(head, rows, title, "", numeric))
    return Section("places", say("places", language), tables=tuple(tables))


def _solar(content: Content) -> Section:
    language, table = content.language, content.buildings
    if table is None:
        return Section("solar", say("solar", language))
    figures = [Picture(say("map_roofs", language), roof_map(table, content.area, language))]
    months = [f"energy_kwh_month_{month:02d}" for month in range(1, 13)]
    if table[months].notna().any().any():
        energy = [float(table[name].sum()) / 1e3 for name in months]
        figures.append(Picture(say("plot_months", language), month_plot(energy, language)))
    tables = [_top_roofs(table, language), _uses(table, language), _grades(table, language)]
    return Section("solar", say("solar", language), (), (), tuple(figures), tuple(tables))


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
    head, rows, numeric = _columns(top.head(_TOP), "buildings", language, digits)
    for row, use in zip(rows, top.head(_TOP)["best_use"], strict=True):
        row[-1] = say(f"use_{use}", language) if use in _USES else say("use_unknown", language)
    return Table(head, rows, say("top_roofs", language), "", numeric)


def _uses(table: gpd.GeoDataFrame, language: str) -> Table:
    counts = table["best_use"].value_counts()
    rows = [
        [say(f"use_{use}", language), number(int(counts.get(use, 0)), language)] for use in _USES
    ]
    missing = int(table["best_use"].isna().sum())
    rows.append([say("use_unknown", language), number(missing, language)])
    head = [say("uses", language), say("count", language)]
    note = layer_fields("buildings")["best_use"].meaning(language)
    return Table(head, rows, say("best_uses", language), note, frozenset({1}))


def _grades(table: gpd.GeoDataFrame, language: str) -> Table:
    counts = table["quality"].value_counts()
    rows = [
        [grade, number(int(counts.get(grade, 0)), language)] for grade in ("HIGH", "MEDIUM", "BASE")
    ]
    head = [say("grade", language), say("count", language)]
    note = layer_fields("buildings")["quality"].meaning(language)
    return Table(head, rows, say("quality_of", language), note, frozenset({1}))


def _scenes(content: Content) -> Section:
    language, scenes = content.language, content.run["scenes"]
    if not scenes:
        return Section("scenes", say("scenes", language))
    keys = ("scene", "sensor", "acquired", "baseline", "clear", "status")
    rows = []
    for one in sorted(scenes, key=lambda s: (s["role"] != "thermal", s["acquired"])):
        clear = one.get("clear_share")
        rows.append(
            [
                one["id"],
                one["sensor"],
                str(one["acquired"])[: 10 if one.get("time_estimated") else 16].replace("T", " "),
                one.get("processing_baseline") or _DASH,
                f"{number(100 * clear, language)} %" if clear is not None else _DASH,
                say(one.get("reason") or "used", language),
            ]
        )
    tables = [Table([say(key, language) for key in keys], rows, "", "", frozenset({4}))]
    tables += _sharpening(scenes, language)
    return Section("scenes", say("scenes", language), tables=tuple(tables))


def _sharpening(scenes: list[dict[str, Any]], language: str) -> list[Table]:
    known = [one for one in scenes if one.get("sharpening")]
    if not known:
        return []
    keys = ("scene", "method", "skill", "effective", "residual")
    rows = []
    for one in known:
        report = one["sharpening"]
        rows.append(
            [
                one["id"],
                str(report.get("method") or _DASH),
                number(report.get("skill"), language, 2),
                number(report.get("effective_resolution_m"), language),
                number(report.get("mass_residual_k"), language, 3),
            ]
        )
    head = [say(key, language) for key in keys]
    note = say("sharpening_note", language)
    return [Table(head, rows, say("sharpening", language), note, frozenset({2, 3, 4}))]


def _limits(content: Content) -> Section:
    language, keys = content.language, []
    if content.hot_zones is not None:
        keys += ["limit_lst", "limit_time", "limit_detail", "limit_metal"]
    lines = [say(key, language) for key in keys]
    if content.buildings is not None:
        year = (content.run["config"].get("elevation") or {}).get("year")
        lines.append(say("limit_energy", language))
        lines.append(say("limit_survey", language, year=f" ({year})" if year else ""))
    failed = sum(tile["status"] in ("failed", "missing") for tile in content.run["tiles"])
    if failed:
        lines.append(say("tiles_failed", language, n=number(failed, language)))
    lines.append(say("limit_null", language))
    return Section("limits", say("limits", language), bullets=tuple(lines))


def _sources(content: Content) -> Section:
    language, run = content.language, content.run
    rows = [[one["source"], one["licence"], one["attribution"] or _DASH] for one in run["licences"]]
    known = {one["attribution"] for one in run["licences"]}
    rows += [
        [say("given", language), _DASH, credit]
        for credit in run["attribution"]
        if credit not in known
    ]
    head = [say(key, language) for key in ("source", "licence", "credit")]
    energy = run["energy"]
    cost = say("cost_unknown", language)
    if energy["energy_kwh"] is not None:
        cost = say(
            "cost_known",
            language,
            kwh=number(energy["energy_kwh"], language, 4),
            cpu=number(energy["cpu_seconds"], language),
            watt=number(energy["core_power_w"], language),
            mb=number(energy["peak_memory_mb"], language),
        )
    tables = (Table(head, rows),) if rows else ()
    line = f"{say('cost', language)}{' :' if language == 'fr' else ':'} {cost}"
    return Section("sources", say("sources", language), (line,), tables=tables)


def _glossary(content: Content) -> Section:
    """Every field of the layers that the run made, folded."""
    language = content.language
    halves = {
        "hot_zones": content.hot_zones,
        "heat_cells": content.hot_zones,
        "places": content.hot_zones,
        "buildings": content.buildings,
        "roof_planes": content.buildings,
        "panels": content.buildings,
        "lst.tif": content.lst,
    }
    head = [say(key, language) for key in ("field", "unit", "meaning")]
    tables = []
    for layer, present in halves.items():
        if present is not None:
            rows = [
                [one.field, one.unit, one.meaning(language)]
                for one in variables()
                if one.layer == layer and (layer != "lst.tif" or one.field in present)
            ]
            tables.append(Table(head, rows, layer, folded=True))
    return Section("glossary", say("glossary", language), tables=tuple(tables))
