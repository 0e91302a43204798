"""What the tests of files in other people's programs share: Debian's Python, and results."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.unit.conftest import run_last_steps

#: The Python that Debian's QGIS and GDAL are installed for.
PYTHON = "/usr/bin/python3"


def lacks(module: str) -> bool:
    """Whether Debian's Python cannot import a module."""
    try:
        found = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False)
    except OSError:
        return True
    return found.returncode != 0


def made_up_results(folder: Path, language: str = "en") -> Path:
    """Results of a small made-up city, as the last steps of a run leave them."""
    folder.mkdir(exist_ok=True)
    run_last_steps(folder, language=language)
    return folder
