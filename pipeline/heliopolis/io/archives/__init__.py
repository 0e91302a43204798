"""Archives beyond satellites: aerial images, heights, points, buildings, places, weather.

Each archive is a small frozen dataclass whose fields are its addresses and choices; `acquire`
brings one kind of data for an area from one of them, through the client and the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from odc.geo import Geometry

from heliopolis.errors import ConfigError
from heliopolis.io.archives.copernicus_dem import CopernicusDem
from heliopolis.io.archives.delivery import KINDS, Archive, Delivery, Order
from heliopolis.io.archives.ign import Ign
from heliopolis.io.archives.osm import Osm
from heliopolis.io.archives.overture import Overture
from heliopolis.io.archives.pdok import Pdok
from heliopolis.io.archives.pvgis import Pvgis
from heliopolis.io.archives.swisstopo import Swisstopo
from heliopolis.io.remote.window import Store

__all__ = ["ARCHIVES", "KINDS", "Archive", "Delivery", "acquire", "open_archive"]

_ALL: tuple[Any, ...] = (
    Swisstopo(), Ign(), Pdok(), Overture(), Osm(), CopernicusDem(), Pvgis(),
)  # fmt: skip

#: Name of an archive and what it has.
ARCHIVES: Mapping[str, tuple[str, ...]] = {archive.name: archive.kinds for archive in _ALL}


def open_archive(name: str, settings: Mapping[str, Any] | None = None) -> Archive:
    """Archive by name, with some of its fields set otherwise.

    Parameters
    ----------
    name
        One of `ARCHIVES`.
    settings
        Fields of the archive: addresses and choices, such as ``{"release": "2026-09-23.0"}``.

    Raises
    ------
    ConfigError
        For an unknown archive or field.
    """
    known = next((archive for archive in _ALL if archive.name == name), None)
    if known is None:
        raise ConfigError(
            f"there is no archive {name!r}", remedy="Choose one of " + ", ".join(ARCHIVES)
        )
    allowed = {field.name for field in fields(known)} - {"name", "kinds", "collections"}
    unknown = sorted(set(settings or {}) - allowed)
    if unknown:
        raise ConfigError(
            f"the archive {name} has no setting {unknown[0]!r}",
            remedy="It has " + ", ".join(sorted(allowed)),
        )
    made: Archive = replace(known, **dict(settings or {}))
    return made


def acquire(
    kind: str,
    archive: str | Archive,
    area: Geometry,
    crs: str,
    target: Path,
    store: Store,
    *,
    resolution_m: float | None = None,
) -> Delivery:
    """Bring one kind of data for an area from an archive.

    Parameters
    ----------
    kind
        One of `KINDS`.
    archive
        Name of an archive, or an archive with settings of its own (`open_archive`).
    area
        Area wanted, in any CRS; what is written covers its bounds.
    crs
        Metric CRS of rasters and layers.
    target
        ``imagery``, ``dsm``, ``dtm``: one GeoTIFF (bands ``red green blue`` 8 bit with nodata 0;
        ``dsm_m``; ``dtm_m`` with NaN). ``footprints``: a GeoPackage, layer ``footprints`` with
        ``building_id, height_m, use``; ``places``: layer ``places`` with ``place_id, name,
        kind``. ``points``: a folder of LAZ files in the CRS of the archive. ``weather``: a file
        that `heliopolis.io.weather` reads. Written whole or not at all.
    store
        Client and cache.
    resolution_m
        Cell of a raster [m]; the archive's own by default.

    Raises
    ------
    ConfigError
        When the archive is unknown or has no such kind.
    NoDataError
        When it has nothing over the area.
    RemoteError
        When it does not answer as it should; `OfflineError` while working offline.
    """
    chosen = open_archive(archive) if isinstance(archive, str) else archive
    if kind not in chosen.kinds:
        raise ConfigError(
            f"the archive {chosen.name} has no {kind}",
            remedy=f"It has {', '.join(chosen.kinds)}; {kind} is in "
            + (", ".join(n for n, kinds in ARCHIVES.items() if kind in kinds) or "none"),
        )
    return chosen.deliver(Order(kind, area, crs, Path(target), store, resolution_m))
