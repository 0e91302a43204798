"""What is asked of an archive, and what it says about what it gave."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from odc.geo import Geometry
from odc.geo.geobox import GeoBox

from heliopolis.errors import NoDataError
from heliopolis.grid import bounds_grid, metric_crs
from heliopolis.io.remote.remote_file import RemoteFile
from heliopolis.io.remote.window import RemoteAsset, Store

#: What an archive may have.
KINDS = ("imagery", "dsm", "dtm", "points", "footprints", "places", "weather")


@dataclass(frozen=True)
class Delivery:
    """What came with the data.

    Attributes
    ----------
    attribution
        Text that every use of the data must show.
    licence
        Name of the licence.
    year
        Year of the survey, the newest where several were mixed; None where the archive does
        not say.
    note
        What a reader of the results should know: sources, gaps, mixed years.
    """

    attribution: str
    licence: str
    year: int | None
    note: str


@dataclass(frozen=True)
class Order:
    """What is wanted, and where it is to be put.

    Attributes
    ----------
    kind
        One of `KINDS`.
    area
        Area wanted, in any CRS.
    crs
        Metric CRS of rasters and layers that are written.
    target
        File, or folder for ``points``.
    store
        Client and cache.
    resolution_m
        Cell of a raster [m]; the archive's own by default.
    """

    kind: str
    area: Geometry
    crs: str
    target: Path
    store: Store
    resolution_m: float | None = None

    def grid(self, native_m: float) -> GeoBox:
        """Grid of the raster to be written: over the bounds of the area, on whole cells."""
        metric = metric_crs(self.crs, "crs")
        return bounds_grid(self.region(str(metric)), self.resolution_m or native_m)

    def region(self, crs: str) -> Geometry:
        """The area in another CRS."""
        return self.area.to_crs(crs, resolution="auto", wrapdateline=False)

    def bounds(self, crs: str) -> tuple[float, float, float, float]:
        """West, south, east, north of the area in ``crs``."""
        west, south, east, north = self.region(crs).boundingbox.bbox
        return west, south, east, north

    def nothing(self, archive: str, remedy: str = "") -> NoDataError:
        """Error that says that the archive has nothing of the kind over the area."""
        west, south, east, north = self.bounds("EPSG:4326")
        return NoDataError(
            f"{archive} has no {self.kind} over the area",
            where=f"{west:.4f} {south:.4f} {east:.4f} {north:.4f}",
            remedy=remedy or "Check the area, or choose another archive or files of your own",
        )


class Archive(Protocol):
    """An archive: frozen dataclasses whose fields are addresses and choices."""

    @property
    def name(self) -> str:
        """Name in configurations."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it has."""

    def deliver(self, order: Order) -> Delivery:
        """Write what is ordered to ``order.target``, whole or not at all."""


@contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """Temporary folder beside ``target``, so that files can be linked and renamed across."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.stem}.", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(cached: Path, place: Path) -> Path:
    """Hold on to a file of the cache: a link to it outlives its removal from there."""
    try:
        os.link(cached, place)
    except OSError:
        shutil.copyfile(cached, place)
    return place


@contextmanager
def remote_stream(store: Store, asset: RemoteAsset) -> Iterator[BinaryIO]:
    """A remote file as a stream that can be positioned; only what is looked at is fetched."""
    what = f"item {asset.item}, asset {asset.name}"
    with RemoteFile(store.client, asset.url, what=what, signer=asset.signer) as stream:
        yield cast(BinaryIO, stream)
