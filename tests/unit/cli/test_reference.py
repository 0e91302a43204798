"""The reference pages are those that the code of today would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.cli.reference import pages

FOLDER = Path(__file__).parents[3] / "pipeline" / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], (
        "run: python -m heliopolis.cli.reference pipeline/docs/reference"
    )


def test_every_command_and_option_is_explained() -> None:
    text = pages()["commands.md"]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [row for row in rows if row.endswith("|  |")]
