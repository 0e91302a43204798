"""Hostile and broken files of every format that is read, made from sound ones.

``python -m tests.hostile.corpus FOLDER`` writes them: one folder for each format. Every file is
either a damaged copy of a sound one (cut, holed, stuffed, of another kind) or made by hand to lie
about its size, to unfold without end, or to point where it may not.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import h5py
import laspy
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

from heliopolis.io.laz import write_laz

Made = Iterator[tuple[str, bytes]]
#: Damaged copies of each sound file.
COPIES = 22
EPSG = "EPSG:2154"


def damaged(sound: bytes, seed: int, copies: int = COPIES) -> Made:
    """Copies that are cut, holed, doubled, shifted, or have bytes and numbers changed."""
    draw = random.Random(seed)
    yield "empty", b""
    yield "one_byte", sound[:1]
    yield "zeros", bytes(len(sound))
    yield "noise", draw.randbytes(min(len(sound), 5000))
    yield "html", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    yield "doubled", sound + sound
    yield "head_gone", sound[16:]
    for number in range(copies):
        body = bytearray(sound)
        kind = number % 5
        at = draw.randrange(len(body))
        if kind == 0:
            body = body[: max(2, at)]
        elif kind == 1:
            for _ in range(draw.choice((1, 4, 30))):
                body[draw.randrange(len(body))] = draw.randrange(256)
        elif kind == 2:
            body[at : at + 64] = b"\xff" * min(64, len(body) - at)
        elif kind == 3:
            at = draw.randrange(min(len(body), 400))
            body[at : at + 4] = struct.pack("<I", draw.choice((0, 0x7FFFFFFF, 0xFFFFFFFF)))
            body = body[: len(sound)]
        else:
            del body[at : at + draw.randrange(1, 200)]
        yield f"copy{number:02d}", bytes(body)


def sound_tiff(path: Path) -> bytes:
    profile: dict[str, Any] = {"driver": "GTiff", "width": 64, "height": 64, "count": 1}
    profile |= {"dtype": "float32", "crs": EPSG, "transform": from_origin(650000, 6861000, 10, 10)}
    profile |= {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}
    with rasterio.open(path, "w", **profile) as out:
        out.write(np.random.default_rng(1).normal(30, 2, (1, 64, 64)).astype("float32"))
    return path.read_bytes()


def tiffs(folder: Path) -> Made:
    sound = sound_tiff(folder / "sound.tif")
    yield from damaged(sound, 1)
    yield "sound_cut_tail", sound[:-200]
    vrt = '<VRTDataset rasterXSize="{0}" rasterYSize="{0}"><SRS>EPSG:2154</SRS>{1}</VRTDataset>'
    yield "vrt_of_nothing", vrt.format(99, "").encode()
    band = (
        '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>'
        "/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand>"
    )
    yield "vrt_of_passwd", vrt.format(10, band).encode()


def _h5(path: Path, fill: Callable[[h5py.File], None]) -> bytes:
    with h5py.File(path, "w") as file:
        fill(file)
    return path.read_bytes()


def netcdfs(folder: Path) -> Made:
    def swath(file: h5py.File) -> None:
        file.attrs["start_time"], file.attrs["stop_time"] = "2025-06-01T10:00", "2025-06-01T10:03"
        for name in ("LST", "LST_uncertainty", "latitude_in", "longitude_in"):
            file[name] = np.full((20, 20), 300.0)
        file["confidence_in"] = np.zeros((20, 20), "uint16")

    sound = _h5(folder / "sound.nc", swath)
    yield from damaged(sound, 2)
    yield "no_variables", _h5(folder / "a.nc", lambda f: None)

    def odd(file: h5py.File) -> None:
        file["LST"] = np.zeros(5)
        file["LST_uncertainty"] = np.array([b"text"] * 3)

    yield "odd_shapes", _h5(folder / "b.nc", odd)

    def huge(file: h5py.File) -> None:
        swath(file)
        for name in ("LST", "LST_uncertainty", "latitude_in", "longitude_in"):
            del file[name]
            file.create_dataset(name, (300_000, 300_000), "f8", chunks=(1000, 1000))

    yield "huge_on_paper", _h5(folder / "c.nc", huge)


def clouds(folder: Path) -> Made:
    draw = np.random.default_rng(2)
    path = folder / "sound.laz"
    write_laz(
        path,
        650000 + draw.uniform(0, 100, 3000),
        6860000 + draw.uniform(0, 100, 3000),
        draw.uniform(0, 30, 3000),
        EPSG,
        attributes={"classification": np.full(3000, 2, "uint8")},
        description="hostile",
        created=date(2025, 1, 1),
    )
    sound = path.read_bytes()
    yield from damaged(sound, 3)
    for name, count in (("billion_points", 10**9), ("all_points", 2**64 - 1)):
        body = bytearray(sound)
        body[247:255] = struct.pack("<Q", count)
        yield name, bytes(body)
    body = bytearray(sound)
    body[96:100] = struct.pack("<I", 2**31)
    yield "points_beyond_the_file", bytes(body)
    body = bytearray(sound)
    body[100:104] = struct.pack("<I", 2**32 - 1)
    yield "records_without_end", bytes(body)
    body = bytearray(sound)
    body[131:155] = struct.pack("<3d", float("nan"), float("inf"), 0.0)
    yield "scale_not_a_number", bytes(body)
    header = laspy.LasHeader(point_format=6, version="1.4")
    laspy.LasData(header).write(str(folder / "none.laz"))
    yield "no_points_no_crs", (folder / "none.laz").read_bytes()


def packages(folder: Path) -> Made:
    path = folder / "sound.gpkg"
    boxes = [shapely.box(650000 + i, 6860000, 650000.5 + i, 6860001) for i in range(50)]
    frame = gpd.GeoDataFrame({"building_id": range(50)}, geometry=boxes, crs=EPSG)
    frame.to_file(path, layer="evil", driver="GPKG")
    sound = path.read_bytes()
    yield from damaged(sound, 4)
    frame.set_crs(None, allow_override=True).to_file(folder / "nocrs.gpkg", driver="GPKG")
    yield "no_crs", (folder / "nocrs.gpkg").read_bytes()
    ring = np.column_stack([np.cos(t := np.linspace(0, 6.28, 1_200_000)), np.sin(t)])
    big = gpd.GeoDataFrame(geometry=[shapely.Polygon(ring)], crs=EPSG)
    big.to_file(folder / "big.gpkg", driver="GPKG")
    yield "million_vertices", (folder / "big.gpkg").read_bytes()


def geojsons(folder: Path) -> Made:
    feature = {
        "type": "Feature",
        "properties": {"building_id": "a"},
        "geometry": {"type": "Polygon", "coordinates": [[[2, 48], [3, 48], [3, 49], [2, 48]]]},
    }
    sound = json.dumps({"type": "FeatureCollection", "features": [feature] * 5}).encode()
    yield from damaged(sound, 5)
    yield "deep", b'{"type":"FeatureCollection","features":' + b"[" * 100_000
    opened = '{"type":"GeometryCollection","geometries":[' * 3000
    deep = '{"type":"Feature","properties":{},"geometry":' + opened + "]}" * 3000 + "}"
    yield "deep_geometry", deep.encode()
    for name, value in (("null", None), ("text", "x"), ("number", 1e400), ("open", [[[0, 0]]])):
        shape = {"type": "Polygon", "coordinates": value}
        yield f"ring_{name}", json.dumps({**feature, "geometry": shape}).encode()


def weathers(folder: Path) -> Made:
    rows = [f"2025-01-{1 + h // 24:02d}T{h % 24:02d}:00Z,{h % 24 * 10},1,2" for h in range(200)]
    sound = ("time,ghi,temp_air,wind_speed\n" + "\n".join(rows)).encode()
    yield from damaged(sound, 6)
    yield "no_rows", b"time,ghi\n"
    yield "time_words", b"time,ghi\n2025-13-99,5\n"
    yield "one_row", b"time,ghi\n2025-01-01,5\n"
    yield "same_times", b"time,ghi\n" + b"2025-01-01,5\n" * 30
    yield "words", b"time,ghi\n" + b"2025-01-01T00:00Z,abc\n" * 3
    yield "far_dates", b"time,ghi\n9999-12-31T00:00Z,5\n0001-01-01T00:00Z,5\n"
    yield "formula", b"time,ghi\n=cmd|'/c calc'!A0,5\n"
    yield "long_line", b"time,ghi\n" + b"2" * 5_000_000
    yield "bomb", gzip.compress(bytes(260_000_000), 9)
    yield "gzip_cut", gzip.compress(sound)[:-20]
    yield "try_empty", b"x\n*** \n"
    yield "try_no_columns", b"a b c\n***\n1 2 3\n"


def epws(folder: Path) -> Made:
    head = [
        "LOCATION,Town,-,FRA,TMYx,071490,48.7,2.4,1.0,90.0",
        "DESIGN CONDITIONS,0",
        "TYPICAL/EXTREME PERIODS,0",
        "GROUND TEMPERATURES,0",
        "HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0",
        "COMMENTS 1,",
        "COMMENTS 2,",
        "DATA PERIODS,1,1,Data,Sunday,1/1,12/31",
    ]
    line = "2025,{m},{d},{h},60,?9," + ",".join(["10"] * 29)
    rows = [line.format(m=1, d=1 + h // 24, h=1 + h % 24) for h in range(96)]
    sound = "\n".join([*head, *rows]).encode()
    yield from damaged(sound, 7)
    yield "no_data", "\n".join(head).encode()
    yield "day_40", "\n".join([*head, line.format(m=2, d=40, h=1)]).encode()
    yield "hour_99", "\n".join([*head, line.format(m=2, d=1, h=99)]).encode()


def configurations(folder: Path) -> Made:
    sound = b"name: town\narea: {bbox: [2, 48, 3, 49], crs: 'EPSG:2154'}\nthermal: {sources: []}\n"
    yield from damaged(sound, 8)
    laugh = "a0: &a0 [x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    yield "billion_laughs", laugh.encode()
    yield "python_object", b"name: !!python/object/apply:os.system ['touch /tmp/owned']\n"
    yield "python_name", b"a: !!python/name:os.system\n"
    yield "deep", b"a: " + b"[" * 20_000
    yield "deep_closed", b"a: " + b"[" * 3000 + b"]" * 3000
    yield "self", b"a: &a [*a]\n"
    yield "merge", b"a: &a {b: 1}\nc: {<<: *a}\n"
    yield "name_climbs", sound.replace(b"town", b"../../etc")
    yield "name_absolute", sound.replace(b"town", b"/etc/cron.d")
    yield "tag", b"!!binary x\n"
    yield "list", b"- a\n- b\n"
    yield "number", b"1e999\n"
    yield "large", b"# " + b"x" * 3_000_000
    yield "int", b"name: " + b"9" * 10_000 + b"\n"
    yield "date", b"period: {start: 2025-99-99}\n"


def stacs(folder: Path) -> Made:
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "LC09_L2SP_199026_20250621_02_T1",
        "collection": "landsat-c2-l2",
        "geometry": {"type": "Polygon", "coordinates": [[[2, 48], [3, 48], [3, 49], [2, 48]]]},
        "bbox": [2, 48, 3, 49],
        "properties": {"datetime": "2025-06-21T10:30:00Z", "eo:cloud_cover": 3},
        "assets": {"lwir11": {"href": "b.tif"}, "qa_pixel": {"href": "q.tif"}},
        "links": [],
    }
    sound = json.dumps(item).encode()
    yield from damaged(sound, 9)
    names = ("../../x", "/etc/x", "a/b", "a\x00b", "", ".", "x" * 5000, "a\nb")
    for number, name in enumerate(names):
        yield f"name{number}", json.dumps({**item, "id": name}).encode()
    wrong: tuple[tuple[str, Any], ...] = (
        ("properties", {"datetime": "yesterday"}),
        ("properties", {"datetime": None}),
        ("properties", {}),
        ("properties", {"datetime": "2025-06-21T10:30:00Z", "eo:cloud_cover": "many"}),
        ("properties", {"datetime": "2025-06-21T10:30:00Z", "proj:epsg": "x"}),
        ("geometry", None),
        ("geometry", {"type": "Polygon"}),
        ("geometry", {"type": "Nothing", "coordinates": []}),
        ("bbox", ["a"]),
        ("assets", {"lwir11": "text"}),
        ("assets", {"lwir11": {}}),
        ("assets", {"lwir11": {"href": None}}),
        ("assets", {"lwir11": {"href": 5, "proj:shape": "x"}}),
        ("id", 5),
        ("id", None),
        ("collection", {"a": 1}),
        ("links", "x"),
    )
    for number, (key, value) in enumerate(wrong):
        yield f"{key}{number}", json.dumps({**item, key: value}).encode()
    yield "deep", b'{"type":"Feature","id":"a","properties":' + b'{"a":' * 50_000
    yield "deep_list", b"[" * 200_000
    yield "nan", sound.replace(b'"eo:cloud_cover": 3', b'"eo:cloud_cover": NaN')
    yield "huge_int", sound.replace(b'"eo:cloud_cover": 3', b'"eo:cloud_cover": ' + b"9" * 5000)


def zips(folder: Path) -> Made:
    def packed(*members: tuple[str, bytes]) -> bytes:
        path = folder / "made.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in members:
                archive.writestr(name, body)
        return path.read_bytes()

    sound = packed(("points.las", random.Random(1).randbytes(4000)))
    yield from damaged(sound, 10)
    yield "bomb", packed(("points.las", bytes(50_000_000)))
    yield "two", packed(("a.las", b"x"), ("b.las", b"y"))
    yield "none", packed(("readme.txt", b"x"))
    yield "climbs", packed(("../../../evil.las", b"x" * 100))
    yield "absolute", packed(("/etc/evil.las", b"x" * 100))
    lie = bytearray(sound)
    where = lie.find(b"PK\x01\x02")
    lie[where + 24 : where + 28] = struct.pack("<I", 10)
    yield "size_that_lies", bytes(lie)


def tensors(folder: Path) -> Made:
    import torch
    from safetensors.torch import save

    sound = save({"a": torch.zeros(30, 30)})
    yield from damaged(sound, 11)
    yield "header_without_end", struct.pack("<Q", 2**62) + sound[8:]
    yield "pickle", b"\x80\x04cposix\nsystem\n(X\x0e\x00\x00\x00touch /tmp/ownedtR."


def nets(folder: Path) -> Made:
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 8]
    node = helper.make_node("Identity", ["image"], ["logits"])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    yield from damaged(model.SerializeToString(), 12, copies=15)


FORMATS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "tiff": (".tif", tiffs),
    "netcdf": (".nc", netcdfs),
    "laz": (".laz", clouds),
    "gpkg": (".gpkg", packages),
    "geojson": (".geojson", geojsons),
    "csv": (".csv", weathers),
    "epw": (".epw", epws),
    "yaml": (".yaml", configurations),
    "stac": (".json", stacs),
    "zip": (".zip", zips),
    "safetensors": (".safetensors", tensors),
    "onnx": (".onnx", nets),
}


def write_corpus(folder: Path, formats: list[str] | None = None) -> list[Path]:
    """Write the corpus into ``folder``; returns its files."""
    made = []
    for name in formats or list(FORMATS):
        suffix, make = FORMATS[name]
        place, workshop = folder / name, folder / ".made" / name
        for one in (place, workshop):
            one.mkdir(parents=True, exist_ok=True)
        for label, body in make(workshop):
            path = place / f"{label}{suffix}"
            path.write_bytes(body)
            made.append(path)
    return made


if __name__ == "__main__":
    print(len(write_corpus(Path(sys.argv[1]))), "files")
