"""Agreement of the net with footprints, and shifts block by block."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from odc.geo.xr import rasterize
from shapely import MultiPolygon, affinity, box

from heliopolis.roofs.agreement import agreement
from heliopolis.roofs.field import RoofRaster
from heliopolis.roofs.fusion import fuse
from heliopolis.roofs.registration import Shift, estimate_shifts

CRS = "EPSG:2154"
GRID = GeoBox.from_bbox((0, 0, 300, 300), CRS, resolution=0.5)
HOUSES = [box(x, y, x + 12, y + 9) for x in range(20, 270, 30) for y in range(20, 270, 40)]


def frame(shapes: list) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=shapes, crs=CRS)


def roof_of(shapes: list) -> RoofRaster:
    mask = rasterize(Geometry(MultiPolygon(shapes), CRS), GRID).to_numpy()
    return RoofRaster.whole(np.where(mask, 0.9, 0.02).astype("float32"), GRID, 0.5)


def test_net_that_sees_the_houses_adds() -> None:
    told = agreement(frame(HOUSES), frame(HOUSES), roof_of(HOUSES))
    assert told.role == "adds"
    assert (told.precision, told.recall, told.object_f1) == (1, 1, 1)
    assert told.iou == pytest.approx(1, abs=0.02)


def test_net_that_sees_half_of_them_checks_and_one_that_dreams_is_left_out() -> None:
    half = HOUSES[::2]
    told = agreement(frame(HOUSES), frame(half), roof_of(half))
    assert told.recall == pytest.approx(0.5, abs=0.02)
    assert told.role == "checks"
    elsewhere = [affinity.translate(house, 14, 0) for house in HOUSES]
    assert agreement(frame(HOUSES), frame(elsewhere), roof_of(elsewhere)).role == "left out"


def test_few_footprints_decide_nothing() -> None:
    told = agreement(frame(HOUSES[:5]), frame(HOUSES), roof_of(HOUSES))
    assert told.role is None
    beyond = [affinity.translate(house, 9000, 0) for house in HOUSES]
    assert agreement(frame(beyond), frame(HOUSES), roof_of(HOUSES)).as_dict()["iou"] is None


def test_known_shift_is_no_disagreement() -> None:
    seen = [affinity.translate(house, 3, -2) for house in HOUSES]
    told = agreement(frame(HOUSES), frame(seen), roof_of(seen), Shift(3, -2, 1.0))
    assert told.iou > 0.95
    assert told.object_f1 == 1


def test_blocks_have_their_own_shift() -> None:
    seen = [affinity.translate(h, 2 if h.bounds[0] < 150 else -2, 1) for h in HOUSES]
    _, blocks = estimate_shifts(frame(HOUSES), roof_of(seen), block_m=150)
    west = blocks.centroid.x < 150
    assert blocks.loc[west, "image_shift_x_m"].to_numpy() == pytest.approx(2, abs=0.3)
    assert blocks.loc[~west, "image_shift_x_m"].to_numpy() == pytest.approx(-2, abs=0.3)
    assert blocks["image_shift_y_m"].to_numpy() == pytest.approx(1, abs=0.3)


def test_extended_house_is_changed() -> None:
    grown = box(20, 20, 50, 29)
    made = fuse(
        frame([HOUSES[0]]).assign(building_id="a"), frame([grown]), roof_of([grown])
    ).set_index("building_id")
    assert made.loc["a", "change"] == "changed"
    assert made.loc["a"].geometry.equals(HOUSES[0])
