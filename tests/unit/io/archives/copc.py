"""A small cloud-optimised point cloud: one octree node, written by hand for the tests.

Layout after https://copc.io (COPC 1.0): the info record is the first VLR, the hierarchy an EVLR.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import laspy
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS


def cloud(
    x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], crs: str | None = "EPSG:2056"
) -> laspy.LasData:
    """Points in format 6; the class of a point is 2 where z is below 100 m, else 6."""
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = np.array([0.01, 0.01, 0.01])
    header.offsets = np.floor([x.min(), y.min(), 0.0])
    if crs is not None:
        header.add_crs(CRS.from_user_input(crs))
    made = laspy.LasData(header)
    made.x, made.y, made.z = x, y, z
    made.classification = np.where(z < 100, 2, 6).astype("uint8")
    return made


def laz_bytes(points: laspy.LasData, *, compress: bool = True) -> bytes:
    sink = io.BytesIO()
    points.write(sink, do_compress=compress)
    return sink.getvalue()


def copc_bytes(points: laspy.LasData) -> bytes:
    """The same points as a COPC file."""
    assert len(points) < 50_000  # one chunk of LAZ
    points.update_header()
    data = bytearray(laz_bytes(points))
    header_size = struct.unpack_from("<H", data, 94)[0]
    start, count = struct.unpack_from("<II", data, 96)
    table = struct.unpack_from("<q", data, start)[0]
    extra = 54 + 160
    mins, maxs = points.header.mins, points.header.maxs
    half = float(max(maxs - mins)) / 2
    centre = (mins + maxs) / 2
    node = (start + 8 + extra, table - start - 8)
    hierarchy_at = len(data) + extra + 60
    info = struct.pack("<5dQQ2d", *centre, half, half / 64, hierarchy_at, 32, 0.0, 0.0) + b"\0" * (
        11 * 8
    )
    record = struct.pack("<H16sHH32s", 0, b"copc", 1, 160, b"COPC info VLR") + info
    entry = struct.pack("<4iQii", 0, 0, 0, 0, node[0], node[1], len(points))
    evlr = struct.pack("<H16sHQ32s", 0, b"copc", 1000, 32, b"EPT hierarchy") + entry
    struct.pack_into("<q", data, start, table + extra)
    struct.pack_into("<II", data, 96, start + extra, count + 1)
    struct.pack_into("<QI", data, 235, len(data) + extra, 1)
    return bytes(data[:header_size]) + record + bytes(data[header_size:]) + evlr
