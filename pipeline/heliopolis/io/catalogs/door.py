"""The door: an item of any provider comes in with our names, encodings and grids.

Provider's asset names become ours here and nowhere else:

* Sentinel-2: ``blue green red nir swir16 swir22 scl``;
* Landsat: the keys of `heliopolis.io.landsat.BANDS`, and ``mtl``;
* SLSTR: ``lst flags geodetic geodetic_tie geometry ancillary``.

Assets of no use to heliopolis stay outside. Every raster leaves with ``raster:bands`` (scale,
offset, nodata) and ``proj:epsg``, ``proj:shape``, ``proj:transform`` as far as they are known,
in the terms of STAC 1.0 whatever came in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from heliopolis.errors import InputError
from heliopolis.io.catalogs.providers import PROVIDERS, SENSORS, signer_name
from heliopolis.io.landsat import BANDS
from heliopolis.io.remote.hosts import is_internal
from heliopolis.scene import Sensor

Item = Mapping[str, Any]

_SENTINEL2 = {
    "blue": ("blue", "B02", "B02_10m", "B02_20m", "B02_60m"),
    "green": ("green", "B03", "B03_10m", "B03_20m", "B03_60m"),
    "red": ("red", "B04", "B04_10m", "B04_20m", "B04_60m"),
    "nir": ("nir", "B08", "B08_10m"),
    "swir16": ("swir16", "B11", "B11_20m", "B11_60m"),
    "swir22": ("swir22", "B12", "B12_20m", "B12_60m"),
    "scl": ("scl", "SCL", "SCL_20m", "SCL_60m"),
}
_MTL = {"mtl": ("mtl", "mtl.json", "MTL.json", "mtl.txt", "MTL.txt")}
_LANDSAT_L2 = {
    **{key: (key, band.suffix) for key, band in BANDS.items() if not key.startswith("l1_")},
    "lwir11": ("lwir11", "lwir", "ST_B10", "lwir11_st"),
    "nir08": ("nir08", "nir", "SR_B5"),
    **_MTL,
}
_LANDSAT_L1 = {
    "l1_b10": ("l1_b10", "lwir11", "B10"),
    "l1_b11": ("l1_b11", "lwir12", "B11"),
    "l1_red": ("l1_red", "red", "B4"),
    "l1_nir": ("l1_nir", "nir08", "B5"),
    # Before Collection 2 the band of quality was another, told apart when it is read.
    "qa_pixel": ("qa_pixel", "QA_PIXEL", "BQA"),
    **_MTL,
}
#: The assets of a granule are told by the names of its files.
_SLSTR = {
    "lst": ("LST_in.nc",),
    "flags": ("flags_in.nc",),
    "geodetic": ("geodetic_in.nc",),
    "geodetic_tie": ("geodetic_tx.nc",),
    "geometry": ("geometry_tn.nc",),
    "ancillary": ("LST_ancillary_ds.nc",),
}
#: Sensor -> our asset name -> names it goes by, best first.
ASSETS: Mapping[Sensor, Mapping[str, tuple[str, ...]]] = {
    Sensor.SENTINEL2_L2A: _SENTINEL2,
    Sensor.LANDSAT_L2: _LANDSAT_L2,
    Sensor.LANDSAT_L1: _LANDSAT_L1,
    Sensor.SLSTR_LST: _SLSTR,
}

#: Offset of the radiometry of processing baseline 04.00 and later, in reflectance
#: (ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD, issue 14.9).
_BOA_OFFSET = -0.1
_EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]
_KEPT = ("title", "type", "roles", "gsd", "updated", "eo:bands", "storage:requester_pays")
_IDS = (
    (re.compile(r"L[COET]\d\d_L2"), Sensor.LANDSAT_L2),
    (re.compile(r"L[COET]\d\d_L1|L[COET]8\d{13}"), Sensor.LANDSAT_L1),
    (re.compile(r"S3[A-D]_SL_2_LST"), Sensor.SLSTR_LST),
    (re.compile(r"S2[A-D]_MSIL2A_|S2[A-D]_.*_L2A$"), Sensor.SENTINEL2_L2A),
)
_SUFFIX = re.compile(r"_((?:ST|SR)_[A-Z0-9_]+|QA_[A-Z]+|BQA|B\d+)\.TIFF?$")


def is_item(record: object) -> bool:
    """Whether a record has what every STAC item has."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("id"), str)
        and all(isinstance(record.get(key), dict) for key in ("properties", "assets"))
    )


def sensor_of(item: Item) -> Sensor | None:
    """Sensor of an item, by its collection or else by its id; None where it is not ours."""
    collection = item.get("collection")
    if isinstance(collection, str) and collection in SENSORS:
        return SENSORS[collection]
    name = str(item.get("id", ""))
    return next((sensor for pattern, sensor in _IDS if pattern.match(name)), None)


