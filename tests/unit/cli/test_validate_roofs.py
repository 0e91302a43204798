"""``heliopolis validate roofs --area``: asked for rightly, and told what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.cli.validate import validate
from heliopolis.errors import ConfigError, InputError
from heliopolis.steps.roof_agreement import score_area

DEMO = Path(__file__).parents[3] / "configs" / "demo" / "config.yaml"


def test_area_and_case_go_together() -> None:
    with pytest.raises(ConfigError, match="go together"):
        validate(cases=["roofs"])
    with pytest.raises(ConfigError, match="go together"):
        validate(cases=["planes"], area=DEMO)


def test_area_without_a_run_is_told_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="heliopolis run"):
        score_area(DEMO)
