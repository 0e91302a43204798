"""Attribute forms of QGIS: the fields of a layer on tabs, one for each theme."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from heliopolis.legend import word
from heliopolis.variables import layer_fields

#: Tab and the fields on it; a field goes to the first that fits, what fits none to the last.
_TABS = (
    ("form_months", r"\w+_month_\d\d"),
    ("form_people", r"people\w*"),
    (
        "form_identity",
        r"\w+_id|name|kind|source|change|rank|rank_in_kind|n_in_kind|percentile_in_kind|priority"
        r"|area_\w*m2|footprint_\w*m2|height_m|best_use|existing_pv|peer_percentile|orientation"
        r"|n_buildings|layer|field|unit|meaning_\w+",
    ),
    (
        "form_certainty",
        r"gi_\w+|[pq]_value|confidence|persistence|significant|n_obs\w*|n_cells|\w*resolution_m",
    ),
    ("form_heat", r"(lst|anomaly|hot)_\w+"),
    ("form_action", r"cool\w+|action|cost_\w+|plantable_m2|roof_m2"),
    ("form_money", r"\w*(eur|cost|payback|lcoe|npv|invest|money|self_consumption)\w*|co2_\w+"),
    ("form_use", r"use_\w+|\w*score\w*|load_\w+"),
    (
        "form_survey",
        r"quality|surveyed|elevation_year|built_year|probability_mean|roof_share|image_\w+"
        r"|fit_\w+|n_points|explained_share|footprint_shift_m|modelled_share",
    ),
    ("form_ground", r"(ndvi|albedo|sky_view)_mean|\w+_share"),
    ("form_roof", r"(tilt|azimuth)_\w+|usable_\w*m2|n_planes|\w*obstacle\w*"),
    (
        "form_yield",
        r"energy_\w+|array_\w+|poa_\w+|specific_yield_\w+|capacity_kwp|n_panels|power_w|shading_loss"
        r"|sky_view\w*",
    ),
    ("form_other", r"\w+"),
)
#: Tabs in the order in which a form shows them.
_ORDER = ("identity", "heat", "certainty", "ground", "action", "people", "roof", "yield", "months",
          "use", "money", "survey", "other")  # fmt: skip


def form_tabs(layer: str) -> dict[str, list[str]]:
    """Fields of a declared layer by tab, in the order of the form; each field on one tab.

    >>> form_tabs("study_area")
    {'form_identity': ['name', 'area_m2']}
    """
    found: dict[str, list[str]] = {f"form_{name}": [] for name in _ORDER}
    for field in layer_fields(layer):
        tab = next(name for name, pattern in _TABS if re.fullmatch(pattern, field))
        found[tab].append(field)
    return {tab: fields for tab, fields in found.items() if fields}


def form_elements(layer: str, language: str) -> list[ET.Element]:
    """Elements of a style that lay the form out; none where all fields fit on one tab."""
    tabs = form_tabs(layer)
    if len(tabs) < 2:
        return []
    layout = ET.Element("editorlayout")
    layout.text = "tablayout"
    form = ET.Element("attributeEditorForm")
    positions = {name: index for index, name in enumerate(layer_fields(layer), start=1)}
    for tab, fields in tabs.items():
        container = ET.SubElement(
            form, "attributeEditorContainer", name=word(tab, language), showLabel="1",
            groupBox="0", columnCount="1", visibilityExpressionEnabled="0",
            visibilityExpression="",
        )  # fmt: skip
        for name in fields:
            ET.SubElement(container, "attributeEditorField", name=name,
                          index=str(positions[name]), showLabel="1")  # fmt: skip
    return [layout, form]
