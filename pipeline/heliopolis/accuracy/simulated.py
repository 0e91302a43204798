"""Scores of a run on the simulated city, from its own outputs, against the city's truth."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.accuracy.planes import interval_cover
from heliopolis.accuracy.reference_yield import Surface, specific_yield
from heliopolis.accuracy.sharpening_city import score_city
from heliopolis.accuracy.uncertainty import run_coverage
from heliopolis.errors import InputError
from heliopolis.io.raster import geobox_of, read_onto, read_raster, read_tags
from heliopolis.io.vector import read_layer
from heliopolis.io.weather import read_weather
from heliopolis.solar.uncertainty import light_sigma
from heliopolis.steps.roof_prior import MIN_PEERS, measured_roofs, prior_of

#: What a run has to reach; printed beside the figures. ``lst_rmse_k`` is that of the map that
#: the run delivers, ``lst.tif``: a median, compared pixel by pixel at 10 m with the median of the
#: true fields of the same dates.
BARS = {
    "lst_rmse_k": ("<=", 2.0),
    "hot_zone_iou": (">=", 0.5),
    "tilt_error_median_deg": ("<=", 3.0),
    "azimuth_error_median_deg": ("<=", 10.0),
    "yield_error_median": ("<=", 0.1),
}


def score_simulated(results: Path, data: Path) -> dict[str, Any]:
    """All scores; a half that the run has not made is left out."""
    truth = data / "truth"
    if not truth.is_dir():
        raise InputError(
            "there is no truth to compare with",
            where=str(truth),
            remedy="Make the city with heliopolis simulate --out DIR",
        )
    found: dict[str, Any] = {}
    if (results / "lst.tif").exists():
        found |= score_heat(results, truth)
    if (results / "work" / "optical.tif").exists():
        found["sharpening"] = score_city(results, data)
    if (results / "rooftop_pv.gpkg").exists():
        found |= score_roofs(results, data)
    if not found:
        raise InputError(
            "no result of a run was found",
            where=str(results),
            remedy="Run the simulated city first: make demo",
        )
    return found


def _rmse(error: Any) -> float:
    values = np.asarray(error, dtype=float)
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2)))


def score_heat(results: Path, truth: Path) -> dict[str, Any]:
    """Errors of the maps [K] and of the zones, and how many pixels one sigma covers."""
    by_scene, covered = {}, []
    for file in sorted(results.glob("scenes/*/lst.tif")):
        scene = read_raster(file, ["lst_c", "lst_sd_c"])
        error = (scene["lst_c"] - _true_scene(truth, file.parent.name, geobox_of(scene))).values
        if np.isfinite(error).mean() > 0.1:
            by_scene[file.parent.name] = round(_rmse(error), 3)
            if file.parent.name.startswith("L"):
                covered.append(_within(error, scene["lst_sd_c"].values))
    composite = read_raster(results / "lst.tif")
    dates = read_tags(results / "lst.tif")["scenes"].split(",")
    grid = geobox_of(composite)
    true = np.median([_true_scene(truth, name, grid).values for name in dates], axis=0)
    error = composite["lst_median_c"].values - true
    landsat = [value for name, value in by_scene.items() if name.startswith("L")]
    return {
        "lst_rmse_k": round(_rmse(error), 3),
        "lst_bias_k": round(float(np.nanmean(error)), 3),
        "lst_within_1_sigma": round(_within(error, composite["lst_sd_c"].values), 3),
        "lst_dates": len(dates),
        "scene_rmse_mean_k": round(float(np.mean(landsat)), 3),
        "scene_within_1_sigma": round(float(np.mean(covered)), 3),
        "scene_rmse_k": by_scene,
        "hot_zone_iou": round(_zone_iou(results, truth), 3),
        "lst_by_land_class": run_coverage(results, truth.parent),
    }


def _true_scene(truth: Path, name: str, grid: GeoBox) -> xr.DataArray:
    return read_onto([truth / "scenes" / f"{name}_lst.tif"], grid)["lst_c"]


def _within(error: Any, sigma: Any) -> float:
    known = np.isfinite(error)
    return float(np.mean(np.abs(error[known]) <= sigma[known]))


def _zone_iou(results: Path, truth: Path) -> float:
    from rasterio.features import geometry_mask

    hot = read_raster(truth / "hot_zones.tif")
    grid = geobox_of(hot)
    zones = read_layer(results / "hot_zones.gpkg", "hot_zones", crs=str(grid.crs))
    true = hot["hot"].values > 0.5
    if zones.empty:
        return 0.0 if true.any() else 1.0
    found = geometry_mask(zones.geometry, grid.shape, grid.affine, invert=True)
    return float((found & true).sum() / (found | true).sum())


def score_roofs(results: Path, data: Path) -> dict[str, Any]:
    """Errors of buildings, planes (deg, shares) and yields, and the cover of their intervals."""
    file = data / "truth" / "truth.gpkg"
    buildings = read_layer(results / "rooftop_pv.gpkg", "buildings")
    planes = read_layer(results / "rooftop_pv.gpkg", "roof_planes")
    true_buildings = read_layer(file, "buildings", crs=str(buildings.crs))
    if "in_core" in true_buildings:
        true_buildings = true_buildings[true_buildings["in_core"].astype(bool)]
    true_planes = read_layer(file, "roof_planes", crs=str(buildings.crs))
    outlines = results / "work" / "roofs" / "outlines.gpkg"
    scores = {f"building_{k}": v for k, v in detection(buildings, true_buildings).items()}
    if outlines.exists():
        found = read_layer(outlines, "outlines", crs=str(buildings.crs))
        scores |= {f"net_{k}": v for k, v in detection(found, true_buildings).items()}
    pairs = match_planes(planes, true_planes)
    return {
        **scores,
        **_plane_errors(pairs, len(true_planes)),
        **_yields(pairs, data),
        **prior_errors(planes, buildings),
    }


def detection(
    found: gpd.GeoDataFrame, true: gpd.GeoDataFrame, least_iou: float = 0.5
) -> dict[str, float]:
    """Precision, recall and F1 of outlines; a match overlaps by at least ``least_iou``.

    Matching is one to one, best overlap first.
    """
    left, right = found.geometry.to_numpy(), true.geometry.to_numpy()
    i, j = shapely.STRtree(right).query(left, predicate="intersects")
    shared = shapely.area(shapely.intersection(left[i], right[j]))
    iou = shared / (shapely.area(left[i]) + shapely.area(right[j]) - shared)
    used_left: set[int] = set()
    used_right: set[int] = set()
    for k in np.argsort(-iou):
        if iou[k] < least_iou:
            break
        if i[k] not in used_left and j[k] not in used_right:
            used_left.add(i[k])
            used_right.add(j[k])
    hits = len(used_left)
    precision, recall = hits / max(len(left), 1), hits / max(len(right), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


def match_planes(planes: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> pd.DataFrame:
    """Pairs of a plane and the true plane that it shares most of its area with."""
    left, right = planes.geometry.to_numpy(), true.geometry.to_numpy()
    i, j = shapely.STRtree(right).query(left, predicate="intersects")
    pairs = pd.DataFrame(
        {"i": i, "j": j, "shared_m2": shapely.area(shapely.intersection(left[i], right[j]))}
    )
    pairs = pairs[pairs["shared_m2"] > 0.3 * shapely.area(left[pairs["i"]])]
    pairs = pairs.sort_values("shared_m2", ascending=False).drop_duplicates("i")
    here = planes.drop(columns="geometry").iloc[pairs["i"]].reset_index(drop=True)
    there = true.drop(columns="geometry").iloc[pairs["j"]].reset_index(drop=True)
    middle = gpd.GeoSeries(left[pairs["i"]]).representative_point()
    pairs = pd.concat([pairs.reset_index(drop=True), here, there.add_prefix("true_")], axis=1)
    pairs["x"], pairs["y"] = middle.x.to_numpy(), middle.y.to_numpy()
    return pairs


def _plane_errors(pairs: pd.DataFrame, count: int) -> dict[str, float]:
    tilt = (pairs["tilt_deg"] - pairs["true_tilt_deg"]).abs()
    pitched = (pairs["tilt_deg"] >= 5) & (pairs["true_tilt_deg"] >= 5)
    turn = (pairs["azimuth_deg"] - pairs["true_azimuth_deg"])[pitched]
    turn = ((turn + 180) % 360 - 180).abs()
    lost = pairs["area_m2"] - pairs["true_area_m2"]
    area = pairs["area_m2"] / pairs["true_area_m2"] - 1
    return {
        "plane_recall": round(pairs["j"].nunique() / max(count, 1), 3),
        "tilt_error_median_deg": round(float(tilt.median()), 3),
        "tilt_error_p90_deg": round(float(tilt.quantile(0.9)), 3),
        "azimuth_error_median_deg": round(float(turn.median()), 3),
        "azimuth_error_p90_deg": round(float(turn.quantile(0.9)), 3),
        "plane_area_error_median": round(float(area.abs().median()), 3),
        "tilt_p10_p90_cover": _cover(tilt, pairs["tilt_sd_deg"]),
        "azimuth_p10_p90_cover": _cover(turn, pairs["azimuth_sd_deg"][pitched]),
        "area_p10_p90_cover": _cover(lost, pairs["area_sd_m2"]),
    }


def prior_errors(planes: gpd.GeoDataFrame, buildings: gpd.GeoDataFrame) -> dict[str, float]:
    """How well roofs without heights would be told from the others of the run.

    Each measured roof in turn is taken for one without heights; its energy as modelled from its
    heights is the truth here, so that weather and model, which both share, count on one side only.
    """
    footprint = pd.Series(
        buildings.geometry.area.to_numpy(), index=buildings["building_id"].astype(str)
    )
    peers = measured_roofs(planes[planes["quality"] != "BASE"], footprint)
    if len(peers) <= MIN_PEERS:
        return {}
    area = peers["footprint_m2"].to_numpy()
    prior = prior_of(area, peers, leave_out=True)
    true = peers["energy_kwh_year_p50"].to_numpy() * area
    low, middle, high = (prior[f"energy_kwh_year_{name}"] for name in ("p90", "p50", "p10"))
    return {
        "prior_roofs": len(peers),
        "prior_p10_p90_cover": round(float(np.mean((true >= low) & (true <= high))), 3),
        "prior_total_over_modelled": round(float(middle.sum() / true.sum()), 3),
    }


def _cover(error: pd.Series, sd: pd.Series) -> float:
    return interval_cover(error.to_numpy(dtype=float), sd.to_numpy(dtype=float))


def _yields(pairs: pd.DataFrame, data: Path) -> dict[str, float]:
    dsm = read_raster(data / "truth" / "dsm_truth.tif", ["dsm_m"])
    grid = geobox_of(dsm)
    box = grid.boundingbox
    surface = Surface(dsm["dsm_m"].values, box.left, box.top, float(grid.resolution.x))
    pairs = pairs[pairs["poa_kwh_m2_year"].notna()].copy()
    true = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(pairs["x"], pairs["y"]), crs=str(grid.crs)
    ).to_crs("EPSG:4326")
    pairs["z"] = pairs["true_a"] * pairs["x"] + pairs["true_b"] * pairs["y"] + pairs["true_c"]
    pairs = pairs.assign(tilt_deg=pairs["true_tilt_deg"], azimuth_deg=pairs["true_azimuth_deg"])
    weather = read_weather(data / "weather.csv").data
    reference = specific_yield(
        pairs,
        surface,
        weather,
        latitude=float(true.geometry.y.mean()),
        longitude=float(true.geometry.x.mean()),
        losses=_LOSSES,
        inverter_efficiency=0.96,
        module="huld",
    )
    poa = pairs["poa_kwh_m2_year"] / reference["poa_kwh_m2_year"] - 1
    pitched = pairs["true_tilt_deg"] >= 5
    energy = (pairs["specific_yield_kwh_kwp"] / reference["specific_yield_kwh_kwp"] - 1)[pitched]
    energy = energy[np.isfinite(energy)]
    return {
        "poa_error_median": round(float(poa.abs().median()), 4),
        "yield_error_median": round(float(energy.abs().median()), 4),
        "yield_bias_median": round(float(energy.median()), 4),
        "yield_planes": len(energy),
        **_coverage(pairs.loc[energy.index], energy),
    }


def _coverage(pairs: pd.DataFrame, energy: pd.Series) -> dict[str, float]:
    """Share of planes whose true yield lies from P10 to P90 of their geometry and shade.

    Of the buildings on which `light_sigma` was not found, and of all.
    """
    inside = energy.abs() <= _P90 * light_sigma(pairs["shading_loss"].to_numpy(dtype=float))
    other = [zlib.crc32(str(name).encode()) % 2 == 1 for name in pairs["building_id"]]
    return {
        "yield_p10_p90_cover": round(float(inside[other].mean()), 3),
        "yield_p10_p90_cover_all": round(float(inside.mean()), 3),
    }


#: 0.9 quantile of the normal distribution.
_P90 = 1.2816
#: The losses of the default configuration, multiplied.
_LOSSES = 1 - float(np.prod([1 - x / 100 for x in (2, 0, 2, 2, 0.5, 1.5, 1, 3)]))
