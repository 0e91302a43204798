from __future__ import annotations

import csv
from importlib.resources import files

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from heliopolis.errors import InputError
from heliopolis.variables import band_fields, codes, conform, layer_fields, layers, variables

CONTRACT = {
    "hot_zones": "zone_id area_m2 lst_mean_c lst_max_c anomaly_mean_c anomaly_sd_c gi_z q_value "
    "confidence persistence n_obs ndvi_mean albedo_mean built_share water_share plantable_m2 "
    "priority rank",
    "places": "place_id name kind lst_mean_c anomaly_mean_c hot_share ndvi_mean rank_in_kind "
    "percentile_in_kind",
    "buildings": "building_id source footprint_m2 height_m quality lst_mean_c lst_p90_c anomaly_c "
    "lst_sd_c zone_id usable_m2 capacity_kwp energy_kwh_year_p50 energy_kwh_year_p90 "
    "specific_yield_kwh_kwp shading_loss existing_pv co2_kg_year co2_method best_use "
    "peer_percentile",
    "roof_planes": "plane_id building_id tilt_deg azimuth_deg area_m2 footprint_m2 usable_m2 "
    "height_m fit_rms_m poa_kwh_m2_year energy_kwh_year_p50 energy_kwh_year_p90 n_panels "
    + " ".join(f"energy_kwh_month_{m:02d}" for m in range(1, 13)),
    "fields": "layer field unit source",
}


@pytest.mark.parametrize("layer", CONTRACT)
def test_the_output_contract_is_declared(layer):
    assert set(CONTRACT[layer].split()) <= set(layer_fields(layer))


@pytest.mark.parametrize("one", variables(), ids=lambda v: f"{v.layer}.{v.field}")
def test_every_variable_is_documented_in_both_languages(one):
    for text in (one.alias_en, one.alias_fr, one.meaning_en, one.meaning_fr, one.source):
        assert text.strip()
    assert one.dtype in ("text", "int", "float", "bool")
    assert bool(one.unit) == (one.dtype in ("int", "float"))
    if one.minimum is not None and one.maximum is not None:
        assert one.minimum < one.maximum
    if one.unit not in ("", "1", "year") and one.kind == "table":
        assert "[" in one.alias_en or one.unit == "%"


def test_no_variable_is_declared_twice():
    keys = [(v.kind, v.layer, v.field) for v in variables()]
    assert len(keys) == len(set(keys))


def test_bands_of_the_composite_are_declared():
    names = {"lst_median_c", "lst_sd_c", "anomaly_c", "n_obs", "effective_resolution_m"}
    assert names <= set(band_fields("lst.tif"))


def points(**columns):
    shapes = [shapely.Point(0, i) for i in range(2)]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:2154")


def test_conform_adds_orders_and_casts():
    made = conform("buildings", points(n_panels=[3.0, np.nan], building_id=[7.0, 8.0]))
    assert list(made.columns) == [*layer_fields("buildings"), "geometry"]
    assert made["building_id"].tolist() == ["7", "8"]
    assert made["n_panels"].isna().tolist() == [False, True]
    assert made["existing_pv"].isna().all()
    assert str(made["n_panels"].dtype) == "Int64"


def test_conform_refuses_an_undocumented_column_by_name():
    with pytest.raises(InputError, match="undocumented column secret_score"):
        conform("buildings", points(secret_score=[1, 2]))


def test_conform_refuses_values_out_of_range_and_of_the_wrong_kind():
    with pytest.raises(InputError, match="shading_loss"):
        conform("buildings", points(shading_loss=[0.5, 1.5]))
    with pytest.raises(InputError, match="height_m does not hold float"):
        conform("buildings", points(height_m=["high", "low"]))
    with pytest.raises(InputError, match="n_panels"):
        conform("buildings", points(n_panels=[1.5, 2.0]))


def test_infinity_becomes_null_and_nothing_becomes_minus_9999():
    made = conform("buildings", points(specific_yield_kwh_kwp=[np.inf, 900.0]))
    assert pd.isna(made["specific_yield_kwh_kwp"].iloc[0])


@pytest.mark.parametrize("layer", [name for name in layers() if name != "fields"])
def test_empty_layers_conform(layer):
    made = conform(layer, gpd.GeoDataFrame(geometry=[], crs="EPSG:2154"))
    assert made.empty
    assert list(made.columns)[:-1] == list(layer_fields(layer))


def test_codes_are_told_in_both_languages_and_belong_to_declared_fields() -> None:
    rows = list(csv.DictReader(files("heliopolis").joinpath("codes.csv").open(encoding="utf-8")))
    declared = {one.field for one in variables()}
    assert {row["field"] for row in rows} <= declared
    for row in rows:
        assert row["en"]
        assert row["fr"]
        assert row["en"] != row["fr"]
    assert codes("buildings", "best_use", "fr")["pv"] == "panneaux"
    assert set(codes("zone_changes", "change", "en")) == {"new", "vanished", "changed"}
    assert codes("fields", "source", "en") == {} == codes("buildings", "area_m2", "en")
