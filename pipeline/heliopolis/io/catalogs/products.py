"""STAC items for products that lie on a disk as their makers pack them: SAFE, Landsat, SEN3."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import xarray as xr
from shapely.geometry import MultiPoint, Polygon, box, mapping

from heliopolis.errors import InputError
from heliopolis.io.landsat import read_mtl
from heliopolis.io.limits import parse_xml
from heliopolis.io.safe import safe_item

_SLSTR_NAME = re.compile(
    r"(S3[A-D])_SL_2_LST____(\d{8}T\d{6})_(\d{8}T\d{6})_(\d{8}T\d{6})_\d{4}_\d{3}_(\d{3})_\d{4}_.*_(\w\w)_\d{3}"
)


def products_below(root: Path) -> list[Path]:
    """Products in a folder and its folders: ``.SAFE`` and ``.SEN3`` folders, MTL files.

    Sorted; of a Landsat product with two MTL files the JSON one is given.
    """
    if not root.is_dir():
        return [root] if _is_mtl(root.name) else []
    if root.suffix.upper() in (".SAFE", ".SEN3"):
        return [root]
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        for name in [n for n in folders if n.upper().endswith((".SAFE", ".SEN3"))]:
            found[str(here / name)] = here / name
            folders.remove(name)
        # Text sorts after JSON, so that JSON is kept.
        for name in sorted(files, reverse=True):
            if _is_mtl(name):
                found[str(here / name[: name.upper().rindex("MTL")])] = here / name
    return [found[key] for key in sorted(found)]


def _is_mtl(name: str) -> bool:
    return name.upper().endswith(("MTL.JSON", "MTL.TXT"))


def product_item(product: Path) -> dict[str, Any]:
    """STAC item of a product; its assets point at files that are there."""
    kind = product.suffix.upper()
    if kind == ".SAFE":
        return safe_item(product)
    return slstr_item(product) if kind == ".SEN3" else landsat_item(product)


def landsat_item(mtl: Path) -> dict[str, Any]:
    """Item of a Landsat product, Level 1 or 2, from its MTL file and the files beside it."""
    entries = read_mtl(mtl)
    prefix = mtl.name[: mtl.name.upper().rindex("MTL")]
    try:
        level = entries.get("PROCESSING_LEVEL") or entries["DATA_TYPE"]
        name = entries.get("LANDSAT_PRODUCT_ID") or entries["LANDSAT_SCENE_ID"]
        day, hour = entries["DATE_ACQUIRED"], entries["SCENE_CENTER_TIME"].strip('"Z')
        moment = datetime.fromisoformat(f"{day}T{hour[:15]}").replace(tzinfo=UTC)
        corners = [
            (float(entries[f"CORNER_{c}_LON_PRODUCT"]), float(entries[f"CORNER_{c}_LAT_PRODUCT"]))
            for c in ("UL", "UR", "LR", "LL")
        ]
        properties: dict[str, Any] = {
            "datetime": moment.isoformat().replace("+00:00", "Z"),
            "platform": entries["SPACECRAFT_ID"].lower().replace("_", "-"),
            "eo:cloud_cover": float(entries["CLOUD_COVER"]) if "CLOUD_COVER" in entries else None,
            "landsat:wrs_path": f"{int(entries['WRS_PATH']):03d}",
            "landsat:wrs_row": f"{int(entries['WRS_ROW']):03d}",
            "landsat:correction": level,
            "landsat:collection_category": entries.get("COLLECTION_CATEGORY"),
            "landsat:product_id": entries.get("LANDSAT_PRODUCT_ID"),
            "view:sun_elevation": float(entries["SUN_ELEVATION"]),
            "view:sun_azimuth": float(entries["SUN_AZIMUTH"]),
        }
    except (KeyError, ValueError) as error:
        raise InputError(
            f"the MTL file lacks {error}",
            where=str(mtl),
            remedy="Use the MTL file that came with the product",
        ) from error
    made = entries.get("DATE_PRODUCT_GENERATED") or entries.get("FILE_DATE")
    properties |= {"landsat:product_generated": made, "heliopolis:mtl": mtl.name}
    kept = {key: value for key, value in properties.items() if value is not None}
    assets = {"mtl": {"href": str(mtl)}}
    for file in sorted(mtl.parent.iterdir()):
        if file.name.startswith(prefix) and file.suffix.upper() in (".TIF", ".TIFF"):
            assets[file.stem[len(prefix) :].upper()] = {"href": str(file)}
    collection = "landsat-c2-l2" if level.startswith("L2") else "landsat-c2-l1"
    return _item(name, collection, Polygon(corners), kept, assets)


def slstr_item(product: Path) -> dict[str, Any]:
    """Item of a Sentinel-3 SL_2_LST ``.SEN3`` folder, from its name and its manifest.

    Without a manifest the footprint is taken from the positions in the product.
    """
    match = _SLSTR_NAME.match(product.name)
    if match is None:
        raise InputError("the folder is not named as an SL_2_LST product", where=str(product),
                         remedy="Keep the name that the product came with")  # fmt: skip
    unit, start, stop, made, orbit, timeliness = match.groups()
    first, last, created = (
        datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC) for text in (start, stop, made)
    )
    properties: dict[str, Any] = {
        "datetime": (first + (last - first) / 2).isoformat().replace("+00:00", "Z"),
        "start_datetime": first.isoformat().replace("+00:00", "Z"),
        "end_datetime": last.isoformat().replace("+00:00", "Z"),
        "created": created.isoformat().replace("+00:00", "Z"),
        "platform": f"sentinel-{unit[1:].lower()}",
        "sat:relative_orbit": int(orbit),
        "s3:processing_timeliness": timeliness,
    }
    outline = None
    manifest = product / "xfdumanifest.xml"
    if manifest.is_file():
        tree = _parsed(manifest)
        positions = next((e.text for e in tree.iter() if e.tag.endswith("}posList")), None)
        if positions:
            ring = [float(value) for value in positions.split()]
            outline = Polygon(list(zip(ring[1::2], ring[::2], strict=True)))
        cloudy = next((e for e in tree.iter() if e.tag.endswith("}cloudyPixels")), None)
        if cloudy is not None and cloudy.get("percentage"):
            properties["eo:cloud_cover"] = float(cloudy.get("percentage", ""))
        orbit_element = next((e for e in tree.iter() if e.tag.endswith("}orbitNumber")), None)
        if orbit_element is not None and orbit_element.get("groundTrackDirection"):
            properties["sat:orbit_state"] = orbit_element.get("groundTrackDirection")
    if outline is None:
        outline = _swath_outline(product)
    files = {file.name: {"href": str(file)} for file in sorted(product.glob("*.nc"))}
    name = product.name.removesuffix(product.suffix)
    return _item(name, "sentinel-3-slstr-lst-l2-netcdf", outline, properties, files)


def _swath_outline(product: Path) -> Polygon:
    """Hull of the positions of a granule."""
    for grid in ("tx", "in"):
        file = product / f"geodetic_{grid}.nc"
        if not file.is_file():
            continue
        try:
            with xr.open_dataset(file, engine="h5netcdf") as positions:
                latitude = positions[f"latitude_{grid}"].to_numpy()[::20].ravel()
                longitude = positions[f"longitude_{grid}"].to_numpy()[::20].ravel()
        except (OSError, KeyError, ValueError) as error:
            raise InputError("the positions of the granule cannot be read", where=str(file),
                             remedy=str(error)) from error  # fmt: skip
        known = np.isfinite(latitude) & np.isfinite(longitude)
        hull = MultiPoint(np.column_stack([longitude[known], latitude[known]])).convex_hull
        return hull if isinstance(hull, Polygon) else box(*hull.bounds)
    raise InputError("the granule has neither manifest nor positions", where=str(product),
                     remedy="Add geodetic_in.nc or geodetic_tx.nc of the same product")  # fmt: skip


def _item(
    name: str,
    collection: str,
    outline: Polygon,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "geometry": mapping(outline),
        "bbox": list(outline.bounds),
        "properties": dict(properties),
        "assets": dict(assets),
        "links": [],
    }


def _parsed(path: Path) -> ElementTree.Element:
    return parse_xml(path, what="the manifest of the product")
