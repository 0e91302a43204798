"""The map and the report in a real browser: nothing is fetched, keys reach all, text is legible."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliopolis.report.map_page import render_map
from tests.bench.web_map import town
from tests.services.browser import Tab, browser, chromium
from tests.services.desktop import made_up_results

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("browser")]
READY = "document.documentElement.dataset.ready === 'yes'"
SIZES = ((1280, 800), (390, 844))

#: Contrast of each piece of text with what lies behind it, by WCAG 2.1, 1.4.3.
CONTRAST = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const power = (value) => ((value + 0.055) / 1.055) ** 2.4;
  const part = (value) => value <= 10.02 ? value / 255 / 12.92 : power(value / 255);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), poor = [];
  let count = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    if (!walker.currentNode.data.trim() || style.visibility === "hidden" || !box.width) continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(node.tagName)) continue;
    const [a, b] = [light(rgb(style.color)), light(behind(node))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    count += 1;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least) poor.push([walker.currentNode.data.trim().slice(0, 40), contrast]);
  }
  return { count, poor };
})()
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    if chromium() is None:
        pytest.skip("Chromium is missing: install chromium")
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made-up results in each language."""
    return {
        language: made_up_results(tmp_path_factory.mktemp(f"pages_{language}"), language)
        for language in ("en", "fr")
    }


def open_map(tab: Tab, folder: Path, **size: int) -> None:
    tab.open(folder / "map.html", ready=READY, **size)


def pixels(tab: Tab, box: str = "0, 0, canvas.width, canvas.height") -> dict[str, int]:
    """How many pixels of the canvas have each colour."""
    found: dict[str, int] = tab.run(
        f"""new Promise((done) => setTimeout(() => {{
          const canvas = document.getElementById("map"), counts = {{}};
          const data = canvas.getContext("2d").getImageData({box}).data;
          for (let i = 0; i < data.length; i += 4) {{
            const number = (1 << 24) + (data[i] << 16) + (data[i + 1] << 8) + data[i + 2];
            const key = "#" + number.toString(16).slice(1);
            counts[key] = (counts[key] || 0) + 1;
          }}
          done(counts);
        }}, 250))"""
    )
    return found


