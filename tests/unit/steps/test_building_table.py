from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.errors import InputError
from heliopolis.steps.building_table import (
    aggregate_planes,
    check_energy,
    heat_of_buildings,
    heat_score,
    panel_ranks,
    peer_percentile,
    zone_of_buildings,
)

CRS = "EPSG:2154"


def planes(**columns):
    base = {
        "plane_id": ["a1", "a2", "b1", "c1"],
        "building_id": ["a", "a", "b", "c"],
        "tilt_deg": [30.0, 5.0, 5.0, np.nan],
        "area_m2": [60.0, 40.0, 50.0, np.nan],
        "footprint_m2": [50.0, 40.0, 50.0, 70.0],
        "usable_m2": [40.0, 20.0, 0.0, np.nan],
        "height_m": [9.0, 6.0, 4.0, np.nan],
        "quality": ["HIGH", "MEDIUM", "MEDIUM", "BASE"],
        "poa_kwh_m2_year": [1200.0, 900.0, 1000.0, np.nan],
        "capacity_kwp": [6.0, 2.0, 0.0, np.nan],
        "shading_loss": [0.1, 0.3, 0.0, np.nan],
        "energy_kwh_year_p50": [6000.0, 1600.0, 0.0, np.nan],
        "energy_kwh_year_p90": [5400.0, 1400.0, 0.0, np.nan],
        "n_panels": pd.array([14, 5, 0, None], dtype="Int64"),
    }
    return pd.DataFrame({**base, **columns})


def test_sums_means_and_grades_by_hand():
    made = aggregate_planes(planes())
    a = made.loc["a"]
    assert a["energy_kwh_year_p50"] == 7600
    assert a["energy_kwh_year_p90"] == 6800
    assert a["specific_yield_kwh_kwp"] == 950
    assert a["height_m"] == pytest.approx((9 * 50 + 6 * 40) / 90)
    assert a["poa_kwh_m2_year"] == pytest.approx(1100)
    assert a["shading_loss"] == pytest.approx(0.15)
    assert a["flat_share"] == pytest.approx(0.4)
    assert a["n_planes"] == 2
    assert a["quality"] == "HIGH"


def test_no_room_is_zero_but_no_plane_is_unknown():
    made = aggregate_planes(planes())
    assert made.loc["b", "energy_kwh_year_p50"] == 0
    assert np.isnan(made.loc["b", "specific_yield_kwh_kwp"])
    assert made.loc["c", "n_planes"] == 0
    assert np.isnan(made.loc["c", "energy_kwh_year_p50"])
    assert pd.isna(made.loc["c", "n_panels"])
    assert np.isnan(made.loc["c", "flat_share"])
    assert made.loc["c", "quality"] == "BASE"


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)))
def test_order_of_planes_does_not_matter(order):
    pd.testing.assert_frame_equal(aggregate_planes(planes()), aggregate_planes(
        planes().iloc[list(order)]))  # fmt: skip


def temperature(values):
    grid = GeoBox.from_bbox((0, 0, 40, 40), CRS, resolution=10)
    lst = wrap_xr(np.asarray(values, dtype="float32"), grid)
    return xr.Dataset(
        {
            "lst_median_c": lst,
            "lst_sd_c": xr.where(np.isnan(lst), np.nan, 1.5),
            "anomaly_c": lst - 30,
        }
    ).odc.assign_crs(CRS)


def shapes(*boxes):
    return gpd.GeoDataFrame(geometry=[shapely.box(*b) for b in boxes], crs=CRS)


def test_cells_count_with_their_covered_part():
    field = np.full((4, 4), 30.0)
    field[:, 1] = 40.0
    made = heat_of_buildings(shapes((5, 5, 12.5, 15), (100, 100, 110, 110)), temperature(field))
    assert made["lst_mean_c"].iloc[0] == pytest.approx(30 + 10 / 3, abs=1e-5)
    assert made["anomaly_c"].iloc[0] == pytest.approx(10 / 3, abs=1e-5)
    assert made["lst_sd_c"].iloc[0] == pytest.approx(1.5)
    assert made.iloc[1].isna().all()


