"""Yearly irradiation of every cell of a surface model, on its own slope and in its own shade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange

from heliopolis.solar.horizon import ABOVE_ROOF_M, horizon_of_cells
from heliopolis.solar.irradiance import facade_light
from heliopolis.solar.sky import Sky, sky_view

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Patches of the sky in which the hours of a year are gathered: 5 by 2.5 deg.
_AZIMUTHS, _ELEVATIONS = 72, 36
#: Cells whose horizons are held in memory at one time.
_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class SunPatches:
    """Beam and circumsolar irradiation by the part of the sky that it comes from.

    Attributes
    ----------
    azimuth_deg, elevation_deg
        Energy-weighted mean direction, dims (patch,).
    energy_kwh_m2
        On the normal, in a mean year, dims (patch,).
    through_trees_kwh_m2
        The part of it that passes a tree, dims (patch,).
    """

    azimuth_deg: FloatArray
    elevation_deg: FloatArray
    energy_kwh_m2: FloatArray
    through_trees_kwh_m2: FloatArray


def sun_patches(sky: Sky, transmissivity: FloatArray | None = None) -> SunPatches:
    """Gather the daylight intervals of ``sky`` into patches of 5 by 2.5 deg.

    ``transmissivity`` is the share of light that passes a tree, dims (time,).
    """
    energy = sky.beam_normal * sky.hours / 1000.0
    elevation, azimuth = 90.0 - sky.zenith_deg, np.mod(sky.azimuth_deg, 360.0)
    up = (elevation > 0) & (energy > 0)
    column = np.floor(azimuth * _AZIMUTHS / 360.0).astype(int) % _AZIMUTHS
    row = np.clip(np.floor(elevation * _ELEVATIONS / 90.0).astype(int), 0, _ELEVATIONS - 1)
    patch = (row * _AZIMUTHS + column)[up]

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(patch, weights=values[up], minlength=_AZIMUTHS * _ELEVATIONS)

    a, e = np.radians(azimuth), np.radians(elevation)
    sums = total(energy)
    used = sums > 0
    east, north = total(energy * np.sin(a) * np.cos(e)), total(energy * np.cos(a) * np.cos(e))
    high = total(energy * np.sin(e))
    passed = total(energy * transmissivity) if transmissivity is not None else np.zeros_like(sums)
    return SunPatches(
        azimuth_deg=np.mod(np.degrees(np.arctan2(east, north)), 360.0)[used],
        elevation_deg=np.degrees(np.arctan2(high, np.hypot(east, north)))[used],
        energy_kwh_m2=sums[used],
        through_trees_kwh_m2=passed[used],
    )


def slopes(dsm: FloatArray, resolution_m: float) -> tuple[FloatArray, FloatArray]:
    """Tilt and azimuth [deg] of each cell from its neighbours, dims (y, x); NaN without them."""
    if min(dsm.shape) < 2:
        raise ValueError("a surface model needs two rows and two columns at least")
    down_south, down_east = np.gradient(dsm.astype(float), resolution_m)
    tilt = np.degrees(np.arctan(np.hypot(down_south, down_east)))
    return tilt, np.mod(np.degrees(np.arctan2(-down_east, down_south)), 360.0)


def annual_map(
    dsm: FloatArray,
    resolution_m: float,
    sky: Sky,
    *,
    directions: int = 36,
    max_distance_m: float | None = None,
    albedo: float = 0.2,
    facade_albedo: float = 0.0,
) -> FloatArray:
    """Irradiation of a mean year in the plane of each cell [kWh m-2], dims (y, x).

    See `irradiation_maps`.
    """
    return irradiation_maps(
        dsm,
        resolution_m,
        [sky],
        directions=directions,
        max_distance_m=max_distance_m,
        albedo=albedo,
        facade_albedo=facade_albedo,
    )[0]


def by_month(sky: Sky) -> list[Sky]:
    """The twelve months of a sky."""
    return [sky.part(sky.month == m) for m in range(12)]


def irradiation_maps(
    dsm: FloatArray,
    resolution_m: float,
    skies: Sequence[Sky],
    *,
    directions: int = 36,
    max_distance_m: float | None = None,
    albedo: float = 0.2,
    facade_albedo: float = 0.0,
) -> FloatArray:
    """Irradiation in the plane of each cell under each sky, such as those of twelve months.

    Parameters
    ----------
    dsm
        Surface heights [m], dims (y, x), north up.
    resolution_m
        Side of a cell [m].
    skies
        Sun and sky of the site.
    directions, max_distance_m
        As in `heliopolis.solar.horizon.horizon`.
    albedo, facade_albedo
        Reflectance of the ground, and of what hides the sky.

    Returns
    -------
    array
        float32, dims (sky, y, x) [kWh m-2]; NaN where there is no surface.

    Notes
    -----
    The model of `heliopolis.solar.irradiance.transpose`, with the hours gathered into patches.
    """
    tilt, azimuth = slopes(dsm, resolution_m)
    wanted = np.isfinite(tilt) & np.isfinite(dsm)
    out = np.full((len(skies), *dsm.shape), np.nan, dtype=np.float32)
    angles_at_once = max(1, _CELLS_AT_ONCE // dsm.shape[1])
    for top in range(0, dsm.shape[0], angles_at_once):
        part = np.zeros_like(wanted)
        part[top : top + angles_at_once] = wanted[top : top + angles_at_once]
        angles = horizon_of_cells(
            *(dsm, resolution_m, part, directions, max_distance_m),
            observers=dsm + ABOVE_ROOF_M,
            upright=True,
        )
        for i, sky in enumerate(skies):
            out[i, part] = irradiation_of_cells(
                angles, tilt[part], azimuth[part], sky, albedo, facade_albedo
            )
    return out


def irradiation_of_cells(
    horizons_deg: FloatArray,
    tilt_deg: FloatArray,
    azimuth_deg: FloatArray,
    sky: Sky,
    albedo: float = 0.2,
    facade_albedo: float = 0.0,
) -> FloatArray:
    """Irradiation of cells in their planes [kWh m-2], float32, dims (cell,).

    Parameters
    ----------
    horizons_deg
        Horizon angles [deg], dims (direction, cell).
    tilt_deg, azimuth_deg
        Orientation of each cell [deg]; azimuth NaN: horizontal.
    sky
        Sun and sky; the energy is that of its hours.
    albedo, facade_albedo
        Reflectance of the ground, and of what hides the sky.
    """
    flat = ~np.isfinite(azimuth_deg)
    tilt = np.where(flat, 0.0, tilt_deg).astype(float)
    azimuth = np.where(flat, 180.0, azimuth_deg).astype(float)
    angles = np.ascontiguousarray(horizons_deg, dtype=np.float32)
    hours = sky.hours / 1000.0
    sums = np.array(
        [
            (sky.isotropic * hours).sum(),
            (sky.dhi * np.maximum(sky.brightening, 0.0) * hours).sum(),
            (sky.dhi * np.minimum(sky.brightening, 0.0) * hours).sum(),
            albedo * (sky.ghi * hours).sum(),
            (facade_light(sky, facade_albedo, albedo) * hours).sum(),
        ]
    )
    patches = sun_patches(sky)
    return np.asarray(
        _integrate(
            angles,
            tilt,
            azimuth,
            sky_view(angles, tilt, azimuth),
            patches.azimuth_deg,
            patches.elevation_deg,
            patches.energy_kwh_m2,
            sums,
        )
    )


def sunshine_quantiles(energy: FloatArray, groups: FloatArray, count: int) -> FloatArray:
    """Least, deciles and greatest of the energy of each group's cells, dims (group, 11).

    Parameters
    ----------
    energy
        Of each cell, any unit, dims (cell,).
    groups
        Group (plane, building) of each cell, 0 to ``count - 1``, dims (cell,).

    Returns
    -------
    array
        NaN for a group without cells.
    """
    out = np.full((count, 11), np.nan)
    order = np.argsort(groups, kind="stable")
    ends = np.searchsorted(groups[order], np.arange(count + 1))
    for g in range(count):
        cells = order[ends[g] : ends[g + 1]]
        if cells.size:
            out[g] = np.quantile(energy[cells], np.linspace(0.0, 1.0, 11))
    return out


@njit(cache=True, parallel=True, nogil=True)
def _integrate(  # type: ignore[no-untyped-def]  # pragma: no cover
    angles, tilt_deg, azimuth_deg, view, sun_azimuth, sun_elevation, energy, sums
):
    """Irradiation of each cell: the patches that it sees, even sky, band, ground and walls."""
    directions, cells = angles.shape
    place = sun_azimuth * directions / 360.0
    first = np.floor(place).astype(np.int64)
    turn = place - first
    east = np.sin(np.radians(sun_azimuth)) * np.cos(np.radians(sun_elevation))
    north = np.cos(np.radians(sun_azimuth)) * np.cos(np.radians(sun_elevation))
    high = np.sin(np.radians(sun_elevation))
    out = np.empty(cells, dtype=np.float32)
    for c in prange(cells):
        tilt = math.radians(tilt_deg[c])
        facing = math.radians(azimuth_deg[c])
        normal_east = math.sin(tilt) * math.sin(facing)
        normal_north = math.sin(tilt) * math.cos(facing)
        normal_up = math.cos(tilt)
        beam = 0.0
        for s in range(energy.size):
            cosine = normal_east * east[s] + normal_north * north[s] + normal_up * high[s]
            if cosine > 0.0:
                k = first[s] % directions
                # A wall ends somewhere between two directions: each tells its part.
                if sun_elevation[s] > angles[k, c]:
                    beam += cosine * energy[s] * (1.0 - turn[s])
                if sun_elevation[s] > angles[(k + 1) % directions, c]:
                    beam += cosine * energy[s] * turn[s]
        seen = 0.0
        whole = 0.0
        for k in range(directions):
            weight = max(math.cos(math.radians(k * 360.0 / directions) - facing), 0.0)
            whole += weight
            if angles[k, c] < 5.0:
                seen += weight
        sine = math.sin(tilt)
        before = 0.5 * (1.0 + normal_up)
        diffuse = sums[0] * before * view[c]
        diffuse += sine * (sums[1] * seen / whole + sums[2])
        reflected = sums[3] * (1.0 - before) + sums[4] * before * (1.0 - view[c])
        out[c] = beam + max(diffuse, 0.0) + reflected
    return out
