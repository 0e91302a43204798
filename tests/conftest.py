"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def _data_dir() -> Path | None:
    named = os.environ.get("HELIOPOLIS_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data sets."""
    folder = _data_dir()
    if folder is None:
        pytest.skip("no real data: set HELIOPOLIS_DATA")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, and count as skipped, what needs real data where there is none."""
    if _data_dir() is not None:
        return
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason="no real data: set HELIOPOLIS_DATA"))