def own_assets(item: Item, sensor: Sensor) -> dict[str, str]:
    """Our asset names -> the item's own, as far as the item has them."""
    assets: Mapping[str, Any] = item.get("assets", {})
    files: dict[str, str] = {}
    for key, asset in assets.items():
        for name in _file_names(asset):
            files.setdefault(name, key)
    found = {}
    for ours, names in ASSETS[sensor].items():
        keys = [name for name in names if name in assets]
        keys += [files[name] for name in names if name in files]
        if keys:
            found[ours] = keys[0]
    return found


def _file_names(asset: Mapping[str, Any]) -> list[str]:
    """The last part of the asset's address, and the part of it that tells a band of Landsat."""
    name = urlsplit(str(asset.get("href", ""))).path.rsplit("/", 1)[-1]
    band = _SUFFIX.search(name.upper())
    return [name, band.group(1)] if band else [name]


def enter(
    item: Item, sensor: Sensor, *, catalog: str, resolve: Callable[[str], str]
) -> dict[str, Any]:
    """Bring an item in.

    Parameters
    ----------
    item
        STAC item, 1.0 or 1.1, as the catalog gives it.
    sensor
        As `sensor_of` tells.
    catalog
        Name of the catalog, kept as ``heliopolis:provider``.
    resolve
        Turns the address of an asset into one that may be read: `from_network` or `from_disk`.

    Raises
    ------
    InputError
        Where an address may not be read.
    """
    properties = _properties(item, sensor, catalog)
    assets = {}
    for ours, theirs in own_assets(item, sensor).items():
        asset = item["assets"][theirs]
        try:
            href = resolve(str(asset["href"]))
        except ValueError as error:
            raise InputError(
                f"the catalog points at {error}, which an item from the network may not",
                where=f"catalog {catalog}, item {item.get('id')}, asset {theirs}",
                remedy="Tell the keeper of the catalog; only http, https and s3 are followed",
            ) from None
        assets[ours] = _asset(asset, ours, theirs, href, sensor, item)
    grids = {asset["proj:epsg"] for asset in assets.values() if "proj:epsg" in asset}
    if len(grids) == 1:
        properties.setdefault("proj:epsg", *grids)
    provider = PROVIDERS.get(catalog)
    signer = signer_name(provider, [asset["href"] for asset in assets.values()])
    if signer is not None:
        properties["heliopolis:signer"] = signer
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": _EXTENSIONS,
        "id": item["id"],
        **({"collection": item["collection"]} if item.get("collection") else {}),
        "geometry": item.get("geometry"),
        **({"bbox": item["bbox"]} if item.get("bbox") else {}),
        "properties": properties,
        "links": [],
        "assets": assets,
    }


def from_network(base: str | None = None, *, catalog: str | None = None) -> Callable[[str], str]:
    """Addresses in an item from the network: http, https and s3, and nothing on this machine.

    Nor anything in its own network, unless ``base`` or ``catalog``, the address of what the item
    comes from, lies there itself.

    ``base`` is the address of the item's file in a static catalog, against which a relative
    address is resolved; an API has none, and a relative address is refused.
    """

    def resolve(href: str) -> str:
        found = urljoin(base, href) if base is not None and not urlsplit(href).scheme else href
        parts = urlsplit(found)
        if parts.scheme not in ("http", "https", "s3") or not parts.netloc:
            raise ValueError(f"{parts.scheme}:" if parts.scheme else "a path without a host")
        origin = base or catalog
        if parts.scheme != "s3" and is_internal(found) and not (origin and is_internal(origin)):
            raise ValueError("an address of the inner network")
        return found

    return resolve


def from_disk(folder: Path) -> Callable[[str], str]:
    """Addresses in an item of the user's own: relative ones lie beside the item."""

    def resolve(href: str) -> str:
        if urlsplit(href).scheme in ("http", "https", "s3"):
            return href
        return str((folder / href.removeprefix("file://")).resolve())

    return resolve


def _properties(item: Item, sensor: Sensor, catalog: str) -> dict[str, Any]:
    properties = dict(item.get("properties", {}))
    epsg = _epsg(properties)
    if epsg is not None:
        properties["proj:epsg"] = epsg
    if sensor is Sensor.SENTINEL2_L2A:
        baseline = processing_baseline(item)
        if baseline is not None:
            properties.setdefault("s2:processing_baseline", baseline)
    properties["heliopolis:provider"] = catalog
    return properties


def processing_baseline(item: Item) -> str | None:
    """Processing baseline of a Sentinel-2 item such as ``"05.11"``; None where it is not told."""
    properties = item.get("properties", {})
    for key in ("s2:processing_baseline", "processing:version"):
        if re.fullmatch(r"\d\d\.\d\d", str(properties.get(key, ""))):
            return str(properties[key])
    match = re.search(r"_N(\d\d)(\d\d)_", f"{properties.get('s2:product_uri', '')} {item['id']}")
    return f"{match[1]}.{match[2]}" if match else None


