"""What lies between the surface and the numbers in a file: atmosphere, clouds, blur, noise.

Grids are `odc.geo.geobox.GeoBox`; fields are 2-D float32 arrays on them, north up.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]

_FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
#: Mean slope of a hemispheric path through the air relative to the vertical one (Elsasser 1942).
_DIFFUSIVITY = 1.66
#: Pictures go this far beyond the city, with the values of its edge [m].
MARGIN_M = 120.0
#: Height of the cloud base that throws the shadow [m].
CLOUD_HEIGHT_M = 1500.0
#: Temperature of the cloud tops [K].
CLOUD_TOP_K = 272.0
#: Opacity above which a cloud, or a shadow, is noticed by the provider's mask.
DETECTED_OPACITY = 0.1


def generator(seed: int, label: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, not on the order of use."""
    return np.random.default_rng([seed, zlib.crc32(label.encode())])


# ---------------------------------------------------------------------------- thermal radiation
@dataclass(frozen=True)
class ThermalBand:
    """A thermal band through the two constants of its effective Planck function.

    ``radiance = k1 / (exp(k2 / T) - 1)`` [W m-2 sr-1 um-1], as in the MTL files of the USGS.

    >>> band = ThermalBand(774.8853, 1321.0789)
    >>> round(float(band.temperature(band.radiance(300.0))), 6)
    300.0
    """

    k1: float
    k2: float

    def radiance(self, temperature_k: Field | float) -> Field:
        """Black-body radiance [W m-2 sr-1 um-1] of a temperature [K]."""
        return np.asarray(self.k1 / np.expm1(self.k2 / temperature_k))

    def temperature(self, radiance: Field | float) -> Field:
        """Brightness temperature [K] of a radiance [W m-2 sr-1 um-1]."""
        return np.asarray(self.k2 / np.log1p(self.k1 / radiance))


@dataclass(frozen=True)
class Atmosphere:
    """The air in one thermal band.

    Attributes
    ----------
    transmittance
        Share of the surface's radiance that reaches the sensor (1).
    upwelling, downwelling
        Radiance of the air towards the sensor and towards the ground [W m-2 sr-1 um-1]; the
        latter is the mean over the hemisphere.
    """

    transmittance: Field
    upwelling: Field
    downwelling: Field

    def at_sensor(self, surface_k: Field, emissivity: Field, band: ThermalBand) -> Field:
        """Radiance at the sensor: ``tau (e B(T) + (1 - e) L_down) + L_up``."""
        leaving = emissivity * band.radiance(surface_k) + (1.0 - emissivity) * self.downwelling
        return np.asarray(self.transmittance * leaving + self.upwelling, dtype="float32")

    def surface_temperature(self, radiance: Field, emissivity: Field, band: ThermalBand) -> Field:
        """Inverse of `at_sensor` [K]."""
        leaving = (radiance - self.upwelling) / self.transmittance
        own = (leaving - (1.0 - emissivity) * self.downwelling) / emissivity
        return np.asarray(band.temperature(np.maximum(own, 0.5)), dtype="float32")


#: The clear air in TIRS bands 10 and 11: optical depth at nadir as a polynomial of water vapour
#: [cm], and the effective temperature [K] of its radiation upwards and downwards as a line of the
#: air temperature near the ground [K] and of water vapour [cm]. Least squares over the atmospheres
#: of mid-latitude summer and winter of LOWTRAN 7 (Kneizys et al. 1988, AFGL-TR-88-0177) with 0.4 to
#: 2 times their water vapour and -3, 0 and +6 K at the ground: residuals 0.010 and 0.016 of depth,
#: 1.0 to 1.4 K. From the ground the air is warmer than from above.
_OPTICAL_DEPTH = {10: (0.0513, 0.0389, 0.0234), 11: (0.0719, 0.0680, 0.0350)}
_UP_K = {10: (32.18, 0.8400, 1.964), 11: (31.84, 0.8362, 2.120)}
_DOWN_K = {10: (23.82, 0.8860, 0.967), 11: (23.81, 0.8745, 1.664)}


def atmosphere(band: int, k: ThermalBand, tcwv_mm: Field, air_k: float) -> Atmosphere:
    """Atmosphere of TIRS band 10 or 11 from water vapour and air temperature near the ground.

    The hemispheric path is 1.66 times the vertical one.

    Parameters
    ----------
    band
        10 or 11.
    k
        Planck constants of the band.
    tcwv_mm
        Total column of water vapour [mm].
    air_k
        Air temperature near the ground [K].
    """
    constant, linear, square = _OPTICAL_DEPTH[band]
    cm = np.asarray(tcwv_mm, dtype="float64") / 10.0
    depth = constant + linear * cm + square * cm**2
    up, down = (
        k.radiance(np.asarray(base + by_air * air_k + by_water * cm))
        for base, by_air, by_water in (_UP_K[band], _DOWN_K[band])
    )
    return Atmosphere(
        np.exp(-depth).astype("float32"),
        ((1.0 - np.exp(-depth)) * up).astype("float32"),
        ((1.0 - np.exp(-_DIFFUSIVITY * depth)) * down).astype("float32"),
    )


# ---------------------------------------------------------------------------- blur and sampling
def blur(field: Field, fwhm_m: float, cell_m: float) -> Field:
    """Gaussian point spread of full width at half maximum ``fwhm_m``; edges repeat outwards."""
    sigma = fwhm_m * _FWHM_TO_SIGMA / cell_m
    return np.asarray(ndimage.gaussian_filter(field, sigma, mode="nearest", truncate=3.5))


