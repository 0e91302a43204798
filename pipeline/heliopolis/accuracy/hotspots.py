"""Score of the hot zones against the land cover of a real city."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from odc.geo.geobox import GeoBox
from scipy import ndimage

from heliopolis.errors import InputError
from heliopolis.heat.actions import explain
from heliopolis.heat.cells import block_mean
from heliopolis.heat.coverage import coverage
from heliopolis.heat.outlines import outlines
from heliopolis.heat.zone_ids import zone_ids
from heliopolis.heat.zone_labels import hot_ground
from heliopolis.io.raster import geobox_of, raster_grid, read_onto, read_raster
from heliopolis.io.vector import read_layer

Array = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_FOLDER = Path("satellite/muenster-landsat-st")
_CLASS_MAP = "Klassifikation_rf.tif"
_CLASSES = {"built": 1, "water": 2, "forest": 3, "field": 4}
#: The built-up core: the largest 8-connected group of cells of this size [m] that are built up
#: over at least this share.
CORE_CELL_M, CORE_SHARE = 100.0, 0.5
#: Zones of a subset of dates: as in the workflow by default.
_DISTANCE_M, _ALPHA, _MIN_ZONE_M2 = 300.0, 0.05, 20_000.0


def score_muenster(results_dir: Path, data_dir: Path) -> dict[str, Any]:
    """Compare the hot zones of a run over Muenster with the class map.

    Parameters
    ----------
    results_dir
        Results of the run: ``hot_zones.gpkg``, ``lst.tif``, ``scenes/*/lst.tif``.
    data_dir
        Root of the real data.

    Returns
    -------
    dict
        ``zone_share_<class>`` and ``area_share_<class>``: share of the zones' and of the whole
        map's ground; ``built_enrichment``: their ratio for built-up land; ``core_covered``: share
        of the built-up core (the largest group of adjoining 100 m cells that are at least half
        built up) in zones; ``lst_mean_c_<class>``; ``n_zones``, ``zone_km2``,
        ``odd_even_iou``: zones of the odd against those of the even dates (None with fewer than
        four dates); ``ids_kept``: of the zones that lie mostly on the ground of the zones of all
        dates but the last, share with the identifier of one of these;
        ``zones_absorbed_by_others``: of ``zones_before``, those that grew into another.
    """
    grid = raster_grid(results_dir / "lst.tif")
    path = data_dir / _FOLDER / _CLASS_MAP
    if not path.exists():
        raise InputError("the class map is not there", where=str(path), remedy="Check --data")
    codes = read_onto([path], grid)["band_1"].to_numpy()
    lst = read_raster(results_dir / "lst.tif", ["lst_median_c"])["lst_median_c"].to_numpy()
    known = np.isfinite(lst) & np.isin(codes, list(_CLASSES.values()))
    zones = read_layer(results_dir / "hot_zones.gpkg", "hot_zones", crs=str(grid.crs))
    shape = (grid.height, grid.width)
    inside = coverage(zones.geometry, shape, grid.affine).union_share() * known
    scores: dict[str, Any] = {
        "n_zones": len(zones),
        "zone_km2": round(float(zones.area.sum()) / 1e6, 3),
    }
    for name, code in _CLASSES.items():
        own = known & (codes == code)
        scores[f"zone_share_{name}"] = _ratio(inside[own].sum(), inside.sum())
        scores[f"area_share_{name}"] = _ratio(own.sum(), known.sum())
        scores[f"lst_mean_c_{name}"] = round(float(lst[own].mean()), 2) if own.any() else None
    built, area = scores["zone_share_built"], scores["area_share_built"]
    scores["built_enrichment"] = _ratio(built, area) if built is not None and area else None
    core = built_core((codes == _CLASSES["built"]) & known, known, grid)
    scores["core_covered"] = _ratio((inside * core).sum(), (core & known).sum())
    scores["odd_even_iou"] = _odd_even(results_dir, grid, codes == _CLASSES["water"])
    scores |= _one_more_date(results_dir, grid, codes == _CLASSES["water"])
    return scores


def score_simulated_zones(results_dir: Path, data_dir: Path) -> dict[str, Any]:
    """What the statistics of the zones cost, and what the temperature map does.

    Returns
    -------
    dict
        ``zone_iou``: zones of the run against the truth's; ``zone_iou_of_true_field``: zones found
        in the true anomaly by the same statistics; ``drivers`` and ``drivers_of_true_field``:
        effects on the anomaly of the run and on the true one, of all cells, for one unit [K];
        ``drivers_of_one_deviation_k`` and so on: for one standard deviation of the driver;
        ``drivers_agree``: whether signs, and the order of the latter, are the same.
    """
    truth = read_raster(data_dir / "truth" / "hot_zones.tif", ["hot"])
    grid = geobox_of(truth)
    hot = truth["hot"].to_numpy() > 0.5
    path = data_dir / "truth" / "lst_summer.tif"
    anomaly = read_onto([path], grid, bands=["anomaly_c"])["anomaly_c"].to_numpy()
    found = _field_zones(anomaly, grid) > 0
    zones = read_layer(results_dir / "hot_zones.gpkg", "hot_zones", crs=str(grid.crs))
    ours = coverage(zones.geometry, hot.shape, grid.affine).union_share() > 0.5
    names = ["ndvi", "albedo", "water", "built"]
    optical = read_onto([results_dir / "work" / "optical.tif"], grid, bands=names)
    map_k = read_onto([results_dir / "lst.tif"], grid, bands=["anomaly_c"])["anomaly_c"].to_numpy()
    effects: list[dict[str, float]] = []
    sized: list[dict[str, float]] = []
    for field in (map_k, anomaly):
        fields: dict[str, Any] = {name: optical[name].to_numpy() for name in names}
        fields["anomaly_c"] = np.where(fields["water"] > 0.5, np.nan, field)
        ground = explain(fields, factor=10, pixel_m=abs(grid.resolution.x))
        model = ground.models[-1] if ground is not None else None
        effects.append({} if model is None else dict(
            zip(model.names, model.effects.round(2).tolist(), strict=True)))  # fmt: skip
        sized.append({} if model is None else
                     {name: round(one, 2) for name, one in model.importance.items()})  # fmt: skip
    signs = [{name: np.sign(value) for name, value in one.items()} for one in effects]
    return {
        "zone_iou": _ratio((ours & hot).sum(), (ours | hot).sum()),
        "zone_iou_of_true_field": _ratio((found & hot).sum(), (found | hot).sum()),
        "drivers": effects[0],
        "drivers_of_true_field": effects[1],
        "drivers_of_one_deviation_k": sized[0],
        "drivers_of_one_deviation_of_true_field_k": sized[1],
        "drivers_agree": list(sized[0]) == list(sized[1]) and signs[0] == signs[1],
    }


def _ratio(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), 4) if float(whole) > 0 else None


def built_core(built: Mask, known: Mask, grid: GeoBox) -> Mask:
    """The largest dense built-up group: see `CORE_CELL_M` and `CORE_SHARE`; dims (y, x)."""
    factor = max(1, round(CORE_CELL_M / abs(grid.resolution.x)))
    share = block_mean(np.where(known, built, np.nan), factor)
    with np.errstate(invalid="ignore"):
        labels, count = ndimage.label(share >= CORE_SHARE, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros(built.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    core = np.repeat(np.repeat(labels == sizes.argmax(), factor, axis=0), factor, axis=1)
    return np.asarray(core[: built.shape[0], : built.shape[1]])


def _dates(results_dir: Path) -> list[Path]:
    return sorted(results_dir.glob("scenes/*/lst.tif"), key=_date)


