"""True surface temperature of the simulated city.

The surface energy balance is solved for the periodic state of a clear day. For each cell

    (1 - b) (F - 4 e s Ta^3 D - G) = h D,     F = (1 - a) S + e (L_down - s Ta^4)

with D = Ts - Ta, albedo a, emissivity e, evaporative share b, sunshine S, heat exchange
h = 1.6 exchange (5.7 + 3.8 u) [W m-2 K-1] (u wind; the plate of McAdams 1954, raised for rough
ground and rising air so that differences are those of real scenes) and ground heat flux G. A
surface of thermal admittance m answers a harmonic of angular frequency w with
``G = m sqrt(w) exp(i pi / 4) Ts`` (Carslaw & Jaeger 1959, section 2.6), so every harmonic n has

    D_n = (1 - b) (F_n - g_n Ta_n) / (h + (1 - b) (4 e s Ta^3 + g_n)),  g_n = m sqrt(n w) e^(i pi/4)

Their sum at the time of the overpass is the temperature, by day and by night from one equation.
D is linear in (1 - a) and e, so the sums are tabulated by class and evaporative share. Sky
radiation follows Prata 1996 (doi:10.1002/qj.49712253306), sunshine the simplified Solis model.
On top: sun incidence on the terrain, shade of buildings, narrower sky between them, the lapse
rate, air that is warmer over built districts and cooler beside parks, and correlated noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pvlib
from odc.geo import resyx_
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from heliopolis.simulate.materials import CODE, MATERIALS, lookup
from heliopolis.simulate.optics import Field, Mask, block_mean, blur, generator, smooth_noise

_STEFAN_BOLTZMANN = 5.670374419e-8
_DAY_S = 86400.0
_HARMONICS = 6
_SHARES = 101  #: steps of the evaporative share in the tables
_LAPSE_K_M = 0.0065
_ROUGH = 1.6
#: Cells of the truth's own computation and of what is written [m].
FINE_M, TRUTH_M = 5.0, 10.0


class City(Protocol):
    """What the satellites need to know of a simulated city."""

    @property
    def spec(self) -> Any:
        """Specification, with ``seed`` and ``crs``."""

    @property
    def bounds(self) -> Any:
        """West, south, east, north [m]."""

    def landcover(self, grid: GeoBox) -> Any:
        """Class codes."""

    def terrain(self, grid: GeoBox) -> Any:
        """Height of the ground [m]."""

    def surface(self, grid: GeoBox) -> Any:
        """Height of ground, buildings and trees [m]."""


@dataclass(frozen=True)
class Weather:
    """A clear day over the city.

    Attributes
    ----------
    acquired
        Time of the overpass, UTC.
    air_mean_c, air_amplitude_k
        Daily mean [degC] and half the daily range [K] of the air temperature.
    wind_m_s
        Wind speed at 10 m [m s-1].
    vapour_hpa
        Vapour pressure near the ground [hPa].
    tcwv_mm
        Total column of water vapour [mm].
    moisture
        Share of its possible evaporation that vegetation reaches (1).
    """

    acquired: datetime
    air_mean_c: float
    air_amplitude_k: float
    wind_m_s: float
    vapour_hpa: float
    tcwv_mm: float
    moisture: float


@dataclass(frozen=True)
class Sun:
    """Position [deg] and clear-sky irradiance [W m-2] at the overpass, and over the day."""

    elevation_deg: float
    azimuth_deg: float
    beam_w_m2: float
    diffuse_w_m2: float
    day_ghi_w_m2: np.ndarray
    hour: float

    @property
    def is_up(self) -> bool:
        """Whether it is day."""
        return self.elevation_deg > 5.0


def sun(weather: Weather, latitude_deg: float, longitude_deg: float) -> Sun:
    """Sun over a place on the day of the overpass; ``hour`` is mean solar time."""
    at = weather.acquired.astimezone(UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = np.arange(48) / 2.0
    offset = pd.to_timedelta(hours - longitude_deg / 15.0, unit="h")
    times = pd.DatetimeIndex([pd.Timestamp(at), *(pd.Timestamp(midnight) + offset)])
    place = pvlib.solarposition.get_solarposition(times, latitude_deg, longitude_deg)
    clear = pvlib.clearsky.simplified_solis(
        place["apparent_elevation"], precipitable_water=weather.tcwv_mm / 10.0
    )
    # simplified_solis is not meant for a sun below the horizon
    clear = clear.where(place["apparent_elevation"] > 0.0, 0.0).fillna(0.0)
    first = place.iloc[0]
    return Sun(
        float(first["apparent_elevation"]),
        float(first["azimuth"]),
        float(clear["dni"].iloc[0]),
        float(clear["dhi"].iloc[0]),
        clear["ghi"].to_numpy()[1:],
        (at - midnight).total_seconds() / 3600.0 + longitude_deg / 15.0,
    )


@dataclass(frozen=True)
class Ground:
    """What does not change from date to date, on the fine grid (5 m) over the whole city.

    Attributes
    ----------
    grid
        Fine grid.
    code
        Class codes (y, x).
    dtm, dsm
        Heights [m].
    objects
        Noise from -1 to 1 that tells one roof, field or yard from the next.
    sky_view
        Share of the sky that is seen (1).
    built, cool
        Density (0..1) of built cover in the district and of parks and water close by.
    lasting
        What no equation explains and is the same on every date [K].
    seed
        Seed of the city.
    latitude_deg, longitude_deg
        Centre of the city.
    """

    grid: GeoBox
    code: np.ndarray
    dtm: Field
    dsm: Field
    objects: Field
    sky_view: Field
    built: Field
    cool: Field
    lasting: Field
    seed: int
    latitude_deg: float
    longitude_deg: float

    @property
    def truth_grid(self) -> GeoBox:
        """Grid of what is written (10 m)."""
        return self.grid.zoom_out(TRUTH_M / FINE_M)

    def table(self, attribute: str) -> Field:
        """A property of the material of each cell."""
        return np.asarray(lookup(attribute)[self.code])


def city_grid(city: City, cell_m: float) -> GeoBox:
    """Grid over the bounds of the city."""
    bounds = tuple(getattr(city.bounds, "bbox", city.bounds))
    return GeoBox.from_bbox(bounds, crs=str(city.spec.crs), resolution=resyx_(-cell_m, cell_m))


def ground(city: City) -> Ground:
    """Read the city once onto the fine grid."""
    grid = city_grid(city, FINE_M)
    code = np.asarray(city.landcover(grid)).astype("uint8")
    dtm = np.asarray(city.terrain(grid), dtype="float32")
    dsm = np.asarray(city.surface(grid), dtype="float32")
    seed = int(city.spec.seed)
    rng = generator(seed, "objects")
    noise = smooth_noise(grid.shape, 18.0, FINE_M, rng) + smooth_noise(grid.shape, 90.0, 5.0, rng)
    sealed = np.isin(code, _codes(lambda m: m.is_roof or m.name in ("asphalt", "concrete")))
    tall = np.where(sealed, np.clip(dsm - dtm, 0.0, 40.0), 0.0)
    green = np.isin(code, [CODE["tree"], CODE["forest"], CODE["water"]])
    x, y = grid.affine * (grid.width / 2, grid.height / 2)
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    return Ground(
        grid, code, dtm, dsm,
        np.clip(noise / 2.0, -1.0, 1.0).astype("float32"),
        (1.0 - 0.5 * np.clip(_district(tall, 60.0) / 12.0, 0.0, 1.0)).astype("float32"),
        _district(sealed.astype("float32"), 800.0),
        _district(green.astype("float32"), 250.0),
        _lasting(grid, seed), seed, float(latitude), float(longitude),
    )  # fmt: skip


def _codes(wanted: Any) -> list[int]:
    return [material.code for material in MATERIALS if wanted(material)]


def _district(field: Field, fwhm_m: float) -> Field:
    """Wide blur, done on 20 m cells and brought back to the fine grid."""
    rows, cols = field.shape
    padded = np.pad(field, ((0, -rows % 4), (0, -cols % 4)), mode="edge")
    wide = blur(block_mean(padded, 4), fwhm_m, 4 * FINE_M)
    return np.repeat(np.repeat(wide, 4, axis=0), 4, axis=1)[:rows, :cols].astype("float32")


# ------------------------------------------------------------------------------ vegetation
def greenness(code: np.ndarray, objects: Field, day_of_year: int) -> Field:
    """Share of green leaves in vegetated classes (0..1), 0 elsewhere.

    Crops grow until late June and ripen by August, lawns and meadows dry in high summer, trees
    keep their leaves; fields and lawns differ from each other.
    """
    crop = math.exp(-(((day_of_year - 163) / 42.0) ** 2))
    grass = 0.88 - 0.30 * math.exp(-(((day_of_year - 222) / 38.0) ** 2))
    table = np.zeros((2, 256), dtype="float32")
    for name, level, spread in (
        ("crop", 0.20 + 0.70 * crop, 0.25),
        ("grass", grass, 0.22),
        ("tree", 0.97, 0.03),
        ("forest", 1.0, 0.02),
    ):
        table[:, CODE[name]] = level, spread
    return np.clip(table[0][code] + table[1][code] * objects, 0.0, 1.0)


def reflectance(ground: Ground, band: int, green: Field) -> Field:
    """Surface reflectance (1) in band ``band`` of `materials.OPTICAL_BANDS`, fine grid.

    Vegetation that is not green looks like dry straw; each object has its own brightness.
    """
    table = lookup("reflectance")[:, band]
    dry = _without_leaves(table)
    base = dry[ground.code] + green * (table - dry)[ground.code]
    return np.asarray(base * (1.0 + ground.table("variability") * ground.objects))


def emissivity(ground: Ground, band: int, green: Field) -> Field:
    """True emissivity (1) in TIRS band 10 or 11, fine grid."""
    table = lookup(f"emissivity_b{band}")
    dry = _without_leaves(table)
    base = dry[ground.code] + green * (table - dry)[ground.code]
    return np.clip(base + ground.table("emissivity_spread") * ground.objects, 0.2, 0.995)


def _without_leaves(table: Field) -> Field:
    """The property of each class when its leaves are dry: that of stubble for vegetation."""
    dry = table.copy()
    dry[_codes(lambda material: material.is_vegetation)] = table[CODE["stubble"]]
    return dry


# ------------------------------------------------------------------------------ sunlight
def lit(ground: Ground, sun: Sun) -> Mask:
    """Where the sun's beam is not blocked by a building or tree."""
    height = ground.dsm
    out = np.ones(height.shape, dtype=bool)
    if not sun.is_up:
        return np.zeros(height.shape, dtype=bool)
    reach = min(60.0 / math.tan(math.radians(sun.elevation_deg)), 300.0)
    azimuth = math.radians(sun.azimuth_deg)
    for step in range(1, math.ceil(reach / FINE_M) + 1):
        rows = round(-step * math.cos(azimuth))
        cols = round(step * math.sin(azimuth))
        rise = step * FINE_M * math.tan(math.radians(sun.elevation_deg))
        here, there = _overlap(height.shape, rows, cols)
        out[here] &= height[there] <= height[here] + rise
    return out


