from __future__ import annotations

from pathlib import Path

import pytest

from heliopolis.config import parse_config
from heliopolis.errors import ConfigError
from heliopolis.steps.forecast import _fits, largest_job_mb
from heliopolis.study import Study


def study(folder: Path, tile_m: float = 300.0) -> Study:
    record = {
        "name": "town",
        "area": {"bbox": [650000, 6860000, 651000, 6861000], "bbox_crs": "EPSG:2154",
                 "crs": "EPSG:2154"},
        "footprints": {"file": "f.gpkg"},
        "elevation": {"dsm": "a.tif", "dtm": "a.tif"},
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


def test_the_measured_peak_of_a_tile_is_met(tmp_path: Path) -> None:
    """At 0.5 m and a reach of 400 m a tile of 300 m took 0.68 GB, one of 600 m 0.86 GB."""
    for tile_m, measured in ((300.0, 680), (600.0, 865)):
        assert measured / 1.5 < largest_job_mb(study(tmp_path, tile_m)) < measured * 1.5
