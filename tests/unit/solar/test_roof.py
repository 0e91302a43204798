"""Planes of a tile: what is known, what is not, what adds up."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from heliopolis.solar.roof import CellHorizons, System, roof_yield
from heliopolis.solar.sky import Sky

SOUTH, NORTH, FLAT, BASE, TINY = range(5)


def planes() -> gpd.GeoDataFrame:
    shapes = [box(0, 0, 10, 4), box(0, 4, 10, 8), box(20, 0, 30, 8), box(40, 0, 50, 8)]
    shapes.append(box(60.05, 0.05, 60.4, 0.4))
    return gpd.GeoDataFrame(
        {
            "plane_id": ["s", "n", "f", "b", "t"],
            "building_id": ["1", "1", "2", "3", "4"],
            "tilt_deg": [35.0, 35.0, 0.5, np.nan, 30.0],
            "azimuth_deg": [180.0, 0.0, np.nan, np.nan, 180.0],
            "quality": ["HIGH", "HIGH", "MEDIUM", "BASE", "HIGH"],
        },
        geometry=shapes,
        crs="EPSG:2154",
    )


def cells(north_deg: float = 0.0, east_deg: float = 0.0) -> CellHorizons:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(0.25, 62, 0.5), np.arange(0.25, 9, 0.5)))
    angles = np.zeros((36, x.size), dtype=np.float32)
    angles[[0, 1, 35]] = north_deg
    angles[5:14, x < 5] = east_deg
    return CellHorizons(x, y, angles, None, 0.5)


def run(sky: Sky, horizons: CellHorizons) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    frame = planes()
    usable = frame.loc[[SOUTH, NORTH, FLAT], ["plane_id", "geometry"]].copy()
    usable["geometry"] = usable.buffer(-0.3, join_style="mitre")
    return roof_yield(frame, usable, horizons, sky, 48.0, System())


def test_figures_of_free_roofs(year_sky: Sky) -> None:
    made, panels = run(year_sky, cells())
    months = made[[f"energy_kwh_month_{m:02d}" for m in range(1, 13)]].sum(axis=1, min_count=12)
    known = made["energy_kwh_year_p50"].notna()
    assert months[known].to_numpy() == pytest.approx(made.loc[known, "energy_kwh_year_p50"])
    assert made.loc[BASE].drop(["plane_id", "building_id", "quality", "geometry"]).isna().all()
    assert made.loc[TINY, "n_panels"] == 0
    assert made.loc[TINY, "energy_kwh_year_p50"] == 0
    assert np.isnan(made.loc[TINY, "specific_yield_kwh_kwp"])
    rest = made.loc[[SOUTH, NORTH, FLAT]]
    assert rest["shading_loss"].to_numpy() == pytest.approx(np.zeros(3), abs=1e-6)
    assert rest["sky_view"].to_numpy() == pytest.approx(np.ones(3))
    assert (rest["energy_kwh_year_p90"] < rest["energy_kwh_year_p50"]).all()
    specific = rest["specific_yield_kwh_kwp"]
    assert specific[SOUTH] > specific[FLAT] > specific[NORTH]
    sums = panels.groupby("plane_id")["energy_kwh_year"].sum()
    assert sums["s"] == pytest.approx(made.loc[SOUTH, "energy_kwh_year_p50"])
    assert panels["panel_id"].is_unique


def test_best_panels_first_and_shade_only_takes(year_sky: Sky) -> None:
    free, _ = run(year_sky, cells())
    shaded, panels = run(year_sky, cells(east_deg=40.0))
    rows = [SOUTH, NORTH]
    assert (shaded["shading_loss"][rows] > 0.005).all()
    energy = "energy_kwh_year_p50"
    assert (shaded.loc[rows, energy] < free.loc[rows, energy]).all()
    south = panels[panels["plane_id"] == "s"]
    assert south["energy_kwh_year"].is_monotonic_decreasing
    assert south.iloc[0].geometry.centroid.x > 5 > south.iloc[-1].geometry.centroid.x


def test_a_roof_without_horizon_is_unknown(year_sky: Sky) -> None:
    far = cells()
    away = CellHorizons(far.x + 1000.0, far.y, far.angles_deg, None, 0.5)
    made, _ = run(year_sky, away)
    assert made["energy_kwh_year_p50"].isna().sum() == 4
    assert made.loc[SOUTH, "n_panels"] > 0


def test_nothing_in_nothing_out(year_sky: Sky) -> None:
    frame = planes().iloc[:0]
    made, panels = roof_yield(
        frame, frame[["plane_id", "geometry"]], cells(), year_sky, 48.0, System()
    )
    assert len(made) == len(panels) == 0
    assert "energy_kwh_year_p50" in made


def test_no_panel_lies_beyond_its_plane_and_each_says_how_it_lies(year_sky: Sky) -> None:
    frame = planes()
    wide = frame.loc[[SOUTH, FLAT], ["plane_id", "geometry"]].copy()
    wide["geometry"] = wide.buffer(2.0, join_style="mitre")
    _, panels = roof_yield(frame, wide, cells(), year_sky, 48.0, System())
    outline = frame.set_index("plane_id").geometry
    beyond = panels.difference(outline[panels["plane_id"]].set_axis(panels.index))
    assert beyond.area.max() < 1e-4
    on_slope, racked = (panels[panels["plane_id"] == name].iloc[0] for name in ("s", "f"))
    assert (on_slope["tilt_deg"], on_slope["azimuth_deg"]) == (35.0, 180.0)
    assert racked["tilt_deg"] == 12.0
    assert (panels["power_w"] == 430.0).all()


def test_the_range_of_the_yield_grows_with_shade(year_sky: Sky) -> None:
    spread = []
    for horizons in (cells(), cells(east_deg=40.0)):
        made, _ = run(year_sky, horizons)
        one = made.loc[SOUTH]
        up, down = (
            one[f"energy_kwh_year_{q}"] / one["energy_kwh_year_p50"] for q in ("p10", "p90")
        )
        assert up - 1 == pytest.approx(1 - down)
        spread.append(up - down)
    assert spread[1] > spread[0]
