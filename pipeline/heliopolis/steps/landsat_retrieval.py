"""Surface temperature of a Landsat scene by any of the methods, with the parts of its error."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.landsat import LandsatScene
from heliopolis.quality import qa_bit
from heliopolis.steps.city_ground import CityGround
from heliopolis.steps.landsat_clear import ASSETS as MASK_ASSETS
from heliopolis.thermal import retrieval, water_vapour
from heliopolis.thermal.bands import band_of
from heliopolis.thermal.emissivity import SIGMA, ndvi
from heliopolis.thermal.footprint import seen_by_sensor
from heliopolis.thermal.planck import brightness_temperature

METHODS = ("product", "rte", "smw", "split-window")
_RADIANCES = ("trad", "urad", "drad", "atran")
_EMISSIVITY = ("emis", "emsd")
_REFLECTANCE = ("red", "nir08")
_LEVEL1 = ("l1_b10", "l1_b11", "l1_red", "l1_nir")
#: Files that each method reads, where a scene has them, beside QA_PIXEL.
ASSETS = {
    "product": ("lwir11", "qa", "emsd"),
    "rte": (*_RADIANCES, *_EMISSIVITY, "cdist", "mtl"),
    "smw": ("trad", "atran", *_EMISSIVITY, *_LEVEL1, "mtl"),
    "split-window": (*_LEVEL1, "mtl"),
}


@dataclass(frozen=True)
class Request:
    """How surface temperature is asked for.

    Attributes
    ----------
    method
        One of `METHODS`.
    tcwv_mm
        Total column water vapour [mm]; where it is None it comes from the transmittance of the
        product, else from a climatology.
    emissivity
        Emissivity 0..1 (y, x) on the grid that replaces all others.
    ground
        Where given, emissivity is made from the scene's own reflectance and these maps, instead
        of taken from the product.
    chunks
        Side of the chunks [pixels].
    """

    method: str = "product"
    tcwv_mm: float | None = None
    emissivity: xr.DataArray | None = None
    ground: CityGround | None = None
    chunks: int = 1024

    @property
    def assets(self) -> tuple[str, ...]:
        """Files that are read, where a scene has them."""
        more = _REFLECTANCE if self.ground is not None and self.method != "product" else ()
        return tuple(dict.fromkeys((*MASK_ASSETS, *ASSETS[self.method], *more)))


@dataclass(frozen=True)
class Retrieved:
    """A retrieval that is not masked yet.

    Attributes
    ----------
    values
        As `heliopolis.thermal.uncertainty.retrieved`: lazy, (y, x), K.
    tags
        What was used: ``retrieval``, ``emissivity``, ``water_vapour``.
    emissivity_source
        Codes `heliopolis.thermal.emissivity.SOURCES` (y, x) where the emissivity is ours.
    untrusted
        Where metal or another mirror of the sky is known to be (bool; y, x).
    """

    values: xr.Dataset
    tags: dict[str, str]
    emissivity_source: xr.DataArray | None = None
    untrusted: xr.DataArray | None = None


@dataclass(frozen=True)
class _Ground:
    """Emissivity of each band, its error, and its origin."""

    values: tuple[xr.DataArray, ...]
    sd: xr.DataArray | float
    told: str
    source: xr.DataArray | None = None
    untrusted: xr.DataArray | None = None

    def with_values(self, values: xr.Dataset, water: str) -> Retrieved:
        tags = {"emissivity": self.told, "water_vapour": water}
        return Retrieved(values, tags, self.source, self.untrusted)


def retrieve(scene: LandsatScene, grid: GeoBox, asked: Request) -> Retrieved:
    """Surface temperature of a scene on ``grid``; not masked.

    Raises
    ------
    InputError
        Where the scene lacks a band, a constant or coefficients that the method needs.
    """
    makers = {"product": _product, "rte": _rte, "smw": _smw, "split-window": _split_window}
    made = makers[asked.method](scene, grid, asked)
    return replace(made, tags={"retrieval": asked.method, **made.tags})


def _product(scene: LandsatScene, grid: GeoBox, asked: Request) -> Retrieved:
    scene.require(["lwir11"], "the method 'product'")
    keys = ["lwir11", *(key for key in ("qa", "emsd") if key in scene.files)]
    bands = scene.read(keys, grid, chunks=asked.chunks)
    emsd = bands["emsd"].fillna(SIGMA) if "emsd" in bands else SIGMA
    values = retrieval.retrieve_product(bands["lwir11"], bands.get("qa"), emsd)
    return Retrieved(values, {"emissivity": "of the product", "water_vapour": "of the product"})


def _rte(scene: LandsatScene, grid: GeoBox, asked: Request) -> Retrieved:
    scene.require(_RADIANCES, "the method 'rte'")
    keys = [*_RADIANCES, *(["cdist"] if "cdist" in scene.files else [])]
    bands = scene.read(keys, grid, chunks=asked.chunks)
    ground = _ground(scene, grid, asked, (10,))
    band = band_of(scene.spacecraft, 10, *scene.thermal_constants(10))
    trad, urad, drad, atran = (bands[key] for key in _RADIANCES)
    values = retrieval.retrieve_rte(
        trad, urad, drad, atran, ground.values[0], band, ground.sd, bands.get("cdist")
    )
    return ground.with_values(values, "of the product")


def _smw(scene: LandsatScene, grid: GeoBox, asked: Request) -> Retrieved:
    if scene.spacecraft not in retrieval.SMW_COEFFICIENTS:
        raise InputError(f"the satellite {scene.spacecraft} is not known to the method 'smw'",
                         where=scene.name)  # fmt: skip
    brightness = _brightness(scene, grid, 10, asked)
    ground = _ground(scene, grid, asked, (10,))
    water, water_sd, told = _water(scene, grid, asked)
    values = retrieval.retrieve_smw(
        brightness, ground.values[0], water, scene.spacecraft, ground.sd, water_sd
    )
    return ground.with_values(values, told)


def _split_window(scene: LandsatScene, grid: GeoBox, asked: Request) -> Retrieved:
    scene.require(["l1_b10", "l1_b11"], "the method 'split-window'")
    ground = _ground(scene, grid, asked, (10, 11))
    water, water_sd, told = _water(scene, grid, asked)
    values = retrieval.retrieve_split_window(
        _brightness(scene, grid, 10, asked),
        _brightness(scene, grid, 11, asked),
        ground.values[0],
        ground.values[1],
        water,
        emissivity_sd=ground.sd,
        spacecraft=scene.spacecraft,
        tcwv_sd_mm=water_sd,
    )
    return ground.with_values(values, told)


def _brightness(scene: LandsatScene, grid: GeoBox, band: int, asked: Request) -> xr.DataArray:
    """Brightness temperature at the sensor [K], from Level-1 numbers or ST_TRAD."""
    key = f"l1_b{band}"
    if key in scene.files:
        gain, offset = scene.radiance_scale(band)
        radiance = scene.read([key], grid, chunks=asked.chunks)[key] * gain + offset
    else:
        scene.require(["trad"] if band == 10 else [key], f"the method '{asked.method}'")
        radiance = scene.read(["trad"], grid, chunks=asked.chunks)["trad"]
    return brightness_temperature(radiance, *scene.thermal_constants(band))


def _ground(scene: LandsatScene, grid: GeoBox, asked: Request, bands: tuple[int, ...]) -> _Ground:
    """Emissivity: the one given, the product's, or from the reflectance of the date."""
    if asked.emissivity is not None:
        return _Ground((asked.emissivity,) * len(bands), SIGMA, "given")
    if bands == (10,) and "emis" in scene.files and asked.ground is None:
        keys = [key for key in _EMISSIVITY if key in scene.files]
        read = scene.read(keys, grid, chunks=asked.chunks)
        sd = read["emsd"].fillna(SIGMA) if "emsd" in read else SIGMA
        return _Ground((read["emis"],), sd, "of the product")
    red, nir = _red_nir(scene, grid, asked)
    index = ndvi(red, nir)
    snow = None
    if "qa_pixel" in scene.files:
        snow = qa_bit(scene.read(["qa_pixel"], grid, chunks=asked.chunks)["qa_pixel"], "snow")
    cell = abs(grid.resolution.x)
    known = asked.ground or CityGround()
    found = [
        known.emissivity(index, red, band=band, spacecraft=scene.spacecraft, snow=snow)
        for band in bands
    ]
    values = tuple(seen_by_sensor(one["emissivity"], cell).astype("float32") for one in found)
    sd = seen_by_sensor(found[0]["emissivity_sd"], cell).astype("float32")
    first = found[0]
    return _Ground(values, sd, known.told, first["emissivity_source"], first["untrusted"])


