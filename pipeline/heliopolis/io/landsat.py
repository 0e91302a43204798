"""Landsat Collection 2 scenes: bands by asset or by USGS file name, scaled, on a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from heliopolis.errors import InputError
from heliopolis.io.landsat_bqa import bqa_collection, qa_pixel_of_bqa
from heliopolis.io.limits import guarded, parse_json
from heliopolis.io.raster import open_dataset, raster_grid
from heliopolis.io.stac_load import declared, first_valid, load, local_path


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
#: Suffix of the quality band before Collection 2.
_OLD_QUALITY = "BQA"
_QUALITY = "qa_pixel"


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
    parts
        Further scenes of the same overpass; where they overlap the earlier one wins.
    old_quality
        Whether the file of ``qa_pixel`` is a BQA, as before Collection 2.
    """

    name: str
    files: Mapping[str, str]
    encoding: Mapping[str, Mapping[str, float]]
    mtl: str | None
    parts: tuple[LandsatScene, ...] = ()
    old_quality: bool = False

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> LandsatScene:
        """From a STAC item whose assets are named as in `BANDS`, ``mtl`` and ``bqa``."""
        assets: Mapping[str, Any] = item.get("assets", {})
        level1 = str(item.get("properties", {}).get("landsat:correction", "")).startswith("L1")
        # Level-1 products call radiances at the sensor red, nir08 and so on: not what is meant.
        keys = [
            key
            for key in BANDS
            if key in assets and (not level1 or key == _QUALITY or key.startswith("l1_"))
        ]
        files = {key: local_path(str(assets[key]["href"])) for key in keys}
        encoding = {key: _encoding(assets[key]) for key in keys}
        old = "bqa" in assets and _QUALITY not in files
        if old:
            files[_QUALITY] = local_path(str(assets["bqa"]["href"]))
        mtl = local_path(str(assets["mtl"]["href"])) if "mtl" in assets else None
        return cls(str(item.get("id", "scene")), files, encoding, mtl, old_quality=old)

    @classmethod
    def from_items(cls, items: Sequence[Mapping[str, Any]]) -> LandsatScene:
        """From the items of one overpass, in order of precedence."""
        first, *others = (cls.from_item(item) for item in items)
        return replace(first, parts=tuple(others))

    @classmethod
    def from_folder(cls, folder: Path) -> LandsatScene:
        """From a folder of files with USGS names; one scene only."""
        folder = folder.resolve()
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff"))
        files: dict[str, str] = {}
        names = set()
        for path in found:
            suffix = _suffix(path.name)
            for key, band in BANDS.items():
                if suffix == band.suffix or (key == _QUALITY and suffix == _OLD_QUALITY):
                    files[key] = str(path)
                    names.add(path.name[: path.name.upper().rindex("_" + suffix)])
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
        old = _QUALITY in files and _suffix(files[_QUALITY]) == _OLD_QUALITY
        mtl = str(metadata[0]) if metadata else None
        return cls(names.pop(), files, {}, mtl, old_quality=old)

    @property
    def grid(self) -> GeoBox:
        """Grid of the scene's own pixels."""
        for key in ("lwir11", "trad", "l1_b10", *BANDS):
            if key in self.files:
                return raster_grid(self.files[key])
        raise InputError("the scene has no band", where=self.name)

    def require(self, keys: Sequence[str], purpose: str) -> None:
        """Raise `InputError` unless all bands are there; guards against the classic mistake."""
        for part in self.parts:
            part.require(keys, purpose)
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
        if self.parts:
            whole = (replace(self, parts=()), *self.parts)
            return first_valid([part.read(keys, grid, chunks=chunks) for part in whole])
        self.require(keys, "this method")
        item = {"id": self.name, "assets": {key: self._asset(key) for key in keys}}
        raw = load(item, keys, grid, resampling="nearest", chunks=chunks)
        return xr.Dataset({key: self._decoded(key, raw[key]) for key in keys})

    def _asset(self, key: str) -> dict[str, Any]:
        """Asset for the loader: nodata by the item, else by the file, else by the product."""
        nodata = self.encoding.get(key, {}).get("nodata")
        if nodata is None:
            with open_dataset(self.files[key]) as source:
                nodata = source.nodata if source.nodata is not None else BANDS[key].nodata
        return {
            "href": self.files[key],
            "raster:bands": [{} if nodata is None else {"nodata": nodata}],
        }

    def _decoded(self, key: str, numbers: xr.DataArray) -> xr.DataArray:
        """Numbers as stored to physical units."""
        band, told = BANDS[key], self.encoding.get(key, {})
        if key == _QUALITY and self.old_quality:
            return self._quality_of_bqa(numbers)
        scale, offset = told.get("scale", band.scale), told.get("offset", band.offset)
        if not {"scale", "offset"} & set(told):
            with open_dataset(self.files[key]) as source:
                if (source.scales[0], source.offsets[0]) != (1.0, 0.0):
                    scale, offset = source.scales[0], source.offsets[0]
        out = numbers
        if (scale, offset) != (1.0, 0.0):
            out = numbers * np.float32(scale) + np.float32(offset)
        out.attrs = {"units": band.units}
        return out

    def _quality_of_bqa(self, words: xr.DataArray) -> xr.DataArray:
        path = Path(self.files[_QUALITY])
        metadata = self.metadata() if self.mtl is not None else {}
        if 1 not in (bqa_collection(name, metadata) for name in (path.name, self.name + "_")):
            raise InputError(
                "the quality band is older than Collection 1 and has no cloud shadow",
                where=str(path),
                remedy="Take the scene from Collection 2, or put the BQA file aside to go on "
                "without a mask",
            )
        out = qa_pixel_of_bqa(words)
        out.attrs = {"units": BANDS[_QUALITY].units}
        return out

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


@guarded("the metadata file")
def read_mtl(path: Path) -> dict[str, str]:
    """Entries of an MTL file (JSON or text), groups flattened; the first of a name wins."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("the MTL file cannot be read", where=str(path)) from error
    entries: dict[str, str] = {}
    if text.lstrip().startswith("{"):
        _flatten(parse_json(text, path, what="the metadata file"), entries)
        return entries
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
    match = re.search(r"_((?:ST|SR)_[A-Z0-9_]+|QA_[A-Z]+|B\d+|BQA)$", stem)
    return match.group(1) if match else ""


def _encoding(asset: Mapping[str, Any]) -> dict[str, float]:
    told = {key: declared(asset, key) for key in ("scale", "offset", "nodata")}
    return {key: value for key, value in told.items() if value is not None}
