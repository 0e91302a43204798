"""The report: one HTML file that needs nothing else, in English or French."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import geopandas as gpd
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from heliopolis.io.atomic import write_text
from heliopolis.report.policy import policy
from heliopolis.report.words import say


@dataclass(frozen=True)
class Content:
    """What a report tells about; a half that the run did not make is None.

    Attributes
    ----------
    run
        The record of the run, as in ``run.json``.
    language
        ``en`` or ``fr``.
    area
        Layer ``study_area``.
    lst
        Bands of ``lst.tif``, dims (y, x).
    hot_zones, places, buildings, roof_planes
        Result layers, in the CRS of ``area``.
    costs
        ``table`` with the cost of each roof, cheapest electricity first, and ``bands``, what it
        is taken from.
    use_weights
        Weights of the criteria of the best use of a roof.
    """

    run: Mapping[str, Any]
    language: str
    area: gpd.GeoDataFrame
    lst: xr.Dataset | None = None
    hot_zones: gpd.GeoDataFrame | None = None
    places: gpd.GeoDataFrame | None = None
    buildings: gpd.GeoDataFrame | None = None
    roof_planes: gpd.GeoDataFrame | None = None
    costs: Mapping[str, Any] | None = None
    use_weights: Mapping[str, float] | None = None

    @property
    def lead(self) -> str:
        """What the run tells about, in a line."""
        heat = self.lst is not None or self.hot_zones is not None
        roofs = self.roof_planes is not None
        key = "lead" if heat == roofs else ("lead_heat" if heat else "lead_roofs")
        return say(key, self.language)


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption."""

    caption: str
    png: bytes

    @property
    def base64(self) -> str:
        """The picture as it stands in the page."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Table:
    """Rows of text; ``numeric`` are the columns that are set to the right."""

    head: list[str]
    rows: list[list[str]]
    title: str = ""
    note: str = ""
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A chapter of the report."""

    key: str
    title: str
    paragraphs: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    figures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to print under the title."""
        return not (self.paragraphs or self.bullets or self.figures or self.tables)


def write_report(path: Path, content: Content) -> Path:
    """Write the report, whole or not at all; it makes no request to any network."""
    write_text(path, render(content))
    return path


def environment() -> Environment:
    """Templates of the pages; every value is escaped."""
    return Environment(
        loader=PackageLoader("heliopolis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def made_with(content: Content) -> str:
    """What made the page, when, and from which configuration."""
    run = content.run
    return say(
        "made_with",
        content.language,
        version=run["versions"].get("heliopolis", ""),
        when=str(run["created"])[:10],
        sha=str(run.get("config_sha256") or "")[:16],
    )


def render(content: Content) -> str:
    """The report as HTML text."""
    from heliopolis.report.sections import sections

    language, run = content.language, content.run
    style = files("heliopolis.report").joinpath("templates", "report.css").read_text("utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            language=language,
            title=run["title"],
            policy=policy(style=style),
            style=style,
            lead=content.lead,
            contents=say("contents", language),
            banner=say("simulated", language) if run["simulated"] else "",
            sections=[one for one in sections(content) if not one.empty],
            made_with=made_with(content),
            attribution=run["attribution"],
        )
    )