def _asset(
    asset: Mapping[str, Any], ours: str, theirs: str, href: str, sensor: Sensor, item: Item
) -> dict[str, Any]:
    record = {"href": href, **{key: asset[key] for key in _KEPT if key in asset}}
    record["heliopolis:source_name"] = theirs
    if asset.get("file:size") is not None:
        record["file:size"] = asset["file:size"]
    checksum = multihash(str(asset.get("file:checksum", "")))
    if checksum is not None:
        record["file:checksum"] = checksum
    web = asset.get("alternate", {}).get("https", {}).get("href")
    if web and urlsplit(str(web)).scheme == "https":
        record["alternate"] = {"https": {"href": web}}
    if ours != "mtl" and sensor is not Sensor.SLSTR_LST:
        record["raster:bands"] = [_encoding(asset, ours, sensor, item)]
        record |= _grid(asset, item.get("properties", {}))
    return record


def _encoding(asset: Mapping[str, Any], ours: str, sensor: Sensor, item: Item) -> dict[str, Any]:
    """Scale, offset and nodata: the provider's convention, overruled by what the item declares.

    Bands of Landsat Level 1 stay numbers: their constants are those of the MTL file.
    """
    declared = _declared(asset)
    if ours == "scl":
        return {"scale": 1.0, "offset": 0.0, "nodata": 0, "data_type": "uint8", **declared}
    if sensor is Sensor.SENTINEL2_L2A:
        offset = sentinel2_offset(item, declared.get("offset"))
        told = {} if offset is None else {"offset": offset}
        return {"scale": 1e-4, "nodata": 0, "data_type": "uint16", **declared, **told}
    band = BANDS[ours]
    found = {"scale": band.scale, "offset": band.offset, "nodata": band.nodata, **declared}
    if "scale" in declared and "offset" not in declared:
        found["offset"] = 0.0
    if ours.startswith("l1_"):
        found |= {"scale": 1.0, "offset": 0.0}
        found.pop("unit", None)
    return {key: value for key, value in found.items() if value is not None}


def sentinel2_offset(item: Item, declared: float | None = None) -> float | None:
    """Offset that belongs to the numbers of a Sentinel-2 item [reflectance]; None if unknown.

    Decided in this order: the catalog says that it took the offset off already
    (``earthsearch:boa_offset_applied``; its items declare the offset all the same); the
    processing baseline, 04.00 and later carry it; what the asset declares.
    """
    if item.get("properties", {}).get("earthsearch:boa_offset_applied") is True:
        return 0.0
    baseline = processing_baseline(item)
    if baseline is not None:
        return _BOA_OFFSET if float(baseline) >= 4.0 else 0.0
    return declared


def _declared(asset: Mapping[str, Any]) -> dict[str, Any]:
    """First band of ``raster:bands`` (STAC 1.0), or its fields in the asset and band (STAC 1.1)."""
    keys = ("scale", "offset", "nodata", "data_type", "unit", "spatial_resolution")
    found: dict[str, Any] = {}
    for record in (asset, *(asset.get("bands") or [])[:1], *(asset.get("raster:bands") or [])[:1]):
        for key in keys:
            value = record.get(f"raster:{key}", record.get(key))
            if value is not None:
                found[key] = value
    return found


def _epsg(record: Mapping[str, Any]) -> int | None:
    if record.get("proj:epsg") is not None:
        return int(record["proj:epsg"])
    match = re.fullmatch(r"EPSG:(\d+)", str(record.get("proj:code") or ""))
    return int(match[1]) if match else None


def _grid(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """``proj:epsg``, ``proj:shape`` and ``proj:transform``, those that are known."""
    source = asset if asset.get("proj:shape") else properties
    epsg, shape = _epsg(asset) or _epsg(properties), source.get("proj:shape")
    transform, box = source.get("proj:transform"), source.get("proj:bbox")
    if transform is None and shape is not None and box is not None:
        west, south, east, north = box
        transform = [(east - west) / shape[1], 0, west, 0, (south - north) / shape[0], north]
    found = {
        "proj:epsg": epsg,
        "proj:shape": shape,
        "proj:transform": transform[:6] if transform is not None else None,
    }
    return {key: value for key, value in found.items() if value is not None}


#: Prefix of a multihash (https://multiformats.io/multihash): code, then length in bytes.
_DIGESTS = {"1220": 32, "1340": 64, "1114": 20, "1620": 32, "1440": 64, "d50110": 16}


def multihash(text: str) -> str | None:
    """A checksum as multihash in hexadecimal; None where it is of no kind that can be checked.

    A bare MD5, which some catalogs write, gets its prefix.

    >>> multihash("7556442c0b42c150816e46a1308acb03")
    'd501107556442c0b42c150816e46a1308acb03'
    """
    found = text.lower()
    if not re.fullmatch(r"[0-9a-f]+", found):
        return None
    for prefix, length in _DIGESTS.items():
        if found.startswith(prefix) and len(found) == len(prefix) + 2 * length:
            return found
    return f"d50110{found}" if len(found) == 32 else None
