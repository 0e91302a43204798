from __future__ import annotations

import base64
import csv
import json
import re
import string
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from heliopolis.io.vector import read_layer
from heliopolis.report.html import Content, render
from heliopolis.report.words import number, say

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects links and checks that tags nest."""

    def __init__(self):
        super().__init__()
        self.open, self.remote, self.images, self.ids, self.anchors = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        for key in ("src", "href", "action", "poster", "data", "srcset"):
            link = values.get(key) or ""
            if key == "href" and tag == "a" and link.startswith("#"):
                self.anchors.append(link[1:])
            elif key == "src" and link.startswith("data:image/png;base64,"):
                self.images.append(base64.b64decode(link.split(",")[1]))
                assert values["alt"]
            elif link:
                self.remote.append(link)
        if "id" in values:
            self.ids.append(values["id"])
        assert tag not in ("script", "iframe", "link", "object")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = Page()
    found.feed(text)
    assert not found.open
    return text, found


def test_report_needs_nothing_else(small_results):
    text, found = page(small_results)
    assert found.remote == []
    assert len(found.images) == 8
    assert all(png.startswith(b"\x89PNG") for png in found.images)
    assert set(found.anchors) <= set(found.ids)
    assert "@import" not in text
    assert not re.search(r"url\(", text)


def test_report_says_that_inputs_are_simulated(small_results, small_results_fr):
    assert "Simulated inputs" in page(small_results)[0]
    assert "Données d&#39;entrée simulées" in page(small_results_fr)[0]


def test_numbers_of_the_report_are_those_of_the_tables(small_results):
    text, _ = page(small_results)
    table = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    mwp = number(float(table["capacity_kwp"].sum()) / 1e3, "en", 2)
    assert f"{mwp} MWp" in text
    assert "59 of 60 buildings" in text
    assert "left out: too little is clear" in text
    assert "not air temperature" in text


def test_names_from_inputs_are_escaped(small_results):
    text, _ = page(small_results)
    assert "Lycée &lt;Hugo&gt;" in text
    assert "Mairie &amp; Cie" in text


def test_french_report_is_french(small_results_fr):
    text, _ = page(small_results_fr)
    assert '<html lang="fr">' in text
    for english in ("Hot zones", "Roof planes", "What was found", "Surface temperature"):
        assert english not in text


def test_either_half_may_be_absent(small_results):
    run = json.loads((small_results / "run.json").read_text())
    area = read_layer(small_results / "rooftop_pv.gpkg", "study_area")
    buildings = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    bare = Content({**run, "scenes": [], "simulated": False}, "en", area)
    solar = render(replace(bare, buildings=buildings))
    assert "Hot zones first" not in solar
    assert "Simulated" not in solar.split("<footer>")[0].split("</header>")[0]
    assert "MWp" in solar
    zones = read_layer(small_results / "hot_zones.gpkg", "hot_zones")
    assert "No zone is significantly" in render(replace(bare, hot_zones=zones.iloc[:0]))
    assert "no value" not in render(replace(bare, buildings=buildings.iloc[:0]))


def words():
    text = files("heliopolis.report").joinpath("words.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_text_has_both_languages_with_the_same_values():
    rows = words()
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        names = [
            {name for _, name, _, _ in string.Formatter().parse(row[lang]) if name}
            for lang in ("en", "fr")
        ]
        assert row["en"]
        assert row["fr"]
        assert names[0] == names[1], row["key"]


def test_texts_of_the_two_languages_differ():
    """A text that is the same in both is a proper name or a word that both share."""
    same = {row["key"] for row in words() if row["en"] == row["fr"]}
    assert same == {"source", "licence", "asked_what", "outline_cnn"}


def test_every_text_is_used_and_every_text_used_is_there():
    folder = files("heliopolis.report")
    sources = [
        file.read_text(encoding="utf-8")
        for place in (folder, folder / "templates", folder / "templates" / "map")
        for file in place.iterdir()
        if file.name.endswith((".py", ".j2"))
    ]
    code = "\n".join(sources)
    called = set(re.findall(r"""say\(\s*["']([a-z_0-9]+)["']""", code))
    keys = {row["key"] for row in words()}
    assert called <= keys
    made = ("use_", "outline_", "kind_", "asked_", "map_", "invest_", "cost_", "season_")
    reasons = {"used", "cloudy", "other_sensor", "other_hours", "no_result", "failed"}
    quoted = set(re.findall(r"""["']([a-z_0-9]+)["']""", code))
    unused = {key for key in keys - quoted - reasons if not key.startswith(made)}
    assert unused <= {"reference_vegetation", "reference_area_median"}


@pytest.mark.parametrize("name", ["report.html.j2", "map/map.html.j2"])
def test_templates_hold_no_text_of_their_own(name):
    text = files("heliopolis.report").joinpath("templates", name).read_text(encoding="utf-8")
    bare = re.sub(r"{%.*?%}|{{.*?}}|<style>.*?</style>|<script.*?</script>|<[^>]*>", " ", text,
                  flags=re.DOTALL)  # fmt: skip
    assert re.findall(r"[A-Za-zÀ-ÿ]{2,}", bare) == []


def small_content(folder, **change):
    run = json.loads((folder / "run.json").read_text())
    area = read_layer(folder / "rooftop_pv.gpkg", "study_area")
    buildings = read_layer(folder / "rooftop_pv.gpkg", "buildings")
    return Content({**run, **change}, "en", area, buildings=buildings)


def test_what_was_asked_is_told_without_paths(small_results):
    text, _ = page(small_results)
    asked = text[text.index('id="asked"') : text.index('id="found"')]
    for part in ("2025-06-01 – 2025-08-31", "by day", "landsat-c2-l2 (3)", "a.laz", "FR", "km²"):
        assert part in asked
    assert "/" not in re.sub(r"<[^>]*>", "", asked)


def test_energy_of_roofs_without_a_model_is_told_apart(small_results):
    content = small_content(small_results)
    assert "could not be modelled" not in render(content)
    table = content.buildings.copy()
    known = table.index[table["energy_kwh_year_p50"].notna()][:3]
    table.loc[known, "quality"] = "BASE"
    gwh = number(table.loc[known, "energy_kwh_year_p50"].sum() / 1e6, "en", 2)
    assert f"Of this {gwh} GWh are on 3 roofs" in render(replace(content, buildings=table))


def test_the_season_stands_in_the_record(small_results):
    season = json.loads((small_results / "run.json").read_text())["heat"]["season"]
    assert [one["acquired"][:10] for one in season] == ["2025-06-03", "2025-06-12", "2025-06-19"]
    assert [one["used"] for one in season] == [False, True, True]
    assert all(one["lst_zones_c"] > one["lst_area_c"] > 25 for one in season)


def test_the_computation_stands_beside_a_year_of_the_proposed_roofs(small_results):
    text, _ = page(small_results)
    energy = json.loads((small_results / "run.json").read_text())["energy"]
    assert energy["energy_kwh"] == pytest.approx(7.5 * 12 / 3.6e6, abs=1e-6)
    assert energy["co2_g"] == pytest.approx(energy["energy_kwh"] * 21.7, abs=1e-3)
    table = read_layer(small_results / "rooftop_pv.gpkg", "buildings")
    proposed = table[table["best_use"].isin(["pv", "pv_and_green"])]
    assert 0 < len(proposed) < len(table)
    cost = text[text.index('id="cost"') : text.index('id="glossary"')]
    assert number(float(proposed["energy_kwh_year_p50"].sum()), "en") in cost
    assert number(float(proposed["co2_kg_year"].sum()), "en") in cost
    assert "0.000025" in cost
    assert "12 W a busy core (assumed)" in cost


def test_energy_that_was_metered_is_not_called_an_estimate(small_results):
    energy = json.loads((small_results / "run.json").read_text())["energy"]
    text = render(small_content(small_results, energy={**energy, "metered_share": 1.0}))
    assert "metered by the processor" in text
    assert "is an estimate" not in text


def test_a_run_without_measured_jobs_invents_no_cost(small_results):
    energy = {"energy_kwh": None, "cpu_seconds": None, "peak_memory_mb": None,
              "method": "", "core_power_w": 12.0}  # fmt: skip
    text = render(small_content(small_results, energy=energy))
    assert "Not measured." in text


def test_missing_tiles_are_named(small_results):
    tiles = [{"id": "e1_n1", "status": "done"}, {"id": "e1_n2", "status": "failed"}]
    text = render(small_content(small_results, tiles=tiles))
    assert "1 tiles are missing or failed (e1_n2)" in text
    assert "All 1 tiles" in render(small_content(small_results, tiles=tiles[:1]))


def test_limits_tell_of_resolution_and_dates(small_results):
    text, _ = page(small_results)
    assert "details of about 60 m (median; at worst 60 m), though its cells are 10 m" in text
    assert "2 dates, from 2025-06-12 to 2025-06-19" in text
    assert "Scenes found that do not count: 1 left out: too little is clear." in text


def test_values_stand_with_their_uncertainty(small_results):
    text, _ = page(small_results)
    assert "7.5 ± 0.9" in text


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1234.5, 1, "1\u202f234,5"), (-0.04, 1, "0,0"), (None, 0, "–")]
)
def test_numbers_in_french(value, digits, text):
    assert number(value, "fr", digits) == text


def test_say_puts_values_in():
    assert "7" in say("tiles_failed", "en", n="7", names="e1_n1")


def test_lead_names_what_the_run_tells_about(small_results):
    area = read_layer(small_results / "rooftop_pv.gpkg", "study_area")
    bare = Content({}, "en", area)
    roofs = replace(bare, roof_planes=area)
    assert roofs.lead == "What every roof can produce"
    assert replace(roofs, language="fr").lead == "Ce que chaque toit peut produire"
    assert replace(bare, hot_zones=area).lead == "Where it is too hot"
    assert replace(roofs, hot_zones=area).lead == bare.lead
