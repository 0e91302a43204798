from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from heliopolis.heat.coverage import coverage
from heliopolis.heat.places import place_table, rank_in_kind

CRS = "EPSG:32632"
AFFINE = Affine(10.0, 0.0, 0.0, 0.0, -10.0, 40.0)
SHAPE = (4, 6)


def test_coverage_is_exact_and_weights_the_mean() -> None:
    shapes = gpd.GeoSeries([shapely.box(5, 5, 25, 15), None, shapely.box(900, 0, 910, 9)], crs=CRS)
    found = coverage(shapes, SHAPE, AFFINE)
    values = np.arange(24.0).reshape(SHAPE)
    weights = np.zeros(SHAPE)
    weights[2, :3] = weights[3, :3] = [0.25, 0.5, 0.25]
    assert found.mean(values)[0] == pytest.approx((values * weights).sum() / weights.sum())
    assert np.isnan(found.mean(values)[1:]).all()
    assert np.allclose(found.union_share(), weights)
    assert found.union_share().sum() * 100.0 == pytest.approx(shapes.iloc[0].area)


def test_unknown_cells_do_not_count() -> None:
    found = coverage(gpd.GeoSeries([shapely.box(0, 0, 20, 10)], crs=CRS), SHAPE, AFFINE)
    values = np.full(SHAPE, np.nan)
    values[3, 0] = 7.0
    assert found.mean(values).tolist() == [7.0]
    assert found.weight(values).tolist() == [1.0]


def test_overlapping_polygons_cover_a_cell_once() -> None:
    box = shapely.box(0, 0, 10, 10)
    assert coverage(gpd.GeoSeries([box, box], crs=CRS), SHAPE, AFFINE).union_share().max() == 1.0


def places() -> gpd.GeoDataFrame:
    boxes = [shapely.box(0, 0, 20, 40), shapely.box(20, 0, 40, 40), shapely.box(40, 0, 60, 40)]
    return gpd.GeoDataFrame(
        {
            "place_id": ["a", "b", "c", "d", "e"],
            "name": ["A", "B", "C", "D", None],
            "kind": ["school", "school", "district", "school", "park"],
        },
        geometry=[*boxes, shapely.box(500, 0, 510, 10), shapely.Point(30, 20)],
        crs=CRS,
    )


def test_places_are_ranked_among_their_like() -> None:
    x = np.tile(np.arange(6.0), (4, 1))
    fields = {"lst_c": 30 + x, "lst_sd_c": np.ones(SHAPE), "anomaly_c": x, "ndvi": None}
    zones = gpd.GeoDataFrame(geometry=[shapely.box(30, 0, 60, 40)], crs=CRS)
    given = places().assign(people=[10, 20, 30, 40, None])
    made = place_table(given, fields, zones, affine=AFFINE, shape=SHAPE)
    assert made["people_hot"].tolist()[:3] == pytest.approx([0.0, 10.0, 30.0])
    assert made["people_hot"].isna().tolist()[3:] == [True, True]
    assert made["anomaly_mean_c"].tolist()[:3] == [0.5, 2.5, 4.5]
    assert made["hot_share"].tolist()[:3] == pytest.approx([0.0, 0.5, 1.0])
    assert made["rank_in_kind"].tolist()[:3] == [2, 1, 1]
    assert made["percentile_in_kind"].tolist()[:3] == [50.0, 100.0, 100.0]
    outside = made.iloc[3]
    assert outside[["lst_mean_c", "hot_share", "percentile_in_kind"]].isna().all()
    assert made["rank_in_kind"].isna().tolist() == [False, False, False, True, False]
    assert made["ndvi_mean"].isna().all()
    assert made.geometry.iloc[4].geom_type == "Point"  # a point stands for the ground around it
    assert made["lst_mean_c"].iloc[4] == pytest.approx(32.5, abs=0.3)


def test_equals_share_the_better_rank() -> None:
    table = gpd.GeoDataFrame(
        {"kind": ["s"] * 4, "anomaly_mean_c": [1.0, 3.0, 3.0, 2.0], "lst_mean_c": 30.0},
        geometry=[shapely.Point(0, 0)] * 4,
        crs=CRS,
    )
    ranked = rank_in_kind(table)
    assert ranked["rank_in_kind"].tolist() == [4, 1, 1, 3]
    assert ranked["percentile_in_kind"].tolist() == [25.0, 100.0, 100.0, 50.0]
    assert ranked["n_in_kind"].tolist() == [4] * 4
