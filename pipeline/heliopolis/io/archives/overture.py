"""Overture Maps: buildings and places of the whole world, GeoParquet in a public bucket.

A release is a folder of a few hundred files, sorted by place. Its index
(``<stac>/<release>/collections.parquet``) names the box of each file; each file's footer names
the boxes of its row groups, and only those that touch are read
(https://docs.overturemaps.org/getting-data/).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from heliopolis.errors import ConfigError
from heliopolis.io.archives.answers import Question, current, kept, read_json
from heliopolis.io.archives.delivery import Delivery, Order, remote_stream
from heliopolis.io.archives.layers import deliver_layer, number
from heliopolis.io.archives.pages import Bounds
from heliopolis.io.remote.cache import Key
from heliopolis.io.remote.client import CorruptError, RemoteError
from heliopolis.io.remote.window import RemoteAsset

#: Kind of order, then theme and type of Overture.
THEMES = {"footprints": ("buildings", "building"), "places": ("places", "place")}
#: Words in a place's category and the kind of place they make; the first that fits.
PLACE_KINDS = (
    ("kindergarten", ("preschool", "kindergarten", "day_care", "daycare", "child_care")),
    ("university", ("college_university", "university", "college")),
    ("school", ("school",)),
    ("hospital", ("hospital",)),
    ("nursing_home", ("retirement_home", "nursing_home", "assisted_living", "senior_living")),
)
#: Schools that are no grounds with pupils.
_NOT_PLACES = ("driving", "dance", "music", "language", "cooking", "flight", "art_school",
               "vocational", "swimming", "martial", "yoga", "riding", "ski_", "surf", "supply",
               "district")  # fmt: skip
_RELEASE = re.compile(r"\d{4}-\d{2}-\d{2}\.\d+")
_HREF = re.compile(r"(release/.+\.parquet)$")
_BOX = ("xmin", "ymin", "xmax", "ymax")
_FIELDS = {
    "footprints": ("id", "geometry", "bbox", "height", "num_floors", "subtype", "class",
                   "is_underground"),
    "places": ("id", "geometry", "bbox", "names", "basic_category", "taxonomy", "categories",
               "confidence", "operating_status"),
}  # fmt: skip
_STOREY_M = 3.0
#: The boxes are rounded to 32 bits, which near 180 degrees are steps of 1.5e-5.
_ROUND_DEG = 2e-5


@dataclass(frozen=True)
class Overture:
    """Overture Maps.

    Attributes
    ----------
    bucket_url, stac_url
        Data, and index of the releases.
    release
        Such as ``2026-09-23.0``; the newest where None. Only the last few are kept online.
    confidence
        Places that are less sure than this are left out (0..1).
    """

    bucket_url: str = "https://overturemaps-us-west-2.s3.us-west-2.amazonaws.com"
    stac_url: str = "https://stac.overturemaps.org"
    release: str | None = None
    confidence: float = 0.6
    name: str = "overture"
    kinds: tuple[str, ...] = ("footprints", "places")

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered."""
        release = self._release(order)
        west, south, east, north = order.bounds("EPSG:4326")
        bounds = west - _ROUND_DEG, south - _ROUND_DEG, east + _ROUND_DEG, north + _ROUND_DEG
        record = _building if order.kind == "footprints" else self._place
        rows = self._rows(order, release, bounds)
        records = [made for made in map(record, rows) if made is not None]
        deliver_layer(order, self.name, records, "EPSG:4326")
        buildings = order.kind == "footprints"
        return Delivery(
            "© OpenStreetMap contributors, Overture Maps Foundation"
            if buildings
            else "Overture Maps Foundation, overturemaps.org",
            "Open Database License 1.0" if buildings else "CDLA Permissive 2.0 and others",
            int(release[:4]),
            f"release {release}, ids of GERS"
            + ("" if buildings else f"; places of confidence {self.confidence} and more"),
        )

    def _release(self, order: Order) -> str:
        release = self.release
        if release is None:
            what = "newest release of Overture"
            question = Question(self.name, what, f"{self.stac_url}/catalog.json")
            release = str(read_json(current(order.store, question), what).get("latest"))
        if not _RELEASE.fullmatch(release):
            raise ConfigError(
                f"{release!r} is no release of Overture",
                remedy="Give one such as 2026-09-23.0, from docs.overturemaps.org/release",
            )
        return release

    def _rows(self, order: Order, release: str, bounds: Bounds) -> Iterator[dict[str, Any]]:
        """Features whose box touches ``bounds``."""
        for href in self._files(order, release, bounds):
            for group in self._groups(order, release, href):
                if _touch(group["box"], bounds):
                    table = self._group(order, release, href, int(group["index"]))
                    for row in table.to_pylist():
                        if _touch([row["bbox"][side] for side in _BOX], bounds):
                            yield row

    def _files(self, order: Order, release: str, bounds: Bounds) -> list[str]:
        """Paths in the bucket of the files that touch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        theme, kind = THEMES[order.kind]
        what = f"index of Overture release {release}"
        url = f"{self.stac_url}/{release}/collections.parquet"
        body = kept(order.store, Question(self.name, what, url, version=release, check=_parquet))
        try:
            rows = pq.read_table(io.BytesIO(body), columns=["bbox", "assets"]).to_pylist()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise CorruptError(f"the index cannot be read: {error}", where=what) from error
        found = set()
        for row in rows:
            href = _href(row["assets"], f"/theme={theme}/type={kind}/")
            if href is not None and _touch([row["bbox"][side] for side in _BOX], bounds):
                found.add(href)
        return sorted(found)

    def _asset(self, release: str, href: str) -> RemoteAsset:
        name = href.rsplit("/", 1)[-1]
        return RemoteAsset(f"overture-{release}", name, f"{self.bucket_url}/{href}")

    def _groups(self, order: Order, release: str, href: str) -> list[dict[str, Any]]:
        """Number and box of each row group of a file, from its footer."""
        import pyarrow.parquet as pq

        reference = _reference(href, "row groups")
        cached = order.store.cache.find(reference, release)
        if cached is not None:
            return list(json.loads(cached.read_text(encoding="utf-8")))
        with remote_stream(order.store, self._asset(release, href)) as stream:
            footer = pq.read_metadata(stream)
        groups = [
            {"index": i, "box": _group_box(footer.row_group(i), href)}
            for i in range(footer.num_row_groups)
        ]
        with order.store.cache.publish(Key(reference, release), ".json") as path:
            path.write_text(json.dumps(groups), encoding="utf-8")
        return groups

    def _group(self, order: Order, release: str, href: str, index: int) -> Any:
        """The columns that are needed of a row group, through the cache."""
        import pyarrow.parquet as pq

        reference = _reference(href, f"{order.kind} {index}")
        cached = order.store.cache.find(reference, release)
        if cached is not None:
            return pq.read_table(cached)
        with remote_stream(order.store, self._asset(release, href)) as stream:
            source = pq.ParquetFile(stream, pre_buffer=True)
            there = [n for n in _FIELDS[order.kind] if n in source.schema_arrow.names]
            table = source.read_row_group(index, columns=there)
        with order.store.cache.publish(Key(reference, release), ".parquet") as path:
            pq.write_table(table, path)
        return table

    def _place(self, row: dict[str, Any]) -> dict[str, Any] | None:
        kind = _kind(row)
        sure = row.get("confidence")
        closed = str(row.get("operating_status") or "open").endswith("closed")
        if kind is None or closed or (sure is not None and sure < self.confidence):
            return None
        return {
            "place_id": row["id"],
            "name": (row.get("names") or {}).get("primary"),
            "kind": kind,
            "geometry": shapely.from_wkb(row["geometry"]),
        }


def _building(row: dict[str, Any]) -> dict[str, Any] | None:
    if row.get("is_underground"):
        return None
    height = number(row.get("height"))
    if np.isnan(height):
        height = number(row.get("num_floors")) * _STOREY_M
    return {
        "building_id": row["id"],
        "height_m": height,
        "use": row.get("class") or row.get("subtype"),
        "geometry": shapely.from_wkb(row["geometry"]),
    }


def _kind(row: dict[str, Any]) -> str | None:
    """Kind of a place, from the taxonomy or, in releases before 2026, the categories."""
    told = (
        row.get("basic_category"),
        (row.get("taxonomy") or {}).get("primary"),
        (row.get("categories") or {}).get("primary"),
    )
    names = [str(name) for name in told if name]
    if any(word in name for name in names for word in _NOT_PLACES):
        return None
    for kind, words in PLACE_KINDS:
        if any(word in name for name in names for word in words):
            return kind
    return None


def _touch(box: Any, bounds: Bounds) -> bool:
    return bool(
        box[0] <= bounds[2] and box[2] >= bounds[0] and box[1] <= bounds[3] and box[3] >= bounds[1]
    )


def _reference(href: str, window: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"archive": "overture", "asset": href, "window": window}.items()))


def _href(assets: Any, part: str) -> str | None:
    """Path in the bucket out of the assets of an item, however they are nested."""
    if isinstance(assets, dict):
        return next((h for v in assets.values() if (h := _href(v, part)) is not None), None)
    found = _HREF.search(assets) if isinstance(assets, str) and part in assets else None
    return found[1] if found else None


def _group_box(group: Any, href: str) -> list[float]:
    """West, south, east, north of a row group from the statistics of its boxes."""
    told: dict[str, Any] = {}
    for number_ in range(group.num_columns):
        column = group.column(number_)
        if column.path_in_schema.startswith("bbox.") and column.statistics is not None:
            told[column.path_in_schema.removeprefix("bbox.")] = column.statistics
    if not all(side in told and told[side].has_min_max for side in _BOX):
        raise RemoteError("the file does not say where its features lie", where=href)
    return [
        float(told["xmin"].min), float(told["ymin"].min),
        float(told["xmax"].max), float(told["ymax"].max),
    ]  # fmt: skip


def _parquet(body: bytes) -> None:
    if body[:4] != b"PAR1" or body[-4:] != b"PAR1":
        raise CorruptError("the index of the release is no Parquet file", where="Overture")
