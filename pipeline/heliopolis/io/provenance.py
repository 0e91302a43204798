"""The record of a run: what went in, with which versions, under which licences, at what cost."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from heliopolis.io.power import metered
from heliopolis.scene import Scene, Sensor

#: Power of a busy processor core with its share of memory [W]: a stated assumption.
CORE_POWER_W = 12.0
_LIBRARIES = (
    "heliopolis",
    "numpy",
    "xarray",
    "dask",
    "rasterio",
    "geopandas",
    "shapely",
    "pyproj",
    "odc-geo",
    "pvlib",
    "scikit-learn",
    "snakemake",
    "onnxruntime",
)
_LANDSAT = (
    "Landsat Collection 2",
    "Public domain",
    "Landsat image courtesy of the U.S. Geological Survey",
)
_SENTINEL = "Copernicus Sentinel data terms: free, full and open"
_BASELINES = (
    "s2:processing_baseline",
    "processing:version",
    "sentinel:processing_baseline",
    "landsat:collection_number",
    "s3:processing_baseline",
    "processing:baseline",
)


def versions() -> dict[str, str]:
    """Versions of Python, GDAL and of the libraries that the numbers depend on."""
    import rasterio

    found = {"python": platform.python_version(), "gdal": str(rasterio.__gdal_version__)}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def baseline(scene: Scene) -> str | None:
    """Processing baseline or version that the provider states."""
    for key in _BASELINES:
        if scene.properties.get(key) is not None:
            return str(scene.properties[key])
    return None


def licences(scenes: Iterable[Scene]) -> list[dict[str, str]]:
    """Source, licence and credit of the satellite data, each once; the credit may be empty."""
    found: dict[str, dict[str, str]] = {}
    for scene in scenes:
        source, licence, credit = _credit(scene)
        found.setdefault(
            credit or source, {"source": source, "licence": licence, "attribution": credit}
        )
    return list(found.values())


def _credit(scene: Scene) -> tuple[str, str, str]:
    if scene.simulated:
        return "Simulator of heliopolis", "Apache-2.0", "Simulated scenes: no satellite data"
    if scene.sensor is Sensor.LANDSAT_L2:
        return _LANDSAT
    if scene.sensor in (Sensor.SENTINEL2_L2A, Sensor.SLSTR_LST):
        number = "2" if scene.sensor is Sensor.SENTINEL2_L2A else "3"
        credit = f"Contains modified Copernicus Sentinel data {scene.acquired.year}"
        return f"Copernicus Sentinel-{number}", _SENTINEL, credit
    return "Temperature rasters of the user", "As given by the user", ""


def delivered_licences(deliveries: Iterable[Path]) -> list[dict[str, str]]:
    """Source, licence and credit of what came from archives, each credit once."""
    found: dict[str, dict[str, str]] = {}
    for path in deliveries:
        told = json.loads(path.read_text(encoding="utf-8"))
        year = f", {told['year']}" if told.get("year") else ""
        source = f"{told['archive']}: {told['kind']}{year}"
        entry = {"source": source, "licence": told["licence"], "attribution": told["attribution"]}
        known = found.setdefault(told["attribution"], entry)
        if known is not entry:
            known["source"] += f"; {told['kind']}{year}"
    return list(found.values())


def scene_record(scene: Scene, role: str) -> dict[str, Any]:
    """What is worth keeping of a scene."""
    return {
        "id": scene.id,
        "role": role,
        "sensor": str(scene.sensor),
        "collection": scene.item.get("collection"),
        "provider": scene.properties.get("heliopolis:provider"),
        "platform": scene.properties.get("platform"),
        "acquired": scene.acquired.astimezone(UTC).isoformat(),
        "time_estimated": bool(scene.properties.get("heliopolis:time_estimated")),
        "overpass": scene.properties.get("heliopolis:overpass"),
        "processing_baseline": baseline(scene),
        "cloud_percent": scene.properties.get("eo:cloud_cover"),
        "simulated": scene.simulated,
    }


def job_records(folder: Path) -> list[dict[str, Any]]:
    """Time and memory of each job, where the workflow measured them."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError:
            continue
    return found


