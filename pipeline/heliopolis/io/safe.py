"""Sentinel-2 Level-2A product folders (``.SAFE``) as STAC items with our asset names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from shapely.geometry import Polygon, mapping

from heliopolis.errors import InputError
from heliopolis.io.limits import guarded, parse_xml
from heliopolis.io.raster import raster_grid

#: Our asset -> bands of the product that may stand for it, the right one first.
_BANDS: dict[str, tuple[str, ...]] = {
    "blue": ("B02",),
    "green": ("B03",),
    "red": ("B04",),
    "nir": ("B08", "B8A"),
    "swir16": ("B11",),
    "swir22": ("B12",),
    "scl": ("SCL",),
}
#: `band_id` of the metadata -> band (Sentinel-2 Products Specification Document).
_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_METADATA = "MTD_MSIL2A.xml"


@guarded("the product")
def safe_item(folder: Path) -> dict[str, Any]:
    """STAC item of a product folder.

    Every asset is the finest file that is there (10, 20, 60 m). Near infrared is B08; where the
    product holds 20 m or 60 m bands only, it is B8A, and the asset's ``eo:bands`` says so.

    Parameters
    ----------
    folder
        A ``.SAFE`` folder of a Level-2A product, whole or with some bands only.

    Returns
    -------
    dict
        Item with absolute paths, ``raster:bands`` (scale, offset, nodata), projection,
        footprint, processing baseline, tile, cloud cover.

    Raises
    ------
    InputError
        When the metadata are missing, malformed or unsafe, or no band is there.
    """
    tree = _parsed(folder / _METADATA)
    tile = _one_tile(folder)
    quantification = float(_text(tree, "BOA_QUANTIFICATION_VALUE", folder))
    offsets = _offsets(tree)
    assets = {}
    for name, bands in _BANDS.items():
        found = _finest(tile, bands)
        if found is None:
            continue
        path, band, cell_m = found
        coded: dict[str, Any] = {"nodata": 0, "spatial_resolution": cell_m}
        if name != "scl":
            coded |= {"scale": 1.0 / quantification,
                      "offset": offsets.get(band, 0.0) / quantification}  # fmt: skip
        assets[name] = _asset(path, band, coded)
    if not assets:
        raise InputError(
            "the product holds no band",
            where=str(folder),
            remedy="IMG_DATA should hold files such as R10m/*_B04_10m.jp2",
        )
    return _item(folder, tree, assets)


def _parsed(path: Path) -> ElementTree.Element:
    """Root of an XML file; refuses document types, and with them entities of any kind."""
    return parse_xml(path, what="the metadata file")


def _text(tree: ElementTree.Element, name: str, folder: Path) -> str:
    found = tree.find(f".//{name}")
    if found is None or not (found.text or "").strip():
        raise InputError(f"the metadata lack {name}", where=str(folder / _METADATA),
                         remedy="Is this a Level-2A product?")  # fmt: skip
    return str(found.text).strip()


def _optional(tree: ElementTree.Element, name: str) -> str | None:
    found = tree.find(f".//{name}")
    return found.text.strip() if found is not None and found.text else None


def _offsets(tree: ElementTree.Element) -> dict[str, float]:
    """Offset of each band [number]; none before baseline 04.00."""
    out = {}
    for element in tree.iter("BOA_ADD_OFFSET"):
        index = int(element.attrib["band_id"])
        if 0 <= index < len(_IDS):
            out[_IDS[index]] = float(str(element.text))
    return out


def _one_tile(folder: Path) -> Path:
    tiles = sorted(p for p in (folder / "GRANULE").glob("*") if (p / "IMG_DATA").is_dir())
    if len(tiles) != 1:
        raise InputError(
            f"the product holds {len(tiles)} tiles with images, not one",
            where=str(folder / "GRANULE"),
            remedy="Give one tile as one product folder",
        )
    return tiles[0] / "IMG_DATA"


def _finest(images: Path, bands: tuple[str, ...]) -> tuple[Path, str, int] | None:
    for band in bands:
        for cell_m in (10, 20, 60):
            found = sorted(images.glob(f"R{cell_m}m/*_{band}_{cell_m}m.jp2"))
            if found:
                return found[0].resolve(), band, cell_m
    return None


def _asset(path: Path, band: str, coded: dict[str, Any]) -> dict[str, Any]:
    grid = raster_grid(path)
    return {
        "href": str(path),
        "type": "image/jp2",
        "roles": ["data"],
        "eo:bands": [{"name": band}],
        "raster:bands": [coded],
        "file:size": path.stat().st_size,
        "proj:epsg": grid.crs.epsg if grid.crs is not None else None,
        "proj:shape": list(grid.shape),
        "proj:transform": [float(value) for value in grid.affine[:6]],
    }


def _item(folder: Path, tree: ElementTree.Element, assets: dict[str, Any]) -> dict[str, Any]:
    name = folder.resolve().name.removesuffix(".SAFE")
    tile = re.search(r"_T(\d{2}[A-Z]{3})_", _optional(tree, "PRODUCT_URI") or folder.name)
    code = tile.group(1) if tile else None
    cloud = _optional(tree, "Cloud_Coverage_Assessment")
    orbit = _optional(tree, "SENSING_ORBIT_NUMBER")
    footprint = _footprint(tree, assets)
    properties = {
        "datetime": _text(tree, "PRODUCT_START_TIME", folder),
        "platform": (_optional(tree, "SPACECRAFT_NAME") or "").lower() or None,
        "constellation": "sentinel-2",
        "s2:processing_baseline": _text(tree, "PROCESSING_BASELINE", folder),
        "s2:product_uri": _optional(tree, "PRODUCT_URI"),
        "s2:generation_time": _optional(tree, "GENERATION_TIME"),
        "s2:mgrs_tile": code,
        "grid:code": f"MGRS-{code}" if code else None,
        "sat:relative_orbit": int(orbit) if orbit else None,
        "sat:orbit_state": (_optional(tree, "SENSING_ORBIT_DIRECTION") or "").lower() or None,
        "eo:cloud_cover": float(cloud) if cloud else None,
        "proj:epsg": next(iter(assets.values()))["proj:epsg"],
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": {key: value for key, value in properties.items() if value is not None},
        "links": [],
        "assets": assets,
    }


def _footprint(tree: ElementTree.Element, assets: dict[str, Any]) -> Polygon:
    """Outline of the data [deg]: the product's own, or that of the tile."""
    told = _optional(tree, "EXT_POS_LIST")
    if told:
        numbers = [float(value) for value in told.split()]
        corners = list(zip(numbers[1::2], numbers[0::2], strict=True))
        if len(corners) >= 4:
            return Polygon(corners)
    extent = raster_grid(next(iter(assets.values()))["href"]).extent
    (ring,) = extent.to_crs("EPSG:4326", resolution=10_000).json["coordinates"]
    return Polygon(ring)
