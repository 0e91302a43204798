"""Finding scenes: STAC services, static catalogs, and plain products, behind one protocol.

`search` asks the named catalogs; `open_catalog` opens one. What comes back are scenes whose
assets carry our names, whichever provider they came from.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from heliopolis.errors import InputError
from heliopolis.io.catalogs.api import ApiCatalog
from heliopolis.io.catalogs.lst_rasters import lst_file_scenes
from heliopolis.io.catalogs.providers import PROVIDERS, SENSORS, Provider
from heliopolis.io.catalogs.query import Query, is_day
from heliopolis.io.catalogs.selection import one_a_day
from heliopolis.io.catalogs.static import FilesCatalog, StaticCatalog, read_json
from heliopolis.io.remote.client import Client, OfflineError, RemoteError
from heliopolis.scene import Scene

__all__ = [
    "PROVIDERS",
    "SENSORS",
    "Catalog",
    "Provider",
    "Query",
    "is_day",
    "lst_file_scenes",
    "open_catalog",
    "search",
]

_LOG = logging.getLogger(__name__)


class Catalog(Protocol):
    """Something that can be searched for scenes."""

    name: str

    def holds(self, collection: str) -> bool:
        """Whether the catalog has, or may have, a collection or its like."""

    def search(self, query: Query) -> list[Scene]:
        """Scenes that answer ``query``, sorted by time, then id."""


def open_catalog(name_or_path: str, client: Client) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    name_or_path
        Name of a provider (`PROVIDERS`); URL of a STAC API, or of a static catalog (ends in
        ``.json``); path of a static catalog; path, folder or glob of STAC items or of products
        as their makers pack them (``.SAFE``, ``.SEN3``, Landsat with MTL file).
    client
        What asks the web.

    Raises
    ------
    InputError
        Where there is nothing of the kind.
    """
    if name_or_path in PROVIDERS:
        return ApiCatalog.known(name_or_path, client)
    if urlsplit(name_or_path).scheme in ("http", "https"):
        if urlsplit(name_or_path).path.endswith(".json"):
            return StaticCatalog(name_or_path, client)
        return ApiCatalog(name_or_path.split("?")[0], name_or_path, client)
    path = Path(name_or_path)
    if (path / "catalog.json").is_file():
        return StaticCatalog(str(path / "catalog.json"), client)
    named = path.is_file() or not glob.has_magic(name_or_path)
    if path.suffix == ".json" and named and not path.name.upper().endswith("MTL.JSON"):
        kind = read_json(str(path)).get("type")
        if kind in ("Catalog", "Collection"):
            return StaticCatalog(str(path), client)
    return FilesCatalog(name_or_path)


def search(catalogs: Sequence[str], query: Query, client: Client) -> list[Scene]:
    """Search the catalogs in the order given.

    For each collection the first catalog that holds it is asked, and the next one only where
    it is down; a catalog that answers and has nothing is believed. A collection that no catalog
    holds is named in the log.

    Parameters
    ----------
    catalogs
        As in `open_catalog`.
    query
        What is wanted.
    client
        What asks the web.

    Returns
    -------
    list of Scene
        Sorted by time, then id.

    Raises
    ------
    InputError
        Where no catalog holds any of the collections, or a catalog cannot be searched.
    RemoteError
        Where none of the catalogs that hold a collection answers; `OfflineError` where that is
        because heliopolis works offline.
    """
    opened = [open_catalog(name, client) for name in catalogs]
    found: list[Scene] = []
    asked: list[str] = []
    for collection in query.collections:
        holders = [catalog for catalog in opened if _may_hold(catalog, collection)]
        if holders:
            asked.append(collection)
            found += _first_answer(holders, replace(query, collections=(collection,)))
        else:
            _LOG.warning("no catalog of %s holds %s", ", ".join(catalogs), collection)
    if not asked:
        raise InputError(
            "no catalog holds any of the collections: " + ", ".join(query.collections),
            where=", ".join(catalogs),
            remedy="Name another catalog or other collections",
        )
    return one_a_day(found, query)


def _may_hold(catalog: Catalog, collection: str) -> bool:
    """Whether it is worth asking; a catalog that is down is asked again, and counted as down."""
    try:
        return catalog.holds(collection)
    except RemoteError:
        return True


def _first_answer(catalogs: Sequence[Catalog], query: Query) -> list[Scene]:
    failures: list[RemoteError] = []
    for catalog in catalogs:
        try:
            scenes = catalog.search(query)
        except RemoteError as error:
            _LOG.warning("catalog %s does not answer: %s", catalog.name, error)
            failures.append(error)
        else:
            wanted = query.collections[0]
            _LOG.info("catalog %s: %d scenes of %s", catalog.name, len(scenes), wanted)
            return scenes
    if len(failures) == 1:
        raise failures[0]
    offline = all(isinstance(error, OfflineError) for error in failures)
    raise (OfflineError if offline else RemoteError)(
        "None of the catalogs answers: " + "; ".join(error.what for error in failures),
        where=", ".join(catalog.name for catalog in catalogs),
        remedy=failures[0].remedy,
    )