def _red_nir(
    scene: LandsatScene, grid: GeoBox, asked: Request
) -> tuple[xr.DataArray, xr.DataArray]:
    if set(_REFLECTANCE) <= set(scene.files):
        read = scene.read(list(_REFLECTANCE), grid, chunks=asked.chunks)
        return read["red"].clip(0.0, 1.0), read["nir08"].clip(0.0, 1.0)
    scene.require(["l1_red", "l1_nir"], "emissivity from NDVI (or give --emissivity)")
    read = scene.read(["l1_red", "l1_nir"], grid, chunks=asked.chunks)
    entries = scene.metadata()
    sine = np.sin(np.radians(float(entries["SUN_ELEVATION"])))
    out = []
    for key, band in (("l1_red", 4), ("l1_nir", 5)):
        gain = float(entries[f"REFLECTANCE_MULT_BAND_{band}"])
        offset = float(entries[f"REFLECTANCE_ADD_BAND_{band}"])
        out.append(((read[key] * gain + offset) / sine).clip(0.0, 1.0))
    return out[0], out[1]


def _water(
    scene: LandsatScene, grid: GeoBox, asked: Request
) -> tuple[xr.DataArray | float, xr.DataArray | float, str]:
    """Water vapour, its 1-sigma error [mm], and where it comes from."""
    if asked.tcwv_mm is not None:
        one = xr.DataArray(float(asked.tcwv_mm))
        value, sd = water_vapour.from_array(one)
        return float(value), float(sd), f"given, {asked.tcwv_mm:g} mm"
    if "atran" in scene.files:
        atran = scene.read(["atran"], grid, chunks=asked.chunks)["atran"]
        return *water_vapour.from_transmittance(atran, scene.spacecraft), "transmittance (ST_ATRAN)"
    longitude_latitude = grid.extent.centroid.to_crs("EPSG:4326")
    latitude = float(longitude_latitude.coords[0][1])
    mean, sd_mm = water_vapour.climatology(latitude, _month(scene))
    return mean, sd_mm, f"climatology of latitude and month, {mean:g} +- {sd_mm:g} mm"


def _month(scene: LandsatScene) -> int:
    """Month of the acquisition, from the MTL file or the name."""
    told = scene.metadata().get("DATE_ACQUIRED", "") if scene.mtl is not None else ""
    found = re.match(r"\d{4}-(\d{2})-", told) or re.search(r"_\d{4}(\d{2})\d{2}_", scene.name + "_")
    if found is None:
        raise InputError("the date of the scene is not known", where=scene.name,
                         remedy="Give the water vapour")  # fmt: skip
    return int(found.group(1))
