"""The horizon of a surface model against a walk over every crossing of every line of sight."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heliopolis.errors import InputError
from heliopolis.io.raster import geobox_of, read_raster
from heliopolis.solar.horizon import horizon

Floats = NDArray[np.float32]
_CELLS, _DIRECTIONS, _REACH_M = 4000, 36, 200.0


def score_horizon(data: Path) -> dict[str, Any]:
    """Horizons of the simulated city, in 36 directions, 200 m far, at 4000 cells drawn at random.

    Returns
    -------
    dict
        Mean, 99th percentile and greatest of the absolute differences [deg], and the mean
        difference, over all cells and directions.
    """
    file = data / "truth" / "dsm_truth.tif"
    if not file.exists():
        raise InputError("there is no true surface", where=str(file), remedy="heliopolis simulate")
    read = read_raster(file, ["dsm_m"])
    dsm = read["dsm_m"].to_numpy().astype("float32")
    return difference(dsm, abs(float(geobox_of(read).resolution.x)))


def difference(dsm: Floats, cell_m: float, cells: int = _CELLS) -> dict[str, float]:
    """Differences of `heliopolis.solar.horizon.horizon` from the plain walk."""
    rng = np.random.default_rng(0)
    where = np.zeros(dsm.shape, dtype=bool)
    where.ravel()[rng.choice(dsm.size, min(cells, dsm.size), replace=False)] = True
    where &= np.isfinite(dsm)
    rows, cols = np.nonzero(where)
    found = horizon(dsm, cell_m, _DIRECTIONS, _REACH_M, where=where)[:, rows, cols]
    true = np.stack(
        [walk(dsm, cell_m, rows, cols, k * 360.0 / _DIRECTIONS) for k in range(_DIRECTIONS)]
    )
    off = found - true
    return {
        "cells": int(rows.size),
        "difference_mean_deg": float(np.abs(off).mean()),
        "difference_p99_deg": float(np.percentile(np.abs(off), 99)),
        "difference_max_deg": float(np.abs(off).max()),
        "bias_deg": float(off.mean()),
    }


def walk(
    dsm: Floats, cell_m: float, rows: Any, cols: Any, azimuth_deg: float, reach_m: float = _REACH_M
) -> NDArray[np.float64]:
    """Horizon [deg] of single cells in one direction, from each crossing up to ``reach_m``."""
    north, east = math.cos(math.radians(azimuth_deg)), math.sin(math.radians(azimuth_deg))
    larger = max(abs(north), abs(east))
    down, right = round(-north / larger, 12), round(east / larger, 12)
    length = math.hypot(down, right) * cell_m
    height, width = dsm.shape
    eye, best = dsm[rows, cols].astype(float), np.zeros(rows.size)
    for j in range(1, int(reach_m / length + 1e-6) + 1):
        y, x = rows + j * down, cols + j * right
        inside = (y > -1e-9) & (x > -1e-9) & (y < height - 1 + 1e-9) & (x < width - 1 + 1e-9)
        y0, x0 = (np.floor(v[inside] + 1e-9).astype(int) for v in (y, x))
        part_y, part_x = np.maximum(y[inside] - y0, 0), np.maximum(x[inside] - x0, 0)
        y1 = np.minimum(y0 + (part_y > 1e-6), height - 1)
        x1 = np.minimum(x0 + (part_x > 1e-6), width - 1)
        part = np.maximum(part_y, part_x)
        low, high = dsm[y0, x0].astype(float), dsm[y1, x1].astype(float)
        level = np.where(np.isnan(low + high), np.fmax(low, high), low + part * (high - low))
        best[inside] = np.fmax(best[inside], (level - eye[inside]) / (j * length))
    return np.degrees(np.arctan(best))
