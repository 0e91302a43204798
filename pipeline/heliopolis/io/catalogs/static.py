"""Catalogs without a service: static STAC on disk or on the web, and plain products on disk."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from heliopolis.errors import InputError
from heliopolis.io.catalogs.door import enter, from_disk, from_network, is_item, sensor_of
from heliopolis.io.catalogs.products import product_item, products_below
from heliopolis.io.catalogs.providers import SENSORS, own_names
from heliopolis.io.catalogs.query import Query
from heliopolis.io.catalogs.selection import choose
from heliopolis.io.limits import parse_json, small_text
from heliopolis.io.remote.client import Client, CorruptError
from heliopolis.scene import Scene, Sensor

Record = dict[str, Any]


class StaticCatalog:
    """A tree of STAC files under a ``catalog.json`` or ``collection.json``.

    Parameters
    ----------
    root
        Path or URL of the uppermost file.
    client
        What reads from the web.

    Notes
    -----
    Files on the web may point at the web only; files on disk may point at both.
    """

    def __init__(self, root: str, client: Client) -> None:
        self.name = root.split("?")[0]
        self._root = root if _is_web(root) else str(Path(root).resolve())
        self._client = client
        self._read_already: dict[str, Record] = {}

    def holds(self, collection: str) -> bool:
        """Whether it has a collection or its like."""
        return bool(own_names(collection, self._collections()))

    def search(self, query: Query) -> list[Scene]:
        """Scenes that answer ``query``, see `heliopolis.io.catalogs.selection.choose`.

        Raises
        ------
        InputError
            Where a file on disk is missing or is no STAC.
        RemoteError
            Where a file on the web cannot be had.
        """
        held = self._collections()
        wanted = {name for one in query.collections for name in own_names(one, held)}
        places: dict[tuple[str, str], str] = {}
        items = []
        for place, item in self._items(wanted):
            places[str(item.get("collection")), str(item["id"])] = place
            items.append(item)

        def through(item: Mapping[str, Any], sensor: Sensor) -> Mapping[str, Any]:
            place = places[str(item.get("collection")), str(item["id"])]
            resolve = from_network(place) if _is_web(place) else from_disk(Path(place).parent)
            return enter(item, sensor, catalog=self.name, resolve=resolve)

        return choose(items, query, through)

    def _collections(self) -> list[str]:
        return [str(r["id"]) for _, r in self._branches() if r.get("type") == "Collection"]

    def _branches(self) -> Iterator[tuple[str, Record]]:
        """Catalogs and collections, from the root down."""
        waiting, seen = [self._root], {self._root}
        while waiting:
            place = waiting.pop(0)
            record = self._read(place)
            yield place, record
            for child in _linked(record, place, "child"):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)

    def _items(self, wanted: set[str]) -> Iterator[tuple[str, Record]]:
        """Items of the collections wanted, and of none, with the place of their file."""
        for place, branch in self._branches():
            if branch.get("type") == "Collection" and branch["id"] not in wanted:
                continue
            for item_place in _linked(branch, place, "item"):
                item = self._read(item_place)
                if not is_item(item):
                    raise InputError("the file is not a STAC item", where=item_place,
                                     remedy="Check the links of the catalog")  # fmt: skip
                if item.get("collection") in (*wanted, None):
                    yield item_place, item

    def _read(self, place: str) -> Record:
        if place not in self._read_already:
            read = self._from_web if _is_web(place) else read_json
            self._read_already[place] = read(place)
        return self._read_already[place]

    def _from_web(self, url: str) -> Record:
        what = f"catalog {self.name}"
        answer = self._client.get(url, what=what, confirm=True)
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CorruptError("The answer is not JSON", where=f"{what}, {answer.url}",
                               remedy="Check the address of the catalog")  # fmt: skip
        return found


class FilesCatalog:
    """Products and STAC items that lie on disk, found by a path, a folder or a glob.

    Parameters
    ----------
    pattern
        ``.SAFE`` and ``.SEN3`` folders, MTL files of Landsat, JSON files of STAC items, folders
        of any of these, or a glob that matches some of them.
    """

    def __init__(self, pattern: str) -> None:
        self.name = pattern
        self._found: list[tuple[Path, Record]] | None = None

    def holds(self, collection: str) -> bool:
        """Whether a product of the collection's sensor is among the files."""
        return any(sensor_of(item) == SENSORS[collection] for _, item in self._products())

    def search(self, query: Query) -> list[Scene]:
        """Scenes that answer ``query``, see `heliopolis.io.catalogs.selection.choose`."""
        folders = {id(item): folder for folder, item in self._products()}

        def through(item: Mapping[str, Any], sensor: Sensor) -> Mapping[str, Any]:
            return enter(item, sensor, catalog=self.name, resolve=from_disk(folders[id(item)]))

        return choose([item for _, item in self._products()], query, through)

    def _products(self) -> list[tuple[Path, Record]]:
        if self._found is None:
            self._found = list(self._look())
            if not self._found:
                raise InputError(
                    "there is no product that heliopolis reads",
                    where=self.name,
                    remedy="Name .SAFE or .SEN3 folders, Landsat folders with an MTL file, STAC "
                    "items, or folders of these",
                )
        return self._found

    def _look(self) -> Iterator[tuple[Path, Record]]:
        matches = [Path(m) for m in sorted(glob.glob(self.name, recursive=True))]
        if not matches and Path(self.name).exists():
            matches = [Path(self.name)]
        seen = set()
        for match in matches:
            for product in products_below(match):
                if product.resolve() not in seen:
                    seen.add(product.resolve())
                    yield product.parent, product_item(product.resolve())
        for match in matches:
            for file in [match] if match.is_file() else sorted(match.rglob("*.json")):
                if file.suffix == ".json" and file.resolve() not in seen and not _inside(file):
                    seen.add(file.resolve())
                    record = read_json(str(file))
                    if record.get("type") == "Feature" and is_item(record):
                        yield file.resolve().parent, record


def _inside(file: Path) -> bool:
    """Whether a file is a part of a product and no item of its own."""
    names = [part.upper() for part in file.parts]
    return names[-1].endswith("MTL.JSON") or any(n.endswith((".SAFE", ".SEN3")) for n in names)


def read_json(path: str) -> Record:
    """A JSON object from disk."""
    try:
        found = parse_json(small_text(Path(path)), path)
    except InputError as error:
        raise InputError("the STAC catalog cannot be read", where=path,
                         remedy=f"Check the path; the reader says: {error}") from error  # fmt: skip
    if not isinstance(found, dict):
        raise InputError("the STAC catalog cannot be read", where=path,
                         remedy="It is not a JSON object")  # fmt: skip
    return found


def _is_web(place: str) -> bool:
    return urlsplit(place).scheme in ("http", "https")


def _linked(record: Record, place: str, relation: str) -> list[str]:
    """Places that a file points at; a file on the web cannot point at this machine."""
    found = []
    for link in record.get("links", []):
        if link.get("rel") != relation:
            continue
        href = str(link.get("href", ""))
        if _is_web(place):
            target = urljoin(place, href)
            if not _is_web(target):
                raise InputError("the catalog points at a file that is not on the web", where=place,
                                 remedy="Tell the keeper of the catalog")  # fmt: skip
        elif _is_web(href):
            target = href
        else:
            target = str((Path(place).parent / href.removeprefix("file://")).resolve())
        found.append(target)
    return found
