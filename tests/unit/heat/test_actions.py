from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scipy.ndimage import gaussian_filter, uniform_filter

from heliopolis.heat.actions import action_table, cooling, explain, with_cooling
from heliopolis.heat.cells import disc_mean
from heliopolis.heat.drivers import driver_model
from heliopolis.heat.zone_ids import LARGE_M2, sub_zone_labels, zone_ids

COSTS = pd.DataFrame(
    {
        "action": ["plant_trees", "white_roof"], "cost_least_eur_m2": [50.0, 10.0],
        "cost_most_eur_m2": [150.0, 30.0], "weight": [1.0, 1.0], "greenness": [np.nan, np.nan],
        "albedo": [np.nan, 0.6],
    }
)  # fmt: skip


def share(seed: int, side: int = 400, blur: float = 6.0) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), blur)
    return np.clip(0.4 + 0.25 * noise / noise.std(), 0.0, 1.0)


def town() -> dict[str, np.ndarray | None]:
    """Ground whose anomaly follows from its greenness, here and around, and its albedo."""
    green, roof = share(0), 0.3 * share(1)
    albedo = 0.15 + 0.1 * share(2)
    near = disc_mean(green, 30.0)
    noise = np.random.default_rng(3).standard_normal(green.shape)
    anomaly = 8.0 - 6.0 * green - 5.0 * near - 10.0 * albedo + noise
    return {
        "anomaly_c": anomaly, "ndvi": green, "roof": roof, "albedo": albedo, "built": roof,
        "plantable": np.clip(1.0 - green - roof, 0.0, 1.0),
    }  # fmt: skip


def test_model_finds_effects_with_their_errors_and_its_skill() -> None:
    rng = np.random.default_rng(4)
    drivers = {"a": rng.random((80, 80)), "b": rng.random((80, 80)), "same": np.ones((80, 80))}
    target = 3.0 * drivers["a"] - 2.0 * drivers["b"] + rng.standard_normal((80, 80))
    target[:5] = np.nan
    model = driver_model(target, drivers, cell_m=100.0)
    assert model is not None
    assert model.names == ("a", "b")
    sd = np.sqrt(np.diag(model.covariance))
    assert (np.abs(model.effects - [3.0, -2.0]) < 4 * sd).all()
    assert sd == pytest.approx(np.sqrt(12.0 / 6000), rel=0.5)
    assert model.r2 == pytest.approx((9 + 4) / 12 / ((9 + 4) / 12 + 1), abs=0.05)
    assert (model.spread < 0.5).all()
    assert driver_model(target[:10, :10], {k: v[:10, :10] for k, v in drivers.items()},
                        cell_m=100.0) is None  # fmt: skip


def test_drivers_are_compared_whatever_their_units() -> None:
    rng = np.random.default_rng(6)
    metres, share = rng.random((60, 60)), rng.random((60, 60))
    target = 2.0 * metres - 3.0 * share + 0.1 * rng.standard_normal((60, 60))
    models = [driver_model(target, {"height": scale * metres, "share": share}, cell_m=100.0)
              for scale in (1.0, 1000.0)]  # fmt: skip
    first, second = (model.importance for model in models if model is not None)
    assert list(first) == ["share", "height"] == list(second)
    assert list(first.values()) == pytest.approx(list(second.values()), rel=1e-3)


def test_effects_that_differ_between_places_widen_the_range() -> None:
    rng = np.random.default_rng(5)
    a = rng.random((100, 100))
    slope = np.repeat(np.repeat(rng.normal(-5.0, 2.0, (10, 10)), 10, axis=0), 10, axis=1)
    model = driver_model(slope * a + 0.2 * rng.standard_normal(a.shape), {"a": a}, cell_m=100.0)
    assert model is not None
    assert model.spread[0] == pytest.approx(2.0, rel=0.25)
    assert model.change({"a": 1.0})[1] > 1.5 > np.sqrt(model.covariance[0, 0])


