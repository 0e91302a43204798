"""Horizons of a surface model beside brute force, other programs, and a larger surface."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pvlib

from heliopolis.solar.horizon import horizon, horizon_of_cells
from heliopolis.solar.irradiance_map import annual_map
from heliopolis.solar.sky import Sky, make_sky
from tests.bench import horizon_peers
from tests.bench.measure import Measured, Row, compare, measured

Array = np.ndarray[Any, Any]
SIDE = 500
CELL_M = 0.5
DIRECTIONS = 16
REACH_M = 100.0


def surface(side: int) -> Array:
    """Heights of a town on a slope [m]: houses of 4 to 20 m, a share of them with a gable."""
    rng = np.random.default_rng(2)
    y, x = np.indices((side, side))
    dsm = 0.01 * x + rng.normal(0.0, 0.03, (side, side))
    for _ in range(side * side // 2500):
        rows, cols = rng.integers(16, 40, 2)
        top, left = rng.integers(0, side, 2)
        house = slice(top, top + rows), slice(left, left + cols)
        ridge = 0.25 * (rows / 2 - np.abs(y[house] - top - rows / 2)) * rng.integers(0, 2)
        dsm[house] = 0.01 * left + rng.uniform(4.0, 20.0) + ridge
    return dsm.astype("float32")


def peer(dsm: Array) -> Array:
    """The same horizon [deg], dims (direction, y, x): the whole raster shifted step by step."""
    out = np.zeros((DIRECTIONS, *dsm.shape), dtype="float32")
    for k in range(DIRECTIONS):
        azimuth = 2.0 * math.pi * k / DIRECTIONS
        north, east = math.cos(azimuth), math.sin(azimuth)
        larger = max(abs(north), abs(east))
        row_step, col_step = round(-north / larger, 12), round(east / larger, 12)
        stride_m = math.hypot(row_step, col_step) * CELL_M
        for j in range(1, int(REACH_M / stride_m + 1e-6) + 1):
            _raise(out[k], dsm, j * row_step, j * col_step, j * stride_m)
    return np.degrees(np.arctan(out))


def _raise(tangent: Array, dsm: Array, down: float, right: float, distance_m: float) -> None:
    """Lift the tangents where the surface that lies so many cells away is higher."""
    height, width = dsm.shape
    first_row, first_col = max(0, math.ceil(-down)), max(0, math.ceil(-right))
    last_row = min(height - 1, math.floor(height - 1 - down))
    last_col = min(width - 1, math.floor(width - 1 - right))
    if first_row > last_row or first_col > last_col:
        return
    here = slice(first_row, last_row + 1), slice(first_col, last_col + 1)
    y0, x0 = math.floor(down), math.floor(right)
    part_y, part_x = down - y0, right - x0

    def moved(y: int, x: int) -> Array:
        return dsm[first_row + y : last_row + y + 1, first_col + x : last_col + x + 1]

    level = moved(y0, x0)
    if part_y > 1e-9:
        level = level + np.float32(part_y) * (moved(y0 + 1, x0) - level)
    elif part_x > 1e-9:
        level = level + np.float32(part_x) * (moved(y0, x0 + 1) - level)
    rise = (level - dsm[here]) / np.float32(distance_m)
    np.maximum(tangent[here], rise, out=tangent[here])


def run() -> list[Row]:
    """Compare with brute force, with other programs, and a small surface with a large one."""
    dsm = surface(SIDE)
    roofs = dsm - 0.01 * np.arange(SIDE) > 3.0
    horizon(surface(160), CELL_M, DIRECTIONS, REACH_M)
    theirs = measured(lambda: peer(dsm))
    mine = measured(lambda: horizon(dsm, CELL_M, DIRECTIONS, REACH_M))
    some = measured(lambda: horizon(dsm, CELL_M, DIRECTIONS, REACH_M, where=roofs))
    off = np.abs(mine.value - theirs.value)
    mean, high = float(off.mean()), float(np.percentile(off, 99))
    what = f"horizon of {SIDE} x {SIDE} cells, {DIRECTIONS} directions, {REACH_M:.0f} m"
    rows = [
        compare(
            what,
            mine,
            "numpy brute force",
            theirs,
            f"angles differ by {mean:.3f} deg on average, {high:.2f} deg at the 99th percentile",
            {"difference_mean_deg": mean, "difference_p99_deg": high},
        ),
        compare(
            f"the same for its roofs, {roofs.mean():.0%} of the cells",
            some,
            "numpy brute force, all cells",
            theirs,
            "the workflow asks for roofs alone",
            {"roof_share": float(roofs.mean())},
        ),
    ]
    return [*rows, *beside_programs(), growth(), *year_map()]


def beside_programs(side: int = 1000, directions: int = 12) -> list[Row]:
    """Our time beside that of the programs that `horizon_peers` finds."""
    dsm = surface(side)
    mine = measured(lambda: horizon(dsm, CELL_M, directions, REACH_M))
    what = f"horizon of {side} x {side} cells, {directions} directions, {REACH_M:.0f} m"
    return [
        compare(what, mine, name, Measured(None, taken, 1, None))
        for name, taken in horizon_peers.seconds(dsm, CELL_M, REACH_M, directions).items()
    ]


def growth(directions: int = 4) -> Row:
    """Time for a cell and direction on 10^8 cells beside that on 10^6, the horizon unlimited."""
    tile = surface(1000)
    whole = np.tile(tile, (10, 10))
    where = np.zeros(whole.shape, dtype=bool)
    where[::10, ::10] = True
    _some(tile[:200, :200], where[:200, :200], directions)
    small, small_ns = _processor_ns(lambda: _some(tile, where[:1000, :1000], directions))
    large, large_ns = _processor_ns(lambda: _some(whole, where, directions), at_most=1)
    small_ns, large_ns = (
        ns / (cells * directions) for ns, cells in ((small_ns, tile.size), (large_ns, whole.size))
    )
    return compare(
        f"horizon of 10^8 cells, {directions} directions, to the border",
        large,
        "that of 10^6 cells",
        small,
        f"{large_ns:.0f} ns of processor time for a cell and direction, {small_ns:.0f} ns on 10^6",
        {"large_ns": large_ns, "small_ns": small_ns},
    )


def _processor_ns(call: Callable[[], Array], at_most: int = 5) -> tuple[Measured[Array], float]:
    """A call measured, and the processor time of one repetition, all threads together [ns]."""
    start = time.process_time_ns()
    found = measured(call, at_most)
    return found, (time.process_time_ns() - start) / found.repetitions


def _some(dsm: Array, where: Array, directions: int) -> Array:
    return horizon_of_cells(dsm, CELL_M, where, directions)


def year_map(side: int = 1000, directions: int = 36) -> list[Row]:
    """Annual irradiation of 10^6 cells, horizons included, beside one day of r.sun."""
    dsm = surface(side)
    sky = clear_year()
    annual_map(dsm[:160, :160], CELL_M, sky, directions=8)
    mine = measured(lambda: annual_map(dsm, CELL_M, sky, directions=directions))
    what = f"annual irradiation of {side} x {side} cells, {directions} directions"
    bar = Measured(None, 20.0, 1, None)
    rows = [compare(what, mine, "20 s", bar, "horizons to the border of the surface, included")]
    day = horizon_peers.sun_day_seconds(dsm, CELL_M)
    if day is not None:
        note = "one day of 365, steps of an hour, shadows found on the way"
        rows.append(compare(what, mine, "GRASS r.sun, one day", Measured(None, day, 1, None), note))
    return rows


def clear_year() -> Sky:
    """A year of clear hours at 48 N, from the model of Ineichen and Perez."""
    times = pd.date_range("2025-01-01 00:30", periods=8760, freq="h", tz="UTC")
    weather = pvlib.location.Location(48.0, 2.0).get_clearsky(times, linke_turbidity=3.0)
    return make_sky(weather, times, 1.0, 48.0, 2.0, transposition="perez")
