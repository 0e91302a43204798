from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from scipy import ndimage
from scipy.ndimage import gaussian_filter

from heliopolis.heat.cells import disc_mean
from heliopolis.heat.outlines import outlines
from heliopolis.heat.zone_ids import zone_ids
from heliopolis.heat.zone_labels import zone_labels
from heliopolis.heat.zones import EMISSIVITY_CONTRAST_K, priority, zone_table

CRS = "EPSG:32632"
AFFINE = Affine(10.0, 0.0, 400_000.0, 0.0, -10.0, 5_700_000.0)


def blobs(seed: int, share: float = 0.2) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((120, 150)), 4)
    labels, _ = ndimage.label(field > np.quantile(field, 1 - share), structure=np.ones((3, 3)))
    return labels.astype("int32")


def label(field: np.ndarray, **given: float) -> np.ndarray:
    settings = {
        "critical_z": 3.0, "threshold": 2.0, "cell_m": 10.0, "detail_m": 10.0, "reach_m": 0.0,
        "min_area_m2": 0.0,
    }  # fmt: skip
    level = disc_mean(field, (settings | given)["detail_m"] / 20.0)
    return zone_labels(level, field, **(settings | given))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smooth_outlines_keep_the_area_and_do_not_overlap(seed: int) -> None:
    labels = blobs(seed)
    made = outlines(labels, AFFINE)
    cells = np.bincount(labels.ravel())[1:]
    assert len(made) == len(cells) > 5
    for shape, count in zip(made, cells, strict=True):
        assert shape.is_valid
        assert shape.area == pytest.approx(count * 100.0, rel=0.02)
    assert shapely.union_all(made).area == pytest.approx(sum(one.area for one in made), rel=1e-9)


def test_outline_has_holes_islands_in_holes_and_corner_neighbours() -> None:
    mask = np.zeros((60, 60), dtype="int32")
    mask[5:50, 5:50] = 1
    mask[15:40, 15:40] = 0
    mask[22:33, 22:33] = 1
    mask[50:58, 50:58] = 1  # touches by its corner
    (shape,) = outlines(mask, AFFINE)
    assert shape.area == pytest.approx(100.0 * (mask == 1).sum(), rel=0.02)
    assert not shape.contains(shapely.Point(400_185.0, 5_700_000 - 185.0))
    assert shape.contains(shapely.Point(400_275.0, 5_700_000 - 275.0))
    assert shape.contains(shapely.Point(400_545.0, 5_700_000 - 545.0))


def test_a_single_cell_is_a_square() -> None:
    mask = np.zeros((3, 3), dtype="int32")
    mask[1, 2] = 1
    (shape,) = outlines(mask, AFFINE)
    assert shape.equals(shapely.box(400_020.0, 5_699_980.0, 400_030.0, 5_699_990.0))


def test_no_zone_on_water_or_unknown_ground_and_no_small_one() -> None:
    field = np.zeros((40, 40))
    field[5:20, 5:20] = 5.0
    field[30:33, 30:33] = 5.0
    field[10:12, 10:12] = np.nan
    labels = label(field, min_area_m2=1000.0, detail_m=50.0)
    assert labels.max() == 1
    assert (labels[10:12, 10:12] == 0).all()
    assert labels[30:33, 30:33].max() == 0


def test_small_gaps_are_closed_and_large_ones_are_not() -> None:
    field = np.full((60, 60), 5.0)
    field[0], field[-1], field[:, 0], field[:, -1] = 0.0, 0.0, 0.0, 0.0
    field[10, 10] = 0.0
    field[30:45, 30:45] = 0.0
    labels = label(field, detail_m=30.0)
    assert labels[10, 10] == 1
    assert labels[37, 37] == 0


def test_a_zone_reaches_only_so_far_beyond_its_core() -> None:
    field = np.full((9, 60), 2.5)
    field[:, :10] = 5.0
    field[:, 40:] = 0.0
    field[:, 55:] = 2.5  # hot itself, but not connected to a core
    labels = label(field, reach_m=100.0)
    assert (labels[:, :20] == 1).all()
    assert (labels[:, 20:] == 0).all()


