from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.corpus import sound_tiff

from heliopolis.config import load_config
from heliopolis.documents import DEEPEST, plain_yaml
from heliopolis.errors import HeliopolisError, InputError
from heliopolis.io.limits import parse_json, parse_xml, reading
from heliopolis.io.vector import read_layer
from heliopolis.io.weather import read_weather

BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_deep_documents_are_refused() -> None:
    assert parse_json("[" * DEEPEST + "]" * DEEPEST, "x")
    for text in ("[" * (DEEPEST + 1), "[" * 200_000):
        with pytest.raises(InputError, match="levels"):
            parse_json(text, "x")
    assert parse_json('"' + "[" * 500 + '"', "x") == "[" * 500
    with pytest.raises(yaml.YAMLError, match="levels"):
        plain_yaml("a: " + "[" * 500 + "]" * 500)


def test_yaml_is_data() -> None:
    for text in ("a: &x [1]\nb: *x", "!!python/name:os.system", "a: &a [*a]"):
        with pytest.raises(yaml.YAMLError):
            plain_yaml(text)
    assert plain_yaml("a: [1, two, 2025-01-01]")["a"][1] == "two"


def test_xml_without_entities(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>')
    with pytest.raises(InputError, match="document type"):
        parse_xml(path)


def test_an_error_of_a_reader_names_the_file_in_one_line() -> None:
    with pytest.raises(InputError) as caught, reading("the thing", "a/b.tif"):
        raise ValueError("two\nlines")
    assert "a/b.tif" in str(caught.value)
    assert "\n" not in str(caught.value)


@BOUNDED
@given(body=st.binary(max_size=400), kind=st.sampled_from((".csv", ".epw", ".json")))
def test_any_bytes_as_weather(tmp_path: Path, body: bytes, kind: str) -> None:
    head = {".csv": b"time,ghi\n2025-01-01,", ".epw": b"LOCATION,a,", ".json": b'{"outputs":'}
    path = tmp_path / f"a{kind}"
    path.write_bytes(head[kind] + body)
    with reading_or_refused():
        read_weather(path, latitude=48.0, longitude=2.0)


@BOUNDED
@given(text=st.text(max_size=300))
def test_any_text_as_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with reading_or_refused():
        load_config(path)


@BOUNDED
@given(body=st.binary(max_size=300))
def test_any_bytes_as_features(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(b'{"type":"FeatureCollection","features":[' + body)
    with reading_or_refused():
        read_layer(path)


@BOUNDED
@given(at=st.integers(0, 3000), value=st.binary(min_size=1, max_size=8))
def test_any_change_of_a_raster(tmp_path: Path, at: int, value: bytes) -> None:
    from heliopolis.io.raster import read_raster

    body = bytearray(sound_tiff(tmp_path / "sound.tif"))
    body[at : at + len(value)] = value
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(body))
    with reading_or_refused():
        read_raster(path)


class reading_or_refused:
    """Either it is read, or it is refused with an error that is meant for people."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, HeliopolisError)
