"""The archives that are known by name: addresses, collections, signers, manners, credits.

Verified against recorded answers only: Earth Search v1 (items of ``sentinel-2-l2a``,
``sentinel-2-c1-l2a``, ``landsat-c2-l2``), Planetary Computer (items of ``sentinel-2-l2a``,
``landsat-c2-l2``; the collection of ``sentinel-3-slstr-lst-l2-netcdf``), Copernicus Data Space
(items of ``sentinel-2-l2a`` and the landing page). No item of Sentinel-3 from Copernicus Data
Space was recorded: its collection is named after the provider's documentation, and its assets
are told by the names of the files in the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from heliopolis.scene import Sensor

#: Name of a collection -> sensor.
SENSORS: Mapping[str, Sensor] = {
    "landsat-c2-l2": Sensor.LANDSAT_L2,
    "landsat-c2-l1": Sensor.LANDSAT_L1,
    "sentinel-3-slstr-lst-l2-netcdf": Sensor.SLSTR_LST,
    "sentinel-3-sl-2-lst-ntc": Sensor.SLSTR_LST,
    "sentinel-3-sl-2-lst-nrt": Sensor.SLSTR_LST,
    "sentinel-2-l2a": Sensor.SENTINEL2_L2A,
    "sentinel-2-c1-l2a": Sensor.SENTINEL2_L2A,
}

_COPERNICUS = "Contains modified Copernicus Sentinel data"
_USGS = "Landsat image courtesy of the U.S. Geological Survey"
_SENTINEL_TERMS = (
    "Copernicus Sentinel data: free, full and open "
    "(https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice)"
)
_LANDSAT_TERMS = (
    "Landsat: public domain (https://www.usgs.gov/core-science-systems/hdds/data-policy)"
)


@dataclass(frozen=True)
class Provider:
    """An archive.

    Attributes
    ----------
    name, url
        Our name, and the landing page of its STAC API.
    collections
        Sensor -> names of its collections.
    signer
        Name of what signs the reading of its assets; None where they are open.
    requests_per_second
        Most requests to its API that it allows, None where it names no number.
    licence, attribution
        Terms of use, and the credit to print, by sensor.
    """

    name: str
    url: str
    collections: Mapping[Sensor, tuple[str, ...]]
    signer: str | None
    requests_per_second: float | None
    licence: Mapping[Sensor, str]
    attribution: Mapping[Sensor, str]


def _terms(*sensors: Sensor) -> tuple[dict[Sensor, str], dict[Sensor, str]]:
    landsat = (Sensor.LANDSAT_L1, Sensor.LANDSAT_L2)
    licence = {s: _LANDSAT_TERMS if s in landsat else _SENTINEL_TERMS for s in sensors}
    credit = {s: _USGS if s in landsat else _COPERNICUS for s in sensors}
    return licence, credit


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            "earth-search",
            "https://earth-search.aws.element84.com/v1",
            {
                Sensor.SENTINEL2_L2A: ("sentinel-2-l2a", "sentinel-2-c1-l2a"),
                # In a bucket whose reader pays: found and listed, read with keys of one's own.
                Sensor.LANDSAT_L2: ("landsat-c2-l2",),
            },
            None,
            None,
            *_terms(Sensor.SENTINEL2_L2A, Sensor.LANDSAT_L2),
        ),
        Provider(
            "planetary-computer",
            "https://planetarycomputer.microsoft.com/api/stac/v1",
            {
                Sensor.SENTINEL2_L2A: ("sentinel-2-l2a",),
                Sensor.LANDSAT_L2: ("landsat-c2-l2",),
                Sensor.SLSTR_LST: ("sentinel-3-slstr-lst-l2-netcdf",),
            },
            "planetary-computer",
            None,
            *_terms(Sensor.SENTINEL2_L2A, Sensor.LANDSAT_L2, Sensor.SLSTR_LST),
        ),
        Provider(
            "copernicus",
            "https://stac.dataspace.copernicus.eu/v1",
            {
                Sensor.SENTINEL2_L2A: ("sentinel-2-l2a",),
                Sensor.SLSTR_LST: ("sentinel-3-sl-2-lst-ntc", "sentinel-3-sl-2-lst-nrt"),
            },
            "copernicus-s3",
            5.0,
            *_terms(Sensor.SENTINEL2_L2A, Sensor.SLSTR_LST),
        ),
    )
}


def own_names(wanted: str, held: Iterable[str]) -> tuple[str, ...]:
    """Which of the collections ``held`` stand for ``wanted``: itself, or those of its sensor.

    >>> own_names("sentinel-3-slstr-lst-l2-netcdf", ["sentinel-2-l2a", "sentinel-3-sl-2-lst-ntc"])
    ('sentinel-3-sl-2-lst-ntc',)
    """
    names = list(held)
    if wanted in names:
        return (wanted,)
    return tuple(name for name in names if SENSORS.get(name) == SENSORS[wanted])


def signer_name(provider: Provider | None, hrefs: Iterable[str]) -> str | None:
    """Who signs the reading of these assets; None where nobody has to."""
    found = list(hrefs)
    if any(href.startswith("s3://eodata/") for href in found):
        return "copernicus-s3"
    if any(href.startswith("s3://") for href in found):
        return "aws-requester-pays"
    return provider.signer if provider is not None else None
