"""What the documentation shows is what the program takes: configurations, commands, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from heliopolis.cli import app
from heliopolis.config import Config

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in (ROOT, ROOT / "pipeline", ROOT / "models")
    for page in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.S)
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (str(page.relative_to(ROOT)), text)
        for page in PAGES
        for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


@pytest.mark.parametrize(("page", "text"), [b for b in blocks("yaml") if "(required)" not in b[1]])
def test_configurations_are_valid(page: str, text: str) -> None:
    record = yaml.safe_load(text)
    if "name" in record and "area" in record:
        assert Config.model_validate(record).name == record["name"], page


def test_whole_configurations_are_shown_for_every_country() -> None:
    shown = [text for page, text in blocks("yaml") if page.endswith("docs/tutorial.md")]
    assert {c for t in shown for c in re.findall(r"country: (\w+)", t)} == {"FR", "CH", "NL"}


def commands() -> list[tuple[str, list[str]]]:
    """Calls of heliopolis in the shell blocks, without remarks."""
    found = []
    for page, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].split("/")[-1] == "heliopolis" and "|" not in words:
                found.append((page, words[1:]))
    return found


@pytest.mark.parametrize(("page", "words"), commands())
def test_commands_and_options_exist(page: str, words: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    assert words[0] in group.commands, page
    known = {flag for one in group.commands[words[0]].params for flag in one.opts}
    used = {word.split("=")[0] for word in words[1:] if word.startswith("--") and word != "--"}
    assert used <= known | {"--help"}, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