def focused(tab: Tab) -> str:
    name: str = tab.run(
        "(({id, tagName, value}) => id || value || tagName)(document.activeElement)"
    )
    return name


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("page", ["map", "report"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_page_is_quiet_legible_and_fits(tab, results, language, page, size, tmp_path):
    wide, high = size
    ready = READY if page == "map" else "true"
    tab.open(results[language] / f"{page}.html", width=wide, height=high, ready=ready)
    assert tab.complaints() == []
    assert tab.requests() == [(results[language] / f"{page}.html").as_uri()]
    assert tab.run("document.documentElement.lang") == language
    assert tab.run("document.documentElement.scrollWidth") <= wide
    tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    contrast = tab.run(CONTRAST)
    assert contrast["count"] > 30
    assert contrast["poor"] == []
    picture = tab.screenshot(tmp_path / "page.png", whole=page == "report")
    assert picture.stat().st_size > 20_000


@pytest.mark.parametrize("page", ["map", "report"])
def test_a_page_cannot_fetch(tab, results, page):
    tab.open(results["en"] / f"{page}.html", ready=READY if page == "map" else "true")
    refused = tab.run("fetch('https://example.org/').then(() => 'went', () => 'refused')")
    assert refused == "refused"
    assert any("Content Security Policy" in text for text in tab.complaints())


def test_search_finds_a_building_and_leads_to_its_zone(tab, results):
    open_map(tab, results["en"])
    tab.run("document.getElementById('search').focus()")
    tab.type("bat-007")
    assert tab.run("document.querySelectorAll('#hits li').length") == 1
    tab.press("ArrowDown")
    assert tab.run("document.getElementById('search').getAttribute('aria-activedescendant')")
    tab.press("Enter")
    assert tab.run("document.getElementById('card-title').textContent") == "Building bat-007"
    card = tab.run("document.getElementById('card-body').innerText")
    assert "Energy, central estimate [kWh/year]" in card
    assert "±" in card
    assert tab.run("location.hash") == "#buildings=bat-007"
    assert focused(tab) == "card"


def test_search_takes_names_without_accents_and_says_when_nothing_is_found(tab, results):
    open_map(tab, results["fr"])
    tab.run("document.getElementById('search').focus()")
    tab.type("ecole")
    hits = tab.run("[...document.querySelectorAll('#hits li')].map((li) => li.textContent)")
    assert set(hits) == {"École Curie (p0)", "École Sand (p3)"}
    tab.type("xyz")
    assert tab.run("document.getElementById('told').textContent") == "aucun résultat"
    tab.press("Escape")
    assert tab.run("document.getElementById('hits').hidden")


def test_a_building_in_a_zone_links_to_it(tab, results):
    open_map(tab, results["en"])
    find = """(() => {
      const text = document.getElementById("content").textContent.trim();
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Response(stream).json().then((found) => {
        const { values } = found.layers.find((one) => one.key === "buildings").columns.zone_id;
        const ids = found.layers.find((one) => one.key === "buildings").columns.building_id.values;
        const row = values.findIndex((zone) => zone !== null);
        return [ids[row], values[row]];
      });
    })()"""
    building, zone = tab.run(find)
    tab.run(f"location.hash = '#buildings={building}'")
    tab.wait("!document.getElementById('card').hidden")
    tab.run("document.querySelector('#card-body a').click()")
    tab.wait(f"document.getElementById('card-title').textContent === 'Zone {zone}'")


def test_layers_switch_the_picture(tab, results):
    open_map(tab, results["en"])
    assert pixels(tab).get("#982766", 0) > 500
    tab.run("document.querySelector('#layers input[value=lst]').click()")
    without = pixels(tab)
    assert without.get("#982766", 0) == 0
    solar = sum(without.get(colour, 0) for colour in ("#155132", "#118e66", "#28ae86", "#4bcdaa"))
    assert solar > 200
    for key in ("buildings", "roof_planes"):
        tab.run(f"document.querySelector('#layers input[value={key}]').click()")
    after = pixels(tab)
    assert sum(after.get(colour, 0) for colour in ("#155132", "#118e66", "#28ae86", "#4bcdaa")) < 50


def test_a_click_tells_of_the_roof_and_of_the_ground(tab, results):
    open_map(tab, results["en"])
    tab.run("location.hash = '#buildings=bat-012'")
    tab.wait("!document.getElementById('card').hidden")
    where = tab.run(
        "(({left, top, width, height}) => ({left, top, width, height}))"
        "(document.getElementById('map').getBoundingClientRect())"
    )
    tab.run("document.getElementById('card-close').click()")
    tab.run("document.getElementById('whole').click()")
    tab.click(where["left"] + where["width"] / 2, where["top"] + where["height"] / 2)
    tab.wait("!document.getElementById('card').hidden")
    assert "Surface temperature [°C]" in tab.run("document.getElementById('card-body').innerText")
    tab.press("Escape")


def test_keys_reach_everything_and_the_focus_shows(tab, results):
    open_map(tab, results["en"])
    reached, rings = [], []
    for _ in range(40):
        tab.press("Tab")
        if tab.run(
            "document.activeElement.dataset.seen || document.activeElement.tagName === 'BODY'"
        ):
            break
        tab.run("document.activeElement.dataset.seen = 'yes'")
        reached.append(focused(tab))
        rings.append(tab.run("getComputedStyle(document.activeElement).outlineStyle !== 'none'"))
    for name in ("search", "lst", "buildings", "hot_zones", "map", "closer", "farther", "whole"):
        assert name in reached
    assert reached[0] == "search"
    assert all(rings)


def roofs(tab: Tab) -> int:
    """Pixels in the colours of solar: they grow as the map comes closer."""
    counts = pixels(tab)
    return sum(counts.get(colour, 0) for colour in ("#155132", "#118e66", "#28ae86", "#4bcdaa"))


def test_mouse_moves_and_zooms(tab, results):
    open_map(tab, results["en"])
    before, far = pixels(tab), roofs(tab)
    tab.drag((800, 400), (700, 350))
    assert pixels(tab) != before
    for _ in range(3):
        tab.wheel(800, 400, -300)
    assert roofs(tab) > 1.5 * far
    tab.run("document.getElementById('whole').click()")
    assert pixels(tab) == before


def test_fingers_move_and_zoom(tab, results):
    open_map(tab, results["en"], width=390, height=844)
    before, far = pixels(tab), roofs(tab)
    tab.touch([(200, 500)], [(230, 560)], [(260, 600)])
    assert pixels(tab) != before
    tab.run("document.getElementById('whole').click()")
    tab.touch([(180, 500), (220, 500)], [(140, 500), (260, 500)], [(60, 500), (340, 500)])
    assert roofs(tab) > 1.5 * far


def test_the_report_prints(tab, results):
    tab.open(results["fr"] / "report.html")
    printed = tab.send("Page.printToPDF", preferCSSPageSize=True)["data"]
    document = base64.b64decode(printed)
    assert document.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page[^s]", document)) <= 20
    assert b"/MediaBox [0 0 594.95" in document or b"/MediaBox [0 0 595" in document


def test_keys_move_zoom_and_pick_on_the_map(tab, results):
    open_map(tab, results["en"])
    before = pixels(tab)
    tab.run("document.getElementById('map').focus()")
    for key in ("+", "+", "ArrowLeft"):
        tab.press(key)
    assert pixels(tab) != before
    tab.press("Enter")
    tab.wait("!document.getElementById('card').hidden")
    assert focused(tab) == "card"
    tab.press("Escape")
    assert tab.run("document.getElementById('card').hidden")
    assert focused(tab) == "map"


def test_a_town_of_many_buildings_is_drawn_searched_and_picked(tab, tmp_path):
    page = tmp_path / "map.html"
    page.write_text(render_map(town(100_000, planes=False)), encoding="utf-8")
    assert page.stat().st_size < 12_100_000
    tab.open(page, ready=READY)
    assert roofs(tab) > 10_000
    tab.run("document.getElementById('search').focus()")
    tab.type("batiment000000077123")
    tab.press("Enter")
    assert tab.run("location.hash") == "#buildings=BATIMENT000000077123"
    assert tab.complaints() == []


def test_what_can_be_pressed_has_a_name(tab, results):
    open_map(tab, results["fr"])
    nodes = tab.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "combobox", "application", "DisclosureTriangle", "link"}
    found = [node for node in nodes if node.get("role", {}).get("value") in roles]
    assert len(found) > 10
    assert all(node["name"]["value"] for node in found)
