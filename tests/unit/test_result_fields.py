"""What lies in the files of a run is explained in them: every column and every band."""

from __future__ import annotations

from pathlib import Path

import pyogrio
import pytest
import rasterio

from heliopolis.variables import band_fields

GEOPACKAGES = ("hot_zones.gpkg", "rooftop_pv.gpkg")
#: Written by QGIS's rules, not ours.
FOREIGN = {"layer_styles"}


@pytest.mark.parametrize("name", GEOPACKAGES)
def test_every_column_of_every_layer_is_in_fields_with_unit_and_both_languages(
    small_results: Path, name: str
) -> None:
    file = small_results / name
    told = pyogrio.read_dataframe(file, layer="fields").set_index(["layer", "field"])
    assert told.index.is_unique
    written = set()
    for layer in (str(row[0]) for row in pyogrio.list_layers(file)):
        if layer in FOREIGN:
            continue
        info = pyogrio.read_info(file, layer=layer)
        for field, dtype in zip(info["fields"], info["dtypes"], strict=True):
            written.add((layer, field))
            assert (layer, field) in told.index, f"{layer}.{field} is not documented"
            row = told.loc[(layer, field)]
            for column in ("meaning_en", "meaning_fr", "source"):
                assert str(row[column] or "").strip(), f"{layer}.{field} has no {column}"
            is_number = dtype not in ("object", "bool")
            assert bool(row["unit"]) == is_number, f"{layer}.{field}: unit {row['unit']!r}"
    assert set(told.index) == written


@pytest.mark.parametrize("pattern", ["lst.tif", "scenes/*/lst.tif"])
def test_every_band_has_a_name_a_unit_statistics_and_both_languages(
    small_results: Path, pattern: str
) -> None:
    known = band_fields(pattern.replace("/*", ""))
    files = sorted(small_results.glob(pattern))
    assert files
    for file in files:
        with rasterio.open(file) as source:
            for index, (name, unit) in enumerate(
                zip(source.descriptions, source.units, strict=True), start=1
            ):
                assert name in known, f"{file.name}: band {name} is not documented"
                assert unit == known[name].unit
                assert known[name].meaning_en
                assert known[name].meaning_fr
                tags = source.tags(index)
                assert {"STATISTICS_MINIMUM", "STATISTICS_MAXIMUM"} <= set(tags), name
