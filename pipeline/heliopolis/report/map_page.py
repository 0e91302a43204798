"""The page to explore: one HTML file with a map, a search and legends, without any request."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from heliopolis.io.atomic import write_text
from heliopolis.legend import SCALES, word
from heliopolis.report.html import Content, environment, made_with
from heliopolis.report.map_data import Packed, pack
from heliopolis.report.policy import policy
from heliopolis.report.words import number, say

_SCRIPTS = ("layer", "view", "draw", "card", "search", "main")
#: Layers of the switch from top to bottom, with the legend each takes; all are on at first.
_SWITCH = {
    "places": "places",
    "hot_zones": "hot_zones",
    "roof_planes": "roof_planes",
    "buildings": "buildings",
    "lst": "lst.tif",
}


def write_map(path: Path, content: Content) -> Path:
    """Write the map, whole or not at all; it makes no request to any network."""
    write_text(path, render_map(content))
    return path


def render_map(content: Content, packed: Packed | None = None) -> str:
    """The map as HTML text."""
    packed = packed or pack(content)
    language, run = content.language, content.run
    folder = files("heliopolis.report").joinpath("templates", "map")
    sources = [folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(sources) + "})();\n"
    style = folder.joinpath("map.css").read_text(encoding="utf-8")
    present = {*packed.layers, *(("lst",) if content.lst is not None else ())}
    note = packed.detail.note
    count = number(packed.detail.most, language)
    return environment().get_template("map/map.html.j2").render(
        language=language,
        title=run["title"],
        lead=content.lead,
        policy=policy(style=style, script=script),
        style=style,
        script=script,
        content=packed.base64,
        banner=say("simulated", language) if run["simulated"] else "",
        say=lambda key: say(key, language),
        layers=[_layer(key, scale, language) for key, scale in _SWITCH.items() if key in present],
        heat=content.lst is not None or content.hot_zones is not None,
        reduced=say(note, language, n=count) if note and content.buildings is not None else "",
        made_with=made_with(content),
        licences=run["licences"],
        attribution=run["attribution"],
    )  # fmt: skip


def _layer(key: str, name: str, language: str) -> dict[str, Any]:
    """A layer of the switch with the classes of its legend."""
    scale = SCALES[name]
    classes = list(zip(scale.colours, scale.labels(language), strict=True))[::-1]
    if key not in ("lst", "hot_zones"):
        classes.append(("#d9d9d9", word("no_value", language)))
    return {
        "key": key,
        "name": word(name, language),
        "field": scale.title(language, name),
        "classes": classes,
    }
