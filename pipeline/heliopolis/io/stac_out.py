"""A STAC collection of the results, with relative links: the folder can be moved or served."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import rasterio
import shapely
from shapely.geometry.base import BaseGeometry

from heliopolis.io.atomic import replacing
from heliopolis.variables import band_fields

COG = pystac.MediaType.COG
GPKG = pystac.MediaType.GEOPACKAGE
#: Files for the web (`heliopolis.io.web_tables`): ending, media type.
_WEB = {"parquet": "application/vnd.apache.parquet", "pmtiles": "application/vnd.pmtiles"}
_HEAT_LAYERS = ("hot_zones", "heat_cells", "places")
_SOLAR_LAYERS = ("buildings", "roof_planes", "panels", "solar_cells")


def write_stac(
    path: Path,
    *,
    results: Path,
    name: str,
    title: str,
    boundary_lonlat: BaseGeometry,
    scenes: Sequence[Mapping[str, Any]],
    credits: Sequence[Mapping[str, str]],
    simulated: bool,
    solar_year: int | None = None,
) -> Path:
    """Write ``stac/collection.json`` and its items, whole or not at all.

    Parameters
    ----------
    path
        ``<results>/stac/collection.json``; its folder belongs to this function.
    results
        Folder of the results; what is found there becomes an asset.
    name, title
        Of the area.
    boundary_lonlat
        Study area in EPSG:4326.
    scenes
        Records of the thermal and optical scenes (``id, role, acquired, used``).
    credits
        ``source, licence, attribution`` of the inputs.
    simulated
        Whether inputs come from a simulator.
    solar_year
        Year of the elevation survey.
    """
    items = _items(results, name, boundary_lonlat, scenes, solar_year)
    for item in items:
        item.properties["heliopolis:simulated"] = simulated
    collection = _collection(name, title, boundary_lonlat, items, credits)
    folder = path.parent
    with replacing(folder) as target:
        target.mkdir()
        collection.add_items(items)
        collection.normalize_hrefs(str(folder))
        for item in items:
            for asset in item.assets.values():
                start = Path(item.get_self_href() or folder).parent
                asset.href = Path(os.path.relpath(results / asset.href, start)).as_posix()
        for key, (file, media, label) in _DOCUMENTS.items():
            if (results / file).is_file():
                href = Path(os.path.relpath(results / file, folder)).as_posix()
                collection.add_asset(key, pystac.Asset(href, label, None, media, ["metadata"]))
        collection.save(pystac.CatalogType.SELF_CONTAINED, dest_href=str(target))
    return path


_DOCUMENTS = {
    "report": ("report.html", "text/html", "Report"),
    "map": ("map.html", "text/html", "Map to explore"),
    "project": ("heliopolis.qgz", "application/x-qgis-project", "QGIS project"),
}


def _items(
    results: Path,
    name: str,
    boundary: BaseGeometry,
    scenes: Sequence[Mapping[str, Any]],
    solar_year: int | None,
) -> list[pystac.Item]:
    used = [s for s in scenes if s["role"] == "thermal" and s.get("used", True)]
    times = sorted(datetime.fromisoformat(s["acquired"]) for s in used)
    items = []
    if (results / "lst.tif").is_file() and times:
        heat = _item(f"{name}-heat", boundary, times[0], times[-1])
        heat.add_asset("lst", _raster_asset(results, "lst.tif", "Surface temperature"))
        _add_vector(heat, results, "hot_zones.gpkg", "Hot zones")
        _add_web(heat, results, _HEAT_LAYERS)
        items.append(heat)
    if (results / "rooftop_pv.gpkg").is_file():
        start, end = _year(solar_year)
        solar = _item(f"{name}-solar", boundary, start, end)
        _add_vector(solar, results, "rooftop_pv.gpkg", "Rooftop PV")
        _add_web(solar, results, _SOLAR_LAYERS)
        items.append(solar)
    for scene in scenes:
        file = f"scenes/{scene['id']}/lst.tif"
        if (results / file).is_file():
            when = datetime.fromisoformat(scene["acquired"])
            item = _item(f"{name}-{scene['id']}", boundary, when, when)
            item.add_asset("lst", _raster_asset(results, file, "Surface temperature"))
            item.properties["heliopolis:scene"] = scene["id"]
            items.append(item)
    return items


def _year(year: int | None) -> tuple[datetime, datetime]:
    if year is None:
        now = datetime.now(UTC).replace(microsecond=0)
        return now, now
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)


def _item(key: str, boundary: BaseGeometry, start: datetime, end: datetime) -> pystac.Item:
    span = {} if start == end else {"start_datetime": start, "end_datetime": end}
    return pystac.Item(
        id=key,
        geometry=shapely.geometry.mapping(boundary),
        bbox=[round(value, 7) for value in boundary.bounds],
        datetime=start if start == end else None,
        properties={},
        **span,  # type: ignore[arg-type]
    )


def _raster_asset(results: Path, file: str, title: str) -> pystac.Asset:
    """COG with its bands: name, unit, data type and meaning."""
    known = band_fields("lst.tif" if file == "lst.tif" else "scenes/lst.tif")
    with rasterio.open(results / file) as source:
        bands = []
        for name, unit, dtype in zip(source.descriptions, source.units, source.dtypes, strict=True):
            band: dict[str, Any] = {"name": name, "data_type": dtype, "nodata": "nan"}
            if unit:
                band["unit"] = unit
            if name in known:
                band["description"] = known[name].meaning_en
            bands.append(band)
        extra = {"bands": bands, "gsd": abs(source.transform.a)}
    return pystac.Asset(file, title, None, COG, ["data"], extra)


def _add_vector(item: pystac.Item, results: Path, file: str, title: str) -> None:
    if (results / file).is_file():
        item.add_asset(file.split(".")[0], pystac.Asset(file, title, None, GPKG, ["data"]))


def _add_web(item: pystac.Item, results: Path, layers: Sequence[str]) -> None:
    """Layers for notebooks and web maps, where the run has written them."""
    for layer in layers:
        for ending, media in _WEB.items():
            file = f"web/{layer}.{ending}"
            if (results / file).is_file():
                asset = pystac.Asset(file, layer.replace("_", " "), None, media, ["data"])
                item.add_asset(f"{layer}_{ending}", asset)


def _collection(
    name: str,
    title: str,
    boundary: BaseGeometry,
    items: Sequence[pystac.Item],
    credits: Sequence[Mapping[str, str]],
) -> pystac.Collection:
    times = [t for item in items for t in _span(item)]
    interval: list[datetime | None] = (
        [min(times), max(times)] if times else [datetime.now(UTC), None]
    )
    providers = [
        pystac.Provider(one["source"], one["attribution"] or None, [pystac.ProviderRole.PRODUCER])
        for one in credits
    ]
    return pystac.Collection(
        id=name,
        title=title,
        description=f"Hot zones and rooftop solar of {title}, made by heliopolis. "
        "Surface temperature is not air temperature.",
        extent=pystac.Extent(
            pystac.SpatialExtent([[round(value, 7) for value in boundary.bounds]]),
            pystac.TemporalExtent([interval]),
        ),
        license="other",
        providers=providers or None,
    )


def _span(item: pystac.Item) -> list[datetime]:
    common = item.common_metadata
    return [t for t in (item.datetime, common.start_datetime, common.end_datetime) if t is not None]