def test_heat_is_null_where_most_of_a_roof_has_no_value():
    field = np.full((4, 4), 30.0)
    field[:, 1:] = np.nan
    made = heat_of_buildings(shapes((5, 5, 14, 15), (1, 5, 12, 15)), temperature(field))
    assert made["lst_mean_c"].notna().tolist() == [True, True]
    made = heat_of_buildings(shapes((8, 5, 14, 15)), temperature(field))
    assert made["lst_mean_c"].isna().all()


def test_zone_is_that_of_the_largest_overlap():
    zones = shapes((0, 0, 10, 10), (10, 0, 30, 10)).assign(zone_id=["z1", "z2"])
    buildings = shapes((8, 2, 16, 4), (9, 2, 11, 4), (10, 20, 12, 22), (30, 0, 31, 1))
    found = zone_of_buildings(buildings, zones)
    assert found.tolist()[:2] == ["z2", "z1"]
    assert found.iloc[2:].isna().all()
    assert zone_of_buildings(buildings, zones.iloc[:0]).isna().all()


def test_heat_is_that_of_the_zone_or_of_the_cell():
    cells = shapes((0, 0, 10, 10), (10, 0, 20, 10), (20, 0, 30, 10))
    cells = cells.assign(gi_z=[5.0, 2.0, -1.0], confidence=[99, 0, 0])
    homes = shapes((1, 1, 3, 3), (11, 1, 13, 3), (21, 1, 23, 3), (90, 1, 91, 2))
    homes = homes.assign(zone_id=["z", None, None, None])
    assert heat_score(homes, cells).tolist()[:3] == [1.0, 0.4, 0.0]
    assert np.isnan(heat_score(homes, cells).iloc[3])
    calm = heat_score(homes.assign(zone_id=None), cells.assign(confidence=0))
    assert calm.tolist()[:3] == [1.0, 0.5, 0.0]


def test_peers_are_of_similar_size():
    footprint = pd.Series([100.0] * 5 + [1000.0])
    energy = pd.Series([10.0, 20.0, 30.0, 40.0, 50.0, 999.0])
    made = peer_percentile(footprint, energy)
    assert made.tolist()[:5] == [20.0, 40.0, 60.0, 80.0, 100.0]
    assert np.isnan(made.iloc[5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(20, 2000), st.floats(0, 1e5)), min_size=1, max_size=40))
def test_peer_percentile_agrees_with_its_definition(pairs):
    area, energy = (pd.Series([p[i] for p in pairs]) for i in (0, 1))
    made = peer_percentile(area, energy)
    for i in range(len(pairs)):
        peers = (area >= area[i] / 1.5) & (area <= area[i] * 1.5)
        if peers.sum() < 5:
            assert np.isnan(made[i])
        else:
            share = 100 * ((energy / area)[peers] <= energy[i] / area[i]).mean()
            assert made[i] == pytest.approx(share)


def test_panels_are_ranked_on_their_building():
    panels = pd.DataFrame(
        {
            "building_id": ["a", "b", "a", "a"],
            "panel_id": ["a/2", "b/1", "a/1", "a/3"],
            "energy_kwh_year": [5.0, 1.0, 5.0, 9.0],
        }
    )
    assert panel_ranks(panels).tolist() == [3, 1, 2, 1]


def test_energy_books_are_closed():
    table = planes()
    buildings = aggregate_planes(table).reset_index()
    check_energy(buildings, table)
    with pytest.raises(InputError, match="sum up"):
        check_energy(buildings.assign(energy_kwh_year_p50=1.0), table)
    months = {f"energy_kwh_month_{m:02d}": table["energy_kwh_year_p50"] / 12 for m in range(1, 13)}
    check_energy(buildings, table.assign(**months))
    with pytest.raises(InputError, match="months sum up"):
        check_energy(buildings, table.assign(**{**months, "energy_kwh_month_07": 0.0}))
    with pytest.raises(InputError, match="more than one tile"):
        check_energy(buildings, pd.concat([table, table]))
    with pytest.raises(InputError, match="belong to no building"):
        check_energy(buildings.iloc[1:], table)
