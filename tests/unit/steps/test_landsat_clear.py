"""Clear pixels of a scene in a run: a bright roof comes back, a cloud does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Thermal
from heliopolis.io.landsat import LandsatScene
from heliopolis.io.raster import write_cog
from heliopolis.scene import Scene, Sensor, other_dates
from heliopolis.steps.landsat_cells import landsat_cells
from heliopolis.steps.landsat_clear import clear_sky, mask_grid

GRID = GeoBox.from_bbox((600_000, 5_000_000, 606_000, 5_006_000), "EPSG:32632", resolution=30)
STUDY = GeoBox.from_bbox((601_500, 5_001_500, 604_500, 5_004_500), "EPSG:32632", resolution=10)
CLEAR, CLOUD = 21824, 22280
ROOF, VEIL = (slice(90, 102), slice(90, 102)), (slice(60, 75), slice(120, 135))
START = datetime(2025, 6, 1, 10, tzinfo=UTC)


def make_scene(folder, number: int, *, cloudy: bool) -> Scene:
    """A scene whose mask takes a warm bright roof for cloud; with a real one where cloudy."""
    rng = np.random.default_rng(number)
    name = f"LC08_L2SP_195028_{START + timedelta(days=16 * number):%Y%m%d}_20250702_02_T1"
    home = folder / name
    home.mkdir()
    words = np.full(GRID.shape, CLEAR, dtype="float32")
    lst = 303.0 + rng.normal(0.0, 1.0, GRID.shape)
    red = 0.10 + rng.normal(0.0, 0.005, GRID.shape)
    words[ROOF], lst[ROOF], red[ROOF] = CLOUD, 309.0, 0.45
    if cloudy:
        words[VEIL], lst[VEIL], red[VEIL] = CLOUD, 281.0, 0.55
    bands = {
        "qa_pixel": ("QA_PIXEL", words, "uint16"),
        "lwir11": ("ST_B10", (lst - 149.0) / 0.00341802, "uint16"),
        "red": ("SR_B4", (red + 0.2) / 2.75e-5, "uint16"),
    }
    assets = {}
    for key, (suffix, values, dtype) in bands.items():
        path = home / f"{name}_{suffix}.TIF"
        band = wrap_xr(np.round(values).astype("float32"), GRID)
        write_cog(path, xr.Dataset({"band": band}), dtype=dtype)
        assets[key] = {"href": str(path)}
    item = {"id": name, "assets": assets, "properties": {}}
    return Scene(name, Sensor.LANDSAT_L2, START + timedelta(days=16 * number), item)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return [make_scene(folder, number, cloudy=number == 4) for number in range(5)]


def thermal(**more):
    return Thermal.model_validate({"sources": [{"kind": "stac", "catalog": ["x"]}], **more})


def cells_of(scenes, number=4, **more):
    one = scenes[number]
    return landsat_cells(one, other_dates(scenes, one.id), STUDY, thermal(**more), None)


def where(cells, place):
    """Cells of 100 m that lie wholly in a place of the scene."""
    left, top = GRID.affine * (place[1].start, place[0].start)
    right, bottom = GRID.affine * (place[1].stop, place[0].stop)
    inside = (cells.x > left + 50) & (cells.x < right - 50)
    return cells.where(inside & (cells.y < top - 50) & (cells.y > bottom + 50), drop=True)


def test_the_roof_comes_back_and_the_cloud_does_not(scenes):
    cells, share, _, tags = cells_of(scenes)
    roof, cloud = where(cells["lst_k"], ROOF), where(cells["lst_k"], VEIL)
    assert roof.size and cloud.size
    assert abs(float(roof.mean()) - 309.0) < 0.5
    assert bool(roof.notnull().all())
    assert bool(cloud.isnull().all())
    assert 0.005 < float(tags["recovered_share"]) < 0.02
    assert share > 0.8


def test_without_other_dates_the_mask_is_believed(scenes):
    one = scenes[4]
    cells, _, _, tags = landsat_cells(one, [], STUDY, thermal(), None)
    assert bool(where(cells["lst_k"], ROOF).isnull().all())
    assert "recovered_share" not in tags


def test_a_later_date_changes_nothing_for_those_before(scenes, tmp_path):
    later = [*scenes, make_scene(tmp_path, 7, cloudy=True)]
    for one in scenes:
        assert other_dates(scenes, one.id) == other_dates(later, one.id)
        assert one not in other_dates(later, one.id)


def test_clouds_beyond_the_area_are_seen(scenes):
    source = LandsatScene.from_items(scenes[4].items)
    corner = GRID.affine * (VEIL[1].stop, VEIL[0].stop)
    beside = GeoBox.from_bbox(
        (corner[0] + 30, corner[1] - 900, corner[0] + 930, corner[1] + 300), GRID.crs,
        resolution=10,
    )  # fmt: skip
    clear = clear_sky(source, mask_grid(beside), 256).on(beside)
    assert clear.shape == beside.shape
    assert not clear.values[:30, :11].any()
    assert clear.values[:, 20:].all()


def test_the_masks_do_not_depend_on_chunks(scenes):
    source = LandsatScene.from_items(scenes[4].items)
    box = mask_grid(STUDY)
    one, other = (clear_sky(source, box, chunks).masks["clear"].values for chunks in (50, 1024))
    np.testing.assert_array_equal(one, other)
