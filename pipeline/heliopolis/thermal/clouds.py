"""Clear pixels over cities: the provider's mask, grown, without the roofs it takes for cloud.

Masks of cloud are made of brightness and colour first, so large bright roofs are masked on every
date, and the hottest and the coolest roofs of a city are lost. Two things tell a roof from a
cloud: a cloud's top is colder than the clear ground around it, and a cloud is not there on the
other dates (Zhu & Woodcock 2014, doi:10.1016/j.rse.2014.06.012, use time in the same way). Both
have to speak for the roof, and nothing near it for a cloud, before a pixel is given back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.quality import dilate_m, near
from heliopolis.thermal.lattice import lattice

Array = NDArray[Any]
#: Growth of cloud and shadow [m]: the thin rim that masks miss, and the 100 m thermal pixel that
#: looks into a cloud beside it. Not less than the 3 pixels of 30 m of the Landsat product.
GROW_M = 150.0
#: A static bright surface reflects at least this much in the visible (1).
BRIGHT = 0.15
#: Colder than the clear median by more than this many standard deviations is a cloud's top.
COLD_SPREADS = 1.0
#: A cloud adds more than this many spreads of the place to its reflectance, within these limits
#: (1): where clouds of other dates have widened the spread, it is not to excuse a cloud.
STATIC_SPREADS, STATIC_STEP, STATIC_MOST = 3.0, 0.05, 0.08
#: Pixels with a cloud's signs keep masked what is masked around them, as far as this [m].
GUARD_M = 150.0
#: Of the masked pixels within `SUPPORT_M` at least this share must pass.
SUPPORT_SHARE, SUPPORT_M = 0.5, 60.0
#: Dates that the static brightness needs.
MIN_DATES = 3
#: Heights of cloud whose shadows are looked for [m], and what a shadow takes from the brightness.
CLOUD_HEIGHTS_M = (300.0, 6000.0)
SHADOW_DIMS_TO = 0.8


def static_brightness(brightness: xr.DataArray, usable: xr.DataArray | None = None) -> xr.Dataset:
    """What a place looks like on most dates, masked as cloud or not.

    Parameters
    ----------
    brightness
        Visible reflectance of the *other* dates (time, y, x), such as the mean of blue, green and
        red.
    usable
        Where a date has data at all (bool); clouds stay in, because a roof that is taken for
        cloud is taken so on all dates.

    Returns
    -------
    Dataset
        ``level`` and ``spread`` (median, and 1.4826 times the median absolute deviation from
        it), ``n_dates``, dims (y, x). Right where less than half of the dates are cloudy.
    """
    if brightness.chunks is not None:
        brightness = brightness.chunk({"time": -1})
    seen = brightness if usable is None else brightness.where(usable)
    level = seen.median("time")
    spread = 1.4826 * abs(seen - level).median("time")
    count = seen.notnull().sum("time").astype("int16")
    return xr.Dataset({"level": level, "spread": spread, "n_dates": count})


def clear_level(lst_k: xr.DataArray, clear: xr.DataArray) -> xr.Dataset:
    """Median and robust standard deviation [K] of a date's clear ground: scalars, lazy if lazy."""
    values = xr.apply_ufunc(
        _level, lattice(lst_k), lattice(clear.astype(bool)),
        input_core_dims=[["y", "x"], ["y", "x"]], output_core_dims=[["what"]],
        dask="parallelized", output_dtypes=["float64"], join="override",
        dask_gufunc_kwargs={"output_sizes": {"what": 2}},
    )  # fmt: skip
    return xr.Dataset({"median": values.isel(what=0), "spread": values.isel(what=1)})


def _level(lst: Array, clear: NDArray[np.bool_]) -> Array:
    known = lst[clear & np.isfinite(lst)].astype("float64")
    if known.size == 0:
        return np.array([np.nan, np.nan])
    low, middle, high = np.quantile(known, (0.16, 0.5, 0.84))
    return np.array([middle, (high - low) / 2.0])


def recoverable(
    classes: xr.Dataset,
    lst_k: xr.DataArray,
    brightness: xr.DataArray,
    static: xr.Dataset,
    *,
    resolution_m: float,
    sun_elevation_deg: float | None = None,
    sun_azimuth_deg: float | None = None,
) -> xr.DataArray:
    """Pixels that the provider masks as cloud and that are roofs or bright ground (bool).

    Parameters
    ----------
    classes
        From `heliopolis.quality.landsat_classes` or the like (y, x).
    lst_k
        Surface or brightness temperature of the date, also under the mask [K] (y, x).
    brightness
        Visible reflectance of the date (y, x), as in ``static``.
    static
        Outcome of `static_brightness` of the other dates.
    resolution_m
        Cell size [m].
    sun_elevation_deg, sun_azimuth_deg
        Where given, a pixel stays masked if a real shadow lies where a cloud over the pixel would
        throw it: dark against its static brightness, and not that of a sure cloud.

    Notes
    -----
    A pixel passes if it is warm (not colder than the clear median by more than `COLD_SPREADS`
    spreads of the clear ground), bright on the other dates too, not brighter than then, and not
    cirrus. Pixels that are masked and fail by being cold or brighter than usual show a cloud:
    they keep what is masked within `GUARD_M`. The masked rim of a roof that passes, warm and
    unchanged but not bright, is given back with it. Bare metal that mirrors a cold sky looks cold
    and stays masked: it is lost rather than a cloud let through.
    """
    masked = classes["cloud"] & ~classes["missing"]
    level = clear_level(lst_k, ~(classes["cloud"] | classes["cirrus"] | classes["shadow"]
                                 | classes["missing"]))  # fmt: skip
    warm = lst_k >= level["median"] - COLD_SPREADS * level["spread"]
    tolerance = (STATIC_SPREADS * static["spread"]).clip(STATIC_STEP, STATIC_MOST)
    same = brightness - static["level"] <= tolerance
    roof_like = (static["level"] >= BRIGHT) & (static["n_dates"] >= MIN_DATES)
    passes = masked & warm & same & roof_like & ~classes["cirrus"]
    cloud_like = masked & (~(warm & same) | classes["cirrus"])
    if sun_elevation_deg is not None and sun_azimuth_deg is not None:
        dim = (brightness < SHADOW_DIMS_TO * static["level"]) & (static["n_dates"] >= MIN_DATES)
        known = throws_shadow(
            cloud_like,
            sun_elevation_deg=sun_elevation_deg,
            sun_azimuth_deg=sun_azimuth_deg + 180.0,
            resolution_m=resolution_m,
        )
        thrown = throws_shadow(
            classes["shadow"] & dim & ~known,
            sun_elevation_deg=sun_elevation_deg,
            sun_azimuth_deg=sun_azimuth_deg,
            resolution_m=resolution_m,
        )
        passes = passes & ~thrown
    guarded = dilate_m(cloud_like, GUARD_M, resolution_m)
    enough = _share_near(passes, masked, SUPPORT_M / resolution_m) >= SUPPORT_SHARE - 1e-6
    core = passes & enough & ~guarded
    rim = masked & warm & same & ~classes["cirrus"] & ~guarded
    return core | (rim & dilate_m(core, SUPPORT_M, resolution_m))


