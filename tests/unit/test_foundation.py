"""Area, grid, scene and configuration: what stops before anything starts."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import CRS, Geometry

from heliopolis.area import StudyArea, safe_name
from heliopolis.config import ACQUIRED, Config, load_config, parse_config, schema
from heliopolis.errors import ConfigError, GridError, HeliopolisError, InputError
from heliopolis.grid import coarsen, study_grid
from heliopolis.scene import Scene, Sensor


def rectangle(west: float, south: float, east: float, north: float, crs: str) -> Geometry:
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return Geometry({"type": "Polygon", "coordinates": [ring]}, CRS(crs))


def minimal() -> dict[str, object]:
    return {
        "name": "town",
        "area": {
            "bbox": [650000, 6860000, 652000, 6862000],
            "bbox_crs": "EPSG:2154",
            "crs": "EPSG:2154",
        },
        "period": {"start": "2025-06-01", "end": "2025-08-31"},
        "thermal": {"sources": [{"kind": "stac", "catalog": "catalog.json"}]},
    }


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "", ".hidden", "a..b", "x" * 200, "a\0b", "C:\\x"]
)
def test_names_that_would_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        safe_name(name)


def test_scene_id_from_a_catalog_is_not_trusted_as_a_path() -> None:
    with pytest.raises(HeliopolisError):
        Scene("../../etc", Sensor.LANDSAT_L2, datetime.now(UTC), {})


def test_scene_keeps_its_instant_through_json() -> None:
    scene = Scene("a", Sensor.SLSTR_LST, datetime(2025, 6, 1, 10, tzinfo=UTC), {"assets": {}})
    assert Scene.from_dict(scene.to_dict()) == scene
    with pytest.raises(InputError, match="no asset 'lst'"):
        scene.href("lst")


def test_an_empty_area_is_an_error() -> None:
    with pytest.raises(GridError, match="empty"):
        StudyArea("town", rectangle(0, 0, 0, 10, "EPSG:2154"))


def test_degrees_are_refused_as_a_working_system() -> None:
    area = StudyArea("town", rectangle(650000, 6860000, 652000, 6862000, "EPSG:2154"))
    with pytest.raises(GridError, match="not a metric"):
        study_grid(area, "EPSG:4326")
    with pytest.raises(GridError, match="not a metric"):
        study_grid(area, "EPSG:2994")  # feet


@given(
    west=st.floats(0, 9e5),
    south=st.floats(6e6, 7e6),
    width=st.floats(1, 5e3),
    height=st.floats(1, 5e3),
    resolution=st.sampled_from([5.0, 10.0, 20.0, 50.0, 100.0]),
)
def test_grid_covers_the_area_and_nests(
    west: float, south: float, width: float, height: float, resolution: float
) -> None:
    area = StudyArea("town", rectangle(west, south, west + width, south + height, "EPSG:2154"))
    grid = study_grid(area, "EPSG:2154", resolution)
    box = grid.boundingbox
    assert box.left <= west and box.bottom <= south
    assert box.right >= west + width and box.top >= south + height
    assert box.left % 100 == 0 and box.top % 100 == 0
    coarse = coarsen(grid, 1000)
    assert (coarse.boundingbox.left, coarse.boundingbox.top) == (box.left, box.top)
    assert coarse.boundingbox.right >= box.right and coarse.boundingbox.bottom <= box.bottom


def test_every_problem_of_a_configuration_is_listed() -> None:
    record = minimal()
    record["area"] = {"bbox": [2, 48, 1, 49], "crs": "EPSG:2154", "resolution": 10}
    record["solar"] = {"directions": "many"}
    record["typo"] = 1
    with pytest.raises(ConfigError) as caught:
        parse_config(record, base=Path())
    text = str(caught.value)
    for part in ("area", "resolution", "solar.directions", "typo", "default.yaml"):
        assert part in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thermal": None}, "nothing to do"),
        ({"period": None}, "needs period"),
        ({"period": {"start": "2025-06-01", "end": "2024-06-01"}}, "before start"),
        ({"elevation": {"points": "a.laz"}}, "needs weather"),
        ({"name": "../x"}, "cannot be used in a path"),
        ({"heat": {"distance_m": -3}}, "greater than 0"),
        ({"heat": {"distance_m": "3 km"}}, "heat.distance_m"),
    ],
)
def test_wrong_configurations_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({**minimal(), **change}, base=Path())


def test_paths_are_relative_to_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "town.yaml"
    file.write_text(yaml.safe_dump(minimal()))
    config = load_config(file)
    assert config.thermal is not None
    assert config.thermal.sources[0].catalog == (str(tmp_path / "catalog.json"),)


def test_yaml_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "town.yaml"
    file.write_text("name: [unclosed")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")


def test_every_key_is_explained() -> None:
    """A key without a description would be a riddle in configs/default.yaml."""
    found = schema()["$defs"]
    for name, section in {**found, "Config": schema()}.items():
        for key, value in section["properties"].items():
            plain = set(value) & {"$ref", "anyOf", "const"} or key in (
                "file",
                "layer",
                "kind",
                "id_field",
                "name_field",
            )
            assert plain or value.get("description"), f"{name}.{key}"


def test_errors_survive_a_process_border() -> None:
    error = InputError("cannot read", where="a.tif, band 1", remedy="Look at it")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "cannot read (a.tif, band 1). Look at it."
    assert type(copy) is InputError


def test_config_is_frozen() -> None:
    config = parse_config(minimal(), base=Path())
    with pytest.raises(ValueError, match="frozen"):
        config.name = "other"  # type: ignore[misc]
    assert isinstance(config, Config)


def test_reference_of_the_configuration_is_up_to_date() -> None:
    from heliopolis.config import schema_text
    from heliopolis.config_reference import default_text

    configs = Path(__file__).parents[2] / "configs"
    assert (configs / "default.yaml").read_text(encoding="utf-8") == default_text()
    assert (configs / "schema.json").read_text(encoding="utf-8") == schema_text()


def test_catalogs_are_named_or_paths_in_order_of_preference(tmp_path: Path) -> None:
    record = minimal()
    record["thermal"] = {
        "sources": [{"kind": "stac", "catalog": ["planetary-computer", "c/catalog.json"]}]
    }
    thermal = parse_config(record, base=tmp_path).thermal
    assert thermal is not None
    assert thermal.sources[0].catalog == ("planetary-computer", str(tmp_path / "c/catalog.json"))


def test_what_an_archive_delivers_takes_the_place_of_files(tmp_path: Path) -> None:
    record = minimal() | {
        "footprints": {"archive": "ign"},
        "elevation": {"archive": "ign"},
        "weather": {"archive": "pvgis"},
    }
    config = parse_config(record, base=tmp_path)
    assert config.acquired() == {
        "footprints": "ign",
        "weather": "pvgis",
        "dsm": "ign",
        "dtm": "ign",
    }
    assert config.footprints is not None and config.footprints.file == ACQUIRED["footprints"]
    assert config.elevation is not None and config.elevation.dtm == (ACQUIRED["dtm"],)
    with pytest.raises(ConfigError, match="not both"):
        parse_config({**record, "weather": {"archive": "pvgis", "files": "a.csv"}}, base=tmp_path)
    with pytest.raises(ConfigError, match="needs files or archive"):
        parse_config({**record, "weather": {}}, base=tmp_path)
