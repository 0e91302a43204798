from __future__ import annotations

import numpy as np
import pyogrio
import pytest
import shapely

from heliopolis.simulate.cadastre import (
    MISSING,
    SHIFT_M,
    SHIFTED,
    VANISHED,
    core_buildings,
    footprints,
    write_footprints,
)


def test_rates_of_errors(demo_city):
    true = core_buildings(demo_city).set_index("building_id")
    known = footprints(demo_city, 4).set_index("building_id")
    assert known.index.is_unique
    missing = ~true.index.isin(known.index)
    gone = ~known.index.isin(true.index)
    assert missing.mean() == pytest.approx(MISSING, abs=0.01)
    assert gone.sum() == pytest.approx(VANISHED * len(true), abs=2)
    both = known[~gone]
    moved = both.geometry.centroid.distance(true.geometry.centroid.reindex(both.index))
    assert moved.max() <= SHIFT_M
    assert (moved > 0.5).mean() == pytest.approx(SHIFTED, abs=0.05)
    np.testing.assert_allclose(both.area, true.area.reindex(both.index), rtol=1e-6)
    standing = shapely.STRtree(true.geometry.to_numpy())
    assert len(standing.query(known[gone].geometry.to_numpy(), predicate="intersects")[0]) == 0


def test_houses_of_a_row_move_together(tiny_city):
    known = footprints(tiny_city, 1).set_index("building_id").geometry.centroid
    true = core_buildings(tiny_city).set_index("building_id")
    true = true.loc[true.index.intersection(known.index)]
    before = true.geometry.centroid
    shift = np.column_stack([known[true.index].x - before.x, known[true.index].y - before.y])
    i, j = true.sindex.query(true.geometry, predicate="dwithin", distance=0.01)
    assert (i != j).sum() > 20
    assert np.abs(shift[i] - shift[j]).max() < 1e-6


def test_file(tiny_city, tmp_path):
    path = write_footprints(tiny_city, tmp_path / "footprints.gpkg", 1)
    table = pyogrio.read_dataframe(path, layer="footprints")
    assert table["simulated"].all()
    assert table.crs.to_epsg() == 2154
    assert table["building_id"].str.startswith("B").all()