def throws_shadow(
    shadow: xr.DataArray,
    *,
    sun_elevation_deg: float,
    sun_azimuth_deg: float,
    resolution_m: float,
    heights_m: tuple[float, float] = CLOUD_HEIGHTS_M,
) -> xr.DataArray:
    """Whether one of the shadows (bool; y, x, north up) may be thrown by a cloud over the pixel.

    The shadow of a cloud of height h lies ``h / tan(elevation)`` away from the sun; heights
    between the two are tried in steps of a cell on the ground. False everywhere when the sun is
    lower than 10 degrees.
    """
    if sun_elevation_deg < 10.0:
        return xr.zeros_like(shadow, dtype=bool)
    reach = [h / math.tan(math.radians(sun_elevation_deg)) / resolution_m for h in heights_m]
    azimuth = math.radians(sun_azimuth_deg)
    # Towards the shadow: rows grow southwards, columns eastwards.
    down, right = math.cos(azimuth), -math.sin(azimuth)
    steps = np.arange(reach[0], reach[1] + 1.0)
    offsets = sorted({(round(down * step), round(right * step)) for step in steps})
    depth = max(max(abs(a), abs(b)) for a, b in offsets)

    def look(block: Array) -> Array:
        out = np.zeros(block.shape, dtype=bool)
        if block.any():
            rows, columns = block.shape
            for a, b in offsets:
                if abs(a) < rows and abs(b) < columns:
                    here = (slice(max(0, -a), rows - max(0, a)),
                            slice(max(0, -b), columns - max(0, b)))  # fmt: skip
                    there = (slice(max(0, a), rows + min(0, a)),
                             slice(max(0, b), columns + min(0, b)))  # fmt: skip
                    out[here] |= block[there]
        return out

    return near(shadow.astype(bool), depth, look, bool)


def _share_near(part: xr.DataArray, whole: xr.DataArray, radius: float) -> xr.DataArray:
    """Share of ``whole`` that is ``part`` in the square of that half side [cells]."""
    cells = max(1, round(radius))
    size = 2 * cells + 1

    def total(block: Array) -> Array:
        counts = ndimage.uniform_filter(block.astype("float64"), size=size, mode="constant")
        return np.asarray(np.rint(counts * size * size))

    some = near(whole.astype("int16"), cells, total, "float64")
    return near(part.astype("int16"), cells, total, "float64") / some.where(some > 0)


def city_clear(
    classes: xr.Dataset,
    *,
    resolution_m: float,
    grow_m: float = GROW_M,
    cloud_distance_km: xr.DataArray | None = None,
    recovered: xr.DataArray | None = None,
    keep_snow: bool = True,
) -> xr.Dataset:
    """Clear pixels of a date.

    Parameters
    ----------
    classes
        From `heliopolis.quality.landsat_classes` or the like (y, x).
    resolution_m
        Cell size [m].
    grow_m
        Clouds, cirrus and shadows are grown by this [m].
    cloud_distance_km
        The provider's distance to cloud [km] (ST_CDIST): closer than ``grow_m`` is masked too,
        which sees clouds outside of the window. A distance that a recovered roof explains does
        not count.
    recovered
        Outcome of `recoverable`.
    keep_snow
        Snow is clear for temperature, and is not for reflectance.

    Returns
    -------
    Dataset
        ``clear`` and ``recovered`` (bool), dims (y, x).
    """
    back = xr.zeros_like(classes["cloud"]) if recovered is None else recovered
    bad = (classes["cloud"] & ~back) | classes["cirrus"] | classes["shadow"]
    masked = dilate_m(bad, grow_m, resolution_m) | classes["missing"]
    if cloud_distance_km is not None:
        close = cloud_distance_km * 1000.0 < grow_m
        explained = dilate_m(back, grow_m + 2.0 * resolution_m, resolution_m)
        masked = masked | (close & ~explained)
    if not keep_snow:
        masked = masked | classes["snow"]
    return xr.Dataset({"clear": ~masked, "recovered": back & ~masked})


def clear_count(clear: xr.DataArray) -> xr.DataArray:
    """Number of clear dates of each pixel: (time, y, x) bool -> (y, x) int16."""
    count = clear.sum("time").astype("int16")
    count.attrs = {"units": "1", "long_name": "Number of clear dates"}
    return count
