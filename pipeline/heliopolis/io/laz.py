"""Writing of point clouds as LAZ 1.4."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import laspy
import numpy as np
from pyproj import CRS

from heliopolis.io.atomic import replacing


def write_laz(
    path: Path,
    x: np.ndarray[Any, Any],
    y: np.ndarray[Any, Any],
    z: np.ndarray[Any, Any],
    crs: str,
    *,
    attributes: Mapping[str, np.ndarray[Any, Any]],
    description: str,
    created: date,
) -> Path:
    """Write points as LAZ 1.4, point format 6, in centimetres; whole or not at all.

    Parameters
    ----------
    path
        Target, ``*.laz``.
    x, y, z
        Coordinates (n,) [m].
    crs
        Coordinate reference system, stored as WKT.
    attributes
        Dimensions of point format 6 by name (n,): classification, return_number, intensity...
    description
        Goes into the header as the system identifier (at most 32 characters).
    created
        Date of creation in the header.
    """
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = np.array([0.01, 0.01, 0.01])
    header.offsets = np.floor([x.min(), y.min(), 0.0])
    header.system_identifier = description[:32]
    header.generating_software = "heliopolis"
    header.creation_date = created
    header.add_crs(CRS.from_user_input(crs))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = x, y, z
    for name, values in attributes.items():
        cloud[name] = values
    with replacing(path) as target:
        cloud.write(str(target))
    return path
