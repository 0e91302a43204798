"""Scenes for rasters that hold land-surface temperature already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from heliopolis.errors import InputError
from heliopolis.scene import Scene, Sensor

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
