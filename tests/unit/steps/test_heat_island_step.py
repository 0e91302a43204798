from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Heat
from heliopolis.io.raster import write_cog
from heliopolis.steps.heat_island import heat_island

#: 6 km square south of the equator, at 147 degrees east.
GRID = GeoBox.from_bbox(
    (500_000.0, 6_250_000.0, 506_000.0, 6_256_000.0), crs="EPSG:32755", resolution=resyx_(-50, 50)
)
Y, X = np.mgrid[:120, :120]
BUILT = (np.hypot(Y - 60, X - 60) < 25).astype("float32")


def scene(folder: Path, acquired: str, overpass: str, warmer_k: float) -> Path:
    lst = 25.0 + warmer_k * BUILT + np.random.default_rng(3).normal(0, 0.3, BUILT.shape)
    bands = {"lst_c": lst, "lst_sd_c": np.full(BUILT.shape, 0.5)}
    path = folder / f"{acquired[:10]}_{overpass}.tif"
    write_cog(
        path,
        {name: wrap_xr(band.astype("float32"), GRID) for name, band in bands.items()},
        tags={"acquired": acquired, "overpass": overpass},
    )
    return path


def test_record_tells_day_and_night_persistence_and_heat_waves(tmp_path: Path) -> None:
    days = [
        scene(tmp_path, f"2022-01-{day:02d}T23:50:00+00:00", "day", 3.0 + 2.0 * (day > 4))
        for day in range(1, 9)
    ]
    nights = [scene(tmp_path, "2022-01-03T12:30:00+00:00", "night", -1.0)]
    fields = dict.fromkeys(("anomaly_c", "water", "farmland", "forest"))
    heat = Heat(heat_wave_days=("2022-01-06", "2022-01-07", "2022-01-08", "2022-01-09"))
    ground = {"built": BUILT, "vegetation": 1.0 - BUILT}
    told = heat_island(days + nights, fields | ground, heat, GRID, 100.0)["heat_island"]
    assert len(told["dates"]) == 9
    assert told["day"]["n_dates"] == 8
    assert told["day"]["persistence"]["share_of_dates"] == 1.0
    assert told["night"]["persistence"]["share_of_dates"] == 0.0
    wave = told["day"]["heat_waves"]
    assert (wave["n_wave"], wave["n_other"]) == (4, 4)
    assert wave["difference_k"] == pytest.approx(2.0, abs=0.01)
    assert told["night"]["heat_waves"] is None