def _overlap(shape: tuple[int, ...], rows: int, cols: int) -> tuple[Any, Any]:
    """Slices of the cells that have a neighbour at an offset, and of these neighbours."""
    here, there = [], []
    for size, move in zip(shape, (rows, cols), strict=True):
        here.append(slice(max(0, -move), min(size, size - move)))
        there.append(slice(max(0, move), min(size, size + move)))
    return tuple(here), tuple(there)


def sun_factor(ground: Ground, sun: Sun) -> Field:
    """Sunshine on each cell relative to open level ground: terrain incidence and shade (1)."""
    if not sun.is_up:
        return np.ones(ground.code.shape, dtype="float32")
    smooth = blur(ground.dtm, 30.0, FINE_M)
    south, east = np.gradient(smooth, FINE_M)
    elevation, azimuth = math.radians(sun.elevation_deg), math.radians(sun.azimuth_deg)
    up = 1.0 / np.sqrt(1.0 + south**2 + east**2)
    toward = -east * math.sin(azimuth) + south * math.cos(azimuth)
    incidence = up * (toward * math.cos(elevation) + math.sin(elevation))
    beam = sun.beam_w_m2 * np.clip(incidence, 0.0, None) * lit(ground, sun)
    level = sun.beam_w_m2 * math.sin(elevation) + sun.diffuse_w_m2
    return ((beam + sun.diffuse_w_m2 * ground.sky_view) / level).astype("float32")


