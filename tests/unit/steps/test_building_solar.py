"""Money, carbon and best use on the layer of buildings, with the user's own tables."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from heliopolis.config import Solar, parse_config
from heliopolis.errors import InputError
from heliopolis.solar.assumptions import COLUMNS, default_assumptions
from heliopolis.steps.building_solar import (
    read_table,
    with_arrays,
    with_carbon,
    with_money,
    with_use,
)
from heliopolis.steps.building_table import MONTHS, panel_ranks

HELD = default_assumptions()
SHARES = np.array([3, 5, 8, 10, 12, 13, 13, 12, 10, 7, 4, 3]) / 100


def buildings():
    energy = np.array([6000.0, 900.0, 0.0, np.nan])
    table = gpd.GeoDataFrame(
        {
            "building_id": ["a", "b", "c", "d"],
            "capacity_kwp": [6.0, 1.5, 0.0, np.nan],
            "energy_kwh_year_p50": energy,
            "footprint_m2": [100.0, 60.0, 40.0, 80.0],
            "height_m": [6.0, 3.0, 3.0, np.nan],
            "flat_share": [0.0, 1.0, 1.0, np.nan],
            "best_kwh_kwp": [1100.0, 600.0, np.nan, np.nan],
            "heat_score": [0.2, 1.0, 1.0, 1.0],
        },
        geometry=[shapely.box(20 * i, 0, 20 * i + 10, 10) for i in range(4)],
        crs="EPSG:2154",
    )
    return table.assign(**{name: energy * s for name, s in zip(MONTHS, SHARES, strict=True)})


def panels():
    rows = {
        "panel_id": [f"a{i:02d}" for i in range(12)] + ["b0", "b1", "b2"],
        "building_id": ["a"] * 12 + ["b"] * 3,
        "power_w": 500.0,
        "energy_kwh_year": [500.0] * 12 + [300.0] * 3,
    }
    table = gpd.GeoDataFrame(rows, geometry=[shapely.Point(i, 0) for i in range(15)], crs=2154)
    return table.assign(rank=panel_ranks(table))


def test_money_stands_with_its_basis_and_is_null_without_panels():
    made = with_money(buildings(), HELD, "FR", 48.8)
    assert made["invest_eur"].tolist()[:2] == [9000.0, 2250.0]
    assert made["invest_eur"].isna().tolist() == [False, False, True, True]
    assert made["money_basis"][0].startswith("invest_eur_kwp: any country 2024; retail")
    assert made["money_basis"].isna().tolist() == [False, False, True, True]
    assert made["payback_years_low"][0] < made["payback_years"][0] < 30


def test_carbon_in_france_is_negative_and_told():
    made = with_carbon(buildings(), HELD, Solar(country="FR"))
    assert made["co2_kg_year"][0] == pytest.approx(-61.8)
    assert made["co2_method"][0].startswith("average, FR: 21.7")
    assert made["co2_method"].isna().tolist() == [False, False, False, True]
    assert with_carbon(buildings(), HELD, Solar())["co2_kg_year"].isna().all()


def test_the_whole_array_costs_and_pays_as_its_building_does():
    money = with_money(buildings(), HELD, "FR", 48.8)
    made = with_arrays(panels(), money.set_index("building_id", drop=False), HELD, "FR", 48.8)
    whole = made.set_index("panel_id").loc["a11"]
    assert whole["array_kwp"] == 6.0
    assert whole["array_kwh_year"] == 6000.0
    assert whole["array_payback_years"] == pytest.approx(money["payback_years"][0])
    assert made["array_kwp"].notna().sum() == 9
    small = made.set_index("panel_id").loc["a03"]
    assert small["array_payback_years"] < whole["array_payback_years"]


def test_own_prices_are_read_and_bad_ones_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        ",".join(COLUMNS) + "\ninvest_eur_kwp,,0,800,700,900,EUR/kWp,2026,source,A tender\n"
    )
    assert read_table(Solar(assumptions=str(path))).find("invest_eur_kwp", "FR").value == 800
    path.write_text("quantity\n")
    with pytest.raises(InputError, match="lacks the columns"):
        read_table(Solar(assumptions=str(path)))
    with pytest.raises(InputError, match=r"solar\.assumptions"):
        read_table(Solar(assumptions=str(tmp_path / "none.csv")))


def test_load_classes_of_the_town_decide(tmp_path):
    path = tmp_path / "loads.csv"
    path.write_text("building_id,load_class\nb,none\n")
    guessed = with_use(buildings(), Solar())
    given = with_use(buildings(), Solar(load_classes=str(path)))
    assert guessed["best_use"].fillna("?").tolist() == ["pv", "green_roof", "green_roof", "?"]
    assert given["best_use"].fillna("?").tolist() == ["pv", "cool_roof", "green_roof", "?"]
    assert given["load_grade"].fillna("?").tolist() == ["guess", "given", "guess", "?"]
    path.write_text("building_id,load_class\nb,strong\n")
    with pytest.raises(InputError, match="strong"):
        with_use(buildings(), Solar(load_classes=str(path)))
    path.write_text("id\n")
    with pytest.raises(InputError, match="building_id"):
        with_use(buildings(), Solar(load_classes=str(path)))


def test_own_tables_are_looked_for_beside_the_configuration(tmp_path):
    config = {
        "name": "town",
        "area": {"bbox": [0, 0, 1, 1], "crs": "EPSG:2154"},
        "footprints": {"file": "footprints.gpkg"},
        "elevation": {"points": "points.laz"},
        "weather": {"files": "weather.csv"},
        "solar": {"assumptions": "own.csv", "load_classes": "loads.csv"},
    }
    solar = parse_config(config, base=tmp_path).solar
    assert solar.assumptions == str(tmp_path / "own.csv")
    assert solar.load_classes == str(tmp_path / "loads.csv")
