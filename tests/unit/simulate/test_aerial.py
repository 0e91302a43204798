from __future__ import annotations

import json

import pyogrio
import pytest
import rasterio

from heliopolis.errors import ConfigError
from heliopolis.simulate import aerial, export
from heliopolis.simulate.export import simulate, spec_of


@pytest.fixture(scope="module")
def folder(tiny_city, tmp_path_factory):
    return aerial.write_aerial(tiny_city, tmp_path_factory.mktemp("aerial"))


def test_files(folder):
    for name in (
        "imagery/ortho.tif", "elevation/points.laz", "cadastre/footprints.gpkg", "places.gpkg",
        "boundary.gpkg", "weather.csv", "truth/truth.gpkg", "truth/dsm_truth.tif",
        "truth/landcover.tif", "truth/heights.tif",
    ):  # fmt: skip
        assert (folder / name).is_file(), name
    assert not list(folder.rglob(".*"))


def test_orthophoto(folder, tiny_city):
    with rasterio.open(folder / "imagery" / "ortho.tif") as image:
        assert image.descriptions == ("red", "green", "blue", "nir")
        assert image.tags()["simulated"] == "yes"
        assert image.res == pytest.approx((0.2, 0.2))
        assert image.dtypes[0] == "uint8"
        assert tuple(image.bounds) == pytest.approx(tiny_city.core_bounds)


def test_truth(folder, tiny_city):
    truth = folder / "truth" / "truth.gpkg"
    layers = {name for name, _ in pyogrio.list_layers(truth)}
    assert layers == {"buildings", "roof_planes", "obstacles", "existing_pv"}
    planes = pyogrio.read_dataframe(truth, layer="roof_planes")
    buildings = pyogrio.read_dataframe(truth, layer="buildings")
    assert set(planes["building_id"]) == set(buildings["building_id"])
    assert buildings["simulated"].all()
    assert planes.loc[planes["tilt_deg"] < 0.01, "azimuth_deg"].isna().all()


def test_simulate_is_whole_or_not_at_all(tmp_path, monkeypatch):
    from heliopolis.simulate import satellites

    calls = []
    monkeypatch.setattr(satellites, "write_satellites", lambda city, out: calls.append(out))
    monkeypatch.setattr(
        export, "write_aerial", lambda city, out: (out / "weather.csv").write_text("x")
    )
    out = tmp_path / "data"
    assert simulate(out, "tiny") == out
    label = json.loads((out / "simulation.json").read_text())
    assert label["simulated"] is True
    simulate(out, "tiny")
    assert len(calls) == 1
    simulate(out, "tiny", seed=2)
    assert len(calls) == 2

    def fail(city, out):
        raise OSError("disk full")

    monkeypatch.setattr(satellites, "write_satellites", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate(out, "tiny", seed=3)
    assert json.loads((out / "simulation.json").read_text())["spec"]["seed"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_simulate_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "letter.txt").write_text("dear city")
    with pytest.raises(ConfigError, match="holds no simulation"):
        simulate(tmp_path, "tiny")
    with pytest.raises(ConfigError, match="no preset"):
        spec_of("huge")
