"""Static STAC catalog of the simulated scenes, laid out like the catalogs of the providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
from odc.geo import Geometry
from odc.geo.geobox import GeoBox

#: Property that marks items whose data no satellite has measured.
SIMULATED = "heliopolis:simulated"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

_TITLES = {
    "sentinel-2-l2a": ("Sentinel-2 Level-2A", "surface reflectance of the simulated city"),
    "landsat-c2-l2": ("Landsat Collection 2 Level-2", "reflectance and temperature"),
    "landsat-c2-l1": ("Landsat Collection 2 Level-1", "top-of-atmosphere radiance"),
    "sentinel-3-slstr-lst-l2-netcdf": (
        "Sentinel-3 SLSTR Land Surface Temperature",
        "land surface temperature in swath geometry",
    ),
}


def make_item(
    item_id: str,
    collection: str,
    acquired: datetime,
    outline: Geometry,
    properties: Mapping[str, Any],
    assets: Mapping[str, Mapping[str, Any]],
    extensions: Sequence[str],
) -> pystac.Item:
    """STAC item of a simulated scene.

    Parameters
    ----------
    item_id, collection
        Identifiers as the provider's catalog spells them.
    acquired
        Time of acquisition.
    outline
        Footprint, in any CRS.
    properties
        Properties of the provider's items; the mark of the simulation is added.
    assets
        Assets by key: STAC asset objects whose ``href`` is an absolute path.
    extensions
        Schema URIs of the extensions used.
    """
    shape = outline.to_crs("EPSG:4326", resolution="auto").geom.simplify(1e-7)
    title = f"Simulated scene {item_id}"
    item = pystac.Item(
        id=item_id,
        geometry=Geometry(shape, "EPSG:4326").json,
        bbox=[round(value, 7) for value in shape.bounds],
        datetime=acquired.astimezone(UTC),
        properties={"title": title, **properties, SIMULATED: True},
        collection=collection,
        stac_extensions=list(extensions),
    )
    for key, asset in assets.items():
        item.add_asset(key, pystac.Asset.from_dict(dict(asset)))
    return item


def raster_asset(
    path: Path,
    title: str,
    *,
    dtype: str,
    nodata: int | None,
    cell_m: float,
    scale: float | None = None,
    offset: float | None = None,
    unit: str | None = None,
    roles: Sequence[str] = ("data",),
    **more: Any,
) -> dict[str, Any]:
    """Asset of one band with its encoding in ``raster:bands``."""
    band: dict[str, Any] = {"data_type": dtype, "spatial_resolution": cell_m}
    for key, value in (("nodata", nodata), ("scale", scale), ("offset", offset), ("unit", unit)):
        if value is not None:
            band[key] = value
    return {
        "href": str(path.resolve()),
        "type": COG_TYPE,
        "title": title,
        "roles": list(roles),
        "raster:bands": [band],
        **more,
    }


def file_asset(path: Path, media_type: str, description: str, role: str = "metadata") -> Any:
    """Asset of any other file."""
    return {
        "href": str(path.resolve()),
        "type": media_type,
        "description": description,
        "roles": [role],
    }


def projection(grid: GeoBox) -> dict[str, Any]:
    """Fields of the projection extension for a grid in an EPSG system."""
    return {
        "proj:epsg": grid.crs.epsg if grid.crs is not None else None,
        "proj:shape": list(grid.shape),
        "proj:transform": [float(value) for value in grid.affine[:6]],
    }


def write_catalog(folder: Path, items: Sequence[pystac.Item]) -> Path:
    """Write ``folder/catalog.json`` with its collections and items; all links are relative.

    Items end up in ``folder/<collection>/<item id>/<item id>.json``, beside their files.
    """
    catalog = pystac.Catalog(
        "heliopolis-simulated",
        "Simulated satellite scenes of a simulated city; nothing here was measured.",
        title="Simulated scenes",
    )
    for name in sorted({str(item.collection_id) for item in items}):
        members = [item for item in items if item.collection_id == name]
        catalog.add_child(_collection(name, members))
    catalog.normalize_hrefs(str(folder.resolve()))
    for item in catalog.get_items(recursive=True):
        item.make_asset_hrefs_relative()
    catalog.save(pystac.CatalogType.SELF_CONTAINED)
    return folder / "catalog.json"


def _collection(name: str, items: Sequence[pystac.Item]) -> pystac.Collection:
    title, description = _TITLES[name]
    boxes = [item.bbox for item in items if item.bbox is not None]
    west, south = (min(box[k] for box in boxes) for k in (0, 1))
    east, north = (max(box[k] for box in boxes) for k in (2, 3))
    times = sorted(item.datetime for item in items if item.datetime is not None)
    collection = pystac.Collection(
        name,
        f"Simulated {description}, in the format of the provider.",
        pystac.Extent(
            pystac.SpatialExtent([[west, south, east, north]]),
            pystac.TemporalExtent([[times[0], times[-1]]]),
        ),
        title=f"{title} (simulated)",
        license="Apache-2.0",
        providers=[pystac.Provider("heliopolis", roles=[pystac.ProviderRole.PRODUCER])],
        extra_fields={SIMULATED: True},
    )
    collection.add_items(list(items))
    return collection