# ------------------------------------------------------------------------------ balance
@dataclass(frozen=True)
class _Response:
    """Temperature above the air [K] by class and evaporative share, for unit forcings."""

    sunshine: Field
    longwave: Field
    air: Field


def _harmonics(signal: np.ndarray, hour: float) -> np.ndarray:
    """Harmonics 0..N of a half-hourly day, turned to the hour: their real parts add up to it."""
    spectrum = np.fft.rfft(signal)[: _HARMONICS + 1] / len(signal)
    spectrum[1:] *= 2.0
    order = np.arange(_HARMONICS + 1)
    return np.asarray(spectrum * np.exp(1j * order * 2.0 * np.pi * hour / 24.0))


def _air(weather: Weather) -> np.ndarray:
    """Air temperature of the day, half-hourly solar time, warmest at 15 h [K]."""
    hours = np.arange(48) / 2.0
    swing = weather.air_amplitude_k * np.cos(2.0 * np.pi * (hours - 15.0) / 24.0)
    return np.asarray(weather.air_mean_c + 273.15 + swing)


def air_temperature(weather: Weather, hour: float) -> float:
    """Air temperature over open country at an hour of mean solar time [K]."""
    return float(_harmonics(_air(weather), hour).real.sum())


def sky_radiation(air_k: float, vapour_hpa: float) -> float:
    """Clear-sky long-wave radiation [W m-2], Prata 1996."""
    water = 46.5 * vapour_hpa / air_k
    own = 1.0 - (1.0 + water) * math.exp(-math.sqrt(1.2 + 3.0 * water))
    return own * _STEFAN_BOLTZMANN * air_k**4


