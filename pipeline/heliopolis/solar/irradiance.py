"""Irradiance on roof planes and on the cells of a surface model, with what shades them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from heliopolis.solar.diffuse import muneer_shares
from heliopolis.solar.sky import Sky, sky_view

FloatArray = np.ndarray[Any, np.dtype[Any]]

#: Elevation bins of the table of lit shares: 0.5 deg each.
_BINS = 180
#: Elevation at which the bright band along the horizon is looked for [deg].
_BAND_DEG = 5.0


@dataclass(frozen=True)
class Shading:
    """What groups of cells (planes, panels) see; G groups, K directions.

    Attributes
    ----------
    lit
        Share of the group's cells that see a sun at azimuth ``k * 360 / K`` and at elevation
        ``b * 0.5`` deg, dims (group, direction, bin).
    lit_solid
        The same with trees away; the array ``lit`` itself where there are none.
    sky_view, sky_view_solid
        Share of the even sky's light received, dims (group,).
    """

    lit: FloatArray
    lit_solid: FloatArray
    sky_view: FloatArray
    sky_view_solid: FloatArray


@dataclass(frozen=True)
class PlaneIrradiance:
    """Irradiance in the plane [W m-2], dims (plane, time).

    Circumsolar light is part of ``beam``; what obstacles reflect, of ``ground``.
    """

    beam: FloatArray
    sky: FloatArray
    ground: FloatArray
    cos_incidence: FloatArray

    @property
    def total(self) -> FloatArray:
        """Sum of the three components [W m-2]."""
        return np.asarray(self.beam + self.sky + self.ground)


def cos_incidence(
    zenith_deg: FloatArray, sun_azimuth_deg: FloatArray, tilt_deg: FloatArray, azimuth: FloatArray
) -> FloatArray:
    """Cosine of the angle between sun and normal of each plane, dims (plane, time).

    An azimuth of NaN is a horizontal plane.
    """
    zenith, sun = np.radians(zenith_deg)[None, :], np.radians(sun_azimuth_deg)[None, :]
    flat = ~np.isfinite(azimuth)
    tilt = np.radians(np.where(flat, 0.0, tilt_deg))[:, None]
    facing = np.radians(np.where(flat, 180.0, azimuth))[:, None]
    return np.asarray(
        np.cos(zenith) * np.cos(tilt) + np.sin(zenith) * np.sin(tilt) * np.cos(sun - facing)
    )


def transpose(
    sky: Sky,
    tilt_deg: FloatArray,
    azimuth_deg: FloatArray,
    shading: Shading | None = None,
    transmissivity: FloatArray | None = None,
    albedo: float = 0.2,
    *,
    shade_diffuse: bool = True,
    facade_albedo: float = 0.0,
) -> PlaneIrradiance:
    """Irradiance on planes, shaded, by the sky's own model of diffuse light.

    Parameters
    ----------
    sky
        Sun and sky, T daylight intervals.
    tilt_deg, azimuth_deg
        Orientation of P planes [deg]; azimuth NaN: horizontal.
    shading
        What the planes see, P groups; nothing stands before them by default.
    transmissivity
        Share of light that trees let pass at each time, dims (time,); 0 by default.
    albedo
        Reflectance of the ground.
    shade_diffuse
        Whether obstacles hide the even sky and the band along the horizon too. Without, they
        hide beam and circumsolar light alone, as the horizon of PVGIS does; they are then taken
        to be far, so that the ground around lies in their shade with the plane.
    facade_albedo
        Reflectance of the obstacles that hide the sky, see `facade_light`; 0 leaves their light
        out.

    Notes
    -----
    Beam and circumsolar light fall on the share of the plane that sees the sun; the even sky is
    weighted with the visible sky; the bright band along the horizon with what is seen of it at
    5 deg. A dark band (negative F2) is not shaded, so that an obstacle never adds light.

    References
    ----------
    doi:10.1016/0038-092X(90)90055-H, equation 9; `heliopolis.solar.diffuse` for the others.
    """
    cosine = cos_incidence(sky.zenith_deg, sky.azimuth_deg, tilt_deg, azimuth_deg)
    flat = ~np.isfinite(azimuth_deg)
    tilt = np.radians(np.where(flat, 0.0, tilt_deg))[:, None]
    lit, view, band = _seen(sky, azimuth_deg, shading, transmissivity)
    ghi = sky.ghi[None, :]
    if not shade_diffuse:
        view, band = 1.0, 1.0
        ghi = ghi - (1.0 - lit) * np.maximum(ghi - sky.dhi[None, :], 0.0)
    beam = sky.beam_normal[None, :] * np.maximum(cosine, 0.0) * lit
    from_sky = _from_sky(sky, tilt, lit * (cosine > 0), view, band)
    ground = ghi * albedo * 0.5 * (1.0 - np.cos(tilt))
    hidden = 0.5 * (1.0 + np.cos(tilt)) * (1.0 - view)
    facades = facade_light(sky, facade_albedo, albedo)[None, :] * hidden
    return PlaneIrradiance(beam, from_sky, ground + facades, cosine)


def _from_sky(sky: Sky, tilt: FloatArray, lit: Any, view: Any, band: Any) -> FloatArray:
    """Diffuse light but circumsolar [W m-2], dims (plane, time); ``tilt`` [rad]: (plane, 1)."""
    if sky.transposition == "muneer":
        sunny, shaded = muneer_shares(np.degrees(tilt), sky.circumsolar)
        share = lit * (1.0 - sky.circumsolar) * sunny + (1.0 - lit) * shaded
        return np.asarray(sky.dhi[None, :] * np.maximum(share, 0.0) * view)
    even = sky.isotropic[None, :] * 0.5 * (1.0 + np.cos(tilt)) * view
    bright = sky.dhi[None, :] * np.sin(tilt) * np.maximum(sky.brightening, 0.0)[None, :] * band
    dark = sky.dhi[None, :] * np.sin(tilt) * np.minimum(sky.brightening, 0.0)[None, :]
    return np.asarray(np.maximum(even + bright + dark, 0.0))


def facade_irradiance(sky: Sky, albedo: float) -> FloatArray:
    """Irradiance on walls [W m-2], the mean over all directions that they face, dims (time,).

    Beam falls on a wall with ``max(0, cos)`` of the difference in azimuth, whose mean is 1 / pi;
    half of the sky and half of the ground lie before it.
    """
    beam = sky.dni * np.sin(np.radians(np.minimum(sky.zenith_deg, 90.0))) / math.pi
    return np.asarray(beam + 0.5 * (sky.dhi + albedo * sky.ghi))


def facade_light(sky: Sky, facade_albedo: float, albedo: float) -> FloatArray:
    """Light that a plane gets from walls where they fill all that it looks at [W m-2], (time,).

    The walls are Lambertian and lit like free ones. They are taken to be at most as bright as
    the even sky that they hide, so that a taller neighbour never adds light.
    """
    return np.minimum(facade_albedo * facade_irradiance(sky, albedo), sky.isotropic)


def _seen(
    sky: Sky, azimuth: FloatArray, shading: Shading | None, transmissivity: FloatArray | None
) -> tuple[Any, Any, Any]:
    """Share of sun, even sky and horizon band that is seen: (plane, time) or broadcastable."""
    if shading is None:
        return 1.0, 1.0, 1.0
    elevation = 90.0 - sky.zenith_deg
    lit = lit_share(shading.lit, sky.azimuth_deg, elevation)
    band = _band_share(shading.lit, azimuth)[:, None]
    view = shading.sky_view[:, None]
    if transmissivity is None or shading.lit_solid is shading.lit:
        return lit, view, band
    through = transmissivity[None, :]
    behind = lit_share(shading.lit_solid, sky.azimuth_deg, elevation)
    band_behind = _band_share(shading.lit_solid, azimuth)[:, None]
    return (
        lit + through * (behind - lit),
        view + through * (shading.sky_view_solid[:, None] - view),
        band + through * (band_behind - band),
    )


def shading_of(
    horizons_deg: FloatArray,
    groups: FloatArray,
    tilt_deg: FloatArray,
    azimuth_deg: FloatArray,
    solid_deg: FloatArray | None = None,
) -> Shading:
    """Gather the horizons of cells into what groups of them see.

    Parameters
    ----------
    horizons_deg
        Horizon angles of C cells [deg], dims (direction, cell), without NaN.
    groups
        Group of each cell, 0 to G - 1, dims (cell,).
    tilt_deg, azimuth_deg
        Orientation of each group [deg], dims (group,).
    solid_deg
        Horizon angles with trees away.

    Returns
    -------
    Shading
        NaN for a group without cells.
    """
    count = tilt_deg.size
    flat = ~np.isfinite(azimuth_deg)
    tilt = np.where(flat, 0.0, tilt_deg)[groups].astype(float)
    azimuth = np.where(flat, 180.0, azimuth_deg)[groups].astype(float)
    cells = np.bincount(groups, minlength=count).astype(float)
    cells[cells == 0] = np.nan

    def gather(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
        angles = np.ascontiguousarray(angles, dtype=np.float32)
        view = np.bincount(groups, weights=sky_view(angles, tilt, azimuth), minlength=count)
        return _lit_table(angles, groups.astype(np.int64), cells), view / cells

    lit, view = gather(horizons_deg)
    if solid_deg is None:
        return Shading(lit, lit, view, view)
    # A cell never sees less with the trees away, whatever rounding says.
    lit_solid, view_solid = gather(np.minimum(solid_deg, horizons_deg))
    return Shading(lit, lit_solid, view, view_solid)


def _lit_table(angles: FloatArray, groups: FloatArray, cells: FloatArray) -> FloatArray:
    """Share of each group's cells whose horizon lies at or below each bin, float32."""
    counts = _count_bins(angles, groups, cells.size)
    return np.asarray(np.cumsum(counts, axis=2) / cells[:, None, None], dtype=np.float32)


