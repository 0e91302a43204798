"""Actions at places: the same effects as for zones, each place on its own ground."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from tests.unit.heat.test_actions import COSTS, town

from heliopolis.heat.actions import action_table, explain
from heliopolis.heat.place_actions import place_action_table

AFFINE = Affine(10.0, 0.0, 0.0, 0.0, -10.0, 4000.0)
CRS = "EPSG:32632"


def places(*shapes: shapely.Geometry) -> gpd.GeoDataFrame:
    count = len(shapes)
    return gpd.GeoDataFrame(
        {"place_id": list(range(count)), "name": [f"p{i}" for i in range(count)],
         "kind": ["school" if i % 2 == 0 else "district" for i in range(count)]},
        geometry=list(shapes), crs=CRS,
    )  # fmt: skip


def test_a_place_as_large_as_a_zone_gets_the_rows_of_the_zone() -> None:
    fields = town()
    ground = explain(fields, factor=10, pixel_m=10.0)
    box = shapely.box(1000, 1500, 1600, 2100)
    labels = np.zeros((400, 400), dtype="int32")
    labels[190:250, 100:160] = 1
    zones = gpd.GeoDataFrame({"zone_id": ["z"], "label": [1]}, geometry=[box], crs=CRS)
    of_zone = action_table(zones, fields, ground, COSTS, labels, 10.0)
    of_place = place_action_table(places(box), fields, ground, COSTS, AFFINE)
    assert of_place["action"].tolist() == of_zone["action"].tolist()
    for name in ("area_m2", "cooling_least_k", "cooling_most_k", "cost_most_eur"):
        assert of_place[name].to_numpy() == pytest.approx(of_zone[name].to_numpy())


def test_places_are_ranked_among_all_and_among_their_kind() -> None:
    fields = town()
    ground = explain(fields, factor=10, pixel_m=10.0)
    some = places(*(shapely.box(x, 1000, x + 80, 1080) for x in (500, 1500, 2500)),
                  shapely.Point(3000, 3000), shapely.box(9000, 9000, 9100, 9100))  # fmt: skip
    table = place_action_table(some, fields, ground, COSTS, AFFINE)
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["cooled_k_km2_per_million_eur"].is_monotonic_decreasing
    for _, kind in table.groupby("kind"):
        assert kind["rank_in_kind"].tolist() == list(range(1, len(kind) + 1))
    assert set(table["name"]) == {"p0", "p1", "p2", "p3"}, "what lies beyond the map has no row"


def test_a_place_smaller_than_a_pixel_stands_on_the_one_below_it() -> None:
    fields = town()
    ground = explain(fields, factor=10, pixel_m=10.0)
    hut = places(shapely.box(1001, 1001, 1003, 1003))
    table = place_action_table(hut, fields, ground, COSTS, AFFINE)
    assert (table["area_m2"] <= 100.0).all()
    assert len(table) > 0


def test_nothing_is_known_without_a_model() -> None:
    table = place_action_table(places(shapely.box(0, 0, 99, 99)), town(), None, COSTS, AFFINE)
    assert table.empty
    assert isinstance(table["rank"].dtype, pd.Int64Dtype)
