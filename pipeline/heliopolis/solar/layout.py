"""Modules on the usable part of a roof plane: how many fit, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

FloatArray = np.ndarray[Any, np.dtype[Any]]
Orientation = Literal["portrait", "landscape"]

#: Gap between neighbouring modules, for the clamps [m].
_GAP_M = 0.02
#: Modules may touch the edge of the usable part: rounding of coordinates is forgiven [m].
_ROUNDING_M = 1e-5
#: Offsets of the rows that are tried, as shares of their pitch.
_OFFSETS = tuple(k / 8 for k in range(8))
#: The winter sun is not taken lower than this for the distance between rows [deg].
_LOWEST_NOON_DEG = 10.0
#: Tilt up to which a plane counts as flat even where it has an azimuth [deg].
FLAT_DEG = 5.0


@dataclass(frozen=True)
class Mount:
    """How modules lie on one plane.

    Attributes
    ----------
    tilt_deg, azimuth_deg
        Orientation of the modules [deg].
    racked
        Whether they stand in rows on a flat roof.
    pitch_ratio
        Distance from row to row over the length of a module along its slope; 1 where not racked.
    """

    tilt_deg: float
    azimuth_deg: float
    racked: bool
    pitch_ratio: float


@dataclass(frozen=True)
class Layout:
    """Modules of one plane: polygons in plan, and which way round they lie."""

    modules: list[BaseGeometry]
    orientation: Orientation


def mount(
    plane: BaseGeometry,
    tilt_deg: float,
    azimuth_deg: float,
    flat_tilt_deg: float,
    latitude: float,
) -> Mount:
    """Orientation of the modules on a plane.

    On a pitched roof that of the plane. On a flat one (azimuth NaN, or tilt below 5 deg) racks
    along the edge of the roof that lets them face the equator best, so far apart that no row
    shades the next at noon of the winter solstice.

    Parameters
    ----------
    plane
        Polygon of the plane, in plan.
    tilt_deg, azimuth_deg
        Of the plane [deg]; azimuth NaN where it is flat.
    flat_tilt_deg
        Tilt of racks [deg].
    latitude
        Of the site [deg].
    """
    if math.isfinite(azimuth_deg) and tilt_deg >= FLAT_DEG:
        return Mount(tilt_deg, azimuth_deg, False, 1.0)
    equator = 180.0 if latitude >= 0 else 0.0
    noon = max(90.0 - abs(latitude) - 23.44, _LOWEST_NOON_DEG)
    tilt = math.radians(flat_tilt_deg)
    ratio = math.cos(tilt) + math.sin(tilt) / math.tan(math.radians(noon))
    return Mount(flat_tilt_deg, _edge_azimuth(plane, equator), flat_tilt_deg > 0, ratio)


def _edge_azimuth(plane: BaseGeometry, wanted_deg: float) -> float:
    """Normal of the edges of the smallest rectangle around ``plane`` nearest to an azimuth."""
    box = shapely.minimum_rotated_rectangle(plane)
    ring = shapely.get_coordinates(box)
    if len(ring) < 4:
        return wanted_deg
    east, north = ring[1] - ring[0]
    edge = math.degrees(math.atan2(east, north))
    turn = (edge - wanted_deg + 45.0) % 90.0 - 45.0
    return (wanted_deg + turn) % 360.0


def place_modules(
    usable: BaseGeometry, how: Mount, width_m: float = 1.134, height_m: float = 1.762
) -> Layout:
    """Fill the usable part of a plane with rows of modules.

    Rows are parallel to the eaves and one pitch apart; along a row, modules stand side by side in
    each stretch that holds them, aligned with the other rows where that costs none.

    Parameters
    ----------
    usable
        Usable part of the plane, in plan, metric CRS.
    how
        Orientation of the modules.
    width_m, height_m
        Short and long side of a module [m].

    Returns
    -------
    Layout
        Of portrait and landscape (racks: landscape only) and of eight offsets of the rows the
        one with the most modules; they lie inside ``usable`` and do not overlap. Separate pieces
        of a pitched plane have offsets of their own; racks keep their distance all over a roof.
    """
    if usable.is_empty or not usable.area > 0:
        return Layout([], "portrait")
    local = _to_plane(usable, how)
    pieces = [local] if how.racked else list(shapely.get_parts(local))
    kinds: tuple[Orientation, ...] = ("landscape",) if how.racked else ("portrait", "landscape")
    best: tuple[int, Orientation, list[Any]] = (0, kinds[0], [])
    for kind in kinds:
        across, along = (width_m, height_m) if kind == "portrait" else (height_m, width_m)
        step = along * how.pitch_ratio / math.cos(math.radians(how.tilt_deg))
        down = step if how.racked else along + _GAP_M
        boxes = [box for piece in pieces for box in _best_rows(piece, across, along, down)]
        if len(boxes) > best[0]:
            best = len(boxes), kind, boxes
    return Layout([_to_plan(box, how) for box in best[2]], best[1])


def _axes(how: Mount) -> tuple[FloatArray, float]:
    """Rows: unit vectors across and down the slope, in plan; and the cosine of the tilt."""
    turn = math.radians(how.azimuth_deg)
    down = math.sin(turn), math.cos(turn)
    return np.array([[-down[1], down[0]], down]), math.cos(math.radians(how.tilt_deg))


def _to_plane(geometry: BaseGeometry, how: Mount) -> Any:
    """Plan coordinates to across and down the slope, true lengths in the plane."""
    axes, cosine = _axes(how)
    return shapely.transform(geometry, lambda xy: xy @ axes.T / np.array([1.0, cosine]))


def _to_plan(geometry: BaseGeometry, how: Mount) -> Any:
    axes, cosine = _axes(how)
    return shapely.transform(geometry, lambda uv: (uv * np.array([1.0, cosine])) @ axes)


def _best_rows(local: Any, across: float, along: float, step_down: float) -> list[Any]:
    """Modules of the offset of the rows with the most; ties go to the first offset."""
    _, top, _, bottom = local.bounds
    if not local.area + 1e-3 >= across * along:
        return []
    lines = [
        np.arange(bottom - along - shift * step_down, top - _ROUNDING_M, -step_down)
        for shift in _OFFSETS
    ]
    v = np.concatenate(lines)
    left, right, row = _stretches(local, v, along)
    firsts = np.searchsorted(row, np.cumsum([0, *(len(line) for line in lines)]))
    best: tuple[FloatArray, FloatArray] = np.empty(0), np.empty(0)
    for first, last in pairwise(firsts):
        of = slice(first, last)
        starts, rows = _along_rows(left[of], right[of], row[of], across)
        if len(starts) > len(best[0]):
            best = starts, v[rows]
    starts, begins = best
    return list(shapely.box(starts, begins, starts + across, begins + along))


def _along_rows(
    left: FloatArray, right: FloatArray, row: FloatArray, across: float
) -> tuple[FloatArray, FloatArray]:
    """Left edges of the modules that stand in free stretches, and the row of each."""
    step = across + _GAP_M
    counts = np.floor((right - left + _GAP_M + _ROUNDING_M) / step).astype(int)
    held = counts > 0
    left, right, row, counts = left[held], right[held], row[held], counts[held]
    first = left + _shift(left, right - left + _GAP_M - counts * step, counts, step)
    owner = np.repeat(np.arange(len(counts)), counts)
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[owner] + nth * step, row[owner]


def _stretches(
    local: Any, v: FloatArray, along: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Free stretches of rows: left and right end, and the row.

    What a row covers outside of ``local`` falls into pieces; each blocks the interval that it
    spans along the row, for a piece hangs together.
    """
    low, _, high, _ = local.bounds
    strips = shapely.box(low - 1.0, v + _ROUNDING_M, high + 1.0, v + along - _ROUNDING_M)
    pieces, row = shapely.get_parts(shapely.difference(strips, local), return_index=True)
    if len(pieces) == 0:
        nothing = np.empty(0)
        return nothing, nothing, np.empty(0, dtype=int)
    begins, _, ends, _ = shapely.bounds(pieces).T
    order = np.lexsort((begins, row))
    row, begins, ends = row[order], begins[order], ends[order]
    # Ends that reach furthest so far in each row: rows are set apart by more than their length.
    apart = (row - row[0]) * (high - low + 10.0)
    reached = np.maximum.accumulate(ends + apart) - apart
    same = row[1:] == row[:-1]
    left, right = reached[:-1][same] - _ROUNDING_M, begins[1:][same] + _ROUNDING_M
    return left, right, row[1:][same]