def table(labels: np.ndarray, previous: gpd.GeoDataFrame | None = None) -> gpd.GeoDataFrame:
    _, x = np.mgrid[: labels.shape[0], : labels.shape[1]]
    fields = {
        "lst_c": 30.0 + x / 10, "lst_sd_c": np.full(labels.shape, 1.5), "anomaly_c": x / 10.0,
        "gi_z": np.full(labels.shape, 4.0), "p_value": np.full(labels.shape, 0.001),
        "q_value": np.full(labels.shape, 0.02), "ndvi": None,
        "effective_resolution_m": np.full(labels.shape, 100.0),
    }  # fmt: skip
    return zone_table(labels, fields, affine=AFFINE, crs=CRS, previous=previous)


def test_table_says_what_is_known_and_null_for_the_rest() -> None:
    labels = np.zeros((40, 100), dtype="int32")
    labels[5:25, 10:30] = 1
    labels[5:25, 60:90] = 2
    made = table(labels)
    assert made["rank"].tolist() == [1, 2]
    hot = made.iloc[0]
    assert hot["anomaly_mean_c"] == pytest.approx(np.arange(60, 90).mean() / 10)
    assert hot["lst_max_c"] == pytest.approx(38.9)
    assert hot["area_m2"] == pytest.approx(60_000.0, rel=0.02)
    assert hot["confidence"] == 95
    assert hot["lst_sd_c"] == pytest.approx(1.5)
    assert hot["anomaly_sd_c"] == pytest.approx(
        np.hypot(1.5 / np.sqrt(6.0), EMISSIVITY_CONTRAST_K), rel=0.02
    )
    nothing = ["ndvi_mean", "plantable_m2", "built_share", "water_share", "persistence", "n_obs"]
    assert made[nothing].isna().all().all()
    assert made["priority"].between(0, 100).all()


def test_table_without_a_zone_has_all_columns() -> None:
    full, empty = table(blobs(0)), table(np.zeros((120, 150), dtype="int32"))
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert empty.crs == full.crs


def test_ids_are_unique_and_outlive_small_changes() -> None:
    labels = blobs(3)
    first = table(labels)
    assert first["zone_id"].is_unique
    grown = np.where((labels == 0), ndimage.grey_dilation(labels, (3, 3)), labels)
    again = table(grown.astype("int32"), previous=first)
    old = dict(zip(first["zone_id"], first.geometry, strict=True))
    kept = [name for name in again["zone_id"] if name in old]
    assert len(kept) >= 0.9 * len(again)
    by_id = dict(zip(again["zone_id"], again.geometry, strict=True))
    assert all(by_id[name].intersects(old[name]) for name in kept)


def test_ids_depend_on_the_position_alone() -> None:
    shapes = [
        shapely.box(0, 0, 100, 100),
        shapely.box(200, 200, 250, 250),
        shapely.box(900, 0, 990, 90),
    ]
    assert zone_ids(shapes) == ["hz-e0-n0", "hz-e0-n0-2", "hz-e1-n0"]
    assert zone_ids(shapes[::-1]) == ["hz-e1-n0", "hz-e0-n0-2", "hz-e0-n0"]


def test_a_new_zone_never_takes_the_id_of_one_that_is_gone() -> None:
    previous = gpd.GeoDataFrame(
        {"zone_id": ["hz-e0-n0"]}, geometry=[shapely.box(400, 400, 450, 450)], crs=CRS
    )
    assert zone_ids([shapely.box(0, 0, 100, 100)], previous) == ["hz-e0-n0-2"]
    assert zone_ids([], previous) == []


def test_priority_grows_with_each_part_and_ignores_unknown_ones() -> None:
    base = [np.array([v]) for v in (4.0, 1e5, 0.5, 1e4)]
    score = priority(*base)[0]
    for part in range(4):
        more = [v * 1.2 if i == part else v for i, v in enumerate(base)]
        assert priority(*more)[0] > score
    unknown = np.array([np.nan])
    assert 0 < priority(base[0], base[1], unknown, unknown)[0] < 100
    assert np.isnan(priority(unknown, *base[1:])[0])
