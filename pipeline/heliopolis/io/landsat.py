"""Landsat Collection 2 scenes: bands by asset or by USGS file name, scaled, on a grid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.raster import open_dataset, raster_grid, read_onto


@dataclass(frozen=True)
class Band:
    """How a band is stored: ``value = number * scale + offset``."""

    suffix: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    units: str = "1"


#: Bands of a Level-2 product by STAC asset key (USGS LSDS-1619; scales as in the MTL file).
BANDS: Mapping[str, Band] = {
    "lwir11": Band("ST_B10", 0.00341802, 149.0, 0, "K"),
    "qa": Band("ST_QA", 0.01, 0.0, -9999, "K"),
    "trad": Band("ST_TRAD", 0.001, 0.0, -9999, "W m-2 sr-1 um-1"),
    "urad": Band("ST_URAD", 0.001, 0.0, -9999, "W m-2 sr-1 um-1"),
    "drad": Band("ST_DRAD", 0.001, 0.0, -9999, "W m-2 sr-1 um-1"),
    "atran": Band("ST_ATRAN", 1e-4, 0.0, -9999, "1"),
    "emis": Band("ST_EMIS", 1e-4, 0.0, -9999, "1"),
    "emsd": Band("ST_EMSD", 1e-4, 0.0, -9999, "1"),
    "cdist": Band("ST_CDIST", 0.01, 0.0, -9999, "km"),
    "qa_pixel": Band("QA_PIXEL", nodata=1),
    "blue": Band("SR_B2", 2.75e-5, -0.2, 0, "1"),
    "green": Band("SR_B3", 2.75e-5, -0.2, 0, "1"),
    "red": Band("SR_B4", 2.75e-5, -0.2, 0, "1"),
    "nir08": Band("SR_B5", 2.75e-5, -0.2, 0, "1"),
    "swir16": Band("SR_B6", 2.75e-5, -0.2, 0, "1"),
    "swir22": Band("SR_B7", 2.75e-5, -0.2, 0, "1"),
    "l1_b10": Band("B10", nodata=0, units="DN"),
    "l1_b11": Band("B11", nodata=0, units="DN"),
    "l1_red": Band("B4", nodata=0, units="DN"),
    "l1_nir": Band("B5", nodata=0, units="DN"),
}
_RADIANCES = ("trad", "urad", "drad", "atran", "emis")
#: Asset keys that catalogs use for the same band.
_ALIASES = {"lwir11": ("lwir11", "lwir", "ST_B10", "lwir11_st"), "nir08": ("nir08", "nir")}


@dataclass(frozen=True)
class LandsatScene:
    """The files of one scene.

    Attributes
    ----------
    name
        Product or item id.
    files
        Path or URL by asset key of `BANDS`.
    encoding
        Scale, offset, nodata of an asset, where the catalog declares them.
    mtl
        Path or URL of the MTL file, None where there is none.
    """

    name: str
    files: Mapping[str, str]
    encoding: Mapping[str, Mapping[str, float]]
    mtl: str | None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> LandsatScene:
        """From a STAC item with absolute hrefs."""
        assets: Mapping[str, Any] = item.get("assets", {})
        files, encoding = {}, {}
        level1 = str(item.get("properties", {}).get("landsat:correction", "")).startswith("L1")
        for key, band in BANDS.items():
            for name in _ALIASES.get(key, (key,)):
                href = str(assets[name]["href"]) if name in assets else ""
                if href and not (level1 and key != "qa_pixel"):
                    files[key] = _local(href)
                    encoding[key] = _encoding(assets[name])
                    break
            for asset in assets.values():
                if _suffix(str(asset.get("href", ""))) == band.suffix:
                    files.setdefault(key, _local(str(asset["href"])))
        mtl = next((_local(str(assets[k]["href"])) for k in ("mtl.json", "mtl.txt", "MTL.json")
                    if k in assets), None)  # fmt: skip
        return cls(str(item.get("id", "scene")), files, encoding, mtl)

    @classmethod
    def from_folder(cls, folder: Path) -> LandsatScene:
        """From a folder of files with USGS names; one scene only."""
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff"))
        files: dict[str, str] = {}
        names = set()
        for path in found:
            for key, band in BANDS.items():
                if _suffix(path.name) == band.suffix:
                    files[key] = str(path)
                    names.add(path.name[: path.name.upper().rindex("_" + band.suffix)])
        if not files:
            raise InputError(
                "no file with a USGS name was found",
                where=str(folder),
                remedy="Names end in _ST_B10.TIF, _ST_TRAD.TIF, _QA_PIXEL.TIF, _B10.TIF and so on",
            )
        if len(names) > 1:
            raise InputError(
                "the folder holds more than one scene",
                where=str(folder),
                remedy="Give each scene its own folder: " + ", ".join(sorted(names)[:4]),
            )
        metadata = sorted(folder.glob("*MTL.json")) + sorted(folder.glob("*MTL.txt"))
        return cls(names.pop(), files, {}, str(metadata[0]) if metadata else None)

    @property
    def grid(self) -> GeoBox:
        """Grid of the scene's own pixels."""
        for key in ("lwir11", "trad", "l1_b10", *BANDS):
            if key in self.files:
                return raster_grid(self.files[key])
        raise InputError("the scene has no band", where=self.name)

    def require(self, keys: Sequence[str], purpose: str) -> None:
        """Raise `InputError` unless all bands are there; guards against the classic mistake."""
        missing = [key for key in keys if key not in self.files]
        if not missing:
            return
        remedy = "Missing: " + ", ".join(BANDS[key].suffix for key in missing)
        if "lwir11" in self.files and any(key in missing for key in (*_RADIANCES, "l1_b10")):
            remedy += (
                ". ST_B10 is surface temperature already: radiance formulas do not apply to it; "
                "use the method 'product'"
            )
        raise InputError(f"the scene lacks bands that {purpose} needs", where=self.name,
                         remedy=remedy)  # fmt: skip

    def read(self, keys: Sequence[str], grid: GeoBox, *, chunks: int | None = None) -> xr.Dataset:
        """Bands in physical units on ``grid``, float32 (y, x), NaN where there is no data.

        Each cell of ``grid`` takes the pixel that its centre lies in; average afterwards.
        """
        bands = {}
        for key in keys:
            bands[key] = self._read_one(key, grid, chunks)
        return xr.Dataset(bands)

    def _read_one(self, key: str, grid: GeoBox, chunks: int | None) -> xr.DataArray:
        if key not in self.files:
            self.require([key], "this method")
        band, told = BANDS[key], self.encoding.get(key, {})
        raw = read_onto([self.files[key]], grid, chunks=chunks)
        array = raw[next(iter(raw.data_vars))]
        with open_dataset(self.files[key]) as source:
            scaled = (source.scales[0], source.offsets[0]) != (1.0, 0.0)
            own_nodata = source.nodata
        nodata = told.get("nodata", band.nodata)
        if nodata is not None and own_nodata is None and not scaled:
            array = array.where(array != nodata)
        if not scaled:
            scale, offset = told.get("scale", band.scale), told.get("offset", band.offset)
            if (scale, offset) != (1.0, 0.0):
                array = array * np.float32(scale) + np.float32(offset)
        array.attrs = {"units": band.units}
        return array

    def metadata(self) -> dict[str, str]:
        """All entries of the MTL file, groups flattened."""
        if self.mtl is None:
            raise InputError(
                "the scene has no MTL file",
                where=self.name,
                remedy="Put the _MTL.json or _MTL.txt of the product beside its bands",
            )
        return read_mtl(Path(self.mtl))

    def thermal_constants(self, band: int = 10) -> tuple[float, float]:
        """K1 [W m-2 sr-1 um-1] and K2 [K] of a thermal band, from the MTL file."""
        entries = self.metadata()
        try:
            return (
                float(entries[f"K1_CONSTANT_BAND_{band}"]),
                float(entries[f"K2_CONSTANT_BAND_{band}"]),
            )
        except KeyError as error:
            raise InputError(f"the MTL file lacks {error.args[0]}", where=str(self.mtl)) from error

    def radiance_scale(self, band: int) -> tuple[float, float]:
        """Gain and offset from a Level-1 number to radiance, from the MTL file."""
        entries = self.metadata()
        try:
            return (
                float(entries[f"RADIANCE_MULT_BAND_{band}"]),
                float(entries[f"RADIANCE_ADD_BAND_{band}"]),
            )
        except KeyError as error:
            raise InputError(f"the MTL file lacks {error.args[0]}", where=str(self.mtl)) from error

    @property
    def spacecraft(self) -> str:
        """``LANDSAT_8`` and so on, from the MTL file or the name."""
        if self.mtl is not None:
            told = self.metadata().get("SPACECRAFT_ID")
            if told:
                return told.upper()
        match = re.match(r"L[A-Z]0?(\d)", self.name)
        return f"LANDSAT_{match.group(1)}" if match else "unknown"