def _shift(left: FloatArray, slack: FloatArray, counts: FloatArray, step: float) -> FloatArray:
    """How far the modules of each stretch move right to stand in line with most others."""
    if len(left) == 0:
        return left
    need = np.mod(left[:, None] - left[None, :], step)
    # Moves of stretches (columns) to the lattice that begins with each stretch (rows).
    fits = need <= np.maximum(slack, 0.0)[None, :]
    chosen = int(np.argmax(fits @ counts))
    return np.where(fits[chosen], need[chosen], 0.0)


def row_shading(
    zenith_deg: FloatArray, azimuth_deg: FloatArray, how: Mount
) -> tuple[FloatArray, float]:
    """What rows of racks leave of beam and sky to each other.

    Parameters
    ----------
    zenith_deg, azimuth_deg
        Sun [deg], dims (time,).
    how
        Orientation and distance of the rows, taken as endless.

    Returns
    -------
    beam, sky
        Unshaded share of the module's slope, dims (time,), and the mean share of the sky's light
        (Passias and Kallback 1984, doi:10.1016/0379-6787(84)90017-6).
    """
    if not how.racked:
        return np.ones_like(zenith_deg), 1.0
    tilt = math.radians(how.tilt_deg)
    elevation = np.radians(np.maximum(90.0 - zenith_deg, 0.01))
    before = np.cos(np.radians(azimuth_deg - how.azimuth_deg))
    profile = np.arctan2(np.tan(elevation), before)
    lit = how.pitch_ratio * np.sin(profile) / np.sin(profile + tilt)
    beam = np.where((before > 0) & (profile + tilt < math.pi), np.clip(lit, 0.0, 1.0), 1.0)
    # Mean over the slope of the angle under which the row in front rises.
    spots = (np.arange(100) + 0.5) / 100.0
    mask = np.arctan2(
        (1.0 - spots) * math.sin(tilt), how.pitch_ratio - (1.0 - spots) * math.cos(tilt)
    )
    return beam, float(np.mean(np.cos(mask / 2.0) ** 2))
