"""The form of the city: from surface models of tiles to predictors of a scene."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.io.raster import read_raster, read_tags, write_cog
from heliopolis.steps.city_form import FACTOR, city_form, form_predictors, read_form
from heliopolis.steps.thermal import sharpen
from heliopolis.study import Study

BOUNDS = [650_000, 6_860_000, 651_000, 6_861_000]
GRID = GeoBox.from_bbox(BOUNDS, "EPSG:2154", resolution=10)
OPTIONS = {
    "grid": {"crs": "EPSG:2154", "resolution_m": 10.0, "bounds": BOUNDS},
    "thermal": {"sources": [{"kind": "lst_files", "files": ["x"]}]},
}
NOON = datetime(2025, 6, 21, 11, 40, tzinfo=UTC)


def blocks_of_houses() -> np.ndarray:
    """Houses of 12 m on squares of 40 m, more of them in the north (y, x), cells of 2.5 m."""
    rng = np.random.default_rng(5)
    built = rng.random((25, 25)) < np.linspace(0.8, 0.1, 25)[:, None]
    return np.kron(built, np.ones((16, 16))) * 12.0


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Surface models of two tiles, west and east."""
    folder = tmp_path_factory.mktemp("tiles")
    heights = blocks_of_houses()
    made = []
    for name, west, half in (("w", 650_000, heights[:, :200]), ("e", 650_500, heights[:, 200:])):
        grid = GeoBox.from_bbox((west, 6_860_000, west + 500, 6_861_000), "EPSG:2154",
                                resolution=2.5)  # fmt: skip
        bands = {"dsm_m": 100.0 + half, "dtm_m": 100.0 + 0.0 * half, "tree": 0.0 * half}
        bands = {key: wrap_xr(one.astype("float32"), grid) for key, one in bands.items()}
        write_cog(folder / f"{name}.tif", xr.Dataset(bands))
        made.append(folder / f"{name}.tif")
    return made


def test_tiles_are_joined_without_a_seam_and_houses_hide_the_sky(tiles, tmp_path):
    city_form(surfaces=tiles, form=tmp_path / "form.tif", options=OPTIONS)
    assert read_tags(tmp_path / "form.tif")["covered"] == "1.0000"
    form = read_raster(tmp_path / "form.tif")
    assert form["dsm_m"].shape == (GRID.shape[0] * FACTOR, GRID.shape[1] * FACTOR)
    heights = blocks_of_houses().reshape(200, 2, 200, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(form["dsm_m"].values, 100.0 + heights, atol=1e-3)
    sky = form["sky_view"].values
    beside = (heights == 0) & (np.roll(heights, 1, axis=0) > 0)
    assert sky[heights > 6].mean() > 0.97
    assert sky[beside].mean() < 0.8
    found = form_predictors(read_form(tmp_path / "form.tif", GRID), GRID, NOON)
    assert all(field.shape == GRID.shape for field in found.values())
    assert found["built_height_m"].mean() == pytest.approx(heights.mean(), rel=1e-4)
    assert found["sun_incidence"].mean() == pytest.approx(1.0, abs=1e-3)
    assert 0.5 < found["sunshine"].mean() < 0.99


def sharpened(folder, form):
    """A scene that houses make warm and their shadows cool, without optical predictors."""
    coarse = GRID.zoom_out(10)
    told = form_predictors(read_form(form, GRID), GRID, NOON)
    kelvin = 20.0 + 0.5 * told["built_height_m"] + 6.0 * told["sunshine"]
    bands = {"lst_c": wrap_xr(kelvin.reshape(10, 10, 10, 10).mean(axis=(1, 3)), coarse)}
    bands["lst_sd_c"] = xr.full_like(bands["lst_c"], 0.1)
    for part in ("sd_random_k", "sd_scene_k", "sd_systematic_k"):
        bands[part] = xr.full_like(bands["lst_c"], 0.05)
    tags = {"scene": "one", "acquired": NOON.isoformat(), "native_resolution_m": "0"}
    write_cog(folder / "coarse.tif", xr.Dataset(bands), tags=tags)
    sharpen(coarse=folder / "coarse.tif", optical=None, lst=folder / "lst.tif",
            report=folder / "sharpen.json", options=OPTIONS, form=form)  # fmt: skip
    return json.loads((folder / "sharpen.json").read_text())


def test_heights_are_predictors_where_they_cover_the_study_only(tiles, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir(), part.mkdir()
    city_form(surfaces=tiles, form=whole / "form.tif", options=OPTIONS)
    city_form(surfaces=tiles[:1], form=part / "form.tif", options=OPTIONS)
    assert "built_height_m" in sharpened(whole, whole / "form.tif")["predictors"]
    assert float(read_tags(part / "form.tif")["covered"]) == pytest.approx(0.5)
    told = sharpened(part, part / "form.tif")
    assert told["method"] == "smooth"
    assert told["predictors"] == []


def test_tiles_over_nearly_all_of_the_study_are_waited_for_and_fewer_are_not():
    study = SimpleNamespace(grid=GRID)
    tiles = [{"bounds": [w, s, w + 300, s + 300]} for w in range(649_800, 651_000, 300)
             for s in range(6_859_800, 6_861_000, 300)]  # fmt: skip
    assert Study.covered_by(study, tiles)
    assert not Study.covered_by(study, tiles[:-1])
    assert not Study.covered_by(study, [])