def test_cooling_of_planting_is_within_its_range_and_reaches_around() -> None:
    fields = town()
    ground = explain(fields, factor=10, pixel_m=10.0)
    assert ground is not None
    inside = np.zeros((400, 400), dtype=bool)
    inside[150:210, 150:210] = True
    change = np.where(inside, 0.5, 0.0)
    true = (-6.0 * change - 5.0 * disc_mean(change, 30.0))[inside].mean()
    least, most = cooling(ground, {"green": change}, inside, 10.0)
    assert most <= true <= least < 0.0
    assert cooling(ground, {"green": np.zeros_like(change)}, inside, 10.0) == (0.0, 0.0)
    park = np.zeros_like(change)
    park[150:210, 215:240] = 1.0  # beside the place
    assert cooling(ground, {"green": park}, inside, 10.0)[1] < 0.0


def test_actions_are_ranked_by_what_a_euro_cools() -> None:
    fields = town()
    labels = np.zeros((400, 400), dtype="int32")
    labels[20:80, 20:80], labels[200:280, 200:300] = 1, 2
    zones = gpd.GeoDataFrame(
        {"zone_id": ["b", "a"], "label": [2, 1]},
        geometry=[shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)], crs="EPSG:32632",
    )  # fmt: skip
    ground = explain(fields, factor=10, pixel_m=10.0)
    table = action_table(zones, fields, ground, COSTS, labels, 10.0)
    assert len(table) == 4
    assert table["cooled_k_km2_per_million_eur"].is_monotonic_decreasing
    assert (table["cooling_most_k"] <= table["cooling_least_k"]).all()
    planted = table[(table["action"] == "plant_trees") & (table["zone_id"] == "a")].iloc[0]
    plantable = fields["plantable"]
    assert plantable is not None
    assert planted["area_m2"] == pytest.approx(100.0 * plantable[labels == 1].sum())
    assert planted["cost_most_eur"] == pytest.approx(150.0 * planted["area_m2"])
    assert with_cooling(zones, table)["cooling_k"].lt(0).all()
    dear = COSTS.assign(cost_least_eur_m2=[50.0, 1e4], cost_most_eur_m2=[150.0, 3e4])
    assert (
        action_table(zones, fields, ground, dear, labels, 10.0)["action"].iloc[0] == "plant_trees"
    )
    nothing = action_table(zones, {**fields, "plantable": None}, ground, COSTS, labels, 10.0)
    assert set(nothing["action"]) == {"white_roof"}
    assert with_cooling(zones, nothing)["cooling_k"].isna().all()
    assert action_table(zones, fields, None, COSTS, labels, 10.0).empty


def test_large_zones_are_divided_without_gaining_or_losing_ground() -> None:
    y, x = np.mgrid[:200, :200]
    level = np.exp(-np.hypot(y - 60, x - 60) / 20) + np.exp(-np.hypot(y - 140, x - 150) / 20)
    labels = np.zeros((200, 200), dtype="int32")
    labels[20:180, 20:180] = 2
    labels[0:5, 0:5] = 1
    level[100, 100] = np.nan
    parts, owner = sub_zone_labels(labels, level, cell_m=10.0, spacing_m=300.0)
    assert (25 * 100.0) < LARGE_M2 < (160 * 160 * 100.0)
    assert owner.tolist() == [2, 2]
    assert ((parts > 0) == (labels == 2)).all()
    assert parts[60, 60] != parts[140, 150]


def test_a_divided_zone_lives_on_in_its_largest_part_and_of_two_the_larger_one() -> None:
    whole = gpd.GeoDataFrame({"zone_id": ["old"]}, geometry=[shapely.box(0, 0, 900, 100)])
    parts = [shapely.box(0, 0, 200, 100), shapely.box(250, 0, 900, 100)]
    assert zone_ids(parts, whole)[1] == "old"
    two = gpd.GeoDataFrame({"zone_id": ["small", "large"]}, geometry=parts)
    assert zone_ids([shapely.box(0, 0, 900, 100)], two) == ["large"]


def test_uniform_ground_has_no_model() -> None:
    fields = {"anomaly_c": uniform_filter(share(6), 5), "ndvi": np.full((400, 400), 0.3)}
    assert explain(fields, factor=10, pixel_m=10.0) is None
