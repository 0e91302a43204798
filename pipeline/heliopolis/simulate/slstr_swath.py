"""What the radiometer SLSTR sees of the simulated city: a skewed swath of 1 km pixels.

Around the city lies open country with the mean temperature of its vegetation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from odc.geo import Geometry
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from heliopolis.simulate.optics import (
    Clouds,
    Field,
    Sampler,
    block_mean,
    blur,
    clouds,
    smooth_noise,
)
from heliopolis.simulate.overpass import View

CELL_M, PSF_FWHM_M = 1000.0, 1000.0
SHAPE = (40, 64)
NOISE_K = 0.12
#: Direction in which rows and columns run on the ground, clockwise from north [deg].
DESCENDING, ASCENDING = (193.0, 103.0), (347.0, 257.0)
#: Pixel of the nadir line in the 1 km grid and in the 16 km grid of tie points.
TRACK_IN, TRACK_TX, TIE_COLUMNS, TIE_STEP = 32, 3, 7, 16


@dataclass(frozen=True)
class Swath:
    """Pixels of the 1 km grid on the ground, in the metric system of the city."""

    view: View

    @property
    def directions(self) -> tuple[float, float]:
        """Directions of rows and columns [deg]: southwards by day, northwards by night."""
        return DESCENDING if self.view.sun.is_up else ASCENDING

    def metres(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metric x, y of (fractional) rows and columns."""
        grid = self.view.grid
        x0, y0 = grid.affine * (grid.width / 2.0, grid.height / 2.0)
        shift = self.view.rng("swath").uniform(-0.5, 0.5, 2)
        along = (rows - (SHAPE[0] - 1) / 2.0 + shift[0]) * CELL_M
        across = (cols - TRACK_IN + shift[1]) * CELL_M
        a, b = (math.radians(angle) for angle in self.directions)
        x = x0 + along * math.sin(a) + across * math.sin(b)
        return x, y0 + along * math.cos(a) + across * math.cos(b)

    def degrees(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude [deg] of (fractional) rows and columns."""
        x, y = self.metres(rows, cols)
        crs = str(self.view.grid.crs)
        lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
        return lat, lon

    @cached_property
    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of all pixels."""
        rows, cols = np.indices(SHAPE, dtype="float64")
        return rows, cols

    @cached_property
    def ties(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and 1 km columns of the tie points."""
        rows, cols = np.indices((SHAPE[0], TIE_COLUMNS), dtype="float64")
        return rows, TRACK_IN + (cols - TRACK_TX) * TIE_STEP

    @property
    def outline(self) -> Geometry:
        """Outline of the swath."""
        rows = np.array([-0.5, -0.5, SHAPE[0] - 0.5, SHAPE[0] - 0.5, -0.5])
        cols = np.array([-0.5, SHAPE[1] - 0.5, SHAPE[1] - 0.5, -0.5, -0.5])
        ring = list(zip(*self.metres(rows, cols), strict=True))
        shape = {"type": "Polygon", "coordinates": [[(float(x), float(y)) for x, y in ring]]}
        return Geometry(shape, str(self.view.grid.crs))


@dataclass(frozen=True)
class SlstrPicture:
    """What the radiometer delivers on its swath."""

    view: View

    @cached_property
    def swath(self) -> Swath:
        """Geometry."""
        return Swath(self.view)

    @cached_property
    def rural_k(self) -> float:
        """Mean true temperature of vegetation [K]."""
        green = self.view.share("grass", "crop", "forest", "tree") > 0.9
        return float(self.view.lst_k[green].mean() if green.any() else self.view.lst_k.min())

    def _spread(self, field: Field, outside: float) -> Field:
        """Mean over the point spread of a 10 m field, ``outside`` beyond the city, 1 km swath."""
        pad, step = 3000, 50
        coarse = block_mean(_trimmed(field, step // 10), step // 10)
        wide = np.pad(coarse, pad // step, constant_values=outside)
        wide = blur(wide.astype("float32"), PSF_FWHM_M, float(step))
        grid = self.view.grid.zoom_out(step / 10)
        grid = GeoBox(coarse.shape, grid.affine, grid.crs).pad(pad // step)
        x, y = self.swath.metres(*self.swath.pixels)
        return Sampler.at_points(grid, x, y, str(grid.crs)).read(wide)

    @cached_property
    def clouds(self) -> Clouds:
        """Clouds over the swath, from a field of 500 m cells."""
        view, half = self.view, 45_000.0
        x0, y0 = view.grid.affine * (view.grid.width / 2.0, view.grid.height / 2.0)
        box = (x0 - half, y0 - half, x0 + half, y0 + half)
        grid = GeoBox.from_bbox(box, crs=str(view.grid.crs), resolution=500.0)
        sky = clouds(
            grid, view.overpass.cloud_cover, view.sun.elevation_deg, view.sun.azimuth_deg,
            view.rng("clouds"),
        )  # fmt: skip
        x, y = self.swath.metres(*self.swath.pixels)
        return sky.sampled(Sampler.at_points(grid, x, y, str(grid.crs)))

    @cached_property
    def unfilled(self) -> np.ndarray[Any, Any]:
        """Pixels at the edge of the swath that no scan has filled."""
        out = np.zeros(SHAPE, dtype=bool)
        out[:, -2:] = True
        return out

    @cached_property
    def lst_k(self) -> Field:
        """Retrieved temperature [K], too low under clouds, NaN where unfilled."""
        rng = self.view.rng("slstr")
        true = self._spread(self.view.lst_k.astype("float64") ** 4, self.rural_k**4) ** 0.25
        drift = 0.35 * smooth_noise(SHAPE, 4000.0, CELL_M, rng) + 0.25 * rng.standard_normal()
        noise = NOISE_K * rng.standard_normal(SHAPE)
        seen = true + drift + noise - 18.0 * self.clouds.opacity
        return np.where(self.unfilled, np.nan, seen).astype("float32")

    @cached_property
    def sigma_k(self) -> Field:
        """Stated total uncertainty [K]."""
        cloudy = 0.5 * self.clouds.opacity
        return np.where(self.unfilled, np.nan, 0.55 + cloudy).astype("float32")

    def fraction(self) -> Field:
        """Vegetation fraction (1)."""
        return self._spread(self.view.share("grass", "crop", "forest", "tree"), 0.9)

    def flags(self) -> dict[str, np.ndarray[Any, Any]]:
        """Flag words of ``flags_in.nc`` and of ``LST_in.nc``."""
        cloud = self.clouds.cloud & ~self.unfilled
        water = self._spread(self.view.share("water"), 0.0) > 0.5
        confidence = np.where(water, 16, 8) + np.where(self.unfilled, 32, 0)
        confidence += np.where(cloud, 16384, 0) + (1024 if self.view.sun.is_up else 0)
        return {
            "cloud_in": np.where(cloud, 128 + 64, 0).astype("uint16"),
            "confidence_in": confidence.astype("uint16"),
            "bayes_in": np.where(cloud, 2, 0).astype("uint8"),
            "probability": np.where(cloud, 0.97, 0.02),
            "exception": np.where(self.unfilled, 128, 0).astype("int16"),
        }


def _trimmed(field: Field, factor: int) -> Field:
    rows, cols = (size - size % factor for size in field.shape)
    return field[:rows, :cols]
