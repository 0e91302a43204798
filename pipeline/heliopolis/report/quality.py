"""How good the results are, where they come from, what they cost, what the fields mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from heliopolis.report.html import Content, Section, Table
from heliopolis.report.tables import DASH
from heliopolis.report.words import number, say
from heliopolis.variables import variables

#: Best uses of a roof that put panels on it.
_WITH_PANELS = ("pv", "pv_and_green")
_HOURS = 8766.0
#: Status of a tile that lacks nothing.
_COMPLETE = ("done", "no work")


def scenes(content: Content) -> Section:
    """Scenes that were found, which counted and why not, and how they were sharpened."""
    language, found = content.language, content.run["scenes"]
    if not found:
        return Section("scenes", say("scenes", language))
    keys = ("scene", "sensor", "acquired", "baseline", "clear", "status")
    rows = []
    for one in sorted(found, key=lambda s: (s["role"] != "thermal", s["acquired"])):
        clear = one.get("clear_share")
        rows.append(
            [
                one["id"],
                one["sensor"],
                str(one["acquired"])[: 10 if one.get("time_estimated") else 16].replace("T", " "),
                one.get("processing_baseline") or DASH,
                f"{number(100 * clear, language)} %" if clear is not None else DASH,
                say(one.get("reason") or "used", language),
            ]
        )
    tables = [Table([say(key, language) for key in keys], rows, "", "", frozenset({4}))]
    tables += _sharpening(found, language)
    return Section("scenes", say("scenes", language), tables=tuple(tables))


def _sharpening(found: list[dict[str, Any]], language: str) -> list[Table]:
    known = [one for one in found if one.get("sharpening")]
    if not known:
        return []
    keys = ("scene", "method", "skill", "effective", "residual")
    rows = []
    for one in known:
        report = one["sharpening"]
        rows.append(
            [
                one["id"],
                str(report.get("method") or DASH),
                number(report.get("skill"), language, 2),
                number(report.get("effective_resolution_m"), language),
                number(report.get("mass_residual_k"), language, 3),
            ]
        )
    head = [say(key, language) for key in keys]
    note = say("sharpening_note", language)
    return [Table(head, rows, say("sharpening", language), note, frozenset({2, 3, 4}))]


def limits(content: Content) -> Section:
    """What the results cannot say."""
    language = content.language
    lines = [*_heat_limits(content), *_roof_limits(content), say("limit_null", language)]
    return Section("limits", say("limits", language), bullets=tuple(lines))


def _heat_limits(content: Content) -> Iterator[str]:
    language = content.language
    if content.hot_zones is None:
        return
    yield say("limit_lst", language)
    yield say("limit_time", language)
    yield say("limit_detail", language)
    if content.lst is not None:
        yield from _resolution(content)
        yield from _dates(content)
    yield say("limit_metal", language)


def _resolution(content: Content) -> Iterator[str]:
    """Effective resolution of the map beside the size of its cells."""
    lst, language = content.lst, content.language
    if lst is None or "effective_resolution_m" not in lst:
        return
    values = lst["effective_resolution_m"].to_numpy()
    if np.isfinite(values).any():
        yield say(
            "limit_resolution",
            language,
            median=number(float(np.nanmedian(values)), language),
            most=number(float(np.nanmax(values)), language),
            cell=number(float(abs(lst.odc.geobox.resolution.x)), language),
        )


def _dates(content: Content) -> Iterator[str]:
    """Dates behind the map, and the scenes that do not count."""
    language = content.language
    found = [one for one in content.run["scenes"] if one["role"] == "thermal"]
    days = sorted(str(one["acquired"])[:10] for one in found if one.get("used"))
    if days:
        yield say(
            "limit_dates", language, n=number(len(days), language), first=days[0], last=days[-1]
        )
    rest = Counter(one.get("reason") for one in found if not one.get("used"))
    if rest:
        told = "; ".join(
            f"{number(count, language)} {say(str(reason), language)}"
            for reason, count in sorted(rest.items(), key=lambda pair: str(pair[0]))
        )
        yield say("limit_left_out", language, told=told)


def _roof_limits(content: Content) -> Iterator[str]:
    language = content.language
    if content.buildings is not None:
        year = (content.run["config"].get("elevation") or {}).get("year")
        yield say("limit_energy", language)
        yield say("limit_survey", language, year=f" ({year})" if year else "")
    tiles = content.run["tiles"]
    failed = [one["id"] for one in tiles if one["status"] not in (*_COMPLETE, "partial")]
    if failed:
        more = ", …" if len(failed) > 10 else ""
        names = ", ".join(failed[:10]) + more
        yield say("tiles_failed", language, n=number(len(failed), language), names=names)
    elif tiles and all(one["status"] in _COMPLETE for one in tiles):
        yield say("tiles_complete", language, n=number(len(tiles), language))


def sources(content: Content) -> Section:
    """Sources with their licences and credits."""
    language, run = content.language, content.run
    rows = [[one["source"], one["licence"], one["attribution"] or DASH] for one in run["licences"]]
    known = {one["attribution"] for one in run["licences"]}
    rows += [
        [say("given", language), DASH, credit]
        for credit in run["attribution"]
        if credit not in known
    ]
    head = [say(key, language) for key in ("source", "licence", "credit")]
    tables = (Table(head, rows),) if rows else ()
    return Section("sources", say("sources", language), tables=tables)


def cost(content: Content) -> Section:
    """Energy and carbon dioxide of the computation beside a year of the proposed roofs."""
    language, energy = content.language, content.run["energy"]
    used, carbon = energy["energy_kwh"], energy.get("co2_g")
    if used is None:
        return Section("cost", say("cost", language), (say("cost_unknown", language),))
    metered = energy.get("metered_share", 0.0) >= 1.0
    lines = [
        say(
            "cost_metered" if metered else "cost_known",
            language,
            share=number(100 * energy.get("metered_share", 0.0), language),
            cpu=number(energy["cpu_seconds"], language),
            watt=number(energy["core_power_w"], language),
            mb=number(energy["peak_memory_mb"], language),
        )
    ]
    gain, saved = _gain(content)
    head = [say(f"cost_{key}", language) for key in ("quantity", "computation", "roofs")]
    rows = [
        [say("cost_electricity", language), _figures(used, language), number(gain, language)],
        [
            say("cost_carbon", language),
            _figures(None if carbon is None else carbon / 1000, language),
            number(saved, language),
        ],
    ]
    if gain:
        seconds = used / (gain / (_HOURS * 3600))
        lines.append(say("cost_repaid", language, seconds=_figures(seconds, language)))
    method = energy.get("co2_method")
    note = say("cost_note", language, method=method) if method else ""
    table = Table(head, rows, "", note, frozenset({1, 2}))
    return Section("cost", say("cost", language), tuple(lines), tables=(table,))


def _figures(value: float | None, language: str) -> str:
    """A number with two figures, however small."""
    return number(None if value is None else float(f"{value:.2g}"), language, None)


def _gain(content: Content) -> tuple[float | None, float | None]:
    """Energy [kWh] and carbon dioxide [kg] of a year of the roofs that are proposed for panels."""
    if content.buildings is None:
        return None, None
    chosen = content.buildings[content.buildings["best_use"].isin(_WITH_PANELS)]
    carbon = chosen["co2_kg_year"]
    saved = float(carbon.sum()) if carbon.notna().any() else None
    return float(chosen["energy_kwh_year_p50"].sum()), saved


def glossary(content: Content) -> Section:
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