def energy_used(jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Energy of the computation, from processor time and a stated power; time, memory, bytes.

    >>> energy_used([{"cpu_seconds": 3600.0, "seconds": 1800.0}])["energy_kwh"]
    0.012
    """
    method = f"processor time x {CORE_POWER_W:g} W a busy core (assumed, not metered)"
    stated = {"method": method, "core_power_w": CORE_POWER_W}
    if not jobs:
        return {"energy_kwh": None, "cpu_seconds": None, "peak_memory_mb": None, **stated}

    def total(key: str) -> float:
        return sum(float(job.get(key) or 0.0) for job in jobs)

    return {
        "energy_kwh": round(total("cpu_seconds") * CORE_POWER_W / 3.6e6, 6),
        "jobs": len(jobs),
        "job_seconds": round(total("seconds"), 1),
        "cpu_seconds": round(total("cpu_seconds"), 1),
        "peak_memory_mb": max(float(job.get("peak_memory_mb") or 0.0) for job in jobs),
        "read_bytes": int(total("read_bytes")),
        "written_bytes": int(total("written_bytes")),
        **stated,
    }


def tile_records(work: Path) -> list[dict[str, Any]]:
    """Status of each tile, with the error where there was one.

    ``done``, ``partial`` (done, without what the image shows), ``no work``, ``failed``,
    ``held back`` (for want of a neighbour), or ``missing``.
    """
    tiles = _json(work / "tiles.json") or []
    left = _json(work / "failed.json") or {}
    found = []
    for tile in tiles:
        name = str(tile["id"])
        image = (left.get("images") or {}).get(name)
        done = (work / "solar" / f"{name}.gpkg").is_file()
        error = (left.get("tiles") or {}).get(name) or (None if done else _message(work, name))
        status = "done" if done else "no work" if not tile.get("work", True) else "missing"
        if error is not None:
            status = "held back" if error.startswith("held back") else "failed"
        elif image is not None and done:
            status, error = "partial", image
        found.append({"id": name, "status": status, "error": error or image})
    return found


def _message(work: Path, tile: str) -> str | None:
    """What a job of the tile said when it failed."""
    found = sorted((work / "errors").glob(f"*.{tile}.txt"))
    return found[0].read_text(encoding="utf-8").strip() if found else None


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def output_records(folder: Path, files: Iterable[Path]) -> list[dict[str, Any]]:
    """Relative path, size and SHA-256 of each output."""
    made = []
    for path in files:
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        relative = path.resolve().relative_to(folder.resolve()).as_posix()
        made.append({"file": relative, "bytes": path.stat().st_size, "sha256": digest})
    return made


def run_record(
    *,
    options: Mapping[str, Any],
    scenes: Sequence[Mapping[str, Any]],
    credits: Sequence[Mapping[str, str]],
    simulated: bool,
    work: Path,
    outputs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of ``run.json``."""
    inner = ("config_sha256", "provenance", "jobs", "crs", "versions")
    jobs = job_records(work / "jobs")
    given = list((options.get("report") or {}).get("attribution") or [])
    stated = [one["attribution"] for one in credits]
    return {
        "name": options["name"],
        "title": (options.get("report") or {}).get("title") or options["name"],
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "simulated": simulated,
        "versions": {**versions(), **(options.get("versions") or {})},
        "config_sha256": options.get("config_sha256"),
        "config": options.get("written")
        or {key: value for key, value in options.items() if key not in inner},
        "scenes": [dict(one) for one in scenes],
        "licences": [dict(one) for one in credits],
        "attribution": [text for text in dict.fromkeys([*stated, *given]) if text],
        "tiles": tile_records(work),
        "outputs": [dict(one) for one in outputs],
        "energy": metered(energy_used(jobs), jobs),
        "jobs": jobs,
    }
