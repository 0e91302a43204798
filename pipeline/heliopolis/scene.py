"""A satellite scene: who looked, when, and where its files are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from heliopolis.area import safe_name
from heliopolis.errors import InputError


class Sensor(StrEnum):
    """What a scene was made by, and so how it is read."""

    LANDSAT_L2 = "landsat-c2-l2"
    LANDSAT_L1 = "landsat-c2-l1"
    SLSTR_LST = "sentinel-3-slstr-lst"
    SENTINEL2_L2A = "sentinel-2-l2a"
    LST_RASTER = "lst-raster"


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes
    ----------
    id
        Identifier of the provider; safe in a path.
    sensor
        Kind of product.
    acquired
        Time of acquisition, aware, UTC.
    item
        STAC item as a mapping, with absolute asset hrefs (a path or a URL).
    parts
        Further items of the same overpass, neighbours of `item`, which a catalog cut apart
        (rows of Landsat, tiles of Sentinel-2). Where two of them overlap the earlier one wins.
    """

    id: str
    sensor: Sensor
    acquired: datetime
    item: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        safe_name(self.id, "scene id")
        if self.acquired.tzinfo is None:
            raise InputError("the time of acquisition has no time zone", where=self.id)

    @property
    def properties(self) -> Mapping[str, Any]:
        """Properties of the item."""
        found: Mapping[str, Any] = self.item.get("properties", {})
        return found

    @property
    def items(self) -> tuple[Mapping[str, Any], ...]:
        """All items of the overpass, in order of precedence."""
        return (self.item, *self.parts)

    @property
    def simulated(self) -> bool:
        """Whether the scene comes from a simulator and not from a satellite."""
        return bool(self.properties.get("heliopolis:simulated", False))

    def has(self, asset: str) -> bool:
        """Whether the item carries ``asset``."""
        return asset in self.item.get("assets", {})

    def href(self, asset: str) -> str:
        """Path or URL of ``asset``; raises `InputError` naming the assets that exist."""
        assets = self.item.get("assets", {})
        if asset not in assets:
            raise InputError(
                f"the scene has no asset {asset!r}",
                where=self.id,
                remedy="It has: " + ", ".join(sorted(assets)),
            )
        return str(assets[asset]["href"])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "id": self.id,
            "sensor": str(self.sensor),
            "acquired": self.acquired.astimezone(UTC).isoformat(),
            "item": dict(self.item),
            **({"parts": [dict(part) for part in self.parts]} if self.parts else {}),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Scene:
        """Inverse of `to_dict`."""
        return cls(
            id=record["id"],
            sensor=Sensor(record["sensor"]),
            acquired=datetime.fromisoformat(record["acquired"]),
            item=record["item"],
            parts=tuple(record.get("parts", ())),
        )


def stamp(scene: Scene) -> list[Any]:
    """What tells that a scene has changed: its items, and size and time of files on disk."""
    files = []
    for item in scene.items:
        for asset in item.get("assets", {}).values():
            path = Path(str(asset.get("href", "")).removeprefix("file://"))
            if path.is_file():
                told = path.stat()
                files.append([str(path), told.st_size, told.st_mtime_ns])
    return [scene.to_dict(), sorted(files)]


def read_scenes(path: Path) -> dict[str, list[Scene]]:
    """Read pinned scenes: ``{"thermal": [...], "optical": [...]}``, each sorted by time."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return {role: [Scene.from_dict(one) for one in record[role]] for role in ("thermal", "optical")}


#: Dates that a scene is compared with to tell what is static: a median of three bears one cloud.
OTHER_DATES = 3


def pattern_dates(scenes: Sequence[Scene], name: str, at_most: int = 3) -> list[Scene]:
    """Landsat scenes whose sharp pattern a coarse scene of Sentinel-3 may use, nearest first.

    They are of the same time of day: what is warm by day is not what is warm by night. They are of
    the same day or before: a scene that is added later changes nothing for those before it.
    """
    own = next((one for one in scenes if one.id == name), None)
    if own is None or own.sensor is not Sensor.SLSTR_LST:
        return []
    hour = own.properties.get("heliopolis:overpass", "day")
    found = [
        one
        for one in scenes
        if one.sensor in (Sensor.LANDSAT_L2, Sensor.LANDSAT_L1)
        and one.properties.get("heliopolis:overpass", "day") == hour
        and one.acquired.date() <= own.acquired.date()
    ]
    return sorted(found, key=lambda one: (abs(one.acquired - own.acquired), one.id))[:at_most]


def other_dates(scenes: Sequence[Scene], name: str) -> list[Scene]:
    """The first scenes of other dates by day, of the kind of the scene called ``name``.

    The first and not the nearest ones: a scene that is added later changes nothing for those
    before it.
    """
    own = next((one for one in scenes if one.id == name), None)
    if own is None:
        return []
    alike = [
        one for one in scenes
        if one.sensor is own.sensor and one.acquired.date() != own.acquired.date()
        and one.properties.get("heliopolis:overpass", "day") == "day"
    ]  # fmt: skip
    return sorted(alike, key=lambda one: (one.acquired, one.id))[:OTHER_DATES]
