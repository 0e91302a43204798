"""Result layers as GeoParquet, for notebooks and databases, and as PMTiles, for web maps.

GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0/) keeps every field, with the box around
each geometry, by which readers fetch the part that they need. PMTiles
(https://github.com/protomaps/PMTiles) is one file of vector tiles that a web map reads in ranges
from any server; its outlines are simplified by zoom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import geopandas as gpd
import pyogrio

from heliopolis.io.atomic import replacing
from heliopolis.variables import conform

#: Deepest zoom of the tiles, 1.5 m a pixel at 50 degrees north in tiles of 256, and the first of
#: each layer: parts of roofs are not seen from afar.
_LAST_ZOOM, _FIRST_ZOOM = 16, 10
_FIRST_ZOOMS = {"buildings": 12, "roof_planes": 14, "panels": 15}
#: Largest tile [bytes]; a fuller one is drawn in less detail.
_LARGEST = 2_000_000


def write_web_tables(
    folder: Path, layers: Mapping[str, gpd.GeoDataFrame], formats: Iterable[str]
) -> list[Path]:
    """Write each layer that has features, each file whole or not at all.

    Parameters
    ----------
    folder
        Where the files go, ``<layer>.parquet`` and ``<layer>.pmtiles``.
    layers
        Declared layer name to features with a CRS.
    formats
        Of ``geoparquet`` and ``pmtiles``.

    Returns
    -------
    list of Path
        The files.
    """
    writers = {"geoparquet": (".parquet", _parquet), "pmtiles": (".pmtiles", _tiles)}
    made = []
    for one in formats:
        ending, write = writers[one]
        for name, table in layers.items():
            if table.empty:
                continue
            path = folder / f"{name}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as target:
                write(target, name, conform(name, table))
            made.append(path)
    return made


def _parquet(target: Path, name: str, table: gpd.GeoDataFrame) -> None:
    table.to_parquet(
        target, index=False, compression="zstd", schema_version="1.1.0", write_covering_bbox=True
    )


def _tiles(target: Path, name: str, table: gpd.GeoDataFrame) -> None:
    empty = [column for column in table.columns if table[column].isna().all()]
    pyogrio.write_dataframe(
        table.drop(columns=empty),
        target,
        layer=name,
        driver="PMTiles",
        dataset_options={
            "NAME": name,
            "MINZOOM": _FIRST_ZOOMS.get(name, _FIRST_ZOOM),
            "MAXZOOM": _LAST_ZOOM,
            "MAX_SIZE": _LARGEST,
        },
    )