def block_mean(field: Field, factor: int) -> Field:
    """Mean of ``factor`` x ``factor`` cells; the shape must be a multiple of ``factor``."""
    rows, cols = field.shape[0] // factor, field.shape[1] // factor
    return np.asarray(field.reshape(rows, factor, cols, factor).mean(axis=(1, 3)))


@dataclass(frozen=True)
class Sampler:
    """Positions of one grid's cell centres in another grid, computed once and used often.

    Attributes
    ----------
    rows, cols
        Fractional indices in the source grid.
    inside
        Whether a position lies in the source grid or within `MARGIN_M` of it.
    """

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    inside: Mask

    @classmethod
    def between(cls, source: GeoBox, target: GeoBox) -> Sampler:
        """Sampler that reads fields on ``source`` at the cell centres of ``target``."""
        j, i = np.meshgrid(np.arange(target.width) + 0.5, np.arange(target.height) + 0.5)
        x, y = (np.asarray(axis) for axis in target.affine * (j, i))
        return cls.at_points(source, x, y, str(target.crs))

    @classmethod
    def at_points(
        cls, source: GeoBox, x: NDArray[np.float64], y: NDArray[np.float64], crs: str
    ) -> Sampler:
        """Sampler that reads fields on ``source`` at points (x, y) in ``crs``."""
        if crs != str(source.crs):
            x, y = Transformer.from_crs(crs, str(source.crs), always_xy=True).transform(x, y)
        cols, rows = ~source.affine * (x, y)
        margin = MARGIN_M / abs(source.resolution.x)
        inside = (np.abs(rows - source.height / 2) <= source.height / 2 + margin) & (
            np.abs(cols - source.width / 2) <= source.width / 2 + margin
        )
        return cls(rows - 0.5, cols - 0.5, inside)

    def read(self, field: Field, order: int = 1) -> Field:
        """Values at the positions: nearest (0), bilinear (1) or cubic (3); edges repeat."""
        at = np.stack([self.rows, self.cols])
        return np.asarray(
            ndimage.map_coordinates(field, at, order=order, mode="nearest", output=field.dtype)
        )


# ---------------------------------------------------------------------------- noise and clouds
def smooth_noise(
    shape: Sequence[int], length_m: float, cell_m: float, rng: np.random.Generator
) -> Field:
    """Gaussian noise of mean 0 and standard deviation 1 with correlation length ``length_m``."""
    step = max(1, int(length_m / (2.0 * cell_m)))
    small = (shape[0] // step + 3, shape[1] // step + 3)
    noise = ndimage.gaussian_filter(
        rng.standard_normal(small), length_m / (cell_m * step), mode="wrap"
    )
    noise = ((noise - noise.mean()) / noise.std()).astype("float32")
    rows, cols = (_linear(wanted, step, have) for wanted, have in zip(shape, small, strict=True))
    return np.asarray(rows @ noise @ cols.T)


def _linear(size: int, step: int, knots: int) -> Field:
    """Matrix that interpolates linearly from ``knots`` values to ``size``, ``step`` apart."""
    at = np.arange(size) / step + 1.0
    left = np.floor(at).astype("int64")
    weights = np.zeros((size, knots), dtype="float32")
    weights[np.arange(size), left] = 1.0 - (at - left)
    weights[np.arange(size), left + 1] += at - left
    return weights


@dataclass(frozen=True)
class Clouds:
    """Clouds over a grid: opacity of the cloud and of its shadow, each 0..1."""

    opacity: Field
    shadow: Field

    @property
    def cloud(self) -> Mask:
        """Where the provider's mask sees a cloud."""
        return np.asarray(self.opacity > DETECTED_OPACITY)

    def sampled(self, sampler: Sampler) -> Clouds:
        """The same clouds on another grid."""
        return Clouds(sampler.read(self.opacity), sampler.read(self.shadow))


def clouds(
    grid: GeoBox,
    cover: float,
    sun_elevation_deg: float,
    sun_azimuth_deg: float,
    rng: np.random.Generator,
) -> Clouds:
    """Clouds that are detected over a share ``cover`` of ``grid``, and their shadows.

    A random field with lengths of 600 m and 170 m is cut at the quantile that gives the cover;
    the shadow is the same pattern moved away from the sun by ``h / tan(elevation)``.
    At night (sun below 5 degrees) there is no shadow.
    """
    cell = abs(grid.resolution.x)
    if cover <= 0.0:
        nothing = np.zeros(grid.shape, dtype="float32")
        return Clouds(nothing, nothing.copy())
    day = sun_elevation_deg > 5.0
    reach = CLOUD_HEIGHT_M / math.tan(math.radians(sun_elevation_deg)) / cell if day else 0.0
    pad = math.ceil(reach) + 2
    shape = (grid.height + 2 * pad, grid.width + 2 * pad)
    noise = smooth_noise(shape, 600.0, cell, rng) + 0.5 * smooth_noise(shape, 170.0, cell, rng)
    inner = (slice(pad, pad + grid.height), slice(pad, pad + grid.width))
    threshold = float(np.quantile(noise[inner], 1.0 - min(cover, 1.0)))
    opacity = np.clip((noise - threshold) / 0.6 + DETECTED_OPACITY, 0.0, 1.0).astype("float32")
    if not day:
        return Clouds(opacity[inner], np.zeros(grid.shape, dtype="float32"))
    azimuth = math.radians(sun_azimuth_deg)
    move = (round(reach * math.cos(azimuth)), round(-reach * math.sin(azimuth)))
    shadow = np.roll(opacity, move, axis=(0, 1))
    return Clouds(opacity[inner], shadow[inner])
