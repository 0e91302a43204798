from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.config import parse_config
from heliopolis.errors import ConfigError
from heliopolis.steps.forecast import _fits
from heliopolis.steps.memory import job_memory_mb, largest_job_mb
from heliopolis.study import Study


def study(folder: Path, tile_m: float = 300.0, cell_m: float = 0.5) -> Study:
    record = {
        "name": "town",
        "area": {"bbox": [650000, 6860000, 654000, 6864000], "bbox_crs": "EPSG:2154",
                 "crs": "EPSG:2154"},
        "footprints": {"file": "f.gpkg"},
        "elevation": {"dsm": "a.tif", "dtm": "a.tif", "resolution_m": cell_m},
        "weather": {"files": "w.csv"},
        "roofs": {"tile_m": tile_m},
        "results": str(folder),
    }  # fmt: skip
    return Study(parse_config(record, base=folder), folder / "town.yaml")


def test_what_cannot_fit_is_refused_with_what_would(tmp_path: Path) -> None:
    large = study(tmp_path, 3000.0)
    need = largest_job_mb(large)
    with pytest.raises(ConfigError, match="tile_m: ") as refused:
        _fits(large, need, 4000, 0)
    proposed = float(refused.value.remedy.split("tile_m: ")[1].split(",")[0])
    assert largest_job_mb(study(tmp_path, proposed)) <= 4000
    assert largest_job_mb(study(tmp_path, proposed + 10)) > 4000


def test_what_fits_passes_and_the_disk_is_looked_at(tmp_path: Path) -> None:
    small = study(tmp_path)
    _fits(small, largest_job_mb(small), 4000, 1)
    with pytest.raises(ConfigError, match="of disk"):
        _fits(small, largest_job_mb(small), 4000, 1e12)


@pytest.mark.parametrize(
    ("rule", "tile_m", "cell_m", "measured"),
    [
        ("surface_model", 600, 0.5, 1044), ("surface_model", 1000, 1.0, 742),
        ("surface_model", 200, 0.5, 433), ("roof_planes", 600, 0.5, 1067),
        ("roof_planes", 1000, 1.0, 890), ("solar_yield", 600, 0.5, 978),
        ("solar_yield", 200, 0.5, 700), ("roof_probability", 1000, 1.0, 1605),
        ("roof_probability", 600, 0.5, 972),
    ],
)  # fmt: skip
def test_the_measured_peak_of_a_tile_is_met(tmp_path, rule, tile_m, cell_m, measured) -> None:
    """In a dense simulated city, in a region, and in the demo."""
    needed = job_memory_mb(study(tmp_path, tile_m, cell_m), rule)
    assert measured / 1.1 < needed < measured * 1.5
