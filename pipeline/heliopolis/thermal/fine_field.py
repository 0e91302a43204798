"""From a chosen model to the fine grid, window by window, the same whatever the windows.

What is learnt, and every residual, lives on the coarse cells. A pixel depends on the predictors
within two pixels of it and on the spline through the cells around it; windows are cut from that
whole, so no window edge can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from heliopolis.thermal.candidates import Model
from heliopolis.thermal.conserve import Nesting, Part, Sums, fill_gaps
from heliopolis.thermal.moments import Moments, in_order
from heliopolis.thermal.planck import from_linear, to_linear
from heliopolis.thermal.predictors import Prepared, Window, windows
from heliopolis.thermal.verdict import Verdict

Array = NDArray[Any]
#: A prediction may lie outside the range of the coarse values by this share of it, and a
#: predictor outside its range between cells before that is marked.
EXTRAPOLATION = 0.25
#: Fewer valid coarse cells than this among the 5 x 5 around are low support.
SUPPORT = 13
#: Side of the windows [pixel].
SIDE = 1024


class Flag(IntFlag):
    """Why a pixel is to be taken with care; flags are added up."""

    EXTRAPOLATED = 1
    CLOUD_GAP = 2
    LOW_SUPPORT = 4


@dataclass(frozen=True)
class Learnt:
    """Predictors, what the sensor sees of them, and the model learnt from that."""

    prepared: Prepared
    cells: Moments
    model: Model


@dataclass(frozen=True)
class Made:
    """Temperature and its error [K], `Flag` (fine y, x), and what is true of all of it."""

    lst_k: Array
    sd_k: Array
    flags: Array
    resolution_share: float
    mass_residual_k: float


@dataclass(frozen=True)
class FineField:
    """A coarse scene whose model is chosen, on its way to the fine grid.

    Attributes
    ----------
    linear, noise_k
        Coarse values linear in exitance, and their 1-sigma error [K] (y, x), NaN = no data.
    nest
        Fine grid in the coarse one.
    verdict
        What the held-out test says.
    learnt
        The model, None for smooth interpolation.
    inherited
        Squared error [K2] (fine y, x) that comes with predictors, or None.
    side
        Side of the windows [pixel].
    """

    linear: Array
    noise_k: Array
    nest: Nesting
    verdict: Verdict
    learnt: Learnt | None
    inherited: Array | None = None
    side: int = SIDE

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Coarse cells that have a value."""
        return np.isfinite(self.linear)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return self.nest.rows.n_fine, self.nest.columns.n_fine

    def made(self, cell_m: float) -> Made:
        """Temperature, error and flags of all pixels."""
        lst = np.zeros(self.shape, dtype="float32")
        flags = np.zeros(self.shape, dtype="uint8")
        means = np.zeros(self.linear.shape)
        if self.learnt is not None:
            means = self._guess(self.learnt, lst, flags)
        residual = fill_gaps(np.where(self.valid, self.linear - means, np.nan))
        detail = self._put_back(lst, residual)
        share = self.nest.columns.step
        below = self.verdict.below_cell(share, detail)
        sd = np.empty(self.shape, dtype="float32")
        found = from_linear(self._finish(lst, sd, flags, below, detail))
        known = from_linear(self.linear)
        off = float(np.abs(found - known)[self.valid].max()) if self.valid.any() else 0.0
        return Made(lst, sd, flags, self.verdict.resolution_share(share, detail), off)

    # -------------------------------------------------------------------------- prediction
    def _guess(self, learnt: Learnt, out: Array, flags: Array) -> Array:
        """Write the model's prediction to ``out``; return its cell means."""
        model, prepared, cells, nest = learnt.model, learnt.prepared, learnt.cells, self.nest
        first = _knots(nest, cells.first)
        local = [] if model.local is None else _knots(nest, model.local)
        level = (self.linear - model.of_cells(cells.first, cells.second))[self.valid]
        offset = np.float32(level.mean())
        low, high = _widened(self.linear[self.valid])
        x_low, x_high = (one.reshape(-1, 1, 1) for one in _widened(cells.first[self.valid]))

        def work(window: Window) -> tuple[Part, Array]:
            fields, known = prepared.window(*window)
            if not known.all():
                for i, knots in enumerate(first):
                    fields[i] = np.where(known, fields[i], nest.drawn(knots, *window))
            slopes = [nest.drawn(knots, *window) for knots in local]
            guess = model.of_pixels(fields, slopes) + offset
            odd = (guess < low) | (guess > high)
            odd |= ((fields < x_low) | (fields > x_high)).any(axis=0)
            flags[window] |= np.where(odd, Flag.EXTRAPOLATED, 0).astype("uint8")
            flags[window] |= np.where(known, 0, Flag.LOW_SUPPORT).astype("uint8")
            guess = self.verdict.amplitude * np.clip(guess, low, high)
            out[window] = guess
            part = sums.cut(*window)
            return part, part.of_window(out[window].astype("float64"))

        sums = Sums.of(nest)
        for part, seen in in_order(work, windows(self.shape, self.side)):
            sums.add(part, seen)
        return sums.total

    def _put_back(self, out: Array, residual: Array) -> float:
        """Add the smooth residual to ``out``; return the variance of the detail [K2]."""
        knots, plain = self.nest.knots(residual), self.nest.knots(fill_gaps(self.linear))

        def work(window: Window) -> tuple[float, int]:
            out[window] += self.nest.drawn(knots, *window)
            good = self.nest.spread(self.valid, *window)
            away = (out[window] - self.nest.drawn(plain, *window))[good]
            return float(np.sum(np.square(away))), int(good.sum())

        found = list(in_order(work, windows(self.shape, self.side)))
        total = sum(s for s, _ in found) / max(sum(n for _, n in found), 1)
        return total if self.learnt is not None else 0.0

    # -------------------------------------------------------------------------- error
    def _finish(self, lst: Array, sd: Array, flags: Array, below: float, detail: float) -> Array:
        """Turn ``lst`` to temperature, write errors and flags; return cell means of ``lst``."""
        nest, verdict = self.nest, self.verdict
        plain = nest.knots(fill_gaps(self.linear))
        noise, low, high = self._noise()
        gap, thin = self._coarse_flags()
        spread = verdict.detail_error
        constant = max(below - spread * detail, 0.25 * below)
        total = Sums.of(nest)
        most = below + detail
        local = np.ones_like(self.linear) if verdict.local is None else verdict.local
        varied, least = nest.knots(local), float(local.min())

        def work(window: Window) -> tuple[Part, Array]:
            own = lst[window].astype("float64")
            good = nest.spread(self.valid, *window)
            square = np.square(own - nest.drawn(plain, *window)) if self.learnt is not None else 0.0
            here = np.maximum(nest.drawn(varied, *window), least)
            variance = verdict.tail**2 * (constant * here + spread * square)
            if self.inherited is not None:
                variance = variance + self.inherited[window]
            marked = flags[window]
            variance = np.where(marked > 0, np.maximum(variance, most), variance)
            error = np.clip(nest.drawn(noise, *window), low, high)
            marked |= np.where(nest.spread(gap, *window), Flag.CLOUD_GAP, 0).astype("uint8")
            marked |= np.where(nest.spread(thin, *window), Flag.LOW_SUPPORT, 0).astype("uint8")
            sd[window] = np.where(good, np.sqrt(error**2 + variance), np.nan)
            lst[window] = np.where(good, from_linear(np.maximum(own, 1.0)), np.nan)
            part = total.cut(*window)
            return part, part.of_window(to_linear(np.nan_to_num(lst[window].astype("float64"))))

        for part, seen in in_order(work, windows(self.shape, self.side)):
            total.add(part, seen)
        return total.total

    def _noise(self) -> tuple[Array, float, float]:
        """Knots of the coarse error, and its range [K]."""
        finite = self.noise_k[np.isfinite(self.noise_k)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return self.nest.knots(fill_gaps(self.noise_k)), low, high

    def _coarse_flags(self) -> tuple[Array, Array]:
        """Cells in or beside a gap, and cells with few valid cells around, bool (coarse y, x)."""
        beside = ndimage.binary_dilation(~self.valid, np.ones((3, 3)))
        around = ndimage.uniform_filter(self.valid.astype("float64"), 5, mode="nearest")
        thin = around * 25.0 < SUPPORT - 0.5
        return beside, np.asarray(thin)


def _knots(nest: Nesting, cells: Array) -> list[Array]:
    return [nest.knots(cells[..., i]) for i in range(cells.shape[-1])]


def _widened(values: Array) -> tuple[Array, Array]:
    """Range of values (cell, ...), wider by `EXTRAPOLATION` at both ends."""
    low, high = values.min(axis=0), values.max(axis=0)
    margin = EXTRAPOLATION * (high - low)
    return (low - margin).astype("float32"), (high + margin).astype("float32")