def _response(weather: Weather, sun: Sun) -> _Response:
    mean_k = weather.air_mean_c + 273.15
    radiative = 4.0 * 0.95 * _STEFAN_BOLTZMANN * mean_k**3
    order = np.arange(_HARMONICS + 1)
    ripple = np.sqrt(order * 2.0 * np.pi / _DAY_S) * np.exp(0.25j * np.pi)
    admittance = np.nan_to_num(lookup("thermal_admittance"), nan=1000.0)[:, None, None]
    exchange = np.nan_to_num(lookup("exchange"), nan=1.0)[:, None, None]
    h = _ROUGH * exchange * (5.7 + 3.8 * weather.wind_m_s)
    left = (1.0 - np.linspace(0.0, 1.0, _SHARES))[None, :, None]
    ground_flux = admittance * ripple
    gain = left / (h + left * (radiative + ground_flux))
    sunshine = (gain * _harmonics(sun.day_ghi_w_m2, sun.hour)).real.sum(axis=2)
    air = (gain * ground_flux * _harmonics(_air(weather), sun.hour)).real.sum(axis=2)
    loss = sky_radiation(mean_k, weather.vapour_hpa) - _STEFAN_BOLTZMANN * mean_k**4
    longwave = gain[:, :, 0].real * loss
    return _Response(sunshine.astype("float32"), longwave.astype("float32"), air.astype("float32"))


def surface_temperature(ground: Ground, weather: Weather, sun: Sun, label: str) -> Field:
    """True clear-sky surface temperature at the overpass [K], fine grid (y, x).

    Parameters
    ----------
    ground
        The city.
    weather
        The day.
    sun
        Sun of that day, from `sun`.
    label
        Name of the scene; its noise is drawn from it and from the city's seed.
    """
    code = ground.code
    green = greenness(code, ground.objects, weather.acquired.timetuple().tm_yday)
    leafy = np.isin(code, _codes(lambda m: m.is_vegetation))
    supply = np.where(leafy, weather.moisture * (0.3 + 0.7 * green), 1.0)
    share = np.clip(ground.table("evaporation") * supply, 0.0, 1.0)
    step = np.round(share * (_SHARES - 1)).astype("int32")
    response = _response(weather, sun)
    albedo = ground.table("albedo") * (1.0 + ground.table("variability") * ground.objects)
    absorbed = (1.0 - albedo) * (1.0 + 0.85 * (sun_factor(ground, sun) - 1.0))
    above_air = (
        absorbed * response.sunshine[code, step]
        + emissivity(ground, 10, green) * ground.sky_view * response.longwave[code, step]
        - response.air[code, step]
    )
    return (_local_air(ground, weather, sun) + above_air + _noise(ground, label)).astype("float32")


def _local_air(ground: Ground, weather: Weather, sun: Sun) -> Field:
    """Air temperature over each cell [K]: lapse rate, warm districts, cool parks."""
    warm = (2.2 if sun.is_up else 3.5) / (1.0 + weather.wind_m_s / 6.0)
    cool = 1.6 if sun.is_up else 0.8
    rise = ground.dtm - np.median(ground.dtm)
    return np.asarray(
        air_temperature(weather, sun.hour)
        - _LAPSE_K_M * rise
        + warm * ground.built
        - cool * ground.cool
    )


def _lasting(grid: GeoBox, seed: int) -> Field:
    rng = generator(seed, "lst")
    wide = smooth_noise(grid.shape, 250.0, FINE_M, rng)
    return 0.5 * wide + 0.35 * smooth_noise(grid.shape, 40.0, FINE_M, rng)


def _noise(ground: Ground, label: str) -> Field:
    """What no equation explains [K]: about half of it the same on every date."""
    rng = generator(ground.seed, "lst " + label)
    wide = smooth_noise(ground.grid.shape, 700.0, FINE_M, rng)
    return ground.lasting + 0.5 * wide + 0.25 * smooth_noise(ground.grid.shape, 40.0, FINE_M, rng)


def radiant_mean(temperature_k: Field, factor: int) -> Field:
    """Mean of T^4 over blocks of cells, as a temperature [K]."""
    return np.asarray(
        block_mean(temperature_k.astype("float64") ** 4, factor) ** 0.25, dtype="float32"
    )
