"""Step from the scenes' sharpened temperatures to the composite of the hot season."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr

from heliopolis.config import Heat, Period, Thermal
from heliopolis.errors import NoDataError
from heliopolis.io.raster import band_names, read_onto, read_tags, write_cog
from heliopolis.steps.optical import options_grid as grid_of
from heliopolis.steps.thermal import untrusted_band
from heliopolis.thermal import composite as compositing
from heliopolis.thermal import optical as indices
from heliopolis.thermal.planck import ZERO_C_K

#: Share of bare ground above which a pixel counts as built where only NDVI is known.
_BARE_SHARE = 0.7
_CHUNK = 1024


def composite(
    *,
    lsts: list[Path],
    reports: list[Path],
    optical: Path | None,
    lst: Path,
    options: dict[str, Any],
) -> None:
    """Composite of the scenes that are clear enough, of one time of day.

    ``reports`` name the scenes' sharpening reports; what is used of them stands in the tags
    of ``lsts`` as well. With ``time_of_day: both`` the main bands are those of the day, and
    night gets bands of its own.
    """
    thermal = Thermal.model_validate(options["thermal"])
    heat = Heat.model_validate(options["heat"])
    period = Period.model_validate(options["period"])
    grid = grid_of(options)
    told = {path: read_tags(path) for path in lsts}
    used, left_out = _chosen(told, thermal, period)
    wanted = ("day", "night") if period.time_of_day == "both" else (period.time_of_day,)
    groups = {w: [p for p in used if told[p].get("overpass", "day") == w] for w in wanted}
    groups = {name: paths for name, paths in groups.items() if paths}
    if not groups:
        raise NoDataError(
            "no scene is clear enough for a composite: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items()),
            where="thermal",
            remedy="Widen period or its months, or lower thermal.min_clear_share",
        )
    mask, description = _reference(optical, grid, heat)
    bands: dict[str, xr.DataArray] = {}
    tags: dict[str, str] = {}
    for index, (name, paths) in enumerate(groups.items()):
        made, level_c, spread = _one_composite(paths, told, mask, grid)
        suffix = "" if index == 0 else f"_{name}"
        bands |= {f"{band}{suffix}": array for band, array in made.items()}
        tags |= {
            f"dates{suffix}": ",".join(told[p]["acquired"] for p in paths),
            f"scenes{suffix}": ",".join(told[p]["scene"] for p in paths),
            f"reference_mean_c{suffix}": f"{level_c:.3f}",
            f"date_spread_k{suffix}": spread,
            f"time_of_day{suffix}": name,
        }
    tags |= {
        "reference": description,
        "left_out": json.dumps(left_out),
        "sensors": ",".join(sorted({told[p]["sensor"] for p in used})),
        "simulated": str(any(told[p].get("simulated") == "true" for p in used)).lower(),
    }
    write_cog(lst, xr.Dataset(bands), tags=tags)


def _chosen(
    told: Mapping[Path, Mapping[str, str]], thermal: Thermal, period: Period
) -> tuple[list[Path], dict[str, str]]:
    """Scenes that enter the composite, by time; and why the others do not."""
    used, left_out = [], {}
    for path, tags in told.items():
        share = float(tags["clear_share"])
        overpass = tags.get("overpass", "day")
        if tags["sensor"] not in thermal.composite_sensors:
            left_out[tags["scene"]] = f"sensor {tags['sensor']} is delivered by scene only"
        elif period.time_of_day not in ("both", overpass):
            left_out[tags["scene"]] = f"overpass at {overpass}"
        elif share < thermal.min_clear_share:
            left_out[tags["scene"]] = (
                f"clear over {share:.0%} of the area, less than {thermal.min_clear_share:.0%}"
            )
        else:
            used.append(path)
    return sorted(used, key=lambda p: (datetime.fromisoformat(told[p]["acquired"]),
                                       told[p]["scene"])), left_out  # fmt: skip


def _reference(optical: Path | None, grid: GeoBox, heat: Heat) -> tuple[xr.DataArray | None, str]:
    """Reference pixels and their description."""
    if heat.reference == "area_median":
        return None, "median of the whole area"
    names = band_names(optical) if optical is not None else []
    plants = [name for name in ("class_field", "class_forest") if name in names]
    if optical is None or not ("ndvi" in names or plants):
        return None, "median of the whole area (no vegetation index or class map was given)"
    wanted = [name for name in ("ndvi", "water", "built", *plants) if name in names]
    read = read_onto([optical], grid, bands=wanted)
    shape = (grid.shape[0], grid.shape[1])
    if "ndvi" in wanted:
        green = read["ndvi"].to_numpy() >= indices.VEGETATED_NDVI
    else:
        green = read[plants].to_array().sum("variable").to_numpy() >= 0.9
    water, built = (
        read[name].to_numpy() if name in wanted else np.zeros(shape) for name in ("water", "built")
    )
    if read_tags(optical).get("built_from") == "ndvi":
        # Ground without vegetation may be a field; only what is all bare counts as built.
        built = np.where(np.isfinite(built), built > _BARE_SHARE, np.nan)
    mask, text = compositing.vegetation_reference(green, water, built, grid.resolution.x)
    return (None if mask is None else wrap_xr(mask, grid)), text


def _one_composite(
    paths: Sequence[Path],
    told: Mapping[Path, Mapping[str, str]],
    mask: xr.DataArray | None,
    grid: GeoBox,
) -> tuple[dict[str, xr.DataArray], float, str]:
    dates = [read_onto([path], grid, chunks=_CHUNK) for path in paths]
    stack = xr.concat(
        [date.drop_vars(["untrusted", "flags"], errors="ignore") for date in dates], dim="time"
    )
    kelvin = stack["lst_c"] + ZERO_C_K
    levels = compositing.date_levels(kelvin, mask).compute()
    resolution = [float(told[path]["effective_resolution_m"]) for path in paths]
    made = compositing.composite(
        kelvin, None, resolution, mask, levels=levels,
        sd_random_k=stack["sd_random_k"], sd_scene_k=stack["sd_scene_k"],
        sd_systematic_k=stack["sd_systematic_k"],
        overpass=[told[path].get("overpass", "day") for path in paths],
    )  # fmt: skip
    bands = {
        "lst_median_c": _band(made["lst_median"] - ZERO_C_K, "degC",
                              "Median land surface temperature of the clear dates"),
        "lst_sd_c": _band(made["lst_sd"], "K", "1-sigma error of the median"),
        "anomaly_c": _band(made["anomaly"], "K", "Difference from the reference"),
        "n_obs": _band(made["n_obs"], "1", "Number of clear dates"),
        "effective_resolution_m": _band(made["effective_resolution"], "m",
                                        "Effective resolution, mean of the clear dates"),
        "persistence": _band(made["persistence"], "1",
                             "Share of clear dates hotter than one spatial standard deviation"),
        "anomaly_sd_c": _band(made["anomaly_sd"], "K", "1-sigma error of the difference"),
    }  # fmt: skip
    if any("untrusted" in date for date in dates):
        metal = [date["untrusted"] for date in dates if "untrusted" in date]
        bands["untrusted"] = untrusted_band(xr.concat(metal, dim="time").max("time"))
    level_c = float(levels["reference"].to_numpy()[0]) - ZERO_C_K
    return bands, level_c, ",".join(f"{value:.2f}" for value in levels["spread"].to_numpy())


def _band(array: xr.DataArray, units: str, long_name: str) -> xr.DataArray:
    array = array.drop_vars([name for name in ("time",) if name in array.coords])
    array.attrs = {"units": units, "long_name": long_name}
    return array
