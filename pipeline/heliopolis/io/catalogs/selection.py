"""From the items of a catalog to the scenes of a study: one for each overpass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import shapely
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from heliopolis.errors import InputError
from heliopolis.io.catalogs.door import own_assets, sensor_of
from heliopolis.io.catalogs.query import Query, is_day, solar_time
from heliopolis.io.limits import reading
from heliopolis.scene import Scene, Sensor

Item = Mapping[str, Any]

#: Items of one satellite that are this close in time are of one overpass; an orbit takes
#: about 100 minutes.
_OVERPASS = timedelta(minutes=10)
#: Footprints in catalogs are rough: what lies this near to an edge counts as outside [deg].
_EDGE_DEG = 0.01
_SLSTR_NAME = re.compile(
    r"(S3[A-D]_SL_2_LST)____(\d{8}T\d{6}_\d{8}T\d{6})_\d{8}T\d{6}_(\d{4}_\d{3}_\d{3}_\d{4})_"
)
#: Share of the area below which another item is not worth reading.
_NOTHING = 1e-6


def choose(
    items: Iterable[Item], query: Query, enter: Callable[[Item, Sensor], Item]
) -> list[Scene]:
    """Scenes of a search.

    Parameters
    ----------
    items
        STAC items as the catalog gives them, in any order.
    query
        What is wanted; items that do not fit are dropped, whatever the catalog was asked.
    enter
        Brings an item through the door, see `heliopolis.io.catalogs.door`.

    Returns
    -------
    list of Scene
        Sorted by time, then id; one for each sensor, platform, local solar day and half of it
        (day, night): the overpass that shows most clear ground. Neighbours of the same overpass
        that cover more of the area are its parts; of two versions of the same image the newest
        is taken.
    """
    found = {}
    for item in items:
        with reading("the STAC item", str(item.get("id"))[:100]):
            sensor = sensor_of(item)
            if sensor is not None and sensor in query.sensors and fits(item, sensor, query):
                name = _scene_name(str(item["id"]), sensor)
                scene = Scene(name, sensor, acquired(item), enter(item, sensor))
                found[(str(item.get("collection")), str(item["id"]))] = scene
    with reading("a STAC item", "footprints and times of the items found"):
        scenes = [_joined(group, query) for group in _overpasses(_newest(found.values()))]
        return one_a_day(scenes, query)


def _scene_name(item_id: str, sensor: Sensor) -> str:
    """Name of a scene: the item's id; names of Sentinel-3 products without what is empty in them.

    >>> _scene_name("S3A_SL_2_LST____20240129T100540_20240129T100840_20240129T121848_0179_108_236"
    ...             "_2160_PS1_O_NR_004", Sensor.SLSTR_LST)
    'S3A_SL_2_LST_20240129T100540_20240129T100840_0179_108_236_2160'
    """
    match = _SLSTR_NAME.match(item_id) if sensor is Sensor.SLSTR_LST else None
    return f"{match[1]}_{match[2]}_{match[3]}" if match else item_id


def one_a_day(scenes: Iterable[Scene], query: Query) -> list[Scene]:
    """Of several overpasses of a satellite on one local day the one with most clear ground."""
    best: dict[tuple[object, ...], Scene] = {}
    area = _rectangle(*query.bounds)
    for scene in scenes:
        local = solar_time(scene.acquired, query.longitude)
        half = is_day(scene.acquired, query.longitude)
        # A night counts to the evening it begins with.
        day = (local if half else local - timedelta(hours=12)).date()
        key = (scene.sensor, platform(scene.item), day, half)
        if key not in best or _rank(scene, area) < _rank(best[key], area):
            best[key] = scene
    return sorted(best.values(), key=lambda scene: (scene.acquired, scene.id))


def _rank(scene: Scene, area: BaseGeometry) -> tuple[float, float, datetime, str]:
    together = shapely.union_all([footprint(item) for item in scene.items])
    clouds = [cloud_percent(item) for item in scene.items]
    cloud = sum(100.0 if c is None else c for c in clouds) / len(clouds)
    clear = round(_share(together, area) * (1 - cloud / 100), 6)
    return -clear, cloud, scene.acquired, scene.id


def fits(item: Item, sensor: Sensor, query: Query) -> bool:
    """Whether an item answers the query."""
    moment, cloud = acquired(item), cloud_percent(item)
    if not query.in_season(moment) or (cloud is not None and cloud > query.max_cloud_percent):
        return False
    half = "day" if is_day(moment, query.longitude) else "night"
    if query.time_of_day not in ("both", half):
        return False
    if query.orbit is not None and not _on_orbit(item, query.orbit, half):
        return False
    if not touches(item, sensor, query):
        return False
    names = own_assets(item, sensor)
    if sensor is Sensor.LANDSAT_L2 and query.surface_temperature:
        return "lwir11" in names
    needed = {Sensor.LANDSAT_L1: "l1_b10", Sensor.SLSTR_LST: "lst"}.get(sensor)
    return bool(names) if needed is None else needed in names


def touches(item: Item, sensor: Sensor, query: Query) -> bool:
    """Whether an item shows some of the area.

    The footprints of Sentinel-3 are not reliable: there the bounding box is enough.
    """
    area = _rectangle(*query.bounds)
    if footprint(item).intersects(area):
        return True
    return sensor is Sensor.SLSTR_LST and _bounding_box(item).intersects(area)


def acquired(item: Item) -> datetime:
    """Time of an item, UTC: its own, or the middle of its start and end."""
    properties = item.get("properties", {})
    named = [properties.get(key) for key in ("datetime", "start_datetime", "end_datetime")]
    try:
        own, start, end = (_utc(text) if text else None for text in named)
    except ValueError as error:
        raise InputError(
            "the time of the item cannot be read", where=str(item.get("id"))
        ) from error
    if own is not None:
        return own
    if start is None:
        raise InputError("the item has no time", where=str(item.get("id")))
    return start + (end - start) / 2 if end is not None else start


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def cloud_percent(item: Item) -> float | None:
    """Cloud cover of an item as its catalog tells it; None where it does not."""
    value = item.get("properties", {}).get("eo:cloud_cover")
    return float(value) if value is not None else None


def platform(item: Item) -> str:
    """Name of the satellite, in lower case with hyphens."""
    named = item.get("properties", {}).get("platform")
    if named:
        return str(named).lower().replace("_", "-")
    match = re.match(r"(S[23])([A-D])_|L[COET](\d\d)_", str(item.get("id", "")))
    if match is None:
        return "unknown"
    if match[1]:
        return f"sentinel-{match[1][1]}{match[2].lower()}"
    return f"landsat-{int(match[3])}"


def footprint(item: Item) -> BaseGeometry:
    """Footprint in EPSG:4326; one that crosses the date line is given on both sides of it."""
    if not item.get("geometry"):
        return _bounding_box(item)
    try:
        found = shape(item["geometry"])
        if not found.is_valid:
            found = shapely.make_valid(found)
    except (AttributeError, KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        raise InputError("the footprint of the item cannot be read", where=str(item.get("id")),
                         remedy=str(error)) from error  # fmt: skip
    west, _, east, _ = found.bounds if not found.is_empty else (0, 0, 0, 0)
    if east - west <= 180 or found.geom_type != "Polygon":
        return found
    east_of = shapely.transform(found, lambda xy: xy + (xy[:, :1] < 0) * [[360.0, 0.0]])
    return shapely.union_all([east_of, shapely.transform(east_of, lambda xy: xy - [[360.0, 0.0]])])


def _bounding_box(item: Item) -> BaseGeometry:
    bounds = item.get("bbox") or (-180.0, -90.0, 180.0, 90.0)
    # Two corners, each of two or three coordinates.
    east, north = bounds[len(bounds) // 2 :][:2]
    return _rectangle(bounds[0], bounds[1], east, north)


def _rectangle(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """Rectangle in degrees; in two parts where it crosses the date line (west > east)."""
    if west <= east:
        return box(west, south, east, north)
    return shapely.union_all([box(west, south, 180, north), box(-180, south, east, north)])


def _share(cover: BaseGeometry, area: BaseGeometry) -> float:
    return float(cover.intersection(area).area / area.area)


def _on_orbit(item: Item, orbit: str, half: str) -> bool:
    properties = item.get("properties", {})
    if orbit.lower() in ("ascending", "descending"):
        # Landsat, Sentinel-2 and Sentinel-3 all come down in the morning.
        state = properties.get("sat:orbit_state") or (
            "descending" if half == "day" else "ascending"
        )
        return str(state).lower() == orbit.lower()
    number = _orbit_number(item)
    return number is not None and orbit.isdigit() and number == int(orbit)


def _orbit_number(item: Item) -> int | None:
    """Relative orbit, or path of Landsat; None where it is not told."""
    properties = item.get("properties", {})
    for key in ("sat:relative_orbit", "landsat:wrs_path"):
        if properties.get(key) is not None:
            return int(properties[key])
    names = " ".join(_names(item))
    match = re.search(r"_R(\d{3})_|_\d{4}_\d{3}_(\d{3})_\d{4}(?:_|\b)", names)
    return int(match[1] or match[2]) if match else None


def _names(item: Item) -> list[str]:
    """Everything that may hold the name of the product."""
    properties = item.get("properties", {})
    keys = ("s2:product_uri", "landsat:product_id", "s2:datastrip_id", "eopf:datastrip_id")
    told = [str(properties[key]) for key in keys if properties.get(key)]
    hrefs = [str(asset.get("href", "")) for asset in item.get("assets", {}).values()]
    return [str(item.get("id", "")), *told, *sorted(hrefs)]


def _newest(scenes: Iterable[Scene]) -> list[Scene]:
    """Without the older versions of the same image."""
    best: dict[tuple[object, ...], Scene] = {}
    for scene in scenes:
        key = (scene.sensor, platform(scene.item), *_image(scene))
        if key not in best or _version(scene) > _version(best[key]):
            best[key] = scene
    return list(best.values())


def _image(scene: Scene) -> tuple[str, ...]:
    """What two versions of the same image have in common."""
    properties, names = scene.properties, " ".join(_names(scene.item))
    if scene.sensor is Sensor.SENTINEL2_L2A:
        tile = re.search(r"_T(\d\d[A-Z]{3})[_.]|_(\d\d[A-Z]{3})_", names)
        named = str(properties.get("grid:code") or properties.get("s2:mgrs_tile") or "")
        strip = re.search(r"_S(\d{8}T\d{6})", names)
        code = named.removeprefix("MGRS-") or (tile[1] or tile[2] if tile else scene.id)
        # Two strips of one datatake may each show a part of the same tile.
        return code, strip[1] if strip else f"{scene.acquired:%Y%m%dT%H%M%S}"
    if scene.sensor is Sensor.SLSTR_LST:
        frame = re.search(r"_\d{4}_(\d{3}_\d{3}_\d{4})(?:_|\b)", names)
        return (frame[1],) if frame else (f"{scene.acquired:%Y%m%dT%H%M%S}",)
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    if path is None or row is None:
        return (scene.id,)
    return str(int(path)), str(int(row)), f"{scene.acquired:%Y%m%d}"


def _version(scene: Scene) -> tuple[bool, str, str, str]:
    """Later versions compare greater."""
    properties, names = scene.properties, " ".join(_names(scene.item))
    final = not re.search(r"_RT\b|_RT_|_NR_|-nrt", f"{names} {scene.item.get('collection')}")
    baseline = str(properties.get("s2:processing_baseline") or "")
    return final, baseline, _processed(scene, names), scene.id


def _processed(scene: Scene, names: str) -> str:
    """When the product was made, as digits that sort; empty where it is not told."""
    for key in ("processing:datetime", "s2:generation_time", "landsat:product_generated"):
        if scene.properties.get(key):
            return re.sub(r"\D", "", str(scene.properties[key]))[:14]
    patterns = {
        Sensor.SLSTR_LST: r"_\d{8}T\d{6}_\d{8}T\d{6}_(\d{8}T\d{6})_",
        Sensor.SENTINEL2_L2A: r"_T\d\d[A-Z]{3}_(\d{8}T\d{6})",
    }
    match = re.search(patterns.get(scene.sensor, r"_\d{6}_\d{8}_(\d{8})_"), names)
    told = match[1] if match else str(scene.properties.get("created") or "")
    return re.sub(r"\D", "", told)[:14]


def _overpasses(scenes: Iterable[Scene]) -> list[list[Scene]]:
    """Groups of one sensor and platform without a gap in time."""
    order = sorted(scenes, key=lambda s: (s.sensor, platform(s.item), s.acquired, s.id))
    groups: list[list[Scene]] = []
    for scene in order:
        last = groups[-1][-1] if groups else None
        same = last is not None and (last.sensor, platform(last.item)) == (
            scene.sensor,
            platform(scene.item),
        )
        if last is not None and same and scene.acquired - last.acquired <= _OVERPASS:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return groups


def _joined(group: list[Scene], query: Query) -> Scene:
    """One scene of an overpass: the item that covers most first, then those that add to it."""
    area = _rectangle(*query.bounds)

    def order(scene: Scene) -> tuple[float, float, str]:
        cloud = cloud_percent(scene.item)
        return (
            -round(_share(footprint(scene.item), area), 6),
            cloud if cloud is not None else 100.0,
            scene.id,
        )

    first, *others = sorted(group, key=order)
    rest = area.difference(footprint(first.item).buffer(-_EDGE_DEG))
    parts = []
    for scene in others:
        adds = rest.intersection(footprint(scene.item)).area / area.area > _NOTHING
        if adds or scene.sensor is Sensor.SLSTR_LST:
            parts.append(scene.item)
            rest = rest.difference(footprint(scene.item).buffer(-_EDGE_DEG))
    return replace(first, parts=tuple(parts))