def read_mtl(path: Path) -> dict[str, str]:
    """Entries of an MTL file (JSON or text), groups flattened; the first of a name wins."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("the MTL file cannot be read", where=str(path)) from error
    if path.suffix.lower() == ".json":
        entries: dict[str, str] = {}
        _flatten(json.loads(text), entries)
        return entries
    entries = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() not in ("GROUP", "END_GROUP"):
            entries.setdefault(key.strip(), value.strip().strip('"'))
    return entries


def _flatten(node: Mapping[str, Any], into: dict[str, str]) -> None:
    for key, value in node.items():
        if isinstance(value, Mapping):
            _flatten(value, into)
        else:
            into.setdefault(key, str(value))


def _suffix(name: str) -> str:
    """Band part of a USGS file name: ``ST_B10`` of ``LC08_..._T1_ST_B10.TIF``."""
    stem = Path(name.split("?")[0]).stem.upper()
    match = re.search(r"_((?:ST|SR)_[A-Z0-9_]+|QA_[A-Z]+|B\d+)$", stem)
    return match.group(1) if match else ""


def _encoding(asset: Mapping[str, Any]) -> dict[str, float]:
    bands = asset.get("raster:bands") or [{}]
    return {
        key: float(bands[0][key])
        for key in ("scale", "offset", "nodata")
        if isinstance(bands[0].get(key), int | float)
    }


def _local(href: str) -> str:
    return href.removeprefix("file://")