@njit(cache=True, nogil=True)
def _count_bins(angles, groups, count):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Cells by group, direction and the first bin at or above their horizon."""
    directions, cells = angles.shape
    out = np.zeros((count, directions, _BINS + 1), dtype=np.float32)
    for k in range(directions):
        for c in range(cells):
            place = math.ceil(max(angles[k, c], 0.0) * (_BINS / 90.0))
            out[groups[c], k, min(place, _BINS)] += 1.0
    return out


def lit_share(
    table: FloatArray, sun_azimuth_deg: FloatArray, elevation_deg: FloatArray
) -> FloatArray:
    """Share of each group that sees suns, dims (group, time); linear between table entries."""
    directions, bins = table.shape[1], table.shape[2] - 1
    place = np.mod(sun_azimuth_deg, 360.0) * directions / 360.0
    first = np.floor(place).astype(np.int64)
    turn = (place - first)[None, :]
    first %= directions
    second = (first + 1) % directions
    height = np.clip(elevation_deg, 0.0, 90.0) * bins / 90.0
    low = np.minimum(np.floor(height).astype(np.int64), bins - 1)
    rise = (height - low)[None, :]

    def at(direction: FloatArray) -> FloatArray:
        return np.asarray(
            table[:, direction, low] * (1.0 - rise) + table[:, direction, low + 1] * rise
        )

    return np.asarray(at(first) * (1.0 - turn) + at(second) * turn)


def _band_share(table: FloatArray, azimuth_deg: FloatArray) -> FloatArray:
    """Share of the horizon band before each plane that is seen, dims (plane,)."""
    directions, bins = table.shape[1], table.shape[2] - 1
    looks = np.arange(directions) * 360.0 / directions
    facing = np.where(np.isfinite(azimuth_deg), azimuth_deg, 180.0)
    weight = np.maximum(np.cos(np.radians(looks[None, :] - facing[:, None])), 0.0)
    seen = table[:, :, round(_BAND_DEG * bins / 90.0)]
    return np.asarray((weight * seen).sum(axis=1) / weight.sum(axis=1))