def _odd_even(results_dir: Path, grid: GeoBox, water: Mask) -> float | None:
    """Intersection over union of the zones of every other date."""
    files = _dates(results_dir)
    if len(files) < 4:
        return None
    first, second = (_zones_of(files[start::2], grid, water) > 0 for start in (0, 1))
    return _ratio((first & second).sum(), (first | second).sum())


def _one_more_date(results_dir: Path, grid: GeoBox, water: Mask) -> dict[str, Any]:
    """Identifiers of the zones of all dates, matched to those of all but the last."""
    files = _dates(results_dir)
    if len(files) < 4:
        return {}
    before, after = (
        outlines(_zones_of(one, grid, water), grid.affine) for one in (files[:-1], files)
    )
    old = gpd.GeoDataFrame({"zone_id": zone_ids(before)}, geometry=before, crs=str(grid.crs))
    names = zone_ids(after, old)
    ground = shapely.union_all(np.array(before))
    shared = [one.intersection(ground).area >= 0.5 * one.area for one in after]
    kept = [name in set(old["zone_id"]) for name, on in zip(names, shared, strict=True) if on]
    now = shapely.union_all(np.array(after))
    gone = [
        name not in names and shape.intersection(now).area >= 0.5 * shape.area
        for name, shape in zip(old["zone_id"], before, strict=True)
    ]
    return {"ids_kept": _ratio(sum(kept), len(kept)), "zones_before": len(before),
            "zones_absorbed_by_others": int(sum(gone))}  # fmt: skip


def _date(path: Path) -> tuple[str, str]:
    """Date in the name of a Landsat product, and the name."""
    parts = path.parent.name.split("_")
    return (parts[3] if len(parts) > 3 else "", path.parent.name)


def _zones_of(files: list[Path], grid: GeoBox, water: Mask) -> npt.NDArray[np.int32]:
    """Labels of the zones of the dates' median anomaly, each from its own median."""
    fields = []
    for file in files:
        one = read_onto([file], grid, bands=["lst_c"])["lst_c"].to_numpy()
        one[water] = np.nan
        if np.isfinite(one).any():
            fields.append(one - np.nanmedian(one))
    stack = np.stack(fields)
    gap = ~np.isfinite(stack).any(axis=0)
    stack[:, gap] = 0.0
    return _field_zones(np.where(gap, np.nan, np.nanmedian(stack, axis=0)), grid)


def _field_zones(field: Array, grid: GeoBox) -> npt.NDArray[np.int32]:
    """Labels of the zones of a field, as the run finds them by default."""
    pixel_m = abs(grid.resolution.x)
    found = hot_ground(
        field,
        pixel_m=pixel_m,
        factor=max(1, round(CORE_CELL_M / pixel_m)),
        distance_m=_DISTANCE_M,
        resolution_m=CORE_CELL_M,
        alpha=_ALPHA,
        min_area_m2=_MIN_ZONE_M2,
    )
    return found.labels
