"""What was asked: the area, the period and the inputs, from the configuration of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from heliopolis.report.html import Content, Section, Table
from heliopolis.report.words import months, number, say

#: Sections of the configuration that name input files, and the keys that do.
_INPUTS = ("places", "land_cover", "imagery", "footprints", "elevation", "weather")
_FILES = ("file", "files", "points", "dsm", "dtm", "archive")


def asked(content: Content) -> Section:
    """The question behind the results."""
    language = content.language
    rows = [[say(f"asked_{key}", language), text] for key, text in _rows(content) if text]
    table = Table([say("asked_what", language), say("asked_value", language)], rows)
    return Section("asked", say("asked", language), tables=(table,))


def _rows(content: Content) -> Iterator[tuple[str, str]]:
    language, run = content.language, content.run
    config: Mapping[str, Any] = run["config"]
    square_km = float(content.area.geometry.area.sum()) / 1e6
    yield "area", f"{run['title']}, {number(square_km, language, 2)} km²"
    halves = [("heat", content.lst is not None), ("solar", content.buildings is not None)]
    yield "halves", ", ".join(say(key, language) for key, there in halves if there)
    if content.lst is not None:
        yield "period", _period(config.get("period") or {}, language)
        yield "cells", f"{number(float(abs(content.lst.odc.geobox.resolution.x)), language)} m"
        sensors = Counter(one["sensor"] for one in run["scenes"])
        yield (
            "scenes",
            ", ".join(
                f"{name} ({number(count, language)})" for name, count in sorted(sensors.items())
            ),
        )
        yield "reference", _reference(run.get("heat") or {}, language)
    for name in _INPUTS:
        yield name, ", ".join(_files(config.get(name) or {}))
    if content.buildings is not None:
        yield "country", str((config.get("solar") or {}).get("country") or "")


def _reference(facts: Mapping[str, Any], language: str) -> str:
    """What temperatures are compared with; its full wording is in English."""
    told = str(facts.get("reference") or "")
    if not told:
        return ""
    if language == "fr":
        key = "area_median" if told.startswith("median") else "vegetation"
        told = say(f"reference_{key}", language)
    mean = facts.get("reference_mean_c")
    return told if mean is None else f"{told} ({number(mean, language, 1)} °C)"


def _period(period: Mapping[str, Any], language: str) -> str:
    if not period.get("start"):
        return ""
    text = f"{period['start']} – {period.get('end') or ''}"
    wanted = period.get("months") or []
    if wanted and len(wanted) < 12:
        text += f", {' '.join(months(language)[int(month) - 1] for month in wanted)}"
    hours = period.get("time_of_day") or "both"
    return f"{text}, {say(f'asked_{hours}', language)}"


def _files(section: Mapping[str, Any]) -> Iterator[str]:
    """Names of the input files, without their folders, and of the archives."""
    for key in _FILES:
        value = section.get(key)
        found = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        names = [PurePath(str(one)).name for one in found]
        yield from names[:3]
        if len(names) > 3:
            yield f"… ({len(names)})"
