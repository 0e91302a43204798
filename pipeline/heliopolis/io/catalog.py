"""Finding scenes: STAC catalogs (static or served) and plain files of LST."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pystac
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from heliopolis.errors import InputError
from heliopolis.scene import Scene, Sensor

#: STAC collection -> sensor. The names of providers are mapped here and nowhere else.
SENSORS = {
    "landsat-c2-l2": Sensor.LANDSAT_L2,
    "sentinel-3-slstr-lst-l2-netcdf": Sensor.SLSTR_LST,
    "sentinel-2-l2a": Sensor.SENTINEL2_L2A,
    "sentinel-2-c1-l2a": Sensor.SENTINEL2_L2A,
}


def search_catalog(
    catalog: str,
    collections: Sequence[str],
    *,
    bounds: tuple[float, float, float, float],
    start: date,
    end: date,
    max_cloud_percent: float,
) -> list[Scene]:
    """Scenes of a STAC catalog that touch an area in a period.

    Parameters
    ----------
    catalog
        Path or URL of a ``catalog.json`` (static) or of a STAC API.
    collections
        Ids of collections, of those in `SENSORS`.
    bounds
        West, south, east, north in EPSG:4326 [deg].
    start, end
        First and last day, UTC, both included.
    max_cloud_percent
        Items with a larger ``eo:cloud_cover`` are dropped; items without one are kept.

    Returns
    -------
    list of Scene
        Sorted by time, then id; asset hrefs absolute; one scene per sensor, platform and
        orbit pass (the least cloudy one wins).
    """
    unknown = [name for name in collections if name not in SENSORS]
    if unknown:
        raise InputError(
            f"the collection {unknown[0]!r} is not one that heliopolis reads",
            where=catalog,
            remedy="Known collections: " + ", ".join(sorted(SENSORS)),
        )
    served = urlparse(catalog).scheme in ("http", "https") and not catalog.endswith(".json")
    found = (
        _served_items(catalog, collections, bounds, start, end)
        if served
        else _static_items(catalog, collections)
    )
    area = box(*bounds)
    scenes = [
        _scene(item)
        for item in found
        if _footprint(item).intersects(area)
        and start <= _time(item).date() <= end
        and float(item.properties.get("eo:cloud_cover") or 0) <= max_cloud_percent
    ]
    return sorted(_one_per_pass(scenes), key=lambda scene: (scene.acquired, scene.id))


def _static_items(catalog: str, collections: Sequence[str]) -> Iterable[pystac.Item]:
    try:
        root = pystac.Catalog.from_file(catalog)
    except (OSError, ValueError, pystac.STACError) as error:
        raise InputError(
            "the STAC catalog cannot be read",
            where=catalog,
            remedy=f"Check the path; the reader says: {error}",
        ) from error
    for item in root.get_items(recursive=True):
        if item.collection_id in collections:
            yield item


def _served_items(
    catalog: str,
    collections: Sequence[str],
    bounds: tuple[float, float, float, float],
    start: date,
    end: date,
) -> Iterable[pystac.Item]:
    import pystac_client
    from pystac_client.exceptions import APIError

    try:
        client = pystac_client.Client.open(catalog)
        search = client.search(
            collections=list(collections),
            bbox=bounds,
            datetime=f"{start}T00:00:00Z/{end}T23:59:59Z",
        )
        yield from search.items()
    except (APIError, OSError) as error:
        raise InputError(
            "the STAC service did not answer the search",
            where=catalog,
            remedy=f"Try again later or use another catalog; it says: {error}",
        ) from error


def _footprint(item: pystac.Item) -> BaseGeometry:
    if item.geometry is not None:
        return shape(item.geometry)
    return box(*(item.bbox or (-180.0, -90.0, 180.0, 90.0))[:4])


def _time(item: pystac.Item) -> datetime:
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None:
        raise InputError("the item has no time", where=item.id)
    return moment.astimezone(UTC)


def _scene(item: pystac.Item) -> Scene:
    item.make_asset_hrefs_absolute()
    record: dict[str, Any] = item.to_dict(include_self_link=False, transform_hrefs=False)
    record["links"] = []
    return Scene(
        id=item.id, sensor=SENSORS[str(item.collection_id)], acquired=_time(item), item=record
    )


def _one_per_pass(scenes: Iterable[Scene]) -> list[Scene]:
    best: dict[tuple[object, ...], Scene] = {}
    for scene in scenes:
        properties = scene.properties
        tile = properties.get("grid:code") or properties.get("s2:mgrs_tile")
        row = (properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row"))
        minute = scene.acquired.replace(second=0, microsecond=0)
        key = (scene.sensor, properties.get("platform"), tile, row, minute)
        other = best.get(key)
        if other is None or _rank(scene) < _rank(other):
            best[key] = scene
    return list(best.values())


def _rank(scene: Scene) -> tuple[float, str]:
    return float(scene.properties.get("eo:cloud_cover") or 0), scene.id


_DATE = re.compile(r"(?<!\d)(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")
#: Landsat crosses the equator at about 10:12 local solar time [USGS, Landsat 8-9 missions].
_LANDSAT_LOCAL_HOUR = 10.2


def lst_file_scenes(
    files: Sequence[Path],
    *,
    longitude: float,
    unit: str,
    native_resolution_m: float,
    sigma_k: float,
) -> list[Scene]:
    """Scenes for rasters that hold LST already, one date each.

    The date is the first ``YYYYMMDD`` of the file name (a Landsat product id begins with the
    day of acquisition). Its time is unknown: the mean local solar time of Landsat overpasses
    is taken and ``heliopolis:time_estimated`` says so.
    """
    scenes = []
    for file in files:
        match = _DATE.search(file.name)
        if match is None:
            raise InputError(
                "no date found in the name of the LST raster",
                where=str(file),
                remedy="Put the day of acquisition into the name as YYYYMMDD",
            )
        hour = (_LANDSAT_LOCAL_HOUR - longitude / 15.0) % 24
        day = datetime.strptime(match.group(), "%Y%m%d").replace(tzinfo=UTC)
        acquired = day.replace(hour=int(hour), minute=int(hour % 1 * 60))
        item = {
            "type": "Feature",
            "id": file.stem,
            "assets": {"lst": {"href": str(file.resolve())}},
            "properties": {
                "datetime": acquired.isoformat(),
                "heliopolis:unit": unit,
                "heliopolis:native_resolution_m": native_resolution_m,
                "heliopolis:sigma_k": sigma_k,
                "heliopolis:time_estimated": True,
                "heliopolis:file_bytes": file.stat().st_size,
            },
        }
        scenes.append(Scene(file.stem, Sensor.LST_RASTER, acquired, item))
    return sorted(scenes, key=lambda scene: (scene.acquired, scene.id))


def is_day(acquired: datetime, longitude: float) -> bool:
    """Whether local mean solar time lies between 6 h and 18 h.

    >>> is_day(datetime(2025, 6, 21, 10, 30, tzinfo=UTC), longitude=7.6)
    True
    """
    utc = acquired.astimezone(UTC)
    hour = (utc.hour + utc.minute / 60 + longitude / 15.0) % 24
    return 6 <= hour < 18
